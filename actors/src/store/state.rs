//! [`StoreState`]: the progress of storing, which the writer notes and health and metrics read.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::health::StoreHealth;
use crate::version::Version;

/// The number of problems that are kept to be shown.
const PROBLEMS_MAX: usize = 100;

/// The progress of storing. Reading it never waits for a write.
#[derive(Debug, Default)]
pub(crate) struct StoreState {
    directory: PathBuf,
    durable: AtomicU64,
    skipped: AtomicU64,
    writes: AtomicU64,
    failures: AtomicU64,
    repaired: AtomicU64,
    noted: Mutex<Noted>,
}

#[derive(Debug, Default, Clone)]
struct Noted {
    /// The version that was served at the start, before anything was loaded.
    opened: Option<Version>,
    problems: Vec<String>,
    error: Option<String>,
    /// For each loader that could not be loaded since the start: the reason.
    not_loaded: Vec<Option<String>>,
}

impl StoreState {
    pub(crate) fn new(directory: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            directory,
            ..Self::default()
        })
    }

    /// Notes the result of opening.
    pub(crate) fn opened(&self, version: Option<Version>, problems: Vec<String>) {
        self.durable
            .store(version.unwrap_or_default().number(), Ordering::Relaxed);
        let mut noted = self.lock();
        noted.opened = version;
        noted.problems = problems;
    }

    /// Returns the version that was served at the start.
    pub(crate) fn opened_version(&self) -> Option<Version> {
        self.lock().opened
    }

    /// Notes problems that were found while a version was written. Only the last ones are kept.
    pub(crate) fn found(&self, problems: Vec<String>) {
        self.repaired.fetch_add(problems.len() as u64, Ordering::Relaxed);
        let mut noted = self.lock();
        noted.problems.extend(problems);
        let beyond = noted.problems.len().saturating_sub(PROBLEMS_MAX);
        noted.problems.drain(..beyond);
    }

    /// Notes that a version is durable, and whether it had to be written. Returns true if the last attempt failed.
    pub(crate) fn stored(&self, version: Version, was_written: bool) -> bool {
        let before = self.durable.swap(version.number(), Ordering::Relaxed);
        if was_written {
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
        let skipped = version.number().saturating_sub(before + 1);
        self.skipped.fetch_add(skipped, Ordering::Relaxed);
        self.lock().error.take().is_some()
    }

    /// Notes that an attempt failed. Returns true if the one before did not fail for the same reason.
    pub(crate) fn failed(&self, error: String) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut noted = self.lock();
        let is_new = noted.error.as_ref() != Some(&error);
        noted.error = Some(error);
        is_new
    }

    /// Notes that a loader could not be loaded since the start, or, with `None`, that it was. Returns true if that is new.
    pub(crate) fn loaded(&self, loader: usize, failure: Option<String>) -> bool {
        let mut noted = self.lock();
        if noted.not_loaded.len() <= loader {
            noted.not_loaded.resize(loader + 1, None);
        }
        let before = std::mem::replace(&mut noted.not_loaded[loader], failure);
        before != noted.not_loaded[loader]
    }

    /// Returns the state, while `served` is served.
    pub(crate) fn health(&self, served: Version) -> StoreHealth {
        let noted = self.lock().clone();
        let durable = self.durable.load(Ordering::Relaxed);
        StoreHealth {
            directory: self.directory.display().to_string(),
            opened: noted.opened,
            durable: Some(Version::from_number(durable)).filter(|version| *version != Version::NONE),
            lag: served.number().saturating_sub(durable),
            skipped: self.skipped.load(Ordering::Relaxed),
            writes: self.writes.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            repaired: self.repaired.load(Ordering::Relaxed),
            error: noted.error,
            problems: noted.problems,
            not_loaded: noted.not_loaded.into_iter().flatten().collect(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
