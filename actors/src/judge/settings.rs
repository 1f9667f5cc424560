//! [`JudgeSettings`]: the thresholds of the judge, with their units and defaults.

use serde::{Deserialize, Serialize};

use super::cusum::Cusum;

/// The thresholds by which a canary is judged. Shares are in parts per million, factors in per cent.
///
/// ```
/// use hotplate_actors::judge::JudgeSettings;
///
/// let strict = JudgeSettings { failures_bad_ppm: 10_000, ..JudgeSettings::default() };
/// assert!(strict.check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JudgeSettings {
    /// The share of failed renders that is healthy (`p0`), in parts per million; by default 0.1 %.
    pub failures_good_ppm: u32,
    /// The share of failed renders that is to be noticed quickly (`p1`), in parts per million; by default 2 %.
    pub failures_bad_ppm: u32,
    /// The threshold `h` of the sum for failures, in thousandths; by default 11.5. With the default shares, four failures in a row reach
    /// it.
    pub failures_threshold: u32,
    /// The time beyond which a render is slow, in per cent of the p99 of stable. 0 does not judge the time.
    pub slow_percent: u32,
    /// The time below which no render is slow, in microseconds, because the p99 of quick pages is noise.
    pub slow_floor_us: u32,
    /// The size beyond which a page is too large, in per cent of the p99 of stable; it is too small where its size times this factor is
    /// below the smallest 1 % of stable. 0 does not judge sizes.
    pub size_percent: u32,
    /// The size in bytes below which no page is too large.
    pub size_floor_bytes: u32,
    /// The share of slow renders, and of those with an unusual size, that is healthy, in parts per million; by default 1 %.
    pub unusual_good_ppm: u32,
    /// The share of these renders that is to be noticed quickly, in parts per million; by default 10 %.
    pub unusual_bad_ppm: u32,
    /// The threshold of their sums, in thousandths; by default 14, which seven in a row reach.
    pub unusual_threshold: u32,
    /// The number of stable renders without which times and sizes are not judged.
    pub stable_renders_min: u32,
    /// The period of the distributions in milliseconds: the last period and the one before count.
    pub period_ms: u64,
}

impl Default for JudgeSettings {
    fn default() -> Self {
        Self {
            failures_good_ppm: 1_000,
            failures_bad_ppm: 20_000,
            failures_threshold: 11_500,
            slow_percent: 200,
            slow_floor_us: 1_000,
            size_percent: 400,
            size_floor_bytes: 16 * 1024,
            unusual_good_ppm: 10_000,
            unusual_bad_ppm: 100_000,
            unusual_threshold: 14_000,
            stable_renders_min: 200,
            period_ms: 300_000,
        }
    }
}

/// The error for thresholds that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{good}` and `{bad}` have to be between 0 and 1000000, the first below the second, and `{threshold}` from 1 to 1000000"
)]
#[non_exhaustive]
pub struct JudgeError {
    /// The field of the healthy share.
    pub good: &'static str,
    /// The field of the share that is to be noticed.
    pub bad: &'static str,
    /// The field of the threshold.
    pub threshold: &'static str,
}

impl JudgeSettings {
    /// Checks that the thresholds fit together.
    ///
    /// # Errors
    /// [`JudgeError`] names the fields that do not.
    pub fn check(&self) -> Result<(), JudgeError> {
        self.failures()?;
        self.unusual()?;
        Ok(())
    }

    /// Returns the test for failures.
    pub(super) fn failures(&self) -> Result<Cusum, JudgeError> {
        let test = test(self.failures_good_ppm, self.failures_bad_ppm, self.failures_threshold);
        test.ok_or(JudgeError {
            good: "failures_good_ppm",
            bad: "failures_bad_ppm",
            threshold: "failures_threshold",
        })
    }

    /// Returns the test for slow renders and for unusual sizes.
    pub(super) fn unusual(&self) -> Result<Cusum, JudgeError> {
        let test = test(self.unusual_good_ppm, self.unusual_bad_ppm, self.unusual_threshold);
        test.ok_or(JudgeError {
            good: "unusual_good_ppm",
            bad: "unusual_bad_ppm",
            threshold: "unusual_threshold",
        })
    }
}

fn test(good_ppm: u32, bad_ppm: u32, thousandths: u32) -> Option<Cusum> {
    let share = |ppm| f64::from(ppm) / 1e6;
    Cusum::new(share(good_ppm), share(bad_ppm), f64::from(thousandths) / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictions_name_their_fields() {
        assert_eq!(JudgeSettings::default().check(), Ok(()));
        let swapped = JudgeSettings {
            failures_good_ppm: 30_000,
            ..JudgeSettings::default()
        };
        let error = swapped.check().expect_err("swapped").to_string();
        assert!(error.contains("`failures_good_ppm` and `failures_bad_ppm`"), "{error}");
        let never = JudgeSettings {
            unusual_threshold: 0,
            ..JudgeSettings::default()
        };
        assert_eq!(never.check().expect_err("0").threshold, "unusual_threshold");
    }
}
