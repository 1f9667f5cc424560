//! The start of the control actors. Each one sends to the next in the pipeline, so they are started from its end.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{Actor, AsyncContext};

use super::control::ControlState;
use super::languages::Languages;
use super::storing::{self, Storing};
use super::{ActorEntry, Actors, Grapher, Previews, Registry, StartError, StoredVersions, hang_policy};
use crate::accepted::AcceptedState;
use crate::compiler::{self, Cache, Compiler, FirstBatches};
use crate::contract::Checks;
use crate::counters::Recorder;
use crate::graph;
use crate::graph::plan::Graph;
use crate::graph::tenants::TenantBounds;
use crate::limits::Limits;
use crate::loader::Hints;
use crate::policies::ActorKind;
use crate::protocol::messages::{
    BatchOutcome, Reload, ReviewStages, SourcesChanged, StoreAccepted, SyncOutcome, SyncSources,
};
use crate::registry::state::RegistryState;
use crate::registry::{self, AnsweredState};
use crate::snapshot::{EntryStatus, Snapshot};
use crate::stages::Stages;
use crate::stages::state::StagesState;
use crate::store::state::StoreState;
use crate::store::version::{StoredText, StoredVersion};
use crate::store_writer::{StoreWriter, StoreWriterConfig};
use crate::supervision::{Behavior, Child, InjectedFaults, MailboxSlot, MeteredRecipient, Pool, Shell, Vault};
use crate::template::{TemplateKey, TemplateName};
use crate::version::LoaderId;
use crate::watcher::precedence::Precedence;
use crate::watcher::worker::{LoaderLimits, LoaderWorker};
use crate::watcher::{self, HintGate, Watcher};
use crate::without_subscriber::warn_without_subscriber;

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
            stages,
            ..
        } = self;
        let child = |actor: ActorKind, number| group.add(actor.name(), number, plan.policies.of(actor));
        let bounds = TenantBounds {
            templates: limits.tenant_templates,
            bytes: limits.tenant_bytes,
        };
        let graph = Graph::new(&plan.formatters, plan.companions).with_tenants(plan.exported, bounds);
        let state = AnsweredState::new(RegistryState::of(served.load_full()));
        let decided = StagesState::new(plan.stages.rollout.clone());
        let accepted = Vault::new(AcceptedState {
            stages: Arc::new(decided),
            ..AcceptedState::new(state, Arc::new(graph.clone()))
        });
        let storing = Storing::new(plan.store.as_ref(), plan.audit.as_ref(), &plan.loaders)?;
        let stored = match &storing {
            Some(storing) => storing.open().await?,
            None => None,
        };
        let audit = storing.as_ref().and_then(|storing| storing.audit.as_ref());
        let audit = audit.map(|(_, progress)| Arc::clone(progress));
        let languages = Arc::new(Mutex::new(Languages::new(plan.dialects.clone())));
        let (store, committed): (_, Arc<dyn Fn() + Send + Sync>) = match storing {
            Some(storing) => {
                let child = child(ActorKind::Store, 0);
                let faults = faults["store"].clone();
                let languages = Arc::clone(&languages);
                let (writer, ask) = start_writer(&storing, &accepted, plan.loaders.len(), languages, child, faults);
                (Some((storing, writer)), ask)
            }
            None => (None, Arc::new(|| {})),
        };
        let registry = registry::RegistryConfig {
            accepted: accepted.clone(),
            served: Arc::clone(&served),
            limits: Arc::clone(&limits),
            events,
            fault_log,
            recorder: Arc::clone(&recorder),
            audit: audit.clone(),
            stages: Arc::clone(&stages),
            committed,
        };
        let registry: ActorEntry<Registry> = start(registry, child(ActorKind::Registry, 0), &faults);
        review_stages(&registry, stages);
        let empty_graph = graph;
        let hang_policy = hang_policy(&timers, &limits, limits.compile_hang_ms, "the limit `compile_hang_ms`");
        // The batches of all loaders may be in flight at once, and one is checked.
        let queue = compiler::jobs_in_flight(limits.compile_threads).saturating_mul(plan.loaders.len()) + 1;
        let compilers = Pool::start(
            "hotplate-compile",
            limits.compile_threads,
            queue,
            Some(hang_policy.clone()),
        )?;
        let checks = Checks {
            contract: Arc::new(plan.contract),
            samples: Arc::new(plan.samples),
            limits: Arc::clone(&limits),
        };
        let graph = graph::GraphConfig {
            accepted: accepted.clone(),
            registry: registry.recipient(),
            checks: Some(checks.clone()).filter(|checks| checks.contract.is_any(&checks.samples)),
            pool: compilers.clone(),
        };
        let graph: ActorEntry<Grapher> = start(graph, child(ActorKind::Graph, 0), &faults);
        let cache = Arc::new(Cache::new(limits.compile_cache_bytes));
        let previews = Previews {
            accepted,
            dialects: plan.dialects.clone(),
            cache: Arc::clone(&cache),
            limits: Arc::clone(&limits),
            entries: plan.entries,
            checks,
            hang_policy,
            pool: Arc::default(),
        };
        let stored_versions = match &store {
            Some((
                Storing {
                    store: Some((files, state)),
                    thread,
                    ..
                },
                _,
            )) => Some(StoredVersions {
                store: Arc::clone(files),
                state: Arc::clone(state),
                thread: thread.clone(),
                languages: Arc::clone(&languages),
                previews: previews.clone(),
                registry: registry.clone(),
            }),
            _ => None,
        };
        let compiler_config = compiler::CompilerConfig {
            dialects: plan.dialects,
            cache,
            pool: compilers.clone(),
            limits: Arc::clone(&limits),
            recorder: Arc::clone(&recorder),
            progress: plan.progress,
            graph: graph.recipient(),
            graph_at_start: graph.recipient(),
            first_batches: Arc::new(FirstBatches::of(plan.loaders.len())),
        };

        let keys = stored.as_ref().map(|stored| keys_by_loader(stored, plan.loaders.len()));
        let is_restored = stored.is_some();
        if let Some(stored) = stored {
            let version = stored.version.number();
            storing::restore(stored, empty_graph, &compiler_config, &languages, &registry).await?;
            tracing::info!(version, "serving a stored version until the templates are loaded");
        }

        let mut compiler_children = Vec::with_capacity(plan.loaders.len());
        let mut watchers = Vec::with_capacity(plan.loaders.len());
        let mut loader_workers = Vec::with_capacity(plan.loaders.len());
        let loader_limits = LoaderLimits {
            deadline: Duration::from_millis(limits.sync_ms),
            quarantined: limits.quarantined_threads,
        };
        let standings = plan.loaders.iter().map(|registered| {
            let loader = &registered.loader;
            (loader.supports(), loader.describe())
        });
        let precedence = Precedence::new(standings, is_restored);
        for (number, registered) in plan.loaders.into_iter().enumerate() {
            let id = LoaderId(u16::try_from(number).unwrap_or(u16::MAX));
            let worker = LoaderWorker::new(registered, id, loader_limits, is_restored)?;
            if let Some(keys) = keys.as_ref().and_then(|keys| keys.get(number)) {
                worker.restored(keys.clone());
            }
            let compiler: ActorEntry<Compiler> =
                start(compiler_config.clone(), child(ActorKind::Compiler, id.0), &faults);
            let child = child(ActorKind::Watcher, id.0);
            let faults = faults["watcher"].clone();
            let recorder = Arc::clone(&recorder);
            compiler_children.push(Arc::clone(&compiler.child));
            let compiler = compiler.recipient();
            let loader = (id, worker.clone(), precedence.clone());
            let (watcher, hints) = start_watcher(loader, compiler, recorder, &limits, child, faults);
            precedence.set_hints(id, hints.clone());
            watcher_hints
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(hints.clone());
            if plan.watch {
                match worker.watch(hints).await {
                    // The loader is synced again and again, and so it finds changes when the source is back.
                    Err(error) if error.is_unavailable() => {
                        tracing::warn!(%error, loader = worker.description(), "the templates cannot be watched at present");
                    }
                    watching => watching.map_err(StartError::Watch)?,
                }
            }
            watchers.push(watcher);
            loader_workers.push(worker);
        }
        let is_restored = is_restored
            && plan
                .required_at_start
                .iter()
                .all(|name| is_served(&served.load(), name));
        match &store {
            // The stored version is served at once, and what the loaders say becomes the next one.
            Some((
                Storing {
                    store: Some((_, state)),
                    ..
                },
                _,
            )) if is_restored => {
                syncs_after_restore(&watchers, &loader_workers, state);
            }
            _ => first_syncs(&watchers).await?,
        }
        check_required(&plan.required_at_start, &served.load())?;
        plan.stand_in
            .check(&served.load())
            .map_err(|(name, reason)| StartError::Fallback {
                name,
                reason: reason.into(),
            })?;
        let rest = [&graph.child, &registry.child, &renderer.worker.child];
        let children = watchers.iter().map(|watcher| &watcher.child);
        let children = children.chain(&compiler_children).chain(rest);
        let children = children.chain(store.iter().map(|(_, writer)| &writer.child));
        Ok(Actors {
            children: children.cloned().collect(),
            watchers: watchers.into(),
            graph,
            registry,
            loader_workers: loader_workers.into(),
            compilers,
            store,
            previews,
            stored_versions,
            faults,
        })
    }
}

