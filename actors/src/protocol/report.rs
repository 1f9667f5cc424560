//! [`Report`]: the differences of a version from the one before, and [`Effects`], the templates behind its counts.

use serde::Serialize;

use crate::cause::Cause;
use crate::diagnostic::Diagnostic;
use crate::dialect::TemplateId;
use crate::snapshot::IdSet;
use crate::template::{Digest, Layer, TemplateKey, TemplateName};
use crate::version::Version;

/// The differences of a version from the one before. Every list is sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The number of the version.
    pub version: Version,
    /// The digest of everything that it serves.
    pub digest: Digest,
    /// The cause: a name, a reason and a trace.
    pub cause: Cause,
    /// Templates that are served from another text of their own than before, which may have come with an earlier batch.
    pub changed: Vec<TemplateKey>,
    /// Removed texts.
    pub removed: Vec<TemplateKey>,
    /// Templates that are stale, newly or for a new reason.
    pub stale: NameSample,
    /// Templates that are broken, newly or for a new reason.
    pub broken: NameSample,
    /// Templates that are current again.
    pub recovered: NameSample,
    /// The faults because of which templates are stale or broken, each once, of as many texts as the limit `event_names` says.
    pub diagnostics: Vec<Diagnostic>,
    /// The number of all these faults, listed or not.
    pub faults: usize,
    /// The templates of other scopes whose status changed otherwise than in the shared stable scope: of at most as many scopes as the limit
    /// `event_names` says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<ScopeReport>,
}

/// The differences of a version in a scope beside shared stable, as far as they are not those of everyone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScopeReport {
    /// The scope, named as its layer.
    pub scope: Layer,
    /// Templates that are newly stale.
    pub stale: NameSample,
    /// Templates that are newly broken.
    pub broken: NameSample,
    /// Templates that are current again.
    pub recovered: NameSample,
    /// The faults because of which templates are stale or broken, each once.
    pub diagnostics: Vec<Diagnostic>,
}

/// The templates whose status a version changes, as sets: those that a [`Report`] counts, and names in part.
#[derive(Debug, Clone, Default)]
pub struct Effects {
    /// The templates that are stale or broken, newly or for a new reason, by the template to fix.
    pub(crate) failed: Vec<(TemplateId, IdSet)>,
    /// The templates that are current again.
    pub(crate) recovered: IdSet,
}

/// The number of templates of a kind, and the names of some. One edit of a layout concerns every page, so a list of all names would cost
/// more than the edit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NameSample {
    /// The number of templates.
    pub count: usize,
    /// Their names, sorted. At most as many as the limit `event_names`; all of them if there are no more.
    pub names: Vec<TemplateName>,
}

impl NameSample {
    /// Returns the number of templates, named or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns true if there is no template.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the names that are listed.
    pub fn iter(&self) -> std::slice::Iter<'_, TemplateName> {
        self.names.iter()
    }
}

impl<'s> IntoIterator for &'s NameSample {
    type Item = &'s TemplateName;
    type IntoIter = std::slice::Iter<'s, TemplateName>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
