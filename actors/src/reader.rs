//! The one render path: reads one immutable snapshot, answers text. The Renderer and the direct reader both use it.
//!
//! A render that succeeds takes no lock that a writer holds and does no I/O. One that fails for a reason that lies in the template is
//! tried again with what the entry was before, with the same context: a bad edit does not reach visitors, even one that compiles. It is
//! also remembered, without a lock (`snapshot/late.rs`), and logged.
//!
//! Here is the path of a render that succeeds. What else there is to it has files of its own: an attempt with its budget (`attempt.rs`), the
//! answers in place of a failure (`instead.rs`, `standin.rs`), the circuit breakers (`guard.rs`), the words (`answer.rs`, `failure.rs`).

mod attempt;
mod failure;
mod guard;
mod instead;
mod standin;
mod context_source;
mod workspace;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tracing::level_filters::LevelFilter;

use crate::counters::{Recorder, RenderInProgress};
use crate::dialect::TemplateId;
use crate::events::{EventBus, WeakEventBus};
use crate::fault_log::FaultLog;
use crate::limits::Limits;
use crate::protocol::render::{Freshness, OnFailure, RenderFailure, RenderOptions, Rendered};
use crate::snapshot::{BreakerRules, Snapshot, Standing};
use crate::template::Digest;

pub use context_source::{ContextSource, Serialized};
pub use standin::StandIn;

use attempt::AttemptBudget;
use failure::not_found;
use instead::FailedAttempt;

/// Reads what is served. A clone reads the same.
#[derive(Clone)]
pub(crate) struct Reader {
    served: Arc<ArcSwap<Snapshot>>,
    rest: Arc<ReaderShared>,
}

/// What a look-up does not need.
struct ReaderShared {
    limits: Arc<Limits>,
    rules: BreakerRules,
    on_failure: OnFailure,
    stand_in: StandIn,
    /// Weak, for handles keep this.
    teller: WeakEventBus,
    fault_log: Arc<FaultLog>,
    tally: Arc<Recorder>,
}

impl Reader {
    pub(crate) fn new(
        served: Arc<ArcSwap<Snapshot>>,
        limits: Arc<Limits>,
        on_failure: OnFailure,
        stand_in: StandIn,
        teller: &EventBus,
        fault_log: Arc<FaultLog>,
        tally: Arc<Recorder>,
    ) -> Self {
        let rest = ReaderShared {
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
        supply: &(impl ContextSource + ?Sized),
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
        supply: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        let begun = self.rest.tally.begin();
        let id = id.or_else(|| find(snapshot, name));
        let result = self.answer(snapshot, name, id, supply, options, AttemptBudget::Whole);
        self.rest.tally.answered(begun, &result);
        self.rest.tally.used(begun, id, &result);
        if let Err(failure) = &result {
            self.unanswered(Some(name), failure);
        }
        result
    }

    /// Logs that whoever asked for a render has no answer, where no template is to blame. To be called once for each, by who answers.
    #[cold]
    pub(crate) fn unanswered(&self, name: Option<&str>, failure: &RenderFailure) {
        self.rest.fault_log.unanswered(name, failure);
    }

    /// Renders an entry of one snapshot as far as that takes a short time and succeeds; `None` where the rest has to be done where it
    /// holds up nobody. What is answered is counted by whoever answers.
    pub(crate) fn render_briefly(
        &self,
        begun: RenderInProgress,
        snapshot: &Snapshot,
        name: &str,
        supply: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
    ) -> Option<Result<Rendered, RenderFailure>> {
        let id = find(snapshot, name);
        // A stand-in is a template too, and may cost as much.
        let not_here =
            |id| snapshot.breakers().may_know(id) || matches!(snapshot.standing(id), Standing::Broken { .. });
        if id.is_some_and(not_here) {
            return None;
        }
        let result = self.answer(snapshot, name, id, supply, options, AttemptBudget::Brief);
        if let Err(RenderFailure::Failed(_) | RenderFailure::Context(_)) = result {
            return None;
        }
        self.rest.tally.used(begun, id, &result);
        Some(result)
    }

    /// Returns the template of a name if its renders may take long: its closure took longer than what is rendered in place, or failed in a
    /// way that costs much, and was not rendered well since. Once its breaker is open, only one render at a time takes long.
    pub(crate) fn unproven(&self, snapshot: Option<&Snapshot>, name: &str) -> Option<TemplateId> {
        let served = self.served.load();
        let snapshot = snapshot.unwrap_or(&served);
        let id = find(snapshot, name).filter(|id| snapshot.breakers().may_know(*id))?;
        let closure = snapshot.standing(id).closure()?;
        snapshot.breakers().may_take_long(id, &closure.digest()).then_some(id)
    }

    /// Renders for a message that came in at `begun`, of one snapshot or of what is served now. What is answered is counted by whoever
    /// answers, which may be a deadline.
    pub(crate) fn render_for_message(
        &self,
        begun: RenderInProgress,
        snapshot: Option<&Snapshot>,
        name: &str,
        supply: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        let served = self.served.load();
        let snapshot = snapshot.unwrap_or(&served);
        let id = find(snapshot, name);
        let result = self.answer(snapshot, name, id, supply, options, AttemptBudget::Whole);
        self.rest.tally.used(begun, id, &result);
        result
    }

    fn answer(
        &self,
        snapshot: &Snapshot,
        name: &str,
        id: Option<TemplateId>,
        supply: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
        effort: AttemptBudget,
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
        let guarded = snapshot.breakers().may_know(id);
        let watched = guarded | snapshot.faults().may_watch(id);
        if guarded && let Some((error, substitute)) = self.refused(snapshot, id, &closure) {
            let failed = FailedAttempt {
                snapshot,
                id,
                closure,
                freshness,
                failure: RenderFailure::Failed(*error),
                refused: Some(substitute),
            };
            return self.instead(failed, supply, options);
        }
        let mut budget = self.budget(options, effort);
        let began = watched.then(Instant::now);
        match self.attempt_within(&mut budget, &closure, supply, options) {
            Ok(body) => {
                if let Some(began) = began {
                    let limits = &self.rest.limits;
                    let brief = budget.steps_taken() <= limits.inline_steps
                        && began.elapsed() <= Duration::from_millis(limits.inline_ms);
                    self.rendered_well(snapshot, id, &closure, &freshness, brief);
                }
                Ok(answer(body, freshness))
            }
            Err(failure) => {
                let failed = FailedAttempt {
                    snapshot,
                    id,
                    closure,
                    freshness,
                    failure,
                    refused: None,
                };
                match effort {
                    AttemptBudget::Whole => self.instead(failed, supply, options),
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
