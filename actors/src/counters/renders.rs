//! Renders by outcome and how long they took, counted apart by threads.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use serde::Serialize;

use super::histogram::{Buckets, Histogram};
use crate::reader::{Freshness, RenderFailure, Rendered};

/// What came of a render.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RenderOutcome {
    /// Answered from the newest text.
    Current,
    /// Answered from an older good version.
    Stale,
    /// Answered with a stand-in.
    Fallback,
    /// The render failed, and no older version did better.
    Failed,
    /// The data did not become a context.
    Context,
    /// There is no such template.
    NotFound,
    /// The template is broken, and the policy is to say so.
    Broken,
    /// The caller's deadline passed, or the caller gave up.
    Timeout,
    /// Turned away: too many were under way.
    Busy,
    /// Turned away: the engine had ended.
    Down,
    /// A Renderer failed with it in hand.
    Lost,
}

impl RenderOutcome {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Current,
        Self::Stale,
        Self::Fallback,
        Self::Failed,
        Self::Context,
        Self::NotFound,
        Self::Broken,
        Self::Timeout,
        Self::Busy,
        Self::Down,
        Self::Lost,
    ];

    /// As it is written in metrics and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Stale => "stale",
            Self::Fallback => "fallback",
            Self::Failed => "failed",
            Self::Context => "context",
            Self::NotFound => "not-found",
            Self::Broken => "broken",
            Self::Timeout => "timeout",
            Self::Busy => "busy",
            Self::Down => "down",
            Self::Lost => "lost",
        }
    }

    fn of(result: &Result<Rendered, RenderFailure>) -> Self {
        match result {
            Ok(rendered) => match rendered.freshness {
                Freshness::Current => Self::Current,
                Freshness::Stale { .. } => Self::Stale,
                Freshness::Fallback { .. } => Self::Fallback,
            },
            Err(failure) => Self::of_failure(failure),
        }
    }

    fn of_failure(failure: &RenderFailure) -> Self {
        match failure {
            RenderFailure::NotFound { .. } => Self::NotFound,
            RenderFailure::Broken { .. } => Self::Broken,
            RenderFailure::Failed(_) => Self::Failed,
            RenderFailure::Context(_) => Self::Context,
            RenderFailure::Timeout(_) => Self::Timeout,
            RenderFailure::Busy => Self::Busy,
            RenderFailure::Down => Self::Down,
            RenderFailure::Lost(_) => Self::Lost,
        }
    }
}

/// Threads count in so many places: enough that two rarely meet, few enough to add up at each reading.
const SHARDS: usize = 16;
/// Renders with less output than this take microseconds, so that reading the clock at the end of each would be felt.
const SMALL_BYTES: usize = 16 * 1024;
/// So many small renders of a shard are timed all, so that few are counted exactly.
const TIMED_FIRST: u64 = 64;
/// Afterwards one of so many stands for all of them. A prime, so as not to keep step with templates that take turns.
const SAMPLE: u64 = 17;

/// Counts renders.
#[derive(Debug, Default)]
pub(super) struct Renders {
    shards: [Shard; SHARDS],
    rescued: AtomicU64,
}

/// What some threads counted. On cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    /// Current, with little output.
    small: AtomicU64,
    outcomes: [AtomicU64; RenderOutcome::ALL.len()],
    seconds: Buckets,
}

thread_local! {
    static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
}
static NEXT_SHARD: AtomicUsize = AtomicUsize::new(0);

/// In which shard this thread counts.
#[inline]
fn shard() -> usize {
    let shard = SHARD.get();
    if shard < SHARDS {
        return shard;
    }
    let next = NEXT_SHARD.fetch_add(1, Ordering::Relaxed) % SHARDS;
    SHARD.set(next);
    next
}

impl Renders {
    /// Counts one that began at `started`, and answers how many it stands for where durations are counted; 0 where it was not
    /// timed.
    #[inline]
    pub(super) fn count(&self, result: &Result<Rendered, RenderFailure>, started: Instant) -> u64 {
        let shard = &self.shards[shard()];
        let small =
            matches!(result, Ok(Rendered { body, freshness: Freshness::Current, .. }) if body.len() < SMALL_BYTES);
        let weight = if small {
            match shard.small.fetch_add(1, Ordering::Relaxed) {
                number if number < TIMED_FIRST => 1,
                number if number % SAMPLE == 0 => SAMPLE,
                _ => return 0,
            }
        } else {
            shard.outcomes[RenderOutcome::of(result) as usize].fetch_add(1, Ordering::Relaxed);
            1
        };
        shard.seconds.record(started.elapsed(), weight);
        weight
    }

    /// Counts one that was not begun.
    pub(super) fn turned(&self, failure: &RenderFailure) {
        let outcome = RenderOutcome::of_failure(failure);
        self.shards[shard()].outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one that was answered from an older version although its text compiles.
    pub(super) fn rescued(&self) {
        self.rescued.fetch_add(1, Ordering::Relaxed);
    }

    /// By outcome; how long; how many were rescued.
    pub(super) fn read(&self) -> (BTreeMap<RenderOutcome, u64>, Histogram, u64) {
        let count = |outcome: RenderOutcome| {
            let counted = |shard: &Shard| {
                let small = match outcome {
                    RenderOutcome::Current => shard.small.load(Ordering::Relaxed),
                    _ => 0,
                };
                small + shard.outcomes[outcome as usize].load(Ordering::Relaxed)
            };
            (outcome, self.shards.iter().map(counted).sum())
        };
        let outcomes = RenderOutcome::ALL.map(count).into();
        let seconds = Buckets::sum(self.shards.iter().map(|shard| &shard.seconds));
        (outcomes, seconds, self.rescued.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Version;

    fn rendered(bytes: usize) -> Result<Rendered, RenderFailure> {
        Ok(Rendered {
            body: "x".repeat(bytes),
            version: Version::NONE,
            freshness: Freshness::Current,
        })
    }

    #[test]
    fn every_render_is_counted_and_a_timed_one_stands_for_those_that_are_not() {
        let renders = Renders::default();
        let small = rendered(1);
        for _ in 0..TIMED_FIRST + 100 * SAMPLE {
            renders.count(&small, Instant::now());
        }
        for _ in 0..10 {
            renders.count(&rendered(SMALL_BYTES), Instant::now());
        }
        renders.count(&Err(RenderFailure::Busy), Instant::now());
        renders.turned(&RenderFailure::Down);
        let (outcomes, seconds, _) = renders.read();
        assert_eq!(outcomes[&RenderOutcome::Current], TIMED_FIRST + 100 * SAMPLE + 10);
        assert_eq!((outcomes[&RenderOutcome::Busy], outcomes[&RenderOutcome::Down]), (1, 1));
        let count = seconds.count();
        assert!(count.abs_diff(TIMED_FIRST + 100 * SAMPLE + 11) <= SAMPLE, "{count}");
    }

    #[test]
    fn few_renders_are_all_timed() {
        let renders = Renders::default();
        for _ in 0..10 {
            renders.count(&rendered(1), Instant::now());
        }
        assert_eq!(renders.read().1.count(), 10);
    }

    #[test]
    fn outcomes_stand_where_they_are_counted() {
        for (number, outcome) in RenderOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, number);
            let written = serde_json::to_value(outcome).expect("serializes");
            assert_eq!(written, outcome.as_str());
        }
    }
}
