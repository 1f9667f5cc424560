//! Renders by outcome and how long they took, counted apart by threads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use serde::Serialize;

use super::clock::Tick;
use super::histogram::{Buckets, Histogram};
use crate::budget::Exceeded;
use crate::protocol::render::{Freshness, RenderFailure, Rendered};

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
    /// There was no answer in time: the deadline of the caller passed, or that of the engine.
    Timeout,
    /// The caller gave up, such as a visitor who left: nobody saw what became of it.
    Cancelled,
    /// Turned away: too many were under way.
    Busy,
    /// Turned away: the engine had ended.
    Down,
    /// A Renderer failed or hung with it in hand.
    Lost,
}

impl RenderOutcome {
    /// All of them.
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
            Self::Cancelled => "cancelled",
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

    pub(crate) fn of_failure(failure: &RenderFailure) -> Self {
        match failure {
            RenderFailure::NotFound { .. } => Self::NotFound,
            RenderFailure::Broken { .. } => Self::Broken,
            RenderFailure::Failed(_) => Self::Failed,
            RenderFailure::Context(_) => Self::Context,
            RenderFailure::Timeout(Exceeded::Cancelled) => Self::Cancelled,
            RenderFailure::Timeout(_) => Self::Timeout,
            RenderFailure::Busy => Self::Busy,
            RenderFailure::Down => Self::Down,
            RenderFailure::Lost(_) => Self::Lost,
        }
    }
}

impl RenderInProgress {
    /// Returns the number of renders that this one stands for, since not each is timed; 0 where it was not.
    #[inline]
    pub(super) fn stands_for(self) -> u64 {
        self.timed.map_or(0, |timed| timed.stands_for)
    }
}

/// Places in which threads count: each thread has one to itself, and those beyond share the first. Few enough to add up at each
/// reading.
const SHARDS: usize = 32;
/// The one that is shared.
const SHARED: usize = 0;
/// The first render of a shard in each tick is timed, which with few renders a second are all of them. Of the others so many are,
/// so that few are counted exactly.
const TIMED_FIRST: u64 = 64;
/// Afterwards one of so many others stands for all of them. A prime, so as not to keep step with templates that take turns.
const SAMPLE: u64 = 31;

/// Counts renders.
#[derive(Debug, Default)]
pub(super) struct RenderRecorder {
    shards: [Shard; SHARDS],
    rescued: AtomicU64,
}

/// What some threads counted. On cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    /// The tick of the last render that was the first in its tick.
    tick: AtomicU64,
    /// Renders begun that were not.
    others: AtomicU64,
    outcomes: [AtomicU64; RenderOutcome::ALL.len()],
    seconds: Buckets,
}

/// A render under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RenderInProgress {
    /// In which tick.
    pub(super) tick: Tick,
    timed: Option<TimedRender>,
}

/// A render whose time is taken: reading the clock twice costs a tenth of a small one.
#[derive(Debug, Clone, Copy)]
struct TimedRender {
    started: Instant,
    /// How many renders it counts for.
    stands_for: u64,
}

/// Which shards threads have to themselves.
static TAKEN: AtomicU32 = AtomicU32::new(1 << SHARED);

thread_local! {
    static PLACE: ShardLease = ShardLease::take();
}

/// The shard of a thread, given back with the thread.
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
            // What this thread counted is seen by the next that counts here.
            TAKEN.fetch_and(!(1 << self.0), Ordering::AcqRel);
        }
    }
}

/// In which shard this thread counts. A thread that is about to end shares.
#[inline]
fn shard() -> usize {
    PLACE.try_with(|place| place.0).unwrap_or(SHARED)
}

/// Adds to a count, and answers what it was. Nobody else writes to it unless it is shared, and then only it has to pay for a
/// step that cannot be divided.
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
    /// Counts one that begins now.
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

    /// Counts what one was answered with.
    #[inline]
    pub(super) fn end(&self, begun: RenderInProgress, result: &Result<Rendered, RenderFailure>) {
        let number = shard();
        let (shard, shared) = (&self.shards[number], number == SHARED);
        add(&shard.outcomes[RenderOutcome::of(result) as usize], 1, shared);
        if let Some(TimedRender { started, stands_for }) = begun.timed {
            shard.seconds.record(started.elapsed(), stands_for, shared);
        }
    }

    /// Counts one that was answered from an older version although its text compiles.
    pub(super) fn rescued(&self) {
        self.rescued.fetch_add(1, Ordering::Relaxed);
    }

    /// By outcome; how long; how many were rescued.
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

    /// One in a tick, and how many it stands for.
    fn count(renders: &RenderRecorder, tick: u64, result: &Result<Rendered, RenderFailure>) -> u64 {
        let begun = renders.begin(Tick(tick));
        renders.end(begun, result);
        begun.stands_for()
    }

    #[test]
    fn every_render_is_counted_and_a_timed_one_stands_for_those_that_are_not() {
        let renders = RenderRecorder::default();
        for _ in 0..TIMED_FIRST + 100 * SAMPLE {
            count(&renders, 1, &rendered());
        }
        count(&renders, 1, &Err(RenderFailure::Busy));
        count(&renders, 1, &Err(RenderFailure::Down));
        let (outcomes, seconds, _) = renders.read();
        assert_eq!(outcomes[&RenderOutcome::Current], TIMED_FIRST + 100 * SAMPLE);
        assert_eq!((outcomes[&RenderOutcome::Busy], outcomes[&RenderOutcome::Down]), (1, 1));
        assert!((TIMED_FIRST + 100 * SAMPLE + 2).abs_diff(seconds.count()) <= SAMPLE);
    }

    #[test]
    fn few_renders_are_all_timed_at_first_and_later() {
        let renders = RenderRecorder::default();
        assert!((0..TIMED_FIRST).all(|_| count(&renders, 1, &rendered()) == 1));
        assert!((2..1_000).all(|tick| count(&renders, tick, &rendered()) == 1));
    }

    /// A slow render that is always the second in its tick weighs as much as it takes its turn.
    #[test]
    fn who_comes_first_in_a_tick_does_not_take_the_weight_of_who_comes_next() {
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
    fn threads_without_end_are_all_counted() {
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
    fn outcomes_stand_where_they_are_counted() {
        for (number, outcome) in RenderOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, number);
            let written = serde_json::to_value(outcome).expect("serializes");
            assert_eq!(written, outcome.as_str());
        }
    }
}
