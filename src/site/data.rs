//! The dialect `data`: JSON files of a site, parsed once and published together with the templates of their batch.

use std::any::Any;
use std::sync::Arc;

use hotplate_actors::Limits;
use hotplate_actors::diagnostic::{Diagnostic, span_of};
use hotplate_actors::dialect::{Call, Closure, Dialect, FormatterUse, Frame, RenderError, RenderFault, Unit};
use hotplate_actors::value::Value;

use super::json::{Json, RepeatedKey};

/// The dialect of `data/**.json`. An error in a file is a diagnostic with its position, and makes the pages that use it stale.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DataDialect;

/// A compiled file of data.
pub(super) struct DataUnit {
    text: Box<str>,
    pub(super) value: Json,
    warnings: Box<[Diagnostic]>,
}

/// Data that was parsed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Parsed {
    /// The object.
    pub data: Json,
    /// A warning for each key that an object contains more than once.
    pub warnings: Vec<Diagnostic>,
}

const CODE: &str = "bad-json";

impl Dialect for DataDialect {
    fn id(&self) -> &'static str {
        "data"
    }

    fn compile(&self, text: &str, limits: &Limits) -> Result<Arc<dyn Unit>, Vec<Diagnostic>> {
        let parsed = parse(text, limits).map_err(|fault| vec![*fault])?;
        Ok(Arc::new(DataUnit {
            text: text.into(),
            value: parsed.data,
            warnings: parsed.warnings.into(),
        }))
    }
}

/// Parses data: one JSON object, no deeper than [`Limits::context_depth`]. Keys keep their order and numbers all their digits. If an
/// object contains a key more than once, the last value is used, and there is a warning.
///
/// ```
/// use hotplate::Limits;
/// use hotplate::site::parse;
///
/// let parsed = parse("{ \"b\": 1, \"a\": 2, \"b\": 3 }", &Limits::default())?;
/// assert_eq!(parsed.warnings[0].code, "duplicate-key");
/// assert!(parse("[1]", &Limits::default()).is_err());
/// # Ok::<(), Box<hotplate::Diagnostic>>(())
/// ```
///
/// # Errors
/// A diagnostic with its position in the text.
pub fn parse(text: &str, limits: &Limits) -> Result<Parsed, Box<Diagnostic>> {
    // Some editors begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let read = Json::read(text, limits.source_diagnostics);
    let (data, again) = read.map_err(|error| Box::new(not_json(text, &error)))?;
    if data.as_object().is_none() {
        let start = text.len() - text.trim_start().len();
        let fault = Diagnostic::error(CODE, format!("data is one object, and this is {}", data.kind()))
            .at(text, start..start + 1)
            .help("write `{ \"name\": … }`: its names are what templates can use");
        return Err(Box::new(fault));
    }
    // serde_json accepts at most 128 levels, so this recursion is bounded.
    if data.depth() > limits.context_depth {
        let fault = Diagnostic::error(
            CODE,
            format!(
                "the data nests deeper than {} levels (the limit `context_depth`)",
                limits.context_depth
            ),
        );
        return Err(Box::new(fault));
    }
    let warnings = again.iter().map(|again| repeated_key(text, again)).collect();
    Ok(Parsed { data, warnings })
}

/// Returns the warning for a repeated key.
fn repeated_key(text: &str, again: &RepeatedKey) -> Diagnostic {
    let RepeatedKey {
        key,
        bytes,
        first,
        times,
    } = again;
    let first = span_of(text, *first..*first);
    let often = match times {
        2 => "twice".to_owned(),
        times => format!("{times} times"),
    };
    Diagnostic::warning(
        "duplicate-key",
        format!(
            "this object contains the key `{}` {often}, and the last value is used",
            key.escape_debug()
        ),
    )
    .at(text, bytes.clone())
    .help(format!(
        "keep one of them; the first is at {}:{}",
        first.line, first.column
    ))
}

