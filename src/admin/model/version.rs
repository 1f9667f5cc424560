//! Versions in answers of the API.

use hotplate_actors::counters::Publication;
use hotplate_actors::messages::{RolledBack, StoredVersionInfo};
use hotplate_actors::protocol::hold::WaitingTemplates;
use hotplate_actors::protocol::report::Report;
use hotplate_actors::snapshot::Difference;
use hotplate_actors::{Counters, NotCurrent, Published, ReloadOutcome, ReloadReport, Version};
use serde::Serialize;
use similar::TextDiff;
use std::time::Duration;
use utoipa::ToSchema;

use super::{CauseAnswer, FINDINGS_MAX, Finding, NameSample, StatusAnswer};

/// The time for the search for the shortest difference between two texts. After that a longer one is answered.
const DIFF_TIMEOUT: Duration = Duration::from_millis(200);

/// The notice in an answer to a rollback. Without a store a restart forgets what waits.
const HOLD_NOTICE: &str = "what was rolled back waits until its source has another text, or until `resume`; without a store a restart forgets that and serves what the sources have, so undo the edit there too";

/// The version that is served.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in super::super) struct VersionAnswer {
    /// The number of the version.
    pub(in super::super) version: u64,
    /// A digest of everything that it serves, the first 16 hexadecimal digits.
    pub(in super::super) digest: String,
    /// The version of the sources: this one, or one more while a template is stale or broken.
    pub(in super::super) desired_version: u64,
    /// True if the newest text of a template waits because an operator rolled back.
    pub(in super::super) held: bool,
    /// The number of templates whose newest text waits.
    pub(in super::super) waiting: usize,
    /// Templates by status.
    pub(in super::super) templates: TemplateCounts,
    /// The start of the engine, in milliseconds since 1970.
    pub(in super::super) started_ms: u64,
    /// The version of hotplate itself.
    pub(in super::super) hotplate: &'static str,
}

/// The number of templates by status.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(in super::super) struct TemplateCounts {
    /// Templates whose newest text is served.
    pub(in super::super) current: usize,
    /// Templates whose last good text is served, because a newer one has errors.
    pub(in super::super) stale: usize,
    /// Templates that are not served.
    pub(in super::super) broken: usize,
}

/// The state from which a client of events begins.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in super::super) struct CurrentAnswer {
    /// The version that is served.
    #[serde(flatten)]
    pub(in super::super) version: VersionAnswer,
    /// The current errors, the first hundred.
    pub(in super::super) diagnostics: Vec<Finding>,
}

/// The versions that are known, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct VersionsAnswer {
    /// The version that is served.
    pub(in super::super) current: u64,
    /// True if the newest text of a template waits because an operator rolled back.
    pub(in super::super) held: bool,
    /// The templates whose newest text waits.
    pub(in super::super) waiting: WaitingAnswer,
    /// The last versions.
    pub(in super::super) versions: Vec<PublicationAnswer>,
}

/// A version that was published.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in super::super) struct PublicationAnswer {
    /// The number of the version.
    pub(in super::super) version: u64,
    /// The time of the swap, in milliseconds since 1970.
    pub(in super::super) at_ms: u64,
    /// A digest of everything that it serves, the first 16 hexadecimal digits.
    pub(in super::super) digest: String,
    /// True if it is kept, so that it can be compared and rolled back to.
    pub(in super::super) kept: bool,
    /// True if an operator chose it by a rollback.
    pub(in super::super) held: bool,
    /// True if an earlier process published it: it is read from the store, and its changes are not listed.
    pub(in super::super) stored: bool,
    /// The cause: a name, a reason and a trace.
    pub(in super::super) cause: CauseAnswer,
    /// Templates that are served from another text of their own than before.
    pub(in super::super) changed: NameSample,
    /// Templates that were removed.
    pub(in super::super) removed: NameSample,
    /// Templates that became stale, or are stale for a new reason.
    pub(in super::super) stale: NameSample,
    /// Templates that became broken, or are broken for a new reason.
    pub(in super::super) broken: NameSample,
    /// Templates that became current again.
    pub(in super::super) recovered: NameSample,
    /// The new errors, the first hundred.
    pub(in super::super) diagnostics: Vec<Finding>,
    /// The time from noticing the first change to the swap, in microseconds.
    pub(in super::super) micros: u64,
}

