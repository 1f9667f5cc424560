//! Versions in answers.

use hotplate_actors::counters::Publication;
use hotplate_actors::messages::RolledBack;
use hotplate_actors::protocol::report::Report;
use hotplate_actors::snapshot::Difference;
use hotplate_actors::{Counters, NotCurrent, Published, ReloadOutcome, ReloadReport, Version};
use serde::Serialize;
use similar::TextDiff;
use std::time::Duration;
use utoipa::ToSchema;

use super::{Finding, NameSample, StatusAnswer};

/// How long lines are compared for the shortest difference; after that any will do.
const COMPARING: Duration = Duration::from_millis(200);

/// Versions are in memory.
const HOLD_ENDS: &str = "held until `resume`, or until the process ends: one that starts serves what its sources have, so undo the edit there too";

/// What is served now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in super::super) struct VersionAnswer {
    /// Its number.
    pub(in super::super) version: u64,
    /// A digest of what it serves, the first 16 hexadecimal digits.
    pub(in super::super) digest: String,
    /// What the sources ask for: this version, or one more while something is held back.
    pub(in super::super) desired_version: u64,
    /// Whether somebody went back to an earlier version, so that edits wait.
    pub(in super::super) held: bool,
    /// Templates by how they stand.
    pub(in super::super) templates: TemplateCounts,
    /// When the engine was started, in milliseconds since 1970.
    pub(in super::super) started_ms: u64,
    /// The version of hotplate itself.
    pub(in super::super) hotplate: &'static str,
}

/// Templates by how they stand.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(in super::super) struct TemplateCounts {
    /// Served as their newest text has them.
    pub(in super::super) current: usize,
    /// Served as they were before an edit that is not good.
    pub(in super::super) stale: usize,
    /// Not served.
    pub(in super::super) broken: usize,
}

/// Everything that a client of events has to know to begin with.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in super::super) struct CurrentAnswer {
    /// What is served.
    #[serde(flatten)]
    pub(in super::super) version: VersionAnswer,
    /// What is wrong now, the first hundred findings.
    pub(in super::super) diagnostics: Vec<Finding>,
}

/// The versions that are known, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct VersionsAnswer {
    /// What is served.
    pub(in super::super) current: u64,
    /// Whether somebody went back to it, so that edits wait.
    pub(in super::super) held: bool,
    /// The last versions.
    pub(in super::super) versions: Vec<PublicationAnswer>,
}

/// A version that was published.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in super::super) struct PublicationAnswer {
    /// Its number.
    pub(in super::super) version: u64,
    /// When, in milliseconds since 1970.
    pub(in super::super) at_ms: u64,
    /// A digest of what it serves, the first 16 hexadecimal digits.
    pub(in super::super) digest: String,
    /// Whether it can be gone back to and compared.
    pub(in super::super) kept: bool,
    /// Whether somebody chose it by going back.
    pub(in super::super) held: bool,
    /// Templates with a new text.
    pub(in super::super) changed: NameSample,
    /// Templates that went.
    pub(in super::super) removed: NameSample,
    /// Templates that went on as they were, newly or for a new reason.
    pub(in super::super) stale: NameSample,
    /// Templates that could not be served, newly or for a new reason.
    pub(in super::super) broken: NameSample,
    /// Templates that were current again.
    pub(in super::super) recovered: NameSample,
    /// What was newly wrong, the first hundred findings.
    pub(in super::super) diagnostics: Vec<Finding>,
    /// From noticing the first change to the swap, in microseconds.
    pub(in super::super) micros: u64,
}

/// What came of a reload.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ReloadAnswer {
    /// What is served now: everything that was written before the call is in it, or named in `diagnostics`.
    pub(in super::super) version: u64,
    /// `published`, `unchanged`, `held`, `refused` or `unreadable`.
    pub(in super::super) outcome: &'static str,
    /// Why it is refused or unreadable.
    pub(in super::super) reason: Option<String>,
    /// Templates with a new text.
    pub(in super::super) changed: Vec<String>,
    /// Templates that are gone.
    pub(in super::super) removed: Vec<String>,
    /// Templates that are not served as their newest text has them, whether this reload changed anything or not.
    pub(in super::super) not_current: Vec<NotCurrentAnswer>,
    /// Everything that is wrong now.
    pub(in super::super) diagnostics: Vec<Finding>,
}

/// A template that is not served as its newest text has it.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct NotCurrentAnswer {
    /// Its name.
    pub(in super::super) template: String,
    /// What is served in its place: `last-good`, `stand-in`, or `failure`.
    pub(in super::super) serving: &'static str,
    /// Of `last-good`: the version that it is from.
    pub(in super::super) since: Option<u64>,
}

/// What came of going back, or of ending that.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct RolledBackAnswer {
    /// What is served now.
    pub(in super::super) version: u64,
    /// `published`, or `unchanged` where nothing was held.
    pub(in super::super) outcome: &'static str,
    /// Templates with another text than before.
    pub(in super::super) changed: NameSample,
    /// Templates that are gone.
    pub(in super::super) removed: NameSample,
    /// What to know of a version that is held.
    pub(in super::super) notice: Option<&'static str>,
}

/// What two versions serve otherwise.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct DiffAnswer {
    /// The first.
    pub(in super::super) from: u64,
    /// The second.
    pub(in super::super) to: u64,
    /// Templates that are served otherwise, sorted by name.
    pub(in super::super) templates: Vec<ChangedTemplate>,
    /// Whether there are more than fit into an answer.
    pub(in super::super) truncated: bool,
}

