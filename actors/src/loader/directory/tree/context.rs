//! [`ScanContext`]: with what a look is made.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::loader::directory::disk::{Disk, FileId};
use crate::loader::directory::inbox::{EventQueue, Inbox};
use crate::loader::directory::read::{Signature, Text};
use crate::loader::directory::settle::Hint;

/// With what a look is made.
#[derive(Clone, Copy)]
pub(in super::super) struct ScanContext<'a> {
    pub(in super::super) disk: &'a dyn Disk,
    pub(in super::super) inbox: &'a Inbox,
    pub(in super::super) mounts: &'a std::collections::HashSet<PathBuf>,
    pub(in super::super) now: Instant,
    /// Who hears what happens meanwhile.
    pub(in super::super) events: &'a dyn EventQueue,
    /// Whether whatever happens to a file that is read can be heard of.
    pub(in super::super) exact: bool,
    /// What is there now counts, half written or not.
    pub(in super::super) forced: bool,
    /// A file that is found and may be half written is waited for.
    pub(in super::super) waits: bool,
    /// Read every file, whatever its stamps say.
    pub(in super::super) bytes: bool,
    /// Note every file that is read, whether it differs or not.
    pub(in super::super) afresh: bool,
    /// Go into every directory.
    pub(in super::super) deep: bool,
    /// Directories are not watched one by one, so there may be changes in a new one before it is watched.
    pub(in super::super) recursive: bool,
    /// For how long a file must not have changed to be taken for whole, in nanoseconds.
    pub(in super::super) settle_nanos: i64,
    /// For how long what is gone may come back.
    pub(in super::super) grace: Duration,
    /// For how long a file that is being written is waited for without a word about it.
    pub(in super::super) settle_max: Duration,
}

impl ScanContext<'_> {
    /// Whether a file changed so short a time ago that somebody may be in the middle of writing it.
    pub(in super::super) fn is_young(&self, changed: i64) -> bool {
        self.disk.clock().saturating_sub(changed) < self.settle_nanos
    }

    /// Whether a file is empty since so short a time that it is about to be written. A save in place empties it first; the kernel says so
    /// a moment after it is done, and whoever does it may be held up before the first write.
    pub(in super::super) fn is_just_emptied(&self, seen: &Signature, text: &Text) -> bool {
        // The clock of the file system may be a little ahead.
        let age = self.disk.clock().saturating_sub(seen.changed).unsigned_abs();
        text.text.is_empty() && Duration::from_nanos(age) < self.settle_max
    }

    /// Whether a file that was read now is whole, as far as can be told: nobody began to write it meanwhile.
    pub(in super::super) fn is_whole(&self, path: &Path, seen: &Signature, text: &Text) -> bool {
        if self.forced || !self.is_young(seen.changed) {
            return self.forced || !self.is_just_emptied(seen, text);
        }
        !self.is_just_emptied(seen, text)
            && (!self.exact || (self.events.catch_up() && !self.inbox.settle().has_event(path)))
    }
}

/// With how much patience a name is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum ScanReason {
    /// An event says that it is as somebody wants it.
    Event,
    /// The same, of a file that was known under this name. There may be another by now, of which nothing is said.
    EventOfFile(FileId),
    /// It was being written, and has been quiet for a while.
    Quiet,
    /// It is being written, and has been for longer than it is waited for.
    Unsettled,
    /// It is new, and may be about to be written.
    Created,
    /// It is gone, and its grace is over.
    Lost,
    /// Nothing told of it.
    Found,
}

impl From<Hint> for ScanReason {
    fn from(hint: Hint) -> Self {
        match hint {
            Hint::Whole | Hint::Closed | Hint::Attributes => Self::Event,
            Hint::Writing => Self::Quiet,
            Hint::StillWriting => Self::Unsettled,
            Hint::Created => Self::Created,
            Hint::Gone => Self::Lost,
        }
    }
}
