//! [`Settle`]: when a path that was hinted at may be looked at. Pure: time is an argument.
//!
//! A file that was closed, renamed or removed is looked at now; one that is being written after it has been quiet for a while, so
//! that half a file is not taken for the whole; one that is gone after a grace, because editors remove and create.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::limits::Limits;

/// What an event says about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// It was closed after writing, moved here, or is a directory that changed.
    Whole,
    /// Somebody is writing.
    Writing,
    /// It is gone from here.
    Gone,
}

/// What to look at.
#[derive(Debug, PartialEq, Eq)]
pub enum Due {
    /// These paths.
    Paths(Vec<PathBuf>),
    /// Everything: hints were lost, or too many to keep.
    Everything,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    since: Instant,
    until: Instant,
}

/// Paths that were hinted at, until they are looked at.
#[derive(Debug)]
pub struct Settle {
    waiting: HashMap<PathBuf, Waiting>,
    doubt: bool,
    capacity: usize,
    quiet: Duration,
    quiet_max: Duration,
    grace: Duration,
}

impl Settle {
    /// Nothing was hinted at.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            waiting: HashMap::new(),
            doubt: false,
            capacity: limits.hints,
            quiet: Duration::from_millis(limits.settle_ms),
            quiet_max: Duration::from_millis(limits.settle_max_ms),
            grace: Duration::from_millis(limits.grace_ms),
        }
    }

    /// Notes a hint.
    pub fn note(&mut self, path: PathBuf, hint: Hint, now: Instant) {
        if self.waiting.len() >= self.capacity && !self.waiting.contains_key(&path) {
            self.note_doubt();
        }
        if self.doubt {
            return;
        }
        let waiting = self.waiting.entry(path).or_insert(Waiting { since: now, until: now });
        waiting.until = match hint {
            Hint::Whole => now,
            Hint::Writing => (now + self.quiet).min(waiting.since + self.quiet_max),
            Hint::Gone => now + self.grace,
        };
    }

    /// Notes that hints may have been lost: the next look is at everything.
    pub fn note_doubt(&mut self) {
        self.doubt = true;
        self.waiting.clear();
    }

    /// When something is due, if anything is.
    #[must_use]
    pub fn next(&self, now: Instant) -> Option<Instant> {
        if self.doubt {
            return Some(now);
        }
        self.waiting.values().map(|waiting| waiting.until).min()
    }

    /// Takes what is due; with `all`, also what is not yet.
    pub fn take(&mut self, now: Instant, all: bool) -> Due {
        if std::mem::take(&mut self.doubt) {
            self.waiting.clear();
            return Due::Everything;
        }
        let due = self.waiting.extract_if(|_, waiting| all || waiting.until <= now);
        let mut paths: Vec<PathBuf> = due.map(|(path, _)| path).collect();
        paths.sort_unstable();
        Due::Paths(paths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    fn paths(names: &[&str]) -> Due {
        Due::Paths(names.iter().map(PathBuf::from).collect())
    }

    #[test]
    fn a_closed_file_is_due_now_a_written_one_when_it_is_quiet_a_lost_one_after_its_grace() {
        let start = Instant::now();
        let mut settle = Settle::new(&Limits::default());
        settle.note("closed".into(), Hint::Whole, start);
        settle.note("written".into(), Hint::Writing, start);
        settle.note("gone".into(), Hint::Gone, start);
        assert_eq!(settle.take(start, false), paths(&["closed"]));
        settle.note("written".into(), Hint::Writing, at(start, 20));
        assert_eq!(settle.next(start), Some(at(start, 45)));
        assert_eq!(settle.take(at(start, 44), false), paths(&[]));
        assert_eq!(settle.take(at(start, 45), false), paths(&["written"]));
        settle.note("gone".into(), Hint::Whole, at(start, 46));
        assert_eq!(settle.take(at(start, 46), false), paths(&["gone"]), "it came back");
    }

    #[test]
    fn a_file_that_is_written_without_end_is_due_at_the_longest_wait() {
        let start = Instant::now();
        let mut settle = Settle::new(&Limits::default());
        let first = (0..1000).find(|ms| {
            settle.note("log".into(), Hint::Writing, at(start, *ms));
            settle.take(at(start, *ms), false) != paths(&[])
        });
        assert_eq!(first, Some(250));
    }

    #[test]
    fn more_hints_than_fit_are_a_look_at_everything() {
        let start = Instant::now();
        let limits = Limits {
            hints: 2,
            ..Limits::default()
        };
        let mut settle = Settle::new(&limits);
        for name in ["a", "b", "a"] {
            settle.note(name.into(), Hint::Whole, start);
        }
        assert_eq!(settle.take(start, false), paths(&["a", "b"]));
        for name in ["a", "b", "c", "d"] {
            settle.note(name.into(), Hint::Whole, start);
        }
        assert_eq!(settle.next(start), Some(start));
        assert_eq!(settle.take(start, false), Due::Everything);
        assert_eq!(settle.take(start, true), paths(&[]));
    }
}
