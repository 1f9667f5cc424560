//! The one render path: reads one immutable snapshot, answers text. The Renderer and the direct reader both use it.
//!
//! A render that succeeds takes no lock that a writer holds and does no I/O. One that fails for a reason that lies in the template is
//! tried again with what the entry was before, with the same context: a bad edit does not reach visitors, even one that compiles. It is
//! also remembered and logged; the lock of the remembered faults is held by the Registry only while it goes through them.

mod standin;
mod supply;
mod workspace;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tracing::level_filters::LevelFilter;

use crate::budget::{Budget, Exceeded};
use crate::counters::{Begun, Tally};
use crate::diagnostic::Diagnostic;
use crate::dialect::{Body, Closure, Escape, Frame, RenderError, RenderFault, TemplateId};
use crate::events::{Event, Fallback, Teller, WeakTeller};
use crate::fault_log::FaultLog;
use crate::likeness::likeness;
use crate::limits::Limits;
use crate::protocol::render::{Freshness, OnFailure, RenderFailure, RenderOptions, Rendered};
use crate::snapshot::{
    BreakerRules, CostlyFailure, Course, LateFault, Room, Serving, Snapshot, Standing, Substitute, Why,
};
use crate::supervision::contain;
use crate::template::{Digest, TemplateName};
use crate::version::Version;

pub use standin::StandIn;
pub use supply::{Given, Supply};

use workspace::Workspace;

impl RenderFailure {
    /// The error, where it is of a kind that costs much before it shows, or may: such a closure is not tried each time.
    fn costly(&self) -> Option<&RenderError> {
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

/// How much an attempt to render may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// A whole budget.
    Whole,
    /// What may be done in a thread that others wait for.
    Brief,
    /// A part of a budget, where several share it.
    Part,
}

/// Into how many parts a budget is divided among kept versions that are tried one after the other.
const PARTS: u32 = 8;

/// Reads what is served. A clone reads the same.
#[derive(Clone)]
pub(crate) struct Reader {
    served: Arc<ArcSwap<Snapshot>>,
    rest: Arc<Rest>,
}

/// What a look-up does not need.
struct Rest {
    limits: Arc<Limits>,
    rules: BreakerRules,
    on_failure: OnFailure,
    stand_in: StandIn,
    /// Weak, for handles keep this.
    teller: WeakTeller,
    fault_log: Arc<FaultLog>,
    tally: Arc<Tally>,
}

impl Reader {
    pub(crate) fn new(
        served: Arc<ArcSwap<Snapshot>>,
        limits: Arc<Limits>,
        on_failure: OnFailure,
        stand_in: StandIn,
        teller: &Teller,
        fault_log: Arc<FaultLog>,
        tally: Arc<Tally>,
    ) -> Self {
        let rest = Rest {
            rules: BreakerRules::of(&limits),
            limits,
            on_failure,
            stand_in,
            teller: teller.weak(),
            fault_log,
            tally,
        };
        Self {
            served,
            rest: Arc::new(rest),
        }
    }

    /// What is served now.
    pub(crate) fn current(&self) -> Arc<Snapshot> {
        self.served.load_full()
    }

    /// The digest of the text that is served under a name now.
    #[inline]
    pub(crate) fn digest(&self, name: &str, id: Option<TemplateId>) -> Option<Digest> {
        let snapshot = self.served.load();
        let id = id.or_else(|| snapshot.id(name))?;
        let closure = snapshot.standing(id).closure()?;
        Some(closure.top().digest)
    }

    /// Renders an entry of what is served now.
    pub(crate) fn render(
        &self,
        name: &str,
        id: Option<TemplateId>,
        supply: &(impl Supply + ?Sized),
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        // A guard, not a clone: thousands of readers at once must not fight over one counter.
        let snapshot = self.served.load();
        self.render_in(&snapshot, name, id, supply, options)
    }

    /// Renders an entry of one snapshot.
    pub(crate) fn render_in(
        &self,
        snapshot: &Snapshot,
        name: &str,
        id: Option<TemplateId>,
        supply: &(impl Supply + ?Sized),
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        let begun = self.rest.tally.begin();
        let id = id.or_else(|| find(snapshot, name));
        let result = self.answer(snapshot, name, id, supply, options, Effort::Whole);
        self.rest.tally.answered(begun, &result);
        self.rest.tally.used(begun, id, &result);
        result
    }

