//! [`Publication`]: the versions that were published last.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::events::Published;

/// A version that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The time in milliseconds since 1970.
    pub at_ms: u64,
    /// True if an operator rolled back to it, so that it is held.
    pub held: bool,
    /// The changes of the version.
    pub published: Arc<Published>,
}

/// The latest publications: one for each version of the history, and one for the current version.
#[derive(Debug)]
pub(super) struct PublicationLog {
    latest: Mutex<VecDeque<Publication>>,
    most: usize,
    held: AtomicBool,
}

impl PublicationLog {
    pub(super) fn new(kept: usize) -> Self {
        Self {
            latest: Mutex::default(),
            most: kept.saturating_add(1),
            held: AtomicBool::new(false),
        }
    }

    pub(super) fn add(&self, publication: Publication) {
        self.held.store(publication.held, Ordering::Relaxed);
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

    /// Returns true if the newest version is held.
    pub(super) fn held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }
}
