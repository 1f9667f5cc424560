//! Calling the control actors from outside, and what can become of it: [`CallError`].

use std::time::{Duration, Instant};

use actix::Message;
use tracing::Instrument;

use crate::engine::{ActorEntry, Engine, Registry};
use crate::protocol::messages::{IdempotencyKey, Resume, RollBack, RolledBack, Unanswered};
use crate::supervision::{BoundedRecipient, Fault, FaultKind, Rejected, Serve};
use crate::version::Version;

/// How often what was lost on its way is sent again before its caller is told.
pub(super) const RETRIES: usize = 4;

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// As many as there may be are under way: try again later.
    #[error("too many calls of this kind are under way")]
    Busy,
    /// There is nobody to do it: nothing was done.
    #[error("nobody is there to do it: the engine has ended, or an actor was given up (health says which)")]
    Down,
    /// It is not known whether it was done. With a key it can be sent again: it is not done twice.
    #[error("the call was lost, and may be repeated: {0}")]
    Lost(String),
    /// It took longer than the caller, or the limit `reload_ms`, allows. It may be done yet.
    #[error("there was no answer within {0} ms")]
    Timeout(u64),
}

impl From<Rejected> for CallError {
    fn from(turned: Rejected) -> Self {
        match turned {
            Rejected::Busy => Self::Busy,
            Rejected::Closed => Self::Down,
        }
    }
}

impl From<Fault> for CallError {
    fn from(fault: Fault) -> Self {
        match fault.kind {
            FaultKind::Down => Self::Down,
            _ => Self::Lost(fault.to_string()),
        }
    }
}

impl From<Unanswered> for CallError {
    fn from(unanswered: Unanswered) -> Self {
        unanswered.0.into()
    }
}

impl CallError {
    pub(super) fn note(&self, door: &BoundedRecipient) {
        match self {
            Self::Timeout(_) => door.timed_out(),
            Self::Lost(_) => door.lost(),
            Self::Busy | Self::Down => {}
        }
    }
}

/// Until when a call is to be answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallDeadline {
    at: Instant,
    within_ms: u64,
}

impl CallDeadline {
    pub(super) fn after(within: Duration) -> Self {
        // What is further away than can be counted is as good as never.
        let within = within.min(Duration::from_secs(1 << 31));
        Self {
            at: Instant::now() + within,
            within_ms: u64::try_from(within.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl Engine {
    /// How long a call may take unless its caller says otherwise.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_millis(self.limits.reload_ms)
    }

    /// Comes in by the door for questions and asks an actor.
    pub(super) async fn ask<B, M>(&self, post: &ActorEntry<B>, message: M) -> Result<M::Result, CallError>
    where
        B: Serve<M>,
        M: Message + Send + 'static,
        M::Result: From<Fault> + Send + 'static,
    {
        let door = &self.mailboxes.queries;
        let _inside = door.admit()?;
        let asked = self
            .ask_inside(post, message, CallDeadline::after(self.patience()))
            .await;
        asked.inspect_err(|error| error.note(door))
    }

    /// Asks an actor.
    pub(super) async fn ask_inside<B, M>(
        &self,
        post: &ActorEntry<B>,
        message: M,
        until: CallDeadline,
    ) -> Result<M::Result, CallError>
    where
        B: Serve<M>,
        M: Message + Send + 'static,
        M::Result: From<Fault> + Send + 'static,
    {
        let line = post.recipient();
        // The control thread works for the caller.
        let span = tracing::Span::current();
        let asked = async move {
            let left = until.at.saturating_duration_since(Instant::now());
            actix::clock::timeout(left, line.send(message)).await
        };
        let answered = self.run(move || asked.instrument(span))?;
        match answered.await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Err(_)) => Err(CallError::Timeout(until.within_ms)),
            Ok(Ok(Err(gone))) => Err(CallError::Lost(gone.to_string())),
            Err(_) => Err(CallError::Lost("the engine has ended meanwhile".into())),
        }
    }

    /// Serves an earlier version again. With a key it is done once, however often it is sent.
    pub(super) async fn roll_back(&self, to: Version, key: IdempotencyKey) -> Result<RolledBack, CallError> {
        self.command(RollBack { to, key: Some(key) }).await
    }

    /// Ends what a roll-back began.
    pub(super) async fn resume(&self, key: IdempotencyKey) -> Result<RolledBack, CallError> {
        self.command(Resume { key: Some(key) }).await
    }

    /// What is lost is sent again: it has a key.
    async fn command<M>(&self, message: M) -> Result<RolledBack, CallError>
    where
        Registry: Serve<M>,
        M: Message<Result = RolledBack> + Copy + Send + 'static,
    {
        let registry = &self.actors.registry;
        if !registry.child.is_available() {
            return Err(CallError::Down);
        }
        let mut left = RETRIES;
        loop {
            match self.ask(registry, message).await? {
                RolledBack::Lost(_) if left > 0 && registry.child.is_available() => left -= 1,
                answer => return Ok(answer),
            }
        }
    }
}
