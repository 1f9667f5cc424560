//! The answer in place of a render that failed: the last good version of the entry, if there is one.
//!
//! An edit may compile and fail only when it is rendered. Then the kept closures of the entry are tried with the same data, newest first,
//! under a budget for all of them together. The fault is recorded with the closure that failed, so that it is reported once and ends with
//! the next edit. Failures at a high cost also count for the circuit breaker of the closure, which remembers the closure that succeeded and
//! renders it directly from then on.

use std::sync::Arc;
use std::time::Instant;

use super::attempt::{AttemptBudget, PARTS};
use super::{ContextSource, Freshness, OnFailure, Reader, RenderFailure, RenderOptions, Rendered};
use crate::diagnostic::Diagnostic;
use crate::dialect::{Closure, TemplateId};
use crate::events::{Event, Fallback};
use crate::snapshot::{CostlyFailure, Failure, LateFaultLimits, Scoped, Serving, Substitute, Why};
use crate::template::{Digest, Layer};
use crate::version::Version;

/// A render that failed.
pub(super) struct FailedAttempt<'s> {
    pub(super) place: Scoped<'s>,
    pub(super) id: TemplateId,
    pub(super) closure: Closure<'s>,
    /// The status of the closure.
    pub(super) freshness: Freshness,
    pub(super) failure: RenderFailure,
    /// The known substitute, if the breaker is open and the closure was not tried.
    pub(super) refused: Option<Substitute>,
}

/// A render of a kept closure that succeeded.
struct FallbackRender {
    since: Version,
    closure: Digest,
    body: String,
}

impl FailedAttempt<'_> {
    /// Returns the fault, if the template or its data is to blame rather than the caller.
    pub(super) fn why(&self) -> Option<Arc<Why>> {
        let top = &self.closure.top().name;
        let (diagnostic, cause) = match &self.failure {
            RenderFailure::Failed(error) if error.fault.lies_in_the_template() => {
                let cause = error.diagnostic.template.as_ref().unwrap_or(top);
                ((*error.diagnostic).clone(), cause)
            }
            RenderFailure::Context(error) => (
                Diagnostic::error("unusable-data", error.to_string()).in_template(top),
                top,
            ),
            _ => return None,
        };
        Some(Arc::new(Why {
            diagnostics: Arc::new([diagnostic]),
            cause: cause.clone(),
        }))
    }
}

impl Reader {
    /// Answers in place of a render that failed.
    #[cold]
    pub(super) fn fall_back(
        &self,
        failed: FailedAttempt<'_>,
        source: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        let Some(late) = failed.why() else {
            let id = failed.id;
            if let Some(breakers) = failed.place.breakers(id) {
                breakers.undecided(id, &failed.closure.digest(), Instant::now(), &self.shared.rules);
            }
            return Err(failed.failure);
        };
        let FailedAttempt {
            place,
            id,
            closure,
            freshness,
            failure,
            refused,
        } = failed;
        // Cloned for the breaker before the kept closures are tried, which may take long.
        let costly = failure.costly().cloned();
        let name = &closure.top().name;
        // The fault of the newest text: that it does not compile, or else that its render failed.
        let why = match freshness {
            Freshness::Stale { why, .. } => why,
            Freshness::Current | Freshness::Stable { .. } | Freshness::Fallback { .. } => Arc::clone(&late),
        };
        let mut substitute = Substitute::Unknown;
        let answer = match self.shared.on_failure {
            OnFailure::Return => Err(failure),
            OnFailure::Fallback => self.stand_in(place, name.as_str(), why),
            OnFailure::LastGood => {
                let better = self.better(place, id, &closure, &failure, refused, source, options);
                substitute = better
                    .as_ref()
                    .map_or(Substitute::None, |better| Substitute::Good(better.closure));
                match better {
                    Some(FallbackRender { since, body, .. }) => Ok(Rendered {
                        body,
                        version: place.snapshot().version(),
                        freshness: Freshness::Stale { since, why },
                    }),
                    None if options.stand_in => self.stand_in(place, name.as_str(), why),
                    None => Err(failure),
                }
            }
        };
        let digest = closure.digest();
        match (refused, costly) {
            (None, Some(error)) => {
                let failure = CostlyFailure {
                    closure: &digest,
                    error: &error,
                    substitute,
                    hung: false,
                };
                self.guard(place, id, name, failure);
            }
            (None, None) => {
                if let Some(breakers) = place.breakers(id) {
                    breakers.undecided(id, &digest, Instant::now(), &self.shared.rules);
                }
            }
            // No kept closure can be rendered with this data.
            (Some(Substitute::Unknown), _) if substitute == Substitute::None => {
                place.breakers_for_failure().found_none(id, &digest);
            }
            _ => {}
        }
        let serving = match answer.as_ref().map(|rendered| &rendered.freshness) {
            Ok(Freshness::Stale { since, .. }) => Serving::LastGood(*since),
            Ok(Freshness::Fallback { .. } | Freshness::Stable { .. } | Freshness::Current) => Serving::StandIn,
            Err(_) => Serving::Failure,
        };
        // The other answers are counted as failures where all answers are counted.
        if matches!(serving, Serving::LastGood(_)) {
            self.shared.recorder.rescued(id);
        }
        self.report(place, id, &closure, serving, late);
        answer
    }

