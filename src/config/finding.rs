//! [`Finding`]: an error in a configuration, with its place.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use hotplate_actors::Diagnostic;
use serde::Serialize;

/// An error or a warning about a configuration. `Display` shows it with its line, a caret and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The file, `the environment` or `the command line`.
    pub place: String,
    /// The error, with its position there.
    #[serde(flatten)]
    pub diagnostic: Diagnostic,
}

impl Finding {
    /// Returns the text for a terminal, with or without colours.
    #[must_use]
    pub fn human(&self, colours: bool) -> String {
        self.diagnostic.human_in(&self.place, colours)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.human(false))
    }
}

/// The errors for which a configuration is rejected as a whole. There is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Every error, in the order of the sources.
    pub findings: Vec<Finding>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self.findings.iter().map(Finding::to_string).collect();
        f.write_str(&shown.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

/// A range of a text that settings are read from.
#[derive(Debug, Clone)]
pub(super) struct SourceRange {
    pub(super) shown: Arc<str>,
    pub(super) text: Arc<str>,
    pub(super) bytes: Range<usize>,
}

impl SourceRange {
    pub(super) fn error(&self, code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Finding {
        self.finding(Diagnostic::error(code, message), help)
    }

    pub(super) fn warning(&self, code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Finding {
        self.finding(Diagnostic::warning(code, message), help)
    }

    fn finding(&self, diagnostic: Diagnostic, help: impl Into<String>) -> Finding {
        let diagnostic = diagnostic.at(&self.text, self.bytes.clone());
        let help = help.into();
        Finding {
            place: self.shown.to_string(),
            diagnostic: if help.is_empty() {
                diagnostic
            } else {
                diagnostic.help(help)
            },
        }
    }
}

/// Returns an error about a source as a whole.
pub(super) fn about(place: &str, code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Finding {
    Finding {
        place: place.to_owned(),
        diagnostic: Diagnostic::error(code, message).help(help),
    }
}
