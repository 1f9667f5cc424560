//! [`Bucket`]: how many requests there may be in a time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A bucket of tokens: each request takes one, and so many flow in each second, up to what it holds.
#[derive(Debug)]
pub(super) struct TokenBucket {
    per_second: f64,
    holds: f64,
    level: Mutex<(f64, Instant)>,
}

impl TokenBucket {
    /// A full one.
    pub(super) fn new(per_second: u32, holds: u32, now: Instant) -> Self {
        let holds = f64::from(holds.max(1));
        Self {
            per_second: f64::from(per_second.max(1)),
            holds,
            level: Mutex::new((holds, now)),
        }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// How long until there is one.
    pub(super) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, then) = *level;
        let flowed = now.saturating_duration_since(then).as_secs_f64() * self.per_second;
        let tokens = (tokens + flowed).min(self.holds);
        if tokens < 1.0 {
            *level = (tokens, now.max(then));
            return Err(Duration::from_secs_f64((1.0 - tokens) / self.per_second));
        }
        *level = (tokens - 1.0, now.max(then));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let start = Instant::now();
        let bucket = TokenBucket::new(10, 3, start);
        let at = |ms| bucket.take(start + Duration::from_millis(ms)).is_ok();
        assert_eq!([at(0), at(0), at(0), at(0)], [true, true, true, false]);
        assert_eq!([at(50), at(101), at(102)], [false, true, false]);
        // It never holds more than it holds, and a clock that stands still harms nobody.
        assert_eq!(
            [at(60_000), at(60_000), at(60_000), at(60_000), at(0)],
            [true, true, true, false, false]
        );
        let wait = bucket.take(start + Duration::from_secs(60)).expect_err("is empty");
        assert!(wait <= Duration::from_millis(101), "{wait:?}");
    }
}