/// Has the Registry look at the stages whenever that is due, until the engine stops.
fn review_stages(registry: &ActorEntry<Registry>, stages: Arc<Stages>) {
    let addr = registry.addr.clone();
    actix::spawn(async move {
        loop {
            stages.review_is_due().await;
            if addr.send(ReviewStages).await.is_err() {
                return;
            }
        }
    });
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
    (loader, worker, precedence): (LoaderId, LoaderWorker, Precedence),
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
            precedence,
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
        match outcome.map_err(|closed| StartError::Failed(Box::new(closed)))? {
            // It is synced again and again. Until it is loaded, its templates are broken.
            SyncOutcome::LoadFailed(error) if error.is_unavailable() => {}
            outcome => check_first(outcome)?,
        }
    }
    Ok(())
}

/// The pause before a loader that could not be loaded since the start is synced again, and the longest one.
const RELOAD_PAUSE: Duration = Duration::from_secs(1);
const RELOAD_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Has each Watcher sync until it succeeds, while the stored version is served.
fn syncs_after_restore(watchers: &[ActorEntry<Watcher>], workers: &[LoaderWorker], state: &Arc<StoreState>) {
    for (number, (watcher, worker)) in watchers.iter().zip(workers).enumerate() {
        let (addr, worker, state) = (watcher.addr.clone(), worker.clone(), Arc::clone(state));
        state.loaded(number, Some(format!("{} was not loaded yet", worker.description())));
        actix::spawn(async move {
            let mut pause = RELOAD_PAUSE;
            // The address is closed once the engine stops.
            while let Ok(outcome) = addr.send(Reload::default()).await {
                let Err(error) = check_first(outcome) else {
                    state.loaded(number, None);
                    return;
                };
                let source = worker.description();
                let why = match &error {
                    StartError::Load(error) => error.to_string(),
                    error => error.to_string(),
                };
                let reason =
                    format!("{source} could not be loaded since the start ({why}); its stored templates are served");
                if state.loaded(number, Some(reason.clone())) {
                    tracing::warn!("{reason}");
                    warn_without_subscriber(&reason);
                }
                actix::clock::sleep(pause).await;
                pause = (pause * 2).min(RELOAD_PAUSE_MAX);
            }
        });
    }
}

