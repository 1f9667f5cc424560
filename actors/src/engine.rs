//! Wiring, start and stop: the only file that names all actors.
//!
//! One thread owns the actix `System` with the control actors, none of whose handlers blocks. Each loader, the compilers and the
//! Renderer have threads of their own, and so have the actors of users.

mod answered;
mod control;
mod health;
mod line;

pub(crate) use crate::compiler::Dialects;
pub(crate) use crate::graph::companions::Companions;
pub(crate) use crate::renderer::{Answering, Instead};
pub(crate) use health::Entries;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use actix::Addr;
use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use crate::counters::Tally;
use crate::dialect::Formatters;
use crate::events::{Event, Subscription, Teller};
use crate::fault_log::{FaultLog, Wording};
use crate::graph::Grapher;
use crate::graph::plan::Graph;
use crate::limits::Limits;
use crate::loader::{Hints, Loader};
use crate::policies::{ActorKind, Policies};
use crate::protocol::render::OnFailure;
use crate::reader::{Reader, StandIn};
use crate::registry::Registry;
use crate::renderer::{Desk, Renderer};
use crate::snapshot::{Shared, Snapshot};
use crate::supervision::{
    Alarms, Behavior, Child, Circle, Door, Fault, Faults, GroupError, Incident, Line, Patience, PolicyError, Pool,
    Serve, Shell, Strategy, Supervisor,
};
use crate::watcher::{Eyes, Watcher};

use answered::Answered;
use control::{Command, Inside};

/// The Registry of an engine, which keeps the graph for the Graph.
pub(crate) type Registry = crate::registry::Registry<Graph>;

/// Everything that an engine is made from.
pub(crate) struct Plan {
    pub(crate) loaders: Vec<Box<dyn Loader>>,
    pub(crate) dialects: Dialects,
    pub(crate) formatters: Formatters,
    pub(crate) companions: Companions,
    pub(crate) entries: Entries,
    pub(crate) limits: Limits,
    pub(crate) on_failure: OnFailure,
    pub(crate) stand_in: StandIn,
    pub(crate) watch: bool,
    pub(crate) policies: Policies,
    /// Whether formatters or dialects of the user's run in renders.
    pub(crate) foreign: bool,
    /// How the log speaks of templates.
    pub(crate) wording: Wording,
}

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Nothing to load from.
    #[error("there is nothing to load templates from: name a directory with `root`, or give a `loader`")]
    NoLoader,
    /// A loader cannot look.
    #[error("the templates cannot be loaded: {0}")]
    Load(String),
    /// A loader cannot watch.
    #[error("the templates cannot be watched: {0}; start with `watch(false)` to reload only when asked to")]
    Watch(String),
    /// The template that is to stand in is none.
    #[error("the fallback `{name}` cannot stand in: {reason}")]
    Fallback {
        /// As it was given.
        name: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A formatter that no template could use.
    #[error("no template could use the formatter `{name}`: {reason}")]
    Formatter {
        /// As it was given.
        name: String,
        /// Why, and what is possible instead.
        reason: String,
    },
    /// The first version was not accepted.
    #[error("the first version is not accepted: {0}")]
    Refused(String),
    /// The system has no threads left.
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
    /// The first version took too long.
    #[error("the first version was not ready within {0} ms (the limit `start_ms`)")]
    TooSlow(u64),
    /// A policy that makes no sense.
    #[error("the policy of the {actor} makes no sense: {error}")]
    Policy {
        /// Whose.
        actor: &'static str,
        /// Which field, and what to write instead.
        #[source]
        error: PolicyError,
    },
    /// Something in the engine failed.
    #[error("the engine failed while it started")]
    Failed,
}

/// A running engine, from outside its threads.
pub(crate) struct Engine {
    pub(crate) reader: Reader,
    /// Until the engine has ended.
    teller: Mutex<Option<Teller>>,
    pub(crate) actors: Actors,
    pub(crate) renderer: Renderer,
    pub(crate) doors: Doors,
    pub(crate) limits: Arc<Limits>,
    alarms: Alarms,
    pub(crate) tally: Arc<Tally>,
    pub(crate) fault_log: Arc<FaultLog>,
    served: Arc<ArcSwap<Snapshot>>,
    control: mpsc::Sender<Command>,
    /// Of the actors of users, once there are some.
    supervisor: OnceLock<Supervisor>,
    /// What keyed reloads were answered.
    pub(crate) reloads: Answered,
    /// Makes each Watcher look.
    look_again: Arc<Mutex<Vec<Hints>>>,
    /// What visitors ask for.
    entries: Entries,
}

