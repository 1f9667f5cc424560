//! Files that are being written while they are read. What may be half of a file is reverted, and its last whole content stays;
//! `observer/verify.rs` decides which reads are whole.

use std::path::PathBuf;
use std::time::Instant;

use super::{Delivered, RelativePath, ScanContext, ScanReason, Tree, TreeNode, split};
use crate::loader::directory::disk::FileId;
use crate::loader::directory::read::Signature;
use crate::loader::directory::settle::Hint;
use crate::template::Digest;

/// The code of the remark about a file that is written without a pause.
const CODE: &str = "still-written";

/// A read that was not verified yet, with the former state of the name.
pub(in super::super) struct UnverifiedRead {
    pub(in super::super) rel: RelativePath,
    pub(in super::super) id: FileId,
    /// The number of names of the file.
    pub(in super::super) names: u64,
    changed: i64,
    /// Set if the file was closed or quiet. Otherwise it was read because it had been waited for long enough.
    settled: bool,
    had: Option<(Option<Signature>, Delivered)>,
    /// Set if the removal of the name was pending already.
    was_lost: bool,
}

impl UnverifiedRead {
    /// Returns true if the file may be being written, as far as its stamps show.
    pub(in super::super) fn is_young(&self, scan: &ScanContext<'_>) -> bool {
        scan.is_young(self.changed)
    }
}

/// A name whose file was being written at each check.
pub(super) struct OngoingWrite {
    since: Instant,
    /// Set if it was never whole.
    torn: bool,
    is_reported: bool,
}

/// The content that counts while a file is being written.
#[derive(PartialEq, Eq)]
enum WriteWait {
    /// The last whole content, or nothing yet.
    Whole,
    /// The content that is there, because it was never whole and has been waited for.
    Torn,
}

impl Tree {
    /// Notes a read of a name together with its former state.
    pub(super) fn note_read(&mut self, rel: &str, seen: &Signature, names: u64, reason: ScanReason) {
        let had = match self.nodes.get(rel) {
            Some(TreeNode::File { seen, state }) => Some((seen.clone(), state.clone())),
            _ => None,
        };
        self.unverified.push(UnverifiedRead {
            rel: rel.into(),
            id: seen.id,
            names,
            changed: seen.changed,
            settled: reason != ScanReason::Unsettled,
            had,
            was_lost: self.changed.contains_key(rel),
        });
    }

    /// Takes the reads since the last call, the last first.
    pub(in super::super) fn take_unverified(&mut self) -> Vec<UnverifiedRead> {
        let mut reads = std::mem::take(&mut self.unverified);
        reads.reverse();
        reads
    }

    /// Confirms that nothing happened to a file while it was read.
    pub(in super::super) fn confirm(&mut self, read: &UnverifiedRead) {
        if read.settled {
            self.end_written(&read.rel);
        }
    }

    /// Reverts a read of a file that is still being written at the end of a forced sync, if its name had a whole content before.
    pub(in super::super) fn revert_forced(&mut self, scan: &ScanContext<'_>, read: UnverifiedRead) {
        let empty = Digest::of(b"");
        let is_whole = |state: &Delivered| matches!(state, Delivered::Text(digest) if *digest != empty);
        let is_same = |seen: &Signature| seen.id == read.id;
        if matches!(&read.had, Some((Some(seen), state)) if is_same(seen) && is_whole(state)) {
            self.remark_written(&read.rel, scan.now);
            self.revert(scan, read);
        }
    }

