//! [`Publication`]: the versions that were published last.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::events::Published;

/// A version that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The time in milliseconds since 1970.
    pub at_ms: u64,
    /// True if an operator made it by rolling back.
    pub held: bool,
    /// The changes of the version.
    pub published: Arc<Published>,
}

/// The latest publications: one for each version of the history, and one for the current version.
#[derive(Debug)]
pub(super) struct PublicationLog {
    latest: Mutex<VecDeque<Publication>>,
    most: usize,
    waiting: AtomicUsize,
}

impl PublicationLog {
    pub(super) fn new(kept: usize) -> Self {
        Self {
            latest: Mutex::default(),
            most: kept.saturating_add(1),
            waiting: AtomicUsize::new(0),
        }
    }

    pub(super) fn add(&self, publication: Publication) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.push_back(publication);
        while latest.len() > self.most {
            latest.pop_front();
        }
    }

    /// Returns all publications, oldest first.
    pub(super) fn all(&self) -> Vec<Publication> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.iter().cloned().collect()
    }

    /// Records the number of templates whose newest text waits.
    pub(super) fn wait(&self, templates: usize) {
        self.waiting.store(templates, Ordering::Relaxed);
    }

    /// Returns the number of templates whose newest text waits.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}
