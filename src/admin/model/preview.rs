//! Previews in requests and answers of the API.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hotplate_actors::{Preview, RenderComparison, SampleRender};
use serde::{Deserialize, Serialize};
use similar::TextDiff;
use utoipa::ToSchema;

use super::{FINDINGS_MAX, Finding, NameSample};

/// The time for the differences of all outputs. Outputs beyond it have none.
const DIFFS_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest difference of two outputs, in bytes; the rest is cut off.
const UNIFIED_BYTES_MAX: usize = 64 * 1024;

/// The texts of a preview.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct PreviewOrder {
    /// New and changed texts by the name of the template; `null` removes a template.
    pub(in super::super) edits: BTreeMap<String, Option<String>>,
    /// True if these are all templates, so that all others are removed.
    #[serde(default)]
    pub(in super::super) complete: bool,
    /// True to render entries with their samples.
    #[serde(default = "yes")]
    pub(in super::super) render: bool,
}

fn yes() -> bool {
    true
}

/// The data with which an entry of a preview is rendered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct RenderOrder {
    /// The context; by default the sample of the entry.
    pub(in super::super) data: Option<serde_json::Value>,
}

/// The effect of a preview.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in super::super) struct PreviewReportAnswer {
    /// The version that was served when the preview was made.
    pub(in super::super) version: u64,
    /// A digest of everything that would be served, the first 16 hexadecimal digits.
    pub(in super::super) digest: String,
    /// True if a template would be at fault, stale or broken, or a render that succeeds now would fail.
    pub(in super::super) errors: bool,
    /// True if nothing would change.
    pub(in super::super) unchanged: bool,
    /// Templates with a new text that compiles.
    pub(in super::super) changed: NameSample,
    /// Removed templates.
    pub(in super::super) removed: NameSample,
    /// Entries that would be rendered from other texts than now.
    pub(in super::super) affected: NameSample,
    /// Templates that would become stale.
    pub(in super::super) stale: NameSample,
    /// Templates that would be broken, without any good version.
    pub(in super::super) broken: NameSample,
    /// Templates that would become current again.
    pub(in super::super) recovered: NameSample,
    /// The errors, the first hundred.
    pub(in super::super) diagnostics: Vec<Finding>,
    /// The warnings of the changed texts, the first hundred.
    pub(in super::super) warnings: Vec<Finding>,
    /// The affected entries that were rendered with their samples.
    pub(in super::super) renders: Vec<RenderAnswer>,
    /// Affected entries with a sample that were not rendered, because of a limit.
    pub(in super::super) renders_skipped: usize,
    /// The time that the preview took without renders, in microseconds.
    pub(in super::super) micros: u64,
}

/// An entry, rendered with its sample now and as it would be.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in super::super) struct RenderAnswer {
    /// The name of the entry.
    pub(in super::super) entry: String,
    /// `same`, `changed`, `fails` (it succeeds now, or fails with another error), `fixed`, `added` or `removed`.
    pub(in super::super) change: &'static str,
    /// The render of the version that is served.
    pub(in super::super) before: RenderSideAnswer,
    /// The render of the preview.
    pub(in super::super) after: RenderSideAnswer,
    /// The lines of the output that differ, in the unified format; null if the outputs are the same, or too large to be kept.
    pub(in super::super) unified: Option<String>,
}

/// One of two renders.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in super::super) struct RenderSideAnswer {
    /// The size of the output in bytes.
    pub(in super::super) bytes: usize,
    /// The time of the render in microseconds.
    pub(in super::super) micros: u64,
    /// The error, if the render failed.
    pub(in super::super) error: Option<Finding>,
}

/// A preview that is kept.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in super::super) struct PreviewAnswer {
    /// The identifier of the preview.
    pub(in super::super) id: String,
    /// The time at which it was made, in milliseconds since 1970.
    pub(in super::super) made_ms: u64,
    /// The time until which it is kept, in milliseconds since 1970. The limits of number and bytes may end it earlier.
    pub(in super::super) expires_ms: u64,
    /// Its effect.
    #[serde(flatten)]
    pub(in super::super) report: PreviewReportAnswer,
}

/// The previews that are kept.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct PreviewsAnswer {
    /// The previews, newest first.
    pub(in super::super) previews: Vec<PreviewSummary>,
}

/// A preview in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in super::super) struct PreviewSummary {
    /// The identifier of the preview.
    pub(in super::super) id: String,
    /// The time at which it was made, in milliseconds since 1970.
    pub(in super::super) made_ms: u64,
    /// The time until which it is kept, in milliseconds since 1970.
    pub(in super::super) expires_ms: u64,
    /// The number of changed and removed templates.
    pub(in super::super) edits: usize,
    /// The number of entries that would be rendered from other texts.
    pub(in super::super) affected: usize,
    /// True if it has errors.
    pub(in super::super) errors: bool,
}

impl PreviewAnswer {
    pub(in super::super) fn summary(&self) -> PreviewSummary {
        PreviewSummary {
            id: self.id.clone(),
            made_ms: self.made_ms,
            expires_ms: self.expires_ms,
            edits: self.report.changed.count + self.report.removed.count,
            affected: self.report.affected.count,
            errors: self.report.errors,
        }
    }
}

impl PreviewReportAnswer {
    /// Describes a preview. Compares outputs, so do not call it on a thread that must not block.
    pub(in super::super) fn of(preview: &Preview) -> Self {
        let report = preview.report();
        let until = Instant::now() + DIFFS_TIMEOUT;
        let findings = |all: &[hotplate_actors::Diagnostic]| all.iter().take(FINDINGS_MAX).map(Finding::of).collect();
        Self {
            version: report.version.number(),
            digest: report.digest.to_string(),
            errors: report.has_errors(),
            unchanged: report.is_unchanged(),
            changed: NameSample::of(&report.changed),
            removed: NameSample::of(&report.removed),
            affected: NameSample::of_sample(&report.affected),
            stale: NameSample::of_sample(&report.stale),
            broken: NameSample::of_sample(&report.broken),
            recovered: NameSample::of_sample(&report.recovered),
            diagnostics: findings(&report.diagnostics),
            warnings: findings(&report.warnings),
            renders: report
                .renders
                .iter()
                .map(|render| RenderAnswer::of(render, until))
                .collect(),
            renders_skipped: report.renders_skipped,
            micros: report.micros,
        }
    }
}

impl RenderAnswer {
    fn of(render: &RenderComparison, until: Instant) -> Self {
        let RenderComparison { entry, before, after } = render;
        let is_absent = |side: &SampleRender| side.digest.is_none() && side.error.is_none();
        let change = match () {
            () if !render.is_changed() => "same",
            () if after.error.is_some() => "fails",
            () if before.error.is_some() => "fixed",
            () if is_absent(before) => "added",
            () if is_absent(after) => "removed",
            () => "changed",
        };
        let unified = match (&before.body, &after.body) {
            (Some(before), Some(after)) if Instant::now() < until => {
                let diff = TextDiff::configure().deadline(until).diff_lines(&**before, &**after);
                let mut unified = diff.unified_diff().context_radius(3).to_string();
                unified.truncate(unified.floor_char_boundary(UNIFIED_BYTES_MAX));
                Some(unified)
            }
            _ => None,
        };
        Self {
            entry: entry.to_string(),
            change,
            before: RenderSideAnswer::of(before),
            after: RenderSideAnswer::of(after),
            unified,
        }
    }
}

impl RenderSideAnswer {
    fn of(side: &SampleRender) -> Self {
        Self {
            bytes: side.bytes,
            micros: side.micros,
            error: side.error.as_ref().map(Finding::of),
        }
    }
}
