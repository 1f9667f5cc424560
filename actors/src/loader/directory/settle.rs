//! [`Settle`]: the time at which a path with an event may be checked. Pure: time is an argument.
//!
//! A file that was closed, renamed or linked is checked at once. A file that is being written is checked when it has been quiet for a
//! while, so that half a file is not taken for the whole. A name that disappeared is checked after a grace period, because editors
//! remove and create. An event that came after a path was last taken means that what was read meanwhile may be half a file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::limits::Limits;

/// The meaning of an event for a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// It was moved here, or is a directory that changed.
    Whole,
    /// It was closed after writing.
    Closed,
    /// Its permissions or times changed, which says nothing about its content.
    Attributes,
    /// It is new, and may be about to be written.
    Created,
    /// It is being written.
    Writing,
    /// It is being written, and has been for longer than a file is waited for. No event means this: [`Writing`](Self::Writing)
    /// becomes it.
    StillWriting,
    /// It is gone from here.
    Gone,
}

/// The paths to check now.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Events were lost, or too many to keep: other paths may have changed as well.
    pub lost_events: bool,
    /// The paths, with the last hint of each. One that is [`Hint::Gone`] has had its grace period, one that is [`Hint::Writing`] has
    /// been quiet.
    pub paths: Vec<(PathBuf, Hint)>,
    /// Those of the paths that were gone at any time since they were last taken. They may have come back.
    pub left: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy)]
struct PendingHint {
    hint: Hint,
    /// Set once it was [`Hint::Gone`].
    left: bool,
    /// Set by an event that may stand for another content.
    reported: bool,
    since: Instant,
    until: Instant,
    /// The time from which it has been quiet for long enough, if it is being written.
    quiet_at: Instant,
}

/// The paths with hints, until they are taken.
#[derive(Debug)]
pub struct Settle {
    waiting: HashMap<PathBuf, PendingHint>,
    lost_events: bool,
    capacity: usize,
    quiet: Duration,
    quiet_max: Duration,
    grace: Duration,
    /// A lower bound of the time at which a path is due.
    earliest: Option<Instant>,
}

