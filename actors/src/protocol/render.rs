//! A render: its options ([`RenderOptions`], [`OnFailure`]) and its answer ([`Rendered`], [`RenderFailure`]).

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::budget::Exceeded;
use crate::dialect::{RenderError, RenderFault};
use crate::protocol::kept::VersionNotKept;
use crate::snapshot::{Serving, Status, Why};
use crate::supervision::{Fault, Timeout, Unavailable};
use crate::template::{Missing, Scope, TemplateName};
use crate::value::ContextError;
use crate::version::Version;

/// The answer to a render.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The text, whole.
    pub body: String,
    /// The version that was rendered: the one that was served when the render began.
    pub version: Version,
    /// The status of the answer: the newest text of the entry, an older one, or a stand-in.
    pub freshness: Freshness,
}

impl Rendered {
    /// Returns the version that the text is from. It is older than `version` if the answer is stale.
    #[must_use]
    pub fn text_version(&self) -> Version {
        match self.freshness {
            Freshness::Stale { since, .. } => since,
            Freshness::Current | Freshness::Stable { .. } | Freshness::Fallback { .. } => self.version,
        }
    }
}

/// The status of an answer.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// The newest text of the entry.
    Current,
    /// An older, good text of the entry.
    Stale {
        /// The last version in which it was current.
        since: Version,
        /// The fault of the newest text.
        why: Arc<Why>,
    },
    /// The newest text of the stable stage in place of that of the stage that was asked for.
    Stable {
        /// The fault of the render of that stage; `None` if the stage is stopped.
        why: Option<Arc<Why>>,
    },
    /// A stand-in, because there is no good text.
    Fallback {
        /// The fault.
        why: Arc<Why>,
    },
}

impl Freshness {
    /// Returns the name in JSON and in headers: the [`Status`] of an entry has the same names, except for `fallback` and
    /// `stable`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Current => Status::Current.as_str(),
            Self::Stale { .. } => Status::Stale.as_str(),
            Self::Stable { .. } => "stable",
            Self::Fallback { .. } => "fallback",
        }
    }
}

/// Options of a render.
#[derive(Debug, Clone, Default)]
pub struct RenderOptions {
    /// Time after which the answer is of no use.
    pub deadline: Option<Instant>,
    /// Token that ends the render at its next step.
    pub cancel: Option<CancellationToken>,
    /// Meaning of a path that leads nowhere.
    pub missing: Missing,
    /// True to answer with the stand-in instead of the failure if the render fails and no kept version does better
    /// ([`OnFailure::LastGood`]). Pages over HTTP set it in production, so that visitors see a page.
    pub stand_in: bool,
    /// A kept version to render, instead of the one that is served. If it is no longer kept, the answer is
    /// [`RenderFailure::VersionNotKept`].
    pub at: Option<Version>,
    /// The trace id of the request. If the render holds a version in memory for too long, [`Hotplate::leaks`](crate::Hotplate::leaks) names
    /// it. A render with a trace id takes a lock twice.
    pub trace: Option<Arc<str>>,
    /// The scope as which the entry is rendered: a tenant or everyone, and a stage.
    pub scope: Scope,
}

impl RenderOptions {
    /// Returns the default options for a kept version, so that the pages of a flow are all of one version.
    ///
    /// ```
    /// use hotplate_actors::{Hotplate, MemoryLoader, RenderOptions, TemplateName};
    ///
    /// let (loader, memory) = MemoryLoader::new();
    /// memory.set(TemplateName::new("step.html")?, "one");
    /// let hotplate = Hotplate::builder().loader(loader).watch(false).start()?;
    /// let began = hotplate.snapshot().version();
    /// memory.set(TemplateName::new("step.html")?, "two");
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(hotplate.reload())?;
    /// let options = RenderOptions::at(began);
    /// assert_eq!(hotplate.request("step.html").options(&options).render()?.body, "one");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn at(version: Version) -> Self {
        Self {
            at: Some(version),
            ..Self::default()
        }
    }
}

/// The answer to a render that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The last good version of the entry, if one renders; else the failure, or the stand-in if [`RenderOptions::stand_in`] is set. For an
    /// entry that never compiled it is the stand-in.
    #[default]
    LastGood,
    /// The stand-in. An entry that does not compile any more is still served from its last good version.
    Fallback,
    /// The failure. An entry that does not compile any more is still served from its last good version.
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

/// The failure of a render. `Display` is for people: the place with its line and a caret, the calls, and help if there is any.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RenderFailure {
    /// There is no such template.
    #[error("there is no template `{name}`{}", nearest.as_ref().map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default())]
    NotFound {
        /// The name that was asked for.
        name: String,
        /// A template with a similar name.
        nearest: Option<TemplateName>,
    },
    /// The template is broken, and there never was a good version of it.
    #[error("`{name}` cannot be served: {}", why.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Broken {
        /// The name of the template.
        name: TemplateName,
        /// The fault.
        why: Arc<Why>,
    },
    /// The version that the options name is not, or no longer, kept.
    #[error(transparent)]
    VersionNotKept(#[from] VersionNotKept),
    /// The render failed.
    #[error("{0}")]
    Failed(RenderError),
    /// The data cannot be made into a context.
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
