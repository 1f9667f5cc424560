//! The changes that a sync reports: what the trees noted, each name from the first root that has it, with the text that is there now.

use std::sync::Arc;
use std::time::Instant;

use super::Observer;
use crate::diagnostic::Diagnostic;
use crate::loader::directory::read::{FileContent, Text, read};
use crate::loader::directory::settle::Hint;
use crate::loader::directory::tree::{Delivered, RelativePath, ScanContext};
use crate::loader::{Changes, LoaderError};
use crate::template::TemplateName;

/// A change of a name that was not reported yet.
pub(super) struct PendingChange {
    /// The text, where it was read, and the number of the root that it was read from.
    text: Option<(usize, Text)>,
}

/// The outcome of reading a file once more to report it.
enum RereadOutcome {
    Text(Text),
    Unreadable(Arc<[Diagnostic]>),
    /// It is being written or replaced.
    Changing,
}

impl Observer {
    /// Collects what the trees noted. `found_at` is the time of a scan that looked without an event: the kernel should have reported
    /// what it found, or is about to.
    pub(super) fn collect_changes(&mut self, found_at: Option<Instant>) {
        let found_at = found_at.filter(|_| self.mode.is_native());
        for number in 0..self.trees.len() {
            let changed = std::mem::take(&mut self.trees[number].changed);
            for (rel, text) in changed {
                let tree = &self.trees[number];
                // An event may name only a link on the way to a file, so files behind links do not count as missed.
                if let Some(found_at) = found_at
                    && let Some(real) = tree.real(&rel).filter(|real| tree.is_plain(&rel, real))
                {
                    self.missed.note(real, found_at);
                }
                let Some(name) = tree.template_name(&rel) else { continue };
                // An earlier root that has the name hides it. With one root there is nothing to look up.
                if number == 0 || self.owner(&name).is_none_or(|(owner, ..)| owner >= number) {
                    let text = text.map(|text| (number, text));
                    self.pending.insert(name, PendingChange { text });
                }
            }
        }
    }

    /// Adds every name to the pending changes, for a report of everything.
    pub(super) fn add_all_names(&mut self) {
        for tree in &self.trees {
            for name in tree.templates().filter_map(|rel| tree.template_name(rel)) {
                self.pending.entry(name).or_insert(PendingChange { text: None });
            }
        }
    }

    /// Takes the pending changes as far as they can be reported now. Of several roots that have a name, the first counts.
    pub(super) fn changes(&mut self, scan: &ScanContext<'_>) -> Result<Changes, LoaderError> {
        let complete = scan.afresh;
        let mut changes = Changes {
            complete,
            ..Changes::default()
        };
        if let (true, Some(reason)) = (complete, self.root_failure()) {
            return Err(LoaderError::new(reason));
        }
        if complete {
            self.delivered_from.clear();
        }
        for (name, pending) in std::mem::take(&mut self.pending) {
            let Some((number, rel, state)) = self.owner(&name) else {
                self.delivered_from.remove(&name);
                changes.removed.push(name.into());
                continue;
            };
            // The text in a missing root is unknown until the root is back. If another root had the name before, that text is gone.
            let is_known = self.trees.len() == 1 || self.delivered_from.get(&name) == Some(&number);
            if self.trees[number].missing.is_some() && !is_known {
                if self.delivered_from.remove(&name).is_some() {
                    changes.removed.push(name.clone().into());
                }
                self.pending.insert(name, PendingChange { text: None });
                continue;
            }
            let language = self.trees[number].language;
            match (state, pending.text) {
                (Delivered::Unreadable(diagnostics), _) => {
                    self.note_delivered(&name, number);
                    changes.unreadable.push((name.into(), diagnostics));
                }
                (Delivered::Text(_), Some((of, text))) if of == number => {
                    self.note_delivered(&name, number);
                    changes.changed.push(text.source(name, language));
                }
                (Delivered::Text(_), _) => match self.read_again(scan, number, &rel) {
                    RereadOutcome::Text(text) => {
                        self.note_delivered(&name, number);
                        changes.changed.push(text.source(name, language));
                    }
                    RereadOutcome::Unreadable(diagnostics) => {
                        self.note_delivered(&name, number);
                        changes.unreadable.push((name.into(), diagnostics));
                    }
                    // It stays pending until it can be read. A complete report has to say something about each name.
                    RereadOutcome::Changing => {
                        if complete {
                            let message = "the file is being replaced; it is read again in a moment";
                            let diagnostic = Diagnostic::error("unreadable", message).in_template(&name);
                            changes.unreadable.push((name.clone().into(), Arc::new([diagnostic])));
                        }
                        self.pending.insert(name, PendingChange { text: None });
                    }
                },
            }
        }
        self.answer(changes)
    }

    /// Returns the changes, or the reason why nothing is known.
    pub(super) fn answer(&self, changes: Changes) -> Result<Changes, LoaderError> {
        match self.root_failure() {
            Some(reason) if changes.is_empty() => Err(LoaderError::new(reason)),
            _ => Ok(changes),
        }
    }

    fn note_delivered(&mut self, name: &TemplateName, number: usize) {
        // With one root nothing needs to know.
        if self.trees.len() > 1 && self.delivered_from.get(name) != Some(&number) {
            self.delivered_from.insert(name.clone(), number);
        }
    }

    /// Returns the first root that has a name, the name below that root, and its state.
    fn owner(&self, name: &TemplateName) -> Option<(usize, RelativePath, Delivered)> {
        self.trees.iter().enumerate().find_map(|(number, tree)| {
            let rel = name.as_str().strip_prefix(tree.prefix.as_str())?;
            Some((number, rel.into(), tree.state(rel)?))
        })
    }

    /// Reads a file whose text is needed and was not kept: another root had the name before, or everything is reported.
    fn read_again(&mut self, scan: &ScanContext<'_>, number: usize, rel: &RelativePath) -> RereadOutcome {
        // While its root is missing there is nothing to read. Once the root is back it is reported.
        let tree = self.trees.get_mut(number).filter(|tree| tree.missing.is_none());
        let Some((tree, real)) = tree.and_then(|tree| tree.real(rel).map(|real| (tree, real))) else {
            return RereadOutcome::Changing;
        };
        match read(scan.disk, &real, tree.bytes_max(), true) {
            FileContent::Text(text, seen, _)
                if !scan.is_whole(&real, &seen, &text)
                    || (tree.has_content(rel) && scan.is_just_emptied(&seen, &text)) =>
            {
                let mut settle = self.inbox.settle();
                if !settle.has_event(&real) {
                    settle.note_seen(real, Hint::Writing, scan.now);
                }
                RereadOutcome::Changing
            }
            FileContent::Text(text, seen, _) if scan.forced || tree.is_whole(scan, rel, &seen, &text) => {
                for other in tree.note_read_again(rel, seen, &text) {
                    self.inbox.settle().note_seen(other, Hint::Writing, scan.now);
                }
                RereadOutcome::Text(text)
            }
            // It is noted as gone, not as being written, so that its check waits for the grace period.
            FileContent::Gone => {
                self.inbox.settle().note_seen(real, Hint::Gone, scan.now);
                RereadOutcome::Changing
            }
            FileContent::Failed(diagnostic, seen) => {
                RereadOutcome::Unreadable(tree.note_failed_again(scan, rel, diagnostic, seen))
            }
            FileContent::Text(..) | FileContent::Unreadable(..) | FileContent::Changing => {
                self.inbox.settle().note_seen(real, Hint::Writing, scan.now);
                RereadOutcome::Changing
            }
        }
    }
}
