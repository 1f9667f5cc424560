//! [`StageStatus`]: the state of a stage, for operators.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::cause::Cause;
use crate::judge::{Evidence, Plan, Rollout, RolloutState, Stopped};
use crate::template::Stage;

/// The state of a stage other than stable. Reading it sends no message and takes no lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StageStatus {
    /// The stage.
    #[serde(serialize_with = "as_str")]
    pub stage: Stage,
    /// True if it has a text of everyone now. One without texts is that of stable.
    pub has_texts: bool,
    /// True unless it is stopped. All visitors of a stage that is stopped get stable.
    pub is_on: bool,
    /// The reason why it is stopped.
    pub halt: Option<Arc<Halt>>,
    /// The evidence of the judge: its renders since its texts changed, or since it was resumed.
    pub evidence: Evidence,
    /// The number of renders since the start of the process that failed and were answered by stable.
    pub rescued: u64,
    /// The number of renders since the start of the process that stable answered because the stage is stopped.
    pub diverted: u64,
    /// The number of stops by the judge since the start of the process, by reason.
    pub stops: BTreeMap<&'static str, u64>,
    /// The rollout; only canary has one.
    pub rollout: Option<RolloutStatus>,
}

/// The state of the rollout of canary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RolloutStatus {
    /// The state.
    pub state: RolloutState,
    /// The number of the [`BUCKETS`](crate::judge::BUCKETS) of visitors that get canary.
    pub buckets: u32,
    /// The plan.
    pub plan: Plan,
    /// The requirement that is not met, so that a promotion has to be forced.
    pub unmet: Option<String>,
}

impl RolloutStatus {
    pub(super) fn of(rollout: &Rollout, buckets: u32, evidence: &Evidence) -> Self {
        let plan = rollout.plan();
        Self {
            state: rollout.state().clone(),
            buckets,
            unmet: plan.requirements.check(evidence).err().map(|unmet| unmet.to_string()),
            plan: plan.clone(),
        }
    }
}

/// The reason why a stage is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Halt {
    /// The judge has stopped it.
    Judge(Arc<Stopped>),
    /// A person has aborted it.
    Aborted {
        /// The cause: a name, a reason and a trace.
        cause: Cause,
        /// The time, in milliseconds since 1970.
        at_ms: u64,
    },
}

impl Halt {
    /// Returns a sentence that says why a stage is stopped, and what to do.
    #[must_use]
    pub fn sentence(&self, stage: Stage) -> String {
        match self {
            Self::Judge(stopped) => stopped.to_string(),
            Self::Aborted { cause, .. } => format!(
                "{} was aborted by {cause}; its visitors get stable until a person resumes it",
                stage.as_str()
            ),
        }
    }
}

fn as_str<S: serde::Serializer>(stage: &Stage, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(stage.as_str())
}
