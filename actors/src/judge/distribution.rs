//! [`Distribution`]: the distribution of positive numbers, such as durations and sizes, with an error of 6 %.
//!
//! The buckets of [`Histogram`](crate::counters::Histogram) grow by a factor of two and more, which cannot tell a p99 from 1.25 times as much.
//! These are log-linear (as in HdrHistogram): 16 for each power of two. So a distribution takes a few kilobytes and never grows.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// The binary digits that distinguish numbers of one power of two.
const DIGITS: u32 = 4;
/// The number of buckets of one power of two.
const PER_POWER: usize = 1 << DIGITS;
/// The largest power of two that has its own buckets: 2^40 nanoseconds are 18 minutes, 2^40 bytes a terabyte.
const POWER_MAX: u32 = 40;
const BUCKETS: usize = (POWER_MAX - DIGITS + 2) as usize * PER_POWER;

/// The bucket counts of one period.
#[derive(Debug)]
struct Period([AtomicU32; BUCKETS]);

/// A distribution of the last period and the one before. A count stops at its largest value.
#[derive(Debug)]
pub(super) struct Distribution {
    periods: [Period; 2],
    current: AtomicUsize,
}

impl Default for Distribution {
    fn default() -> Self {
        let period = || Period(std::array::from_fn(|_| AtomicU32::new(0)));
        Self {
            periods: [period(), period()],
            current: AtomicUsize::new(0),
        }
    }
}

impl Distribution {
    /// Adds a number that counts `weight` times.
    #[inline]
    pub(super) fn add(&self, number: u64, weight: u32) {
        let count = &self.periods[self.current.load(Ordering::Relaxed) & 1].0[bucket(number)];
        let before = count.fetch_add(weight, Ordering::Relaxed);
        if before.checked_add(weight).is_none() {
            count.store(u32::MAX, Ordering::Relaxed);
        }
    }

    /// Begins the next period: the one before the last is forgotten.
    pub(super) fn next_period(&self) {
        let next = self.current.load(Ordering::Relaxed) & 1 ^ 1;
        self.periods[next].clear();
        self.current.store(next, Ordering::Relaxed);
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.periods.iter().for_each(Period::clear);
    }

    /// Returns how many numbers were added.
    pub(super) fn count(&self) -> u64 {
        let counts = self.periods.iter().flat_map(|period| &period.0);
        counts.map(|count| u64::from(count.load(Ordering::Relaxed))).sum()
    }

    /// Returns a number that `per_mille` of the numbers do not exceed, rounded up to the end of its bucket. Returns `None` if there are
    /// fewer than `least` numbers.
    pub(super) fn quantile(&self, per_mille: u64, least: u64) -> Option<u64> {
        let count = self.count();
        if count < least.max(1) {
            return None;
        }
        let wanted = (count.saturating_mul(per_mille)).div_ceil(1000).max(1);
        let mut below = 0;
        (0..BUCKETS)
            .find(|bucket| {
                let inside = |period: &Period| u64::from(period.0[*bucket].load(Ordering::Relaxed));
                below += self.periods.iter().map(inside).sum::<u64>();
                below >= wanted
            })
            .map(upper)
    }
}

impl Period {
    fn clear(&self) {
        self.0.iter().for_each(|count| count.store(0, Ordering::Relaxed));
    }
}

/// Returns the bucket of a number.
fn bucket(number: u64) -> usize {
    let number = number.min((1 << (POWER_MAX + 1)) - 1);
    let power = number.max(1).ilog2();
    match power < DIGITS {
        // The smallest numbers have a bucket each.
        true => index(number),
        false => {
            let shift = power - DIGITS;
            index(number >> shift) + shift as usize * PER_POWER
        }
    }
}

/// Returns the largest number of a bucket.
fn upper(bucket: usize) -> u64 {
    match bucket < 2 * PER_POWER {
        true => bucket as u64,
        false => {
            let shift = bucket / PER_POWER - 1;
            let first = (bucket % PER_POWER + PER_POWER) as u64;
            ((first + 1) << shift) - 1
        }
    }
}

/// Converts a number that is less than twice [`PER_POWER`].
#[expect(clippy::cast_possible_truncation, reason = "the number is less than 32")]
fn index(number: u64) -> usize {
    number as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_order_and_six_per_cent_wide() {
        for number in (0..5_000).chain((13..=40).flat_map(|power| [(1 << power) - 1, 1 << power, (1 << power) + 1])) {
            let bucket = bucket(number);
            assert!(upper(bucket) >= number, "{number}");
            assert!(upper(bucket) <= number + number / 16, "{number}: {}", upper(bucket));
            assert!(bucket == 0 || upper(bucket - 1) < number, "{number}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_need_enough_numbers() {
        let distribution = Distribution::default();
        assert_eq!(distribution.quantile(500, 0), None);
        (1..=10).for_each(|number| distribution.add(number, 1));
        assert_eq!(distribution.quantile(500, 11), None);
        assert_eq!(
            [0, 500, 990, 1000].map(|share| distribution.quantile(share, 10)),
            [1, 5, 10, 10].map(Some)
        );
        distribution.add(3, 1_000);
        assert_eq!(distribution.quantile(990, 1), Some(3));
    }

    #[test]
    fn a_period_is_forgotten_after_the_next() {
        let distribution = Distribution::default();
        distribution.add(7, 1);
        distribution.next_period();
        distribution.add(9, 1);
        assert_eq!((distribution.count(), distribution.quantile(0, 1)), (2, Some(7)));
        distribution.next_period();
        assert_eq!((distribution.count(), distribution.quantile(0, 1)), (1, Some(9)));
        distribution.clear();
        assert_eq!(distribution.count(), 0);
    }

    #[test]
    fn a_count_stops_at_its_largest_value() {
        let distribution = Distribution::default();
        distribution.add(1, u32::MAX);
        distribution.add(1, 5);
        assert_eq!(distribution.count(), u64::from(u32::MAX));
    }
}
