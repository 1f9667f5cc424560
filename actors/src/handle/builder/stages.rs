//! The settings of canaries.

use super::Builder;
use crate::judge::{JudgeSettings, Plan};
use crate::stages::ShadowSettings;

impl Builder {
    /// Sets the thresholds by which a canary is judged and stopped.
    ///
    /// ```
    /// use hotplate_actors::judge::JudgeSettings;
    /// use hotplate_actors::{Hotplate, MemoryLoader};
    ///
    /// let strict = JudgeSettings { failures_bad_ppm: 10_000, ..JudgeSettings::default() };
    /// let hotplate = Hotplate::builder().loader(MemoryLoader::new().0).judge(strict).start()?;
    /// assert!(hotplate.stages().iter().all(|stage| stage.is_on));
    /// # Ok::<(), hotplate_actors::StartError>(())
    /// ```
    pub fn judge(mut self, settings: JudgeSettings) -> Self {
        self.stages.judge = settings;
        self
    }

    /// Sets the steps of a rollout of canary, and the requirements for each step and for the promotion.
    pub fn rollout(mut self, plan: Plan) -> Self {
        self.stages.rollout = plan;
        self
    }

    /// Has canary render a sample of the requests of stable as well, off their path. [`Hotplate::shadow`](crate::Hotplate::shadow) returns the differences.
    pub fn shadow(mut self, settings: ShadowSettings) -> Self {
        self.stages.shadow = settings;
        self
    }

    /// Sets the number of the [`BUCKETS`](crate::judge::BUCKETS) of visitors that get canary before a rollout begins. The default is none.
    pub fn canary_buckets(mut self, buckets: u32) -> Self {
        self.stages.canary_buckets = buckets;
        self
    }
}
