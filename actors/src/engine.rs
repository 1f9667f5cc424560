//! Wiring, start and stop of the engine: the only module that names all actors.
//!
//! One thread owns the actix `System` with the control actors (Watcher, Compiler, Graph, Registry), none of whose handlers blocks. Each
//! loader, the compilers and the Renderer have threads of their own, and so have the actors of users. All of them share the timers, the
//! limits and the bus of events; callers reach them through bounded recipients, one for each kind of call.

mod control;
mod health;
mod languages;
mod pipeline;
mod storing;
mod stored_versions;
mod preview;

pub(crate) use crate::compiler::Dialects;
pub(crate) use crate::graph::companions::Companions;
pub(crate) use crate::renderer::{Answering, CustomRenderer};
pub(crate) use health::Entries;
pub(crate) use preview::{Draft, Previews};
pub(crate) use stored_versions::{StoredError, StoredVersions};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use actix::Addr;
use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use crate::audit::{AuditOptions, KeyError};
use crate::contract::Contract;
use crate::counters::Recorder;
use crate::dialect::Formatters;
use crate::events::{Event, EventBus, Subscription};
use crate::fault_log::{FaultLog, Wording};
use crate::graph::plan::Graph;
use crate::idempotency::{AnswerStore, PendingAnswer};
use crate::judge::JudgeError;
use crate::limits::{Limits, LimitsError};
use crate::loader::{Hints, LoaderError, RegisteredLoader};
use crate::policies::{ActorKind, Policies};
use crate::protocol::messages::IdempotencyKey;
use crate::protocol::reload::ReloadReport;
use crate::protocol::render::OnFailure;
use crate::reader::{Reader, StandIn};
use crate::renderer::{RenderWorker, Renderer};
use crate::samples::Samples;
use crate::snapshot::scopes::ExportedNames;
use crate::snapshot::{Snapshot, SnapshotShared};
use crate::stages::{StageSettings, Stages, StagesError};
use crate::store::{StoreError, StoreOptions};
use crate::store_writer::StoreWriter;
use crate::supervision::{
    Behavior, BoundedRecipient, Child, Fault, GroupError, HangPolicy, Incident, InjectedFaults, MeteredRecipient,
    PolicyError, Pool, Serve, Shell, Strategy, StrategyGroup, Supervisor, Timers,
};
use crate::template::{NameError, TemplateName};
use crate::watcher::Watcher;
use crate::watcher::worker::LoaderWorker;

use control::{ControlCommand, ControlState};
use storing::Storing;

/// The Registry of an engine, which keeps the graph for the Graph.
pub(crate) type Registry = crate::registry::Registry<Arc<Graph>>;
/// The Graph of an engine.
pub(crate) type Grapher = crate::graph::Grapher<crate::registry::AnsweredState>;

/// The reports of reloads by idempotency key.
pub(crate) type ReloadAnswers = Mutex<AnswerStore<IdempotencyKey, PendingAnswer<ReloadReport>>>;

/// The hints of all Watchers. Each makes its Watcher sync.
type WatcherHints = Arc<Mutex<Vec<Hints>>>;

/// The configuration of an engine, as the builder has checked it.
pub(crate) struct StartPlan {
    /// The loaders in the order of precedence.
    pub(crate) loaders: Vec<RegisteredLoader>,
    pub(crate) dialects: Dialects,
    pub(crate) formatters: Formatters,
    pub(crate) companions: Companions,
    /// The names that all tenants share.
    pub(crate) exported: ExportedNames,
    pub(crate) entries: Entries,
    pub(crate) samples: Samples,
    pub(crate) contract: Contract,
    pub(crate) limits: Limits,
    pub(crate) on_failure: OnFailure,
    pub(crate) stand_in: StandIn,
    pub(crate) watch: bool,
    pub(crate) policies: Policies,
    /// True if formatters or dialects of the user's run in renders.
    pub(crate) foreign: bool,
    /// Describes templates in the log.
    pub(crate) wording: Wording,
    /// Counts the texts that were compiled.
    pub(crate) progress: Option<Arc<AtomicUsize>>,
    /// The store of published versions.
    pub(crate) store: Option<StoreOptions>,
    /// The audit log.
    pub(crate) audit: Option<AuditOptions>,
    /// The templates without which the engine does not start.
    pub(crate) required_at_start: Vec<TemplateName>,
    /// The settings by which canaries are judged and rolled out.
    pub(crate) stages: StageSettings,
}

