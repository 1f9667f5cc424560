//! [`Report`]: the differences of a version from the one before.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::diagnostic::Diagnostic;
use crate::snapshot::Why;
use crate::template::{Digest, TemplateName};
use crate::version::Version;

/// The differences of a version from the one before. Every list is sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The number of the version.
    pub version: Version,
    /// The digest of everything that it serves.
    pub digest: Digest,
    /// Templates with a new text that compiles, without those that only call one.
    pub changed: Vec<TemplateName>,
    /// Removed templates.
    pub removed: Vec<TemplateName>,
    /// Templates that are stale, newly or for a new reason.
    #[serde(serialize_with = "by_name")]
    pub stale: Vec<(TemplateName, Arc<Why>)>,
    /// Templates that are broken, newly or for a new reason.
    #[serde(serialize_with = "by_name")]
    pub broken: Vec<(TemplateName, Arc<Why>)>,
    /// Templates that are current again.
    pub recovered: Vec<TemplateName>,
}

/// Writes `{name: why}`.
fn by_name<S: Serializer>(entries: &[(TemplateName, Arc<Why>)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(entries.iter().map(|(name, why)| (name, why)))
}

/// Returns the diagnostics behind failed entries. One cause reaches many entries, through different calls, and is returned once.
pub(crate) fn causes<'w>(whys: impl Iterator<Item = &'w Arc<Why>>) -> Vec<Diagnostic> {
    let mut by_cause = BTreeMap::new();
    for why in whys {
        by_cause.entry(&why.cause).or_insert(&why.diagnostics);
    }
    let findings = by_cause.into_values().flat_map(|diagnostics| diagnostics.iter());
    findings.map(Diagnostic::without_chain).collect()
}
