//! [`Clock`]: cheap time stamps relative to the start of the engine, and their conversion to wall-clock time.

use std::time::Instant;

use crate::wall_clock::now_ms;

/// Milliseconds since the start, as of the last tick of the kernel. All events between two ticks have the same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tick(pub(super) u64);

/// The start of an engine, and the time since then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    /// The start in coarse time (`CLOCK_MONOTONIC_COARSE`), which costs a few nanoseconds to read; the exact clock costs some dozens.
    started_coarsely: coarsetime::Instant,
    /// The start, in milliseconds since 1970.
    pub(super) started_ms: u64,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            started: Instant::now(),
            started_coarsely: coarsetime::Instant::now_without_cache_update(),
            started_ms: now_ms(),
        }
    }

    /// Returns the current tick.
    #[inline]
    pub(super) fn tick(self) -> Tick {
        // The variant with an update writes to a global that all threads would contend for.
        let now = coarsetime::Instant::now_without_cache_update();
        Tick(now.duration_since(self.started_coarsely).as_millis())
    }

    /// Returns the whole seconds since the start plus one; 0 stands for never.
    #[inline]
    pub(super) fn seconds(self, tick: Tick) -> u32 {
        u32::try_from(tick.0 / 1000).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Converts the seconds of [`Clock::seconds`] to milliseconds since 1970.
    pub(super) fn ms_of_seconds(self, seconds: u32) -> Option<u64> {
        let since_start = seconds.checked_sub(1)?;
        Some(self.started_ms.saturating_add(u64::from(since_start) * 1000))
    }

    /// Converts a time to milliseconds since 1970.
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
    fn seconds_and_ticks_advance() {
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