/// What users come in by.
#[derive(Debug, Clone)]
pub(crate) struct Doors {
    pub(crate) reloads: Door,
    pub(crate) renders: Door,
    pub(crate) queries: Door,
}

impl Doors {
    fn new(limits: &Limits) -> Self {
        Self {
            reloads: Door::new("reloads", limits.reloads_in_flight),
            renders: Door::new("renders", limits.renders_in_flight),
            queries: Door::new("queries", limits.queries_in_flight),
        }
    }

    fn all(&self) -> [&Door; 3] {
        [&self.reloads, &self.renders, &self.queries]
    }
}

/// The addresses of the control actors. They stay good through every fault.
#[derive(Clone)]
pub(crate) struct Actors {
    pub(crate) watchers: Arc<[Post<Watcher>]>,
    pub(crate) graph: Post<Grapher>,
    pub(crate) registry: Post<Registry>,
    /// All of them, in the order of the flow.
    children: Arc<[Arc<Child>]>,
    eyes: Arc<[Eyes]>,
    compilers: Pool,
    /// Faults by actor.
    pub(crate) faults: Arc<BTreeMap<&'static str, Faults>>,
}

/// An actor: where it can be written to, and what is known of it.
pub(crate) struct Post<B: Behavior> {
    pub(crate) addr: Addr<Shell<B>>,
    pub(crate) child: Arc<Child>,
}

impl<B: Behavior> Clone for Post<B> {
    fn clone(&self) -> Self {
        Self {
            addr: self.addr.clone(),
            child: Arc::clone(&self.child),
        }
    }
}

impl<B: Behavior> Post<B> {
    pub(crate) fn line<M>(&self) -> Line<M>
    where
        B: Serve<M>,
        M: actix::Message + Send + 'static,
        M::Result: From<Fault> + Send,
    {
        Line::new(&self.addr, self.child.actor(), self.child.meter())
    }
}

/// The most that the queue of the control thread reserves, whatever the doors let in: beyond it callers are told `Busy`.
const CONTROL_QUEUE_MAX: usize = 4096;