impl Settle {
    /// Creates one without any hint.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            waiting: HashMap::new(),
            lost_events: false,
            capacity: limits.hints,
            quiet: Duration::from_millis(limits.settle_ms),
            quiet_max: Duration::from_millis(limits.settle_max_ms),
            grace: Duration::from_millis(limits.grace_ms),
            earliest: None,
        }
    }

    /// Notes an event. If there are more paths than fit, events count as lost.
    pub fn note(&mut self, path: PathBuf, hint: Hint, now: Instant) {
        if self.waiting.len() >= self.capacity && !self.waiting.contains_key(&path) {
            return self.note_lost_events();
        }
        match hint {
            Hint::Attributes => self.note_seen(path, hint, now),
            _ => self.note_reported(path, hint, now),
        }
    }

    /// Notes what a check found. There are no more such paths than files, so there is always room.
    pub fn note_seen(&mut self, path: PathBuf, hint: Hint, now: Instant) {
        let known = self.waiting.get(&path).copied();
        let since = known.map_or(now, |known| known.since);
        let quiet_at = now + self.quiet;
        let (hint, until, quiet_at) = match (hint, known) {
            (Hint::Attributes, Some(known)) if matches!(known.hint, Hint::Created | Hint::Writing) => {
                (known.hint, known.until, known.quiet_at)
            }
            // The grace period runs from the first event.
            (Hint::Gone, Some(known)) if known.hint == Hint::Gone => (Hint::Gone, known.until, quiet_at),
            (Hint::Gone, _) => (hint, now + self.grace, quiet_at),
            (Hint::Writing | Hint::StillWriting, _) => (Hint::Writing, quiet_at.min(since + self.quiet_max), quiet_at),
            (Hint::Whole | Hint::Closed | Hint::Attributes | Hint::Created, _) => (hint, now, quiet_at),
        };
        let left = hint == Hint::Gone || known.is_some_and(|known| known.left);
        let waiting = PendingHint {
            hint,
            left,
            reported: known.is_some_and(|known| known.reported),
            since,
            until,
            quiet_at,
        };
        self.waiting.insert(path, waiting);
        self.earliest = Some(self.earliest.map_or(until, |earliest| earliest.min(until)));
    }

    /// Notes again that a path is being written, which a sync has taken and not read.
    pub fn put_back(&mut self, path: PathBuf, now: Instant) {
        self.note_reported(path, Hint::Writing, now);
    }

    fn note_reported(&mut self, path: PathBuf, hint: Hint, now: Instant) {
        self.note_seen(path.clone(), hint, now);
        if let Some(waiting) = self.waiting.get_mut(&path) {
            waiting.reported = true;
        }
    }

    /// Notes that a directory was gone, exchanged or not watched for a moment. It is checked at once, unless it waits already.
    pub fn note_back(&mut self, path: PathBuf, now: Instant) {
        if !self.awaits(&path) {
            self.note_seen(path.clone(), Hint::Whole, now);
        }
        if let Some(waiting) = self.waiting.get_mut(&path) {
            waiting.left = true;
        }
    }

    /// Notes a path that could not be checked. It is checked again at `until`, or at the next event.
    pub fn note_again(&mut self, path: PathBuf, now: Instant, until: Instant) {
        let waiting = PendingHint {
            hint: Hint::Attributes,
            left: false,
            reported: false,
            since: now,
            until,
            quiet_at: now,
        };
        let until = self.waiting.entry(path).or_insert(waiting).until;
        self.earliest = Some(self.earliest.map_or(until, |earliest| earliest.min(until)));
    }

    /// Notes that events may have been lost, so that everything has to be compared.
    pub fn note_lost_events(&mut self) {
        self.lost_events = true;
    }

    /// Returns true if events were lost since the last [`take`](Self::take).
    #[must_use]
    pub fn has_lost_events(&self) -> bool {
        self.lost_events
    }

    /// Returns true if the last hint of a path is that it is being written.
    #[must_use]
    pub fn is_written(&self, path: &Path) -> bool {
        let waiting = self.waiting.get(path);
        waiting.is_some_and(|waiting| matches!(waiting.hint, Hint::Writing | Hint::Created))
    }

    /// Returns true if an event that may stand for another content came since the path was last taken.
    #[must_use]
    pub fn has_event(&self, path: &Path) -> bool {
        self.waiting.get(path).is_some_and(|waiting| waiting.reported)
    }

    /// Returns each path with such an event.
    pub fn paths_with_events(&self) -> impl Iterator<Item = &Path> {
        let reported = self.waiting.iter().filter(|(_, waiting)| waiting.reported);
        reported.map(|(path, _)| path.as_path())
    }

    /// Returns each path that disappeared and has not had its grace period yet.
    pub fn gone(&self) -> impl Iterator<Item = &Path> {
        let gone = self.waiting.iter().filter(|(_, waiting)| waiting.hint == Hint::Gone);
        gone.map(|(path, _)| path.as_path())
    }

    /// Returns the time from which all files that are being written have been quiet for long enough, if one has not.
    #[must_use]
    pub fn quiet_at(&self, now: Instant) -> Option<Instant> {
        let written = self.waiting.values().filter(|waiting| waiting.hint == Hint::Writing);
        written.map(|waiting| waiting.quiet_at).filter(|at| *at > now).max()
    }

    /// Returns true if a path waits to be checked.
    fn awaits(&self, path: &Path) -> bool {
        self.waiting.contains_key(path)
    }

    /// Returns the earliest time at which a path may be due, if any waits.
    #[must_use]
    pub fn next(&self, now: Instant) -> Option<Instant> {
        if self.lost_events { Some(now) } else { self.earliest }
    }

    /// Returns true if an event says that a path is being written. A poll says only that it differs.
    #[must_use]
    pub fn has_writer(&self, path: &Path) -> bool {
        self.is_written(path) && self.has_event(path)
    }

    /// Takes the paths that are due; with `all`, also those that are not yet. Whoever takes all has waited until files were quiet, so what only
    /// a poll noted since then is not being written.
    pub fn take(&mut self, now: Instant, all: bool) -> Due {
        let due = self.waiting.extract_if(|_, waiting| all || waiting.until <= now);
        let mut left = Vec::new();
        let path = |(path, waiting): (PathBuf, PendingHint)| {
            left.extend(waiting.left.then(|| path.clone()));
            match waiting.hint {
                Hint::Writing if waiting.quiet_at > now && (waiting.reported || !all) => (path, Hint::StillWriting),
                hint => (path, hint),
            }
        };
        let mut paths: Vec<(PathBuf, Hint)> = due.map(path).collect();
        paths.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        self.earliest = self.waiting.values().map(|waiting| waiting.until).min();
        Due {
            lost_events: std::mem::take(&mut self.lost_events),
            paths,
            left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    fn take(settle: &mut Settle, now: Instant) -> Vec<String> {
        let due = settle.take(now, false);
        let paths = due.paths.into_iter().map(|(path, _)| path.display().to_string());
        paths.chain(due.lost_events.then(|| "?".to_owned())).collect()
    }

    const NOTHING: [&str; 0] = [];

    #[test]
    fn each_hint_has_its_delay() {
        let start = Instant::now();
        let mut settle = Settle::new(&Limits::default());
        settle.note("closed".into(), Hint::Whole, start);
        settle.note("written".into(), Hint::Writing, start);
        settle.note("gone".into(), Hint::Gone, start);
        assert_eq!(take(&mut settle, start), ["closed"]);
        settle.note("written".into(), Hint::Writing, at(start, 20));
        assert!(settle.is_written(Path::new("written")));
        assert!(settle.next(start) <= Some(at(start, 45)));
        assert_eq!(take(&mut settle, at(start, 44)), NOTHING);
        assert_eq!(settle.next(start), Some(at(start, 45)));
        assert_eq!(take(&mut settle, at(start, 45)), ["written"]);
        settle.note("gone".into(), Hint::Whole, at(start, 46));
        let due = settle.take(at(start, 46), false);
        assert_eq!(due.paths, [("gone".into(), Hint::Whole)], "it came back");
        assert_eq!(
            due.left,
            [PathBuf::from("gone")],
            "which is remembered until it is looked at"
        );
        assert_eq!(settle.next(start), None);
    }

    #[test]
    fn the_grace_runs_from_the_first_event() {
        let start = Instant::now();
        let mut settle = Settle::new(&Limits::default());
        for ms in [0, 20, 40] {
            settle.note("gone".into(), Hint::Gone, at(start, ms));
        }
        assert_eq!(take(&mut settle, at(start, 49)), NOTHING);
        assert_eq!(take(&mut settle, at(start, 50)), ["gone"]);
    }

    #[test]
    fn a_poll_names_no_writer() {
        let start = Instant::now();
        let mut settle = Settle::new(&Limits::default());
        settle.note_seen("polled".into(), Hint::Writing, start);
        settle.note("written".into(), Hint::Writing, start);
        let has_writer = |settle: &Settle| ["polled", "written"].map(|path| settle.has_writer(Path::new(path)));
        assert_eq!(has_writer(&settle), [false, true]);
        let paths = settle.take(start, true).paths;
        assert_eq!(
            paths,
            [("polled".into(), Hint::Writing), ("written".into(), Hint::StillWriting)]
        );
    }

    #[test]
    fn a_chmod_does_not_end_a_write() {
        let start = Instant::now();
        let mut settle = Settle::new(&Limits::default());
        settle.note("written".into(), Hint::Writing, start);
        settle.note("written".into(), Hint::Attributes, at(start, 1));
        settle.note("quiet".into(), Hint::Attributes, at(start, 1));
        assert_eq!(take(&mut settle, at(start, 1)), ["quiet"]);
        assert_eq!(take(&mut settle, at(start, 25)), ["written"]);
    }

    #[test]
    fn constant_writes_are_due_at_the_longest_wait() {
        let start = Instant::now();
        let mut settle = Settle::new(&Limits::default());
        let first = (0..1000).find(|ms| {
            settle.note("log".into(), Hint::Writing, at(start, *ms));
            take(&mut settle, at(start, *ms)) != NOTHING
        });
        assert_eq!(first, Some(250));
    }

    #[test]
    fn a_retry_waits_unless_an_event_comes() {
        let start = Instant::now();
        let mut settle = Settle::new(&Limits::default());
        settle.note_again("a".into(), start, at(start, 100));
        settle.note_again("b".into(), start, at(start, 100));
        assert_eq!(settle.next(start), Some(at(start, 100)));
        assert!(!settle.is_written(Path::new("a")));
        settle.note("b".into(), Hint::Whole, at(start, 10));
        assert_eq!(take(&mut settle, at(start, 10)), ["b"]);
        settle.note("b".into(), Hint::Writing, at(start, 20));
        settle.note_again("b".into(), at(start, 21), at(start, 400));
        assert!(settle.is_written(Path::new("b")), "who writes it is not forgotten");
        assert_eq!(take(&mut settle, at(start, 99)), ["b"]);
        assert_eq!(take(&mut settle, at(start, 100)), ["a"]);
        assert_eq!(settle.next(start), None);
    }

    #[test]
    fn too_many_events_count_as_lost() {
        let start = Instant::now();
        let limits = Limits {
            hints: 2,
            ..Limits::default()
        };
        let mut settle = Settle::new(&limits);
        for name in ["a", "b", "a"] {
            settle.note(name.into(), Hint::Whole, start);
        }
        assert_eq!(take(&mut settle, start), ["a", "b"]);
        for name in ["a", "b", "c", "d"] {
            settle.note(name.into(), Hint::Whole, start);
        }
        assert_eq!(settle.next(start), Some(start));
        assert_eq!(take(&mut settle, start), ["a", "b", "?"]);
        assert_eq!(take(&mut settle, start), NOTHING);
    }
}