/// The result of a reload.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ReloadAnswer {
    /// The version that is served. Everything that was written before the call is in it, or named in `diagnostics`.
    pub(in super::super) version: u64,
    /// `published`, `unchanged`, `held` if nothing differs but what waits after a rollback, `refused` or `unreadable`.
    pub(in super::super) outcome: &'static str,
    /// The reason for `refused` or `unreadable`.
    pub(in super::super) reason: Option<String>,
    /// Templates that are served from another text of their own than before.
    pub(in super::super) changed: Vec<String>,
    /// Templates that were removed.
    pub(in super::super) removed: Vec<String>,
    /// Templates whose newest text waits because an operator rolled back.
    pub(in super::super) waiting: NameSample,
    /// Templates whose newest text is not served, whether this reload changed anything or not.
    pub(in super::super) not_current: Vec<NotCurrentAnswer>,
    /// All current errors.
    pub(in super::super) diagnostics: Vec<Finding>,
}

/// A template whose newest text is not served.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct NotCurrentAnswer {
    /// The name of the template.
    pub(in super::super) template: String,
    /// The replacement that is served: `last-good`, `stand-in` or `failure`.
    pub(in super::super) serving: &'static str,
    /// The version of a `last-good` text.
    pub(in super::super) since: Option<u64>,
}

/// The templates whose newest text waits because an operator rolled back.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(in super::super) struct WaitingAnswer {
    /// The number of templates.
    pub(in super::super) count: usize,
    /// Some of them, sorted by name; `/admin/v1/diff?to=source` lists all.
    pub(in super::super) templates: Vec<WaitingTemplateAnswer>,
}

/// A template whose newest text waits.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct WaitingTemplateAnswer {
    /// The name of the template.
    pub(in super::super) name: String,
    /// The change that waits: `created`, `changed` or `removed`.
    pub(in super::super) change: &'static str,
    /// The version that the rollback made. The text waits since then.
    pub(in super::super) since: u64,
    /// The cause of the rollback: a name, a reason and a trace.
    pub(in super::super) cause: CauseAnswer,
    /// BLAKE3 of the text that is served, the first 16 hexadecimal digits.
    pub(in super::super) served: Option<String>,
    /// BLAKE3 of the text that waits, the first 16 hexadecimal digits.
    pub(in super::super) waiting: Option<String>,
    /// The errors of the text that waits, if it does not compile.
    pub(in super::super) diagnostics: Vec<Finding>,
}

/// The result of a rollback, or of its end.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct RolledBackAnswer {
    /// The version that is served.
    pub(in super::super) version: u64,
    /// `published`, or `unchanged` if nothing waited.
    pub(in super::super) outcome: &'static str,
    /// Templates whose text differs from before.
    pub(in super::super) changed: NameSample,
    /// Templates that were removed.
    pub(in super::super) removed: NameSample,
    /// A notice about what waits, and for how long.
    pub(in super::super) notice: Option<&'static str>,
}

/// The difference between two versions.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct DiffAnswer {
    /// The first version.
    pub(in super::super) from: u64,
    /// The second version; absent for the sources as they are now.
    pub(in super::super) to: Option<u64>,
    /// Templates that the two serve differently, sorted by name.
    pub(in super::super) templates: Vec<ChangedTemplate>,
    /// True if there are more than fit into an answer.
    pub(in super::super) truncated: bool,
}

/// A template that two versions serve differently.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ChangedTemplate {
    /// The name of the template.
    pub(in super::super) name: String,
    /// `added`, `removed` or `changed`.
    pub(in super::super) change: &'static str,
    /// The template in the first version.
    pub(in super::super) before: Option<SideAnswer>,
    /// The template in the second version.
    pub(in super::super) after: Option<SideAnswer>,
    /// The lines that differ, in the unified format; only with `content=true`.
    pub(in super::super) unified: Option<String>,
}

