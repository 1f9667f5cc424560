//! The Registry: the only writer of what is served.
//!
//! A publication has these steps, in this order:
//!
//! 1. **Decide.** [`publish`] computes the next state from the accepted state and a plan. It is a pure function on persistent data, so a
//!    fault at this point changes nothing.
//! 2. **Commit** the new state to the vault, together with the graph of its templates. From here on it survives a fault of the Registry, which stores the committed snapshot again
//!    when it restarts.
//! 3. **Swap** the pointer that readers load. A batch becomes visible in this one step.
//! 4. **Report** the version: the faults that it ends, log lines, counters and events. Then reply.

pub mod history;
mod answered;
pub mod publish;
mod report;
mod scope_report;
mod restore;
mod stages;
pub mod state;

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

use crate::accepted::{AcceptedState, TextGraph};
use crate::audit::progress::AuditProgress;
use crate::audit::record::{AuditAction, AuditRecord};
use crate::cause::Cause;
use crate::counters::Recorder;
use crate::events::{Event, EventBus, Fallback, Fixed, Published, Serving};
use crate::fault_log::FaultLog;
use crate::limits::Limits;
use crate::protocol::kept::VersionOrigin;
use crate::protocol::messages::{
    BatchOutcome, CommandOptions, Compare, CompareError, CurrentSnapshot, History, KeepVersion, KeptVersions,
    PublishBatch, RestoreVersion, Resume, RollBack, RolledBack, VersionConflict,
};
use crate::protocol::report::{Effects, Report};
use crate::snapshot::{Compared, Snapshot};
use crate::stages::Stages;
use crate::supervision::{Behavior, Fenced, Serve, Started, Unavailable, Vault};
use crate::template::{Layer, Stage};
use crate::version::Version;
use crate::wall_clock::now_ms;

pub(crate) use answered::AnsweredState;
use history::{Changed, Resumed};
use publish::Decision;
use restore::restore;
use state::RegistryState;

/// The configuration and shared state of a Registry, which outlive a fault of it. `G` is the graph, which the Registry stores without
/// reading it.
#[derive(Clone)]
pub(crate) struct RegistryConfig<G> {
    /// The accepted state, with the graph from which the Graph continues.
    pub(crate) accepted: Vault<AcceptedState<AnsweredState, G>>,
    /// The snapshot that readers load.
    pub(crate) served: Arc<ArcSwap<Snapshot>>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) events: EventBus,
    pub(crate) fault_log: Arc<FaultLog>,
    pub(crate) recorder: Arc<Recorder>,
    /// The progress of the audit log; `None` if there is none.
    pub(crate) audit: Option<Arc<AuditProgress>>,
    /// The stages other than stable, to which decisions are applied.
    pub(crate) stages: Arc<Stages>,
    /// Called after each commit, so that the state is stored. It never waits.
    pub(crate) committed: Arc<dyn Fn() + Send + Sync>,
}

/// The number of scopes of which the log of a version names the first fault.
const LOGGED_SCOPES_MAX: usize = 10;

/// The effect of a command of an operator.
enum CommandEffect<G> {
    /// A new version.
    Published(Box<Changed<G>>),
    /// Another graph, under the version that is served.
    Accepted(G, RolledBack),
    /// None.
    None(RolledBack),
}

/// The part of a record for the audit log that is not in the state.
#[derive(Default)]
struct Note<'r> {
    action: AuditAction,
    /// The version that was served before.
    before: Version,
    /// The differences, if another version is served.
    report: Option<&'r Arc<Report>>,
    /// The cause, unless the report has it.
    cause: Cause,
    /// The reason of a refusal.
    refused: Option<String>,
    /// The layer of the stage that it is about.
    stage: Option<Layer>,
}

impl<'r> Note<'r> {
    fn published(action: AuditAction, before: Version, report: &'r Arc<Report>) -> Self {
        Self {
            action,
            before,
            report: Some(report),
            ..Self::default()
        }
    }

    fn unpublished(action: AuditAction, before: Version, cause: Cause, refused: Option<String>) -> Self {
        Self {
            action,
            before,
            cause,
            refused,
            ..Self::default()
        }
    }
}

