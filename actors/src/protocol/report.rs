//! [`Report`]: what is new in a version.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::diagnostic::Diagnostic;
use crate::snapshot::Why;
use crate::template::{Digest, TemplateName};
use crate::version::Version;

/// What is new in a version. Every list is sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Which version.
    pub version: Version,
    /// Of what it serves.
    pub digest: Digest,
    /// Names with another text that compiled than before; not those that only call one.
    pub changed: Vec<TemplateName>,
    /// Names that are gone.
    pub removed: Vec<TemplateName>,
    /// Entries that go on as they were, and before did not, or did for another reason.
    #[serde(serialize_with = "by_name")]
    pub stale: Vec<(TemplateName, Arc<Why>)>,
    /// Entries that cannot be served, and before could, or could not for another reason.
    #[serde(serialize_with = "by_name")]
    pub broken: Vec<(TemplateName, Arc<Why>)>,
    /// Entries that are current and before were not.
    pub recovered: Vec<TemplateName>,
}

/// `{name: why}`.
fn by_name<S: Serializer>(entries: &[(TemplateName, Arc<Why>)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(entries.iter().map(|(name, why)| (name, why)))
}

/// The findings behind some failed entries: one cause reaches many entries, through other calls each, and is said once.
pub(crate) fn causes<'w>(whys: impl Iterator<Item = &'w Arc<Why>>) -> Vec<Diagnostic> {
    let mut by_cause = BTreeMap::new();
    for why in whys {
        by_cause.entry(&why.cause).or_insert(&why.diagnostics);
    }
    let findings = by_cause.into_values().flat_map(|diagnostics| diagnostics.iter());
    findings.map(Diagnostic::without_chain).collect()
}