    /// Reverts a read during which the file was written. The name keeps its former state and is checked again.
    pub(in super::super) fn revert(&mut self, scan: &ScanContext<'_>, read: UnverifiedRead) {
        let UnverifiedRead { rel, had, was_lost, .. } = read;
        let real = self.real(&rel);
        let is_text = matches!(had, Some((_, Delivered::Text(_))));
        let takes_it = self.waits(scan, &rel, scan.now, is_text) == WriteWait::Torn;
        // Without an event it is reverted because of its age alone, and no event will follow.
        let is_only_young = real.is_some_and(|real| {
            let mut settle = scan.inbox.settle();
            let has_event = settle.has_event(&real);
            if !has_event {
                settle.note_seen(real, Hint::Writing, scan.now);
            }
            !has_event
        });
        if takes_it {
            return;
        }
        match was_lost {
            true => drop(self.changed.insert(RelativePath::clone(&rel), None)),
            false => drop(self.changed.remove(&rel)),
        }
        let Some((seen, state)) = had else {
            if let Some(TreeNode::File { seen, state }) = self.nodes.remove(&rel) {
                let written = self.ongoing_writes.remove(&rel);
                self.forget_file(&rel, seen.as_ref(), &state);
                written.map(|written| self.ongoing_writes.insert(RelativePath::clone(&rel), written));
            }
            self.polled_changed |= self.polled.remove(&rel);
            self.unsettled.extend(is_only_young.then_some((rel, scan.now)));
            return;
        };
        // Another write may leave these stamps with another content.
        let seen = seen.map(|mut seen| {
            seen.racy = true;
            seen
        });
        self.store(&rel, seen, state);
        self.unsettled.extend(is_only_young.then_some((rel, scan.now)));
    }

    /// Notes that a file is still being written after the longest wait. Returns true if its last whole content stays.
    pub(super) fn keeps_whole(&mut self, scan: &ScanContext<'_>, rel: &str) -> bool {
        let is_text = matches!(self.state(rel), Some(Delivered::Text(_)));
        let since = scan.now.checked_sub(scan.settle_max).unwrap_or(scan.now);
        self.waits(scan, rel, since, is_text) == WriteWait::Whole
    }

    /// Reports that a forced sync found a file that is being written, so that its last whole content is kept.
    pub(super) fn remark_written(&mut self, rel: &str, now: Instant) {
        let written = self.ongoing_writes.entry(rel.into()).or_insert(OngoingWrite {
            since: now,
            torn: false,
            is_reported: false,
        });
        if std::mem::replace(&mut written.is_reported, true) {
            return;
        }
        self.still_written += 1;
        let message = "a file is being written, so its last whole content is still served";
        let help = "it is read when it is closed or quiet; a file that was emptied and stays so is believed after `settle_max_ms`";
        let place = self.place_of_file(rel);
        self.remark(place, rel, CODE, message.to_owned(), help);
    }

    /// Notes that a file has been written at least since a time, and returns the content that counts meanwhile.
    fn waits(&mut self, scan: &ScanContext<'_>, rel: &str, since: Instant, is_text: bool) -> WriteWait {
        let written = self.ongoing_writes.entry(rel.into()).or_insert(OngoingWrite {
            since,
            torn: !is_text,
            is_reported: false,
        });
        let is_long = scan.now.saturating_duration_since(written.since) >= scan.settle_max;
        if is_long && !std::mem::replace(&mut written.is_reported, true) {
            let torn = written.torn;
            self.still_written += 1;
            let message = match torn {
                true => "a new file is written without a pause, so it is taken as it is, maybe half",
                false => "a file is written without a pause, so its last whole content is still served",
            };
            let help =
                "write beside it and rename, or close it when it is whole; it is read when it is closed or quiet";
            let place = self.place_of_file(rel);
            self.remark(place, rel, CODE, message.to_owned(), help);
        }
        match is_long && self.ongoing_writes.get(rel).is_some_and(|written| written.torn) {
            true => WriteWait::Torn,
            false => WriteWait::Whole,
        }
    }

    /// Notes that a file is not being written any more, or is gone.
    pub(super) fn end_written(&mut self, rel: &str) {
        if !self.ongoing_writes.is_empty()
            && self
                .ongoing_writes
                .remove(rel)
                .is_some_and(|written| written.is_reported)
        {
            let place = self.place_of_file(rel);
            self.remarks.forget(&place, CODE);
        }
    }

    fn place_of_file(&self, rel: &str) -> String {
        let (parent, name) = split(rel);
        let directory = self.directory(parent).map(|directory| directory.real.join(name));
        directory.unwrap_or_else(|| PathBuf::from(rel)).display().to_string()
    }
}
