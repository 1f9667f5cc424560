//! [`ReloadRecorder`]: reloads by result.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Instant;

use serde::Serialize;

use super::clock::Clock;
use crate::protocol::messages::{BatchOutcome, SyncOutcome};

/// The result of a reload: of a batch of changes, or of a `Reload` request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
#[non_exhaustive]
pub enum ReloadResult {
    /// The sources are served, or wait because an earlier version is held.
    Success = 1,
    /// The sources could not be read, or the outcome is unknown. The engine tries again.
    Failure = 2,
    /// Some texts have faults. The templates that they affect are still served from their last good version.
    Rejected = 3,
}

impl ReloadResult {
    /// Returns true if everything is served.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Success
    }

    fn of(outcome: &SyncOutcome) -> Self {
        match outcome {
            SyncOutcome::Unchanged => Self::Success,
            SyncOutcome::Decided(outcome) => match outcome {
                BatchOutcome::Published(report) if !report.stale.is_empty() || !report.broken.is_empty() => {
                    Self::Rejected
                }
                BatchOutcome::Published(_) | BatchOutcome::Unchanged(_) => Self::Success,
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

/// The number of reloads by result. A sync that finds no change counts only if it was requested.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReloadCounters {
    /// All reloads.
    pub attempts: u64,
    /// Reloads of which everything is served.
    pub successes: u64,
    /// Reloads whose sources were not readable or whose outcome is unknown.
    pub failures: u64,
    /// Reloads that were rejected as a whole or in part.
    pub rejections: u64,
    /// The result of the last reload.
    pub last: Option<ReloadResult>,
    /// The time of the last success in milliseconds since 1970.
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

    /// Counts a sync of a Watcher. `requested` is true if a caller waits for its answer.
    pub(crate) fn synced(&self, outcome: &SyncOutcome, requested: bool) {
        if matches!(outcome, SyncOutcome::Unchanged) && !requested {
            return;
        }
        let result = ReloadResult::of(outcome);
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
