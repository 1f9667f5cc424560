//! The answers that visitors got in the last seconds, by kind: whether the service is good for them, which the status of templates alone
//! does not say.

use hotplate_actors::Counters;
use hotplate_actors::counters::RenderOutcome;
use serde::Serialize;
use utoipa::ToSchema;

/// Numbers of answers by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Answers {
    /// Answered with the newest text.
    pub(super) current: u64,
    /// Answered with the last good version.
    pub(super) stale: u64,
    /// Answered with the stand-in page, as 503.
    pub(super) stand_in: u64,
    /// Answered with an error, as 500 or 504: the render failed, was lost or took too long.
    pub(super) error: u64,
    /// Rejected, because too many renders were in flight.
    pub(super) rejected: u64,
    /// Answered that there is no such template, as 404.
    pub(super) not_found: u64,
}

/// Numbers of answers per second by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub(super) struct AnswerRates {
    /// Answered with the newest text.
    pub(super) current: f64,
    /// Answered with the last good version.
    pub(super) stale: f64,
    /// Answered with the stand-in page, as 503.
    pub(super) stand_in: f64,
    /// Answered with an error, as 500 or 504.
    pub(super) error: f64,
    /// Rejected, because too many renders were in flight.
    pub(super) rejected: f64,
    /// Answered that there is no such template, as 404.
    pub(super) not_found: f64,
}

/// The answers of the last seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Visitors {
    /// The seconds that are counted.
    pub(super) seconds: f64,
    pub(super) answers: Answers,
}

impl Answers {
    /// Returns all answers since the engine started.
    pub(super) fn of(counters: &Counters) -> Self {
        let mut answers = Self::default();
        for (outcome, count) in &counters.renders {
            let kind = match outcome {
                RenderOutcome::Current => &mut answers.current,
                RenderOutcome::Stale => &mut answers.stale,
                RenderOutcome::Fallback => &mut answers.stand_in,
                RenderOutcome::Busy => &mut answers.rejected,
                RenderOutcome::NotFound => &mut answers.not_found,
                // The visitor has left and gets no answer.
                RenderOutcome::Cancelled => continue,
                _ => &mut answers.error,
            };
            *kind += count;
        }
        answers
    }

    /// Returns the answers since an earlier reading.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            current: self.current.saturating_sub(earlier.current),
            stale: self.stale.saturating_sub(earlier.stale),
            stand_in: self.stand_in.saturating_sub(earlier.stand_in),
            error: self.error.saturating_sub(earlier.error),
            rejected: self.rejected.saturating_sub(earlier.rejected),
            not_found: self.not_found.saturating_sub(earlier.not_found),
        }
    }

    /// Returns the number of all answers.
    pub(super) fn total(self) -> u64 {
        self.current + self.stale + self.stand_in + self.error + self.rejected + self.not_found
    }
}

impl Visitors {
    /// Returns `bad` if visitors got pages that are no good, `warn` if they got older ones, otherwise `good`.
    pub(super) fn kind(self) -> &'static str {
        let Answers {
            stale,
            stand_in,
            error,
            rejected,
            ..
        } = self.answers;
        match (stand_in + error + rejected, stale) {
            (0, 0) => "good",
            (0, _) => "warn",
            _ => "bad",
        }
    }

    /// Returns the answers per second.
    pub(super) fn per_second(self) -> AnswerRates {
        #[expect(clippy::cast_precision_loss, reason = "a rate is an estimate")]
        let rate = |count: u64| {
            if self.seconds > 0.0 {
                count as f64 / self.seconds
            } else {
                0.0
            }
        };
        AnswerRates {
            current: rate(self.answers.current),
            stale: rate(self.answers.stale),
            stand_in: rate(self.answers.stand_in),
            error: rate(self.answers.error),
            rejected: rate(self.answers.rejected),
            not_found: rate(self.answers.not_found),
        }
    }

    /// Returns the answers that were not good in words, such as `12 errors, 3 stand-in pages`; empty if all were good.
    pub(super) fn failures(self) -> String {
        let Answers {
            stale,
            stand_in,
            error,
            rejected,
            ..
        } = self.answers;
        let kinds = [
            (error, "error", "errors"),
            (stand_in, "stand-in page", "stand-in pages"),
            (rejected, "rejected request", "rejected requests"),
            (
                stale,
                "page in its last good version",
                "pages in their last good version",
            ),
        ];
        let parts = kinds.into_iter().filter(|(count, ..)| *count > 0);
        let parts = parts.map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }));
        parts.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_answer_that_is_not_good_shows() {
        let of = |answers| Visitors { seconds: 2.0, answers };
        let none = Answers::default();
        for (answers, kind, words) in [
            (
                Answers {
                    current: 9,
                    not_found: 3,
                    ..none
                },
                "good",
                "",
            ),
            (
                Answers {
                    current: 9,
                    stale: 1,
                    ..none
                },
                "warn",
                "1 page in its last good version",
            ),
            (
                Answers {
                    error: 2,
                    stale: 2,
                    ..none
                },
                "bad",
                "2 errors, 2 pages in their last good version",
            ),
            (Answers { stand_in: 1, ..none }, "bad", "1 stand-in page"),
            (Answers { rejected: 1, ..none }, "bad", "1 rejected request"),
        ] {
            assert_eq!((of(answers).kind(), of(answers).failures().as_str()), (kind, words));
        }
        assert_eq!(of(Answers { error: 3, ..none }).per_second().error, 1.5);
        assert_eq!(Visitors::default().per_second(), AnswerRates::default());
    }
}
