//! [`Loader`]: the interface of a source of templates. Events are hints; only content decides what changed.

pub mod directory;
mod memory;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::diagnostic::Diagnostic;
use crate::dialect::Dialect;
use crate::health::LoaderStatus;
use crate::template::{Layer, Source, TemplateKey};

pub use crate::protocol::load::LoaderError;
pub use directory::rules::{Links, RuleError, Rules};
pub use directory::{DirectoryLoader, Mount, WatchBy};
pub use memory::{MemoryHandle, MemoryLoader};

/// A source of templates. It runs on a thread of its own, so it may block.
pub trait Loader: Send + 'static {
    /// Returns a short text for messages: what it loads, and from where.
    fn describe(&self) -> String;

    /// Returns a text that says where its templates come from, for a store that outlives the process. By default it is that of
    /// [`describe`](Loader::describe).
    fn identity(&self) -> String {
        self.describe()
    }

    /// Called once, before the first sync, if these templates are served already, because an earlier process has stored them. A
    /// source that is missing is then an error and not an empty source.
    fn restored(&mut self, _keys: &[TemplateKey]) {}

    /// Starts to watch: from now on, a hint is given when something may have changed. Called once.
    ///
    /// # Errors
    /// [`LoaderError`] if it cannot watch; its templates then change only by a `Reload`.
    fn watch(&mut self, hints: Hints) -> Result<(), LoaderError>;

    /// Returns what differs from the result of the last `sync` that succeeded. It may report too much, never too little.
    ///
    /// # Errors
    /// [`LoaderError`] if nothing can be loaded, because its root is missing for example. The previous version is still served.
    fn sync(&mut self, depth: Depth) -> Result<Changes, LoaderError>;

    /// Returns the languages that its sources name by [`Source::dialect`]. Called once, before the start.
    fn dialects(&self) -> Vec<Arc<dyn Dialect>> {
        Vec::new()
    }

    /// Returns how it notices changes, for health and metrics. Called after each sync.
    fn status(&self) -> LoaderStatus {
        LoaderStatus::default()
    }
}

/// The depth of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Depth {
    /// Only what hints were given for.
    Hinted,
    /// Everything, by cheap signs of a change such as time stamps.
    Everything,
    /// Everything, by every byte.
    Bytes,
    /// Everything, reported as if nothing had been reported before.
    Afresh,
}

/// The changes that a sync found.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Set if `changed` and `unreadable` are all that exists.
    pub complete: bool,
    /// Sources that are new or may have changed.
    pub changed: Vec<Source>,
    /// Sources that exist and cannot be read, with the reasons.
    pub unreadable: Vec<(TemplateKey, Arc<[Diagnostic]>)>,
    /// Sources that do not exist any more.
    pub removed: Vec<TemplateKey>,
}

impl Changes {
    /// Returns true if there is nothing to report.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.complete && self.changed.is_empty() && self.unreadable.is_empty() && self.removed.is_empty()
    }

    /// Returns the keys of all texts that are new, changed or unreadable.
    pub(crate) fn present(&self) -> impl Iterator<Item = &TemplateKey> {
        let unreadable = self.unreadable.iter().map(|(key, _)| key);
        self.changed.iter().map(|source| &source.key).chain(unreadable)
    }

    /// Checks that all texts belong to the shared stable layer, the only one that a store keeps.
    ///
    /// # Errors
    /// [`LoaderError`] names the first text of another layer.
    pub(crate) fn check_layers(&self) -> Result<(), LoaderError> {
        match self.present().find(|key| key.layer != Layer::SHARED_STABLE) {
            None => Ok(()),
            Some(key) => Err(LoaderError::new(format!(
                "there is `{key}`, but a store does not keep texts of tenants and of later stages yet: start without a store, or without \
                 these texts"
            ))),
        }
    }
}

/// The receiver of hints that something may have changed. A hint is cheap and never blocks; many hints lead to one sync.
#[derive(Clone)]
pub struct Hints {
    hint: Arc<dyn Fn() + Send + Sync>,
    remind: Arc<dyn Fn() + Send + Sync>,
    over: Arc<AtomicBool>,
}

impl Hints {
    /// Creates a receiver that calls `hint` for each hint.
    pub fn new(hint: impl Fn() + Send + Sync + 'static) -> Self {
        let hint: Arc<dyn Fn() + Send + Sync> = Arc::new(hint);
        Self {
            remind: Arc::clone(&hint),
            hint,
            over: Arc::default(),
        }
    }

    /// Creates a receiver that calls `hint` for each hint and `remind` for each reminder.
    pub(crate) fn with_reminders(
        hint: impl Fn() + Send + Sync + 'static,
        remind: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            remind: Arc::new(remind),
            ..Self::new(hint)
        }
    }

    /// Gives a hint: something may have changed.
    pub fn hint(&self) {
        (self.hint)();
    }

    /// Gives a reminder that something is due, maybe since an earlier hint. It leads to a sync, but nothing new has happened, so a burst of
    /// changes that are to be one batch does not last longer because of it.
    pub(crate) fn remind(&self) {
        (self.remind)();
    }

    /// Returns true if the result of a sync is not needed any more, because the engine has stopped or its start took too long. A long
    /// sync asks now and then, and stops.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Notes that no result is needed any more.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Hints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hints(..)")
    }
}
