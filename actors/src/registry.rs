//! The Registry: the only writer of what is served.
//!
//! It commits before it replies, swaps one pointer, and then tells.

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
    BatchOutcome, Compare, CurrentSnapshot, History, IdempotencyKey, KeptVersions, PublishBatch, Resume, RollBack,
    RolledBack, Unanswered, VersionNotKept,
};
use crate::protocol::report::{Report, causes};
use crate::snapshot::{Compared, Snapshot};
use crate::supervision::{Behavior, Fenced, Serve, Started, Vault};

pub(crate) use accepted::AcceptedState;
use publish::{Decision, Refusal};
use state::RegistryState;

/// What a Registry is started from. All of it outlives a fault. It keeps a `G` for the Graph and does not look into it.
#[derive(Clone)]
pub(crate) struct RegistryConfig<G> {
    pub(crate) ledger: Vault<AcceptedState>,
    /// What the Graph goes on from: committed together with the truth.
    pub(crate) graph: Vault<G>,
    /// What readers read.
    pub(crate) served: Arc<ArcSwap<Snapshot>>,
    pub(crate) formatters: Formatters,
    pub(crate) limits: Arc<Limits>,
    pub(crate) teller: EventBus,
    pub(crate) fault_log: Arc<FaultLog>,
    pub(crate) tally: Arc<Recorder>,
}

/// The behaviour of the Registry.
pub(crate) struct Registry<G>(RegistryConfig<G>);

impl<G: Clone + Unpin + 'static> Behavior for Registry<G> {
    type Config = RegistryConfig<G>;

    /// A fault between commit and swap must not leave readers behind.
    fn start(setup: &RegistryConfig<G>) -> Started<Self> {
        let committed = setup.ledger.draft().truth.snapshot().clone();
        if committed.version() != setup.served.load().version() {
            setup.served.store(committed);
        }
        Ok(Self(RegistryConfig {
            ledger: setup.ledger.open(),
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
    async fn serve(&mut self, command: RollBack) -> RolledBack {
        let limits = Arc::clone(&self.0.limits);
        self.command(command.key, |truth| {
            history::roll_back(truth, command.to, &limits).map_err(RolledBack::NotKept)
        })
    }
}

impl<G: Clone + Unpin + 'static> Serve<Resume> for Registry<G> {
    async fn serve(&mut self, command: Resume) -> RolledBack {
        let limits = Arc::clone(&self.0.limits);
        self.command(command.key, |truth| {
            history::resume(truth, &limits).ok_or_else(|| RolledBack::Unchanged(truth.snapshot().version()))
        })
    }
}

impl<G: Clone + Unpin + 'static> Serve<CurrentSnapshot> for Registry<G> {
    async fn serve(&mut self, _: CurrentSnapshot) -> Result<Arc<Snapshot>, Unanswered> {
        Ok(self.0.ledger.draft().truth.snapshot().clone())
    }
}

impl<G: Clone + Unpin + 'static> Serve<History> for Registry<G> {
    async fn serve(&mut self, _: History) -> Result<KeptVersions, Unanswered> {
        let truth = self.0.ledger.draft().truth;
        Ok(KeptVersions {
            versions: history::kept(&truth),
            held: truth.is_held(),
        })
    }
}

impl<G: Clone + Unpin + 'static> Serve<Compare> for Registry<G> {
    async fn serve(&mut self, asked: Compare) -> Result<Result<Compared, VersionNotKept>, Unanswered> {
        Ok(history::compare(&self.0.ledger.draft().truth, asked.from, asked.to))
    }
}

impl<G: Clone> Registry<G> {
    fn publish(&self, batch: PublishBatch<G>) -> Result<BatchOutcome, Fenced> {
        let PublishBatch { plan, graph, noticed } = batch;
        let ledger = self.0.ledger.draft();
        let version = ledger.truth.snapshot().version();
        Ok(
            match publish::publish(&ledger.truth, &plan, &self.0.formatters, &self.0.limits) {
                Decision::Published {
                    truth,
                    snapshot,
                    report,
                } => {
                    let report = self.swap(ledger.with(truth), snapshot, Arc::new(report), noticed)?;
                    self.0.tally.edited(noticed);
                    // After the truth: a graph that is behind catches up with what is sent again, one that is ahead never would.
                    self.0.graph.commit(graph)?;
                    BatchOutcome::Published(report)
                }
                Decision::Held { truth } => {
                    self.0.ledger.commit(ledger.with(truth))?;
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

    /// Does what a command of an operator says, once for each key. What it came to is committed together with the key, so that
    /// a command whose answer got lost is not done twice.
    fn command(
        &self,
        key: Option<IdempotencyKey>,
        decide: impl FnOnce(&RegistryState) -> Result<(RegistryState, Arc<Snapshot>, Report), RolledBack>,
    ) -> RolledBack {
        let ledger = self.0.ledger.draft();
        if let Some(answered) = key.and_then(|key| ledger.answered(key)) {
            return answered;
        }
        let done = match decide(&ledger.truth) {
            Ok((truth, snapshot, report)) => {
                let report = Arc::new(report);
                let answer = RolledBack::Published(Arc::clone(&report));
                let next = ledger.with(truth).answer(key, &answer, &self.0.limits);
                self.swap(next, snapshot, report, Instant::now()).map(|_| answer)
            }
            Err(answer) => {
                let next = ledger.answer(key, &answer, &self.0.limits);
                self.0.ledger.commit(next).map(|()| answer)
            }
        };
        done.unwrap_or_else(|fenced| RolledBack::Lost(fenced.to_string()))
    }

    /// Commits, swaps, tells: in this order.
    fn swap(
        &self,
        ledger: AcceptedState,
        snapshot: Arc<Snapshot>,
        report: Arc<Report>,
        noticed: Instant,
    ) -> Result<Arc<Report>, Fenced> {
        let held = ledger.truth.is_held();
        self.0.ledger.commit(ledger)?;
        self.0.served.store(Arc::clone(&snapshot));
        let settled = snapshot.settle_faults();
        self.0.fault_log.published(&snapshot, &report, &settled);
        for event in told(&snapshot, &report, noticed.elapsed().as_micros()) {
            if let Event::Published(published) = &event {
                self.0.tally.published(published, held, &snapshot);
                log(published, self.0.fault_log.is_quiet());
            }
            self.0.teller.tell(event);
        }
        for template in settled.fixed {
            let version = report.version;
            self.0.teller.tell(Event::Fixed(Fixed { template, version }));
        }
        Ok(report)
    }
}

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

/// What subscribers are told of a new version.
fn told(snapshot: &Snapshot, report: &Report, micros: u128) -> Vec<Event> {
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
