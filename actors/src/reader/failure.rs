//! [`RenderFailure`]: why a render has no answer.

use std::sync::Arc;

use crate::budget::Exceeded;
use crate::diagnostic::Diagnostic;
use crate::dialect::{RenderError, RenderFault};
use crate::likeness::suggested_template;
use crate::snapshot::{Snapshot, Why};
use crate::supervision::{Fault, FaultKind};
use crate::template::TemplateName;
use crate::value::ContextError;

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
    /// The caller's deadline passed, or the caller gave up.
    #[error("the render was ended: {0}")]
    Timeout(Exceeded),
    /// As many renders as there may be are under way: try again later, or raise the limit `renders_in_flight`.
    #[error("too many renders are under way (the limit `renders_in_flight`)")]
    Busy,
    /// The engine has ended, or its Renderer was given up.
    #[error("nobody renders by message: the engine has ended, or its Renderer was given up (health says which)")]
    Down,
    /// The Renderer failed with this render in hand.
    #[error("the render was lost: {0}")]
    Lost(String),
}

impl From<RenderError> for RenderFailure {
    #[cold]
    fn from(error: RenderError) -> Self {
        match error.fault {
            RenderFault::Budget(exceeded) if exceeded.by_caller() => Self::Timeout(exceeded),
            _ => Self::Failed(error),
        }
    }
}

impl From<Fault> for RenderFailure {
    fn from(fault: Fault) -> Self {
        match fault.kind {
            FaultKind::Down => Self::Down,
            _ => Self::Lost(fault.to_string()),
        }
    }
}

impl RenderFailure {
    /// The error, where it is of a kind that costs much before it shows, or may: such a closure is not tried each time.
    pub(super) fn costly(&self) -> Option<&RenderError> {
        let Self::Failed(error) = self else { return None };
        let costly = matches!(
            error.fault,
            RenderFault::Budget(Exceeded::Time(_) | Exceeded::Steps(_) | Exceeded::Output(_))
                | RenderFault::Formatter
                | RenderFault::Internal
        );
        costly.then_some(error)
    }
}

#[cold]
pub(super) fn panicked(said: &str, template: &TemplateName) -> RenderFailure {
    let diagnostic = Diagnostic::error("render-panicked", format!("the render panicked: {said}"));
    RenderFailure::Failed(RenderError::new(
        RenderFault::Internal,
        diagnostic.in_template(template),
    ))
}

/// Names that are compared with one that is not there: a visitor may ask for anything.
const NEAR_NAMES_MAX: usize = 2_000;
pub(super) fn not_found(snapshot: &Snapshot, name: &str) -> RenderFailure {
    let shown: String = name.chars().take(200).collect();
    let nearest = nearest(snapshot, &shown);
    RenderFailure::NotFound { name: shown, nearest }
}

/// Returns the template whose name is most like one that does not exist.
pub(super) fn nearest(snapshot: &Snapshot, shown: &str) -> Option<TemplateName> {
    let names = snapshot.entries().take(NEAR_NAMES_MAX).map(|(_, name, _)| name);
    suggested_template(shown, names).cloned()
}
