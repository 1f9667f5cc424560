//! [`Judge`]: watches the renders of a canary and stops it when it does worse than stable.
//!
//! Each render of a stage other than stable is counted, without a lock. Three sums decide, each a [`Cusum`]:
//!
//! - renders that fail;
//! - renders that take longer than a multiple of the p99 of stable;
//! - pages that are much larger or smaller than those of stable.
//!
//! A sum that reaches its threshold stops the stage at once ([`StageSwitch`]): its visitors get stable until a person decides. The render
//! that fails is itself answered by stable ([`answer`]).
//!
//! [`Rollout`] widens the share of a canary step by step, as far as the [`Evidence`] of the judge permits, and promotes it.
//!
//! Everything here is pure: time is an argument, and nothing is sent. `docs/canaries.md` describes it for operators.

mod cusum;
mod distribution;
mod settings;
mod switch;
mod outcome;
mod stopped;
mod evidence;
mod rollout;
#[cfg(test)]
mod simulation;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::template::Stage;

pub use cusum::Cusum;
pub use evidence::{Evidence, Refusal, Requirements};
pub use outcome::{Answer, Observation, Outcome, answer};
pub use rollout::{Action, Input, Plan, PlanError, Rollout, RolloutState, STEPS_MAX, Step};
pub use settings::{JudgeError, JudgeSettings};
pub use stopped::{StopReason, Stopped};
pub use switch::{BUCKETS, StageSwitch};

use cusum::SharedSum;
use distribution::Distribution;

/// The number of renders of a stage after which the limits for slow renders and unusual sizes are computed again, a power of two.
const REVIEW_EVERY: u64 = 64;

/// The sums and distributions of one stage.
#[derive(Debug, Default)]
struct StageRecord {
    renders: AtomicU64,
    failed: AtomicU64,
    stopped: [AtomicU64; 3],
    failures: SharedSum,
    slow: SharedSum,
    size: SharedSum,
    took_ns: Distribution,
    limits: UsualLimits,
}

/// The limits that the distributions of stable give, as of the last review.
#[derive(Debug)]
struct UsualLimits {
    slow_ns: AtomicU64,
    bytes_min: AtomicU64,
    bytes_max: AtomicU64,
}

impl Default for UsualLimits {
    fn default() -> Self {
        let limits = Self {
            slow_ns: AtomicU64::new(0),
            bytes_min: AtomicU64::new(0),
            bytes_max: AtomicU64::new(0),
        };
        limits.forget();
        limits
    }
}

impl UsualLimits {
    /// Sets limits that nothing exceeds.
    fn forget(&self) {
        self.slow_ns.store(u64::MAX, Ordering::Relaxed);
        self.bytes_min.store(0, Ordering::Relaxed);
        self.bytes_max.store(u64::MAX, Ordering::Relaxed);
    }
}

/// Judges the stages other than stable. All threads that render share one.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use hotplate_actors::judge::{Judge, JudgeSettings, Observation, Outcome, StageSwitch};
/// use hotplate_actors::template::Stage;
///
/// let switch = Arc::new(StageSwitch::new(500));
/// let judge = Judge::new(&JudgeSettings::default(), Arc::clone(&switch))?;
/// let failed = Observation { stage: Stage::Canary, outcome: Outcome::Failed, took: Duration::ZERO, bytes: 0 };
/// let stops: Vec<_> = (0..4).filter_map(|_| judge.observe(&failed, 1_000)).collect();
/// assert_eq!(stops.len(), 1);
/// assert!(!switch.is_on(Stage::Canary));
/// # Ok::<(), hotplate_actors::judge::JudgeError>(())
/// ```
#[derive(Debug)]
pub struct Judge {
    settings: JudgeSettings,
    failures: Cusum,
    unusual: Cusum,
    switch: Arc<StageSwitch>,
    canary: StageRecord,
    experimental: StageRecord,
    stable_ns: Distribution,
    stable_bytes: Distribution,
    /// The end of the current period of the distributions, in milliseconds since 1970.
    period_ends_ms: AtomicU64,
}

impl Judge {
    /// Creates a judge that stops stages by a switch.
    ///
    /// # Errors
    /// [`JudgeError`] if the thresholds contradict each other.
    pub fn new(settings: &JudgeSettings, switch: Arc<StageSwitch>) -> Result<Self, JudgeError> {
        Ok(Self {
            failures: settings.failures()?,
            unusual: settings.unusual()?,
            settings: settings.clone(),
            switch,
            canary: StageRecord::default(),
            experimental: StageRecord::default(),
            stable_ns: Distribution::default(),
            stable_bytes: Distribution::default(),
            period_ends_ms: AtomicU64::new(0),
        })
    }

    /// Forgets what is known of a stage and lets it go on: another canary begins, or a person resumes one that was stopped.
    pub fn begin(&self, stage: Stage) {
        self.forget(stage);
        self.switch.resume(stage);
    }

