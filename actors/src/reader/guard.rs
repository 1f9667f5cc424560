//! Circuit breakers of templates whose renders fail and cost much: when one is asked, and what it is told.

use std::time::Instant;

use super::instead::FailedAttempt;
use super::{Freshness, Reader, RenderFailure};
use crate::budget::Exceeded;
use crate::diagnostic::Diagnostic;
use crate::dialect::{Closure, RenderError, RenderFault, TemplateId};
use crate::events::{Event, Fixed};
use crate::snapshot::{CostlyFailure, RenderRoute, Snapshot, Substitute, Success};
use crate::template::TemplateName;

impl Reader {
    /// Remembers that a render did not end by its own limits (`hung`), or not before a deadline that was long enough for it to begin.
    pub(crate) fn took_too_long(&self, snapshot: Option<&Snapshot>, name: &str, said: &str, hung: bool) {
        let served = self.served.load();
        let snapshot = snapshot.unwrap_or(&served);
        let Some((id, closure)) = snapshot
            .id(name)
            .and_then(|id| Some((id, snapshot.standing(id).closure()?)))
        else {
            return;
        };
        let template = &closure.top().name;
        let diagnostic = Diagnostic::error(if hung { "hangs" } else { "too-late" }, said).in_template(template);
        let error = RenderError::new(RenderFault::Internal, diagnostic);
        let failure = CostlyFailure {
            closure: &closure.digest(),
            error: &error,
            substitute: Substitute::Unknown,
            hung,
        };
        self.guard(snapshot, id, template, failure);
    }

    /// What is known instead of rendering a closure whose breaker is open.
    #[cold]
    pub(super) fn refused(
        &self,
        snapshot: &Snapshot,
        id: TemplateId,
        closure: &Closure<'_>,
    ) -> Option<(Box<RenderError>, Substitute)> {
        let course = snapshot
            .breakers()
            .route(id, &closure.digest(), Instant::now(), &self.rest.rules);
        match course {
            RenderRoute::Attempt => None,
            RenderRoute::Instead(error, substitute) => Some((error, substitute)),
        }
    }

    /// Closes the breaker of a closure that renders after all, and says so where its template failed before its text changed. `brief` is
    /// true if the render took no more than one that is done in place.
    #[cold]
    pub(super) fn rendered_well(
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
            if breakers.succeeded(id, &closure.digest(), Success { is_served, brief }, &self.rest.rules) {
                self.rest.fault_log.tried_again(template);
            }
        }
        let is_current = matches!(freshness, Freshness::Current);
        if snapshot.faults().succeeded(id, version, is_current, Instant::now()) {
            self.rest.fault_log.fixed(template, version);
            let template = template.clone();
            self.rest.teller.tell(Event::Fixed(Fixed { template, version }));
        }
    }

    /// What a render comes to that is only tried: it is not answered unless it is nobody's fault.
    #[cold]
    pub(super) fn broken_off(&self, failed: FailedAttempt<'_>) -> RenderFailure {
        if let RenderFailure::Failed(error) = &failed.failure
            && error.fault == RenderFault::Budget(Exceeded::Part)
        {
            let closure = failed.closure.digest();
            let breakers = failed.snapshot.breakers();
            if self.current().closure_digest(failed.id) == Some(closure) {
                breakers.slow(failed.id, &closure, Instant::now(), &self.rest.rules);
            }
        }
        failed.failure
    }

    /// Counts a failure that costs much, unless it says nothing of what is served now.
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
            .failed(id, failure, Instant::now(), &self.rest.rules);
        if let Some(pause) = opened {
            self.rest.fault_log.not_tried(template, &diagnostic, pause);
        }
    }
}
