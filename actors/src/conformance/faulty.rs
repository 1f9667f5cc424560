//! [`Faulty`]: a loader that hangs or panics when it is told to.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::health::LoaderStatus;
use crate::loader::{BoxFuture, Changes, Depth, Hints, Loader, LoaderError};
use crate::template::TemplateKey;

/// The way in which a sync fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// Its future never completes.
    Waits,
    /// It blocks its thread.
    Blocks,
    /// It panics.
    Panics,
}

/// Decides what the next sync does.
#[derive(Debug, Clone)]
pub(super) struct Switch {
    next: Arc<AtomicU8>,
    blocked: Arc<Mutex<Receiver<()>>>,
    /// Ends the block when it is dropped.
    _end: Arc<Mutex<Sender<()>>>,
}

impl Switch {
    pub(super) fn new() -> Self {
        let (end, blocked) = channel();
        Self {
            next: Arc::default(),
            blocked: Arc::new(Mutex::new(blocked)),
            _end: Arc::new(Mutex::new(end)),
        }
    }

    pub(super) fn fail(&self, fault: FaultKind) {
        self.next.store(fault as u8 + 1, Ordering::SeqCst);
    }
}

/// A loader around another one.
pub(super) struct Faulty {
    pub(super) loader: Box<dyn Loader>,
    pub(super) next: Arc<AtomicU8>,
    pub(super) blocked: Arc<Mutex<Receiver<()>>>,
}

impl Faulty {
    pub(super) fn new(loader: Box<dyn Loader>, switch: &Switch) -> Self {
        Self {
            loader,
            next: Arc::clone(&switch.next),
            blocked: Arc::clone(&switch.blocked),
        }
    }
}

impl Loader for Faulty {
    fn describe(&self) -> String {
        self.loader.describe()
    }

    fn restored(&mut self, keys: &[TemplateKey]) {
        self.loader.restored(keys);
    }

    fn watch(&mut self, hints: Hints) -> BoxFuture<'_, Result<(), LoaderError>> {
        self.loader.watch(hints)
    }

    fn sync(&mut self, depth: Depth) -> BoxFuture<'_, Result<Changes, LoaderError>> {
        let fault = self.next.swap(0, Ordering::SeqCst);
        Box::pin(async move {
            match fault {
                1 => std::future::pending().await,
                2 => {
                    let _ = self.blocked.lock().unwrap_or_else(PoisonError::into_inner).recv();
                }
                3 => panic!("the suite has asked for it"),
                _ => {}
            }
            self.loader.sync(depth).await
        })
    }

    fn status(&self) -> LoaderStatus {
        self.loader.status()
    }
}
