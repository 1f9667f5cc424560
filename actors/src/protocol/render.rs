//! A render: what is asked for ([`RenderOptions`], [`OnFailure`]) and the answer ([`Rendered`], [`RenderFailure`]).

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::budget::Exceeded;
use crate::dialect::{RenderError, RenderFault};
use crate::snapshot::{Serving, Why};
use crate::supervision::{Fault, Timeout, Unavailable};
use crate::template::{Missing, TemplateName};
use crate::value::ContextError;
use crate::version::Version;

/// What a render answers.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The text, whole.
    pub body: String,
    /// The version that it was read from: the one that was served when the render began.
    pub version: Version,
    /// Whether that is the newest text of the entry.
    pub freshness: Freshness,
}

impl Rendered {
    /// The version whose text this is: of an answer that is stale, the one that it is from, which is older than `version`.
    #[must_use]
    pub fn text_version(&self) -> Version {
        match self.freshness {
            Freshness::Stale { since, .. } => since,
            Freshness::Current | Freshness::Fallback { .. } => self.version,
        }
    }
}

/// How an answer relates to the newest text of its entry.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// It is that text.
    Current,
    /// An older good version of the entry.
    Stale {
        /// The last version in which it was current.
        since: Version,
        /// What is wrong with the newest.
        why: Arc<Why>,
    },
    /// A stand-in: there is no good version.
    Fallback {
        /// What is wrong.
        why: Arc<Why>,
    },
}

/// How to render.
#[derive(Debug, Clone, Default)]
pub struct RenderOptions {
    /// After this the answer is of no use any more.
    pub deadline: Option<Instant>,
    /// Ends the render at its next step.
    pub cancel: Option<CancellationToken>,
    /// What a path that leads nowhere means.
    pub missing: Missing,
    /// If true, a render that fails and that no kept version does better is answered with the stand-in rather than with the failure
    /// ([`OnFailure::LastGood`]). Pages over HTTP set it in production, so that visitors see a page.
    pub stand_in: bool,
}

/// What a failed render is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// What the entry was before, as far as that does better; else the failure, or the stand-in where
    /// [`RenderOptions::stand_in`] asks for it. An entry that never compiled: the stand-in.
    #[default]
    LastGood,
    /// The stand-in. An entry that broke still goes on as it was.
    Fallback,
    /// The failure. An entry that broke still goes on as it was.
    Return,
}

impl OnFailure {
    /// Returns the answer to requests for an entry that never had a good version.
    pub(crate) fn without_good(self) -> Serving {
        match self {
            Self::LastGood | Self::Fallback => Serving::StandIn,
            Self::Return => Serving::Failure,
        }
    }
}

/// Why there is no answer. `Display` is for people: place, line, caret, calls and help where there are any.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RenderFailure {
    /// There is no such template.
    #[error("there is no template `{name}`{}", nearest.as_ref().map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default())]
    NotFound {
        /// As it was asked for.
        name: String,
        /// One with a name much like it.
        nearest: Option<TemplateName>,
    },
    /// The template is broken and there never was a good one.
    #[error("`{name}` cannot be served: {}", why.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Broken {
        /// Which.
        name: TemplateName,
        /// What is wrong.
        why: Arc<Why>,
    },
    /// The render failed.
    #[error("{0}")]
    Failed(RenderError),
    /// The data does not become a context.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// No template is to blame: the caller's deadline has passed, or a render by message has no answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl RenderFailure {
    /// Returns the failure of a render that its caller has ended.
    pub(crate) fn ended_by_caller(exceeded: Exceeded) -> Self {
        Self::Unavailable(Unavailable::Timeout(match exceeded {
            Exceeded::Cancelled => Timeout::Cancelled,
            _ => Timeout::Deadline,
        }))
    }
}

impl From<RenderError> for RenderFailure {
    #[cold]
    fn from(error: RenderError) -> Self {
        match error.fault {
            RenderFault::Budget(exceeded) if exceeded.by_caller() => Self::ended_by_caller(exceeded),
            _ => Self::Failed(error),
        }
    }
}

impl From<Fault> for RenderFailure {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(fault.into())
    }
}
