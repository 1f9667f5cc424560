//! [`Group`]: starts actors of users under a common strategy.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::ArbiterHandle;
use tokio::sync::watch;

use super::actor_slot::ActorSlot;
use super::bounded_recipient::BoundedRecipient;
use super::fault_injection::InjectedFaults;
use super::policy::{Escalation, Policy, PolicyError};
use super::shell::Behavior;
use super::strategy_group::StrategyGroup;
use super::supervised::Supervised;
use super::supervisor::Inner;

/// Errors of starting a group, or an actor in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// A policy is invalid.
    #[error("the policy of the {actor} is invalid: {error}")]
    Policy {
        /// Name of the actor or group.
        actor: &'static str,
        /// The field, and what to write instead.
        #[source]
        error: PolicyError,
    },
    /// The system has no threads left.
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
    /// The engine has stopped.
    #[error("the engine has stopped")]
    Ended,
}

/// Default of the messages in flight to one actor.
const CAPACITY: usize = 1024;
/// Default of the time that an answer may take.
const WITHIN: Duration = Duration::from_secs(30);

/// A group of actors that are restarted together according to its strategy. They share a thread, so none of them should block. An actor
/// that is restarted together with another finishes its message first.
#[derive(Clone)]
pub struct Group {
    name: &'static str,
    strategy_group: Arc<StrategyGroup>,
    supervisor: Arc<Inner>,
    arbiter: Arc<Mutex<Option<ArbiterHandle>>>,
    capacity: usize,
    within: Duration,
    next_number: Arc<Mutex<u16>>,
}

impl Group {
    pub(super) fn new(name: &'static str, strategy_group: Arc<StrategyGroup>, supervisor: Arc<Inner>) -> Self {
        Self {
            name,
            strategy_group,
            supervisor,
            arbiter: Arc::default(),
            capacity: CAPACITY,
            within: WITHIN,
            next_number: Arc::default(),
        }
    }

    /// Sets the number of messages that may be in flight to each actor that is started from now on. The default is 1024.
    #[must_use]
    pub fn capacity(mut self, messages: usize) -> Self {
        self.capacity = messages;
        self
    }

    /// Sets the time that an answer of each actor that is started from now on may take. The default is 30 s.
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Starts an actor, after those that were started before in this group. State that the actor acknowledges belongs in a
    /// [`Vault`](super::Vault) in its setup. If it reaches its restart limit, the engine is [degraded](crate::Health::degraded), and not
    /// ready only if the policy says [`Escalation::NotReady`].
    ///
    /// # Errors
    /// [`GroupError`] if the policy is invalid, or the engine has stopped.
    pub fn start<B>(&self, actor: &'static str, setup: B::Config, policy: Policy) -> Result<Supervised<B>, GroupError>
    where
        B: Behavior,
        B::Config: Clone + Send + Sync,
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
            let mut next = self.next_number.lock().unwrap_or_else(PoisonError::into_inner);
            *next += 1;
            *next - 1
        };
        let child = self.strategy_group.add(actor, number, policy);
        let recipient = BoundedRecipient::new(actor, self.capacity, "`Group::capacity`");
        self.supervisor.add(Arc::clone(&child), recipient.clone());
        let slot = Arc::new(ActorSlot {
            setup,
            child,
            faults: InjectedFaults::default(),
            address: watch::Sender::new(None),
            arbiter: Arc::clone(&self.arbiter),
            supervisor: Arc::clone(&self.supervisor),
        });
        // Waits until the address is published, so that messages are delivered in the order of sending from the first one on.
        let (started, is_started) = std::sync::mpsc::sync_channel(1);
        ActorSlot::start(&slot, move || {
            let _ = started.send(());
        });
        is_started.recv().map_err(|_| GroupError::Ended)?;
        Ok(Supervised {
            slot,
            recipient,
            within: self.within,
        })
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Group").field(&self.name).finish()
    }
}
