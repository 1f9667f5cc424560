//! [`Supervisor`]: the thread behind the actors of users. It owns their actix `System`, starts their arbiters and joins them at the end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{Arbiter, ArbiterHandle};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::bounded_recipient::BoundedRecipient;
use super::child::Child;
use super::group::{Group, GroupError};
use super::incident::Incident;
use super::policy::Policy;
use super::restart_group::Strategy;
use super::strategy_group::StrategyGroup;
use super::timers::Timers;
use super::{contain, runtime};

/// Starts groups of actors and restarts actors that fail. Its thread owns an actix `System`; each group has a thread of its own.
#[derive(Clone)]
pub struct Supervisor(Arc<Owner>);

struct Owner(Arc<Inner>);

pub(super) struct Inner {
    pub(super) timers: Timers,
    on_incident: Box<dyn Fn(&Incident) + Send + Sync>,
    /// Holds one command for each start of an actor, so the number of actors and their restart policies bound it.
    commands: mpsc::UnboundedSender<SupervisorCommand>,
    members: Mutex<Vec<(Arc<Child>, BoundedRecipient)>>,
    closed: AtomicBool,
    ended: AtomicBool,
}

enum SupervisorCommand {
    /// Run a closure in the thread of the system.
    Run(Box<dyn FnOnce() + Send>),
    /// Join the thread of a group at the end.
    Join(Arbiter),
    /// Finish the messages in flight within this time, and end.
    Close(Duration),
}

impl Supervisor {
    /// Starts the thread. `on_incident` is called in the threads of the actors.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start(timers: Timers, on_incident: impl Fn(&Incident) + Send + Sync + 'static) -> std::io::Result<Self> {
        let (commands, received) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            timers,
            on_incident: Box::new(on_incident),
            commands,
            members: Mutex::default(),
            closed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&inner);
        let runtime = runtime()?;
        std::thread::Builder::new()
            .name("hotplate-actors".into())
            .spawn(move || of_thread.run(runtime, received))?;
        Ok(Self(Arc::new(Owner(inner))))
    }

    /// Creates a group whose members are restarted together as the strategy says. `whole` is the policy of the group, for members that
    /// have reached the limit of their own: each restart that it grants resets the members that the strategy names.
    ///
    /// # Errors
    /// [`GroupError`] if the policy is invalid.
    pub fn group(&self, name: &'static str, strategy: Strategy, whole: Policy) -> Result<Group, GroupError> {
        whole
            .check()
            .map_err(|error| GroupError::Policy { actor: name, error })?;
        let inner = Arc::clone(&self.0.0);
        let group = StrategyGroup::new(strategy, whole, move |incident| (inner.on_incident)(incident));
        Ok(Group::new(name, group, Arc::clone(&self.0.0)))
    }

    /// Returns the records of its actors, in the order in which they were started.
    pub(crate) fn children(&self) -> Vec<Arc<Child>> {
        let members = self.0.0.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.iter().map(|(child, _)| Arc::clone(child)).collect()
    }

    /// Rejects further messages, finishes messages in flight within this time, and ends.
    pub fn close(&self, within: Duration) {
        self.0.0.close(within);
    }

    /// Returns true if all its threads have ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.0.ended.load(Ordering::Acquire)
    }
}

impl Inner {
    /// Returns true if no more actors are started.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn add(&self, child: Arc<Child>, recipient: BoundedRecipient) {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.push((child, recipient));
    }

    /// Runs a closure in the thread of the system, unless the supervisor is closed: then the closure is dropped.
    pub(super) fn run_in_system(&self, run: impl FnOnce() + Send + 'static) {
        if !self.is_closed() {
            let _ = self.commands.send(SupervisorCommand::Run(Box::new(run)));
        }
    }

    /// Starts a thread for a group. Must be called in the thread of the system.
    pub(super) fn new_arbiter(&self) -> ArbiterHandle {
        let arbiter = Arbiter::new();
        let handle = arbiter.handle();
        let _ = self.commands.send(SupervisorCommand::Join(arbiter));
        handle
    }

    fn close(&self, within: Duration) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            let _ = self.commands.send(SupervisorCommand::Close(within));
        }
    }

    fn run(self: Arc<Self>, runtime: Runtime, mut received: mpsc::UnboundedReceiver<SupervisorCommand>) {
        let mut arbiters = Vec::new();
        actix::System::with_tokio_rt(move || runtime).block_on(async {
            while let Some(command) = received.recv().await {
                match command {
                    // The shell reports panics of a behaviour to its policy; this catches all others.
                    SupervisorCommand::Run(run) => drop(contain(run)),
                    SupervisorCommand::Join(arbiter) => arbiters.push(arbiter),
                    SupervisorCommand::Close(within) => {
                        let drained = actix::clock::timeout(within, self.drained());
                        let _ = drained.await;
                        break;
                    }
                }
            }
            while let Ok(command) = received.try_recv() {
                if let SupervisorCommand::Join(arbiter) = command {
                    arbiters.push(arbiter);
                }
            }
        });
        for arbiter in &arbiters {
            arbiter.stop();
        }
        // A thread that hangs is never joined. This waits for it here, in a thread that no caller waits for.
        for arbiter in arbiters {
            let _ = arbiter.join();
        }
        self.ended.store(true, Ordering::Release);
    }

    async fn drained(&self) {
        let recipients: Vec<BoundedRecipient> = {
            let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
            members.iter().map(|(_, recipient)| recipient.clone()).collect()
        };
        recipients.iter().for_each(BoundedRecipient::close);
        for recipient in &recipients {
            recipient.drained().await;
        }
    }
}

impl Drop for Owner {
    /// Ends the supervisor with the engine, also if groups are still held.
    fn drop(&mut self) {
        self.0.close(Duration::ZERO);
    }
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Supervisor").field(&self.children().len()).finish()
    }
}
