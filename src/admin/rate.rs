//! [`TokenBucket`]: limits the rate of requests.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A token bucket: each request takes one token; tokens are added at a constant rate, up to a capacity. So the capacity bounds a burst and
/// the rate bounds the average.
#[derive(Debug)]
pub(super) struct TokenBucket {
    per_second: f64,
    capacity: f64,
    level: Mutex<(f64, Instant)>,
}

impl TokenBucket {
    /// Creates a full bucket.
    pub(super) fn new(per_second: u32, capacity: u32, now: Instant) -> Self {
        let capacity = f64::from(capacity.max(1));
        Self {
            per_second: f64::from(per_second.max(1)),
            capacity,
            level: Mutex::new((capacity, now)),
        }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// The time until the next token, if there is none.
    pub(super) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, then) = *level;
        let added = now.saturating_duration_since(then).as_secs_f64() * self.per_second;
        let tokens = (tokens + added).min(self.capacity);
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
    fn a_burst_is_admitted_and_then_the_rate() {
        let start = Instant::now();
        let bucket = TokenBucket::new(10, 3, start);
        let at = |ms| bucket.take(start + Duration::from_millis(ms)).is_ok();
        assert_eq!([at(0), at(0), at(0), at(0)], [true, true, true, false]);
        assert_eq!([at(50), at(101), at(102)], [false, true, false]);
        // The bucket never has more tokens than its capacity, and a clock that stops or goes back does no harm.
        assert_eq!(
            [at(60_000), at(60_000), at(60_000), at(60_000), at(0)],
            [true, true, true, false, false]
        );
        let wait = bucket.take(start + Duration::from_secs(60)).expect_err("is empty");
        assert!(wait <= Duration::from_millis(101), "{wait:?}");
    }
}
