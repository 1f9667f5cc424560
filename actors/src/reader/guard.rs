//! The circuit breakers on the render path: a template whose renders fail at a high cost is not tried each time.

use std::time::Instant;

use super::fallback::FailedAttempt;
use super::{Freshness, Reader, RenderFailure, place};
use crate::budget::Exceeded;
use crate::diagnostic::Diagnostic;
use crate::dialect::{Closure, RenderError, RenderFault, TemplateId};
use crate::events::{Event, Fixed};
use crate::snapshot::{CostlyFailure, RenderRoute, Scoped, Snapshot, Substitute, Success};
use crate::template::{Digest, Layer, Scope, TemplateName};

impl Reader {
    /// Records a render that hung (`hung`), or that exceeded a deadline although it had time to begin.
    pub(crate) fn took_too_long(
        &self,
        snapshot: Option<&Snapshot>,
        scope: &Scope,
        name: &str,
        message: &str,
        hung: bool,
    ) {
        let served = self.served.load();
        let Some(place) = place(snapshot.unwrap_or(&served), scope) else {
            return;
        };
        let Some((id, closure)) = place.id(name).and_then(|id| Some((id, place.status(id).closure()?))) else {
            return;
        };
        let template = &closure.top().name;
        let diagnostic = Diagnostic::error(if hung { "hangs" } else { "too-late" }, message).in_template(template);
        let error = RenderError::new(RenderFault::Internal, diagnostic);
        let failure = CostlyFailure {
            closure: &closure.digest(),
            error: &error,
            substitute: Substitute::Unknown,
            hung,
        };
        self.guard(place, id, template, failure);
    }

    /// Returns the last error of a closure whose breaker is open, and the known substitute for the closure.
    #[cold]
    pub(super) fn refused(
        &self,
        place: Scoped<'_>,
        id: TemplateId,
        closure: &Closure<'_>,
    ) -> Option<(Box<RenderError>, Substitute)> {
        let route = place
            .breakers(id)?
            .route(id, &closure.digest(), Instant::now(), &self.shared.rules);
        match route {
            RenderRoute::Attempt => None,
            RenderRoute::Instead(error, substitute) => Some((error, substitute)),
        }
    }

    /// Closes the breaker of a closure that was rendered successfully, and reports the template as fixed if it failed before its text was
    /// changed. `brief` is true if the render stayed within the limits of a render in place.
    #[cold]
    pub(super) fn record_success(
        &self,
        place: Scoped<'_>,
        id: TemplateId,
        closure: &Closure<'_>,
        freshness: &Freshness,
        brief: bool,
    ) {
        let template = &closure.top().name;
        let version = place.snapshot().version();
        if let Some(breakers) = place.breakers(id) {
            let is_served = self.served.load().version() == version;
            if breakers.succeeded(id, &closure.digest(), Success { is_served, brief }, &self.shared.rules) {
                self.shared.fault_log.tried_again(template);
            }
        }
        let is_current = matches!(freshness, Freshness::Current);
        let watching = place.watching(id);
        if watching.is_some_and(|late| late.succeeded(id, version, is_current, Instant::now())) {
            self.shared.fault_log.fixed(template, version);
            let template = template.clone();
            let scope = place.scope().cloned().map(Layer::of);
            let fixed = Fixed {
                template,
                version,
                scope,
            };
            self.shared.events.send(Event::Fixed(fixed));
        }
    }

    /// Returns the failure of an attempt with a partial budget. It is recorded only if the template was too slow for that budget.
    #[cold]
    pub(super) fn broken_off(&self, failed: FailedAttempt<'_>) -> RenderFailure {
        if let RenderFailure::Failed(error) = &failed.failure
            && error.fault == RenderFault::Budget(Exceeded::Part)
        {
            let closure = failed.closure.digest();
            let breakers = failed.place.breakers_for_failure();
            if self.is_served(failed.place, failed.id, &closure) {
                breakers.slow(failed.id, &closure, Instant::now(), &self.shared.rules);
            }
        }
        failed.failure
    }

    /// Returns true if a closure is the one that is served now in its scope.
    pub(super) fn is_served(&self, place: Scoped<'_>, id: TemplateId, closure: &Digest) -> bool {
        let current = self.current();
        let now = place.of(&current).and_then(|place| place.closure_digest(id));
        now.as_ref() == Some(closure)
    }

    /// Records a failure at a high cost, unless the failed closure is no longer the one that is served.
    pub(super) fn guard(&self, place: Scoped<'_>, id: TemplateId, template: &TemplateName, failure: CostlyFailure<'_>) {
        if !self.is_served(place, id, failure.closure) {
            return;
        }
        let diagnostic = failure.error.diagnostic.clone();
        let opened = place
            .breakers_for_failure()
            .failed(id, failure, Instant::now(), &self.shared.rules);
        if let Some(pause) = opened {
            self.shared.fault_log.not_tried(template, &diagnostic, pause);
        }
    }
}
