//! [`Inbox`]: events of the kernel, as hints for paths. The listening thread writes it; the loader's thread reads it.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::settle::{Hint, Settle};
use super::watches::{WatchId, WatchedDirectories};
use crate::limits::Limits;
use crate::loader::Hints;

/// The most ignored files that are remembered. Beyond that all are forgotten, which costs work and nothing else.
const IGNORED_MAX: usize = 1024;
/// The longest that a mark is waited for. If it takes longer, events are not taken for complete.
const BARRIER: Duration = Duration::from_secs(2);

/// An event of a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "watches of whole trees report paths")
)]
pub(super) enum WatchEvent<'a> {
    /// Events were lost.
    Overflow,
    /// The watch has ended, or it was a mark.
    Ended(WatchId),
    /// An event of the watched directory itself.
    Itself(WatchId),
    /// An event of a name in it.
    Named(WatchId, &'a OsStr, Hint),
}

/// The watches, and the events that wait to be checked. Locks are taken in the order of the fields.
pub(super) struct Inbox {
    watched: Mutex<WatchedDirectories>,
    settle: Mutex<Settle>,
    /// Files that are written and are no templates, such as a log beside them.
    ignored: Mutex<HashSet<PathBuf>>,
    mark_came: Condvar,
    /// Signals that `settle` has a new event.
    noted: Condvar,
    /// The receiver of hints, once the loader watches.
    hints: OnceLock<Hints>,
}

/// The queue of events, as a sync sees it.
pub(super) trait EventQueue {
    /// Receives all events of what happened until now. Returns false if that cannot be proved.
    fn catch_up(&self) -> bool;
    /// Waits until every file that is being written is closed or quiet, but no longer than `until`. Returns the time afterwards.
    fn wait_until_quiet(&self, until: Instant) -> Instant;
}

impl EventQueue for Inbox {
    fn catch_up(&self) -> bool {
        self.barrier(BARRIER)
    }

    fn wait_until_quiet(&self, until: Instant) -> Instant {
        let mut settle = self.settle();
        loop {
            let now = Instant::now();
            let Some(quiet_at) = settle.quiet_at(now).filter(|_| now < until) else {
                return now;
            };
            let left = quiet_at.min(until).saturating_duration_since(now);
            let waited = self.noted.wait_timeout(settle, left);
            settle = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Inbox {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            watched: Mutex::default(),
            settle: Mutex::new(Settle::new(limits)),
            ignored: Mutex::default(),
            mark_came: Condvar::new(),
            noted: Condvar::new(),
            hints: OnceLock::new(),
        }
    }

    /// Sets the receiver of hints.
    pub(super) fn set_hints(&self, hints: Hints) {
        let _ = self.hints.set(hints);
    }

    /// Returns true if the receiver of hints has stopped.
    pub(super) fn is_over(&self) -> bool {
        self.hints.get().is_some_and(Hints::is_over)
    }

    pub(super) fn watched(&self) -> MutexGuard<'_, WatchedDirectories> {
        lock(&self.watched)
    }

    pub(super) fn settle(&self) -> MutexGuard<'_, Settle> {
        lock(&self.settle)
    }

    /// Notes one event. Returns true if it is of a path that is watched for.
    pub(super) fn receive(&self, event: WatchEvent<'_>, now: Instant) -> bool {
        match event {
            WatchEvent::Overflow => {
                self.lose_events();
                // A mark may be among what was lost. Whoever waits for it holds this lock until it sleeps, so it is not missed.
                drop(self.watched());
                self.mark_came.notify_all();
                true
            }
            WatchEvent::Ended(watch) => {
                let places = self.watched().ended(watch);
                self.mark_came.notify_all();
                self.note(places, Hint::Whole, now)
            }
            WatchEvent::Itself(watch) => {
                let places = self.watched().places(watch).to_vec();
                self.note(places, Hint::Whole, now)
            }
            WatchEvent::Named(watch, name, hint) => {
                let watched = self.watched();
                let paths: Vec<PathBuf> = watched
                    .concerned(watch, name)
                    .map(|directory| directory.join(name))
                    .collect();
                drop(watched);
                self.note(paths, hint, now)
            }
        }
    }

    /// Notes that events were lost, where no mark tells what has been received. It does not take the lock of the watched directories, whose holder
    /// may wait for the caller.
    pub(super) fn lose_events(&self) {
        self.settle().note_lost_events();
    }

    /// Notes an event of some paths. Returns true unless all of them are ignored.
    pub(super) fn note(&self, paths: Vec<PathBuf>, hint: Hint, now: Instant) -> bool {
        let mut concerns = false;
        for path in paths {
            let mut ignored = lock(&self.ignored);
            if !ignored.is_empty() {
                match hint {
                    // Any other event, a rename for example, may make a template of it.
                    Hint::Writing | Hint::Closed if ignored.contains(&path) => continue,
                    Hint::Writing | Hint::Closed => {}
                    _ => drop(ignored.remove(&path)),
                }
            }
            drop(ignored);
            self.settle().note(path, hint, now);
            concerns = true;
        }
        if concerns {
            self.noted.notify_all();
        }
        concerns
    }

    /// Ignores writes to a file that is no template.
    pub(super) fn ignore_writes(&self, path: PathBuf) {
        let mut ignored = lock(&self.ignored);
        if ignored.len() >= IGNORED_MAX {
            ignored.clear();
        }
        ignored.insert(path);
    }

    /// Forgets which files are ignored.
    pub(super) fn stop_ignoring(&self) {
        lock(&self.ignored).clear();
    }

    /// Waits until all earlier events have been received, which the arrival of a mark proves. Returns false if events were lost, if
    /// there is no mark, or if it takes longer than `within`.
    fn barrier(&self, within: Duration) -> bool {
        let mut watched = self.watched();
        let Some(mark) = watched.mark() else {
            return false;
        };
        let until = Instant::now() + within;
        loop {
            if !watched.awaits(mark) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.settle().has_lost_events() {
                watched.forget_mark(mark);
                return false;
            }
            let (guard, _) = self
                .mark_came
                .wait_timeout(watched, left)
                .unwrap_or_else(PoisonError::into_inner);
            watched = guard;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
