//! Formatters, the functions that templates use as `{value | name}`.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::escape::escape_html;
use super::print::json_text;
use super::{Escape, Frame};
use crate::budget::Exceeded;
use crate::value::Value;

/// The reason why a formatter rejects a value. The author of the template reads it, so it names the values that are accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FormatterError {
    message: String,
    exceeded: Option<Exceeded>,
}

impl FormatterError {
    /// Returns an error with a reason.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exceeded: None,
        }
    }

    /// Returns the limit that was exceeded, if that is the reason.
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

/// The output of a formatter.
pub struct Output<'o, 'f> {
    frame: &'o mut Frame<'f>,
}

impl<'o, 'f> Output<'o, 'f> {
    /// Returns an output that appends to a frame.
    #[must_use]
    pub fn new(frame: &'o mut Frame<'f>) -> Self {
        Self { frame }
    }

    /// Appends text, escaped if the entry is. This is right for most formatters.
    ///
    /// # Errors
    /// [`FormatterError`] if the output would exceed its limit.
    pub fn text(&mut self, text: &str) -> Result<(), FormatterError> {
        match self.frame.escape {
            Escape::Html => Ok(escape_html(text, self.frame)?),
            Escape::None => self.raw(text),
            Escape::Json => self.raw(&json_text(text)),
        }
    }

    /// Appends text without escaping. Text from visitors must not be written to HTML in this way.
    ///
    /// # Errors
    /// [`FormatterError`] if the output would exceed its limit.
    pub fn raw(&mut self, text: &str) -> Result<(), FormatterError> {
        Ok(self.frame.append(text)?)
    }
}

impl fmt::Debug for Output<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("bytes", &self.frame.body.len()).finish()
    }
}

/// Returns the standard formatter that is known under this name in another language.
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

    /// Formats one value and appends it to the output. A panic of the function becomes an error.
    ///
    /// # Errors
    /// The error of the function, or one that reports its panic.
    pub fn format(&self, value: &Value<'_>, frame: &mut Frame<'_>) -> Result<(), FormatterError> {
        let run = AssertUnwindSafe(|| (self.0)(value, &mut Output::new(frame)));
        catch_unwind(run).unwrap_or_else(|panic| {
            let message = crate::supervision::panic_text(panic);
            Err(FormatterError::new(format!("it panicked: {message}")))
        })
    }
}

impl fmt::Debug for Formatter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Formatter(..)")
    }
}

/// The formatters of an engine by name, fixed when it starts.
#[derive(Debug, Clone, Default)]
pub struct Formatters(BTreeMap<Box<str>, Formatter>);

impl Formatters {
    /// Adds a formatter, or replaces the one with that name.
    pub fn insert(&mut self, name: &str, formatter: Formatter) {
        self.0.insert(name.into(), formatter);
    }

    /// Returns the formatter of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Formatter> {
        self.0.get(name)
    }

    /// Returns all names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(AsRef::as_ref)
    }

    /// Returns all formatters with their names, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Formatter)> {
        self.0.iter().map(|(name, formatter)| (name.as_ref(), formatter))
    }
}
