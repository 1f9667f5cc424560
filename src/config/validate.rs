//! Checks if a key accepts a value, and if not, finds a value to suggest. Pure functions.

use hotplate_actors::suggestion;

use super::keys::{Key, Kind, Unit, Value};
use super::quantity;

/// A value of any type, as a source has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RawValue {
    Flag(bool),
    /// A whole number with its sign; `None` if it is larger than the type.
    Whole(Option<i128>),
    Fraction(f64),
    Text(String),
    List(Vec<RawValue>),
    /// A value of a type that no setting has, in words.
    Other(&'static str),
}

/// The reason why a key does not accept a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InvalidValue {
    pub(super) code: &'static str,
    pub(super) message: String,
    /// A valid value: the one that was probably meant, or an example.
    pub(super) instead: Value,
    /// True if that value was probably meant.
    pub(super) meant: bool,
}

impl RawValue {
    /// Reads the text of a variable or a flag as the type that a key expects.
    pub(super) fn untyped(text: &str, kind: Kind) -> Self {
        match kind {
            Kind::Flag => text.parse().map_or_else(|_| Self::Text(text.to_owned()), Self::Flag),
            Kind::Whole { .. } => {
                let digits = text.replace('_', "");
                let number = digits.strip_prefix('-').unwrap_or(&digits);
                match !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
                    true => Self::Whole(digits.parse().ok()),
                    false => Self::Text(text.to_owned()),
                }
            }
            Kind::List => {
                if let Some(list) = written_list(text) {
                    return list;
                }
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Self::List(parts.map(|part| Self::Text(part.to_owned())).collect())
            }
            Kind::Choice(_)
            | Kind::Text
            | Kind::File
            | Kind::Address
            | Kind::OptionalAddress
            | Kind::OptionalListener => Self::Text(text.to_owned()),
        }
    }

    /// Returns the type in words.
    fn type_name(&self) -> &'static str {
        match self {
            Self::Flag(_) => "a flag",
            Self::Whole(_) => "a number",
            Self::Fraction(_) => "a fraction",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Other(name) => name,
        }
    }
}

