//! The answer in place of a render that failed: what the entry was before, as far as that does better.

use std::sync::Arc;
use std::time::Instant;

use super::attempt::{AttemptBudget, PARTS};
use super::{ContextSource, Freshness, OnFailure, Reader, RenderFailure, RenderOptions, Rendered};
use crate::diagnostic::Diagnostic;
use crate::dialect::{Closure, TemplateId};
use crate::events::{Event, Fallback};
use crate::snapshot::{CostlyFailure, Failure, LateFaultLimits, Serving, Snapshot, Substitute, Why};
use crate::template::Digest;
use crate::version::Version;

/// A render that failed.
pub(super) struct FailedAttempt<'s> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) id: TemplateId,
    pub(super) closure: Closure<'s>,
    /// The standing of the closure.
    pub(super) freshness: Freshness,
    pub(super) failure: RenderFailure,
    /// Its breaker is open, so that it was not even tried; and what is known to stand in.
    pub(super) refused: Option<Substitute>,
}

/// What did better.
struct FallbackRender {
    since: Version,
    closure: Digest,
    body: String,
}

impl FailedAttempt<'_> {
    /// Returns the fault, if the template or its data is to blame, and not the caller.
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
    pub(super) fn instead(
        &self,
        failed: FailedAttempt<'_>,
        supply: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        let Some(late) = failed.why() else {
            let (breakers, id) = (failed.snapshot.breakers(), failed.id);
            if breakers.may_know(id) {
                breakers.undecided(id, &failed.closure.digest(), Instant::now(), &self.rest.rules);
            }
            return Err(failed.failure);
        };
        let FailedAttempt {
            snapshot,
            id,
            closure,
            freshness,
            failure,
            refused,
        } = failed;
        // For the breaker, before anything else takes long.
        let costly = failure.costly().cloned();
        let name = &closure.top().name;
        // What is wrong with the newest text: that it fails, unless it does not even compile.
        let why = match freshness {
            Freshness::Stale { why, .. } => why,
            Freshness::Current | Freshness::Fallback { .. } => Arc::clone(&late),
        };
        let mut substitute = Substitute::Unknown;
        let answer = match self.rest.on_failure {
            OnFailure::Return => Err(failure),
            OnFailure::Fallback => self.stand_in(snapshot, name.as_str(), why),
            OnFailure::LastGood => {
                let better = self.better(snapshot, id, &closure, &failure, refused, supply, options);
                substitute = better
                    .as_ref()
                    .map_or(Substitute::None, |better| Substitute::Good(better.closure));
                match better {
                    Some(FallbackRender { since, body, .. }) => Ok(Rendered {
                        body,
                        version: snapshot.version(),
                        freshness: Freshness::Stale { since, why },
                    }),
                    None if options.stand_in => self.stand_in(snapshot, name.as_str(), why),
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
                self.guard(snapshot, id, name, failure);
            }
            (None, None) if snapshot.breakers().may_know(id) => {
                let breakers = snapshot.breakers();
                breakers.undecided(id, &digest, Instant::now(), &self.rest.rules);
            }
            // What was known to do better does not with this data, or was not looked for before.
            (Some(Substitute::Unknown), _) if substitute == Substitute::None => {
                snapshot.breakers().found_none(id, &digest);
            }
            _ => {}
        }
        let serving = match answer.as_ref().map(|rendered| &rendered.freshness) {
            Ok(Freshness::Stale { since, .. }) => Serving::LastGood(*since),
            Ok(Freshness::Fallback { .. } | Freshness::Current) => Serving::StandIn,
            Err(_) => Serving::Failure,
        };
        if answer.is_ok() {
            let rescued = matches!(serving, Serving::LastGood(_));
            self.rest.tally.failed_late(id, rescued);
        }
        self.report(snapshot, id, &closure, serving, late);
        answer
    }

    /// What the newest kept closure that differs and does better comes to. What did better before has a budget of its own and is tried
    /// first. Several bad edits may have come one after the other, so each is tried, bounded as a whole: a visitor's own data may be
    /// what is too much for each of them. Once one of them has used up a whole budget, the others get a part, so that a good one
    /// behind several that loop is reached.
    #[allow(clippy::too_many_arguments, reason = "all that a render is made of")]
    fn better(
        &self,
        snapshot: &Snapshot,
        id: TemplateId,
        closure: &Closure<'_>,
        failure: &RenderFailure,
        refused: Option<Substitute>,
        supply: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
    ) -> Option<FallbackRender> {
        // Data that is no context for one closure is none for another, unless it travels with the template.
        if matches!(failure, RenderFailure::Context(_)) && closure.companions().next().is_none() {
            return None;
        }
        let kept = || snapshot.earlier(id).chain(snapshot.former(id));
        let attempt = |since, closure: &Closure<'_>, effort| {
            let body = self.attempt(closure, supply, options, effort).ok()?;
            let closure = closure.digest();
            Some(FallbackRender { since, closure, body })
        };
        let costly = refused.is_some() || failure.costly().is_some();
        let known = match refused {
            // A search for each visitor would cost what the breaker is there to spare.
            Some(Substitute::None) => return None,
            None if costly => snapshot.breakers().substitute(id),
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
        let (begun, whole) = (Instant::now(), self.rest.limits.render_time());
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

    /// Remembers a fault that showed in a render, and says it once: to subscribers and in the log.
    pub(super) fn report(
        &self,
        snapshot: &Snapshot,
        id: TemplateId,
        closure: &Closure<'_>,
        serving: Serving,
        why: Arc<Why>,
    ) {
        let (template, closure) = (closure.top().name.clone(), closure.digest());
        // A render that began before the fault was repaired says nothing of what is served now.
        let current = self.current();
        if current.closure_digest(id) != Some(closure) {
            return;
        }
        let version = snapshot.version();
        let room = LateFaultLimits {
            templates: self.rest.limits.late_faults,
            each: self.rest.limits.source_diagnostics,
            bytes: self.rest.limits.late_faults_bytes,
        };
        let failure = Failure {
            template,
            version,
            serving,
            why,
            at: Instant::now(),
            closure,
        };
        let news = current.faults().failed(id, &failure, room);
        let Failure { template, why, .. } = failure;
        if news.for_all {
            self.rest.fault_log.failed_late(&why.diagnostics[0], version, serving);
        }
        if news.for_template {
            self.rest.teller.tell(Event::Fallback(Arc::new(Fallback {
                template,
                version,
                serving,
                why,
            })));
        }
    }
}