    /// Renders the newest kept closure that differs and succeeds. The closure that succeeded last time is tried first, with a budget of its
    /// own. Then all are tried, because several bad edits may have followed one another. The time for all together is bounded, because the
    /// data of the visitor may exceed the budget of each. Once a closure has used up a whole budget, each of the others gets only a part,
    /// so that a good closure behind several that loop is reached.
    #[allow(clippy::too_many_arguments, reason = "all that a render is made of")]
    fn better(
        &self,
        place: Scoped<'_>,
        id: TemplateId,
        closure: &Closure<'_>,
        failure: &RenderFailure,
        refused: Option<Substitute>,
        source: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
    ) -> Option<FallbackRender> {
        // Data that does not serialize for one closure does not serialize for another, unless the template brings its own data.
        if matches!(failure, RenderFailure::Context(_)) && closure.companions().next().is_none() {
            return None;
        }
        let kept = || {
            let pinned = place.pinned(id);
            place.earlier(id).chain(pinned).chain(place.former(id))
        };
        let attempt = |since, closure: &Closure<'_>, size| {
            let body = self.attempt(closure, source, options, size).ok()?;
            let closure = closure.digest();
            Some(FallbackRender { since, closure, body })
        };
        let costly = refused.is_some() || failure.costly().is_some();
        let known = match refused {
            // Searching again for each visitor would cost the time that the breaker saves.
            Some(Substitute::None) => return None,
            None if costly => place
                .breakers(id)
                .map_or(Substitute::Unknown, |breakers| breakers.substitute(id)),
            known => known.unwrap_or(Substitute::Unknown),
        };
        if let Substitute::Good(good) = known
            && let Some((since, closure)) = kept().find(|(_, closure)| closure.digest() == good)
        {
            let better = attempt(since, &closure, AttemptBudget::Whole);
            if better.is_some() || refused.is_some() {
                return better;
            }
        }
        let (begun, whole) = (Instant::now(), self.shared.limits.render_time());
        kept()
            .take_while(|_| begun.elapsed() < 2 * whole)
            .find_map(|(since, closure)| {
                let used_up = refused.is_some() || begun.elapsed() >= whole / PARTS;
                attempt(
                    since,
                    &closure,
                    if used_up {
                        AttemptBudget::Part
                    } else {
                        AttemptBudget::Whole
                    },
                )
            })
    }

    /// Records a fault that showed in a render, and reports it once: to subscribers and in the log.
    pub(super) fn report(
        &self,
        place: Scoped<'_>,
        id: TemplateId,
        closure: &Closure<'_>,
        serving: Serving,
        why: Arc<Why>,
    ) {
        let (template, closure) = (closure.top().name.clone(), closure.digest());
        // A render that began before the fault was repaired tells nothing about the version that is served now.
        if !self.is_served(place, id, &closure) {
            return;
        }
        let version = place.snapshot().version();
        let room = LateFaultLimits {
            templates: self.shared.limits.late_faults,
            each: self.shared.limits.source_diagnostics,
            bytes: self.shared.limits.late_faults_bytes,
        };
        let failure = Failure {
            template,
            version,
            serving,
            why,
            at: Instant::now(),
            closure,
        };
        let news = place.late_for_failure().failed(id, &failure, room);
        let Failure { template, why, .. } = failure;
        if news.for_all {
            self.shared.fault_log.failed_late(&why.diagnostics[0], version, serving);
        }
        if news.for_template {
            self.shared.events.send(Event::Fallback(Arc::new(Fallback {
                template,
                version,
                serving,
                why,
                scope: place.scope().cloned().map(Layer::of),
            })));
        }
    }
}
