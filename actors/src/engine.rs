//! Wiring, start and stop: the only file that names all actors.
//!
//! One thread owns the actix `System` with the control actors, none of whose handlers blocks. Each loader, the compilers and the
//! Renderers have threads of their own.

mod health;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{Actor, Addr, Arbiter, AsyncContext};
use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use crate::compiler::{self, Cache, Compiler, Dialects};
use crate::counters::Tally;
use crate::dialect::Formatters;
use crate::events::{Subscription, Teller};
use crate::graph::plan::{Companions, Graph};
use crate::graph::{self, Grapher};
use crate::limits::Limits;
use crate::loader::{Hints, Loader};
use crate::messages::{Drain, Look, Looked, Reload, Waiting};
use crate::policies::{ActorKind, Policies};
use crate::reader::{OnFailure, Reader, StandIn};
use crate::registry::truth::Truth;
use crate::registry::{self, Registry};
use crate::renderer::Renderer;
use crate::snapshot::Snapshot;
use crate::supervision::{
    Behavior, Child, Circle, Door, Fault, Faults, Incident, Line, PolicyError, Pool, Serve, Shell, Strategy, Vault,
};
use crate::version::LoaderId;
use crate::watcher::{self, Eyes, Watcher};

/// Everything that an engine is made from.
pub(crate) struct Plan {
    pub(crate) loaders: Vec<Box<dyn Loader>>,
    pub(crate) dialects: Dialects,
    pub(crate) formatters: Formatters,
    pub(crate) companions: Companions,
    pub(crate) limits: Limits,
    pub(crate) on_failure: OnFailure,
    pub(crate) stand_in: StandIn,
    pub(crate) watch: bool,
    pub(crate) policies: Policies,
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
    pub(crate) doors: Doors,
    pub(crate) limits: Arc<Limits>,
    pub(crate) tally: Arc<Tally>,
    served: Arc<ArcSwap<Snapshot>>,
    control: mpsc::Sender<Control>,
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

/// The addresses of the actors. They stay good through every fault.
#[derive(Clone)]
pub(crate) struct Actors {
    pub(crate) watchers: Arc<[Post<Watcher>]>,
    pub(crate) graph: Post<Grapher>,
    pub(crate) registry: Post<Registry>,
    pub(crate) renderers: Arc<[Seat]>,
    /// All of them, in the order of the flow.
    children: Arc<[Arc<Child>]>,
    eyes: Arc<[Eyes]>,
    /// Faults by actor.
    pub(crate) faults: Arc<BTreeMap<&'static str, Faults>>,
}

/// An actor, where it can be written to and what is known of it.
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
        Line::new(&self.addr, self.child.meter())
    }
}

/// A Renderer, and how many renders wait for it or are under way.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) renderer: Post<Renderer>,
    pub(crate) taken: Arc<AtomicUsize>,
}

/// The most that the queue of the control thread reserves, whatever the doors let in: beyond it callers are told `Busy`.
const CONTROL_QUEUE_MAX: usize = 4096;

type Task = Box<dyn FnOnce() + Send>;

enum Control {
    Run(Task),
    Stop {
        within: Duration,
        done: oneshot::Sender<bool>,
    },
}

impl Engine {
    /// Starts everything, and waits until the first version is decided.
    pub(crate) fn start(plan: Plan) -> Result<Self, StartError> {
        let limits = Arc::new(plan.limits.clone());
        let teller = Teller::new(limits.subscriber_events);
        let served = Arc::new(ArcSwap::from_pointee(Truth::new().snapshot().clone()));
        let tally = Tally::new(limits.history_versions);
        let reader = Reader::new(
            Arc::clone(&served),
            Arc::clone(&limits),
            plan.on_failure,
            plan.stand_in.clone(),
            &teller,
            Arc::clone(&tally),
        );
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
            reader: reader.clone(),
            doors: doors.clone(),
            tally: Arc::clone(&tally),
        };
        std::thread::Builder::new()
            .name("hotplate".into())
            .spawn(move || inside.run(commands, &ready))?;
        match is_ready.recv_timeout(Duration::from_millis(start_ms)) {
            Ok(started) => {
                let actors = started?;
                Ok(Self {
                    reader,
                    teller: Mutex::new(Some(teller)),
                    actors,
                    doors,
                    limits,
                    tally,
                    served,
                    control,
                })
            }
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => Err(StartError::TooSlow(start_ms)),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Err(StartError::Failed),
        }
    }

    /// Runs something in the thread of the control actors, where timers work whatever runtime the caller has.
    pub(crate) fn run<T, F>(&self, task: impl FnOnce() -> F + Send + 'static) -> oneshot::Receiver<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let task = Box::new(move || {
            actix::spawn(async move {
                let _ = answer.send(task().await);
            });
        });
        // Once the engine has ended, the task is dropped, and with it the sender.
        let _ = self.control.try_send(Control::Run(task));
        answered
    }

    /// Subscribes somebody; once the engine has ended, to nothing.
    pub(crate) fn subscribe(&self) -> Subscription {
        let teller = self.teller.lock().unwrap_or_else(PoisonError::into_inner).clone();
        teller
            .unwrap_or_else(|| Teller::new(1))
            .subscribe(Arc::clone(&self.served))
    }

    /// Closes the doors, lets what is inside come to its end, and stops. Answers whether everything was done in time.
    pub(crate) async fn stop(&self, within: Duration) -> bool {
        self.doors.all().into_iter().for_each(Door::close);
        let _ends_with_this = self.teller.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (done, is_done) = oneshot::channel();
        if self.control.send(Control::Stop { within, done }).await.is_err() {
            return true;
        }
        is_done.await.unwrap_or(true)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let (done, _) = oneshot::channel();
        // Where this finds no room the channel closes with it, which is the same.
        let _ = self.control.try_send(Control::Stop {
            within: Duration::ZERO,
            done,
        });
    }
}

