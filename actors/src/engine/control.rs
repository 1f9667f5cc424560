//! The control thread: owns the actix `System`, runs calls that need a timer, and shuts the engine down.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::{Actors, Engine, Mailboxes, StartError, StartPlan, WatcherHints};
use crate::counters::Recorder;
use crate::events::EventBus;
use crate::fault_log::FaultLog;
use crate::limits::Limits;
use crate::protocol::messages::{Drain, StoreAccepted};
use crate::renderer::Renderer;
use crate::snapshot::Snapshot;
use crate::stages::Stages;
use crate::supervision::{InjectedFaults, Pool, StrategyGroup, Supervisor, Timers, Unavailable, runtime};
use crate::watcher::worker::LoaderWorker;

type Task = Box<dyn FnOnce() + Send>;

/// Commands to the control thread.
pub(super) enum ControlCommand {
    /// Run a task.
    Run(Task),
    /// Shut down.
    Stop {
        within: Duration,
        supervisor: Option<Supervisor>,
        done: oneshot::Sender<bool>,
    },
}

impl Engine {
    /// Runs a task in the control thread, where timers work whatever runtime the caller has.
    pub(crate) fn run<T, F>(
        &self,
        task: impl FnOnce() -> F + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, Unavailable>
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
        // If the engine stops, the task is dropped, and with it the sender, which the receiver notices.
        match self.control.try_send(ControlCommand::Run(task)) {
            Ok(()) => Ok(answered),
            Err(TrySendError::Full(_)) => Err(Unavailable::Busy {
                mailbox: "control",
                limit: None,
            }),
            Err(TrySendError::Closed(_)) => Err(Unavailable::stopped()),
        }
    }
}

/// State that moves into the control thread.
pub(super) struct ControlState {
    pub(super) plan: StartPlan,
    pub(super) limits: Arc<Limits>,
    pub(super) events: EventBus,
    pub(super) served: Arc<ArcSwap<Snapshot>>,
    pub(super) renderer: Renderer,
    pub(super) mailboxes: Mailboxes,
    pub(super) timers: Timers,
    pub(super) recorder: Arc<Recorder>,
    pub(super) fault_log: Arc<FaultLog>,
    pub(super) stages: Arc<Stages>,
    pub(super) group: Arc<StrategyGroup>,
    pub(super) watcher_hints: WatcherHints,
    pub(super) faults: Arc<BTreeMap<&'static str, InjectedFaults>>,
}

type Ready = std::sync::mpsc::SyncSender<Result<Actors, StartError>>;

impl ControlState {
    /// Starts the actors, reports on `ready`, and runs commands until one stops the engine.
    pub(super) fn run(self, mut commands: mpsc::Receiver<ControlCommand>, ready: &Ready) {
        let (mailboxes, renderer) = (self.mailboxes.clone(), self.renderer.clone());
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = ready.send(Err(error.into()));
                return;
            }
        };
        let stopped = actix::System::with_tokio_rt(move || runtime).block_on(async {
            let actors = match self.start().await {
                Ok(actors) => actors,
                Err(error) => {
                    let _ = ready.send(Err(error));
                    return None;
                }
            };
            let _ = ready.send(Ok(actors.clone()));
            loop {
                match commands.recv().await? {
                    ControlCommand::Run(task) => task(),
                    ControlCommand::Stop {
                        within,
                        supervisor,
                        done,
                    } => {
                        let shutdown = ShutdownSteps {
                            mailboxes: &mailboxes,
                            actors: &actors,
                            renderer: &renderer.pool,
                            supervisor: supervisor.as_ref(),
                            within,
                        };
                        let drained = actix::clock::timeout(within, shutdown.drain(&mut commands))
                            .await
                            .is_ok();
                        shutdown.close();
                        return Some((done, drained));
                    }
                }
            }
        });
        // The system has ended, so dropping the tasks that were never run answers their callers.
        drop(commands);
        if let Some((done, drained)) = stopped {
            let _ = done.send(drained);
        }
    }
}

/// The steps of a shutdown, in their order: calls in flight, Watchers, the store, pools, actors of users.
struct ShutdownSteps<'e> {
    mailboxes: &'e Mailboxes,
    actors: &'e Actors,
    renderer: &'e Pool,
    supervisor: Option<&'e Supervisor>,
    within: Duration,
}

/// Time between two checks whether threads have ended, which cannot be awaited.
const POLL: Duration = Duration::from_millis(2);

impl ShutdownSteps<'_> {
    /// Waits until no call is in flight (new ones are rejected by now), then ends the parts one after the other, each when nothing more
    /// can reach it.
    async fn drain(&self, commands: &mut mpsc::Receiver<ControlCommand>) {
        let drained = async {
            for recipient in self.mailboxes.all() {
                recipient.drained().await;
            }
        };
        // Calls in flight may still need this thread.
        let run = async {
            loop {
                match commands.recv().await {
                    Some(ControlCommand::Run(task)) => task(),
                    Some(ControlCommand::Stop { .. }) => {}
                    None => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            () = drained => {}
            () = run => {}
        }
        // A Watcher answers when Graph and Registry have decided its batch. No other caller is left, so both are idle after that.
        for watcher in self.actors.watchers.iter() {
            let _ = watcher.addr.send(Drain).await;
        }
        if let Some((_, writer)) = &self.actors.store {
            let _ = writer.addr.send(StoreAccepted { place: None }).await;
        }
        self.close_pools();
        while !(self.pools().all(Pool::has_ended) && self.loaders().all(LoaderWorker::has_ended)) {
            actix::clock::sleep(POLL).await;
        }
        if let Some(supervisor) = self.supervisor {
            supervisor.close(self.within);
            while !supervisor.has_ended() {
                actix::clock::sleep(POLL).await;
            }
        }
    }

    /// Closes the parts that are left when the time is over.
    fn close(&self) {
        self.close_pools();
        if let Some(supervisor) = self.supervisor {
            supervisor.close(Duration::ZERO);
        }
        tracing::debug!("the engine has stopped");
    }

    fn close_pools(&self) {
        self.pools().for_each(Pool::close);
        self.loaders().for_each(LoaderWorker::close);
    }

    fn loaders(&self) -> impl Iterator<Item = &LoaderWorker> {
        self.actors.loader_workers.iter()
    }

    fn pools(&self) -> impl Iterator<Item = &Pool> {
        let store = self.actors.store.iter().map(|(storing, _)| &storing.thread);
        [&self.actors.compilers, self.renderer].into_iter().chain(store)
    }
}
