//! Failures of renders.

use crate::budget::Exceeded;
use crate::diagnostic::Diagnostic;
use crate::dialect::{RenderError, RenderFault};
use crate::protocol::render::RenderFailure;
use crate::snapshot::Scoped;
use crate::suggestion::suggested_template;
use crate::template::TemplateName;

impl RenderFailure {
    /// Returns the error if failures of its kind are expensive. The circuit breaker counts only these.
    pub(super) fn costly(&self) -> Option<&RenderError> {
        let Self::Failed(error) = self else { return None };
        let costly = matches!(
            error.fault,
            RenderFault::Budget(Exceeded::Time(_) | Exceeded::Steps(_) | Exceeded::Output(_) | Exceeded::Memory(_))
                | RenderFault::Formatter
                | RenderFault::Internal
        );
        costly.then_some(error)
    }
}

#[cold]
pub(super) fn panicked(message: &str, template: &TemplateName) -> RenderFailure {
    let diagnostic = Diagnostic::error("render-panicked", format!("the render panicked: {message}"));
    RenderFailure::Failed(RenderError::new(
        RenderFault::Internal,
        diagnostic.in_template(template),
    ))
}

/// Maximum number of names that are compared with an unknown name. It bounds the cost, because visitors can request any name.
const NEAR_NAMES_MAX: usize = 2_000;
pub(super) fn not_found(place: Scoped<'_>, name: &str) -> RenderFailure {
    let shown: String = name.chars().take(200).collect();
    let nearest = nearest(place, &shown);
    RenderFailure::NotFound { name: shown, nearest }
}

/// Returns the failure of a render for a tenant that does not exist. It names nothing that others have.
#[cold]
pub(super) fn no_tenant(name: &str) -> RenderFailure {
    RenderFailure::NotFound {
        name: name.chars().take(200).collect(),
        nearest: None,
    }
}

/// Returns the template whose name is most similar to an unknown name.
pub(super) fn nearest(place: Scoped<'_>, shown: &str) -> Option<TemplateName> {
    let names = place.named_entries().take(NEAR_NAMES_MAX).map(|(_, name, _)| name);
    suggested_template(shown, names).cloned()
}
