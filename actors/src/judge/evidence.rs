//! [`Evidence`]: what the judge knows of a stage, and the [`Requirements`] that it has to meet before the stage gets more visitors.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The figures that the judge has of a stage, since its canary began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Evidence {
    /// The number of renders.
    pub renders: u64,
    /// The number of those that failed.
    pub failed: u64,
    /// The p99 of their time in microseconds, if there are enough of them.
    pub p99_us: Option<u64>,
    /// The p99 of the time of stable in microseconds, if there are enough renders.
    pub stable_p99_us: Option<u64>,
    /// True if the judge has stopped the stage.
    pub is_stopped: bool,
}

/// The requirements for widening and promoting a canary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Requirements {
    /// The number of renders without which a canary is not known well enough.
    pub renders: u64,
    /// The share of renders that have to be good, in parts per million; by default 99 %.
    pub good_ppm: u32,
    /// The largest p99, in per cent of the p99 of stable; by default 125. 0 does not compare them.
    pub p99_percent: u32,
}

impl Default for Requirements {
    fn default() -> Self {
        Self {
            renders: 1_000,
            good_ppm: 990_000,
            p99_percent: 125,
        }
    }
}

/// The reason why a canary does not get more visitors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// The judge has stopped it.
    Stopped,
    /// It was rendered too few times.
    TooFew {
        /// The number of renders.
        renders: u64,
        /// The number that is required.
        required: u64,
    },
    /// Too many renders failed.
    Failures {
        /// The number of renders that failed.
        failed: u64,
        /// The number of all renders.
        renders: u64,
    },
    /// It is slower than stable.
    Slow {
        /// Its p99 in microseconds.
        p99_us: u64,
        /// The largest p99 that is permitted.
        most_us: u64,
    },
    /// There are too few renders of stable to compare the time with.
    NotCompared,
    /// The time of the current step is not over.
    Baking {
        /// The remaining time in milliseconds.
        left_ms: u64,
    },
    /// A forced step has no reason.
    NoReason,
    /// The command does not fit the state: nothing runs, or it has ended.
    NotNow {
        /// The state, in words.
        state: &'static str,
    },
}

impl Requirements {
    /// Checks the evidence of a canary.
    ///
    /// # Errors
    /// The first requirement that is not met.
    ///
    /// ```
    /// use hotplate_actors::judge::{Evidence, Refusal, Requirements};
    ///
    /// let evidence = Evidence { renders: 999, ..Evidence::default() };
    /// let refused = Requirements::default().check(&evidence);
    /// assert_eq!(refused, Err(Refusal::TooFew { renders: 999, required: 1_000 }));
    /// ```
    pub fn check(&self, evidence: &Evidence) -> Result<(), Refusal> {
        let Evidence { renders, failed, .. } = *evidence;
        if evidence.is_stopped {
            return Err(Refusal::Stopped);
        }
        if renders < self.renders {
            let required = self.renders;
            return Err(Refusal::TooFew { renders, required });
        }
        let good = u128::from(renders.saturating_sub(failed));
        if good * 1_000_000 < u128::from(renders) * u128::from(self.good_ppm) {
            return Err(Refusal::Failures { failed, renders });
        }
        if self.p99_percent == 0 {
            return Ok(());
        }
        let (Some(p99_us), Some(stable_us)) = (evidence.p99_us, evidence.stable_p99_us) else {
            return Err(Refusal::NotCompared);
        };
        let most_us = stable_us.saturating_mul(self.p99_percent.into()) / 100;
        match p99_us <= most_us {
            true => Ok(()),
            false => Err(Refusal::Slow { p99_us, most_us }),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("the canary is stopped: resume it once the fault is fixed, or force it with a reason"),
            Self::TooFew { renders, required } => write!(
                f,
                "the canary was rendered {renders} times, and {required} are required: wait, or force it with a reason"
            ),
            Self::Failures { failed, renders } => write!(
                f,
                "{failed} of {renders} renders of the canary failed: fix it, or force it with a reason"
            ),
            Self::Slow { p99_us, most_us } => write!(
                f,
                "the p99 of the canary is {p99_us} µs, and at most {most_us} µs are permitted: fix it, or force it with a reason"
            ),
            Self::NotCompared => f.write_str(
                "there are too few renders of stable and canary to compare their times: wait, or force it with a reason",
            ),
            Self::Baking { left_ms } => write!(f, "the current step lasts {left_ms} ms more: wait, or force it with a reason"),
            Self::NoReason => f.write_str("a forced step needs a reason"),
            Self::NotNow { state } => write!(f, "the canary {state}"),
        }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_requirement_has_its_bound() {
        let good = Evidence {
            renders: 1_000,
            failed: 10,
            p99_us: Some(1_250),
            stable_p99_us: Some(1_000),
            is_stopped: false,
        };
        for (evidence, expected) in [
            (good, Ok(())),
            (
                Evidence {
                    is_stopped: true,
                    ..good
                },
                Err(Refusal::Stopped),
            ),
            (
                Evidence {
                    renders: 999,
                    failed: 0,
                    ..good
                },
                Err(Refusal::TooFew {
                    renders: 999,
                    required: 1_000,
                }),
            ),
            (
                Evidence { failed: 11, ..good },
                Err(Refusal::Failures {
                    failed: 11,
                    renders: 1_000,
                }),
            ),
            (
                Evidence {
                    p99_us: Some(1_251),
                    ..good
                },
                Err(Refusal::Slow {
                    p99_us: 1_251,
                    most_us: 1_250,
                }),
            ),
            (
                Evidence {
                    stable_p99_us: None,
                    ..good
                },
                Err(Refusal::NotCompared),
            ),
            (
                Evidence {
                    renders: u64::MAX,
                    failed: 0,
                    ..good
                },
                Ok(()),
            ),
            (
                Evidence {
                    renders: u64::MAX,
                    failed: u64::MAX,
                    ..good
                },
                Err(Refusal::Failures {
                    failed: u64::MAX,
                    renders: u64::MAX,
                }),
            ),
        ] {
            assert_eq!(Requirements::default().check(&evidence), expected, "{evidence:?}");
        }
    }
}
