//! [`Fault`] and [`Incident`]: failures and restarts of actors, for callers and for subscribers of events.

use serde::Serialize;

/// A failure of an actor, as the caller receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Name of the actor.
    pub actor: &'static str,
    /// Number among the actors of this name, from 0.
    pub number: u16,
    /// Kind of failure.
    pub kind: FaultKind,
    /// Message of the panic or error.
    pub message: String,
}

/// Kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// The actor panicked: it is unknown whether the message was handled. A new behaviour serves the next message.
    Panicked,
    /// The actor could not start. No message is lost: messages wait until a start succeeds.
    NotStarted,
    /// The actor has reached its restart limit or has finished: nothing was done.
    Down,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { actor, message, .. } = self;
        match self.kind {
            FaultKind::Panicked => write!(f, "the {actor} failed: {message}"),
            FaultKind::NotStarted => write!(f, "the {actor} could not start: {message}"),
            FaultKind::Down => write!(f, "the {actor} is down: {message}"),
        }
    }
}

impl std::error::Error for Fault {}

/// Puts the fault into a reply whose error type can hold it.
impl<T, E: From<Fault>> From<Fault> for Result<T, E> {
    fn from(fault: Fault) -> Self {
        Err(fault.into())
    }
}

/// Drops the fault for messages without a reply; the supervisor reports it anyway.
impl From<Fault> for () {
    fn from(_: Fault) -> Self {}
}

/// A successful restart after a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restarted {
    /// Name of the actor.
    pub actor: &'static str,
    /// Number among the actors of this name, from 0.
    pub number: u16,
    /// Restarts of this actor so far, this one included.
    pub restarts: u64,
}

/// An actor that failed too often. It stays down until an operator resets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GivenUp {
    /// Name of the actor.
    pub actor: &'static str,
    /// Number among the actors of this name, from 0.
    pub number: u16,
    /// Message of the last failure.
    #[serde(rename = "message")]
    pub message: String,
}

/// An event in the life of a supervised actor.
#[derive(Debug, Clone)]
pub enum Incident {
    /// An actor failed.
    Failed(Fault),
    /// An actor was restarted.
    Restarted(Restarted),
    /// An actor has reached its restart limit.
    GivenUp(GivenUp),
}