/// What the control thread takes along.
struct Inside {
    plan: Plan,
    limits: Arc<Limits>,
    teller: Teller,
    served: Arc<ArcSwap<Snapshot>>,
    reader: Reader,
    doors: Doors,
    tally: Arc<Tally>,
}

type Ready = std::sync::mpsc::SyncSender<Result<Actors, StartError>>;

impl Inside {
    fn run(self, mut commands: mpsc::Receiver<Control>, ready: &Ready) {
        let doors = self.doors.clone();
        let mut arbiters = Vec::new();
        let stopped = actix::System::new().block_on(async {
            let actors = match self.start(&mut arbiters).await {
                Ok(actors) => actors,
                Err(error) => {
                    let _ = ready.send(Err(error));
                    return None;
                }
            };
            let watchers = Arc::clone(&actors.watchers);
            let _ = ready.send(Ok(actors));
            while let Some(command) = commands.recv().await {
                match command {
                    Control::Run(task) => task(),
                    Control::Stop { within, done } => {
                        // Who is inside may still need this thread in order to come out.
                        let run = async {
                            loop {
                                match commands.recv().await {
                                    Some(Control::Run(task)) => task(),
                                    Some(Control::Stop { .. }) => {}
                                    None => std::future::pending().await,
                                }
                            }
                        };
                        let drained = actix::clock::timeout(within, async {
                            tokio::select! {
                                () = drain(&doors, &watchers) => {}
                                () = run => {}
                            }
                        });
                        return Some((done, drained.await.is_ok()));
                    }
                }
            }
            None
        });
        for arbiter in &arbiters {
            arbiter.stop();
        }
        if let Some((done, drained)) = stopped {
            if drained {
                for arbiter in arbiters {
                    let _ = arbiter.join();
                }
            }
            let _ = done.send(drained);
        }
    }

    async fn start(self, arbiters: &mut Vec<Arbiter>) -> Result<Actors, StartError> {
        let Self {
            plan,
            limits,
            teller,
            served,
            reader,
            tally,
            ..
        } = self;
        // A Watcher that failed looks again by itself: nobody else asks for what it had in hand.
        let look_again = Arc::<Mutex<Vec<Hints>>>::default();
        let tell = {
            // Weak, for handles keep these.
            let (teller, look_again) = (teller.weak(), Arc::clone(&look_again));
            move |incident: &Incident| {
                if matches!(incident, Incident::Failed(fault) if fault.actor == "watcher") {
                    let hints = look_again.lock().unwrap_or_else(PoisonError::into_inner);
                    hints.iter().for_each(Hints::hint);
                }
                teller.tell(incident.clone().into());
            }
        };
        let circle = Circle::new(Strategy::OneForOne, plan.policies.of(ActorKind::Engine), tell);
        let child = |actor: ActorKind, number| circle.add(actor.name(), number, plan.policies.of(actor));
        let faults: BTreeMap<_, _> = ActorKind::ALL
            .into_iter()
            .filter(|actor| *actor != ActorKind::Engine)
            .map(|actor| (actor.name(), Faults::default()))
            .collect();
        let faults = Arc::new(faults);

        let accepted = Vault::new(Graph::new(&plan.formatters, plan.companions));
        let registry = registry::Setup {
            truth: Vault::new(Truth::new()),
            graph: accepted.clone(),
            served,
            formatters: plan.formatters,
            limits: Arc::clone(&limits),
            teller: teller.clone(),
            tally: Arc::clone(&tally),
        };
        let registry: Post<Registry> = start(registry, child(ActorKind::Registry, 0), &faults);
        let graph = graph::Setup {
            accepted,
            registry: registry.line(),
        };
        let graph: Post<Grapher> = start(graph, child(ActorKind::Graph, 0), &faults);
        let compiler = compiler::Setup {
            dialects: plan.dialects,
            cache: Arc::new(Cache::new(limits.compile_cache_bytes)),
            pool: Pool::start("hotplate-compile", limits.compile_threads, 1024)?,
            limits: Arc::clone(&limits),
            tally: Arc::clone(&tally),
            graph: graph.line(),
        };
        let compiler: Post<Compiler> = start(compiler, child(ActorKind::Compiler, 0), &faults);

        let renderers = match limits.render_threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            given => given,
        };
        let renderers = (0..renderers).map(|number| {
            let arbiter = Arbiter::new();
            let child = child(ActorKind::Renderer, u16::try_from(number).unwrap_or(u16::MAX));
            let (reader, faults, of_shell) = (reader.clone(), faults["renderer"].clone(), Arc::clone(&child));
            let shell = move |_: &mut _| Shell::<Renderer>::new(reader, of_shell, faults);
            let addr = Shell::start_in_arbiter(&arbiter.handle(), shell);
            arbiters.push(arbiter);
            Seat {
                renderer: Post { addr, child },
                taken: Arc::default(),
            }
        });
        let renderers: Arc<[Seat]> = renderers.collect();

