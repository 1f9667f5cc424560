//! [`Commands`]: commands of an operator with options.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Reloader;
use crate::cause::Cause;
use crate::engine::{Engine, StoredError};
use crate::protocol::messages::{
    CommandOptions, CommandStage, IdempotencyKey, Reload, Resume, RollBack, RolledBack, StageAction,
};
use crate::protocol::reload::ReloadReport;
use crate::supervision::Unavailable;
use crate::template::{Stage, Tenant};
use crate::version::Version;

/// Commands of an operator, with who asks and why, the version that they expect, and an idempotency key.
///
/// - The [`Cause`] appears in the report and in the history of the version that the command makes.
/// - A command that expects a version does nothing if another one is served; it is answered [`RolledBack::Conflict`], which names that
///   version. So two operators do not undo each other's work unseen.
/// - With a key, each kind of command is carried out once, however often it is sent, and each repetition receives the first answer; the
///   last [`idempotency_keys`](crate::Limits::idempotency_keys) answers are kept. So a command that was answered
///   [`Lost`](Unavailable::Lost) or [`Timeout`](Unavailable::Timeout) can be sent again.
///
/// ```
/// # use hotplate_actors::{Cause, Hotplate, MemoryLoader, TemplateName};
/// # let (loader, memory) = MemoryLoader::new();
/// # memory.set(TemplateName::new("a.txt")?, "one");
/// # let hotplate = Hotplate::builder().loader(loader).watch(false).start()?;
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let first = hotplate.snapshot().version();
/// memory.set(TemplateName::new("a.txt")?, "two");
/// let seen = hotplate.reload().await?.version;
/// let cause = Cause::by("alice").reason("incident 4711");
/// let command = hotplate.commands().key("incident 4711").cause(cause).expecting(seen);
/// command.roll_back(first).await?;
/// let after = hotplate.snapshot().version();
/// command.roll_back(first).await?;
/// assert_eq!(hotplate.snapshot().version(), after, "it is carried out once");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "options do nothing until a command is sent"]
pub struct Commands {
    engine: Arc<Engine>,
    key: Option<String>,
    expected: Option<Version>,
    cause: Cause,
}

impl Commands {
    pub(super) fn new(engine: &Arc<Engine>) -> Self {
        Self {
            engine: Arc::clone(engine),
            key: None,
            expected: None,
            cause: Cause::default(),
        }
    }

    /// Sets the idempotency key.
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Sets the version that has to be served for [`roll_back`](Self::roll_back) and [`resume`](Self::resume) to do anything.
    pub fn expecting(mut self, version: Version) -> Self {
        self.expected = Some(version);
        self
    }

    /// Sets who asks, and why.
    pub fn cause(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// Works like [`Hotplate::reload`](crate::Hotplate::reload), or [`reload_full`](crate::Hotplate::reload_full). The cause is that of
    /// these commands, if `reload` has none.
    ///
    /// # Errors
    /// [`Unavailable`] if there is no outcome.
    pub async fn reload(&self, reload: Reload) -> Result<ReloadReport, Unavailable> {
        let reloader = Reloader::new(&self.engine);
        let reloader = self.key.iter().fold(reloader, |reloader, key| reloader.keyed(key));
        let cause = match reload.cause == Cause::default() {
            true => self.cause.clone(),
            false => reload.cause,
        };
        reloader.send(Reload { cause, ..reload }).await
    }

    /// Works like [`Hotplate::roll_back`](crate::Hotplate::roll_back).
    ///
    /// # Errors
    /// [`Unavailable`] if there is no outcome.
    pub async fn roll_back(&self, to: Version) -> Result<RolledBack, Unavailable> {
        match self.engine.keep_stored(to).await {
            Ok(()) => {}
            Err(StoredError::Unreadable(reason)) => {
                return Ok(RolledBack::Refused(format!(
                    "version {to} cannot be read from the store: {reason}"
                )));
            }
            Err(StoredError::Unavailable(error)) => return Err(error),
        }
        let command = self.options(&format!("roll back to {to}"));
        self.engine.command(RollBack { to, command }).await
    }

    /// Works like [`Hotplate::resume`](crate::Hotplate::resume).
    ///
    /// # Errors
    /// [`Unavailable`] if there is no outcome.
    pub async fn resume(&self) -> Result<RolledBack, Unavailable> {
        let command = self.options("resume");
        self.engine.command(Resume { command }).await
    }

    /// Publishes the texts of canary as those of stable: those of everyone, or those of one tenant. The texts that stable has in the sources
    /// wait, as after a rollback, until the sources have the promoted text or something new.
    ///
    /// It is refused unless the canary meets the [requirements](crate::judge::Requirements). `is_forced` publishes it nevertheless; then the
    /// [cause](Self::cause) needs a reason.
    ///
    /// # Errors
    /// [`Unavailable`] if there is no outcome.
    pub async fn promote(&self, tenant: Option<Tenant>, is_forced: bool) -> Result<RolledBack, Unavailable> {
        self.stage(Stage::Canary, StageAction::Promote { tenant, is_forced })
            .await
    }

    /// Does something about a stage other than stable.
    ///
    /// ```
    /// # use hotplate_actors::{Cause, Hotplate, MemoryLoader};
    /// use hotplate_actors::messages::StageAction;
    /// use hotplate_actors::template::Stage;
    ///
    /// # let hotplate = Hotplate::builder().loader(MemoryLoader::new().0).start()?;
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let alice = hotplate.commands().cause(Cause::by("alice").reason("a drill"));
    /// alice.stage(Stage::Canary, StageAction::Abort).await?;
    /// assert!(!hotplate.stages()[0].is_on, "its visitors get stable");
    /// alice.stage(Stage::Canary, StageAction::Resume).await?;
    /// assert!(hotplate.stages()[0].is_on);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Unavailable`] if there is no outcome.
    pub async fn stage(&self, stage: Stage, action: StageAction) -> Result<RolledBack, Unavailable> {
        let command = self.options(&format!("{action:?} {}", stage.as_str()));
        let command = CommandStage { stage, action, command };
        self.engine.command(command).await
    }

    fn options(&self, command: &str) -> CommandOptions {
        CommandOptions {
            key: Some(
                self.key
                    .as_ref()
                    .map_or_else(fresh, |key| IdempotencyKey::new(command, key)),
            ),
            expected: self.expected,
            cause: self.cause.clone(),
        }
    }
}

impl std::fmt::Debug for Commands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Commands")
            .field("key", &self.key)
            .field("expected", &self.expected)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

/// Returns a unique key for a call without a key, so that a lost command can be sent again.
fn fresh() -> IdempotencyKey {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    IdempotencyKey::new("without a key", &number.to_string())
}