/// Returns the keys of the stored templates of each loader.
fn keys_by_loader(stored: &StoredVersion, loaders: usize) -> Vec<Vec<TemplateKey>> {
    let keys = |texts: &Vec<StoredText>| texts.iter().map(|text| text.name.clone().into()).collect();
    stored.loaders.iter().take(loaders).map(keys).collect()
}

/// Starts the StoreWriter, and returns it with the function that has it write.
fn start_writer(
    storing: &Storing,
    accepted: &Vault<storing::Accepted>,
    loaders: usize,
    languages: Arc<Mutex<Languages>>,
    child: Arc<Child>,
    faults: InjectedFaults,
) -> (ActorEntry<StoreWriter>, Arc<dyn Fn() + Send + Sync>) {
    let mut created: Option<Arc<dyn Fn() + Send + Sync>> = None;
    let child_of_shell = Arc::clone(&child);
    let addr = Shell::<StoreWriter>::create(|context| {
        let (recipient, place) = (context.address().recipient::<StoreAccepted>(), MailboxSlot::default());
        let ask: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
            if let Some(place) = place.take() {
                // A mailbox that is full holds requests that wait for the same.
                let _ = recipient.try_send(StoreAccepted { place: Some(place) });
            }
        });
        created = Some(Arc::clone(&ask));
        let (accepted, audited) = (accepted.clone(), accepted.clone());
        let config = StoreWriterConfig {
            store: storing.store.clone(),
            audit: storing.audit.clone(),
            thread: storing.thread.clone(),
            newest: Arc::new(move || {
                let languages = &mut languages.lock().unwrap_or_else(PoisonError::into_inner);
                storing::describe(&accepted.draft(), loaders, languages)
            }),
            unwritten: Arc::new(move || audited.draft().unwritten),
            ask,
        };
        Shell::new(config, child_of_shell, faults)
    });
    let ask = created.unwrap_or_else(|| Arc::new(|| {}));
    (ActorEntry { addr, child }, ask)
}