/// The behaviour of the Registry.
pub(crate) struct Registry<G>(RegistryConfig<G>);

impl<G: TextGraph + Clone + Unpin + 'static> Behavior for Registry<G> {
    type Config = RegistryConfig<G>;

    /// Stores the committed snapshot, in case the last incarnation failed between commit and swap.
    fn start(setup: &RegistryConfig<G>) -> Started<Self> {
        let committed = setup.accepted.draft().registry.state.snapshot().clone();
        if committed.version() != setup.served.load().version() {
            setup.served.store(committed);
        }
        (setup.committed)();
        setup.stages.apply(&setup.accepted.draft().stages);
        Ok(Self(RegistryConfig {
            accepted: setup.accepted.open(),
            ..setup.clone()
        }))
    }
}

impl<G: TextGraph + Clone + Unpin + 'static> Serve<PublishBatch<G>> for Registry<G> {
    async fn serve(&mut self, batch: PublishBatch<G>) -> BatchOutcome {
        self.publish(batch)
            .unwrap_or_else(|fenced| BatchOutcome::Lost(fenced.to_string()))
    }
}

impl<G: TextGraph + Clone + Unpin + 'static> Serve<RestoreVersion<G>> for Registry<G> {
    async fn serve(&mut self, stored: RestoreVersion<G>) -> BatchOutcome {
        self.restore(stored)
            .unwrap_or_else(|fenced| BatchOutcome::Lost(fenced.to_string()))
    }
}

impl<G: TextGraph + Clone + Unpin + 'static> Serve<KeepVersion<G>> for Registry<G> {
    async fn serve(&mut self, stored: KeepVersion<G>) -> BatchOutcome {
        self.keep(stored)
            .unwrap_or_else(|fenced| BatchOutcome::Lost(fenced.to_string()))
    }
}

impl<G: TextGraph + Clone + Unpin + 'static> Serve<RollBack> for Registry<G> {
    async fn serve(&mut self, command: RollBack) -> Result<RolledBack, Unavailable> {
        let RollBack { to, command } = command;
        let (limits, cause) = (Arc::clone(&self.0.limits), command.cause.clone());
        self.command(command, true, |state, graph| {
            match history::roll_back(state, graph, to, &cause, &limits) {
                Ok(changed) => CommandEffect::Published(Box::new(changed)),
                Err(answer) => CommandEffect::None(answer),
            }
        })
    }
}

impl<G: TextGraph + Clone + Unpin + 'static> Serve<Resume> for Registry<G> {
    async fn serve(&mut self, command: Resume) -> Result<RolledBack, Unavailable> {
        let limits = Arc::clone(&self.0.limits);
        self.command(command.command, false, |state, graph| {
            let unchanged = RolledBack::Unchanged(state.snapshot().version());
            match history::resume(state, graph, &limits) {
                Resumed::Nothing => CommandEffect::None(unchanged),
                Resumed::Published(changed) => CommandEffect::Published(changed),
                Resumed::Unchanged(graph) => CommandEffect::Accepted(graph, unchanged),
                Resumed::Refused(reason) => CommandEffect::None(RolledBack::Refused(reason)),
            }
        })
    }
}

impl<G: TextGraph + Clone + Unpin + 'static> Serve<CurrentSnapshot> for Registry<G> {
    async fn serve(&mut self, _: CurrentSnapshot) -> Result<Arc<Snapshot>, Unavailable> {
        Ok(self.0.accepted.draft().registry.state.snapshot().clone())
    }
}

impl<G: TextGraph + Clone + Unpin + 'static> Serve<History> for Registry<G> {
    async fn serve(&mut self, _: History) -> Result<KeptVersions, Unavailable> {
        let accepted = self.0.accepted.draft();
        Ok(KeptVersions {
            versions: history::kept(&accepted.registry.state),
            stored: Vec::new(),
            waiting: accepted.graph.waiting_templates(self.0.limits.event_names),
        })
    }
}

impl<G: TextGraph + Clone + Unpin + 'static> Serve<Compare> for Registry<G> {
    async fn serve(&mut self, asked: Compare) -> Result<Compared, CompareError> {
        let accepted = self.0.accepted.draft();
        let source = || accepted.graph.source_texts();
        Ok(history::compare(
            &accepted.registry.state,
            asked.from,
            asked.to,
            source,
        )?)
    }
}

