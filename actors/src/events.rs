//! What is told after the fact, to any number of listeners: [`Published`], [`Fallback`], [`Event`].

use std::sync::Arc;

use actix::Message;
use arc_swap::ArcSwap;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::diagnostic::Diagnostic;
use crate::snapshot::{Snapshot, Why};
use crate::supervision::{Fault, GivenUp, Incident, Restarted};
use crate::template::{Digest, TemplateName};
use crate::version::Version;

pub use crate::snapshot::Serving;

/// Something that happened. To an actor it is a message without a reply.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
#[non_exhaustive]
pub enum Event {
    /// A new version is served.
    Published(Arc<Published>),
    /// Of one template something else than its newest text is served. One event for each that failed, after its `Published`; and
    /// one for each fault that shows only in renders, when it shows.
    Fallback(Arc<Fallback>),
    /// A template that failed when it was rendered was rendered well, for the first time since its text or that of a template that it
    /// calls changed.
    Fixed(Fixed),
    /// An actor failed. What follows is one of the next two.
    ActorFailed(Fault),
    /// It is up again.
    ActorRestarted(Restarted),
    /// It failed too often, and stays down until an operator resets it.
    GaveUp(GivenUp),
    /// This subscriber was too slow: some events are lost to it. What is served now is `current`.
    Lagged {
        /// How many were lost.
        missed: u64,
        /// What is served now.
        current: Version,
    },
}

impl From<Incident> for Event {
    fn from(incident: Incident) -> Self {
        match incident {
            Incident::Failed(fault) => Self::ActorFailed(fault),
            Incident::Restarted(restarted) => Self::ActorRestarted(restarted),
            Incident::GivenUp(given_up) => Self::GaveUp(given_up),
        }
    }
}

/// A new version is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Published {
    /// Its number.
    pub version: Version,
    /// A digest of what it serves.
    pub digest: Digest,
    /// Templates with a new text.
    pub changed: Vec<TemplateName>,
    /// Templates that are gone.
    pub removed: Vec<TemplateName>,
    /// Entries that go on as they were, newly or for a new reason.
    pub stale: Vec<TemplateName>,
    /// Entries that cannot be served, newly or for a new reason.
    pub broken: Vec<TemplateName>,
    /// Entries that are current again.
    pub recovered: Vec<TemplateName>,
    /// What is newly wrong, each finding once.
    pub diagnostics: Vec<Diagnostic>,
    /// From noticing the first change to the swap, in microseconds.
    pub micros: u64,
}

/// Of one template something else than its newest text is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fallback {
    /// Which.
    pub template: TemplateName,
    /// The version in which that is so.
    pub version: Version,
    /// What is served in its place.
    pub serving: Serving,
    /// What is wrong.
    pub why: Arc<Why>,
}

/// A template that failed when it was rendered is rendered well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fixed {
    /// Which.
    pub template: TemplateName,
    /// The version that was rendered.
    pub version: Version,
}

/// Tells subscribers. Never waits for one.
#[derive(Debug, Clone)]
pub(crate) struct EventBus(broadcast::Sender<Event>);

impl EventBus {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(broadcast::Sender::new(capacity.clamp(1, usize::MAX / 4)))
    }

    /// One that does not keep the events from ending.
    pub(crate) fn weak(&self) -> WeakEventBus {
        WeakEventBus(self.0.downgrade())
    }

    pub(crate) fn tell(&self, event: Event) {
        // Nobody listening is fine.
        let _ = self.0.send(event);
    }

    pub(crate) fn subscribe(&self, served: Arc<ArcSwap<Snapshot>>) -> Subscription {
        Subscription {
            events: self.0.subscribe(),
            served,
        }
    }
}

/// Tells while somebody else keeps the engine going.
#[derive(Debug, Clone)]
pub(crate) struct WeakEventBus(broadcast::WeakSender<Event>);

impl WeakEventBus {
    pub(crate) fn tell(&self, event: Event) {
        if let Some(sender) = self.0.upgrade() {
            EventBus(sender).tell(event);
        }
    }
}

/// The events from now on, in their order.
pub struct Subscription {
    events: broadcast::Receiver<Event>,
    served: Arc<ArcSwap<Snapshot>>,
}

impl Subscription {
    /// The next event; `None` once the engine has ended.
    pub async fn next(&mut self) -> Option<Event> {
        let received = self.events.recv().await;
        self.event(received)
    }

    /// The same for a thread without a runtime.
    ///
    /// # Panics
    /// Inside an async runtime.
    pub fn blocking_next(&mut self) -> Option<Event> {
        let received = self.events.blocking_recv();
        self.event(received)
    }

    /// What is served now. A subscriber that looks here keeps no engine going.
    #[must_use]
    pub fn current(&self) -> Arc<Snapshot> {
        self.served.load_full()
    }

    fn event(&self, received: Result<Event, broadcast::error::RecvError>) -> Option<Event> {
        match received {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Event::Lagged {
                missed,
                current: self.served.load().version(),
            }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subscription(..)")
    }
}