/// Errors of starting an engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no loader.
    #[error("there is nothing to load templates from: name a directory with `root`, or give a `loader`")]
    NoLoader,
    /// A loader failed.
    #[error("the templates cannot be loaded: {0}")]
    Load(#[source] LoaderError),
    /// A loader cannot watch its source.
    #[error("the templates cannot be watched: {0}; start with `watch(false)` to reload only when asked to")]
    Watch(#[source] LoaderError),
    /// The fallback template is unusable.
    #[error("the fallback template `{name}` cannot be used: {reason}")]
    Fallback {
        /// Name as it was given.
        name: String,
        /// Reason, and what to do.
        #[source]
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No template could use a formatter.
    #[error("no template could use the formatter `{name}`: {reason}")]
    Formatter {
        /// Name as it was given.
        name: String,
        /// Reason, and what is possible instead.
        reason: String,
    },
    /// No template could use a filter, test, function or global.
    #[error("no template could use `{name}`: {reason}")]
    Extension {
        /// Name and parameters as they were given.
        name: String,
        /// Reason, and what is possible instead.
        reason: String,
    },
    /// The first version was rejected.
    #[error("the first version was rejected: {0}")]
    Refused(String),
    /// A required template cannot be served, neither from its source nor from the store.
    #[error(
        "the required template `{name}` cannot be served ({reason}){}: fix it, or start without requiring it",
        match others { 0 => String::new(), others => format!(", and neither can {others} others") }
    )]
    Required {
        /// Its name.
        name: TemplateName,
        /// The number of other required templates that cannot be served.
        others: usize,
        /// The first fault.
        reason: Box<str>,
    },
    /// A template that is required, or has a sample or a schema, cannot exist.
    #[error("no template can have the name `{name}`: {error}")]
    Name {
        /// Name as it was given.
        name: String,
        /// The rule that it breaks.
        #[source]
        error: NameError,
    },
    /// A sample of a context cannot be written as JSON.
    #[error("the sample of `{name}` cannot be written as JSON: {error}")]
    Sample {
        /// Name of the entry.
        name: String,
        /// The reason.
        #[source]
        error: serde_json::Error,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(StoreError),
    /// The key of the audit log cannot be used.
    #[error("the audit log cannot be signed: {0}")]
    AuditKey(#[source] KeyError),
    /// The store or the audit log is in a directory of templates, or the other way round.
    #[error(
        "the directory of the {what}, {}, and that of templates, {}, are one inside the other, so each version that is written could be a \
         change of the templates: choose another directory for the {what}", directory.display(), root.display()
    )]
    Nested {
        /// `store` or `audit log`.
        what: &'static str,
        /// The directory that would be written.
        directory: PathBuf,
        /// The directory of templates.
        root: PathBuf,
    },
    /// The system has no threads left.
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
    /// The first version took too long.
    #[error("the first version was not ready within {0} ms (the limit `start_ms`)")]
    TooSlow(u64),
    /// The thresholds of the judge contradict each other.
    #[error("the settings of the judge are invalid: {0}")]
    Judge(#[source] JudgeError),
    /// Two limits contradict each other.
    #[error("the limits are invalid: {0}")]
    Limits(#[source] LimitsError),
    /// A policy is invalid.
    #[error("the policy of the {actor} is invalid: {error}")]
    Policy {
        /// Name of the actor.
        actor: &'static str,
        /// The field, and what to write instead.
        #[source]
        error: PolicyError,
    },
    /// An actor of the engine failed.
    #[error("the engine failed while it started: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StagesError> for StartError {
    fn from(error: StagesError) -> Self {
        match error {
            StagesError::Judge(error) => Self::Judge(error),
            StagesError::Thread(error) => Self::Thread(error),
        }
    }
}

/// A running engine, as seen from outside its threads.
pub(crate) struct Engine {
    pub(crate) reader: Reader,
    /// Taken when the engine stops, which ends all subscriptions.
    events: Mutex<Option<EventBus>>,
    pub(crate) actors: Actors,
    pub(crate) renderer: Renderer,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) limits: Arc<Limits>,
    timers: Timers,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) fault_log: Arc<FaultLog>,
    pub(crate) stages: Arc<Stages>,
    served: Arc<ArcSwap<Snapshot>>,
    control: mpsc::Sender<ControlCommand>,
    /// Supervisor of the actors of users, from the first group on.
    supervisor: OnceLock<Supervisor>,
    /// Answers of reloads with an idempotency key.
    pub(crate) reload_answers: ReloadAnswers,
    /// Hints that make each Watcher sync.
    watcher_hints: WatcherHints,
    /// Selects the templates that visitors request.
    entries: Entries,
}

