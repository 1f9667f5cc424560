//! [`Event`]: notifications of what has happened, to any number of subscribers. Sending one never waits: a subscriber that is too slow loses
//! the oldest events and is told how many.

use std::sync::Arc;

use actix::Message;
use arc_swap::ArcSwap;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::cause::Cause;
use crate::diagnostic::Diagnostic;
use crate::judge::Stopped;
use crate::protocol::report::{NameSample, ScopeReport};
use crate::snapshot::{Snapshot, Why};
use crate::supervision::{Fault, GivenUp, Incident, Restarted};
use crate::template::{Digest, Layer, TemplateKey, TemplateName};
use crate::version::Version;

pub use crate::snapshot::Serving;

/// A notification. For an actor it is a message without a reply.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
#[non_exhaustive]
pub enum Event {
    /// A new version is served.
    Published(Arc<Published>),
    /// The newest text of a template is not served. There is one event for each template that the `Published` before it names as stale or
    /// broken, and one for each fault that shows only in renders, when it first shows.
    Fallback(Arc<Fallback>),
    /// A template whose renders failed was rendered successfully, for the first time since its text or that of a template that it calls
    /// was changed.
    Fixed(Fixed),
    /// The judge has stopped a stage: its visitors get stable.
    StageStopped(Arc<Stopped>),
    /// Something was decided about a stage: by a person, or by a rollout that is automatic.
    StageChanged(Arc<StageChanged>),
    /// An actor failed. One of the next two events follows.
    ActorFailed(Fault),
    /// An actor was restarted.
    ActorRestarted(Restarted),
    /// An actor has reached its restart limit, and stays down until an operator resets it.
    GaveUp(GivenUp),
    /// This subscriber was too slow and has lost events.
    Lagged {
        /// Number of lost events.
        missed: u64,
        /// The version that is served now.
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
    /// The digest of everything that it serves.
    pub digest: Digest,
    /// The cause: a name, a reason and a trace.
    pub cause: Cause,
    /// Templates that are served from another text of their own than before.
    pub changed: Vec<TemplateKey>,
    /// Removed texts.
    pub removed: Vec<TemplateKey>,
    /// Templates that are stale, newly or for a new reason: their last good version is still served.
    pub stale: NameSample,
    /// Templates that are broken, newly or for a new reason: they never had a good version.
    pub broken: NameSample,
    /// Templates that are current again.
    pub recovered: NameSample,
    /// New diagnostics, each once, of as many texts as the limit `event_names` says. [`Hotplate::diagnostics`](crate::Hotplate::diagnostics)
    /// returns all.
    pub diagnostics: Vec<Diagnostic>,
    /// The number of all new diagnostics, listed or not.
    pub faults: usize,
    /// The templates of other scopes whose status changed otherwise than in the shared stable scope.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<ScopeReport>,
    /// Time from noticing the first change to the swap, in microseconds.
    pub micros: u64,
}

/// A template whose newest text is not served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fallback {
    /// Its name.
    pub template: TemplateName,
    /// The version in which this is so.
    pub version: Version,
    /// The answer to requests for it.
    pub serving: Serving,
    /// The fault.
    pub why: Arc<Why>,
    /// The scope, named as its layer, unless it is the shared stable one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Layer>,
}

/// A template whose renders failed and that was rendered successfully.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fixed {
    /// Its name.
    pub template: TemplateName,
    /// The version that was rendered.
    pub version: Version,
    /// The scope, named as its layer, unless it is the shared stable one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Layer>,
}

/// A decision about a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageChanged {
    /// The name of the stage.
    pub stage: &'static str,
    /// The name of the decision: `start`, `advance`, `promote`, `abort` or `resume`.
    pub action: &'static str,
    /// The cause: a name, a reason and a trace.
    pub cause: Cause,
    /// The version that is served since.
    pub version: Version,
}

/// The sender of events. Never waits for a subscriber.
#[derive(Debug, Clone)]
pub(crate) struct EventBus(broadcast::Sender<Event>);

impl EventBus {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(broadcast::Sender::new(capacity.clamp(1, usize::MAX / 4)))
    }

    /// Returns a weak reference, with which subscriptions end when the engine stops.
    pub(crate) fn weak(&self) -> WeakEventBus {
        WeakEventBus(self.0.downgrade())
    }

    pub(crate) fn send(&self, event: Event) {
        // An error means that there is no subscriber.
        let _ = self.0.send(event);
    }

    pub(crate) fn subscribe(&self, served: Arc<ArcSwap<Snapshot>>) -> Subscription {
        Subscription {
            events: self.0.subscribe(),
            served,
        }
    }
}

/// A weak reference to the bus. Events are dropped once the engine has stopped.
#[derive(Debug, Clone)]
pub(crate) struct WeakEventBus(broadcast::WeakSender<Event>);

impl WeakEventBus {
    pub(crate) fn send(&self, event: Event) {
        if let Some(sender) = self.0.upgrade() {
            EventBus(sender).send(event);
        }
    }
}

/// A subscription: the events since it was made, in their order.
pub struct Subscription {
    events: broadcast::Receiver<Event>,
    served: Arc<ArcSwap<Snapshot>>,
}

impl Subscription {
    /// Waits for the next event. Returns `None` once the engine has stopped.
    pub async fn next(&mut self) -> Option<Event> {
        let received = self.events.recv().await;
        self.event(received)
    }

    /// Waits for the next event in a thread without a runtime.
    ///
    /// # Panics
    /// Panics inside an async runtime.
    pub fn blocking_next(&mut self) -> Option<Event> {
        let received = self.events.blocking_recv();
        self.event(received)
    }

    /// Returns the current snapshot. A subscription does not keep the engine running.
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
