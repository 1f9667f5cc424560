//! The render path: reads one immutable snapshot and returns text. Direct renders and the Renderer both use it.
//!
//! A render loads the current snapshot (one atomic pointer), looks up the entry, and runs its closure within a budget. If that succeeds, it
//! has taken no lock that a writer holds and done no I/O. If it fails and the template is to blame, the earlier closures of the entry are
//! tried with the same data, so that a bad edit does not reach visitors, even one that compiles; the fault is recorded and logged.
//!
//! This file is the path of a render that succeeds. An attempt and its budget are in `attempt.rs`, the answers in place of a failure in
//! `instead.rs` and `standin.rs`, the circuit breakers in `guard.rs`, the failures themselves in `failure.rs`.

mod attempt;
mod failure;
mod guard;
mod fallback;
mod standin;
mod context_source;
mod workspace;
mod judged;
mod shadow;
pub(crate) mod unserved;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tracing::level_filters::LevelFilter;

use crate::cause::Cause;
use crate::counters::{Recorder, RenderInProgress};
use crate::dialect::TemplateId;
use crate::events::{EventBus, WeakEventBus};
use crate::fault_log::FaultLog;
use crate::limits::Limits;
use crate::protocol::kept::VersionNotKept;
use crate::protocol::render::{Freshness, OnFailure, RenderFailure, RenderOptions, Rendered};
use crate::snapshot::{BreakerRules, EntryStatus, HolderKind, Scoped, Snapshot};
use crate::stages::Stages;
use crate::template::{Digest, Scope};
use crate::version::Version;

pub use context_source::{ContextSource, Serialized};
pub use standin::StandIn;

use attempt::AttemptBudget;
use failure::{no_tenant, not_found};
use fallback::FailedAttempt;

/// A reader of the served version. Clones share everything.
#[derive(Clone)]
pub(crate) struct Reader {
    served: Arc<ArcSwap<Snapshot>>,
    shared: Arc<ReaderShared>,
}

/// State that a look-up does not need, behind one pointer.
struct ReaderShared {
    limits: Arc<Limits>,
    rules: BreakerRules,
    on_failure: OnFailure,
    stand_in: StandIn,
    /// A weak reference, because handles own a reader and must not keep the event bus alive.
    events: WeakEventBus,
    fault_log: Arc<FaultLog>,
    recorder: Arc<Recorder>,
    stages: Arc<Stages>,
}

impl Reader {
    pub(crate) fn new(
        served: Arc<ArcSwap<Snapshot>>,
        limits: Arc<Limits>,
        (on_failure, stand_in): (OnFailure, StandIn),
        events: &EventBus,
        (fault_log, recorder): (Arc<FaultLog>, Arc<Recorder>),
        stages: Arc<Stages>,
    ) -> Self {
        let shared = ReaderShared {
            rules: BreakerRules::of(&limits),
            limits,
            on_failure,
            stand_in,
            events: events.weak(),
            fault_log,
            recorder,
            stages,
        };
        Self {
            served,
            shared: Arc::new(shared),
        }
    }

    /// Returns the current snapshot.
    pub(crate) fn current(&self) -> Arc<Snapshot> {
        self.served.load_full()
    }

    /// Returns the digest of the text that is served under a name now.
    #[inline]
    pub(crate) fn digest(&self, name: &str, id: Option<TemplateId>) -> Option<Digest> {
        let snapshot = self.served.load();
        let id = id.or_else(|| snapshot.id(name))?;
        let closure = snapshot.status(id).closure()?;
        Some(closure.top().digest)
    }

    /// Renders an entry of the current version.
    pub(crate) fn render(
        &self,
        name: &str,
        id: Option<TemplateId>,
        source: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        // A guard instead of a clone, so that readers on many threads do not contend for one reference count.
        let snapshot = self.served.load();
        self.render_in(&snapshot, name, id, source, options)
    }