/// Admission of calls, by kind.
#[derive(Debug, Clone)]
pub(crate) struct Mailboxes {
    pub(crate) reloads: BoundedRecipient,
    pub(crate) renders: BoundedRecipient,
    pub(crate) queries: BoundedRecipient,
}

impl Mailboxes {
    fn new(limits: &Limits) -> Self {
        Self {
            reloads: BoundedRecipient::new("reloads", limits.reloads_in_flight, "the limit `reloads_in_flight`"),
            renders: BoundedRecipient::new("renders", limits.renders_in_flight, "the limit `renders_in_flight`"),
            queries: BoundedRecipient::new("queries", limits.queries_in_flight, "the limit `queries_in_flight`"),
        }
    }

    fn all(&self) -> [&BoundedRecipient; 3] {
        [&self.reloads, &self.renders, &self.queries]
    }
}

/// The addresses of the control actors. They stay valid through all restarts.
#[derive(Clone)]
pub(crate) struct Actors {
    pub(crate) watchers: Arc<[ActorEntry<Watcher>]>,
    pub(crate) graph: ActorEntry<Grapher>,
    pub(crate) registry: ActorEntry<Registry>,
    /// Records of all actors, in the order of the pipeline.
    children: Arc<[Arc<Child>]>,
    loader_workers: Arc<[LoaderWorker]>,
    compilers: Pool,
    /// The store and the audit log, and the actor that writes them.
    store: Option<(Storing, ActorEntry<StoreWriter>)>,
    /// Makes previews.
    pub(crate) previews: Previews,
    /// The versions that the store has from earlier processes.
    pub(crate) stored_versions: Option<StoredVersions>,
    /// Fault counts and injection, by name of the actor.
    pub(crate) faults: Arc<BTreeMap<&'static str, InjectedFaults>>,
}

/// An actor of the engine: its address and its record.
pub(crate) struct ActorEntry<B: Behavior> {
    pub(crate) addr: Addr<Shell<B>>,
    pub(crate) child: Arc<Child>,
}

impl<B: Behavior> Clone for ActorEntry<B> {
    fn clone(&self) -> Self {
        Self {
            addr: self.addr.clone(),
            child: Arc::clone(&self.child),
        }
    }
}

impl<B: Behavior> ActorEntry<B> {
    /// Returns a metered recipient of one type of message.
    pub(crate) fn recipient<M>(&self) -> MeteredRecipient<M>
    where
        B: Serve<M>,
        M: actix::Message + Send + 'static,
        M::Result: From<Fault> + Send,
    {
        MeteredRecipient::new(&self.addr, self.child.actor(), self.child.meter())
    }
}

/// Maximum size of the queue of the control thread, whatever the limits of calls in flight. Callers that find it full are answered
/// `Busy`.
const CONTROL_QUEUE_MAX: usize = 4096;

