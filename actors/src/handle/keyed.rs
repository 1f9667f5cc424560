//! [`Keyed`]: commands with an idempotency key.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Reloader;
use crate::engine::Engine;
use crate::protocol::messages::{IdempotencyKey, Reload, RolledBack};
use crate::protocol::reload::ReloadReport;
use crate::supervision::Unavailable;
use crate::version::Version;

/// Commands with an idempotency key that the caller chooses. Each kind of command is carried out once for each key, however often it is
/// sent, and each repetition receives the first answer; the last [`idempotency_keys`](crate::Limits::idempotency_keys) answers are kept. So
/// a command that was answered [`Lost`](Unavailable::Lost) or [`Timeout`](Unavailable::Timeout) can be sent again.
///
/// ```
/// # use hotplate_actors::{Hotplate, MemoryLoader, TemplateName};
/// # let (loader, memory) = MemoryLoader::new();
/// # memory.set(TemplateName::new("a.txt")?, "one");
/// # let hotplate = Hotplate::builder().loader(loader).watch(false).start()?;
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let first = hotplate.snapshot().version();
/// let command = hotplate.keyed("incident 4711");
/// command.roll_back(first).await?;
/// let after = hotplate.snapshot().version();
/// command.roll_back(first).await?;
/// assert_eq!(hotplate.snapshot().version(), after, "it is carried out once");
/// # Ok::<(), hotplate_actors::Unavailable>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Keyed {
    engine: Arc<Engine>,
    key: String,
}

impl Keyed {
    pub(super) fn new(engine: &Arc<Engine>, key: &str) -> Self {
        Self {
            engine: Arc::clone(engine),
            key: key.to_owned(),
        }
    }

    /// Works like [`Hotplate::reload`](crate::Hotplate::reload), or [`reload_full`](crate::Hotplate::reload_full).
    ///
    /// # Errors
    /// [`Unavailable`] if there is no outcome.
    pub async fn reload(&self, reload: Reload) -> Result<ReloadReport, Unavailable> {
        Reloader::new(&self.engine).keyed(&self.key).send(reload).await
    }

    /// Works like [`Hotplate::roll_back`](crate::Hotplate::roll_back).
    ///
    /// # Errors
    /// [`Unavailable`] if there is no outcome.
    pub async fn roll_back(&self, to: Version) -> Result<RolledBack, Unavailable> {
        let key = IdempotencyKey::new(&format!("roll back to {to}"), &self.key);
        self.engine.roll_back(to, key).await
    }

    /// Works like [`Hotplate::resume`](crate::Hotplate::resume).
    ///
    /// # Errors
    /// [`Unavailable`] if there is no outcome.
    pub async fn resume(&self) -> Result<RolledBack, Unavailable> {
        self.engine.resume(IdempotencyKey::new("resume", &self.key)).await
    }
}

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Keyed").field(&self.key).finish()
    }
}

/// Returns a unique key for a call without a key, so that a lost command can be sent again.
pub(super) fn fresh() -> IdempotencyKey {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    IdempotencyKey::new("without a key", &number.to_string())
}