        let mut watchers = Vec::with_capacity(plan.loaders.len());
        let mut all_eyes = Vec::with_capacity(plan.loaders.len());
        for (number, loader) in plan.loaders.into_iter().enumerate() {
            let id = LoaderId(u16::try_from(number).unwrap_or(u16::MAX));
            let eyes = Eyes::new(loader, id)?;
            let child = child(ActorKind::Watcher, id.0);
            let faults = faults["watcher"].clone();
            let tally = Arc::clone(&tally);
            let (watcher, hints) = start_watcher(id, eyes.clone(), compiler.line(), tally, child, faults);
            look_again
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(hints.clone());
            if plan.watch {
                let watching = eyes.with(move |loader| loader.watch(hints)).await;
                watching
                    .map_err(StartError::Watch)?
                    .map_err(|error| StartError::Watch(error.to_string()))?;
            }
            watchers.push(watcher);
            all_eyes.push(eyes);
        }
        for watcher in &watchers {
            first_look(watcher).await?;
        }
        let line = [&compiler.child, &graph.child, &registry.child];
        let children = (watchers.iter().map(|watcher| &watcher.child))
            .chain(line)
            .chain(renderers.iter().map(|seat| &seat.renderer.child));
        Ok(Actors {
            children: children.cloned().collect(),
            watchers: watchers.into(),
            graph,
            registry,
            renderers,
            eyes: all_eyes.into(),
            faults,
        })
    }
}

/// Starts a control actor, in this thread.
fn start<B: Behavior>(setup: B::Setup, child: Arc<Child>, faults: &BTreeMap<&'static str, Faults>) -> Post<B> {
    let faults = faults.get(child.actor()).cloned().unwrap_or_default();
    let addr = Shell::new(setup, Arc::clone(&child), faults).start();
    Post { addr, child }
}

fn start_watcher(
    loader: LoaderId,
    eyes: Eyes,
    compiler: Line<crate::messages::SourcesChanged>,
    tally: Arc<Tally>,
    child: Arc<Child>,
    faults: Faults,
) -> (Post<Watcher>, Hints) {
    let hinted = Arc::new(AtomicBool::new(false));
    let mut given = None;
    let of_shell = Arc::clone(&child);
    let addr = Shell::<Watcher>::create(|context| {
        let look = context.address().recipient::<Look>();
        let waiting = Arc::clone(&hinted);
        let hints = Hints::new(move || {
            if let Some(waiting) = Waiting::begin(&waiting) {
                // A full mailbox holds reloads, which look at everything.
                let _ = look.try_send(Look(waiting));
            }
        });
        given = Some(hints.clone());
        let setup = watcher::Setup {
            loader,
            eyes,
            revisions: Arc::new(AtomicU64::new(0)),
            compiler,
            hints,
            tally,
        };
        Shell::new(setup, of_shell, faults)
    });
    let hints = given.unwrap_or_else(|| Hints::new(|| {}));
    (Post { addr, child }, hints)
}

async fn first_look(watcher: &Post<Watcher>) -> Result<(), StartError> {
    use crate::messages::Outcome;
    match watcher
        .addr
        .send(Reload::default())
        .await
        .map_err(|_| StartError::Failed)?
    {
        Looked::Nothing => Ok(()),
        Looked::Decided(Outcome::Published(_) | Outcome::Unchanged(_) | Outcome::Held(_)) => Ok(()),
        Looked::Decided(Outcome::Refused(reason) | Outcome::Lost(reason)) => Err(StartError::Refused(reason)),
        Looked::Decided(Outcome::Conflict) | Looked::Failed(_) => Err(StartError::Failed),
        Looked::Unreadable(reason) => Err(StartError::Load(reason)),
    }
}

/// Waits until nobody is inside the doors and every Watcher has finished the batch in hand.
async fn drain(doors: &Doors, watchers: &[Post<Watcher>]) {
    for door in doors.all() {
        door.emptied().await;
    }
    for watcher in watchers {
        let _ = watcher.addr.send(Drain).await;
    }
}
