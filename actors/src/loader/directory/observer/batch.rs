//! When what differs is handed on. What one exchange of a directory or a link makes reachable is one batch:
//!
//! 1. A look that finds another directory or link in a known place asks for all directories and links of all roots.
//! 2. A file that is found and may still be written, or a name that may come back, is waited for, and the batch waits with it.
//! 3. Before a batch is handed on, the directories and links on the way to its names are asked for once more. If one of them is
//!    another one by now, the batch waits for the look at what is there instead.
//!
//! A batch waits no longer than twice `settle_max_ms`: what is waited for is read after the first, and whatever is there is handed on
//! after the second.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::Observer;
use crate::loader::directory::tree::{ScanContext, Tree};

/// The number of times in one look that all directories and links are asked for, because some were found to be other ones.
const ROUNDS_MAX: usize = 4;

/// A batch that waits.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Held {
    since: Instant,
    /// The time at which something is to be done about it, if nothing happens before.
    pub(super) until: Instant,
}

impl Held {
    /// Returns true if what the batch waits for is to be read as it is.
    pub(super) fn is_overdue(self, now: Instant, settle_max: Duration) -> bool {
        now.saturating_duration_since(self.since) >= settle_max
    }
}

impl Observer {
    /// Looks at everything that was exchanged together with what was found to be exchanged, in all roots.
    pub(super) fn look_at_exchanged(&mut self, look: &ScanContext<'_>) {
        for _ in 0..ROUNDS_MAX {
            let exchanged = self.trees.iter_mut().map(|tree| std::mem::take(&mut tree.is_exchanged));
            if exchanged.filter(|is_exchanged| *is_exchanged).count() == 0 {
                return;
            }
            self.trees.iter_mut().for_each(|tree| tree.look_at_places(look));
        }
    }

    /// Reads what the batch has waited for long enough.
    pub(super) fn look_at_unsettled(&mut self, look: &ScanContext<'_>) {
        if !look.waits {
            self.trees.iter_mut().for_each(|tree| tree.look_at_unsettled(look));
        }
    }

    /// Returns true if what differs is not to be handed on yet.
    pub(super) fn holds_back(&mut self, look: &ScanContext<'_>) -> bool {
        let before = self.held.take();
        if look.forced {
            self.trees.iter_mut().for_each(|tree| tree.unsettled.clear());
            return false;
        }
        if self.pending.is_empty() {
            return false;
        }
        let exchanged = self.exchanged_meanwhile(look);
        if exchanged.is_empty() && !self.trees.iter().any(Tree::is_unsettled) {
            self.trees.iter_mut().for_each(|tree| tree.remark_exchanged(false));
            return false;
        }
        let since = before.map_or(look.now, |before| before.since);
        let bounds = [since + look.settle_max, since + 2 * look.settle_max];
        let until = bounds.into_iter().find(|bound| *bound > look.now);
        if until.is_none() {
            exchanged
                .iter()
                .for_each(|number| self.trees[*number].remark_exchanged(true));
        }
        self.held = until.map(|until| Held { since, until });
        until.is_some()
    }

    /// Returns the roots in which a directory or a link on the way to what is pending is another one than when it was read, or is
    /// said to be. Each is looked at soon.
    pub(super) fn exchanged_meanwhile(&self, look: &ScanContext<'_>) -> BTreeSet<usize> {
        let mut exchanged = BTreeSet::new();
        if look.exact && !self.pending.is_empty() {
            let settle = self.inbox.settle();
            let of_tree = |tree: &Tree| settle.told().any(|path| tree.is_place(path));
            let trees = self.trees.iter().enumerate().filter(|(_, tree)| of_tree(tree));
            exchanged.extend(trees.map(|(number, _)| number));
        }
        for (number, tree) in self.trees.iter().enumerate() {
            let mut asked = BTreeSet::new();
            let names = self.pending.keys();
            let rels = names.filter_map(|name| name.as_str().strip_prefix(tree.prefix.as_str()));
            for path in rels.filter_map(|rel| tree.out_of_place(look.disk, rel, &mut asked)) {
                let until = look.now + self.settle;
                self.inbox.settle().note_again(path, look.now, until);
                exchanged.insert(number);
            }
        }
        exchanged
    }
}
