//! [`Fault`] and [`Incident`]: an actor that fails, and what becomes of it.

use serde::Serialize;

/// An actor did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which actor.
    pub actor: &'static str,
    /// Which of several.
    pub number: u16,
    /// What happened.
    pub kind: FaultKind,
    /// In its words.
    pub said: String,
}

/// What happened to an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// It panicked: it is unknown whether the work in hand was done. The next message is served by a fresh one.
    Panicked,
    /// It could not start. No message is lost by that: they wait.
    NotStarted,
    /// It was given up, or has ended: nothing was done.
    Down,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { actor, said, .. } = self;
        match self.kind {
            FaultKind::Panicked => write!(f, "the {actor} failed: {said}"),
            FaultKind::NotStarted => write!(f, "the {actor} could not start: {said}"),
            FaultKind::Down => write!(f, "the {actor} is down: {said}"),
        }
    }
}

impl std::error::Error for Fault {}

/// A reply that can fail says so with its error.
impl<T, E: From<Fault>> From<Fault> for Result<T, E> {
    fn from(fault: Fault) -> Self {
        Err(fault.into())
    }
}

/// What needs no reply cannot say so: the supervisor tells it.
impl From<Fault> for () {
    fn from(_: Fault) -> Self {}
}

/// An actor is up again after a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restarted {
    /// Which actor.
    pub actor: &'static str,
    /// Which of several.
    pub number: u16,
    /// How often that was so by now.
    pub restarts: u64,
}

/// An actor failed too often: it stays down until an operator resets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GivenUp {
    /// Which actor.
    pub actor: &'static str,
    /// Which of several.
    pub number: u16,
    /// What it said last.
    pub said: String,
}

/// What a supervisor tells.
#[derive(Debug, Clone)]
pub enum Incident {
    /// An actor failed.
    Failed(Fault),
    /// It is up again.
    Restarted(Restarted),
    /// It is given up.
    GivenUp(GivenUp),
}
