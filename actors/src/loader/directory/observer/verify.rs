//! Verification of what was read: nobody may have written to a file while it was read.
//!
//! A mark is put into the queue of events behind all that happened so far. If an event of a file lies before the mark and came after
//! its hints were taken, somebody has opened the file again, so what was read may be half of what is to come. Such a read is
//! reverted, and the file is read again once it is closed or quiet. A forced sync waits for a moment and reads again; if a file is still
//! being written then, its last whole content stays and that is reported, and a file that had none is taken as it is.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Observer;
use crate::loader::directory::disk::FileId;
use crate::loader::directory::tree::{ScanContext, UnverifiedRead};

/// The number of times that a forced sync checks everything again because directories were exchanged meanwhile.
const EXCHANGED_TRIES: usize = 4;

impl Observer {
    /// Reverts what may be half of a file; a forced sync reads it again until `wait_until`.
    pub(super) fn verify_reads(&mut self, scan: &ScanContext<'_>, wait_until: Instant) {
        self.check_exchanged(scan);
        let mut torn = self.possibly_torn(scan);
        let mut now = scan.now;
        while scan.forced && !torn.is_empty() && now < wait_until {
            now = scan.events.wait_until_quiet(wait_until);
            self.check_new_events(&ScanContext { now, ..*scan });
            torn = self.possibly_torn(scan);
        }
        for (number, read) in torn {
            match scan.forced {
                true => self.trees[number].revert_forced(scan, read),
                false => self.trees[number].revert(scan, read),
            }
        }
    }

    /// Checks the paths of events that came since the sync began.
    fn check_new_events(&mut self, scan: &ScanContext<'_>) {
        let due = self.inbox.settle().take(scan.now, true);
        if due.lost_events {
            self.inbox.settle().note_lost_events();
        }
        for path in &due.left {
            self.trees.iter_mut().for_each(|tree| tree.mark_path_for_rescan(path));
        }
        self.check_due(scan, due);
        self.check_exchanged(scan);
    }

    /// Checks again while directories or links that lead to what was read are exchanged, a few times.
    pub(super) fn check_until_in_place(&mut self, scan: &ScanContext<'_>, wait_until: Instant) {
        for _ in 0..EXCHANGED_TRIES {
            if self.exchanged_meanwhile(scan).is_empty() {
                return;
            }
            self.check_new_events(scan);
            self.verify_reads(scan, wait_until);
            self.collect_changes(None);
        }
    }

    /// Returns the reads since the last call that may be half of a file, the last first, with the number of their root. The others
    /// are confirmed.
    fn possibly_torn(&mut self, scan: &ScanContext<'_>) -> Vec<(usize, UnverifiedRead)> {
        let trees = self.trees.iter_mut().enumerate();
        let reads: Vec<(usize, UnverifiedRead)> = trees
            .flat_map(|(number, tree)| tree.take_unverified().into_iter().map(move |read| (number, read)))
            .collect();
        if reads.is_empty() {
            return reads;
        }
        let heard_all = !scan.exact || scan.events.catch_up();
        let may_have_other_names = reads.iter().any(|(_, read)| read.names > 1);
        let written = self.files_with_events(scan, scan.exact && may_have_other_names);
        let is_torn = |(number, read): &mut (usize, UnverifiedRead)| {
            let tree = &self.trees[*number];
            let has_event = |path: PathBuf| self.inbox.settle().has_event(&path);
            match heard_all {
                true => scan.exact && (written.contains(&read.id) || tree.real(&read.rel).is_some_and(has_event)),
                false => read.is_young(scan),
            }
        };
        let mut whole = reads;
        let torn: Vec<(usize, UnverifiedRead)> = whole.extract_if(.., is_torn).collect();
        for (number, read) in &whole {
            self.trees[*number].confirm(read);
        }
        torn
    }

    /// Returns the files with several names of which an event came by any of them, if that is asked for.
    fn files_with_events(&self, scan: &ScanContext<'_>, asked: bool) -> HashSet<FileId> {
        if !asked {
            return HashSet::new();
        }
        let paths: Vec<PathBuf> = self.inbox.settle().paths_with_events().map(Path::to_owned).collect();
        let stats = paths.iter().filter_map(|path| scan.disk.stat(path).ok());
        stats.filter(|stat| stat.names > 1).map(|stat| stat.id).collect()
    }
}
