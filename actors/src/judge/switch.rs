//! [`StageSwitch`]: which stages are on, and how many visitors get canary. Choosing a scope reads it, the judge and promotions write it.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use crate::template::Stage;

/// The number of buckets into which the keys of visitors are divided: one is 0.01 %.
pub const BUCKETS: u32 = 10_000;

/// The share of canary, and the stages that are stopped. Readers take no lock, and a change is seen by the next request.
///
/// ```
/// use hotplate_actors::judge::StageSwitch;
/// use hotplate_actors::template::Stage;
///
/// let switch = StageSwitch::new(500);
/// assert!(switch.is_on(Stage::Canary));
/// assert!(switch.stop(Stage::Canary), "it was on");
/// assert!(!switch.is_on(Stage::Canary));
/// ```
#[derive(Debug, Default)]
pub struct StageSwitch {
    /// The number of buckets that get canary.
    canary: AtomicU32,
    /// The stages that are stopped, as a bit set.
    stopped: AtomicU8,
}

impl StageSwitch {
    /// Creates a switch with all stages on, and a number of the [`BUCKETS`] that get canary.
    #[must_use]
    pub fn new(canary: u32) -> Self {
        let switch = Self::default();
        switch.set_canary(canary);
        switch
    }

    /// Returns the number of the [`BUCKETS`] that get canary.
    #[must_use]
    pub fn canary(&self) -> u32 {
        self.canary.load(Ordering::Relaxed)
    }

    /// Sets the number of the [`BUCKETS`] that get canary. A larger number counts as all.
    pub fn set_canary(&self, buckets: u32) {
        self.canary.store(buckets.min(BUCKETS), Ordering::Relaxed);
    }

    /// Returns true unless the stage is stopped. The stable stage always is on.
    #[must_use]
    pub fn is_on(&self, stage: Stage) -> bool {
        self.stopped.load(Ordering::Relaxed) & bit(stage) == 0
    }

    /// Stops a stage: its visitors get stable from now on. Returns true if it was on, so of several callers one gets true. The stable stage
    /// cannot be stopped.
    pub fn stop(&self, stage: Stage) -> bool {
        let bit = bit(stage);
        self.stopped.fetch_or(bit, Ordering::AcqRel) & bit != bit
    }

    /// Lets a stage go on.
    pub fn resume(&self, stage: Stage) {
        self.stopped.fetch_and(!bit(stage), Ordering::AcqRel);
    }
}

/// Returns the bit of a stage; none for stable.
fn bit(stage: Stage) -> u8 {
    match stage {
        Stage::Stable => 0,
        Stage::Canary => 1,
        Stage::Experimental => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_stops_a_stage() {
        let switch = StageSwitch::new(BUCKETS + 1);
        assert_eq!(switch.canary(), BUCKETS);
        assert!(!switch.stop(Stage::Stable) && switch.is_on(Stage::Stable));
        let stopped = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| switch.stop(Stage::Canary))).collect();
            threads
                .into_iter()
                .filter_map(|thread| thread.join().ok())
                .filter(|won| *won)
                .count()
        });
        assert_eq!(stopped, 1);
        assert!(!switch.is_on(Stage::Canary) && switch.is_on(Stage::Experimental));
        switch.resume(Stage::Canary);
        assert!(switch.is_on(Stage::Canary));
    }
}
