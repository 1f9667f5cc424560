//! [`ReloadReport`]: what a caller is told of a reload.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::diagnostic::Diagnostic;
use crate::snapshot::Serving;
use crate::template::TemplateName;
use crate::version::Version;

/// What a reload came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReloadReport {
    /// What is served now: everything that was written before the call is in it, or named in `diagnostics`.
    pub version: Version,
    /// What was done.
    pub outcome: ReloadOutcome,
    /// Templates with a new text.
    pub changed: Vec<TemplateName>,
    /// Templates that are gone.
    pub removed: Vec<TemplateName>,
    /// Templates that are not served as their newest text has them, whether this reload changed anything or not.
    pub not_current: Vec<NotCurrent>,
    /// Everything that is wrong now, each finding once.
    pub diagnostics: Vec<Diagnostic>,
}

impl ReloadReport {
    /// Returns the memory that the report takes, about: a shared name is counted as if it were only here.
    pub(crate) fn bytes(&self) -> usize {
        let names = self.changed.iter().chain(&self.removed);
        let names = names.chain(self.not_current.iter().map(|stands| &stands.template));
        let names: usize = names.map(|name| name.as_str().len() + size_of::<NotCurrent>()).sum();
        let diagnostics: usize = self.diagnostics.iter().map(Diagnostic::bytes).sum();
        size_of::<Self>() + names + diagnostics
    }
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ReloadOutcome {
    /// There is a new version.
    Published,
    /// Nothing differs from what is served.
    Unchanged,
    /// What is served was chosen by a roll-back; what changed waits until that is ended.
    Held,
    /// What changed is not accepted, for this reason; what was served goes on.
    Refused(String),
    /// The templates cannot be read, for this reason; what was served goes on.
    Unreadable(String),
}

/// A template that is not served as its newest text has it.
///
/// Serialized it is `{template, serving, since}`, with `serving` as [`Serving::as_str`] writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCurrent {
    /// Its name.
    pub template: TemplateName,
    /// The answer to requests for it.
    pub serving: Serving,
}

impl Serialize for NotCurrent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("NotCurrent", 3)?;
        fields.serialize_field("template", &self.template)?;
        fields.serialize_field("serving", self.serving.as_str())?;
        fields.serialize_field("since", &self.serving.since())?;
        fields.end()
    }
}
