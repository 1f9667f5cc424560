//! [`ScanContext`]: the surroundings and the depth of one check, and [`ScanReason`]: its cause.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::loader::directory::disk::{Disk, FileId};
use crate::loader::directory::inbox::{EventQueue, Inbox};
use crate::loader::directory::read::{Signature, Text};
use crate::loader::directory::settle::Hint;

/// The surroundings and the depth of a check.
#[derive(Clone, Copy)]
pub(in super::super) struct ScanContext<'a> {
    pub(in super::super) disk: &'a dyn Disk,
    pub(in super::super) inbox: &'a Inbox,
    pub(in super::super) mounts: &'a std::collections::HashSet<PathBuf>,
    pub(in super::super) now: Instant,
    /// The queue with the events of what happens meanwhile.
    pub(in super::super) events: &'a dyn EventQueue,
    /// Set if events report every change of a file while it is read.
    pub(in super::super) exact: bool,
    /// Set for a `Reload`: it has to answer now, so what is there counts, also if it is half written.
    pub(in super::super) forced: bool,
    /// Set if a file that may be half written is waited for.
    pub(in super::super) waits: bool,
    /// Set if every file is read, whatever its stamps are.
    pub(in super::super) bytes: bool,
    /// Set if every file that is read is reported, also if it does not differ.
    pub(in super::super) afresh: bool,
    /// Set if every directory is read, also if it is the same as before.
    pub(in super::super) deep: bool,
    /// Set if whole trees are watched, so that changes in a new directory may come before its watch.
    pub(in super::super) recursive: bool,
    /// The time without a change after which a file is taken for whole, in nanoseconds.
    pub(in super::super) settle_nanos: i64,
    /// The time during which a name that is gone may come back.
    pub(in super::super) grace: Duration,
    /// The longest that a file that is being written is waited for before a remark says so.
    pub(in super::super) settle_max: Duration,
}

impl ScanContext<'_> {
    /// Returns true if a file changed so recently that it may still be being written.
    pub(in super::super) fn is_young(&self, changed: i64) -> bool {
        self.disk.clock().saturating_sub(changed) < self.settle_nanos
    }

    /// Returns true if a file was emptied so recently that it may be about to be written. A save in place truncates it first (open(2),
    /// `O_TRUNC`), the event comes a moment later, and the writer may be suspended before its first write.
    pub(in super::super) fn is_just_emptied(&self, seen: &Signature, text: &Text) -> bool {
        // The clock of the file system may be a little ahead.
        let age = self.disk.clock().saturating_sub(seen.changed).unsigned_abs();
        text.text.is_empty() && Duration::from_nanos(age) < self.settle_max
    }

    /// Returns true if a file that was just read is whole, as far as events and stamps show.
    pub(in super::super) fn is_whole(&self, path: &Path, seen: &Signature, text: &Text) -> bool {
        if self.forced || !self.is_young(seen.changed) {
            return self.forced || !self.is_just_emptied(seen, text);
        }
        !self.is_just_emptied(seen, text)
            && (!self.exact || (self.events.catch_up() && !self.inbox.settle().has_event(path)))
    }
}

/// The cause of a check, which decides whether a file may still be half written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum ScanReason {
    /// An event says that the file is complete.
    Event,
    /// Such an event came for this file by another name. Under this name there may be another file by now.
    EventOfFile(FileId),
    /// It was being written, and has been quiet since.
    Quiet,
    /// It is still being written after the longest wait.
    Unsettled,
    /// It is new, and may be about to be written.
    Created,
    /// It is gone, and its grace period is over.
    Lost,
    /// A scan came to it without an event.
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