/// A template in one of two versions.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct SideAnswer {
    /// The status of the template.
    pub(in super::super) status: StatusAnswer,
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
            waiting: counters.waiting,
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
            cause,
            changed,
            removed,
            stale,
            broken,
            recovered,
            diagnostics,
            micros,
            faults: _,
            scopes: _,
        } = &*publication.published;
        Self {
            version: version.number(),
            at_ms: publication.at_ms,
            digest: digest.to_string(),
            kept,
            held: publication.held,
            stored: false,
            cause: CauseAnswer::of(cause),
            changed: NameSample::of(changed),
            removed: NameSample::of(removed),
            stale: NameSample::of_sample(stale),
            broken: NameSample::of_sample(broken),
            recovered: NameSample::of_sample(recovered),
            diagnostics: diagnostics.iter().take(FINDINGS_MAX).map(Finding::of).collect(),
            micros: *micros,
        }
    }

    /// Describes a version of an earlier process. Its time is 0 if it was not stored.
    pub(in super::super) fn of_stored(stored: &StoredVersionInfo) -> Self {
        let none = NameSample::of_sample(&Default::default());
        let origin = stored.origin.as_ref();
        Self {
            version: stored.version.number(),
            at_ms: origin.map_or(0, |origin| origin.at_ms),
            digest: stored.digest.clone(),
            kept: true,
            held: origin.is_some_and(|origin| origin.is_roll_back),
            stored: true,
            cause: origin.map_or_else(
                || CauseAnswer::of(&Default::default()),
                |origin| CauseAnswer::of(&origin.cause),
            ),
            changed: none.clone(),
            removed: none.clone(),
            stale: none.clone(),
            broken: none.clone(),
            recovered: none,
            diagnostics: Vec::new(),
            micros: 0,
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
        let names = |names: &[hotplate_actors::TemplateKey]| names.iter().map(ToString::to_string).collect();
        Self {
            version: report.version.number(),
            outcome,
            reason,
            changed: names(&report.changed),
            removed: names(&report.removed),
            waiting: NameSample::of_sample(&report.waiting),
            not_current: report.not_current.iter().map(NotCurrentAnswer::of).collect(),
            diagnostics: report.diagnostics.iter().map(Finding::of).collect(),
        }
    }
}

impl WaitingAnswer {
    pub(in super::super) fn of(waiting: &WaitingTemplates) -> Self {
        let templates = waiting.templates.iter().map(|each| WaitingTemplateAnswer {
            name: each.template.to_string(),
            change: each.change.as_str(),
            since: each.since.number(),
            cause: CauseAnswer::of(&each.cause),
            served: each.served.map(|digest| digest.to_string()),
            waiting: each.waiting.map(|digest| digest.to_string()),
            diagnostics: each.diagnostics.iter().take(FINDINGS_MAX).map(Finding::of).collect(),
        });
        Self {
            count: waiting.count,
            templates: templates.collect(),
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

    /// Returns the answer to a rollback.
    pub(in super::super) fn held(rolled_back: &RolledBack) -> Result<Self, super::super::problem::Problem> {
        let answer = Self::of(rolled_back)?;
        let notice = Some(HOLD_NOTICE);
        Ok(Self { notice, ..answer })
    }

    /// Returns the answer, or the problem if nothing was published.
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
            RolledBack::Refused(reason) => Err(Problem::refused(format!(
                "{reason}; still serving the previous version"
            ))),
            RolledBack::NotKept(not_kept) => Err(Problem::not_kept(not_kept.to_string())),
            RolledBack::AlreadyServed(version) => Err(Problem::already_served(format!(
                "version {version} is the one that is served, so there is nothing to roll back"
            ))),
            RolledBack::Conflict(conflict) => Err(Problem::conflict(conflict.to_string())),
        }
    }
}

impl ChangedTemplate {
    /// Describes a difference, with the lines that differ if `text` is set.
    pub(in super::super) fn of(difference: &Difference, text: bool) -> Self {
        let side = |served: &hotplate_actors::snapshot::ServedTemplate| SideAnswer {
            status: served.status.into(),
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

/// Returns the lines that differ, each group with three lines around it.
fn unified(difference: &Difference) -> String {
    let text = |served: &Option<hotplate_actors::snapshot::ServedTemplate>| {
        served
            .as_ref()
            .and_then(|served| served.text())
            .unwrap_or_default()
            .to_owned()
    };
    let (before, after) = (text(&difference.before), text(&difference.after));
    let diff = TextDiff::configure().timeout(DIFF_TIMEOUT).diff_lines(&before, &after);
    diff.unified_diff().context_radius(3).to_string()
}
