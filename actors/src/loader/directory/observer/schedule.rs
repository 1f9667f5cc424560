//! [`ScanSchedule`]: the times at which everything is compared with the disk.

use std::time::{Duration, Instant};

/// The share of the time that scans after lost events may take: one part in so many.
const LOSS_SCAN_SHARE: u32 = 4;
/// The longest that such a scan is put off to keep to that share.
const LOSS_SCAN_PAUSE_MAX: Duration = Duration::from_millis(200);

/// The full scans that are planned, and the number of those that were made.
#[derive(Debug, Default)]
pub(super) struct ScanSchedule {
    /// The next periodic scan.
    pub(super) periodic_at: Option<Instant>,
    /// The scan that lost events ask for.
    after_loss_at: Option<Instant>,
    /// The earliest time of a scan after lost events.
    not_before: Option<Instant>,
    /// The number of full scans so far.
    pub(super) count: u64,
}

impl ScanSchedule {
    /// Plans a scan because events were lost, soon but not so often that nothing else gets done.
    pub(super) fn events_lost(&mut self, now: Instant) {
        let at = self.not_before.map_or(now, |not_before| now.max(not_before));
        self.after_loss_at = Some(self.after_loss_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Returns true while a scan because of lost events is outstanding.
    pub(super) fn awaits_loss_scan(&self) -> bool {
        self.after_loss_at.is_some()
    }

    pub(super) fn is_loss_scan_due(&self, now: Instant) -> bool {
        self.after_loss_at.is_some_and(|at| at <= now)
    }

    pub(super) fn is_periodic_due(&self, now: Instant) -> bool {
        self.periodic_at.is_some_and(|at| at <= now)
    }

    /// Returns the time of the next scan.
    pub(super) fn next(&self) -> Option<Instant> {
        [self.periodic_at, self.after_loss_at].into_iter().flatten().min()
    }

    /// Notes that everything was compared, and how long that took.
    pub(super) fn scanned(&mut self, now: Instant, took: Duration) {
        let pause = took.saturating_mul(LOSS_SCAN_SHARE).min(LOSS_SCAN_PAUSE_MAX);
        self.not_before = Some(now + pause);
        self.after_loss_at = None;
        self.periodic_at = None;
    }
}
