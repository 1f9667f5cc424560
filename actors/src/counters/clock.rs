//! [`Clock`]: when things happen, as people say it.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the start, as of the kernel's last tick: the same for everything that happens before the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tick(pub(super) u64);

/// Time since an engine was started, and when that was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    /// As of the kernel's last tick before: some nanoseconds to ask, where a look at the clock costs some dozens.
    started_coarsely: coarsetime::Instant,
    /// Since 1970.
    pub(super) started_ms: u64,
}

impl Clock {
    pub(super) fn start() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            started: Instant::now(),
            started_coarsely: coarsetime::Instant::now_without_cache_update(),
            started_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Now.
    #[inline]
    pub(super) fn tick(self) -> Tick {
        // Without the update, for that is a place in memory that all threads would write to.
        let now = coarsetime::Instant::now_without_cache_update();
        Tick(now.duration_since(self.started_coarsely).as_millis())
    }

    /// Whole seconds since the start, and one more: 0 is never.
    #[inline]
    pub(super) fn seconds(self, tick: Tick) -> u32 {
        u32::try_from(tick.0 / 1000).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Since 1970.
    pub(super) fn ms_of_seconds(self, seconds: u32) -> Option<u64> {
        let since_start = seconds.checked_sub(1)?;
        Some(self.started_ms.saturating_add(u64::from(since_start) * 1000))
    }

    /// Since 1970.
    pub(super) fn ms(self, now: Instant) -> u64 {
        let since_start = now.saturating_duration_since(self.started).as_millis();
        self.started_ms
            .saturating_add(u64::try_from(since_start).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_begin_with_one_and_ticks_go_on() {
        let clock = Clock::start();
        let began = clock.tick();
        assert_eq!((clock.seconds(Tick(0)), clock.seconds(Tick(2_999))), (1, 3));
        assert_eq!(clock.ms_of_seconds(3), Some(clock.started_ms + 2_000));
        assert_eq!(clock.ms_of_seconds(0), None);
        let until = Instant::now() + std::time::Duration::from_secs(60);
        while clock.tick() == began && Instant::now() < until {
            std::thread::yield_now();
        }
        assert!(clock.tick().0 > began.0);
    }
}
