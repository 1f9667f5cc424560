//! [`Outcome`] and [`answer`]: what a render says about its templates, and which text answers its request.

use std::time::Duration;

use crate::protocol::render::{Freshness, RenderFailure, Rendered};
use crate::snapshot::Status;
use crate::template::Stage;

/// The outcome of a render, as far as it says something about its templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The newest text was rendered.
    Good,
    /// The newest text failed, whatever the visitor got instead.
    Failed,
    /// The render says nothing about the templates: the engine was busy, the visitor left, or there is no such template.
    NotJudged,
}

impl Outcome {
    /// Returns the outcome of an answer. `compiled` is the status of the entry in the scope that was rendered: if its newest text does not
    /// compile, the stale answer is as it should be and says nothing about a render.
    #[must_use]
    pub fn of(result: &Result<Rendered, RenderFailure>, compiled: Status) -> Self {
        match result {
            Ok(rendered) => match rendered.freshness {
                Freshness::Current => Self::Good,
                Freshness::Stale { .. } if compiled == Status::Stale => Self::NotJudged,
                Freshness::Stale { .. } | Freshness::Stable { .. } | Freshness::Fallback { .. } => Self::Failed,
            },
            Err(RenderFailure::Failed(_) | RenderFailure::Broken { .. }) => Self::Failed,
            Err(_) => Self::NotJudged,
        }
    }
}

/// One render, as the judge counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// The stage that was rendered.
    pub stage: Stage,
    /// The outcome.
    pub outcome: Outcome,
    /// The time that it took.
    pub took: Duration,
    /// The size of the page, in bytes.
    pub bytes: u64,
}

/// The text that answers a request whose render has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// The text of the stage that was rendered.
    Own,
    /// The text of the stable stage, which has to be rendered now.
    Stable,
}

/// Decides which text answers a request: a render of a canary that fails is answered by stable, so no visitor sees its fault.
#[must_use]
pub fn answer(stage: Stage, outcome: Outcome) -> Answer {
    match (stage, outcome) {
        (Stage::Canary | Stage::Experimental, Outcome::Failed) => Answer::Stable,
        _ => Answer::Own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_canary_is_answered_by_stable() {
        for (stage, outcome, expected) in [
            (Stage::Canary, Outcome::Failed, Answer::Stable),
            (Stage::Experimental, Outcome::Failed, Answer::Stable),
            (Stage::Stable, Outcome::Failed, Answer::Own),
            (Stage::Canary, Outcome::Good, Answer::Own),
            (Stage::Canary, Outcome::NotJudged, Answer::Own),
        ] {
            assert_eq!(answer(stage, outcome), expected, "{stage:?} {outcome:?}");
        }
    }
}
