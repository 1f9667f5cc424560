//! The stages and tenants in answers of the API.

use std::collections::BTreeMap;

use hotplate_actors::judge::{RolloutState, Step};
use hotplate_actors::messages::RolledBack;
use hotplate_actors::stages::{Halt, RolloutStatus, ShadowDifference, ShadowReport, StageStatus};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::version::RolledBackAnswer;
use crate::admin::problem::Problem;

/// The stages other than stable.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct StagesAnswer {
    /// The version that is served.
    pub(in super::super) version: u64,
    /// Canary and experimental.
    pub(in super::super) stages: Vec<StageAnswer>,
}

/// A stage other than stable.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct StageAnswer {
    /// Its name.
    pub(in super::super) stage: &'static str,
    /// True if it has a text of everyone. One without texts is that of stable.
    pub(in super::super) has_texts: bool,
    /// True unless it is stopped. All visitors of a stage that is stopped get stable.
    pub(in super::super) is_on: bool,
    /// The reason why it is stopped.
    pub(in super::super) halt: Option<HaltAnswer>,
    /// Renders that were judged since its texts changed, or since it was resumed.
    pub(in super::super) renders: u64,
    /// Those of them that failed.
    pub(in super::super) failed: u64,
    /// The p99 of their time in microseconds, if there are enough of them.
    pub(in super::super) p99_us: Option<u64>,
    /// The p99 of the time of stable in microseconds, if there are enough renders.
    pub(in super::super) stable_p99_us: Option<u64>,
    /// Renders since the start that failed and were answered by stable.
    pub(in super::super) rescued: u64,
    /// Renders since the start that stable answered because the stage is stopped.
    pub(in super::super) diverted: u64,
    /// Stops by the judge since the start, by reason.
    pub(in super::super) stops: StopsAnswer,
    /// The rollout; only canary has one.
    pub(in super::super) rollout: Option<RolloutAnswer>,
}

/// Stops by the judge, by reason.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct StopsAnswer {
    /// Too many renders failed.
    pub(in super::super) failures: u64,
    /// Too many renders were slow.
    pub(in super::super) slow: u64,
    /// Too many pages had an unusual size.
    pub(in super::super) size: u64,
}

impl StopsAnswer {
    fn of(stops: &BTreeMap<&'static str, u64>) -> Self {
        let of = |reason: &str| stops.get(reason).copied().unwrap_or(0);
        Self {
            failures: of("failures"),
            slow: of("slow"),
            size: of("size"),
        }
    }
}

/// The reason why a stage is stopped.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct HaltAnswer {
    /// The one who stopped it: `judge`, or the name of a person.
    pub(in super::super) by: String,
    /// The reason, a sentence.
    pub(in super::super) reason: String,
    /// The time in milliseconds since 1970.
    pub(in super::super) at_ms: u64,
}

/// The rollout of canary.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct RolloutAnswer {
    /// `idle`, `step`, `stopped`, `promoting`, `promoted` or `aborted`.
    pub(in super::super) state: &'static str,
    /// The number of the step that is under way, from 1.
    pub(in super::super) step: Option<usize>,
    /// The time at which it began, in milliseconds since 1970.
    pub(in super::super) since_ms: Option<u64>,
    /// The share of visitors that get canary, in hundredths of a per cent.
    pub(in super::super) buckets: u32,
    /// The steps of the plan.
    pub(in super::super) steps: Vec<StepAnswer>,
    /// True if steps begin by themselves.
    pub(in super::super) automatic: bool,
    /// The requirement that is not met, so that a promotion has to be forced.
    pub(in super::super) unmet: Option<String>,
}

/// A step of a rollout.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct StepAnswer {
    /// The share of visitors that get canary, in hundredths of a per cent.
    pub(in super::super) buckets: u32,
    /// The time that it lasts at least, in milliseconds.
    pub(in super::super) bake_ms: u64,
}

/// The differences that shadow renders found since the texts of canary changed.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ShadowAnswer {
    /// One in this many requests of stable is rendered by canary as well; 0 is none.
    pub(in super::super) one_in: u64,
    /// Pages that were compared.
    pub(in super::super) compared: u64,
    /// Pages that differ.
    pub(in super::super) differing: u64,
    /// Pages that canary could not render.
    pub(in super::super) failed: u64,
    /// Requests that were left out since the start, because too many shadow renders waited.
    pub(in super::super) dropped: u64,
    /// The last difference of each template.
    pub(in super::super) templates: Vec<ShadowDifferenceAnswer>,
}

