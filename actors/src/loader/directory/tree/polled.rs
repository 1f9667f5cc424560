//! [`PolledPath`]: a path that has no reliable events, so that it is compared from time to time.

use std::path::PathBuf;

use super::{RelativePath, ScanContext, ScanReason, Tree, TreeNode, split};
use crate::loader::directory::disk::{Disk, FileId, Kind};
use crate::loader::directory::read::Signature;
use crate::loader::directory::settle::Hint;

/// A path that is compared from time to time, because it has no reliable events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct PolledPath {
    pub(in super::super) path: PathBuf,
    /// The state at the last check.
    pub(in super::super) expected: Expected,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Expected {
    /// A directory, or something that is no template, compared by identity only.
    Same(FileId, Kind),
    File(Signature),
    Nothing,
}

impl PolledPath {
    /// Returns the hint for a difference. No event will say when a writer closes the file, so it has to become quiet.
    pub(in super::super) fn hint(&self) -> Hint {
        match self.expected {
            Expected::File(_) => Hint::Writing,
            Expected::Same(..) | Expected::Nothing => Hint::Whole,
        }
    }

    /// Returns true if something else is there now.
    pub(in super::super) fn differs(&self, disk: &dyn Disk) -> bool {
        let now = disk.follow(&self.path).ok();
        match (&self.expected, now) {
            (Expected::Same(id, kind), Some(stat)) => (stat.id, stat.kind) != (*id, *kind),
            (Expected::File(seen), Some(stat)) => !seen.is_of(&stat),
            (Expected::Nothing, now) => now.is_some(),
            (_, None) => true,
        }
    }
}

impl Tree {
    /// Returns the paths to poll.
    pub(in super::super) fn polled(&self) -> Vec<PolledPath> {
        let mut polled = vec![PolledPath {
            path: self.root.clone(),
            expected: match self.directory("") {
                Some(root) if self.missing.is_none() => Expected::Same(root.id, Kind::Directory),
                _ => Expected::Nothing,
            },
        }];
        let linked = self.links.keys().filter(|rel| !rel.is_empty());
        for rel in linked.chain(self.polled.iter().filter(|rel| !self.links.contains_key(*rel))) {
            let (parent, name) = split(rel);
            let Some(directory) = self.directory(parent) else {
                continue;
            };
            let expected = match self.nodes.get(rel) {
                Some(TreeNode::Directory(directory)) => Expected::Same(directory.id, Kind::Directory),
                Some(TreeNode::File { seen: Some(seen), .. }) => Expected::File(seen.clone()),
                Some(TreeNode::File { seen: None, .. }) => Expected::Nothing,
                // A link that leads nowhere, back up, or to what the rules leave out.
                None => match self.links.get(rel).map(|link| link.target_found) {
                    Some(Some((id, kind))) => Expected::Same(id, kind),
                    Some(None) => Expected::Nothing,
                    None => continue,
                },
            };
            polled.push(PolledPath {
                path: directory.real.join(name),
                expected,
            });
        }
        polled
    }

    /// Compares the stamps of each known file.
    pub(in super::super) fn sweep(&mut self, scan: &ScanContext<'_>) {
        let files: Vec<RelativePath> = self.templates().cloned().collect();
        for rel in files {
            self.check(scan, &rel, ScanReason::Found);
        }
    }
}
