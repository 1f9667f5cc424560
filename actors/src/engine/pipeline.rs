//! The start of the control actors. Each one sends to the next in the pipeline, so they are started from its end.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError};

use actix::{Actor, AsyncContext};

use super::control::ControlState;
use super::{ActorEntry, Actors, Grapher, Registry, StartError, hang_policy};
use crate::accepted::AcceptedState;
use crate::compiler::{self, Cache, Compiler, FirstBatches};
use crate::counters::Recorder;
use crate::graph;
use crate::graph::plan::Graph;
use crate::limits::Limits;
use crate::loader::Hints;
use crate::policies::ActorKind;
use crate::protocol::messages::{BatchOutcome, Reload, SourcesChanged, SyncOutcome, SyncSources};
use crate::registry::state::RegistryState;
use crate::registry::{self, AnsweredState};
use crate::supervision::{Behavior, Child, InjectedFaults, MailboxSlot, MeteredRecipient, Pool, Shell, Vault};
use crate::version::LoaderId;
use crate::watcher::{self, HintGate, LoaderWorker, Watcher};

impl ControlState {
    /// Starts all actors, then has each Watcher sync, which publishes the first version.
    pub(super) async fn start(self) -> Result<Actors, StartError> {
        let Self {
            plan,
            limits,
            events,
            served,
            renderer,
            timers,
            recorder,
            fault_log,
            group,
            watcher_hints,
            faults,
            ..
        } = self;
        let child = |actor: ActorKind, number| group.add(actor.name(), number, plan.policies.of(actor));
        let graph = Graph::new(&plan.formatters, plan.companions);
        let state = AnsweredState::new(RegistryState::of(served.load_full()));
        let accepted = Vault::new(AcceptedState::new(state, Arc::new(graph)));
        let registry = registry::RegistryConfig {
            accepted: accepted.clone(),
            served: Arc::clone(&served),
            limits: Arc::clone(&limits),
            events,
            fault_log,
            recorder: Arc::clone(&recorder),
        };
        let registry: ActorEntry<Registry> = start(registry, child(ActorKind::Registry, 0), &faults);
        let graph = graph::GraphConfig {
            accepted,
            registry: registry.recipient(),
        };
        let graph: ActorEntry<Grapher> = start(graph, child(ActorKind::Graph, 0), &faults);
        let hang_policy = hang_policy(&timers, &limits, limits.compile_hang_ms, "the limit `compile_hang_ms`");
        // The batches of all loaders may be in flight at once.
        let queue = compiler::jobs_in_flight(limits.compile_threads).saturating_mul(plan.loaders.len());
        let compilers = Pool::start("hotplate-compile", limits.compile_threads, queue, Some(hang_policy))?;
        let compiler_config = compiler::CompilerConfig {
            dialects: plan.dialects,
            cache: Arc::new(Cache::new(limits.compile_cache_bytes)),
            pool: compilers.clone(),
            limits: Arc::clone(&limits),
            recorder: Arc::clone(&recorder),
            graph: graph.recipient(),
            graph_at_start: graph.recipient(),
            first_batches: Arc::new(FirstBatches::of(plan.loaders.len())),
        };

        let mut compiler_children = Vec::with_capacity(plan.loaders.len());
        let mut watchers = Vec::with_capacity(plan.loaders.len());
        let mut loader_workers = Vec::with_capacity(plan.loaders.len());
        for (number, loader) in plan.loaders.into_iter().enumerate() {
            let id = LoaderId(u16::try_from(number).unwrap_or(u16::MAX));
            let worker = LoaderWorker::new(loader, id)?;
            let compiler: ActorEntry<Compiler> =
                start(compiler_config.clone(), child(ActorKind::Compiler, id.0), &faults);
            let child = child(ActorKind::Watcher, id.0);
            let faults = faults["watcher"].clone();
            let recorder = Arc::clone(&recorder);
            compiler_children.push(Arc::clone(&compiler.child));
            let compiler = compiler.recipient();
            let (watcher, hints) = start_watcher(id, worker.clone(), compiler, recorder, &limits, child, faults);
            watcher_hints
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(hints.clone());
            if plan.watch {
                let watching = worker.with(move |loader| loader.watch(hints)).await;
                watching
                    .map_err(|lost| StartError::Failed(Box::new(lost)))?
                    .map_err(StartError::Watch)?;
            }
            watchers.push(watcher);
            loader_workers.push(worker);
        }
        first_syncs(&watchers).await?;
        plan.stand_in
            .check(&served.load())
            .map_err(|(name, reason)| StartError::Fallback {
                name,
                reason: reason.into(),
            })?;
        let rest = [&graph.child, &registry.child, &renderer.worker.child];
        let children = watchers.iter().map(|watcher| &watcher.child);
        let children = children.chain(&compiler_children).chain(rest);
        Ok(Actors {
            children: children.cloned().collect(),
            watchers: watchers.into(),
            graph,
            registry,
            loader_workers: loader_workers.into(),
            compilers,
            faults,
        })
    }
}

