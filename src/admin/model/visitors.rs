//! The answers to visitors in answers of the API.

use hotplate_actors::counters::RecentFailure;
use serde::Serialize;
use utoipa::ToSchema;

use super::diagnostic::Finding;
use crate::admin::visitors::{AnswerRates, Answers, Visitors};

/// Failed pages in one answer.
pub(in super::super) const FAILURES_MAX: usize = 20;

/// The answers that visitors got in the last seconds.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct VisitorsAnswer {
    /// `good`, `warn` (older versions were served) or `bad` (errors, stand-in pages or rejections).
    pub(in super::super) state: &'static str,
    /// The seconds that are counted, about ten.
    pub(in super::super) seconds: f64,
    /// The number of answers in these seconds.
    pub(in super::super) answers: Answers,
    /// The number of answers per second.
    pub(in super::super) per_second: AnswerRates,
    /// The pages of which visitors last got something else than the newest text, since the engine started, the latest first, at most 20.
    pub(in super::super) failures: Vec<FailureAnswer>,
}

/// A page of which visitors got something else than its newest text.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct FailureAnswer {
    /// The name of the template that was requested.
    pub(in super::super) template: String,
    /// The time of the last such answer, in milliseconds since 1970.
    pub(in super::super) at_ms: u64,
    /// The number of failed renders since the engine started, stand-in answers included.
    pub(in super::super) failures: u64,
    /// The number of answers from an older version since the engine started.
    pub(in super::super) stale: u64,
    /// The answer to requests now: `last-good`, `stand-in` or `failure`; null if the newest text is served again.
    pub(in super::super) serving: Option<&'static str>,
    /// The error, which may be in a template that this one calls.
    pub(in super::super) diagnostic: Option<Finding>,
}

impl VisitorsAnswer {
    pub(in super::super) fn of(visitors: Visitors, failures: Vec<FailureAnswer>) -> Self {
        Self {
            state: visitors.kind(),
            seconds: visitors.seconds,
            answers: visitors.answers,
            per_second: visitors.per_second(),
            failures,
        }
    }
}

impl FailureAnswer {
    pub(in super::super) fn of(failure: &RecentFailure) -> Self {
        Self {
            template: failure.template.to_string(),
            at_ms: failure.at_ms,
            failures: failure.failures,
            stale: failure.stale,
            serving: failure.serving.map(|serving| serving.as_str()),
            diagnostic: failure.diagnostic.as_ref().map(Finding::of),
        }
    }
}
