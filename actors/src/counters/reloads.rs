//! Reloads by what came of them.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Instant;

use serde::Serialize;

use super::clock::Clock;
use crate::protocol::messages::{BatchOutcome, SyncOutcome};

/// What came of a reload: of a batch of changes, or of a `Reload` that somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
#[non_exhaustive]
pub enum ReloadResult {
    /// What is on the disk is served, or waits because an earlier version is held.
    Success = 1,
    /// The sources could not be read, or it is not known what came of it; it is tried again.
    Failure = 2,
    /// Something in it is not good: what it concerns goes on as it was.
    Rejected = 3,
}

impl ReloadResult {
    /// Whether all of it went through.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Success
    }

    fn of(looked: &SyncOutcome) -> Self {
        match looked {
            SyncOutcome::Unchanged => Self::Success,
            SyncOutcome::Decided(outcome) => match outcome {
                BatchOutcome::Published(report) if !report.stale.is_empty() || !report.broken.is_empty() => {
                    Self::Rejected
                }
                BatchOutcome::Published(_) | BatchOutcome::Unchanged(_) | BatchOutcome::Held(_) => Self::Success,
                BatchOutcome::Refused(_) => Self::Rejected,
                BatchOutcome::Conflict | BatchOutcome::Lost(_) => Self::Failure,
            },
            SyncOutcome::LoadFailed(_) | SyncOutcome::Failed(_) => Self::Failure,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        [Self::Success, Self::Failure, Self::Rejected]
            .into_iter()
            .find(|result| *result as u8 == number)
    }
}

/// Reloads by what came of them. A look that finds nothing counts only if somebody asked for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReloadCounters {
    /// All.
    pub attempts: u64,
    /// What went through.
    pub successes: u64,
    /// What was not known, or not readable.
    pub failures: u64,
    /// What was held back, as a whole or in part.
    pub rejections: u64,
    /// What came of the last one.
    pub last: Option<ReloadResult>,
    /// When the last one went through, in milliseconds since 1970.
    pub last_success_ms: Option<u64>,
}

/// Counts reloads.
#[derive(Debug)]
pub(crate) struct ReloadRecorder {
    clock: Clock,
    successes: AtomicU64,
    failures: AtomicU64,
    rejections: AtomicU64,
    last: AtomicU8,
    last_success_ms: AtomicU64,
}

impl ReloadRecorder {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            successes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            rejections: AtomicU64::new(0),
            last: AtomicU8::new(0),
            last_success_ms: AtomicU64::new(0),
        }
    }

    /// Counts a look of a Watcher. `asked` is whether somebody waits for its answer.
    pub(crate) fn looked(&self, looked: &SyncOutcome, asked: bool) {
        if matches!(looked, SyncOutcome::Unchanged) && !asked {
            return;
        }
        let result = ReloadResult::of(looked);
        let count = match result {
            ReloadResult::Success => &self.successes,
            ReloadResult::Failure => &self.failures,
            ReloadResult::Rejected => &self.rejections,
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.last.store(result as u8, Ordering::Relaxed);
        if result.is_success() {
            self.last_success_ms
                .store(self.clock.ms(Instant::now()), Ordering::Relaxed);
        }
    }

    pub(super) fn read(&self) -> ReloadCounters {
        let [successes, failures, rejections] =
            [&self.successes, &self.failures, &self.rejections].map(|count| count.load(Ordering::Relaxed));
        ReloadCounters {
            attempts: successes + failures + rejections,
            successes,
            failures,
            rejections,
            last: ReloadResult::from_number(self.last.load(Ordering::Relaxed)),
            last_success_ms: Some(self.last_success_ms.load(Ordering::Relaxed)).filter(|ms| *ms > 0),
        }
    }
}
