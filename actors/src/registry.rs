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
pub mod state;

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

use crate::accepted::AcceptedState;
use crate::counters::Recorder;
use crate::events::{Event, EventBus, Fallback, Fixed, Published, Serving};
use crate::fault_log::FaultLog;
use crate::limits::Limits;
use crate::protocol::messages::{
    BatchOutcome, Compare, CompareError, CurrentSnapshot, History, IdempotencyKey, KeptVersions, PublishBatch, Resume,
    RollBack, RolledBack,
};
use crate::protocol::report::{Effects, Report};
use crate::snapshot::{Compared, Snapshot};
use crate::supervision::{Behavior, Fenced, Serve, Started, Unavailable, Vault};

pub(crate) use answered::AnsweredState;
use publish::Decision;
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
}

/// The behaviour of the Registry.
pub(crate) struct Registry<G>(RegistryConfig<G>);

impl<G: Clone + Unpin + 'static> Behavior for Registry<G> {
    type Config = RegistryConfig<G>;

    /// Stores the committed snapshot, in case the last incarnation failed between commit and swap.
    fn start(setup: &RegistryConfig<G>) -> Started<Self> {
        let committed = setup.accepted.draft().registry.state.snapshot().clone();
        if committed.version() != setup.served.load().version() {
            setup.served.store(committed);
        }
        Ok(Self(RegistryConfig {
            accepted: setup.accepted.open(),
            ..setup.clone()
        }))
    }
}

impl<G: Clone + Unpin + 'static> Serve<PublishBatch<G>> for Registry<G> {
    async fn serve(&mut self, batch: PublishBatch<G>) -> BatchOutcome {
        self.publish(batch)
            .unwrap_or_else(|fenced| BatchOutcome::Lost(fenced.to_string()))
    }
}

impl<G: Clone + Unpin + 'static> Serve<RollBack> for Registry<G> {
    async fn serve(&mut self, command: RollBack) -> Result<RolledBack, Unavailable> {
        let limits = Arc::clone(&self.0.limits);
        self.command(command.key, |state| {
            history::roll_back(state, command.to, &limits).map_err(RolledBack::NotKept)
        })
    }
}

impl<G: Clone + Unpin + 'static> Serve<Resume> for Registry<G> {
    async fn serve(&mut self, command: Resume) -> Result<RolledBack, Unavailable> {
        let limits = Arc::clone(&self.0.limits);
        self.command(command.key, |state| {
            history::resume(state, &limits).ok_or_else(|| RolledBack::Unchanged(state.snapshot().version()))
        })
    }
}

impl<G: Clone + Unpin + 'static> Serve<CurrentSnapshot> for Registry<G> {
    async fn serve(&mut self, _: CurrentSnapshot) -> Result<Arc<Snapshot>, Unavailable> {
        Ok(self.0.accepted.draft().registry.state.snapshot().clone())
    }
}

impl<G: Clone + Unpin + 'static> Serve<History> for Registry<G> {
    async fn serve(&mut self, _: History) -> Result<KeptVersions, Unavailable> {
        let state = self.0.accepted.draft().registry.state;
        Ok(KeptVersions {
            versions: history::kept(&state),
            held: state.is_held(),
        })
    }
}

impl<G: Clone + Unpin + 'static> Serve<Compare> for Registry<G> {
    async fn serve(&mut self, asked: Compare) -> Result<Compared, CompareError> {
        Ok(history::compare(
            &self.0.accepted.draft().registry.state,
            asked.from,
            asked.to,
        )?)
    }
}

impl<G: Clone> Registry<G> {
    fn publish(&self, batch: PublishBatch<G>) -> Result<BatchOutcome, Fenced> {
        let PublishBatch {
            base,
            plan,
            graph,
            noticed,
        } = batch;
        let accepted = self.0.accepted.draft();
        if accepted.number != base {
            return Ok(BatchOutcome::Conflict);
        }
        let registry = &accepted.registry;
        let version = registry.state.snapshot().version();
        Ok(match publish::publish(&registry.state, &plan, &self.0.limits) {
            Decision::Published { state, report, effects } => {
                let report = Arc::new(report);
                let next = accepted.next(registry.with(state), graph);
                self.swap(next, &report, &effects, noticed)?;
                self.0.recorder.edited(noticed);
                BatchOutcome::Published(report)
            }
            Decision::Held { state } => {
                self.0.accepted.commit(accepted.next(registry.with(state), graph))?;
                BatchOutcome::Held(version)
            }
            Decision::Unchanged => {
                self.0.accepted.commit(accepted.next(registry.clone(), graph))?;
                BatchOutcome::Unchanged(version)
            }
            Decision::Refused { reason } => BatchOutcome::Refused(reason.to_string()),
        })
    }

    /// Executes a command of an operator once for each idempotency key. The outcome is committed together with the key, so a command whose
    /// answer was lost is not executed twice.
    fn command(
        &self,
        key: Option<IdempotencyKey>,
        decide: impl FnOnce(&RegistryState) -> Result<(RegistryState, Report, Effects), RolledBack>,
    ) -> Result<RolledBack, Unavailable> {
        let accepted = self.0.accepted.draft();
        let registry = &accepted.registry;
        if let Some(answered) = key.and_then(|key| registry.answered(key)) {
            return Ok(answered);
        }
        let done = match decide(&registry.state) {
            Ok((state, report, effects)) => {
                let report = Arc::new(report);
                let answer = RolledBack::Published(Arc::clone(&report));
                let registry = registry.with(state).answer(key, &answer, &self.0.limits);
                let next = accepted.next(registry, accepted.graph.clone());
                self.swap(next, &report, &effects, Instant::now()).map(|()| answer)
            }
            Err(answer) => {
                let registry = registry.clone().answer(key, &answer, &self.0.limits);
                let next = accepted.next(registry, accepted.graph.clone());
                self.0.accepted.commit(next).map(|()| answer)
            }
        };
        done.map_err(|fenced| Unavailable::Lost(fenced.to_string()))
    }

    /// Commits the state, swaps the snapshot, and reports the version, in this order.
    fn swap(
        &self,
        accepted: AcceptedState<AnsweredState, G>,
        report: &Report,
        effects: &Effects,
        noticed: Instant,
    ) -> Result<(), Fenced> {
        let state = &accepted.registry.state;
        let (snapshot, held) = (state.snapshot().clone(), state.is_held());
        self.0.accepted.commit(accepted)?;
        self.0.served.store(Arc::clone(&snapshot));
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
                self.0.recorder.published(published, held, &snapshot, faults);
                log(published, self.0.fault_log.is_quiet());
            }
            self.0.events.send(event);
        }
        for template in settled.fixed {
            let version = report.version;
            self.0.events.send(Event::Fixed(Fixed { template, version }));
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
                "published"
            )
        };
    }
    match quiet {
        true => published!(debug),
        false => published!(info),
    }
}

/// Returns the events of a new version: the version itself, and one for each template that it names as stale or broken.
fn events_for(snapshot: &Snapshot, report: &Report, micros: u128) -> Vec<Event> {
    let published = Published {
        version: report.version,
        digest: report.digest,
        changed: report.changed.clone(),
        removed: report.removed.clone(),
        stale: report.stale.clone(),
        broken: report.broken.clone(),
        recovered: report.recovered.clone(),
        diagnostics: report.diagnostics.clone(),
        faults: report.faults,
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
        })))
    }));
    events
}