impl Engine {
    /// Starts everything, and waits until the first version is decided.
    pub(crate) fn start(plan: Plan) -> Result<Self, StartError> {
        let limits = Arc::new(plan.limits.clone());
        let entries = plan.entries.clone();
        let teller = Teller::new(limits.subscriber_events);
        let shared = Shared::new(plan.on_failure.without_good());
        let served = Arc::new(ArcSwap::new(Arc::new(Snapshot::empty_of(&shared))));
        let tally = Tally::new(limits.history_versions);
        let fault_log = Arc::new(FaultLog::new(
            limits.logged_faults,
            plan.on_failure,
            plan.stand_in.template.clone(),
            plan.wording.clone(),
        ));
        let reader = Reader::new(
            Arc::clone(&served),
            Arc::clone(&limits),
            plan.on_failure,
            plan.stand_in.clone(),
            &teller,
            Arc::clone(&fault_log),
            Arc::clone(&tally),
        );
        let alarms = Alarms::start("hotplate-alarms")?;
        // A Watcher that failed looks again by itself: nobody else asks for what it had in hand.
        let look_again = Arc::<Mutex<Vec<Hints>>>::default();
        let circle = circle(&plan.policies, &teller, &look_again);
        let kinds = ActorKind::ALL.into_iter().filter(|actor| *actor != ActorKind::Engine);
        let faults: BTreeMap<_, _> = kinds.map(|actor| (actor.name(), Faults::default())).collect();
        let desk = Desk {
            reader: reader.clone(),
            child: circle.add(ActorKind::Renderer.name(), 0, plan.policies.of(ActorKind::Renderer)),
            faults: faults["renderer"].clone(),
        };
        let patience = patience(&alarms, &limits, limits.render_hang_ms);
        let queue = limits.renders_in_flight.min(RENDER_QUEUE_MAX);
        let pool = Pool::start("hotplate-render", limits.render_threads, queue, Some(patience))?;
        let renderer = Renderer::new(desk, pool, alarms.clone(), Arc::clone(&limits), !plan.foreign);

        let doors = Doors::new(&limits);
        let capacities = doors.all().map(Door::capacity).into_iter();
        // Who sends here has come through a door, but for the one who stops it.
        let (control, commands) = mpsc::channel(capacities.fold(2, usize::saturating_add).min(CONTROL_QUEUE_MAX));
        let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
        let start_ms = limits.start_ms;
        let inside = Inside {
            plan,
            limits: Arc::clone(&limits),
            teller: teller.clone(),
            served: Arc::clone(&served),
            renderer: renderer.clone(),
            doors: doors.clone(),
            alarms: alarms.clone(),
            circle,
            look_again: Arc::clone(&look_again),
            faults: Arc::new(faults),
            tally: Arc::clone(&tally),
            fault_log: Arc::clone(&fault_log),
        };
        std::thread::Builder::new()
            .name("hotplate".into())
            .spawn(move || inside.run(commands, &ready))?;
        match is_ready.recv_timeout(Duration::from_millis(start_ms)) {
            Ok(started) => Ok(Self {
                actors: started?,
                reader,
                teller: Mutex::new(Some(teller)),
                renderer,
                doors,
                limits,
                tally,
                fault_log,
                alarms,
                served,
                control,
                supervisor: OnceLock::new(),
                reloads: Answered::default(),
                look_again,
                entries,
            }),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                end_looks(&look_again);
                Err(StartError::TooSlow(start_ms))
            }
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Err(StartError::Failed),
        }
    }

    /// Whether an actor between the disk and the served version was given up.
    pub(crate) fn is_cut(&self) -> bool {
        let renderer = ActorKind::Renderer.name();
        let line = self.actors.children.iter().filter(|child| child.actor() != renderer);
        line.into_iter().any(|child| !child.is_coming())
    }

    /// Subscribes somebody; once the engine has ended, to nothing.
    pub(crate) fn subscribe(&self) -> Subscription {
        let teller = self.teller.lock().unwrap_or_else(PoisonError::into_inner).clone();
        teller
            .unwrap_or_else(|| Teller::new(1))
            .subscribe(Arc::clone(&self.served))
    }

    /// The supervisor of the actors of users, from the first group on.
    pub(crate) fn supervisor(&self) -> Result<Supervisor, GroupError> {
        // Under the lock of the teller, so that there is one, and none once the engine has ended.
        let teller = self.teller.lock().unwrap_or_else(PoisonError::into_inner);
        let weak = teller.as_ref().map(Teller::weak).ok_or(GroupError::Ended)?;
        if let Some(supervisor) = self.supervisor.get() {
            return Ok(supervisor.clone());
        }
        let tell = move |incident: &Incident| weak.tell(Event::from(incident.clone()));
        let supervisor = Supervisor::start(self.alarms.clone(), tell)?;
        Ok(self.supervisor.get_or_init(|| supervisor).clone())
    }

    /// Closes the doors, lets what is inside come to its end, and stops. Answers whether everything was done in time.
    pub(crate) async fn stop(&self, within: Duration) -> bool {
        self.doors.all().into_iter().for_each(Door::close);
        // It may hold a handle of this engine.
        self.renderer.instead.store(None);
        let _ends_with_this = self.teller.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (done, is_done) = oneshot::channel();
        let supervisor = self.supervisor.get().cloned();
        let stop = Command::Stop {
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

/// The most that the queue of renders reserves, whatever the door lets in.
const RENDER_QUEUE_MAX: usize = 65_536;

/// When a job hangs, and how many may.
fn patience(alarms: &Alarms, limits: &Limits, hang_ms: u64) -> Patience {
    Patience {
        alarms: alarms.clone(),
        hang: Duration::from_millis(hang_ms),
        quarantined: limits.quarantined_threads,
    }
}

/// Those who keep each other's place in the engine.
fn circle(policies: &Policies, teller: &Teller, look_again: &Arc<Mutex<Vec<Hints>>>) -> Arc<Circle> {
    // Weak, for handles keep these.
    let (teller, look_again) = (teller.weak(), Arc::clone(look_again));
    let tell = move |incident: &Incident| {
        if matches!(incident, Incident::Failed(fault) if fault.actor == ActorKind::Watcher.name()) {
            let hints = look_again.lock().unwrap_or_else(PoisonError::into_inner);
            hints.iter().for_each(Hints::hint);
        }
        teller.tell(incident.clone().into());
    };
    Circle::new(Strategy::OneForOne, policies.of(ActorKind::Engine), tell)
}

/// Nobody waits for what loaders find.
fn end_looks(look_again: &Mutex<Vec<Hints>>) {
    let hints = look_again.lock().unwrap_or_else(PoisonError::into_inner);
    hints.iter().for_each(Hints::end);
}

impl Drop for Engine {
    fn drop(&mut self) {
        end_looks(&self.look_again);
        let (done, _) = oneshot::channel();
        // Where this finds no room the channel closes with it, which is the same.
        let _ = self.control.try_send(Command::Stop {
            within: Duration::ZERO,
            supervisor: self.supervisor.take(),
            done,
        });
    }
}