impl<G: TextGraph + Clone> Registry<G> {
    fn publish(&self, batch: PublishBatch<G>) -> Result<BatchOutcome, Fenced> {
        let PublishBatch {
            base,
            plan,
            graph,
            noticed,
            cause,
        } = batch;
        let accepted = self.0.accepted.draft();
        if accepted.number != base {
            return Ok(BatchOutcome::Conflict);
        }
        let registry = &accepted.registry;
        let version = registry.state.snapshot().version();
        Ok(match publish::publish(&registry.state, &plan, &self.0.limits) {
            Decision::Published { state, report, effects } => {
                let report = Arc::new(report.caused_by(cause));
                let next = accepted.next(registry.with(state), graph);
                let next = self.noted(next, Note::published(AuditAction::Publish, version, &report));
                let next = Self::made(next, &report.cause, false);
                self.swap(next, &report, &effects, noticed, false)?;
                self.0.recorder.edited(noticed);
                BatchOutcome::Published(report)
            }
            Decision::Unchanged => {
                let is_held = accepted.graph.waiting() != graph.waiting();
                let mut next = accepted.next(registry.clone(), graph);
                if is_held {
                    next = self.noted(next, Note::unpublished(AuditAction::Hold, version, cause, None));
                }
                self.commit(next)?;
                BatchOutcome::Unchanged(version)
            }
            Decision::Refused { reason } => {
                let reason = reason.to_string();
                if self.0.audit.is_some() {
                    let refused = Some(reason.clone());
                    let note = Note::unpublished(AuditAction::Refuse, version, cause, refused);
                    self.commit(self.noted(accepted, note))?;
                }
                BatchOutcome::Refused(reason)
            }
        })
    }

    fn restore(&self, stored: RestoreVersion<G>) -> Result<BatchOutcome, Fenced> {
        let RestoreVersion {
            plan,
            stale,
            version,
            graph,
            cause,
            origin,
        } = stored;
        let accepted = self.0.accepted.draft();
        let registry = &accepted.registry;
        let (state, report, effects) = restore(&registry.state, &plan, &stale, version, &self.0.limits);
        let report = Arc::new(report.caused_by(cause));
        let next = accepted.next(registry.with(state), graph);
        let before = registry.state.snapshot().version();
        let next = self.noted(next, Note::published(AuditAction::Restore, before, &report));
        let next = AcceptedState {
            origin: origin.map(Arc::new),
            ..next
        };
        self.swap(next, &report, &effects, Instant::now(), false)?;
        Ok(BatchOutcome::Published(report))
    }

    fn keep(&self, stored: KeepVersion<G>) -> Result<BatchOutcome, Fenced> {
        let KeepVersion {
            base,
            version,
            names,
            content,
            graph,
        } = stored;
        let accepted = self.0.accepted.draft();
        if accepted.number != base {
            return Ok(BatchOutcome::Conflict);
        }
        let registry = &accepted.registry;
        if !history::kept(&registry.state).contains(&version) {
            let state = registry.state.with_stored(names, content, version, &self.0.limits);
            self.commit(accepted.next(registry.with(state), graph))?;
        }
        Ok(BatchOutcome::Unchanged(version))
    }

    /// Returns a state with the origin of its version, which is now.
    fn made(
        accepted: AcceptedState<AnsweredState, G>,
        cause: &Cause,
        is_roll_back: bool,
    ) -> AcceptedState<AnsweredState, G> {
        let origin = VersionOrigin::new(now_ms(), cause.clone(), is_roll_back);
        AcceptedState {
            origin: Some(Arc::new(origin)),
            ..accepted
        }
    }

