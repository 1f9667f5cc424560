//! The control thread: it owns the actix `System`, does what needs a timer, and brings everything to an end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::{Actors, Doors, Engine, Plan, StartError};
use crate::counters::Tally;
use crate::events::Teller;
use crate::fault_log::FaultLog;
use crate::limits::Limits;
use crate::loader::Hints;
use crate::protocol::messages::Drain;
use crate::renderer::Renderer;
use crate::snapshot::Snapshot;
use crate::supervision::{Alarms, Circle, Faults, Pool, Supervisor, Turned, runtime};

type Task = Box<dyn FnOnce() + Send>;

/// What the control thread is told.
pub(super) enum Command {
    /// Run this.
    Run(Task),
    /// Come to an end.
    Stop {
        within: Duration,
        supervisor: Option<Supervisor>,
        done: oneshot::Sender<bool>,
    },
}

impl Engine {
    /// Runs something in the thread of the control actors, where timers work whatever runtime the caller has.
    pub(crate) fn run<T, F>(&self, task: impl FnOnce() -> F + Send + 'static) -> Result<oneshot::Receiver<T>, Turned>
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
        // Once the engine ends, the task is dropped, and with it the sender.
        match self.control.try_send(Command::Run(task)) {
            Ok(()) => Ok(answered),
            Err(TrySendError::Full(_)) => Err(Turned::Busy),
            Err(TrySendError::Closed(_)) => Err(Turned::Closed),
        }
    }
}

/// What the control thread takes along.
pub(super) struct Inside {
    pub(super) plan: Plan,
    pub(super) limits: Arc<Limits>,
    pub(super) teller: Teller,
    pub(super) served: Arc<ArcSwap<Snapshot>>,
    pub(super) renderer: Renderer,
    pub(super) doors: Doors,
    pub(super) alarms: Alarms,
    pub(super) tally: Arc<Tally>,
    pub(super) fault_log: Arc<FaultLog>,
    pub(super) circle: Arc<Circle>,
    pub(super) look_again: Arc<Mutex<Vec<Hints>>>,
    pub(super) faults: Arc<BTreeMap<&'static str, Faults>>,
}

type Ready = std::sync::mpsc::SyncSender<Result<Actors, StartError>>;

impl Inside {
    pub(super) fn run(self, mut commands: mpsc::Receiver<Command>, ready: &Ready) {
        let (doors, renderer) = (self.doors.clone(), self.renderer.clone());
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
                    Command::Run(task) => task(),
                    Command::Stop {
                        within,
                        supervisor,
                        done,
                    } => {
                        let end = End {
                            doors: &doors,
                            actors: &actors,
                            renderer: &renderer.pool,
                            supervisor: supervisor.as_ref(),
                            within,
                        };
                        let drained = actix::clock::timeout(within, end.drain(&mut commands)).await.is_ok();
                        end.close();
                        return Some((done, drained));
                    }
                }
            }
        });
        // The system is gone, and with it whoever still waited for an answer of it.
        drop(commands);
        if let Some((done, drained)) = stopped {
            let _ = done.send(drained);
        }
    }
}

/// Everything that comes to an end, in the order in which it does.
struct End<'e> {
    doors: &'e Doors,
    actors: &'e Actors,
    renderer: &'e Pool,
    supervisor: Option<&'e Supervisor>,
    within: Duration,
}

/// Time between two looks whether threads have ended. They give no sign that could be awaited.
const LOOK: Duration = Duration::from_millis(2);

impl End<'_> {
    /// The doors are closed. Waits until nobody is inside, then ends part after part, each once nothing more can come to it.
    async fn drain(&self, commands: &mut mpsc::Receiver<Command>) {
        let emptied = async {
            for door in self.doors.all() {
                door.emptied().await;
            }
        };
        // Who is inside may still need this thread in order to come out.
        let run = async {
            loop {
                match commands.recv().await {
                    Some(Command::Run(task)) => task(),
                    Some(Command::Stop { .. }) => {}
                    None => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            () = emptied => {}
            () = run => {}
        }
        // Answered once the batch in hand is decided by Graph and Registry; with nobody at the doors, both have nothing to do then.
        for watcher in self.actors.watchers.iter() {
            let _ = watcher.addr.send(Drain).await;
        }
        self.close_pools();
        while !self.pools().all(Pool::has_ended) {
            actix::clock::sleep(LOOK).await;
        }
        if let Some(supervisor) = self.supervisor {
            supervisor.close(self.within);
            while !supervisor.has_ended() {
                actix::clock::sleep(LOOK).await;
            }
        }
    }

    /// Lets go of whatever is left when time is over.
    fn close(&self) {
        self.close_pools();
        if let Some(supervisor) = self.supervisor {
            supervisor.close(Duration::ZERO);
        }
        tracing::debug!("the engine ends");
    }

    fn close_pools(&self) {
        self.pools().for_each(Pool::close);
    }

    fn pools(&self) -> impl Iterator<Item = &Pool> {
        let eyes = self.actors.eyes.iter().map(|eyes| eyes.pool());
        eyes.chain([&self.actors.compilers, self.renderer])
    }
}