    /// Renders an entry of one snapshot.
    pub(crate) fn render_in(
        &self,
        snapshot: &Snapshot,
        name: &str,
        id: Option<TemplateId>,
        source: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        let begun = self.shared.recorder.begin();
        let (id, result) = match place(snapshot, &options.scope) {
            Some(place) => {
                let id = id.filter(|_| place.scope().is_none()).or_else(|| find(place, name));
                let size = AttemptBudget::Whole;
                (id, self.answer_in_scope(begun, place, name, id, source, options, size))
            }
            None => (None, Err(no_tenant(name))),
        };
        self.shared.recorder.answered(begun, &result);
        self.shared.recorder.used(begun, id, &result);
        if let Err(failure) = &result {
            self.unanswered(Some(name), failure);
        }
        result
    }

    /// Logs a render that has no answer although no template is at fault. The caller that answers calls this once for each render.
    #[cold]
    pub(crate) fn unanswered(&self, name: Option<&str>, failure: &RenderFailure) {
        self.shared.fault_log.unanswered(name, failure);
    }

    /// Renders an entry of one snapshot within a small budget. Returns `None` if the budget does not suffice or the render fails. The
    /// render then has to run on the pool, where no other request waits for it. The caller counts the answer.
    pub(crate) fn render_briefly(
        &self,
        begun: RenderInProgress,
        snapshot: &Snapshot,
        name: &str,
        source: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
    ) -> Option<Result<Rendered, RenderFailure>> {
        let Some(place) = place(snapshot, &options.scope) else {
            return Some(Err(no_tenant(name)));
        };
        let id = find(place, name);
        // A stand-in is a template too, and may cost as much.
        let not_here = |id| place.breakers(id).is_some() || matches!(place.status(id), EntryStatus::Broken);
        if id.is_some_and(not_here) {
            return None;
        }
        let result = self.answer_in_scope(begun, place, name, id, source, options, AttemptBudget::Brief);
        if let Err(RenderFailure::Failed(_) | RenderFailure::Context(_)) = result {
            return None;
        }
        self.shared.recorder.used(begun, id, &result);
        Some(result)
    }

    /// Returns the id of a template if it is unproven: its closure exceeded the limits of a render in place, or failed at a high cost, and
    /// has not been rendered successfully since. Once its breaker is open it is not unproven, because only one render at a time tries it.
    pub(crate) fn unproven(&self, snapshot: Option<&Snapshot>, scope: &Scope, name: &str) -> Option<TemplateId> {
        let served = self.served.load();
        let place = place(snapshot.unwrap_or(&served), scope)?;
        let id = find(place, name)?;
        let breakers = place.breakers(id)?;
        let closure = place.status(id).closure()?;
        breakers.may_take_long(id, &closure.digest()).then_some(id)
    }

    /// Renders for a message that arrived at `begun`, from one snapshot or from the current one. The caller counts the answer, because the
    /// deadline may answer first.
    pub(crate) fn render_for_message(
        &self,
        begun: RenderInProgress,
        snapshot: Option<&Snapshot>,
        name: &str,
        source: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        let served = self.served.load();
        let snapshot = snapshot.unwrap_or(&served);
        let Some(place) = place(snapshot, &options.scope) else {
            return Err(no_tenant(name));
        };
        let id = find(place, name);
        let result = self.answer_in_scope(begun, place, name, id, source, options, AttemptBudget::Whole);
        self.shared.recorder.used(begun, id, &result);
        result
    }

    /// Renders an entry of the version that the options name, and names the render as a holder of that version.
    #[cold]
    fn answer_as_asked(
        &self,
        place: Scoped<'_>,
        name: &str,
        id: Option<TemplateId>,
        source: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
        size: AttemptBudget,
    ) -> Result<Rendered, RenderFailure> {
        let mut options = options.clone();
        let trace = options.trace.take();
        let snapshot = place.snapshot();
        let kept = match options.at.take().filter(|wanted| *wanted != snapshot.version()) {
            None => None,
            Some(wanted) => Some(snapshot.at(wanted).ok_or_else(|| VersionNotKept {
                wanted,
                kept: snapshot.kept_versions(),
            })?),
        };
        let snapshot = kept.as_deref().unwrap_or(snapshot);
        let _named = trace.and_then(|trace| snapshot.hold(HolderKind::Render, Cause::by(name).trace(&trace)));
        let Some(place) = self::place(snapshot, &options.scope) else {
            return Err(no_tenant(name));
        };
        self.answer(place, name, id, source, &options, size)
    }