    /// Renders an entry of one snapshot as far as that takes a short time and succeeds; `None` where the rest has to be done where it
    /// holds up nobody. What is answered is counted by whoever answers.
    pub(crate) fn render_briefly(
        &self,
        begun: Begun,
        snapshot: &Snapshot,
        name: &str,
        supply: &(impl Supply + ?Sized),
        options: &RenderOptions,
    ) -> Option<Result<Rendered, RenderFailure>> {
        let id = find(snapshot, name);
        // A stand-in is a template too, and may cost as much.
        let not_here =
            |id| snapshot.breakers().may_know(id) || matches!(snapshot.standing(id), Standing::Broken { .. });
        if id.is_some_and(not_here) {
            return None;
        }
        let result = self.answer(snapshot, name, id, supply, options, Effort::Brief);
        if let Err(RenderFailure::Failed(_) | RenderFailure::Context(_)) = result {
            return None;
        }
        self.rest.tally.used(begun, id, &result);
        Some(result)
    }

    /// Renders for a message that came in at `begun`, of one snapshot or of what is served now. What is answered is counted by whoever
    /// answers, which may be a deadline.
    pub(crate) fn render_for_message(
        &self,
        begun: Begun,
        snapshot: Option<&Snapshot>,
        name: &str,
        supply: &(impl Supply + ?Sized),
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        let served = self.served.load();
        let snapshot = snapshot.unwrap_or(&served);
        let id = find(snapshot, name);
        let result = self.answer(snapshot, name, id, supply, options, Effort::Whole);
        self.rest.tally.used(begun, id, &result);
        result
    }

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

    fn answer(
        &self,
        snapshot: &Snapshot,
        name: &str,
        id: Option<TemplateId>,
        supply: &(impl Supply + ?Sized),
        options: &RenderOptions,
        effort: Effort,
    ) -> Result<Rendered, RenderFailure> {
        let version = snapshot.version();
        // Asked here first: a span that nobody wants costs a comparison so, and five times that without.
        let _span = (LevelFilter::current() >= LevelFilter::DEBUG)
            .then(|| tracing::debug_span!("render", name, version = version.number()).entered());
        let answer = |body, freshness| Rendered {
            body,
            version,
            freshness,
        };
        let Some(id) = id else {
            return Err(not_found(snapshot, name));
        };
        let (closure, freshness) = match snapshot.standing(id) {
            Standing::Current(closure) => (closure, Freshness::Current),
            Standing::Stale { closure, since, why } => (
                closure,
                Freshness::Stale {
                    since,
                    why: Arc::clone(why),
                },
            ),
            Standing::Broken { why } => return self.stand_in(snapshot, name, Arc::clone(why)),
            // Somebody calls it by this name.
            Standing::Gone => match equivalent(snapshot, name).filter(|other| *other != id) {
                Some(other) => return self.answer(snapshot, name, Some(other), supply, options, effort),
                None => return Err(not_found(snapshot, name)),
            },
        };
        // Asked once: it is all that this costs a template that is well.
        let watched = snapshot.breakers().may_know(id);
        if watched && let Some((error, substitute)) = self.refused(snapshot, id, &closure) {
            let failed = Failed {
                snapshot,
                id,
                closure,
                freshness,
                failure: RenderFailure::Failed(*error),
                refused: Some(substitute),
            };
            return self.instead(failed, supply, options);
        }
        match self.attempt(&closure, supply, options, effort) {
            Ok(body) => {
                if watched {
                    self.rendered_well(snapshot, id, &closure);
                }
                Ok(answer(body, freshness))
            }
            Err(failure) => {
                let failed = Failed {
                    snapshot,
                    id,
                    closure,
                    freshness,
                    failure,
                    refused: None,
                };
                match effort {
                    Effort::Whole => self.instead(failed, supply, options),
                    Effort::Brief | Effort::Part => Err(self.broken_off(failed)),
                }
            }
        }
    }

    /// What is known instead of rendering a closure whose breaker is open.
    #[cold]
    fn refused(
        &self,
        snapshot: &Snapshot,
        id: TemplateId,
        closure: &Closure<'_>,
    ) -> Option<(Box<RenderError>, Substitute)> {
        let course = snapshot
            .breakers()
            .course(id, &closure.digest(), Instant::now(), &self.rest.rules);
        match course {
            Course::Attempt => None,
            Course::Instead(error, substitute) => Some((error, substitute)),
        }
    }

    /// Closes the breaker of a closure that renders after all.
    #[cold]
    fn rendered_well(&self, snapshot: &Snapshot, id: TemplateId, closure: &Closure<'_>) {
        let breakers = snapshot.breakers();
        if breakers.succeeded(id, &closure.digest(), &self.rest.rules) {
            self.rest.fault_log.tried_again(&closure.top().name);
        }
    }

