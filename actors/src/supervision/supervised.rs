//! [`Supervised`]: the address of an actor of the program, with a capacity and a deadline for each message.

use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Message};
use tokio::sync::oneshot;

use super::actor_slot::ActorSlot;
use super::bounded_recipient::BoundedRecipient;
use super::child::Child;
use super::fault_injection::InjectedFaults;
use super::incident::Fault;
use super::shell::{Behavior, Serve, Shell};
use super::unavailable::Unavailable;

/// The address of a supervised actor. It stays valid through all restarts; a clone addresses the same actor.
pub struct Supervised<B: Behavior> {
    pub(super) slot: Arc<ActorSlot<B>>,
    pub(super) recipient: BoundedRecipient,
    pub(super) within: Duration,
}

impl<B: Behavior> Clone for Supervised<B> {
    fn clone(&self) -> Self {
        Self {
            slot: Arc::clone(&self.slot),
            recipient: self.recipient.clone(),
            within: self.within,
        }
    }
}

impl<B: Behavior> Supervised<B> {
    /// Sends a message and waits for the answer. A failure of the actor is part of the answer, if its type can hold it.
    ///
    /// # Errors
    /// [`Unavailable`] if there is no answer.
    pub fn send<M>(&self, message: M) -> impl Future<Output = Result<M::Result, Unavailable>> + Send + use<B, M>
    where
        B: Serve<M>,
        B::Config: Send + Sync,
        M: Message + Send + 'static,
        M::Result: From<Fault> + Send,
    {
        let this = self.clone();
        async move {
            let child = &this.slot.child;
            let _permit = this.recipient.admit()?;
            if !child.is_available() {
                return Err(child.down_fault().into());
            }
            let _counted = child.meter().ticket();
            let (late, is_late) = oneshot::channel::<()>();
            let timers = &this.slot.supervisor.timers;
            let _deadline = timers.after(this.within, move || {
                let _ = late.send(());
            });
            let answered = tokio::select! {
                answered = this.deliver(message) => answered,
                _ = is_late => Err(Unavailable::waited(this.within, "`Group::within`")),
            };
            answered.inspect_err(|unavailable| this.recipient.count(unavailable))
        }
    }

    async fn deliver<M>(&self, message: M) -> Result<M::Result, Unavailable>
    where
        B: Serve<M>,
        M: Message + Send + 'static,
        M::Result: From<Fault> + Send,
    {
        let actor = self.slot.child.actor();
        let mut address = self.slot.address.subscribe();
        // Waits while the actor moves to another thread.
        let connected = address
            .wait_for(|address| address.as_ref().is_some_and(Addr::connected))
            .await;
        let connected = connected.ok().and_then(|address| address.clone());
        let Some(connected) = connected else {
            return Err(Unavailable::Down(format!(
                "the {actor} was never started; nothing was done"
            )));
        };
        let sent = connected.send(message).await;
        sent.map_err(|_| Unavailable::Lost(format!("the thread of the {actor} ended with this message")))
    }

    /// Returns the record of the actor.
    #[must_use]
    pub fn child(&self) -> &Arc<Child> {
        &self.slot.child
    }

    /// Returns the count of its faults, through which one can be injected.
    #[must_use]
    pub fn faults(&self) -> &InjectedFaults {
        &self.slot.faults
    }

    /// Starts the actor again after it has reached its restart limit or finished. Returns true if the actor was down.
    pub fn reset(&self) -> bool {
        self.slot.child.reset()
    }

    /// Returns the current actix address, for uses that need an `Addr` or a `Recipient`. Unlike a `Supervised`, that address does not
    /// outlive the thread of the actor.
    #[must_use]
    pub fn address(&self) -> Option<Addr<Shell<B>>> {
        self.slot.address.borrow().clone()
    }
}

impl<B: Behavior> std::fmt::Debug for Supervised<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Supervised").field(&self.slot.child.actor()).finish()
    }
}
