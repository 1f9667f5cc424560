//! [`Inbox`]: what the kernel said, as hints, for whoever looks. Written by the thread that listens, read by the one that looks.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::settle::{Hint, Settle};
use super::watches::{WatchId, WatchedDirectories};
use crate::limits::Limits;
use crate::loader::Hints;

/// Names of no concern that are remembered. More are as good as none: they only spare work.
const IGNORED_MAX: usize = 1024;
/// How long the kernel may take to say everything that it knows, before it is taken for one that does not.
const BARRIER: Duration = Duration::from_secs(2);

/// What the kernel said about a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "elsewhere whole trees are watched, and tell paths")
)]
pub(super) enum WatchEvent<'a> {
    /// Events were lost.
    Overflow,
    /// The watch has ended, or it was a mark.
    Ended(WatchId),
    /// Something about the watched directory itself.
    Itself(WatchId),
    /// Something about a name in it.
    Named(WatchId, &'a OsStr, Hint),
}

/// What is heard, until it is looked at. Locks are taken in the order of the fields.
pub(super) struct Inbox {
    watched: Mutex<WatchedDirectories>,
    settle: Mutex<Settle>,
    /// Written files that turned out to concern nobody, such as a log beside the templates.
    ignored: Mutex<HashSet<PathBuf>>,
    mark_came: Condvar,
    /// Something was noted in `settle`.
    noted: Condvar,
    /// Who wants to know of changes, once somebody does.
    hints: OnceLock<Hints>,
}

/// The listener, for one who looks.
pub(super) trait EventQueue {
    /// Hears everything that happened until now. Answers `false` if that cannot be said.
    fn catch_up(&self) -> bool;
    /// Waits until every file that is being written is closed or quiet, but no longer than `until`. Answers what time it is then.
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

    /// Says who wants to know.
    pub(super) fn set_hints(&self, hints: Hints) {
        let _ = self.hints.set(hints);
    }

    /// Whether whoever wanted to know has gone.
    pub(super) fn is_over(&self) -> bool {
        self.hints.get().is_some_and(Hints::is_over)
    }

    pub(super) fn watched(&self) -> MutexGuard<'_, WatchedDirectories> {
        lock(&self.watched)
    }

    pub(super) fn settle(&self) -> MutexGuard<'_, Settle> {
        lock(&self.settle)
    }

    /// Hears one event. Answers whether it concerns anybody.
    pub(super) fn receive(&self, heard: WatchEvent<'_>, now: Instant) -> bool {
        match heard {
            WatchEvent::Overflow => {
                self.settle().note_lost_events();
                // A mark may be among what was lost.
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

    /// Hears of some paths. Answers whether that concerns anybody.
    pub(super) fn note(&self, paths: Vec<PathBuf>, hint: Hint, now: Instant) -> bool {
        let mut concerns = false;
        for path in paths {
            let mut ignored = lock(&self.ignored);
            if !ignored.is_empty() {
                match hint {
                    // Closing it is as dull as writing it; anything else may make something of it.
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

    /// Writing to this file concerns nobody.
    pub(super) fn ignore_writes(&self, path: PathBuf) {
        let mut ignored = lock(&self.ignored);
        if ignored.len() >= IGNORED_MAX {
            ignored.clear();
        }
        ignored.insert(path);
    }

    /// Everything may be of concern again.
    pub(super) fn stop_ignoring(&self) {
        lock(&self.ignored).clear();
    }

    /// Waits until everything that happened before has been heard. Answers `false` if that cannot be said, for events were lost,
    /// there is no mark, or it takes longer than `within`.
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