/// Returns the error of serde_json as a diagnostic at its position.
fn not_json(text: &str, error: &serde_json::Error) -> Diagnostic {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = message.strip_suffix(&place).unwrap_or(&message);
    let at = byte_at(text, error.line(), error.column());
    let diagnostic = Diagnostic::error(CODE, format!("this is not JSON: {message}")).at(text, at..at + 1);
    let is_comment = text
        .get(at..)
        .is_some_and(|rest| rest.starts_with("//") || rest.starts_with("/*") || rest.starts_with('#'));
    let help = match is_comment {
        true => Some("JSON has no comments: remove it"),
        false => help(message),
    };
    match help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// Returns the help for a message of serde_json.
fn help(message: &str) -> Option<&'static str> {
    if message.starts_with("EOF") {
        Some("the text ends too early: close what is open with `}`, `]` or `\"`")
    } else if message.starts_with("trailing comma") {
        Some("remove the comma before the closing bracket")
    } else if message.starts_with("key must be a string") {
        Some("write names in double quotes: `\"name\": …`")
    } else if message.starts_with("expected `:`") {
        Some("write a colon and a value after the name: `\"name\": …`")
    } else if message.starts_with("expected `,`") {
        Some("write a comma between two values, and close what is open")
    } else if message.starts_with("trailing characters") {
        Some("data is one object: remove the text after it")
    } else if message.starts_with("control character") {
        Some("a line ends within a string: close it with `\"`, or write `\\n` for a line break")
    } else if message.starts_with("invalid escape") || message.contains("surrogate") || message.contains("hex escape") {
        Some("write `\\\\` for a backslash; the escapes are \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with four digits")
    } else if message.starts_with("invalid number") {
        Some("numbers are written as `1`, `-2.5` or `1e3`, without a leading zero, plus or point")
    } else if message.starts_with("expected ident") || message.starts_with("expected value") {
        Some("a value is `\"text\"`, a number, `true`, `false`, `null`, `[…]` or `{…}`")
    } else if message.starts_with("recursion limit") {
        Some("data may nest 127 levels deep")
    } else {
        None
    }
}

/// Returns the byte at a position of serde_json, which counts lines from 1 and columns in bytes; column 0 is the end of the line before.
fn byte_at(text: &str, line: usize, column: usize) -> usize {
    let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
    let start = starts.take(line.max(1)).last().unwrap_or(0);
    (start + column).saturating_sub(1).min(text.trim_end().len())
}

impl Unit for DataUnit {
    fn text(&self) -> &str {
        &self.text
    }

    fn calls(&self) -> &[Call] {
        &[]
    }

    fn formatters(&self) -> &[FormatterUse] {
        &[]
    }

    fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.text.len() + self.value.heap_bytes() + size_of_val(&*self.warnings)
    }

    /// Fails: data cannot be rendered, so this is called only if a template calls data.
    fn render(&self, _: &Closure<'_>, _: &Value<'_>, _: &mut Frame<'_>) -> Result<(), RenderError> {
        let fault = Diagnostic::error("not-a-template", "this is data, and data cannot be rendered")
            .help("data belongs to the page of the same name; a template can only call templates");
        Err(RenderError::new(RenderFault::UnknownTemplate, fault))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Diagnostic {
        *parse(text, &Limits::default()).expect_err("no data")
    }

    #[test]
    fn errors_have_positions() {
        for (text, line, column, part) in [
            ("{\n  \"a\": 1,\n}", 3, 1, "trailing comma"),
            ("{\"a\" 1}", 1, 6, "expected `:`"),
            ("{\"ä\": tru}", 1, 10, "expected ident"),
            ("{\"a\": [1,\n", 1, 10, "EOF while parsing"),
            ("", 1, 1, "EOF"),
            ("\n\n", 1, 1, "EOF"),
            ("{a: 1}", 1, 2, "key must be a string"),
            ("{} {}", 1, 4, "trailing characters"),
            ("  [1]", 1, 3, "data is one object, and this is an array"),
            ("\n 7", 2, 2, "this is a number"),
        ] {
            let fault = fault(text);
            let span = fault.span.expect("a place");
            assert!(fault.message.contains(part), "{text:?}: {}", fault.message);
            assert_eq!((span.line, span.column), (line, column), "{text:?}: {fault}");
            assert!(
                !fault.message.contains("at line"),
                "the position is given once: {}",
                fault.message
            );
        }
    }

    #[test]
    fn errors_have_help() {
        for (text, help) in [
            ("{\"a\"\n}", "a colon and a value"),
            ("{\"a\"\n", "too early"),
            ("// a comment\n{}", "no comments"),
            ("{\n  // a comment\n  \"a\": 1 }", "no comments"),
            ("{\"a\": 1 /* x */ }", "no comments"),
            ("{} # x", "no comments"),
            ("{\"a\": 1 \"b\": 2}", "a comma"),
            ("{\"a\": tru}", "a value is"),
            ("{\"a\": }", "a value is"),
            ("{} {}", "one object"),
            ("{\"a\": \"b\nc\"}", "line break"),
            ("{\"a\": \"\\x\"}", "backslash"),
            ("{\"a\": 01}", "leading zero"),
            ("{\"a\": 1,}", "remove the comma"),
            ("{a: 1}", "double quotes"),
        ] {
            let fault = fault(text);
            assert!(
                fault.help.as_ref().is_some_and(|part| part.contains(help)),
                "{text:?}: {fault}"
            );
        }
    }

    #[test]
    fn depth_is_limited() {
        let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        let limits = Limits {
            context_depth: 4,
            ..Limits::default()
        };
        assert!(parse(&nested(4), &limits).is_ok());
        let fault = parse(&nested(5), &limits).expect_err("too deep");
        assert!(fault.message.contains("context_depth"), "{fault}");
        assert!(parse(&nested(100_000), &Limits::default()).is_err());
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert!(parse("\u{feff}{\"a\": 1}", &Limits::default()).is_ok());
    }

    #[test]
    fn the_deepest_data_becomes_a_context() {
        let limits = Limits {
            context_depth: 4,
            ..Limits::default()
        };
        let deepest = parse("{\"a\":[[[[]]]]}", &limits).expect("at the limit");
        let arena = hotplate_actors::value::Arena::new();
        assert!(hotplate_actors::value::build(&deepest.data, &arena, &limits).is_ok());
    }

    #[test]
    fn a_repeated_key_is_a_warning() {
        let parsed = parse("{\n  \"ä\": 1, \"b\": 2,\n  \"ä\": 3\n}", &Limits::default()).expect("JSON");
        let [warning] = &parsed.warnings[..] else {
            panic!("{:?}", parsed.warnings)
        };
        let span = warning.span.expect("a place");
        assert_eq!((span.line, span.column, span.length), (3, 3, 3), "{warning}");
        assert!(
            warning.help.as_ref().is_some_and(|help| help.contains("2:3")),
            "{warning}"
        );
    }

    #[test]
    fn a_key_repeated_twice_is_one_warning() {
        let parsed = parse(r#"{"k":1,"k":{"j":1},"k":3}"#, &Limits::default()).expect("JSON");
        let [warning] = &parsed.warnings[..] else {
            panic!("{:?}", parsed.warnings)
        };
        assert_eq!(warning.span.map(|span| (span.line, span.column)), Some((1, 20)));
        assert!(
            warning.message.contains("3 times") && warning.message.contains("the last value is used"),
            "{warning}"
        );
        assert!(
            warning.help.as_ref().is_some_and(|help| help.contains("1:2")),
            "{warning}"
        );
    }

    #[test]
    fn an_error_after_a_number_out_of_range() {
        let fault = fault("{\n \"a\": 1e999, b: 1}");
        assert!(fault.message.contains("key must be a string"), "{fault}");
        assert_eq!(fault.span.map(|span| (span.line, span.column)), Some((2, 14)));
    }
}
