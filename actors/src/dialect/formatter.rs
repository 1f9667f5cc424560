//! Formatters: what `{value | name}` does to a value.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::escape::escape_html;
use super::{Escape, Frame};
use crate::budget::Exceeded;
use crate::value::Value;

/// Why a formatter refuses a value. Say what it takes instead: the author of the template reads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FormatterError {
    message: String,
    exceeded: Option<Exceeded>,
}

impl FormatterError {
    /// A refusal with its reason.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exceeded: None,
        }
    }

    /// The limit that was met, where that is the reason.
    #[must_use]
    pub fn exceeded(&self) -> Option<Exceeded> {
        self.exceeded
    }
}

impl From<Exceeded> for FormatterError {
    fn from(exceeded: Exceeded) -> Self {
        Self {
            message: exceeded.to_string(),
            exceeded: Some(exceeded),
        }
    }
}

/// Where a formatter writes.
pub struct Output<'o, 'f> {
    frame: &'o mut Frame<'f>,
}

impl<'o, 'f> Output<'o, 'f> {
    /// Writes at the end of a frame's output.
    #[must_use]
    pub fn new(frame: &'o mut Frame<'f>) -> Self {
        Self { frame }
    }

    /// Writes text, escaped where the entry escapes: what most formatters want.
    ///
    /// # Errors
    /// When the output would go over its limit.
    pub fn text(&mut self, text: &str) -> Result<(), FormatterError> {
        match self.frame.escape {
            Escape::Html => Ok(escape_html(text, self.frame)?),
            Escape::None => self.raw(text),
        }
    }

    /// Writes text as it is. What a visitor sent must not come through here into HTML.
    ///
    /// # Errors
    /// When the output would go over its limit.
    pub fn raw(&mut self, text: &str) -> Result<(), FormatterError> {
        Ok(self.frame.append(text)?)
    }
}

impl fmt::Debug for Output<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("bytes", &self.frame.body.len()).finish()
    }
}

/// The formatter that ships here, of a name that another language has for it.
pub(crate) fn formatter_elsewhere(name: &str) -> Option<&'static str> {
    Some(match name {
        "upcase" | "uppercase" | "toupper" | "to_upper" | "strtoupper" => "upper",
        "downcase" | "lowercase" | "tolower" | "to_lower" | "strtolower" => "lower",
        "capitalize" | "capitalise" | "titlecase" | "capfirst" | "ucwords" => "title",
        "strip" | "trimmed" => "trim",
        "tojson" | "to_json" | "json_encode" | "jsonify" | "js" => "json",
        "urlencode" | "url_encode" | "urlize" | "urlquery" | "iriencode" => "url",
        "safe" | "raw" | "noescape" | "html_safe" | "safeHTML" | "unsafe" | "html" => "unescaped",
        _ => return None,
    })
}

type Function = dyn Fn(&Value<'_>, &mut Output<'_, '_>) -> Result<(), FormatterError> + Send + Sync;

/// A named function from a value to text.
#[derive(Clone)]
pub struct Formatter(Arc<Function>);

impl Formatter {
    /// Wraps a function.
    pub fn new<F>(function: F) -> Self
    where
        F: Fn(&Value<'_>, &mut Output<'_, '_>) -> Result<(), FormatterError> + Send + Sync + 'static,
    {
        Self(Arc::new(function))
    }

    /// Formats one value at the end of the output. A panic of the function is a refusal.
    ///
    /// # Errors
    /// What the function says, or that it panicked.
    pub fn format(&self, value: &Value<'_>, frame: &mut Frame<'_>) -> Result<(), FormatterError> {
        let run = AssertUnwindSafe(|| (self.0)(value, &mut Output::new(frame)));
        catch_unwind(run).unwrap_or_else(|panic| {
            let said = crate::supervision::panic_text(panic);
            Err(FormatterError::new(format!("it panicked: {said}")))
        })
    }
}

impl fmt::Debug for Formatter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Formatter(..)")
    }
}

/// The formatters of an engine, by name. Fixed when it starts.
#[derive(Debug, Clone, Default)]
pub struct Formatters(BTreeMap<Box<str>, Formatter>);

impl Formatters {
    /// Adds one, or replaces one of the same name.
    pub fn insert(&mut self, name: &str, formatter: Formatter) {
        self.0.insert(name.into(), formatter);
    }

    /// The formatter of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Formatter> {
        self.0.get(name)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(AsRef::as_ref)
    }

    /// All formatters with their names, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Formatter)> {
        self.0.iter().map(|(name, formatter)| (name.as_ref(), formatter))
    }
}
