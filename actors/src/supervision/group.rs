//! [`Group`] and [`Supervised`]: what users have of their actors.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{Actor, Addr, ArbiterHandle, Message};
use tokio::sync::{oneshot, watch};

use super::child::{Child, Circle, Fault, FaultKind};
use super::contain;
use super::door::{Door, Turned};
use super::drill::Faults;
use super::policy::{Escalation, Policy, PolicyError};
use super::shell::{Behavior, Serve, Shell};
use super::supervisor::Inner;

/// Why a group, or an actor in it, is not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// A policy that makes no sense.
    #[error("the policy of the {actor} makes no sense: {error}")]
    Policy {
        /// Whose.
        actor: &'static str,
        /// Which field, and what to write instead.
        #[source]
        error: PolicyError,
    },
    /// The system has no threads left.
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
    /// The engine has ended.
    #[error("the engine has ended")]
    Ended,
}

/// Why a message has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Undelivered {
    /// As many as there may be are under way: try again later.
    #[error("too many messages for the {0} are under way")]
    Busy(&'static str),
    /// There is nobody to do it: nothing was done.
    #[error("{0}")]
    Down(String),
    /// It is not known whether it was done.
    #[error("the {0} was lost with this message in hand")]
    Lost(&'static str),
    /// It took too long. It may be done yet.
    #[error("there was no answer within {0} ms")]
    Timeout(u64),
}

/// Messages for one actor under way at once, unless its group says otherwise.
const CAPACITY: usize = 1024;
/// How long an answer may take, unless its group says otherwise.
const WITHIN: Duration = Duration::from_secs(30);

/// Actors that are restarted together as a strategy says. They share a thread, so none of them should block; and who is to be
/// restarted with another finishes the message in hand before.
#[derive(Clone)]
pub struct Group {
    name: &'static str,
    circle: Arc<Circle>,
    supervisor: Arc<Inner>,
    home: Arc<Mutex<Option<ArbiterHandle>>>,
    capacity: usize,
    within: Duration,
    members: Arc<Mutex<u16>>,
}

impl Group {
    pub(super) fn new(name: &'static str, circle: Arc<Circle>, supervisor: Arc<Inner>) -> Self {
        Self {
            name,
            circle,
            supervisor,
            home: Arc::default(),
            capacity: CAPACITY,
            within: WITHIN,
            members: Arc::default(),
        }
    }

    /// For actors that are started from now on: how many messages may be under way to each (1024 unless said otherwise).
    #[must_use]
    pub fn capacity(mut self, messages: usize) -> Self {
        self.capacity = messages;
        self
    }

    /// For actors that are started from now on: how long an answer may take (30 s unless said otherwise).
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Starts an actor, after those that were started before in this group. What it acknowledges belongs into a
    /// [`Vault`](super::Vault) in its setup. When it is given up the engine is [degraded](crate::Health::degraded), and not ready
    /// only where the policy says [`Escalation::NotReady`].
    ///
    /// # Errors
    /// [`GroupError`] where the policy makes no sense, or the engine has ended.
    pub fn start<B>(&self, actor: &'static str, setup: B::Setup, policy: Policy) -> Result<Supervised<B>, GroupError>
    where
        B: Behavior,
        B::Setup: Clone + Send + Sync,
    {
        policy.check().map_err(|error| GroupError::Policy { actor, error })?;
        let policy = Policy {
            escalation: policy.escalation.or(Escalation::Degraded),
            ..policy
        };
        if self.supervisor.is_closed() {
            return Err(GroupError::Ended);
        }
        let number = {
            let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
            *members += 1;
            *members - 1
        };
        let child = self.circle.add(actor, number, policy);
        let door = Door::new(actor, self.capacity);
        self.supervisor.add(Arc::clone(&child), door.clone());
        let place = Arc::new(Place {
            setup,
            child,
            faults: Faults::default(),
            address: watch::Sender::new(None),
            home: Arc::clone(&self.home),
            supervisor: Arc::clone(&self.supervisor),
        });
        // Waited for, so that messages come to it in the order in which they are sent, from the first.
        let (settled, is_settled) = std::sync::mpsc::sync_channel(1);
        Place::settle(&place, move || {
            let _ = settled.send(());
        });
        is_settled.recv().map_err(|_| GroupError::Ended)?;
        Ok(Supervised {
            place,
            door,
            within: self.within,
        })
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Group").field(&self.name).finish()
    }
}

/// Where an actor lives, wherever that is at the moment.
struct Place<B: Behavior> {
    setup: B::Setup,
    child: Arc<Child>,
    faults: Faults,
    address: watch::Sender<Option<Addr<Shell<B>>>>,
    /// The thread of the group.
    home: Arc<Mutex<Option<ArbiterHandle>>>,
    supervisor: Arc<Inner>,
}

impl<B> Place<B>
where
    B: Behavior,
    B::Setup: Clone + Send + Sync,
{
    /// Has the actor started in the thread of the group, in a new one if that has ended.
    fn settle(place: &Arc<Self>, settled: impl FnOnce() + Send + 'static) {
        let moving = Arc::clone(place);
        place.supervisor.order(move || {
            let mut home = moving.home.lock().unwrap_or_else(PoisonError::into_inner);
            let alive = home.take().filter(|home| home.spawn(async {}));
            let thread = alive.unwrap_or_else(|| moving.supervisor.arbiter());
            *home = Some(thread.clone());
            drop(home);
            let stays = Stays(Arc::clone(&moving));
            let address = Shell::<B>::start_in_arbiter(&thread, move |_| {
                let place = Arc::clone(&stays.0);
                let shell = Shell::new(place.setup.clone(), Arc::clone(&place.child), place.faults.clone());
                shell.keeping(stays)
            });
            moving.address.send_replace(Some(address));
            settled();
        });
    }

    /// The thread was stopped with the actor in it, or actix has ended it. Its messages are lost, its address is not.
    fn left(place: &Arc<Self>) {
        if place.supervisor.is_closed() {
            return;
        }
        let generation = place.child.orders().generation;
        let said = "its thread was stopped".to_owned();
        place.faults.note();
        place.child.failed(generation, FaultKind::Panicked, said);
        Self::settle(place, || {});
    }
}

/// Kept by whoever is to live in a place, also before it has begun to.
struct Stays<B>(Arc<Place<B>>)
where
    B: Behavior,
    B::Setup: Clone + Send + Sync;

impl<B> Drop for Stays<B>
where
    B: Behavior,
    B::Setup: Clone + Send + Sync,
{
    fn drop(&mut self) {
        let _ = contain(|| Place::left(&self.0));
    }
}

/// An actor of the user's, under supervision. A clone is the same actor.
pub struct Supervised<B: Behavior> {
    place: Arc<Place<B>>,
    door: Door,
    within: Duration,
}

impl<B: Behavior> Clone for Supervised<B> {
    fn clone(&self) -> Self {
        Self {
            place: Arc::clone(&self.place),
            door: self.door.clone(),
            within: self.within,
        }
    }
}

impl<B: Behavior> Supervised<B> {
    /// Sends a message, and waits for the answer. A fault of the actor is in the answer, as far as its type can say so.
    ///
    /// # Errors
    /// [`Undelivered`] where there is no answer.
    pub fn send<M>(&self, message: M) -> impl Future<Output = Result<M::Result, Undelivered>> + Send + use<B, M>
    where
        B: Serve<M>,
        B::Setup: Send + Sync,
        M: Message + Send + 'static,
        M::Result: From<Fault> + Send,
    {
        let this = self.clone();
        async move {
            let child = &this.place.child;
            let _inside = this.door.enter().map_err(|turned| match turned {
                Turned::Busy => Undelivered::Busy(child.actor()),
                Turned::Closed => Undelivered::Down("the engine has ended".into()),
            })?;
            if !child.is_coming() {
                return Err(Undelivered::Down(child.down().to_string()));
            }
            let _counted = child.meter().ticket();
            let (late, is_late) = oneshot::channel::<()>();
            let alarms = &this.place.supervisor.alarms;
            let _deadline = alarms.after(this.within, move || {
                let _ = late.send(());
            });
            tokio::select! {
                answered = this.deliver(message) => answered.inspect_err(|_| this.door.lost()),
                _ = is_late => {
                    this.door.timed_out();
                    Err(Undelivered::Timeout(u64::try_from(this.within.as_millis()).unwrap_or(u64::MAX)))
                }
            }
        }
    }

    async fn deliver<M>(&self, message: M) -> Result<M::Result, Undelivered>
    where
        B: Serve<M>,
        M: Message + Send + 'static,
        M::Result: From<Fault> + Send,
    {
        let actor = self.place.child.actor();
        let mut address = self.place.address.subscribe();
        // While it moves to another thread, what comes waits.
        let there = address
            .wait_for(|address| address.as_ref().is_some_and(Addr::connected))
            .await;
        let there = there.ok().and_then(|address| address.clone());
        let Some(there) = there else {
            return Err(Undelivered::Down(format!("the {actor} was never started")));
        };
        there.send(message).await.map_err(|_| Undelivered::Lost(actor))
    }

    /// What is known of it.
    #[must_use]
    pub fn child(&self) -> &Arc<Child> {
        &self.place.child
    }

    /// Its faults: how many there were, and a way to order one for a drill.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.place.faults
    }

    /// Starts it again after it was given up, or came to its end. Answers whether it was.
    pub fn reset(&self) -> bool {
        self.place.child.reset()
    }

    /// Its address in its thread of the moment, for what needs an actix `Addr` or `Recipient`. Unlike this, it does not outlive
    /// the thread.
    #[must_use]
    pub fn address(&self) -> Option<Addr<Shell<B>>> {
        self.place.address.borrow().clone()
    }
}

impl<B: Behavior> std::fmt::Debug for Supervised<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Supervised").field(&self.place.child.actor()).finish()
    }
}
