//! [`Loader`]: where sources come from. Events are hints, content is the truth.

pub mod directory;
mod memory;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::diagnostic::Diagnostic;
use crate::health::LoaderStatus;
use crate::template::{Source, TemplateName};

pub use directory::rules::{Links, RuleError, Rules};
pub use directory::{DirectoryLoader, Mount, WatchBy};
pub use memory::{MemoryHandle, MemoryLoader};

/// Where sources come from. Lives on a thread of its own, so it may block.
pub trait Loader: Send + 'static {
    /// For messages: what and where it is.
    fn describe(&self) -> String;

    /// From now on, hint when something may have changed. Called once.
    ///
    /// # Errors
    /// Why it cannot; what it loads then changes by `Reload` only.
    fn watch(&mut self, hints: Hints) -> Result<(), LoaderError>;

    /// What differs from what the last `sync` that succeeded returned. It may say too much, never too little.
    ///
    /// # Errors
    /// Why it cannot look at all, such as a root that is missing. What was served then goes on.
    fn sync(&mut self, depth: Depth) -> Result<Changes, LoaderError>;

    /// How it learns of changes, for health and metrics. Asked after each look.
    fn status(&self) -> LoaderStatus {
        LoaderStatus::default()
    }
}

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Depth {
    /// What was hinted at.
    Hinted,
    /// Everything, by whatever tells cheaply that something changed.
    Everything,
    /// Everything, every byte.
    Bytes,
    /// Everything, returned as if nothing had been returned before.
    Afresh,
}

/// What a loader found.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Whether `changed` and `unreadable` are all that there is.
    pub complete: bool,
    /// New, or maybe changed.
    pub changed: Vec<Source>,
    /// There, but they cannot be read.
    pub unreadable: Vec<(TemplateName, Arc<[Diagnostic]>)>,
    /// No longer there.
    pub removed: Vec<TemplateName>,
}

impl Changes {
    /// Whether there is nothing to hand on.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.complete && self.changed.is_empty() && self.unreadable.is_empty() && self.removed.is_empty()
    }
}

/// Why a loader cannot look or watch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LoaderError(pub String);

/// How a loader says that something may have changed. Cheap, never blocks; many hints are one look.
#[derive(Clone)]
pub struct Hints {
    hint: Arc<dyn Fn() + Send + Sync>,
    over: Arc<AtomicBool>,
}

impl Hints {
    /// Calls `hint` for each hint.
    pub fn new(hint: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            hint: Arc::new(hint),
            over: Arc::default(),
        }
    }

    /// Something may have changed.
    pub fn hint(&self) {
        (self.hint)();
    }

    /// Whether nobody waits for what the loader finds, for the engine has ended or its start took too long. A loader that has much to
    /// look at asks now and then, and stops.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Nobody waits any more.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Hints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hints(..)")
    }
}
