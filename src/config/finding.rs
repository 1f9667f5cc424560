//! [`Finding`]: what is wrong with a configuration, and where.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use hotplate_actors::Diagnostic;
use serde::Serialize;

/// One thing that is wrong. `Display` shows it with its line, a caret and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The file, `the environment` or `the command line`.
    pub place: String,
    /// What, and where there.
    #[serde(flatten)]
    pub diagnostic: Diagnostic,
}

impl Finding {
    /// For people, with colours if asked.
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

/// Why a configuration is refused, all of it. Has at least one finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Everything that is wrong, in the order of the sources.
    pub findings: Vec<Finding>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self.findings.iter().map(Finding::to_string).collect();
        f.write_str(&shown.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

/// Some bytes of a text that settings are read from.
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

/// About a source as a whole.
pub(super) fn about(place: &str, code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Finding {
    Finding {
        place: place.to_owned(),
        diagnostic: Diagnostic::error(code, message).help(help),
    }
}