/// The last difference between stable and canary for one template, after normalization of the HTML.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ShadowDifferenceAnswer {
    /// Its name.
    pub(in super::super) template: String,
    /// Pages of the template that differed.
    pub(in super::super) count: u64,
    /// The version of the last one.
    pub(in super::super) version: u64,
    /// The number of the first line that differs, from 1.
    pub(in super::super) line: usize,
    /// The lines of stable from the first to the last difference, twenty at most.
    pub(in super::super) stable: Vec<String>,
    /// The lines of canary.
    pub(in super::super) canary: Vec<String>,
    /// The error, if canary could not render the page.
    pub(in super::super) error: Option<String>,
}

impl ShadowAnswer {
    pub(in super::super) fn of(report: ShadowReport) -> Self {
        let difference = |difference: ShadowDifference| ShadowDifferenceAnswer {
            template: difference.template.to_string(),
            count: difference.count,
            version: difference.version.number(),
            line: difference.line,
            stable: difference.stable,
            canary: difference.canary,
            error: difference.error,
        };
        Self {
            one_in: report.one_in,
            compared: report.compared,
            differing: report.differing,
            failed: report.failed,
            dropped: report.dropped,
            templates: report.templates.into_iter().map(difference).collect(),
        }
    }
}

/// The tenants that have templates of their own.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct TenantsAnswer {
    /// The version that is served.
    pub(in super::super) version: u64,
    /// Their number.
    pub(in super::super) count: usize,
    /// Their names, sorted, the first thousand.
    pub(in super::super) tenants: Vec<String>,
}

/// A command about a stage: who asks and why, and what to do in spite of the requirements.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct StageRequest {
    /// The name of the person or program that asks, up to 256 bytes.
    #[schema(max_length = 256)]
    pub(in super::super) by: Option<String>,
    /// The reason, up to 1024 bytes.
    #[schema(max_length = 1024)]
    pub(in super::super) reason: Option<String>,
    /// True to promote or advance although a requirement is not met. It needs a reason.
    #[serde(default)]
    pub(in super::super) force: bool,
    /// The tenant whose texts are promoted; those of everyone, if it is absent.
    #[schema(max_length = 64)]
    pub(in super::super) tenant: Option<String>,
}

/// The result of a command about a stage.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct StageChangedAnswer {
    /// The result of the promotion; of every other command it is `unchanged`, because it publishes nothing.
    #[serde(flatten)]
    pub(in super::super) published: RolledBackAnswer,
    /// The stage afterwards.
    pub(in super::super) stage: StageAnswer,
}

impl StageChangedAnswer {
    /// Returns the answer to a command, or the problem if it was refused.
    pub(in super::super) fn of(answer: &RolledBack, stage: StageAnswer) -> Result<Self, Problem> {
        let published = match answer {
            RolledBack::Refused(reason) => return Err(Problem::refused(reason)),
            answer => RolledBackAnswer::of(answer)?,
        };
        Ok(Self { published, stage })
    }
}

impl StageAnswer {
    pub(in super::super) fn of(status: StageStatus) -> Self {
        let evidence = status.evidence;
        Self {
            stage: status.stage.as_str(),
            has_texts: status.has_texts,
            is_on: status.is_on,
            halt: status.halt.map(|halt| HaltAnswer {
                reason: halt.sentence(status.stage),
                by: match &*halt {
                    Halt::Aborted { cause, .. } => cause.name().unwrap_or("unknown").to_owned(),
                    _ => "judge".to_owned(),
                },
                at_ms: match &*halt {
                    Halt::Judge(stopped) => stopped.at_ms,
                    Halt::Aborted { at_ms, .. } => *at_ms,
                    _ => 0,
                },
            }),
            renders: evidence.renders,
            failed: evidence.failed,
            p99_us: evidence.p99_us,
            stable_p99_us: evidence.stable_p99_us,
            rescued: status.rescued,
            diverted: status.diverted,
            stops: StopsAnswer::of(&status.stops),
            rollout: status.rollout.map(RolloutAnswer::of),
        }
    }
}

impl RolloutAnswer {
    fn of(rollout: RolloutStatus) -> Self {
        let (state, step, since_ms) = match rollout.state {
            RolloutState::Step { index, since_ms } => ("step", Some(index + 1), Some(since_ms)),
            RolloutState::Stopped { index } => ("stopped", Some(index + 1), None),
            RolloutState::Promoting { index, since_ms } => ("promoting", Some(index + 1), Some(since_ms)),
            RolloutState::Promoted => ("promoted", None, None),
            RolloutState::Aborted => ("aborted", None, None),
            _ => ("idle", None, None),
        };
        let step_answer = |step: &Step| StepAnswer {
            buckets: step.buckets,
            bake_ms: step.bake_ms,
        };
        Self {
            state,
            step,
            since_ms,
            buckets: rollout.buckets,
            steps: rollout.plan.steps().iter().map(step_answer).collect(),
            automatic: rollout.plan.is_automatic,
            unmet: rollout.unmet,
        }
    }
}