    /// What a render comes to that is only tried: it is not answered unless it is nobody's fault.
    #[cold]
    fn broken_off(&self, failed: Failed<'_>) -> RenderFailure {
        if let RenderFailure::Failed(error) = &failed.failure
            && error.fault == RenderFault::Budget(Exceeded::Part)
        {
            let closure = failed.closure.digest();
            let breakers = failed.snapshot.breakers();
            if self.current().closure_digest(failed.id) == Some(closure) {
                breakers.slow(failed.id, &closure, Instant::now(), &self.rest.rules);
            }
        } else if failed.why().is_none() {
            let name = failed.closure.top().name.as_str();
            self.rest.fault_log.unanswered(Some(name), &failed.failure);
        }
        failed.failure
    }

    /// Counts a failure that costs much, unless it says nothing of what is served now.
    fn guard(&self, snapshot: &Snapshot, id: TemplateId, template: &TemplateName, failure: CostlyFailure<'_>) {
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

    /// Answers in place of a render that failed.
    #[cold]
    fn instead(
        &self,
        failed: Failed<'_>,
        supply: &(impl Supply + ?Sized),
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        let Some(late) = failed.why() else {
            let name = failed.closure.top().name.as_str();
            self.rest.fault_log.unanswered(Some(name), &failed.failure);
            let (breakers, id) = (failed.snapshot.breakers(), failed.id);
            if breakers.may_know(id) {
                breakers.undecided(id, &failed.closure.digest(), Instant::now(), &self.rest.rules);
            }
            return Err(failed.failure);
        };
        let Failed {
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
                    Some(Better { since, body, .. }) => Ok(Rendered {
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
            self.rest.tally.failed_late(id, &late.diagnostics[0], rescued);
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
        supply: &(impl Supply + ?Sized),
        options: &RenderOptions,
    ) -> Option<Better> {
        // Data that is no context for one closure is none for another, unless it travels with the template.
        if matches!(failure, RenderFailure::Context(_)) && closure.companions().next().is_none() {
            return None;
        }
        let kept = || snapshot.earlier(id).chain(snapshot.former(id));
        let attempt = |since, closure: &Closure<'_>, effort| {
            let body = self.attempt(closure, supply, options, effort).ok()?;
            let closure = closure.digest();
            Some(Better { since, closure, body })
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
            let better = attempt(since, &closure, Effort::Whole);
            if better.is_some() || refused.is_some() {
                return better;
            }
        }
        let (begun, whole) = (Instant::now(), self.rest.limits.render_time());
        kept()
            .take_while(|_| begun.elapsed() < 2 * whole)
            .find_map(|(since, closure)| {
                let used_up = refused.is_some() || begun.elapsed() >= whole / PARTS;
                attempt(since, &closure, if used_up { Effort::Part } else { Effort::Whole })
            })
    }

    /// Remembers a fault that showed in a render, and says it once: to subscribers and in the log.
    fn report(&self, snapshot: &Snapshot, id: TemplateId, closure: &Closure<'_>, serving: Serving, why: Arc<Why>) {
        let (template, closure) = (closure.top().name.clone(), closure.digest());
        // A render that began before the fault was repaired says nothing of what is served now.
        let current = self.current();
        if current.closure_digest(id) != Some(closure) {
            return;
        }
        let version = snapshot.version();
        let room = Room {
            templates: self.rest.limits.late_faults,
            each: self.rest.limits.source_diagnostics,
        };
        let fault = LateFault {
            template: template.clone(),
            version,
            serving,
            whys: vec![Arc::clone(&why)],
            last: Instant::now(),
            closure,
        };
        let news = current.failed_late(id, fault, room);
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

    /// Renders one closure with a budget of its own.
    fn attempt(
        &self,
        closure: &Closure<'_>,
        supply: &(impl Supply + ?Sized),
        options: &RenderOptions,
        effort: Effort,
    ) -> Result<String, RenderFailure> {
        let limits = &*self.rest.limits;
        let mut budget = Budget::new(limits, options.deadline, options.cancel.clone());
        match effort {
            Effort::Whole => {}
            Effort::Brief => budget = budget.part(limits.inline_steps, Duration::from_millis(limits.inline_ms)),
            Effort::Part => budget = budget.part(limits.render_steps / u64::from(PARTS), limits.render_time() / PARTS),
        }
        if options.deadline.is_some() || options.cancel.is_some() {
            budget.check(Instant::now()).map_err(RenderFailure::Timeout)?;
        }
        let top = closure.top();
        Workspace::with(|arena, room| {
            let body = Body::within(std::mem::take(room), budget.output_bytes, 0);
            let mut frame = Frame::writing_to(body, &mut budget, Escape::of(&top.name), options.missing);
            // What the user's `Serialize` and a dialect of the user's do is contained; a formatter is contained where it is called.
            let rendered = contain(|| {
                let context = supply.supply(closure, arena, limits)?;
                Ok(top.unit.render(closure, &context, &mut frame)?)
            });
            let result = match rendered {
                Ok(Ok(())) => Ok(frame.body.to_text()),
                Ok(Err(failure)) => Err(failure),
                Err(said) => Err(panicked(&said, &top.name)),
            };
            *room = frame.body.into_room();
            result
        })
    }

    /// The answer for an entry that has no good version: a template of the user's, or the built-in last resort.
    fn stand_in(&self, snapshot: &Snapshot, name: &str, why: Arc<Why>) -> Result<Rendered, RenderFailure> {
        let entry = TemplateName::new(name).map_err(|_| not_found(snapshot, name))?;
        if self.rest.on_failure == OnFailure::Return {
            return Err(RenderFailure::Broken { name: entry, why });
        }
        let version = snapshot.version();
        let context = standin::About {
            name,
            version: version.number(),
            status: 503,
        };
        let configured = self
            .rest
            .stand_in
            .template
            .as_ref()
            .filter(|template| Escape::of(template) == Escape::of(&entry));
        let body = configured
            .and_then(|template| self.stand_in_body(snapshot, template, &context))
            .unwrap_or_else(|| standin::last_resort(&entry).to_owned());
        Ok(Rendered {
            body,
            version,
            freshness: Freshness::Fallback { why },
        })
    }

    /// Renders the template that stands in. It has a last good version like any other, and its faults are said.
    fn stand_in_body(
        &self,
        snapshot: &Snapshot,
        template: &TemplateName,
        about: &standin::About<'_>,
    ) -> Option<String> {
        let id = snapshot.id(template.as_str())?;
        let closure = snapshot.standing(id).closure()?;
        let options = RenderOptions::default();
        let render = |closure: &Closure<'_>| self.attempt(closure, &Given(about), &options, Effort::Part);
        let failure = match render(&closure) {
            Ok(body) => return Some(body),
            Err(failure) => failure,
        };
        let failed = Failed {
            snapshot,
            id,
            closure,
            freshness: Freshness::Current,
            failure,
            refused: None,
        };
        let kept = snapshot.earlier(id).chain(snapshot.former(id));
        let better = kept
            .take(standin::TRIED_MAX)
            .find_map(|(since, closure)| Some((since, render(&closure).ok()?)));
        if let Some(why) = failed.why() {
            let serving = better
                .as_ref()
                .map_or(Serving::StandIn, |(since, _)| Serving::LastGood(*since));
            self.report(snapshot, id, &failed.closure, serving, why);
        }
        better.map(|(_, body)| body)
    }
}

/// A render that failed.
struct Failed<'s> {
    snapshot: &'s Snapshot,
    id: TemplateId,
    closure: Closure<'s>,
    /// The standing of the closure.
    freshness: Freshness,
    failure: RenderFailure,
    /// Its breaker is open, so that it was not even tried; and what is known to stand in.
    refused: Option<Substitute>,
}

/// What did better.
struct Better {
    since: Version,
    closure: Digest,
    body: String,
}

impl Failed<'_> {
    /// Returns the fault, if the template or its data is to blame, and not the caller.
    fn why(&self) -> Option<Arc<Why>> {
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

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("version", &self.current().version())
            .finish_non_exhaustive()
    }
}

#[cold]
fn panicked(said: &str, template: &TemplateName) -> RenderFailure {
    let diagnostic = Diagnostic::error("render-panicked", format!("the render panicked: {said}"));
    RenderFailure::Failed(RenderError::new(
        RenderFault::Internal,
        diagnostic.in_template(template),
    ))
}

/// Names that are compared with one that is not there: a visitor may ask for anything.
const NEAR_NAMES_MAX: usize = 2_000;

/// The entry of a name, or the one that is meant by it in other code points.
#[inline]
fn find(snapshot: &Snapshot, name: &str) -> Option<TemplateId> {
    snapshot.id(name).or_else(|| equivalent(snapshot, name))
}

/// The entry that is meant by a name in other code points.
#[cold]
fn equivalent(snapshot: &Snapshot, name: &str) -> Option<TemplateId> {
    snapshot.equivalent(name).and_then(|name| snapshot.id(name.as_str()))
}

fn not_found(snapshot: &Snapshot, name: &str) -> RenderFailure {
    let shown: String = name.chars().take(200).collect();
    let nearest = nearest(snapshot, &shown);
    RenderFailure::NotFound { name: shown, nearest }
}

/// A template with a name much like one that is not there.
fn nearest(snapshot: &Snapshot, shown: &str) -> Option<TemplateName> {
    let near = |name: &TemplateName| likeness(shown, name.as_str());
    let named = snapshot
        .entries()
        .take(NEAR_NAMES_MAX)
        .filter_map(|(_, other, _)| Some((near(other)?, other)));
    named.min().map(|(_, other)| other.clone())
}