/// Returns the value if the key accepts it.
///
/// # Errors
/// The reason, and what to write instead.
pub(super) fn validate(key: &Key, raw: RawValue) -> Result<Value, InvalidValue> {
    let wrong = |code, message: String, meant: Option<Value>| InvalidValue {
        code,
        message,
        meant: meant.is_some(),
        instead: meant.unwrap_or_else(|| example(key)),
    };
    let name = &key.path;
    match (key.kind, raw) {
        (Kind::Flag, RawValue::Flag(flag)) => Ok(Value::Flag(flag)),
        (Kind::Flag, raw) => {
            let meant = match &raw {
                RawValue::Text(text) => parse_flag(text),
                RawValue::Whole(Some(0)) => Some(false),
                RawValue::Whole(Some(1)) => Some(true),
                _ => None,
            };
            let message = format!("`{name}` is true or false, and this is {}", raw.type_name());
            Err(wrong("wrong-type", message, meant.map(Value::Flag)))
        }
        (Kind::Whole { least, most, .. }, RawValue::Whole(number)) => {
            let fits = number.and_then(|number| u64::try_from(number).ok());
            match fits.filter(|number| (least..=most).contains(number)) {
                Some(number) => Ok(Value::Whole(number)),
                None => {
                    let (least, most) = (Value::Whole(least), Value::Whole(most));
                    let of = of(key.kind);
                    let message = format!("`{name}` is a whole number{of} from {least} to {most}");
                    Err(wrong("out-of-range", message, None))
                }
            }
        }
        (Kind::Whole { unit, least, most }, raw) => {
            let text = match &raw {
                RawValue::Text(text) => text.clone(),
                RawValue::Fraction(number) => number.to_string(),
                _ => String::new(),
            };
            let meant = quantity::parse(&text, unit).filter(|number| (least..=most).contains(number));
            let code = if meant.is_some() { "wrong-unit" } else { "wrong-type" };
            let message = format!(
                "`{name}` is a whole number{}, and this is {}",
                of(key.kind),
                raw.type_name()
            );
            Err(wrong(code, message, meant.map(Value::Whole)))
        }
        (Kind::Choice(words), RawValue::Text(text)) => {
            if words.contains(&text.as_str()) {
                return Ok(Value::Text(text));
            }
            let list: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            let message = format!("`{name}` is one of {}", list.join(", "));
            let nearest = suggestion(&text, words.iter().copied()).map(|word| Value::Text(word.to_owned()));
            Err(wrong("unknown-value", message, nearest))
        }
        (Kind::OptionalAddress | Kind::OptionalListener, RawValue::Text(text)) if text.is_empty() => {
            Ok(Value::Text(text))
        }
        (Kind::OptionalListener, RawValue::Text(text))
            if text.strip_prefix("unix:").is_some_and(|path| !path.is_empty()) =>
        {
            Ok(Value::Text(text))
        }
        (Kind::Address | Kind::OptionalAddress | Kind::OptionalListener, RawValue::Text(text)) => {
            match address(&text) {
                Ok(()) => Ok(Value::Text(text)),
                Err(meant) => {
                    let message = format!("`{name}` is an address and a port");
                    Err(wrong("no-address", message, meant.map(Value::Text)))
                }
            }
        }
        (Kind::Address | Kind::OptionalAddress | Kind::OptionalListener, RawValue::Whole(Some(port)))
            if u16::try_from(port).is_ok() =>
        {
            let message = format!("`{name}` is an address and a port, and this is a number");
            Err(wrong(
                "no-address",
                message,
                Some(Value::Text(format!("127.0.0.1:{port}"))),
            ))
        }
        (Kind::Text | Kind::File, RawValue::Text(text)) => Ok(Value::Text(text)),
        (Kind::List, RawValue::List(list)) => {
            let texts = list.iter().map(|item| match item {
                RawValue::Text(text) => Some(text.clone()),
                _ => None,
            });
            let texts: Option<Vec<String>> = texts.collect();
            texts
                .map(Value::List)
                .ok_or_else(|| wrong("wrong-type", format!("`{name}` is a list of texts"), None))
        }
        (Kind::List, RawValue::Text(text)) => {
            let message = format!("`{name}` is a list of texts, and this is one text");
            Err(wrong("wrong-type", message, Some(Value::List(vec![text]))))
        }
        (kind, raw) => {
            let expected = match kind {
                Kind::List => "a list of texts",
                _ => "a text",
            };
            let message = format!("`{name}` is {expected}, and this is {}", raw.type_name());
            Err(wrong("wrong-type", message, None))
        }
    }
}

/// Returns the unit of a kind, as in "a whole number of bytes".
fn of(kind: Kind) -> &'static str {
    match kind {
        Kind::Whole {
            unit: Unit::Milliseconds,
            ..
        } => " of milliseconds",
        Kind::Whole { unit: Unit::Bytes, .. } => " of bytes",
        _ => "",
    }
}

/// Parses a list of texts in the notation of JSON or TOML: `["html", "txt"]`. A pattern such as `[ab].html` is no list.
fn written_list(text: &str) -> Option<RawValue> {
    let text = text.trim();
    if !(text.starts_with('[') && text.ends_with(']')) {
        return None;
    }
    let line = format!("list = {text}");
    let table = toml::de::DeTable::parse(&line).ok()?;
    let items = table.get_ref().get("list")?.get_ref().as_array()?;
    let texts = items
        .iter()
        .map(|item| item.get_ref().as_str().map(|text| RawValue::Text(text.to_owned())));
    texts.collect::<Option<Vec<RawValue>>>().map(RawValue::List)
}

/// Returns a valid value: the default, or the usual address of a listener that is disabled by default.
fn example(key: &Key) -> Value {
    match key.kind {
        Kind::OptionalAddress => Value::Text("127.0.0.1:9901".to_owned()),
        Kind::OptionalListener => Value::Text("127.0.0.1:9902".to_owned()),
        _ => key.default(),
    }
}

