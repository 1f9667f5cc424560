//! [`Histogram`]: the distribution of durations, in fixed buckets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

use super::renders::add;

/// The upper bounds of the buckets in nanoseconds, from a minimal render to beyond the default of `render_ms`.
const BOUNDS: [u64; 22] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// The number of durations in each bucket, and their sum.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Histogram {
    /// The upper bound of each bucket in seconds, and the number of durations in it and in no lower one. The last has no bound.
    pub buckets: Vec<(Option<f64>, u64)>,
    /// The sum of all durations, in seconds.
    pub sum_seconds: f64,
}

impl Histogram {
    /// Returns the number of durations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }

    /// Returns the durations that were added since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = |bucket: usize| earlier.buckets.get(bucket).map_or(0, |(_, count)| *count);
        let buckets = self.buckets.iter().enumerate();
        Self {
            buckets: buckets
                .map(|(number, (bound, count))| (*bound, count.saturating_sub(before(number))))
                .collect(),
            sum_seconds: (self.sum_seconds - earlier.sum_seconds).max(0.0),
        }
    }

    /// Returns a quantile: the duration in seconds that a share (0 to 1) of all does not exceed, interpolated within its bucket. Returns
    /// `None` if there are no durations.
    ///
    /// ```
    /// use hotplate_actors::counters::Histogram;
    ///
    /// let histogram = Histogram { buckets: vec![(Some(0.1), 90), (Some(0.2), 10), (None, 0)], sum_seconds: 6.0 };
    /// assert!((histogram.quantile(0.95).unwrap() - 0.15).abs() < 1e-9);
    /// ```
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a quantile is an estimate")]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let wanted = share.clamp(0.0, 1.0) * count as f64;
        let (mut below, mut lower) = (0.0, 0.0);
        for (bound, inside) in &self.buckets {
            let inside = *inside as f64;
            let Some(upper) = *bound else { return Some(lower) };
            if below + inside >= wanted && inside > 0.0 {
                return Some(lower + (upper - lower) * (wanted - below) / inside);
            }
            below += inside;
            lower = upper;
        }
        Some(lower)
    }
}

/// A histogram that is being recorded.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    counts: [AtomicU64; BOUNDS.len() + 1],
    sum_ns: AtomicU64,
}

impl Buckets {
    /// Adds a duration that counts `weight` times. `shared` is true if other threads add to the same buckets.
    pub(super) fn record(&self, duration: Duration, weight: u64, shared: bool) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < ns);
        add(&self.counts[bucket], weight, shared);
        add(&self.sum_ns, ns.saturating_mul(weight), shared);
    }

    /// Reads the buckets.
    pub(super) fn read(&self) -> Histogram {
        Self::sum([self])
    }

    /// Adds up several histograms.
    #[expect(clippy::cast_precision_loss, reason = "seconds are shown as a floating-point number")]
    pub(super) fn sum<'b>(all: impl IntoIterator<Item = &'b Self>) -> Histogram {
        let (mut counts, mut sum_ns) = ([0_u64; BOUNDS.len() + 1], 0_u64);
        for buckets in all {
            for (sum, count) in counts.iter_mut().zip(&buckets.counts) {
                *sum += count.load(Ordering::Relaxed);
            }
            sum_ns = sum_ns.saturating_add(buckets.sum_ns.load(Ordering::Relaxed));
        }
        let bounds = BOUNDS.iter().map(|ns| Some(*ns as f64 / 1e9)).chain([None]);
        Histogram {
            buckets: bounds.zip(counts).collect(),
            sum_seconds: sum_ns as f64 / 1e9,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_go_to_their_buckets() {
        let buckets = Buckets::default();
        for ns in [0, 1_000, 1_001, 10_000_000_000, 10_000_000_001] {
            buckets.record(Duration::from_nanos(ns), 1, true);
        }
        let histogram = buckets.read();
        let filled: Vec<_> = histogram.buckets.iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(
            filled,
            [
                &(Some(0.000_001), 2),
                &(Some(0.000_002_5), 1),
                &(Some(10.0), 1),
                &(None, 1)
            ]
        );
    }

    #[test]
    fn quantiles_and_differences() {
        let buckets = Buckets::default();
        assert_eq!(buckets.read().quantile(0.5), None);
        buckets.record(Duration::from_micros(2), 50, true);
        let before = buckets.read();
        buckets.record(Duration::from_millis(80), 99, true);
        buckets.record(Duration::from_secs(60), 1, true);
        let since = buckets.read().since(&before);
        assert_eq!(since.count(), 100);
        let median = since.quantile(0.5).expect("there are some");
        assert!((0.05..=0.1).contains(&median), "{median}");
        // A quantile beyond the last bound is reported as that bound.
        assert_eq!(since.quantile(1.0), Some(10.0));
    }
}
