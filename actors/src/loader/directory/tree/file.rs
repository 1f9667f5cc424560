//! Reading one file into the tree: the time at which it may be read, and the comparison of its content.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Delivered, RelativePath, ScanContext, ScanReason, Tree, TreeNode, split};
use crate::diagnostic::Diagnostic;
use crate::loader::directory::disk::{FileId, Stat};
use crate::loader::directory::read::{FileContent, Signature, Text, read, read_all};
use crate::loader::directory::settle::Hint;
use crate::template::Digest;

/// The number of files from which several threads read them, and the most texts that wait in memory to be stored.
const READ_AT_ONCE_MIN: usize = if cfg!(test) { 2 } else { 32 };
const READ_AT_ONCE_MAX: usize = 512;

impl Tree {
    /// Checks a name that stands for a real file, and reads the file if it changed and may be whole.
    pub(super) fn load(&mut self, look: &ScanContext<'_>, rel: &str, real: &Path, stat: &Stat, patience: ScanReason) {
        let known = match self.nodes.get(rel) {
            Some(TreeNode::File { seen: Some(seen), .. }) => Some(seen),
            _ => None,
        };
        if !look.bytes && known.is_some_and(|seen| !seen.racy && seen.is_of(stat)) {
            self.unsettled.remove(rel);
            if patience != ScanReason::Unsettled {
                self.end_written(rel);
            }
            return;
        }
        // Another file under the name may belong to other files that are new, so the former content does not stay.
        if look.forced
            && look.exact
            && known.is_some_and(|seen| seen.id == stat.id)
            && self.has_content(rel)
            && (patience == ScanReason::Unsettled || look.inbox.settle().has_writer(real))
        {
            self.remark_written(rel, look.now);
            self.unsettled.remove(rel);
            return look.inbox.settle().put_back(real.to_owned(), look.now);
        }
        if patience == ScanReason::Unsettled && !look.forced && self.keeps_whole(look, rel) {
            self.unsettled.remove(rel);
            return look.inbox.settle().note_seen(real.to_owned(), Hint::Writing, look.now);
        }
        if !look.forced && self.may_be_half(look, rel, stat, patience) {
            self.wait_for(look, rel, patience);
            return look.inbox.settle().note_seen(real.to_owned(), Hint::Writing, look.now);
        }
        self.read_in(look, rel, real, patience);
    }

    /// Reads a file and stores its content.
    pub(super) fn read_in(&mut self, look: &ScanContext<'_>, rel: &str, real: &Path, patience: ScanReason) {
        // If it is being written now, it is read later: when it is closed or quiet, or after the longest wait.
        let has_waited = look.forced || matches!(patience, ScanReason::Quiet | ScanReason::Unsettled);
        let is_written = || !has_waited && look.inbox.settle().is_written(real);
        let Some(admitted) = self.admit(rel).filter(|_| !is_written()) else {
            return;
        };
        let anyway = look.forced || patience == ScanReason::Unsettled;
        let content = match read(look.disk, real, admitted, anyway) {
            // What a name held before is better than what is about to be written, whoever asks.
            FileContent::Text(text, seen, _)
                if (!anyway || self.has_content(rel)) && look.is_just_emptied(&seen, &text) =>
            {
                if look.forced {
                    self.remark_written(rel, look.now);
                }
                FileContent::Changing
            }
            content => content,
        };
        if !is_written() {
            self.take_content(look, rel, real, content, patience);
        }
    }

    /// Reads the files that a start has found, many at once.
    pub(super) fn read_new(&mut self, look: &ScanContext<'_>) {
        let files = std::mem::take(&mut self.new);
        if files.len() < READ_AT_ONCE_MIN {
            return files
                .iter()
                .for_each(|(rel, real)| self.read_in(look, rel, real, ScanReason::Found));
        }
        for files in files.chunks(READ_AT_ONCE_MAX) {
            let files: Vec<_> = files.iter().filter(|(rel, _)| self.admit(rel).is_some()).collect();
            let paths: Vec<&Path> = files.iter().map(|(_, real)| &**real).collect();
            let contents = read_all(look.disk, &paths, self.bytes_max(), look.forced);
            for ((rel, real), content) in files.into_iter().zip(contents) {
                // The limit may have been reached by the files before it.
                if self.files < self.limits.files || self.admit(rel).is_some() {
                    self.take_content(look, rel, real, content, ScanReason::Found);
                }
            }
        }
    }