    /// Executes a command of an operator once for each idempotency key. The outcome is committed together with the key, so a command whose
    /// answer was lost is not executed twice.
    fn command(
        &self,
        command: CommandOptions,
        is_roll_back: bool,
        decide: impl FnOnce(&RegistryState, &G) -> CommandEffect<G>,
    ) -> Result<RolledBack, Unavailable> {
        let CommandOptions { key, expected, cause } = command;
        let accepted = self.0.accepted.draft();
        let registry = &accepted.registry;
        if let Some(answered) = key.and_then(|key| registry.answered(key)) {
            return Ok(answered);
        }
        let effect = match self.conflict(&registry.state, expected) {
            Some(conflict) => CommandEffect::None(RolledBack::Conflict(conflict)),
            None => decide(&registry.state, &accepted.graph),
        };
        let action = match is_roll_back {
            true => AuditAction::RollBack,
            false => AuditAction::Resume,
        };
        let before = registry.state.snapshot().version();
        let (graph, answer, action) = match effect {
            CommandEffect::Published(changed) => {
                let report = Arc::new(changed.report.caused_by(cause));
                let answer = RolledBack::Published(Arc::clone(&report));
                let registry = registry.with(changed.state).answer(key, &answer, &self.0.limits);
                let next = accepted.next(registry, changed.graph);
                let next = self.noted(next, Note::published(action, before, &report));
                let next = Self::made(next, &report.cause, is_roll_back);
                let swapped = self.swap(next, &report, &changed.effects, Instant::now(), is_roll_back);
                return swapped
                    .map(|()| answer)
                    .map_err(|fenced| Unavailable::Lost(fenced.to_string()));
            }
            CommandEffect::Accepted(graph, answer) => (graph, answer, Some((action, None))),
            CommandEffect::None(answer) => {
                let refused = answer.refusal().map(|reason| (AuditAction::Refuse, Some(reason)));
                (accepted.graph.clone(), answer, refused)
            }
        };
        let registry = registry.clone().answer(key, &answer, &self.0.limits);
        let mut next = accepted.next(registry, graph);
        if let Some((action, refused)) = action {
            next = self.noted(next, Note::unpublished(action, before, cause, refused));
        }
        let committed = self.commit(next);
        committed
            .map(|()| answer)
            .map_err(|fenced| Unavailable::Lost(fenced.to_string()))
    }

    /// Logs the versions that something holds for too long, each once.
    fn report_leaks(&self, snapshot: &Snapshot) {
        let (shared, now) = (snapshot.shared(), Instant::now());
        let (current, after) = (snapshot.version(), self.0.limits.leaked_after());
        let leaked = shared.superseded.newly_leaked(current, now, after);
        if leaked.is_empty() {
            return;
        }
        for version in shared.superseded.alive(current, now, after, &shared.holders) {
            if leaked.contains(&version.version) {
                let holders: Vec<String> = version.holders.iter().map(|holder| holder.cause.to_string()).collect();
                tracing::warn!(
                    version = version.version.number(),
                    seconds = version.superseded.as_secs(),
                    references = version.references,
                    holders = holders.join(", "),
                    "a version that is no longer served is held in memory for too long: end the render, or drop the pinned version"
                );
            }
        }
    }

    /// Returns the conflict of a caller who expects another version than the one that is served.
    fn conflict(&self, state: &RegistryState, expected: Option<Version>) -> Option<VersionConflict> {
        let served = state.snapshot().version();
        let expected = expected.filter(|expected| *expected != served)?;
        Some(VersionConflict {
            expected,
            served,
            cause: self.0.recorder.cause_of(served),
        })
    }

    /// Returns a state with a record for the audit log, if there is one.
    fn noted(&self, mut accepted: AcceptedState<AnsweredState, G>, note: Note<'_>) -> AcceptedState<AnsweredState, G> {
        let Some(audit) = &self.0.audit else {
            return accepted;
        };
        let Note {
            action,
            before,
            report,
            cause,
            refused,
            stage,
        } = note;
        let snapshot = accepted.registry.state.snapshot();
        let record = AuditRecord {
            number: 0,
            at_ms: now_ms(),
            action,
            cause: report.map_or(cause, |report| report.cause.clone()),
            before,
            version: snapshot.version(),
            digest: snapshot.digest(),
            waiting: accepted.graph.waiting(),
            report: report.cloned(),
            refused,
            stage,
        };
        accepted.unwritten = accepted.unwritten.with(record, audit.written());
        accepted
    }

