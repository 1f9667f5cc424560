//! [`Cusum`]: a test that notices that a share of bad events has grown, after as few events as possible.
//!
//! It is the cumulative sum of Page (*Continuous inspection schemes*, Biometrika 41, 1954) for events that are good or bad. Each event adds
//! the logarithm of how much more likely it is at the bad share `p1` than at the good share `p0`, and the sum never falls below zero:
//!
//! ```text
//! S ← max(0, S + ln(p1 / p0))                bad event
//! S ← max(0, S + ln((1 - p1) / (1 - p0)))    good event
//! ```
//!
//! The alarm is raised once `S ≥ h`. A larger `h` gives fewer false alarms and later ones. By Lorden (*Procedures for reacting to a change in
//! distribution*, 1971) no other test with as few false alarms is quicker in the worst case.

use std::sync::atomic::{AtomicU64, Ordering};

/// The binary digits behind the point of a sum.
const POINT: u32 = 32;
/// The largest sum. It is far above each threshold, and additions to it do not overflow.
const SUM_MAX: u64 = u64::MAX / 4;

/// The weights and the threshold of a cumulative sum, in fixed-point numbers, so that a sum is one atomic integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cusum {
    bad: u64,
    good: u64,
    threshold: u64,
}

impl Cusum {
    /// Creates a test that tells the share `p0` of bad events from the share `p1`, with a threshold.
    ///
    /// Returns `None` unless `0 < p0 < p1 < 1` and the threshold is positive and at most 1000.
    #[must_use]
    pub fn new(p0: f64, p1: f64, threshold: f64) -> Option<Self> {
        let is_ordered = 0.0 < p0 && p0 < p1 && p1 < 1.0;
        (is_ordered && threshold > 0.0 && threshold <= 1000.0).then(|| Self {
            bad: fixed((p1 / p0).ln()),
            good: fixed(-((1.0 - p1) / (1.0 - p0)).ln()),
            threshold: fixed(threshold),
        })
    }

    /// Returns the sum after one more event.
    #[must_use]
    pub fn after(&self, sum: u64, is_bad: bool) -> u64 {
        match is_bad {
            true => sum.saturating_add(self.bad).min(SUM_MAX),
            false => sum.saturating_sub(self.good),
        }
    }

    /// Returns the sum after a number of good events in a row.
    #[must_use]
    pub fn after_good(&self, sum: u64, events: u64) -> u64 {
        sum.saturating_sub(self.good.saturating_mul(events))
    }

    /// Returns true if a sum raises the alarm.
    #[must_use]
    pub fn is_alarm(&self, sum: u64) -> bool {
        sum >= self.threshold
    }
}

/// Converts to a fixed-point number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the number is positive and at most 1000"
)]
fn fixed(number: f64) -> u64 {
    (number * f64::from(2.0_f32.powi(POINT.cast_signed()))).round() as u64
}

/// The sum of a [`Cusum`], to which any number of threads add without a lock. Every order in which their events arrive is a valid one.
#[derive(Debug, Default)]
pub(super) struct SharedSum(AtomicU64);

impl SharedSum {
    /// Adds an event. Returns true if the sum raises the alarm.
    #[inline]
    pub(super) fn add(&self, test: &Cusum, is_bad: bool) -> bool {
        let mut sum = self.0.load(Ordering::Relaxed);
        loop {
            let after = test.after(sum, is_bad);
            // The sum of a healthy stage is zero, so its renders write nothing here.
            if after == sum {
                return test.is_alarm(after);
            }
            match self
                .0
                .compare_exchange_weak(sum, after, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return test.is_alarm(after),
                Err(other) => sum = other,
            }
        }
    }

    pub(super) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_out_of_order_are_refused() {
        for (p0, p1, h) in [
            (0.0, 0.02, 11.5),
            (0.02, 0.001, 11.5),
            (0.001, 1.0, 11.5),
            (0.01, 0.01, 11.5),
            (0.001, 0.02, 0.0),
            (0.001, 0.02, 1e9),
            (f64::NAN, 0.02, 11.5),
        ] {
            assert_eq!(Cusum::new(p0, p1, h), None, "{p0} {p1} {h}");
        }
    }

    #[test]
    fn sums_follow_the_formula() {
        let test = Cusum::new(0.001, 0.02, 11.5).expect("valid");
        let sum = test.after(0, true);
        let exact = (0.02_f64 / 0.001).ln();
        #[expect(clippy::cast_precision_loss, reason = "compared with a tolerance")]
        let found = sum as f64 / f64::from(2.0_f32.powi(32));
        assert!((found - exact).abs() < 1e-6, "{found}");
        assert_eq!(test.after(0, false), 0);
        assert_eq!(
            test.after_good(sum, 3),
            test.after(test.after(test.after(sum, false), false), false)
        );
        assert_eq!(test.after_good(sum, u64::MAX), 0);
        let three = (0..3).fold(0, |sum, _| test.after(sum, true));
        assert!(!test.is_alarm(three) && test.is_alarm(test.after(three, true)));
    }

    #[test]
    fn threads_lose_no_event() {
        let test = Cusum::new(0.001, 0.02, 1000.0).expect("valid");
        let sum = SharedSum::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..80).for_each(|_| assert!(!sum.add(&test, true))));
            }
        });
        let expected = (0..320).fold(0, |sum, _| test.after(sum, true));
        assert_eq!(sum.0.load(Ordering::Relaxed), expected);
    }
}
