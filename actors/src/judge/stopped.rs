//! [`Stopped`]: the stop of a stage, with its reason.

use std::fmt;

use serde::Serialize;

use crate::template::Stage;

/// The stop of a stage: the content of its event and of its audit record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stopped {
    /// The stage.
    #[serde(serialize_with = "as_str")]
    pub stage: Stage,
    /// The reason.
    pub reason: StopReason,
    /// The time, in milliseconds since 1970.
    pub at_ms: u64,
    /// The number of renders since the canary began.
    pub renders: u64,
    /// The number of those that failed.
    pub failed: u64,
}

fn as_str<S: serde::Serializer>(stage: &Stage, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(stage.as_str())
}

/// The reason why a stage was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// Too many renders failed.
    Failures,
    /// Too many renders took longer than this limit, in microseconds.
    Slow {
        /// The limit, a multiple of the p99 of stable.
        limit_us: u64,
    },
    /// Too many pages had a size outside of these bounds, in bytes.
    Size {
        /// The smallest usual size.
        least: u64,
        /// The largest usual size.
        most: u64,
    },
}

impl StopReason {
    /// Returns the name in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::Slow { .. } => "slow",
            Self::Size { .. } => "size",
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            stage, renders, failed, ..
        } = self;
        write!(f, "{} is stopped: ", stage.as_str())?;
        match self.reason {
            StopReason::Failures => write!(f, "{failed} of {renders} renders failed")?,
            StopReason::Slow { limit_us } => {
                write!(f, "too many of {renders} renders took longer than {limit_us} µs")?;
            }
            StopReason::Size { least, most } => {
                write!(
                    f,
                    "too many of {renders} pages had fewer than {least} or more than {most} bytes"
                )?;
            }
        }
        f.write_str("; its visitors get stable until a person resumes or aborts it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_a_sentence_and_json() {
        let stopped = Stopped {
            stage: Stage::Canary,
            reason: StopReason::Slow { limit_us: 1_500 },
            at_ms: 7,
            renders: 90,
            failed: 0,
        };
        assert_eq!(
            stopped.to_string(),
            "canary is stopped: too many of 90 renders took longer than 1500 µs; its visitors get stable until a person resumes or aborts it"
        );
        let json = serde_json::to_value(&stopped).expect("serializes");
        let expected = serde_json::json!({
            "stage": "canary", "reason": { "slow": { "limit_us": 1_500 } }, "at_ms": 7, "renders": 90, "failed": 0
        });
        assert_eq!(json, expected);
    }
}