    fn take_content(
        &mut self,
        look: &ScanContext<'_>,
        rel: &str,
        real: &Path,
        content: FileContent,
        patience: ScanReason,
    ) {
        match content {
            FileContent::Text(_, seen, _) if self.is_over_bytes(rel, &seen) => {
                self.failures.forget(rel);
                let most = self.limits.bytes;
                let message = format!("with this text the templates below one root would have more than {most} bytes");
                let help = "remove files that are no templates, or raise the limit `tree_bytes`; then edit the file or reload in full";
                let diagnostic = Diagnostic::error("too-large-in-all", message).help(help);
                self.keep_unreadable(rel, diagnostic, Some(seen));
            }
            FileContent::Text(text, seen, names) => {
                let id = seen.id;
                self.note_read(rel, &seen, names, patience);
                self.failures.forget(rel);
                self.note_polling(look, rel, real, names);
                let differs = self.store(rel, Some(seen), Delivered::Text(text.digest));
                if differs || look.afresh {
                    self.changed.insert(rel.into(), Some(text));
                }
                if differs {
                    self.queue_other_names(rel, id);
                }
            }
            FileContent::Unreadable(diagnostic, seen) => {
                if let Some(seen) = &seen {
                    self.note_read(rel, seen, 1, patience);
                }
                self.failures.forget(rel);
                self.keep_unreadable(rel, diagnostic, seen);
            }
            FileContent::Failed(diagnostic, seen) => {
                self.keep_unreadable(rel, diagnostic, seen);
                self.retry_later(look, rel);
            }
            FileContent::Changing => {
                self.wait_for(look, rel, patience);
                look.inbox.settle().note_seen(real.to_owned(), Hint::Writing, look.now);
            }
            FileContent::Gone => {
                let (parent, name) = split(rel);
                if let Some(path) = self.directory(parent).map(|directory| directory.real.join(name)) {
                    match self.links.contains_key(rel) {
                        true => self.note_dangling(look, rel, &path, ScanReason::Found),
                        false => self.not_found(look, rel, path, ScanReason::Found),
                    }
                }
            }
        }
    }

    /// Returns true if all files together would have more bytes than the limit.
    fn is_over_bytes(&self, rel: &str, seen: &Signature) -> bool {
        let before = match self.nodes.get(rel) {
            Some(TreeNode::File { seen, state }) => state.bytes(seen.as_ref()),
            _ => 0,
        };
        self.bytes.saturating_sub(before).saturating_add(seen.bytes()) > self.limits.bytes
    }

    /// Returns true if a file may be half written, as far as the reason of the check and its stamps show.
    fn may_be_half(&self, look: &ScanContext<'_>, rel: &str, stat: &Stat, patience: ScanReason) -> bool {
        match patience {
            // A file with several names was there before this name: no close will follow.
            ScanReason::Created => stat.names == 1,
            // It is back, and the event of that may not have arrived yet.
            ScanReason::Lost => look.is_young(stat.changed),
            ScanReason::EventOfFile(id) => id != stat.id && look.is_young(stat.changed),
            // A new file in a new directory is read at once: if it is still being written, events will follow.
            ScanReason::Found => look.waits && self.nodes.contains_key(rel) && look.is_young(stat.changed),
            ScanReason::Event | ScanReason::Quiet | ScanReason::Unsettled => false,
        }
    }

    /// Returns the most bytes that may be read of a file, or nothing if it cannot be a template.
    fn admit(&mut self, rel: &str) -> Option<usize> {
        if self.nodes.contains_key(rel) {
            return Some(self.bytes_max());
        }
        let name = format!("{}{rel}", self.prefix);
        if let Err(error) = crate::template::TemplateName::new(&name) {
            let message = format!("a file is left out: {error}");
            self.remark(name, rel, "name", message, "rename it");
            return None;
        }
        if self.files >= self.limits.files {
            let most = self.limits.files;
            let message = format!("there are more than {most} templates, so some are left out, for example");
            if !self.remarks.has("too-many") {
                self.remark(rel.to_owned(), rel, "too-many", message, "raise the limit `templates`");
            }
            return None;
        }
        self.remark_name(rel);
        Some(self.bytes_max())
    }