impl Engine {
    /// Starts all actors, and waits until the first version is published or rejected.
    pub(crate) fn start(plan: StartPlan) -> Result<Self, StartError> {
        let limits = Arc::new(plan.limits.clone());
        let entries = plan.entries.clone();
        let events = EventBus::new(limits.subscriber_events);
        let shared = SnapshotShared::new(plan.on_failure.without_good());
        let served = Arc::new(ArcSwap::new(Arc::new(Snapshot::empty_of(&shared))));
        let recorder = Recorder::new(limits.history_versions, limits.leaked_after());
        let fault_log = Arc::new(FaultLog::new(
            limits.logged_faults,
            plan.on_failure,
            plan.stand_in.template.clone(),
            plan.wording.clone(),
        ));
        let stages = Stages::new(&plan.stages, &events)?;
        let reader = Reader::new(
            Arc::clone(&served),
            Arc::clone(&limits),
            (plan.on_failure, plan.stand_in.clone()),
            &events,
            (Arc::clone(&fault_log), Arc::clone(&recorder)),
            Arc::clone(&stages),
        );
        let timers = Timers::start("hotplate-timers")?;
        let watcher_hints = WatcherHints::default();
        let group = strategy_group(&plan.policies, &events, &watcher_hints);
        let kinds = ActorKind::ALL.into_iter().filter(|actor| *actor != ActorKind::Engine);
        let faults: BTreeMap<_, _> = kinds.map(|actor| (actor.name(), InjectedFaults::default())).collect();
        let worker = RenderWorker {
            reader: reader.clone(),
            child: group.add(ActorKind::Renderer.name(), 0, plan.policies.of(ActorKind::Renderer)),
            faults: faults["renderer"].clone(),
        };
        let hang_policy = hang_policy(&timers, &limits, limits.render_hang_ms, "the limit `render_hang_ms`");
        let queue = limits.renders_in_flight.min(RENDER_QUEUE_MAX);
        let pool = Pool::start("hotplate-render", limits.render_threads, queue, Some(hang_policy))?;
        let renderer = Renderer::new(worker, pool, timers.clone(), Arc::clone(&limits), !plan.foreign);

        let mailboxes = Mailboxes::new(&limits);
        let capacities = mailboxes.all().map(BoundedRecipient::capacity).into_iter();
        // Every sender holds a permit of one of these, except the two that may stop the engine.
        let (control, commands) = mpsc::channel(capacities.fold(2, usize::saturating_add).min(CONTROL_QUEUE_MAX));
        let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
        let start_ms = limits.start_ms;
        let state = ControlState {
            plan,
            limits: Arc::clone(&limits),
            events: events.clone(),
            served: Arc::clone(&served),
            renderer: renderer.clone(),
            mailboxes: mailboxes.clone(),
            timers: timers.clone(),
            group,
            watcher_hints: Arc::clone(&watcher_hints),
            faults: Arc::new(faults),
            recorder: Arc::clone(&recorder),
            fault_log: Arc::clone(&fault_log),
            stages: Arc::clone(&stages),
        };
        std::thread::Builder::new()
            .name("hotplate".into())
            .spawn(move || state.run(commands, &ready))?;
        match is_ready.recv_timeout(Duration::from_millis(start_ms)) {
            Ok(started) => Ok(Self {
                actors: started?,
                reader,
                events: Mutex::new(Some(events)),
                renderer,
                mailboxes,
                limits,
                recorder,
                fault_log,
                stages,
                timers,
                served,
                control,
                supervisor: OnceLock::new(),
                reload_answers: ReloadAnswers::default(),
                watcher_hints,
                entries,
            }),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                end_hints(&watcher_hints);
                Err(StartError::TooSlow(start_ms))
            }
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => {
                Err(StartError::Failed("its thread has ended; the log says why".into()))
            }
        }
    }

    /// Returns the fault of an actor between the loaders and the served version that is down, so that no edit comes through.
    pub(crate) fn pipeline_down(&self) -> Option<Fault> {
        let beside = [ActorKind::Renderer.name(), ActorKind::Store.name()];
        let mut pipeline = self
            .actors
            .children
            .iter()
            .filter(|child| !beside.contains(&child.actor()));
        pipeline
            .find(|child| !child.is_available())
            .map(|child| child.down_fault())
    }

    /// Subscribes to the events. After the engine has stopped, the subscription ends at once.
    pub(crate) fn subscribe(&self) -> Subscription {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner).clone();
        events
            .unwrap_or_else(|| EventBus::new(1))
            .subscribe(Arc::clone(&self.served))
    }

    /// Returns the supervisor of the actors of users, which the first call starts.
    pub(crate) fn supervisor(&self) -> Result<Supervisor, GroupError> {
        // The lock is held until the end, so that only one is started, and none after the engine has stopped.
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let weak = events.as_ref().map(EventBus::weak).ok_or(GroupError::Ended)?;
        if let Some(supervisor) = self.supervisor.get() {
            return Ok(supervisor.clone());
        }
        let on_incident = move |incident: &Incident| weak.send(Event::from(incident.clone()));
        let supervisor = Supervisor::start(self.timers.clone(), on_incident)?;
        Ok(self.supervisor.get_or_init(|| supervisor).clone())
    }

    /// Rejects further calls, finishes those in flight, and stops. Returns true if all of them were finished in time.
    pub(crate) async fn stop(&self, within: Duration) -> bool {
        self.mailboxes.all().into_iter().for_each(BoundedRecipient::close);
        // The custom renderer may hold a handle of this engine.
        self.renderer.custom.store(None);
        let _ends_with_this = self.events.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (done, is_done) = oneshot::channel();
        let supervisor = self.supervisor.get().cloned();
        let stop = ControlCommand::Stop {
            within,
            supervisor,
            done,
        };
        if self.control.send(stop).await.is_err() {
            return true;
        }
        is_done.await.unwrap_or(true)
    }
}