    /// Commits the state, and has it stored.
    fn commit(&self, accepted: AcceptedState<AnsweredState, G>) -> Result<(), Fenced> {
        let waiting = accepted.graph.waiting();
        self.0.accepted.commit(accepted)?;
        self.0.recorder.waiting(waiting);
        (self.0.committed)();
        Ok(())
    }

    /// Commits the state, swaps the snapshot, and reports the version, in this order.
    fn swap(
        &self,
        accepted: AcceptedState<AnsweredState, G>,
        report: &Report,
        effects: &Effects,
        noticed: Instant,
        is_roll_back: bool,
    ) -> Result<(), Fenced> {
        let snapshot = accepted.registry.state.snapshot().clone();
        self.commit(accepted)?;
        let superseded = self.0.served.swap(Arc::clone(&snapshot));
        let shared = snapshot.shared();
        shared.superseded.add(&superseded, Instant::now());
        drop(superseded);
        self.report_leaks(&snapshot);
        let texts = || report.changed.iter().chain(&report.removed);
        for stage in [Stage::Canary, Stage::Experimental] {
            if texts().any(|key| key.layer.scope().stage == stage) {
                self.0.stages.texts_changed(stage);
            }
        }
        let settled = snapshot.settle_faults();
        self.0.fault_log.published(&snapshot, report, effects, &settled);
        for event in events_for(&snapshot, report, noticed.elapsed().as_micros()) {
            if let Event::Published(published) = &event {
                let faults = effects
                    .failed
                    .iter()
                    .filter_map(|(cause, ids)| snapshot.faults_of_cause(*cause, ids));
                let faults: Vec<_> = faults.collect();
                let faults = faults.iter().flat_map(|faults| faults.iter());
                self.0.recorder.published(published, is_roll_back, &snapshot, faults);
                log(published, self.0.fault_log.is_quiet());
            }
            self.0.events.send(event);
        }
        for template in settled.fixed {
            let version = report.version;
            let scope = None;
            self.0.events.send(Event::Fixed(Fixed {
                template,
                version,
                scope,
            }));
        }
        Ok(())
    }
}

/// Logs a version, at `DEBUG` if the embedding program asked for a quiet log.
fn log(published: &Published, quiet: bool) {
    macro_rules! published {
        ($level:ident) => {
            tracing::$level!(
                version = published.version.number(),
                changed = published.changed.len(),
                removed = published.removed.len(),
                stale = published.stale.len(),
                broken = published.broken.len(),
                recovered = published.recovered.len(),
                micros = published.micros,
                by = published.cause.name(),
                reason = published.cause.why(),
                trace = published.cause.trace_id(),
                "published"
            )
        };
    }
    match quiet {
        true => published!(debug),
        false => published!(info),
    }
    for scope in published.scopes.iter().take(LOGGED_SCOPES_MAX) {
        let fault = scope.diagnostics.first().map(ToString::to_string);
        if let Some(fault) = fault {
            tracing::warn!(
                version = published.version.number(),
                scope = %scope.scope,
                stale = scope.stale.len(),
                broken = scope.broken.len(),
                "{fault}"
            );
        }
    }
}

/// Returns the events of a new version: the version itself, and one for each template that it names as stale or broken.
fn events_for(snapshot: &Snapshot, report: &Report, micros: u128) -> Vec<Event> {
    let published = Published {
        version: report.version,
        digest: report.digest,
        cause: report.cause.clone(),
        changed: report.changed.clone(),
        removed: report.removed.clone(),
        stale: report.stale.clone(),
        broken: report.broken.clone(),
        recovered: report.recovered.clone(),
        diagnostics: report.diagnostics.clone(),
        faults: report.faults,
        scopes: report.scopes.clone(),
        micros: u64::try_from(micros).unwrap_or(u64::MAX),
    };
    let mut events = vec![Event::Published(Arc::new(published))];
    events.extend(report.stale.iter().chain(&report.broken).filter_map(|template| {
        let id = snapshot.id(template.as_str())?;
        Some(Event::Fallback(Arc::new(Fallback {
            template: template.clone(),
            version: report.version,
            serving: snapshot.serving(id).unwrap_or(Serving::StandIn),
            why: snapshot.why(id)?,
            scope: None,
        })))
    }));
    events
}