    /// Notes whether a file may change without an event, so that it has to be polled.
    fn note_polling(&mut self, look: &ScanContext<'_>, rel: &str, real: &Path, names: u64) {
        let is_mounted = look.mounts.contains(real);
        let changed = match names > 1 || is_mounted {
            true => self.polled.insert(rel.into()),
            false => self.polled.remove(rel),
        };
        if names > 1 {
            look.inbox.stop_ignoring();
        }
        self.polled_changed |= changed;
    }

    fn queue_other_names(&mut self, rel: &str, id: FileId) {
        let others: Vec<RelativePath> = self.names_of(id).filter(|other| **other != *rel).collect();
        self.queued.extend(others.into_iter().map(|other| (other, id)));
    }

    /// Returns true if a name has a text that is not empty.
    pub(in crate::loader::directory) fn has_content(&self, rel: &str) -> bool {
        matches!(self.state(rel), Some(Delivered::Text(digest)) if digest != Digest::of(b""))
    }

    /// Returns true if a text that was read is the known one of a name, or is old enough to be taken for whole.
    pub(in crate::loader::directory) fn is_whole(
        &self,
        look: &ScanContext<'_>,
        rel: &str,
        seen: &Signature,
        text: &Text,
    ) -> bool {
        let is_known = matches!(self.state(rel), Some(Delivered::Text(digest)) if digest == text.digest);
        is_known || !look.is_young(seen.changed)
    }

    /// Stores a text that was read again to be reported, so that it is not reported twice. If it differs from the one at the last check,
    /// returns the paths of the other names of the file.
    pub(in crate::loader::directory) fn note_read_again(
        &mut self,
        rel: &str,
        seen: Signature,
        text: &Text,
    ) -> Vec<PathBuf> {
        let id = seen.id;
        if !self.store(rel, Some(seen), Delivered::Text(text.digest)) {
            return Vec::new();
        }
        let others = self.names_of(id).filter(|other| **other != *rel);
        others.filter_map(|other| self.real(&other)).collect()
    }

    /// Stores a transient error of reading a file again. Returns the diagnostics to report.
    pub(in crate::loader::directory) fn note_failed_again(
        &mut self,
        look: &ScanContext<'_>,
        rel: &str,
        diagnostic: Diagnostic,
        seen: Option<Signature>,
    ) -> Arc<[Diagnostic]> {
        let diagnostics: Arc<[Diagnostic]> = Arc::new([self.in_template(diagnostic, rel)]);
        self.polled.insert(rel.into());
        self.store(rel, seen, Delivered::Unreadable(Arc::clone(&diagnostics)));
        self.retry_later(look, rel);
        diagnostics
    }

    /// Stores the state of a name. Returns true if it differs from the former one.
    pub(super) fn store(&mut self, rel: &str, seen: Option<Signature>, state: Delivered) -> bool {
        let id = seen.as_ref().map(|seen| seen.id);
        self.unsettled.remove(rel);
        self.bytes += state.bytes(seen.as_ref());
        let before = self.nodes.get_mut(rel);
        if let Some(TreeNode::File { seen: was, state: had }) = before {
            let differs = *had != state;
            self.bytes -= had.bytes(was.as_ref());
            let old = std::mem::replace(was, seen).map(|seen| seen.id);
            *had = state;
            if old != id {
                old.map(|old| self.names.remove(&(old, rel.into())));
                id.map(|id| self.names.insert((id, rel.into())));
            }
            self.polled_changed |= self.polled.contains(rel) || self.links.contains_key(rel);
            return differs;
        }
        self.files += 1;
        id.map(|id| self.names.insert((id, rel.into())));
        self.nodes.insert(rel.into(), TreeNode::File { seen, state });
        self.polled_changed |= self.polled.contains(rel) || self.links.contains_key(rel);
        true
    }

    /// Stores that a template cannot be read. Its last good text is still served.
    pub(super) fn keep_unreadable(&mut self, rel: &str, diagnostic: Diagnostic, seen: Option<Signature>) {
        if self.admit(rel).is_none() {
            return;
        }
        let diagnostics: Arc<[Diagnostic]> = Arc::new([self.in_template(diagnostic, rel)]);
        self.polled.insert(rel.into());
        self.polled_changed = true;
        if self.store(rel, seen, Delivered::Unreadable(diagnostics)) {
            self.changed.insert(rel.into(), None);
        }
    }
}
