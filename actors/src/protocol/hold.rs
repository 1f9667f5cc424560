//! The texts that wait since a rollback, and their causes.

use serde::Serialize;

use crate::cause::Cause;
use crate::diagnostic::Diagnostic;
use crate::protocol::report::NameSample;
use crate::template::{Digest, TemplateName};
use crate::version::Version;

/// The rollback or promotion that holds a template.
#[derive(Debug, Clone)]
pub struct HoldOrigin {
    /// The version that it made.
    pub(crate) version: Version,
    /// Its cause: a name, a reason and a trace.
    pub(crate) cause: Cause,
    /// True for a promotion.
    pub(crate) is_promotion: bool,
}

/// The templates whose newest text waits because an operator rolled them back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WaitingTemplates {
    /// The number of templates.
    pub count: usize,
    /// Some of them, sorted by name: as many as the limit `event_names` says, or all if there are no more.
    pub templates: Vec<WaitingTemplate>,
}

impl WaitingTemplates {
    /// Returns true if nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the names alone.
    #[must_use]
    pub fn names(&self) -> NameSample {
        NameSample {
            count: self.count,
            names: self.templates.iter().map(|each| each.template.clone()).collect(),
        }
    }
}

/// A template whose newest text waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaitingTemplate {
    /// Its name.
    pub template: TemplateName,
    /// The change that waits.
    pub change: WaitingChange,
    /// The digest of the text that is in effect; `None` if the template does not exist, or if its text could not be read.
    pub served: Option<Digest>,
    /// The digest of the text that waits; `None` if its source has none, or it could not be read.
    pub waiting: Option<Digest>,
    /// The errors of the text that waits, if it does not compile.
    pub diagnostics: Vec<Diagnostic>,
    /// The version that the rollback made. The text waits since then.
    pub since: Version,
    /// The cause of the rollback: a name, a reason and a trace.
    pub cause: Cause,
}

/// A change that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WaitingChange {
    /// The source has a template that does not exist in what is served.
    Created,
    /// The source has another text.
    Changed,
    /// The source no longer has the template.
    Removed,
}

impl WaitingChange {
    /// Returns the name, as it is serialized.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}
