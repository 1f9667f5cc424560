//! [`ReloadReport`]: the answer to a reload.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::diagnostic::Diagnostic;
use crate::protocol::report::NameSample;
use crate::snapshot::Serving;
use crate::template::{TemplateKey, TemplateName};
use crate::version::Version;

/// The result of a reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReloadReport {
    /// The version that is served now. Everything that was written before the call is in it, or named in `diagnostics`.
    pub version: Version,
    /// The outcome.
    pub outcome: ReloadOutcome,
    /// New texts.
    pub changed: Vec<TemplateKey>,
    /// Removed texts.
    pub removed: Vec<TemplateKey>,
    /// Templates whose newest text waits because an operator rolled back.
    pub waiting: NameSample,
    /// Templates whose newest text is not served, whether this reload changed anything or not.
    pub not_current: Vec<NotCurrent>,
    /// All current diagnostics, each once.
    pub diagnostics: Vec<Diagnostic>,
}

impl ReloadReport {
    /// Returns the approximate size in memory. Shared names are counted in full.
    pub(crate) fn bytes(&self) -> usize {
        let names = self.changed.iter().chain(&self.removed).map(|key| &key.name);
        let names = names.chain(&self.waiting);
        let names = names.chain(self.not_current.iter().map(|entry| &entry.template));
        let names: usize = names.map(|name| name.as_str().len() + size_of::<NotCurrent>()).sum();
        let diagnostics: usize = self.diagnostics.iter().map(Diagnostic::bytes).sum();
        size_of::<Self>() + names + diagnostics
    }
}

/// The outcome of a reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ReloadOutcome {
    /// A new version was published.
    Published,
    /// Nothing differs from the version that is served.
    Unchanged,
    /// Nothing differs but what waits because an operator rolled back.
    Held,
    /// The changes are not accepted, for this reason; the previous version is still served.
    Refused(String),
    /// The templates cannot be read, for this reason; the previous version is still served.
    Unreadable(String),
}

/// A template whose newest text is not served.
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
