//! The dialect `data`: a JSON file of a site, parsed once and swapped with the templates of its batch.

use std::any::Any;
use std::sync::Arc;

use hotplate_actors::Limits;
use hotplate_actors::diagnostic::Diagnostic;
use hotplate_actors::dialect::{Call, Closure, Dialect, FormatterUse, Frame, RenderError, RenderFault, Unit};
use hotplate_actors::value::Value;
use serde_json::Value as Json;

/// The dialect of `data/**.json`. What does not parse is a diagnostic with its place, and holds back the pages that use it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Data;

/// One JSON object.
pub(super) struct DataUnit {
    text: Box<str>,
    pub(super) value: Json,
}

const CODE: &str = "bad-json";

impl Dialect for Data {
    fn id(&self) -> &'static str {
        "data"
    }

    fn compile(&self, text: &str, limits: &Limits) -> Result<Arc<dyn Unit>, Vec<Diagnostic>> {
        let value = parse(text, limits).map_err(|fault| vec![*fault])?;
        Ok(Arc::new(DataUnit {
            text: text.into(),
            value,
        }))
    }
}

/// Reads data: one JSON object, no deeper than [`Limits::context_depth`].
///
/// # Errors
/// What is wrong, with its place in the text.
pub fn parse(text: &str, limits: &Limits) -> Result<Json, Box<Diagnostic>> {
    // Some editors begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value: Json = serde_json::from_str(text).map_err(|error| Box::new(not_json(text, &error)))?;
    if !value.is_object() {
        let start = text.len() - text.trim_start().len();
        let fault = Diagnostic::error(CODE, format!("data is one object, and this is {}", kind(&value)))
            .at(text, start..start + 1)
            .help("write `{ \"name\": … }`: its names are what templates can use");
        return Err(Box::new(fault));
    }
    // What serde_json parses is at most 128 levels deep, so this recursion is bounded too.
    if depth(&value) > limits.context_depth {
        let fault = Diagnostic::error(
            CODE,
            format!(
                "the data nests deeper than {} levels (the limit `context_depth`)",
                limits.context_depth
            ),
        );
        return Err(Box::new(fault));
    }
    Ok(value)
}

fn not_json(text: &str, error: &serde_json::Error) -> Diagnostic {
    let said = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let said = said.strip_suffix(&place).unwrap_or(&said);
    let at = byte_at(text, error.line(), error.column());
    let diagnostic = Diagnostic::error(CODE, format!("this is not JSON: {said}")).at(text, at..at + 1);
    match help(said) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

fn help(said: &str) -> Option<&'static str> {
    if said.starts_with("EOF") {
        Some("the text ends too early: close what is open with `}`, `]` or `\"`")
    } else if said.starts_with("trailing comma") {
        Some("take out the comma before the closing bracket")
    } else if said.starts_with("key must be a string") {
        Some("write names in double quotes: `\"name\": …`")
    } else if said.starts_with("recursion limit") {
        Some("data may nest 127 levels deep")
    } else {
        None
    }
}

/// serde_json counts lines from 1 and columns in bytes; column 0 is the end of the line before.
fn byte_at(text: &str, line: usize, column: usize) -> usize {
    let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
    let start = starts.take(line.max(1)).last().unwrap_or(0);
    (start + column).saturating_sub(1).min(text.trim_end().len())
}

/// Levels as a context counts them: the object itself is none, a value in it is one.
fn depth(value: &Json) -> u32 {
    match value {
        Json::Array(items) => items.iter().map(|item| depth(item) + 1).max().unwrap_or(0),
        Json::Object(fields) => fields.values().map(|field| depth(field) + 1).max().unwrap_or(0),
        _ => 0,
    }
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
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

    /// Somebody called data as if it were a template.
    fn render(&self, _: &Closure<'_>, _: &Value<'_>, _: &mut Frame<'_>) -> Result<(), RenderError> {
        let fault = Diagnostic::error("not-a-template", "this is data, and data cannot be rendered")
            .help("data is given to the page of the same name; a template can only call templates");
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
    fn a_fault_has_its_place() {
        for (text, line, column, said) in [
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
            assert!(fault.message.contains(said), "{text:?}: {}", fault.message);
            assert_eq!((span.line, span.column), (line, column), "{text:?}: {fault}");
            assert!(
                !fault.message.contains("at line"),
                "the place is said once: {}",
                fault.message
            );
        }
    }

    #[test]
    fn depth_has_an_edge() {
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
    fn a_byte_order_mark_is_no_fault() {
        assert!(parse("\u{feff}{\"a\": 1}", &Limits::default()).is_ok());
    }

    #[test]
    fn what_compiles_becomes_a_context() {
        let limits = Limits {
            context_depth: 4,
            ..Limits::default()
        };
        let deepest = parse("{\"a\":[[[[]]]]}", &limits).expect("at the limit");
        let arena = hotplate_actors::value::Arena::new();
        assert!(hotplate_actors::value::build(&deepest, &arena, &limits).is_ok());
    }
}
