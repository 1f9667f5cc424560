//! [`Throttle`]: a rate limit for log lines.

use std::time::{Duration, Instant};

/// The period of the limit `logged_faults`.
pub(super) const PERIOD: Duration = Duration::from_secs(10);

/// A rate limit: it admits at most `most` lines in each period, and counts the others.
#[derive(Debug)]
pub(super) struct Throttle {
    most: usize,
    began: Option<Instant>,
    admitted: usize,
    suppressed: usize,
    /// The number of all calls of [`Throttle::admit`].
    #[cfg(test)]
    pub(super) asked: usize,
}

/// The decision of a [`Throttle`] about one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ThrottleDecision {
    /// The line is written. `suppressed` lines were not since the last one that was.
    Yes { suppressed: usize },
    /// The line is suppressed. `first` is true for the first one in a period.
    No { first: bool },
}

impl Throttle {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            began: None,
            admitted: 0,
            suppressed: 0,
            #[cfg(test)]
            asked: 0,
        }
    }

    /// Decides about one line.
    pub(super) fn admit(&mut self, now: Instant) -> ThrottleDecision {
        #[cfg(test)]
        {
            self.asked += 1;
        }
        let over = self
            .began
            .is_none_or(|began| now.saturating_duration_since(began) >= PERIOD);
        if over {
            (self.began, self.admitted) = (Some(now), 0);
        }
        if self.admitted >= self.most {
            self.suppressed += 1;
            // The count of this period goes on beyond the limit, so that only one is the first.
            let first = self.admitted == self.most;
            self.admitted = self.admitted.saturating_add(1);
            return ThrottleDecision::No { first };
        }
        self.admitted += 1;
        let suppressed = std::mem::take(&mut self.suppressed);
        ThrottleDecision::Yes { suppressed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_limited_and_the_others_counted() {
        let mut throttle = Throttle::new(2);
        let start = Instant::now();
        let yes = |suppressed| ThrottleDecision::Yes { suppressed };
        let no = |first| ThrottleDecision::No { first };
        for (after, expected) in [
            (0, yes(0)),
            (1, yes(0)),
            (2, no(true)),
            (3, no(false)),
            (9_999, no(false)),
            (10_000, yes(3)),
            (10_001, yes(0)),
            (10_002, no(true)),
            (40_000, yes(1)),
        ] {
            assert_eq!(
                throttle.admit(start + Duration::from_millis(after)),
                expected,
                "{after}"
            );
        }
    }
}