    fn answer(
        &self,
        place: Scoped<'_>,
        name: &str,
        id: Option<TemplateId>,
        source: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
        size: AttemptBudget,
    ) -> Result<Rendered, RenderFailure> {
        if options.at.is_some() || options.trace.is_some() {
            return self.answer_as_asked(place, name, id, source, options, size);
        }
        let version = place.snapshot().version();
        // The level is checked here first: a disabled span then costs one comparison instead of five.
        let _span = (LevelFilter::current() >= LevelFilter::DEBUG)
            .then(|| tracing::debug_span!("render", name, version = version.number()).entered());
        let answer = |body, freshness| Rendered {
            body,
            version,
            freshness,
        };
        let Some(id) = id else {
            return Err(not_found(place, name));
        };
        let (closure, freshness) = match place.status(id) {
            EntryStatus::Current(closure) => (closure, Freshness::Current),
            EntryStatus::Stale { closure, since } => (closure, stale(place, id, since)),
            EntryStatus::Broken => {
                let why = place.why(id).ok_or_else(|| not_found(place, name))?;
                return self.stand_in(place, name, why);
            }
            // The name has an id because another template calls it.
            EntryStatus::Gone => match equivalent(place, name).filter(|other| *other != id) {
                Some(other) => return self.answer(place, name, Some(other), source, options, size),
                None => return Err(not_found(place, name)),
            },
        };
        // This check is the whole cost of breakers and late faults for a template without faults.
        let guarded = place.breakers(id).is_some();
        let watched = guarded | place.watching(id).is_some();
        if guarded && let Some((error, substitute)) = self.refused(place, id, &closure) {
            let failed = FailedAttempt {
                place,
                id,
                closure,
                freshness,
                failure: RenderFailure::Failed(*error),
                refused: Some(substitute),
            };
            return self.fall_back(failed, source, options);
        }
        let mut budget = self.budget(options, size);
        let began = watched.then(Instant::now);
        match self.attempt_within(&mut budget, &closure, source, options) {
            Ok(body) => {
                if let Some(began) = began {
                    let limits = &self.shared.limits;
                    let brief = budget.steps_taken() <= limits.inline_steps
                        && began.elapsed() <= Duration::from_millis(limits.inline_ms);
                    self.record_success(place, id, &closure, &freshness, brief);
                }
                Ok(answer(body, freshness))
            }
            Err(failure) => {
                let failed = FailedAttempt {
                    place,
                    id,
                    closure,
                    freshness,
                    failure,
                    refused: None,
                };
                match size {
                    AttemptBudget::Whole => self.fall_back(failed, source, options),
                    AttemptBudget::Brief | AttemptBudget::Part => Err(self.broken_off(failed)),
                }
            }
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("version", &self.current().version())
            .finish_non_exhaustive()
    }
}

/// Returns the freshness of a stale template. The reason is searched for in each render; it is usually one call away.
#[cold]
fn stale(place: Scoped<'_>, id: TemplateId, since: Version) -> Freshness {
    let why = place.why(id);
    why.map_or(Freshness::Current, |why| Freshness::Stale { since, why })
}

/// Returns the id of a name, or of a canonically equivalent name (Unicode NFC or NFD).
#[inline]
fn find(place: Scoped<'_>, name: &str) -> Option<TemplateId> {
    place.id(name).or_else(|| equivalent(place, name))
}

/// Returns a snapshot as a scope sees it, if its tenant exists.
#[inline]
fn place<'s>(snapshot: &'s Snapshot, scope: &'s Scope) -> Option<Scoped<'s>> {
    match scope.is_shared_stable() {
        true => Some(snapshot.everyone()),
        false => snapshot.scoped(scope),
    }
}

/// Returns the id of a canonically equivalent name (Unicode NFC or NFD).
#[cold]
fn equivalent(place: Scoped<'_>, name: &str) -> Option<TemplateId> {
    place.equivalent(name).and_then(|name| place.id(name.as_str()))
}
