//! The circuit breakers on the render path: a template whose renders fail at a high cost is not tried each time.

use std::time::Instant;

use super::fallback::FailedAttempt;
use super::{Freshness, Reader, RenderFailure};
use crate::budget::Exceeded;
use crate::diagnostic::Diagnostic;
use crate::dialect::{Closure, RenderError, RenderFault, TemplateId};
use crate::events::{Event, Fixed};
use crate::snapshot::{CostlyFailure, RenderRoute, Snapshot, Substitute, Success};
use crate::template::TemplateName;

impl Reader {
    /// Records a render that hung (`hung`), or that exceeded a deadline although it had time to begin.
    pub(crate) fn took_too_long(&self, snapshot: Option<&Snapshot>, name: &str, message: &str, hung: bool) {
        let served = self.served.load();
        let snapshot = snapshot.unwrap_or(&served);
        let Some((id, closure)) = snapshot
            .id(name)
            .and_then(|id| Some((id, snapshot.status(id).closure()?)))
        else {
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
        self.guard(snapshot, id, template, failure);
    }

    /// Returns the last error of a closure whose breaker is open, and the known substitute for the closure.
    #[cold]
    pub(super) fn refused(
        &self,
        snapshot: &Snapshot,
        id: TemplateId,
        closure: &Closure<'_>,
    ) -> Option<(Box<RenderError>, Substitute)> {
        let route = snapshot
            .breakers()
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
        snapshot: &Snapshot,
        id: TemplateId,
        closure: &Closure<'_>,
        freshness: &Freshness,
        brief: bool,
    ) {
        let template = &closure.top().name;
        let breakers = snapshot.breakers();
        let version = snapshot.version();
        if breakers.may_know(id) {
            let is_served = self.served.load().version() == version;
            if breakers.succeeded(id, &closure.digest(), Success { is_served, brief }, &self.shared.rules) {
                self.shared.fault_log.tried_again(template);
            }
        }
        let is_current = matches!(freshness, Freshness::Current);
        if snapshot.faults().succeeded(id, version, is_current, Instant::now()) {
            self.shared.fault_log.fixed(template, version);
            let template = template.clone();
            self.shared.events.send(Event::Fixed(Fixed { template, version }));
        }
    }

    /// Returns the failure of an attempt with a partial budget. It is recorded only if the template was too slow for that budget.
    #[cold]
    pub(super) fn broken_off(&self, failed: FailedAttempt<'_>) -> RenderFailure {
        if let RenderFailure::Failed(error) = &failed.failure
            && error.fault == RenderFault::Budget(Exceeded::Part)
        {
            let closure = failed.closure.digest();
            let breakers = failed.snapshot.breakers();
            if self.current().closure_digest(failed.id) == Some(closure) {
                breakers.slow(failed.id, &closure, Instant::now(), &self.shared.rules);
            }
        }
        failed.failure
    }

    /// Records a failure at a high cost, unless the failed closure is no longer the one that is served.
    pub(super) fn guard(
        &self,
        snapshot: &Snapshot,
        id: TemplateId,
        template: &TemplateName,
        failure: CostlyFailure<'_>,
    ) {
        if self.current().closure_digest(id) != Some(*failure.closure) {
            return;
        }
        let diagnostic = failure.error.diagnostic.clone();
        let opened = snapshot
            .breakers()
            .failed(id, failure, Instant::now(), &self.shared.rules);
        if let Some(pause) = opened {
            self.shared.fault_log.not_tried(template, &diagnostic, pause);
        }
    }
}