/// A template that two versions serve otherwise.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ChangedTemplate {
    /// Its name.
    pub(in super::super) name: String,
    /// `added`, `removed` or `changed`.
    pub(in super::super) change: &'static str,
    /// In the first.
    pub(in super::super) before: Option<SideAnswer>,
    /// In the second.
    pub(in super::super) after: Option<SideAnswer>,
    /// The lines that differ, in the unified format, if asked for with `content=true`.
    pub(in super::super) unified: Option<String>,
}

/// What a version serves of a template.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct SideAnswer {
    /// How it stands.
    pub(in super::super) standing: StatusAnswer,
    /// BLAKE3 of its text, the first 16 hexadecimal digits.
    pub(in super::super) digest: Option<String>,
}

impl VersionAnswer {
    pub(in super::super) fn of(counters: &Counters, digest: String) -> Self {
        Self {
            version: counters.live_version.number(),
            digest,
            desired_version: counters.desired_version.number(),
            held: counters.held,
            templates: TemplateCounts {
                current: counters.entries.current,
                stale: counters.entries.stale,
                broken: counters.entries.broken,
            },
            started_ms: counters.started_ms,
            hotplate: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl PublicationAnswer {
    pub(in super::super) fn of(publication: &Publication, kept: bool) -> Self {
        let Published {
            version,
            digest,
            changed,
            removed,
            stale,
            broken,
            recovered,
            diagnostics,
            micros,
        } = &*publication.published;
        Self {
            version: version.number(),
            at_ms: publication.at_ms,
            digest: digest.to_string(),
            kept,
            held: publication.held,
            changed: NameSample::of(changed),
            removed: NameSample::of(removed),
            stale: NameSample::of(stale),
            broken: NameSample::of(broken),
            recovered: NameSample::of(recovered),
            diagnostics: diagnostics.iter().take(super::NAMES_MAX).map(Finding::of).collect(),
            micros: *micros,
        }
    }
}

impl From<ReloadReport> for ReloadAnswer {
    fn from(report: ReloadReport) -> Self {
        let (outcome, reason) = match report.outcome {
            ReloadOutcome::Published => ("published", None),
            ReloadOutcome::Unchanged => ("unchanged", None),
            ReloadOutcome::Held => ("held", None),
            ReloadOutcome::Refused(reason) => ("refused", Some(reason)),
            ReloadOutcome::Unreadable(reason) => ("unreadable", Some(reason)),
            _ => ("unknown", None),
        };
        let names = |names: &[hotplate_actors::TemplateName]| names.iter().map(ToString::to_string).collect();
        Self {
            version: report.version.number(),
            outcome,
            reason,
            changed: names(&report.changed),
            removed: names(&report.removed),
            not_current: report.not_current.iter().map(NotCurrentAnswer::of).collect(),
            diagnostics: report.diagnostics.iter().map(Finding::of).collect(),
        }
    }
}

impl NotCurrentAnswer {
    fn of(not_current: &NotCurrent) -> Self {
        Self {
            template: not_current.template.to_string(),
            serving: not_current.serving.as_str(),
            since: not_current.serving.since().map(Version::number),
        }
    }
}

impl RolledBackAnswer {
    fn published(report: &Report) -> Self {
        Self {
            version: report.version.number(),
            outcome: "published",
            changed: NameSample::of(&report.changed),
            removed: NameSample::of(&report.removed),
            notice: None,
        }
    }

    /// The answer to going back.
    pub(in super::super) fn held(rolled_back: &RolledBack) -> Result<Self, super::super::problem::Problem> {
        let answer = Self::of(rolled_back)?;
        let notice = Some(HOLD_ENDS);
        Ok(Self { notice, ..answer })
    }

    /// The answer, or why there is none.
    pub(in super::super) fn of(rolled_back: &RolledBack) -> Result<Self, super::super::problem::Problem> {
        use super::super::problem::Problem;
        match rolled_back {
            RolledBack::Published(report) => Ok(Self::published(report)),
            RolledBack::Unchanged(version) => Ok(Self {
                version: version.number(),
                outcome: "unchanged",
                changed: NameSample::default(),
                removed: NameSample::default(),
                notice: None,
            }),
            RolledBack::NotKept(not_kept) => Err(Problem::not_kept(not_kept.to_string())),
            RolledBack::Lost(said) => Err(Problem::from(hotplate_actors::CallError::Lost(said.clone()))),
        }
    }
}

impl ChangedTemplate {
    /// `text` is whether to say which lines differ.
    pub(in super::super) fn of(difference: &Difference, text: bool) -> Self {
        let side = |served: &hotplate_actors::snapshot::ServedTemplate| SideAnswer {
            standing: served.stands.into(),
            digest: served.digest.map(|digest| digest.to_string()),
        };
        let Difference { name, before, after } = difference;
        Self {
            name: name.to_string(),
            change: match (before, after) {
                (None, _) => "added",
                (_, None) => "removed",
                _ => "changed",
            },
            before: before.as_ref().map(side),
            after: after.as_ref().map(side),
            unified: text.then(|| unified(difference)),
        }
    }
}

/// The lines that differ, with three around them.
fn unified(difference: &Difference) -> String {
    let text = |served: &Option<hotplate_actors::snapshot::ServedTemplate>| {
        served
            .as_ref()
            .and_then(|served| served.text())
            .unwrap_or_default()
            .to_owned()
    };
    let (before, after) = (text(&difference.before), text(&difference.after));
    let diff = TextDiff::configure().timeout(COMPARING).diff_lines(&before, &after);
    diff.unified_diff().context_radius(3).to_string()
}
