//! [`Group`]: starts actors of users.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::ArbiterHandle;
use tokio::sync::watch;

use super::actor_slot::Place;
use super::door::Door;
use super::drill::Faults;
use super::policy::{Escalation, Policy, PolicyError};
use super::shell::Behavior;
use super::strategy_group::Circle;
use super::supervised::Supervised;
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
