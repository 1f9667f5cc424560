//! The Registry: the only writer of what is served.
//!
//! A publication has these steps, in this order:
//!
//! 1. **Decide.** [`publish`] computes the next state from the accepted state and a plan. It is a pure function on persistent data, so a
//!    fault at this point changes nothing.
//! 2. **Commit** the new state to the vault. From here on it survives a fault of the Registry, which stores the committed snapshot again
//!    when it restarts.
//! 3. **Swap** the pointer that readers load. A batch becomes visible in this one step.
//! 4. **Report** the version: the faults that it ends, log lines, counters and events.
//! 5. **Commit the graph**, and reply. If the Registry fails before this step, the graph is behind the state, and the Watcher, which gets no
//!    answer, sends everything again. A graph that is ahead of the state would never be corrected, so the order matters.

pub mod history;
mod accepted;
pub mod publish;
mod report;
pub mod state;

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

use crate::counters::Recorder;
use crate::dialect::Formatters;
use crate::events::{Event, EventBus, Fallback, Fixed, Published, Serving};
use crate::fault_log::FaultLog;
use crate::limits::Limits;
use crate::protocol::messages::{
    BatchOutcome, Compare, CompareError, CurrentSnapshot, History, IdempotencyKey, KeptVersions, PublishBatch, Resume,
    RollBack, RolledBack,
};
use crate::protocol::report::{Report, causes};
use crate::snapshot::{Compared, Snapshot};
use crate::supervision::{Behavior, Fenced, Serve, Started, Unavailable, Vault};

pub(crate) use accepted::AcceptedState;
use publish::{Decision, Refusal};
use state::RegistryState;

/// The configuration and shared state of a Registry, which outlive a fault of it. `G` is the graph, which the Registry stores without
/// reading it.
#[derive(Clone)]
pub(crate) struct RegistryConfig<G> {
    pub(crate) accepted: Vault<AcceptedState>,
    /// The graph of the accepted state, from which the Graph continues.
    pub(crate) graph: Vault<G>,
    /// The snapshot that readers load.
    pub(crate) served: Arc<ArcSwap<Snapshot>>,
    pub(crate) formatters: Formatters,
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
        let committed = setup.accepted.draft().state.snapshot().clone();
        if committed.version() != setup.served.load().version() {
            setup.served.store(committed);
        }
        Ok(Self(RegistryConfig {
            accepted: setup.accepted.open(),
            graph: setup.graph.open(),
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
        Ok(self.0.accepted.draft().state.snapshot().clone())
    }
}

impl<G: Clone + Unpin + 'static> Serve<History> for Registry<G> {
    async fn serve(&mut self, _: History) -> Result<KeptVersions, Unavailable> {
        let state = self.0.accepted.draft().state;
        Ok(KeptVersions {
            versions: history::kept(&state),
            held: state.is_held(),
        })
    }
}

impl<G: Clone + Unpin + 'static> Serve<Compare> for Registry<G> {
    async fn serve(&mut self, asked: Compare) -> Result<Compared, CompareError> {
        Ok(history::compare(&self.0.accepted.draft().state, asked.from, asked.to)?)
    }
}

impl<G: Clone> Registry<G> {
    fn publish(&self, batch: PublishBatch<G>) -> Result<BatchOutcome, Fenced> {
        let PublishBatch { plan, graph, noticed } = batch;
        let accepted = self.0.accepted.draft();
        let version = accepted.state.snapshot().version();
        Ok(
            match publish::publish(&accepted.state, &plan, &self.0.formatters, &self.0.limits) {
                Decision::Published { state, report } => {
                    let report = Arc::new(report);
                    self.swap(accepted.with(state), &report, noticed)?;
                    self.0.recorder.edited(noticed);
                    // After the state: see the order in the module documentation.
                    self.0.graph.commit(graph)?;
                    BatchOutcome::Published(report)
                }
                Decision::Held { state } => {
                    self.0.accepted.commit(accepted.with(state))?;
                    self.0.graph.commit(graph)?;
                    BatchOutcome::Held(version)
                }
                Decision::Unchanged => {
                    self.0.graph.commit(graph)?;
                    BatchOutcome::Unchanged(version)
                }
                Decision::Refused {
                    reason: Refusal::Incoherent { .. },
                } if !plan.whole => BatchOutcome::Conflict,
                Decision::Refused { reason } => BatchOutcome::Refused(reason.to_string()),
            },
        )
    }

    /// Executes a command of an operator once for each idempotency key. The outcome is committed together with the key, so a command whose
    /// answer was lost is not executed twice.
    fn command(
        &self,
        key: Option<IdempotencyKey>,
        decide: impl FnOnce(&RegistryState) -> Result<(RegistryState, Report), RolledBack>,
    ) -> Result<RolledBack, Unavailable> {
        let accepted = self.0.accepted.draft();
        if let Some(answered) = key.and_then(|key| accepted.answered(key)) {
            return Ok(answered);
        }
        let done = match decide(&accepted.state) {
            Ok((state, report)) => {
                let report = Arc::new(report);
                let answer = RolledBack::Published(Arc::clone(&report));
                let next = accepted.with(state).answer(key, &answer, &self.0.limits);
                self.swap(next, &report, Instant::now()).map(|()| answer)
            }
            Err(answer) => {
                let next = accepted.answer(key, &answer, &self.0.limits);
                self.0.accepted.commit(next).map(|()| answer)
            }
        };
        done.map_err(|fenced| Unavailable::Lost(fenced.to_string()))
    }

    /// Commits the state, swaps the snapshot, and reports the version, in this order.
    fn swap(&self, accepted: AcceptedState, report: &Report, noticed: Instant) -> Result<(), Fenced> {
        let (snapshot, held) = (accepted.state.snapshot().clone(), accepted.state.is_held());
        self.0.accepted.commit(accepted)?;
        self.0.served.store(Arc::clone(&snapshot));
        let settled = snapshot.settle_faults();
        self.0.fault_log.published(&snapshot, report, &settled);
        for event in events_for(&snapshot, report, noticed.elapsed().as_micros()) {
            if let Event::Published(published) = &event {
                self.0.recorder.published(published, held, &snapshot);
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

/// Returns the events of a new version.
fn events_for(snapshot: &Snapshot, report: &Report, micros: u128) -> Vec<Event> {
    let failed = || report.stale.iter().chain(&report.broken);
    let diagnostics = causes(failed().map(|(_, why)| why));
    let names = |list: &[(_, _)]| list.iter().map(|(name, _)| Clone::clone(name)).collect();
    let published = Published {
        version: report.version,
        digest: report.digest,
        changed: report.changed.clone(),
        removed: report.removed.clone(),
        stale: names(&report.stale),
        broken: names(&report.broken),
        recovered: report.recovered.clone(),
        diagnostics,
        micros: u64::try_from(micros).unwrap_or(u64::MAX),
    };
    let mut events = vec![Event::Published(Arc::new(published))];
    events.extend(failed().map(|(template, why)| {
        let serving = snapshot.id(template.as_str()).and_then(|id| snapshot.serving(id));
        let serving = serving.unwrap_or(Serving::StandIn);
        let (template, why) = (template.clone(), Arc::clone(why));
        Event::Fallback(Arc::new(Fallback {
            template,
            version: report.version,
            serving,
            why,
        }))
    }));
    events
}