    /// Forgets what is known of a stage, because its texts changed. One that is stopped stays stopped.
    pub fn forget(&self, stage: Stage) {
        if let Some(record) = self.record(stage) {
            record.renders.store(0, Ordering::Relaxed);
            record.failed.store(0, Ordering::Relaxed);
            record.failures.reset();
            record.slow.reset();
            record.size.reset();
            record.took_ns.clear();
            record.limits.forget();
        }
    }

    /// Counts a render of stable, for the comparison. A sample suffices: `weight` is the number of renders that this one stands for.
    pub fn observe_stable(&self, took: Duration, bytes: u64, weight: u32) {
        self.stable_ns.add(nanoseconds(took), weight);
        self.stable_bytes.add(bytes, weight);
    }

    /// Counts a render of a stage other than stable. Returns the stop if this render is the one that stops the stage. Renders of a stage that
    /// is stopped already, and of stable, do not count.
    pub fn observe(&self, render: &Observation, now_ms: u64) -> Option<Stopped> {
        let Observation {
            stage,
            outcome,
            took,
            bytes,
        } = *render;
        let record = self.record(stage).filter(|_| self.switch.is_on(stage))?;
        let is_failed = match outcome {
            Outcome::Good => false,
            Outcome::Failed => true,
            Outcome::NotJudged => return None,
        };
        let renders = record.renders.fetch_add(1, Ordering::Relaxed) + 1;
        if is_failed {
            record.failed.fetch_add(1, Ordering::Relaxed);
        }
        if record.failures.add(&self.failures, is_failed) {
            return self.stop(stage, record, StopReason::Failures, now_ms);
        }
        if is_failed {
            return None;
        }
        let took_ns = nanoseconds(took);
        record.took_ns.add(took_ns, 1);
        if renders & (REVIEW_EVERY - 1) == 0 || renders == 1 {
            self.review(record, now_ms);
        }
        let slow_ns = record.limits.slow_ns.load(Ordering::Relaxed);
        if record.slow.add(&self.unusual, took_ns > slow_ns) {
            let limit_us = slow_ns / 1_000;
            return self.stop(stage, record, StopReason::Slow { limit_us }, now_ms);
        }
        let least = record.limits.bytes_min.load(Ordering::Relaxed);
        let most = record.limits.bytes_max.load(Ordering::Relaxed);
        if record.size.add(&self.unusual, !(least..=most).contains(&bytes)) {
            return self.stop(stage, record, StopReason::Size { least, most }, now_ms);
        }
        None
    }

    /// Returns what is known of a stage: the basis of promotions, and of what operators are shown.
    #[must_use]
    pub fn evidence(&self, stage: Stage) -> Evidence {
        let Some(record) = self.record(stage) else {
            return Evidence::default();
        };
        let renders = record.renders.load(Ordering::Relaxed);
        let least = u64::from(self.settings.stable_renders_min);
        let p99_us = |distribution: &Distribution| distribution.quantile(990, least).map(|ns| ns / 1_000);
        Evidence {
            renders,
            failed: record.failed.load(Ordering::Relaxed).min(renders),
            p99_us: p99_us(&record.took_ns),
            stable_p99_us: p99_us(&self.stable_ns),
            is_stopped: !self.switch.is_on(stage),
        }
    }

