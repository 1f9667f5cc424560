//! [`RenderRecorder`]: renders by outcome and duration, sharded by thread.
//!
//! Each thread leases a shard on cache lines of its own and adds with a plain load and store. Threads beyond the number of shards share
//! the first one, and add with an atomic read-modify-write. A reading adds up all shards.
//!
//! Reading the clock twice would cost a tenth of a small render, so only some are timed: the first render of a shard in each tick of the
//! kernel, and of the others one in [`SAMPLE`], which then counts for all of them. Few renders are therefore timed exactly and many as
//! a sample.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use serde::Serialize;

use super::clock::Tick;
use super::histogram::{Buckets, Histogram};
use crate::protocol::render::{Freshness, RenderFailure, Rendered};
use crate::supervision::{Timeout, Unavailable};

/// The outcome of a render.
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
    /// The data could not be serialized into a context.
    Context,
    /// There is no such template.
    NotFound,
    /// The template is broken, and the policy is to return that error.
    Broken,
    /// The deadline of the caller, or that of the engine, passed.
    Timeout,
    /// The caller cancelled the render, for example because a visitor closed the connection.
    Cancelled,
    /// Rejected, because too many renders were in flight.
    Busy,
    /// Rejected, because the engine has stopped.
    Down,
    /// Lost, because the Renderer failed or hung during the render.
    Lost,
}

impl RenderOutcome {
    /// All outcomes.
    pub const ALL: [Self; 12] = [
        Self::Current,
        Self::Stale,
        Self::Fallback,
        Self::Failed,
        Self::Context,
        Self::NotFound,
        Self::Broken,
        Self::Timeout,
        Self::Cancelled,
        Self::Busy,
        Self::Down,
        Self::Lost,
    ];

    /// Returns the name that is used in metrics and JSON.
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
            Self::Cancelled => "cancelled",
            Self::Busy => "busy",
            Self::Down => "down",
            Self::Lost => "lost",
        }
    }

    fn of(result: &Result<Rendered, RenderFailure>) -> Self {
        match result {
            Ok(rendered) => match rendered.freshness {
                Freshness::Current | Freshness::Stable { .. } => Self::Current,
                Freshness::Stale { .. } => Self::Stale,
                Freshness::Fallback { .. } => Self::Fallback,
            },
            Err(failure) => Self::of_failure(failure),
        }
    }

    pub(crate) fn of_failure(failure: &RenderFailure) -> Self {
        match failure {
            RenderFailure::NotFound { .. } | RenderFailure::VersionNotKept(_) => Self::NotFound,
            RenderFailure::Broken { .. } => Self::Broken,
            RenderFailure::Failed(_) => Self::Failed,
            RenderFailure::Context(_) => Self::Context,
            RenderFailure::Unavailable(why) => match why {
                Unavailable::Timeout(Timeout::Cancelled) => Self::Cancelled,
                Unavailable::Timeout(_) => Self::Timeout,
                Unavailable::Busy { .. } => Self::Busy,
                Unavailable::Down(_) => Self::Down,
                Unavailable::Lost(_) => Self::Lost,
            },
        }
    }
}

impl RenderInProgress {
    /// Returns the number of renders that this one stands for, since not each is timed; 0 where it was not.
    #[inline]
    pub(crate) fn stands_for(self) -> u64 {
        self.timed.map_or(0, |timed| timed.stands_for)
    }
}

/// The number of shards, few enough to add up at each reading.
const SHARDS: usize = 32;
/// The shard that all threads beyond share.
const SHARED: usize = 0;
/// The number of renders in a shard that are all timed, besides the first of each tick. So small numbers of renders are counted exactly.
const TIMED_FIRST: u64 = 64;
/// The sampling interval beyond [`TIMED_FIRST`]. It is a prime, so that it does not coincide with templates that are rendered in turns.
const SAMPLE: u64 = 31;

/// Counts renders.
#[derive(Debug, Default)]
pub(super) struct RenderRecorder {
    shards: [Shard; SHARDS],
    rescued: AtomicU64,
}

/// The counts of a thread, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    /// The tick of the last render that was timed as the first in its tick.
    tick: AtomicU64,
    /// The number of the other renders.
    others: AtomicU64,
    outcomes: [AtomicU64; RenderOutcome::ALL.len()],
    seconds: Buckets,
}

/// A render in progress.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RenderInProgress {
    /// The tick in which it began.
    pub(super) tick: Tick,
    timed: Option<TimedRender>,
}

/// The measurement of a render that is timed.
#[derive(Debug, Clone, Copy)]
struct TimedRender {
    started: Instant,
    /// The number of renders that it counts for.
    stands_for: u64,
}

/// The shards that are leased, as a bit set.
static TAKEN: AtomicU32 = AtomicU32::new(1 << SHARED);

thread_local! {
    static LEASE: ShardLease = ShardLease::take();
}

/// The lease of a shard, which ends with the thread.
struct ShardLease(usize);

impl ShardLease {
    fn take() -> Self {
        let taken = TAKEN.fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| {
            let free = taken.trailing_ones();
            (free < u32::BITS).then(|| taken | 1 << free)
        });
        Self(taken.map_or(SHARED, |taken| taken.trailing_ones() as usize))
    }
}

impl Drop for ShardLease {
    fn drop(&mut self) {
        if self.0 != SHARED {
            // Release: the next thread that leases the shard sees the counts of this one.
            TAKEN.fetch_and(!(1 << self.0), Ordering::AcqRel);
        }
    }
}

/// Returns the shard of this thread. A thread that is about to end uses the shared one.
#[inline]
fn shard() -> usize {
    LEASE.try_with(|lease| lease.0).unwrap_or(SHARED)
}

