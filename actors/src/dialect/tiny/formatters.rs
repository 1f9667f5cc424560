//! The standard formatters `upper lower title trim json url unescaped`.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::dialect::{Formatter, FormatterError, Formatters, Output};
use crate::value::Value;

/// Returns the formatters that every engine has.
///
/// - `upper`, `lower`, `title` (the first letter of each word in upper case, the others in lower case) and `trim` (no blanks at the ends)
///   are escaped if the entry is.
/// - `json` writes any value as JSON that is safe inside `<script>`, with keys in their order and numbers with all their digits.
/// - `url` percent-encodes everything but letters, digits and `- . _ ~`.
/// - `unescaped` writes text without escaping. It is meant for trusted HTML, never for input of visitors.
///
/// All except `json` accept strings, numbers and booleans, print nothing for null, and reject arrays and objects.
///
/// ```
/// use hotplate_actors::dialect::tiny::formatters::standard;
///
/// assert!(standard().names().eq(["json", "lower", "title", "trim", "unescaped", "upper", "url"]));
/// ```
#[must_use]
pub fn standard() -> Formatters {
    let mut formatters = Formatters::default();
    let mut add = |name, function| formatters.insert(name, Formatter::new(function));
    add(
        "upper",
        upper as fn(&Value<'_>, &mut Output<'_, '_>) -> Result<(), FormatterError>,
    );
    add("lower", lower);
    add("title", title);
    add("trim", trim);
    add("json", json);
    add("url", url);
    add("unescaped", unescaped);
    formatters
}

/// Returns a formatter that prints values unchanged, and arrays and objects as JSON; escaped if the entry is.
pub(crate) fn stub() -> Formatter {
    Formatter::new(|value, output| match value {
        Value::Array(_) | Value::Object(_) => {
            let json = serde_json::to_string(value).map_err(|error| FormatterError::new(error.to_string()))?;
            output.text(&json)
        }
        value => output.text(&text_of(value)?),
    })
}

fn upper(value: &Value<'_>, output: &mut Output<'_, '_>) -> Result<(), FormatterError> {
    output.text(&text_of(value)?.to_uppercase())
}

fn lower(value: &Value<'_>, output: &mut Output<'_, '_>) -> Result<(), FormatterError> {
    output.text(&text_of(value)?.to_lowercase())
}

fn title(value: &Value<'_>, output: &mut Output<'_, '_>) -> Result<(), FormatterError> {
    let text = text_of(value)?;
    let mut titled = String::with_capacity(text.len());
    for word in text.split_inclusive(char::is_whitespace) {
        let mut characters = word.chars();
        titled.extend(characters.by_ref().take(1).flat_map(char::to_uppercase));
        titled.push_str(&characters.as_str().to_lowercase());
    }
    output.text(&titled)
}

fn trim(value: &Value<'_>, output: &mut Output<'_, '_>) -> Result<(), FormatterError> {
    output.text(text_of(value)?.trim())
}

fn unescaped(value: &Value<'_>, output: &mut Output<'_, '_>) -> Result<(), FormatterError> {
    output.raw(&text_of(value)?)
}

fn url(value: &Value<'_>, output: &mut Output<'_, '_>) -> Result<(), FormatterError> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let text = text_of(value)?;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
            encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    output.raw(&encoded)
}

fn json(value: &Value<'_>, output: &mut Output<'_, '_>) -> Result<(), FormatterError> {
    let mut script = Script { output, refusal: None };
    match write_json(value, &mut script) {
        Ok(()) => Ok(()),
        Err(error) => Err(script.refusal.unwrap_or_else(|| FormatterError::new(error.to_string()))),
    }
}

/// Writes a value in the format of serde_json, which can write digits unchanged only with a feature that affects the whole program.
fn write_json(value: &Value<'_>, out: &mut Script<'_, '_, '_>) -> io::Result<()> {
    match value {
        Value::Array(items) => {
            out.write_all(b"[")?;
            for (at, item) in items.iter().enumerate() {
                out.write_all(&b","[..at.min(1)])?;
                write_json(item, out)?;
            }
            out.write_all(b"]")
        }
        Value::Object(object) => {
            out.write_all(b"{")?;
            for (at, (key, item)) in object.iter().enumerate() {
                out.write_all(&b","[..at.min(1)])?;
                serde_json::to_writer(&mut *out, key)?;
                out.write_all(b":")?;
                write_json(&item, out)?;
            }
            out.write_all(b"}")
        }
        Value::Digits(digits) => out.write_all(digits.as_bytes()),
        flat => Ok(serde_json::to_writer(out, flat)?),
    }
}

/// A writer for JSON that escapes the characters that could end a `<script>` or a line of JavaScript. In JSON they occur only in strings.
struct Script<'s, 'o, 'f> {
    output: &'s mut Output<'o, 'f>,
    refusal: Option<FormatterError>,
}

impl io::Write for Script<'_, '_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        let written = text
            .split_inclusive(['<', '>', '&', '\u{2028}', '\u{2029}'])
            .try_for_each(|part| {
                let (clean, escaped) = match part.char_indices().next_back() {
                    Some((at, '<')) => (&part[..at], "\\u003c"),
                    Some((at, '>')) => (&part[..at], "\\u003e"),
                    Some((at, '&')) => (&part[..at], "\\u0026"),
                    Some((at, '\u{2028}')) => (&part[..at], "\\u2028"),
                    Some((at, '\u{2029}')) => (&part[..at], "\\u2029"),
                    _ => (part, ""),
                };
                self.output.raw(clean)?;
                self.output.raw(escaped)
            });
        match written {
            Ok(()) => Ok(bytes.len()),
            Err(refusal) => {
                self.refusal = Some(refusal);
                Err(io::Error::other("the output is full"))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the printed form of a value; an error for arrays and objects.
fn text_of<'a>(value: &Value<'a>) -> Result<Cow<'a, str>, FormatterError> {
    Ok(match value {
        Value::Null => Cow::Borrowed(""),
        Value::Text(text) | Value::Digits(text) => Cow::Borrowed(text),
        Value::Bool(truth) => Cow::Borrowed(if *truth { "true" } else { "false" }),
        Value::Unsigned(number) => Cow::Owned(number.to_string()),
        Value::Signed(number) => Cow::Owned(number.to_string()),
        Value::Float(number) => Cow::Owned(zmij::Buffer::new().format_finite(*number).to_owned()),
        Value::Array(_) | Value::Object(_) => {
            let message = format!("it takes a string, a number or a boolean, and this is {}", value.kind());
            return Err(FormatterError::new(message));
        }
    })
}
