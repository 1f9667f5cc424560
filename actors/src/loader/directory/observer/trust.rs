//! [`MissedEvents`] counts changes that a scan found and no event reported; [`EventTrust`] is what follows from them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::loader::directory::settle::Due;

/// The time that an event may take before the change that a scan found counts as missed.
const EVENT_LATE: Duration = Duration::from_millis(500);
/// The number of periodic scans after a missed event until events are trusted again.
const SCANS_UNTIL_TRUSTED: u32 = 30;

/// The trust in native events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventTrust {
    /// Events report every change, as far as is known.
    Trusted,
    /// An event was missing. Full scans follow each other quickly until this number of them has been made without another one.
    Doubted { scans_left: u32 },
}

impl EventTrust {
    /// Returns the state after an event was missing.
    pub(super) fn lost() -> Self {
        Self::Doubted {
            scans_left: SCANS_UNTIL_TRUSTED,
        }
    }

    /// Returns the state after one more periodic scan.
    pub(super) fn after_scan(self) -> Self {
        match self {
            Self::Doubted { scans_left } if scans_left > 1 => Self::Doubted {
                scans_left: scans_left - 1,
            },
            _ => Self::Trusted,
        }
    }
}

/// Changes that a scan found before any event reported them.
#[derive(Debug, Default)]
pub(super) struct MissedEvents {
    /// The paths whose event may still be on its way, with the time of the scan.
    awaited: HashMap<PathBuf, Instant>,
    /// The number of changes whose event never came.
    pub(super) count: u64,
}

/// Events that did not come in time.
pub(super) struct Missed {
    pub(super) count: usize,
    pub(super) example: PathBuf,
}

impl MissedEvents {
    /// Notes a path whose change a scan found.
    pub(super) fn note(&mut self, path: PathBuf, now: Instant) {
        self.awaited.entry(path).or_insert(now);
    }

    /// Returns the time at which the first event is overdue.
    pub(super) fn next(&self) -> Option<Instant> {
        self.awaited.values().min().map(|found| *found + EVENT_LATE)
    }

    /// Forgets the changes that events have reported by now, and counts those whose event is overdue.
    pub(super) fn expire(&mut self, due: &Due, now: Instant) -> Option<Missed> {
        if self.awaited.is_empty() {
            return None;
        }
        // An event of a directory stands for all that is in it.
        let is_reported = |path: &PathBuf| due.paths.iter().any(|(reported, _)| path.starts_with(reported));
        self.awaited.retain(|path, _| !is_reported(path));
        let overdue = self.awaited.extract_if(|_, found| *found + EVENT_LATE <= now);
        let overdue: Vec<PathBuf> = overdue.map(|(path, _)| path).collect();
        self.count += overdue.len() as u64;
        let count = overdue.len();
        overdue.into_iter().next().map(|example| Missed { count, example })
    }
}
