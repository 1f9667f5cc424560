//! Whether what was read of a file is whole: what is only half written is put back, and what was known of it before stays.
//!
//! A file is whole if no event of it lies between the look that took its hints and a mark that is put behind all events after it
//! was read. If there is one, somebody has opened it again meanwhile, so what was read may be half of what is to come.

use std::path::PathBuf;
use std::time::Instant;

use super::{Delivered, RelativePath, ScanContext, ScanReason, Tree, TreeNode, split};
use crate::loader::directory::disk::FileId;
use crate::loader::directory::read::Signature;
use crate::loader::directory::settle::Hint;

/// The code of what is said about a file that is written without end.
const CODE: &str = "still-written";

/// A file that was read, and what was known of its name before.
pub(in super::super) struct UnverifiedRead {
    pub(in super::super) rel: RelativePath,
    pub(in super::super) id: FileId,
    /// How many names it has.
    pub(in super::super) names: u64,
    changed: i64,
    /// Whether it was read because it is closed or quiet, and not because it was waited for long enough.
    settled: bool,
    had: Option<(Option<Signature>, Delivered)>,
    /// Whether it was to be said already that the name is gone.
    was_lost: bool,
}

impl UnverifiedRead {
    /// Whether somebody may be writing it, as far as its stamps say.
    pub(in super::super) fn is_young(&self, scan: &ScanContext<'_>) -> bool {
        scan.is_young(self.changed)
    }
}

/// A name whose file is being written each time that it is looked at.
pub(super) struct OngoingWrite {
    since: Instant,
    /// Whether it was never whole since it is known.
    torn: bool,
    is_said: bool,
}

/// What is served while a file is being written.
#[derive(PartialEq, Eq)]
enum WriteWait {
    /// What was whole last, or nothing yet.
    Whole,
    /// What is there, for nothing was ever whole and it was waited for.
    Torn,
}

impl Tree {
    /// Notes what is known of a name before something else that was read takes its place.
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

    /// Takes what was read since this was asked last, the last first.
    pub(in super::super) fn take_unverified(&mut self) -> Vec<UnverifiedRead> {
        let mut taken = std::mem::take(&mut self.unverified);
        taken.reverse();
        taken
    }

    /// Nothing happened to a file while it was read.
    pub(in super::super) fn confirm(&mut self, taken: &UnverifiedRead) {
        if taken.settled {
            self.end_written(&taken.rel);
        }
    }

    /// Somebody wrote to a file while it was read: what was known of its name before stays, and it is looked at again.
    pub(in super::super) fn revert(&mut self, scan: &ScanContext<'_>, taken: UnverifiedRead) {
        let UnverifiedRead { rel, had, was_lost, .. } = taken;
        let real = self.real(&rel);
        let is_text = matches!(had, Some((_, Delivered::Text(_))));
        let is_taken = self.waits(scan, &rel, scan.now, is_text) == WriteWait::Torn;
        // Where nothing was heard of it, it is its age alone that makes it doubtful.
        let is_only_young = real.is_some_and(|real| {
            let mut settle = scan.inbox.settle();
            let has_event = settle.has_event(&real);
            if !has_event {
                settle.note_seen(real, Hint::Writing, scan.now);
            }
            !has_event
        });
        if is_taken {
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
        // The stamps may come again, but not what they stood for.
        let seen = seen.map(|mut seen| {
            seen.racy = true;
            seen
        });
        self.store(&rel, seen, state);
        self.unsettled.extend(is_only_young.then_some((rel, scan.now)));
    }

    /// A file is still being written after it was waited for. Answers whether what is known of it stays.
    pub(super) fn keeps_whole(&mut self, scan: &ScanContext<'_>, rel: &str) -> bool {
        let is_text = matches!(self.state(rel), Some(Delivered::Text(_)));
        let since = scan.now.checked_sub(scan.settle_max).unwrap_or(scan.now);
        self.waits(scan, rel, since, is_text) == WriteWait::Whole
    }

    /// Reports that a forced sync found a file that was emptied a moment ago, so that its last whole content is kept.
    pub(super) fn remark_emptied(&mut self, scan: &ScanContext<'_>, rel: &str) {
        let written = self.ongoing_writes.entry(rel.into()).or_insert(OngoingWrite {
            since: scan.now,
            torn: false,
            is_said: false,
        });
        if std::mem::replace(&mut written.is_said, true) {
            return;
        }
        self.still_written += 1;
        let message = "a file was emptied a moment ago, so the last content that was whole is still served";
        let help =
            "it is read again when it is closed or quiet; a file that stays empty is believed after `settle_max_ms`";
        let place = self.place_of_file(rel);
        self.remark(place, rel, CODE, message.to_owned(), help);
    }

    /// Notes that the file of a name is being written since a time at least, and whether the name has a text already.
    fn waits(&mut self, scan: &ScanContext<'_>, rel: &str, since: Instant, is_text: bool) -> WriteWait {
        let written = self.ongoing_writes.entry(rel.into()).or_insert(OngoingWrite {
            since,
            torn: !is_text,
            is_said: false,
        });
        let is_long = scan.now.saturating_duration_since(written.since) >= scan.settle_max;
        if is_long && !std::mem::replace(&mut written.is_said, true) {
            let torn = written.torn;
            self.still_written += 1;
            let message = match torn {
                true => "a new file is being written without end, so it is taken as it is, maybe half",
                false => "a file is being written without end, so the last content that was whole goes on",
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

    /// Nobody writes a file any more, or it is gone.
    pub(super) fn end_written(&mut self, rel: &str) {
        if !self.ongoing_writes.is_empty() && self.ongoing_writes.remove(rel).is_some_and(|written| written.is_said) {
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