/// Adds to a count, and returns the value before. Only a shared count has other writers, so only that needs an atomic read-modify-write.
#[inline]
pub(super) fn add(count: &AtomicU64, by: u64, shared: bool) -> u64 {
    if shared {
        return count.fetch_add(by, Ordering::Relaxed);
    }
    let before = count.load(Ordering::Relaxed);
    count.store(before.wrapping_add(by), Ordering::Relaxed);
    before
}

impl RenderRecorder {
    /// Counts a render that begins, and decides whether it is timed.
    #[inline]
    pub(super) fn begin(&self, tick: Tick) -> RenderInProgress {
        let number = shard();
        let (shard, shared) = (&self.shards[number], number == SHARED);
        let stands_for = if shard.tick.load(Ordering::Relaxed) != tick.0 {
            shard.tick.store(tick.0, Ordering::Relaxed);
            1
        } else {
            match add(&shard.others, 1, shared) {
                number if number < TIMED_FIRST => 1,
                number if number.is_multiple_of(SAMPLE) => SAMPLE,
                _ => 0,
            }
        };
        let timed = (stands_for > 0).then(|| TimedRender {
            started: Instant::now(),
            stands_for,
        });
        RenderInProgress { tick, timed }
    }

    /// Counts the outcome of a render.
    #[inline]
    pub(super) fn end(&self, begun: RenderInProgress, result: &Result<Rendered, RenderFailure>) {
        let number = shard();
        let (shard, shared) = (&self.shards[number], number == SHARED);
        add(&shard.outcomes[RenderOutcome::of(result) as usize], 1, shared);
        if let Some(TimedRender { started, stands_for }) = begun.timed {
            shard.seconds.record(started.elapsed(), stands_for, shared);
        }
    }

    /// Counts a render that failed and was answered from an older version.
    pub(super) fn rescued(&self) {
        self.rescued.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the renders by outcome, their durations, and the number of rescued ones.
    pub(super) fn read(&self) -> (BTreeMap<RenderOutcome, u64>, Histogram, u64) {
        let count = |outcome: RenderOutcome| {
            let counted = |shard: &Shard| shard.outcomes[outcome as usize].load(Ordering::Relaxed);
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

    fn rendered() -> Result<Rendered, RenderFailure> {
        Ok(Rendered {
            body: String::new(),
            version: Version::NONE,
            freshness: Freshness::Current,
        })
    }

    /// Counts one render in a tick, and returns the number of renders that it stands for.
    fn count(renders: &RenderRecorder, tick: u64, result: &Result<Rendered, RenderFailure>) -> u64 {
        let begun = renders.begin(Tick(tick));
        renders.end(begun, result);
        begun.stands_for()
    }

    #[test]
    fn all_renders_are_counted_and_some_are_timed() {
        let renders = RenderRecorder::default();
        for _ in 0..TIMED_FIRST + 100 * SAMPLE {
            count(&renders, 1, &rendered());
        }
        let busy = Unavailable::Busy {
            mailbox: "renders",
            limit: None,
        };
        count(&renders, 1, &Err(busy.into()));
        count(&renders, 1, &Err(Unavailable::stopped().into()));
        let (outcomes, seconds, _) = renders.read();
        assert_eq!(outcomes[&RenderOutcome::Current], TIMED_FIRST + 100 * SAMPLE);
        assert_eq!((outcomes[&RenderOutcome::Busy], outcomes[&RenderOutcome::Down]), (1, 1));
        assert!((TIMED_FIRST + 100 * SAMPLE + 2).abs_diff(seconds.count()) <= SAMPLE);
    }

    #[test]
    fn few_renders_are_all_timed() {
        let renders = RenderRecorder::default();
        assert!((0..TIMED_FIRST).all(|_| count(&renders, 1, &rendered()) == 1));
        assert!((2..1_000).all(|tick| count(&renders, tick, &rendered()) == 1));
    }

    /// Checks that a slow render that is always the second in its tick has its full weight.
    #[test]
    fn the_order_in_a_tick_does_not_matter() {
        let renders = RenderRecorder::default();
        let mut weights = [0; 2];
        for tick in 1..=100 * SAMPLE {
            for weight in &mut weights {
                *weight += count(&renders, tick, &rendered());
            }
        }
        assert_eq!(weights[0], 100 * SAMPLE);
        assert!(weights[1].abs_diff(100 * SAMPLE) <= SAMPLE + TIMED_FIRST, "{weights:?}");
    }

    #[test]
    fn threads_beyond_the_shards_are_counted() {
        let renders = RenderRecorder::default();
        for _ in 0..3 {
            let barrier = std::sync::Barrier::new(2 * SHARDS);
            // More at once than there are shards, so that some share.
            std::thread::scope(|scope| {
                for _ in 0..2 * SHARDS {
                    scope.spawn(|| {
                        shard();
                        barrier.wait();
                        for _ in 0..1_000 {
                            count(&renders, 1, &rendered());
                        }
                    });
                }
            });
        }
        let (outcomes, seconds, _) = renders.read();
        let all = 3 * 2 * SHARDS as u64 * 1_000;
        assert_eq!(outcomes[&RenderOutcome::Current], all);
        assert!(
            all.abs_diff(seconds.count()) <= SHARDS as u64 * SAMPLE,
            "{}",
            seconds.count()
        );
    }

    #[test]
    fn outcomes_are_their_index() {
        for (number, outcome) in RenderOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, number);
            let written = serde_json::to_value(outcome).expect("serializes");
            assert_eq!(written, outcome.as_str());
        }
    }
}
