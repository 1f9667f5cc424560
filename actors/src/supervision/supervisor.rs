//! [`Supervisor`]: actors of users, each with an address that outlives its faults and even its thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{Arbiter, ArbiterHandle};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::alarm::Alarms;
use super::child::Child;
use super::door::Door;
use super::family::Strategy;
use super::group::{Group, GroupError};
use super::incident::Incident;
use super::policy::Policy;
use super::strategy_group::Circle;
use super::{contain, runtime};

/// Starts groups of actors, and starts again what fails. Its thread owns an actix `System`; each group has a thread of its own.
#[derive(Clone)]
pub struct Supervisor(Arc<Owner>);

struct Owner(Arc<Inner>);

pub(super) struct Inner {
    pub(super) alarms: Alarms,
    tell: Box<dyn Fn(&Incident) + Send + Sync>,
    /// One entry for each start of an actor, which its owner or its policy makes: bounded by both.
    orders: mpsc::UnboundedSender<Order>,
    members: Mutex<Vec<(Arc<Child>, Door)>>,
    closed: AtomicBool,
    ended: AtomicBool,
}

enum Order {
    /// Start something in the thread of the system.
    Start(Box<dyn FnOnce() + Send>),
    /// A thread of a group, to be joined at the end.
    Join(Arbiter),
    Close(Duration),
}

impl Supervisor {
    /// Starts its thread. `tell` is called in the threads of the actors.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(alarms: Alarms, tell: impl Fn(&Incident) + Send + Sync + 'static) -> std::io::Result<Self> {
        let (orders, ordered) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            alarms,
            tell: Box::new(tell),
            orders,
            members: Mutex::default(),
            closed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&inner);
        let runtime = runtime()?;
        std::thread::Builder::new()
            .name("hotplate-actors".into())
            .spawn(move || of_thread.run(runtime, ordered))?;
        Ok(Self(Arc::new(Owner(inner))))
    }

    /// A group whose members are restarted together as the strategy says. `whole` decides what happens to a member that its own
    /// policy has given up: each restart that it grants is a fresh round for those whom the strategy names.
    ///
    /// # Errors
    /// [`GroupError`] where the policy makes no sense.
    pub fn group(&self, name: &'static str, strategy: Strategy, whole: Policy) -> Result<Group, GroupError> {
        whole
            .check()
            .map_err(|error| GroupError::Policy { actor: name, error })?;
        let inner = Arc::clone(&self.0.0);
        let circle = Circle::new(strategy, whole, move |incident| (inner.tell)(incident));
        Ok(Group::new(name, circle, Arc::clone(&self.0.0)))
    }

    /// What is known of its actors, in the order in which they were started.
    pub(crate) fn children(&self) -> Vec<Arc<Child>> {
        let members = self.0.0.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.iter().map(|(child, _)| Arc::clone(child)).collect()
    }

    /// Closes every door, lets what is inside come to its end within this time, and ends.
    pub fn close(&self, within: Duration) {
        self.0.0.close(within);
    }

    /// Whether all its threads have ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.0.ended.load(Ordering::Acquire)
    }
}

impl Inner {
    /// Whether nothing is started any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn add(&self, child: Arc<Child>, door: Door) {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.push((child, door));
    }

    /// Starts something in the thread of the system.
    pub(super) fn order(&self, start: impl FnOnce() + Send + 'static) -> bool {
        !self.is_closed() && self.orders.send(Order::Start(Box::new(start))).is_ok()
    }

    /// A new thread for a group. Only in the thread of the system.
    pub(super) fn arbiter(&self) -> ArbiterHandle {
        let arbiter = Arbiter::new();
        let handle = arbiter.handle();
        let _ = self.orders.send(Order::Join(arbiter));
        handle
    }

    fn close(&self, within: Duration) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            let _ = self.orders.send(Order::Close(within));
        }
    }

    fn run(self: Arc<Self>, runtime: Runtime, mut ordered: mpsc::UnboundedReceiver<Order>) {
        let mut arbiters = Vec::new();
        actix::System::with_tokio_rt(move || runtime).block_on(async {
            while let Some(order) = ordered.recv().await {
                match order {
                    // A start of its own fault is told to its policy; this guards the rest.
                    Order::Start(start) => drop(contain(start)),
                    Order::Join(arbiter) => arbiters.push(arbiter),
                    Order::Close(within) => {
                        let emptied = actix::clock::timeout(within, self.emptied());
                        let _ = emptied.await;
                        break;
                    }
                }
            }
            while let Ok(order) = ordered.try_recv() {
                if let Order::Join(arbiter) = order {
                    arbiters.push(arbiter);
                }
            }
        });
        for arbiter in &arbiters {
            arbiter.stop();
        }
        // Here, where nobody waits but who asks `has_ended`: a thread that hangs is never joined.
        for arbiter in arbiters {
            let _ = arbiter.join();
        }
        self.ended.store(true, Ordering::Release);
    }

    async fn emptied(&self) {
        let doors: Vec<Door> = {
            let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
            members.iter().map(|(_, door)| door.clone()).collect()
        };
        doors.iter().for_each(Door::close);
        for door in &doors {
            door.emptied().await;
        }
    }
}

impl Drop for Owner {
    /// Groups do not keep it going: it ends with the engine.
    fn drop(&mut self) {
        self.0.close(Duration::ZERO);
    }
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Supervisor").field(&self.children().len()).finish()
    }
}
