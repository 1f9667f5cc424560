//! A preview: the effect that some texts would have, without publishing them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::report::NameSample;
use crate::diagnostic::Diagnostic;
use crate::supervision::Unavailable;
use crate::template::{Digest, TemplateName};
use crate::version::Version;

/// The texts of a preview.
#[derive(Debug, Clone, Default)]
pub struct PreviewRequest {
    /// New and changed texts, and `None` for a template that is removed.
    pub edits: BTreeMap<TemplateName, Option<Arc<str>>>,
    /// True if these are all texts. Templates that are not among them are removed.
    pub complete: bool,
    /// True to render the entries that have a sample of their context (a page of a site has its data), now and as they would be.
    pub render: bool,
}

impl PreviewRequest {
    /// Returns the size of names and texts in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts = self.edits.iter();
        let texts = texts.map(|(name, text)| name.as_str().len() + text.as_ref().map_or(0, |text| text.len()));
        texts.fold(0, usize::saturating_add)
    }
}

/// The effect of a preview. Every list is sorted by name.
#[derive(Debug, Clone, Serialize)]
pub struct PreviewReport {
    /// The version that was served when the preview was made, with which it is compared. A text that waits since a rollback waits in the
    /// preview too.
    pub version: Version,
    /// The digest of everything that would be served.
    pub digest: Digest,
    /// Templates with a new text that compiles.
    pub changed: Vec<TemplateName>,
    /// Removed templates.
    pub removed: Vec<TemplateName>,
    /// Entries that would be rendered from other texts than now: the changed ones, and all that reach one.
    pub affected: NameSample,
    /// Templates that would become stale.
    pub stale: NameSample,
    /// Templates that would be broken, without any good version.
    pub broken: NameSample,
    /// Templates that would become current again.
    pub recovered: NameSample,
    /// The faults of the texts of the preview, and those because of which other templates would be stale or broken.
    pub diagnostics: Vec<Diagnostic>,
    /// The warnings of the changed texts.
    pub warnings: Vec<Diagnostic>,
    /// The affected entries that were rendered, as many as the limit `preview_renders` allows.
    pub renders: Vec<RenderComparison>,
    /// The number of affected entries that have a sample and were not rendered, because of a limit.
    pub renders_skipped: usize,
    /// The time that the preview took without renders, in microseconds.
    pub micros: u64,
}

impl PreviewReport {
    /// Returns true if nothing would change.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        let lists = [&self.changed, &self.removed];
        let samples = [&self.affected, &self.stale, &self.broken, &self.recovered];
        lists.iter().all(|list| list.is_empty())
            && samples.iter().all(|sample| sample.is_empty())
            && self.diagnostics.is_empty()
    }

    /// Returns true if a text of the preview has a fault, a template would be stale or broken, or a render that succeeds now would fail.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        let fails = |render: &RenderComparison| render.after.error.is_some() && render.is_changed();
        !self.diagnostics.is_empty()
            || !self.stale.is_empty()
            || !self.broken.is_empty()
            || self.renders.iter().any(fails)
    }
}

/// An entry that was rendered with its sample twice: from the version that is served, and from the texts of the preview.
#[derive(Debug, Clone, Serialize)]
pub struct RenderComparison {
    /// The name of the entry.
    pub entry: TemplateName,
    /// The render of the version that is served. It is empty if there is no such entry.
    pub before: SampleRender,
    /// The render of the preview. It is empty if the entry would be removed.
    pub after: SampleRender,
}

impl RenderComparison {
    /// Returns true if the outputs differ, or only one of the renders failed.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.before.digest != self.after.digest || self.before.error != self.after.error
    }
}

/// The result of rendering an entry with its sample.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SampleRender {
    /// The digest of the output, if there is one.
    pub digest: Option<Digest>,
    /// The size of the output in bytes.
    pub bytes: usize,
    /// The time of the render in microseconds, the shortest of a few.
    pub micros: u64,
    /// The fault, if the render failed.
    pub error: Option<Diagnostic>,
    /// The output, if it differs from that of the other side and the limit `preview_bytes` leaves room for it.
    pub body: Option<Arc<str>>,
}

/// The reason why there is no preview. Nothing that is served has changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PreviewError {
    /// The texts are too large.
    #[error(
        "the texts of the preview have {bytes} bytes, more than {limit} (the limit `preview_bytes`): preview fewer templates, or raise it"
    )]
    TooLarge {
        /// The size of the texts.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The preview would not be accepted as a version.
    #[error("the texts of the preview would not be accepted: {0}")]
    Refused(String),
    /// There is no answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