    /// Returns how often a stage was stopped since the start of the process, by reason: failures, slow renders, sizes.
    #[must_use]
    pub fn stops(&self, stage: Stage) -> [(&'static str, u64); 3] {
        let count = |reason: usize| {
            let stopped = self.record(stage).map(|record| &record.stopped[reason]);
            stopped.map_or(0, |count| count.load(Ordering::Relaxed))
        };
        [("failures", count(0)), ("slow", count(1)), ("size", count(2))]
    }

    fn record(&self, stage: Stage) -> Option<&StageRecord> {
        match stage {
            Stage::Stable => None,
            Stage::Canary => Some(&self.canary),
            Stage::Experimental => Some(&self.experimental),
        }
    }

    /// Stops a stage. Of several threads that come to it at once, one gets the stop.
    #[cold]
    fn stop(&self, stage: Stage, record: &StageRecord, reason: StopReason, now_ms: u64) -> Option<Stopped> {
        let index = match reason {
            StopReason::Failures => 0,
            StopReason::Slow { .. } => 1,
            StopReason::Size { .. } => 2,
        };
        self.switch.stop(stage).then(|| {
            record.stopped[index].fetch_add(1, Ordering::Relaxed);
            Stopped {
                stage,
                reason,
                at_ms: now_ms,
                renders: record.renders.load(Ordering::Relaxed),
                failed: record.failed.load(Ordering::Relaxed),
            }
        })
    }

    /// Computes the limits for slow renders and unusual sizes again.
    fn review(&self, record: &StageRecord, now_ms: u64) {
        self.begin_period(now_ms);
        let settings = &self.settings;
        let least = u64::from(settings.stable_renders_min);
        let of = |number: u64, percent: u32| number.saturating_mul(percent.into()) / 100;
        let limits = &record.limits;
        let p99_ns = self
            .stable_ns
            .quantile(990, least)
            .filter(|_| settings.slow_percent > 0);
        let slow_ns = p99_ns.map_or(u64::MAX, |p99| {
            of(p99, settings.slow_percent).max(u64::from(settings.slow_floor_us) * 1_000)
        });
        limits.slow_ns.store(slow_ns, Ordering::Relaxed);
        let sizes = self
            .stable_bytes
            .quantile(10, least)
            .zip(self.stable_bytes.quantile(990, least));
        let (bytes_min, bytes_max) = match sizes.filter(|_| settings.size_percent > 0) {
            None => (0, u64::MAX),
            Some((small, large)) => (
                small.saturating_mul(100) / u64::from(settings.size_percent),
                of(large, settings.size_percent).max(settings.size_floor_bytes.into()),
            ),
        };
        limits.bytes_min.store(bytes_min, Ordering::Relaxed);
        limits.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// Begins the next period of the distributions, if the current one is over.
    fn begin_period(&self, now_ms: u64) {
        let ends_ms = self.period_ends_ms.load(Ordering::Relaxed);
        if now_ms < ends_ms {
            return;
        }
        let next_ms = now_ms.saturating_add(self.settings.period_ms.max(1));
        let won = self
            .period_ends_ms
            .compare_exchange(ends_ms, next_ms, Ordering::Relaxed, Ordering::Relaxed);
        // The first period has no end before it.
        if won.is_ok() && ends_ms > 0 {
            for distribution in [
                &self.stable_ns,
                &self.stable_bytes,
                &self.canary.took_ns,
                &self.experimental.took_ns,
            ] {
                distribution.next_period();
            }
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge() -> Judge {
        let switch = Arc::new(StageSwitch::new(500));
        let judge = Judge::new(&JudgeSettings::default(), switch).expect("valid");
        (0..1_000).for_each(|_| judge.observe_stable(Duration::from_millis(2), 10_000, 1));
        judge
    }

    fn render(outcome: Outcome, ms: u64, bytes: u64) -> Observation {
        Observation {
            stage: Stage::Canary,
            outcome,
            took: Duration::from_millis(ms),
            bytes,
        }
    }

    /// Returns the number of renders until the stop, and its reason.
    fn until_stop(judge: &Judge, render: &Observation, most: u64) -> Option<(u64, &'static str)> {
        let mut stops = (1..=most).filter_map(|number| Some((number, judge.observe(render, number)?.reason.as_str())));
        stops.next()
    }

    #[test]
    fn each_signal_stops_a_canary() {
        for (failing, expected) in [
            (render(Outcome::Failed, 2, 10_000), Some((4, "failures"))),
            (render(Outcome::Good, 9, 10_000), Some((7, "slow"))),
            (render(Outcome::Good, 2, 1_000_000), Some((7, "size"))),
            (render(Outcome::Good, 2, 10), Some((7, "size"))),
            (render(Outcome::Good, 2, 10_000), None),
            (render(Outcome::NotJudged, 9, 1), None),
        ] {
            assert_eq!(until_stop(&judge(), &failing, 10_000), expected, "{failing:?}");
        }
    }

    #[test]
    fn a_stopped_stage_waits_for_a_person() {
        let judge = judge();
        let failed = render(Outcome::Failed, 2, 10_000);
        assert!(until_stop(&judge, &failed, 4).is_some());
        let evidence = judge.evidence(Stage::Canary);
        assert!(evidence.is_stopped);
        assert_eq!((evidence.renders, evidence.failed), (4, 4));
        assert_eq!(until_stop(&judge, &failed, 100), None, "it is stopped once");
        assert_eq!(judge.evidence(Stage::Canary).renders, 4);
        judge.begin(Stage::Canary);
        assert_eq!(judge.evidence(Stage::Canary).renders, 0);
        assert!(until_stop(&judge, &failed, 4).is_some());
        assert_eq!(judge.stops(Stage::Canary), [("failures", 2), ("slow", 0), ("size", 0)]);
        assert!(!judge.evidence(Stage::Experimental).is_stopped);
    }

    #[test]
    fn without_stable_renders_only_failures_are_judged() {
        let switch = Arc::new(StageSwitch::default());
        let judge = Judge::new(&JudgeSettings::default(), switch).expect("valid");
        assert_eq!(until_stop(&judge, &render(Outcome::Good, 10_000, 1 << 40), 1_000), None);
        assert!(until_stop(&judge, &render(Outcome::Failed, 1, 1), 4).is_some());
    }

    #[test]
    fn one_thread_gets_the_stop() {
        let judge = judge();
        let stops = std::thread::scope(|scope| {
            let work = || {
                let failed = render(Outcome::Failed, 2, 10_000);
                (0..1_000).filter(|_| judge.observe(&failed, 1).is_some()).count()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            let counts = threads.into_iter().map(|thread| thread.join().expect("no panic"));
            counts.sum::<usize>()
        });
        assert_eq!(stops, 1);
    }
}