/// Starts a control actor in this thread.
fn start<B: Behavior>(
    setup: B::Config,
    child: Arc<Child>,
    faults: &BTreeMap<&'static str, InjectedFaults>,
) -> ActorEntry<B> {
    let faults = faults.get(child.actor()).cloned().unwrap_or_default();
    let addr = Shell::new(setup, Arc::clone(&child), faults).start();
    ActorEntry { addr, child }
}

/// Starts a Watcher, and returns it with the hints that make it sync.
fn start_watcher(
    loader: LoaderId,
    worker: LoaderWorker,
    compiler: MeteredRecipient<SourcesChanged>,
    recorder: Arc<Recorder>,
    limits: &Limits,
    child: Arc<Child>,
    faults: InjectedFaults,
) -> (ActorEntry<Watcher>, Hints) {
    let mut created = None;
    let child_of_shell = Arc::clone(&child);
    let addr = Shell::<Watcher>::create(|context| {
        let recipient = context.address().recipient::<SyncSources>();
        let place = MailboxSlot::default();
        let gate = HintGate::new(limits, move || {
            if let Some(place) = place.take() {
                // A mailbox that is full holds reloads, each of which is a full scan.
                let batch = watcher::batch(loader);
                let _ = recipient.try_send(SyncSources { place, batch });
            }
        });
        let hints = gate.hints();
        created = Some(hints.clone());
        let setup = watcher::WatcherConfig {
            loader,
            worker,
            revisions: Arc::new(AtomicU64::new(0)),
            compiler,
            hints,
            gate,
            recorder,
        };
        Shell::new(setup, child_of_shell, faults)
    });
    let hints = created.unwrap_or_else(|| Hints::new(|| {}));
    (ActorEntry { addr, child }, hints)
}

/// Has all Watchers sync at once, and waits for the outcome of the pipeline: the first version, of all loaders together.
async fn first_syncs(watchers: &[ActorEntry<Watcher>]) -> Result<(), StartError> {
    let (outcomes, mut decided) = tokio::sync::mpsc::channel(watchers.len().max(1));
    for watcher in watchers {
        let (sync, outcomes) = (watcher.addr.send(Reload::default()), outcomes.clone());
        actix::spawn(async move {
            let _ = outcomes.send(sync.await).await;
        });
    }
    drop(outcomes);
    // The first failure ends the start, because the others wait for that loader.
    while let Some(outcome) = decided.recv().await {
        check_first(outcome.map_err(|closed| StartError::Failed(Box::new(closed)))?)?;
    }
    Ok(())
}

/// Returns the error of a first sync.
fn check_first(outcome: SyncOutcome) -> Result<(), StartError> {
    match outcome {
        SyncOutcome::Unchanged => Ok(()),
        SyncOutcome::Decided(BatchOutcome::Published(_) | BatchOutcome::Unchanged(_) | BatchOutcome::Held(_)) => Ok(()),
        SyncOutcome::Decided(BatchOutcome::Refused(reason) | BatchOutcome::Lost(reason)) => {
            Err(StartError::Refused(reason))
        }
        SyncOutcome::Decided(BatchOutcome::Conflict) => Err(StartError::Failed("the versions did not agree".into())),
        SyncOutcome::Failed(fault) => Err(StartError::Failed(Box::new(fault))),
        SyncOutcome::LoadFailed(error) => Err(StartError::Load(error)),
    }
}