/// Parses the usual words for true and false.
fn parse_flag(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Checks that a text is a host and a port. If not, returns the address that was probably meant.
fn address(text: &str) -> Result<(), Option<String>> {
    if text.parse::<u16>().is_ok() {
        return Err(Some(format!("127.0.0.1:{text}")));
    }
    match text.rsplit_once(':') {
        Some(("", port)) if port.parse::<u16>().is_ok() => Err(Some(format!("127.0.0.1:{port}"))),
        // An IPv6 address needs brackets.
        Some((host, port)) if port.parse::<u16>().is_ok() && (!host.contains(':') || host.starts_with('[')) => Ok(()),
        _ => Err(None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::keys;
    use super::*;

    fn validated(path: &str, raw: RawValue) -> Result<Value, InvalidValue> {
        let key = keys().iter().find(|key| key.path == path).expect("a key");
        validate(key, raw)
    }

    #[test]
    fn valid_values_are_accepted() {
        let text = |text: &str| RawValue::Text(text.to_owned());
        for (path, raw, expected) in [
            ("limits.render_ms", RawValue::Whole(Some(5)), Value::Whole(5)),
            ("templates.watch", RawValue::Flag(false), Value::Flag(false)),
            ("log.format", text("json"), Value::Text("json".into())),
            ("server.bind", text("[::1]:80"), Value::Text("[::1]:80".into())),
            ("server.bind", text("localhost:0"), Value::Text("localhost:0".into())),
            ("admin.bind", text(""), Value::Text(String::new())),
        ] {
            assert_eq!(validated(path, raw), Ok(expected), "{path}");
        }
    }

    #[test]
    fn a_list_in_a_variable_has_commas_or_brackets() {
        let texts =
            |texts: &[&str]| RawValue::List(texts.iter().map(|text| RawValue::Text((*text).to_owned())).collect());
        for (text, expected) in [
            ("html, txt,", &["html", "txt"][..]),
            ("[\"html\"]", &["html"]),
            (" ['html', \"a,b\"] ", &["html", "a,b"]),
            ("[]", &[]),
            ("[ab].html", &["[ab].html"]),
            ("[ab]", &["[ab]"]),
            ("[1]", &["[1]"]),
        ] {
            assert_eq!(RawValue::untyped(text, Kind::List), texts(expected), "{text}");
        }
    }

    #[test]
    fn invalid_values_have_a_correction() {
        let text = |text: &str| RawValue::Text(text.to_owned());
        for (path, raw, code, meant, instead) in [
            ("limits.render_ms", text("2s"), "wrong-unit", true, "2000"),
            ("limits.render_ms", text("soon"), "wrong-type", false, "2000"),
            ("limits.render_ms", RawValue::Fraction(1.5), "wrong-type", false, "2000"),
            (
                "limits.render_ms",
                RawValue::Whole(Some(0)),
                "out-of-range",
                false,
                "2000",
            ),
            (
                "limits.render_ms",
                RawValue::Whole(Some(-1)),
                "out-of-range",
                false,
                "2000",
            ),
            ("limits.render_ms", RawValue::Whole(None), "out-of-range", false, "2000"),
            ("limits.render_ms", RawValue::Flag(true), "wrong-type", false, "2000"),
            ("limits.output_bytes", text("16 MiB"), "wrong-unit", true, "16_777_216"),
            ("templates.watch", text("yes"), "wrong-type", true, "true"),
            ("templates.watch", RawValue::Whole(Some(0)), "wrong-type", true, "false"),
            (
                "templates.on_failure",
                text("lastgood"),
                "unknown-value",
                true,
                r#""last-good""#,
            ),
            ("log.format", text("xml"), "unknown-value", false, r#""human""#),
            ("log.level", RawValue::Whole(Some(1)), "wrong-type", false, r#""warn""#),
            ("server.bind", text("8080"), "no-address", true, r#""127.0.0.1:8080""#),
            ("server.bind", text(":8080"), "no-address", true, r#""127.0.0.1:8080""#),
            (
                "server.bind",
                RawValue::Whole(Some(8080)),
                "no-address",
                true,
                r#""127.0.0.1:8080""#,
            ),
            (
                "server.bind",
                text("::1:80"),
                "no-address",
                false,
                r#""127.0.0.1:7878""#,
            ),
            (
                "server.bind",
                text("localhost"),
                "no-address",
                false,
                r#""127.0.0.1:7878""#,
            ),
            (
                "server.bind",
                text("localhost:99999"),
                "no-address",
                false,
                r#""127.0.0.1:7878""#,
            ),
        ] {
            let invalid = validated(path, raw.clone()).expect_err("invalid");
            let found = (invalid.code, invalid.meant, invalid.instead.to_string());
            assert_eq!(found, (code, meant, instead.to_owned()), "{path} {raw:?}");
        }
    }
}
