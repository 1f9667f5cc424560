//! The time at which changes are reported. What one exchange of a directory or a link makes reachable is one batch:
//!
//! 1. A check that finds another directory or link in a known place makes the sync check all directories and links of all roots.
//! 2. If a file was found that may still be written, or a name is missing that may come back, the whole batch waits for it.
//! 3. Before the batch is reported, the directories and links on the way to its names are checked once more. If one was exchanged
//!    meanwhile, the batch waits until that was checked.
//!
//! A batch waits for twice `settle_max_ms` at most: after the first, the awaited files are read as they are; after the second, the
//! batch is reported as it is.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::Observer;
use crate::loader::directory::tree::{ScanContext, Tree};

/// The number of times in one sync that all directories and links are checked because some were exchanged.
const ROUNDS_MAX: usize = 4;

/// A batch that waits.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct DeferredBatch {
    since: Instant,
    /// The time of the next sync for it, if no event comes before.
    pub(super) until: Instant,
}

impl DeferredBatch {
    /// Returns true if the files that the batch waits for are to be read as they are.
    pub(super) fn is_overdue(self, now: Instant, settle_max: Duration) -> bool {
        now.saturating_duration_since(self.since) >= settle_max
    }
}

impl Observer {
    /// Checks all directories and links of all roots, if one of them was found to be exchanged.
    pub(super) fn check_exchanged(&mut self, scan: &ScanContext<'_>) {
        for _ in 0..ROUNDS_MAX {
            let exchanged = self.trees.iter_mut().map(|tree| std::mem::take(&mut tree.is_exchanged));
            if exchanged.filter(|is_exchanged| *is_exchanged).count() == 0 {
                return;
            }
            self.trees.iter_mut().for_each(|tree| tree.check_places(scan));
        }
    }

    /// Reads the files that an overdue batch waits for.
    pub(super) fn check_unsettled(&mut self, scan: &ScanContext<'_>) {
        if !scan.waits {
            self.trees.iter_mut().for_each(|tree| tree.check_unsettled(scan));
        }
    }

    /// Returns true if the pending changes are not to be reported yet.
    pub(super) fn defers(&mut self, scan: &ScanContext<'_>) -> bool {
        let before = self.deferred.take();
        if scan.forced {
            self.trees.iter_mut().for_each(|tree| tree.unsettled.clear());
            return false;
        }
        if self.pending.is_empty() {
            return false;
        }
        let exchanged = self.exchanged_meanwhile(scan);
        if exchanged.is_empty() && !self.trees.iter().any(Tree::is_unsettled) {
            self.trees.iter_mut().for_each(|tree| tree.remark_exchanged(false));
            return false;
        }
        let since = before.map_or(scan.now, |before| before.since);
        let bounds = [since + scan.settle_max, since + 2 * scan.settle_max];
        let until = bounds.into_iter().find(|bound| *bound > scan.now);
        if until.is_none() {
            exchanged
                .iter()
                .for_each(|number| self.trees[*number].remark_exchanged(true));
        }
        self.deferred = until.map(|until| DeferredBatch { since, until });
        until.is_some()
    }

    /// Returns the roots in which a directory or a link on the way to a pending name was exchanged since it was read, or has an
    /// event. Each is checked soon.
    pub(super) fn exchanged_meanwhile(&self, scan: &ScanContext<'_>) -> BTreeSet<usize> {
        let mut exchanged = BTreeSet::new();
        if scan.exact && !self.pending.is_empty() {
            let settle = self.inbox.settle();
            let has_event = |tree: &Tree| settle.paths_with_events().any(|path| tree.is_place(path));
            let trees = self.trees.iter().enumerate().filter(|(_, tree)| has_event(tree));
            exchanged.extend(trees.map(|(number, _)| number));
        }
        for (number, tree) in self.trees.iter().enumerate() {
            let mut asked = BTreeSet::new();
            let names = self.pending.keys();
            let rels = names.filter_map(|name| name.as_str().strip_prefix(tree.prefix.as_str()));
            for path in rels.filter_map(|rel| tree.out_of_place(scan.disk, rel, &mut asked)) {
                let until = scan.now + self.settle;
                self.inbox.settle().note_again(path, scan.now, until);
                exchanged.insert(number);
            }
        }
        exchanged
    }
}
