//! [`Publication`]: the versions that were published last, and how the newest stands.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{StatusCounters, standings};
use crate::events::Published;
use crate::snapshot::Snapshot;
use crate::version::Version;

/// A version that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Whether somebody chose it by going back, and it is held.
    pub held: bool,
    /// What was new in it.
    pub published: Arc<Published>,
}

/// Remembers as many publications as versions are kept, and one for the current one.
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

    /// Oldest first.
    pub(super) fn all(&self) -> Vec<Publication> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.iter().cloned().collect()
    }

    /// Whether the newest is held.
    pub(super) fn held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }
}

/// How entries stand, counted once for each version that is asked about.
#[derive(Debug)]
pub(super) struct StatusCounts(Mutex<(Version, StatusCounters)>);

impl Default for StatusCounts {
    fn default() -> Self {
        Self(Mutex::new((Version::NONE, StatusCounters::default())))
    }
}

impl StatusCounts {
    pub(super) fn of(&self, snapshot: &Snapshot) -> StatusCounters {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.0 != snapshot.version() {
            *counted = (snapshot.version(), standings(snapshot));
        }
        counted.1
    }
}
