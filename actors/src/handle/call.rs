//! Calls of the control actors from any thread and any runtime.
//!
//! A mailbox with a capacity admits a call. The call runs on the control thread, where timers work, and ends by a deadline. So it fails
//! only in the four ways that [`Unavailable`] lists.

use std::time::{Duration, Instant};

use actix::Message;
use tracing::Instrument;

use crate::engine::{ActorEntry, Engine, Registry, StoredError};
use crate::protocol::messages::{History, RolledBack, StoredVersionInfo};
use crate::supervision::{Fault, Serve, Unavailable};
use crate::version::Version;

/// Number of times that a lost message is sent again before the call fails with `Lost`.
pub(super) const RETRIES: usize = 4;

/// The deadline of a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallDeadline {
    at: Instant,
    within: Duration,
    /// Name of the limit that set it, for errors.
    limit: &'static str,
}

impl CallDeadline {
    pub(super) fn after(within: Duration, limit: &'static str) -> Self {
        // An `Instant` overflows for times that are far enough away. 68 years are practically never.
        let within = within.min(Duration::from_secs(1 << 31));
        Self {
            at: Instant::now() + within,
            within,
            limit,
        }
    }
}

impl Engine {
    /// Returns the deadline of a call whose caller sets none.
    pub(super) fn default_deadline(&self) -> CallDeadline {
        CallDeadline::after(Duration::from_millis(self.limits.reload_ms), "the limit `reload_ms`")
    }

    /// Asks an actor through the mailbox for queries.
    pub(super) async fn ask<B, M, T, E>(&self, actor: &ActorEntry<B>, message: M) -> Result<T, E>
    where
        B: Serve<M>,
        M: Message<Result = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Fault> + From<Unavailable> + Send + 'static,
    {
        let mailbox = &self.mailboxes.queries;
        let _permit = mailbox.admit()?;
        let asked = self.ask_admitted(actor, message, self.default_deadline()).await;
        asked.inspect_err(|error| mailbox.count(error))?
    }

    /// Puts a version that only the store has into the history, so that a command or a query finds it there. Does nothing for any other.
    pub(super) async fn keep_stored(&self, version: Version) -> Result<(), StoredError> {
        let Some(stored) = self
            .actors
            .stored_versions
            .clone()
            .filter(|stored| stored.may_have(version))
        else {
            return Ok(());
        };
        let kept = self.ask(&self.actors.registry, History).await?;
        if kept.versions.contains(&version) {
            return Ok(());
        }
        self.with_stored(move || async move { stored.keep(version).await })
            .await
    }

    /// Returns the versions that the store has from earlier processes.
    pub(super) async fn stored_versions(&self) -> Result<Vec<StoredVersionInfo>, StoredError> {
        match self.actors.stored_versions.clone() {
            Some(stored) => self.with_stored(move || async move { stored.list().await }).await,
            None => Ok(Vec::new()),
        }
    }

    /// Runs a query to the store in the control thread, which has timers.
    async fn with_stored<T, F>(&self, query: impl FnOnce() -> F + Send + 'static) -> Result<T, StoredError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoredError>> + 'static,
    {
        let _permit = self.mailboxes.queries.admit()?;
        let deadline = self.default_deadline();
        let answered = self.run(move || actix::clock::timeout(deadline.within, query()))?;
        match answered.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Unavailable::waited(deadline.within, deadline.limit).into()),
            Err(_) => Err(Unavailable::Lost("the engine has stopped meanwhile".into()).into()),
        }
    }

    /// Asks an actor on behalf of a call that was admitted.
    pub(super) async fn ask_admitted<B, M>(
        &self,
        actor: &ActorEntry<B>,
        message: M,
        deadline: CallDeadline,
    ) -> Result<M::Result, Unavailable>
    where
        B: Serve<M>,
        M: Message + Send + 'static,
        M::Result: From<Fault> + Send + 'static,
    {
        let recipient = actor.recipient();
        // The control thread works on behalf of the caller, so its log lines belong to the span of the caller.
        let span = tracing::Span::current();
        let asked = async move {
            let left = deadline.at.saturating_duration_since(Instant::now());
            actix::clock::timeout(left, recipient.send(message)).await
        };
        let answered = self.run(move || asked.instrument(span))?;
        match answered.await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Err(_)) => Err(Unavailable::waited(deadline.within, deadline.limit)),
            Ok(Ok(Err(closed))) => Err(Unavailable::Lost(closed.to_string())),
            Err(_) => Err(Unavailable::Lost("the engine has stopped meanwhile".into())),
        }
    }

    /// Sends a command to the Registry, and sends it again if the Registry fails meanwhile. The key of the command makes that safe.
    pub(super) async fn command<M>(&self, message: M) -> Result<RolledBack, Unavailable>
    where
        Registry: Serve<M>,
        M: Message<Result = Result<RolledBack, Unavailable>> + Clone + Send + 'static,
    {
        let registry = &self.actors.registry;
        if !registry.child.is_available() {
            return Err(registry.child.down_fault().into());
        }
        let mut left = RETRIES;
        loop {
            match self.ask(registry, message.clone()).await {
                Err(Unavailable::Lost(_)) if left > 0 && registry.child.is_available() => left -= 1,
                answer => return answer,
            }
        }
    }
}
