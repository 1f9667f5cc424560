//! [`StageSettings`]: how canaries are judged and rolled out.

use super::ShadowSettings;
use crate::judge::{JudgeSettings, Plan};

/// The settings of the stages other than stable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StageSettings {
    /// The thresholds of the judge.
    pub judge: JudgeSettings,
    /// The steps of a rollout, and the requirements for each and for the promotion.
    pub rollout: Plan,
    /// The number of the [`BUCKETS`](crate::judge::BUCKETS) of visitors that get canary before a rollout begins; by default none.
    pub canary_buckets: u32,
    /// The renders of stable requests by canary as well.
    pub shadow: ShadowSettings,
}