/// Returns true if a template is served, in its newest or in its last good version.
fn is_served(snapshot: &Snapshot, name: &TemplateName) -> bool {
    let status = snapshot.id(name.as_str()).map(|id| snapshot.status(id));
    matches!(status, Some(EntryStatus::Current(_) | EntryStatus::Stale { .. }))
}

/// Returns the error of an engine that must not start without some templates.
fn check_required(required: &[TemplateName], snapshot: &Snapshot) -> Result<(), StartError> {
    let mut missing = required.iter().filter(|name| !is_served(snapshot, name));
    let Some(name) = missing.next() else {
        return Ok(());
    };
    let why = snapshot.id(name.as_str()).and_then(|id| snapshot.why(id));
    let fault = why.as_ref().and_then(|why| why.diagnostics.first());
    Err(StartError::Required {
        name: name.clone(),
        others: missing.count(),
        reason: fault.map_or_else(
            || "it does not exist".into(),
            |fault| fault.to_string().into_boxed_str(),
        ),
    })
}

/// Returns the error of a first sync.
fn check_first(outcome: SyncOutcome) -> Result<(), StartError> {
    match outcome {
        SyncOutcome::Unchanged => Ok(()),
        SyncOutcome::Decided(BatchOutcome::Published(_) | BatchOutcome::Unchanged(_)) => Ok(()),
        SyncOutcome::Decided(BatchOutcome::Refused(reason) | BatchOutcome::Lost(reason)) => {
            Err(StartError::Refused(reason))
        }
        SyncOutcome::Decided(BatchOutcome::Conflict) => Err(StartError::Failed("the versions did not agree".into())),
        SyncOutcome::Failed(fault) => Err(StartError::Failed(Box::new(fault))),
        SyncOutcome::LoadFailed(error) => Err(StartError::Load(error)),
    }
}