/// Maximum size of the queue of renders, whatever the limit of renders in flight.
const RENDER_QUEUE_MAX: usize = 65_536;

/// Returns the limits on jobs that hang.
fn hang_policy(timers: &Timers, limits: &Limits, hang_ms: u64, limit: &'static str) -> HangPolicy {
    HangPolicy {
        timers: timers.clone(),
        hang: Duration::from_millis(hang_ms),
        limit,
        quarantined: limits.quarantined_threads,
    }
}

/// Returns the group of the engine's own actors. Its incidents become events.
fn strategy_group(policies: &Policies, events: &EventBus, watcher_hints: &WatcherHints) -> Arc<StrategyGroup> {
    // A weak reference, because handles keep the group, and subscriptions must end with the engine.
    let (events, watcher_hints) = (events.weak(), Arc::clone(watcher_hints));
    let on_incident = move |incident: &Incident| {
        // A Watcher that failed syncs again: its hint is gone, and no caller may be there to repeat it.
        if matches!(incident, Incident::Failed(fault) if fault.actor == ActorKind::Watcher.name()) {
            let hints = watcher_hints.lock().unwrap_or_else(PoisonError::into_inner);
            hints.iter().for_each(Hints::hint);
        }
        events.send(incident.clone().into());
    };
    StrategyGroup::new(Strategy::OneForOne, policies.of(ActorKind::Engine), on_incident)
}

/// Tells the loaders that their hints are no longer needed.
fn end_hints(watcher_hints: &Mutex<Vec<Hints>>) {
    let hints = watcher_hints.lock().unwrap_or_else(PoisonError::into_inner);
    hints.iter().for_each(Hints::end);
}

impl Drop for Engine {
    fn drop(&mut self) {
        end_hints(&self.watcher_hints);
        let (done, _) = oneshot::channel();
        // If the queue is full, the channel closes with `self`, which stops the engine as well.
        let _ = self.control.try_send(ControlCommand::Stop {
            within: Duration::ZERO,
            supervisor: self.supervisor.take(),
            done,
        });
    }
}
