//! [`Supervised`]: the address of an actor of a user's.

use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Message};
use tokio::sync::oneshot;

use super::actor_slot::Place;
use super::child::Child;
use super::door::{Door, Turned};
use super::drill::Faults;
use super::incident::Fault;
use super::shell::{Behavior, Serve, Shell};

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

/// An actor of the user's, under supervision. A clone is the same actor.
pub struct Supervised<B: Behavior> {
    pub(super) place: Arc<Place<B>>,
    pub(super) door: Door,
    pub(super) within: Duration,
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
