//! The check of one name: what the disk has there now becomes its state, and what differs is noted.
//!
//! A name may have become a file, a directory, a link or nothing. Whatever it was before is removed only if that is certain: the
//! directory that is known to have held it says so itself, and the grace period is over.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Delivered, RelativePath, ScanContext, ScanReason, Tree, TreeDirectory, TreeNode, inside, join, split};
use crate::loader::directory::disk::{Kind, Stat, is_gone};
use crate::loader::directory::failure;
use crate::loader::directory::read::Signature;
use crate::loader::directory::rules::{IGNORE_FILE, is_hidden};
use crate::loader::directory::settle::Hint;

impl Tree {
    /// Checks every name that depends on a path. Returns false if there is none, so that writes to the path can be ignored.
    pub(in super::super) fn check_path(&mut self, scan: &ScanContext<'_>, path: &Path, reason: ScanReason) -> bool {
        let mut rels: BTreeSet<RelativePath> = BTreeSet::new();
        if path == self.root {
            rels.insert("".into());
        }
        let through = self.resolved_through.get(path).into_iter().flatten().cloned();
        let (at_its_end, beyond): (BTreeSet<RelativePath>, BTreeSet<RelativePath>) =
            through.partition(|rel| self.ends_at(rel, path));
        rels.extend(at_its_end);
        rels.extend(self.directory_names.get(path).into_iter().flatten().cloned());
        let mut is_named = !rels.is_empty() || !beyond.is_empty();
        // A link is whole as soon as it is there.
        let reason = match reason {
            ScanReason::Created if scan.disk.stat(path).is_ok_and(|stat| stat.kind == Kind::Link) => ScanReason::Event,
            given => given,
        };
        if let (Some(parent), Some(name)) = (path.parent(), path.file_name())
            && let Some(parents) = self.directory_names.get(parent).cloned()
        {
            let may_be_half = || match reason {
                ScanReason::Created | ScanReason::Unsettled => true,
                ScanReason::Lost => scan.disk.follow(path).is_ok_and(|stat| scan.is_young(stat.changed)),
                _ => false,
            };
            match name.to_str() {
                Some(IGNORE_FILE) if !scan.forced && may_be_half() => {
                    scan.inbox.settle().note_seen(path.to_owned(), Hint::Writing, scan.now);
                    is_named = true;
                }
                Some(IGNORE_FILE) => {
                    for parent in parents {
                        if let (ScanReason::Lost, Some(ignore)) = (reason, self.ignores.get_mut(&parent)) {
                            ignore.is_lost = true;
                        }
                        rels.insert(parent);
                    }
                    is_named = true;
                }
                Some(hidden) if is_hidden(hidden) => {}
                Some(name) => {
                    for parent in parents {
                        let rel: RelativePath = join(&parent, name).into();
                        is_named |= self.nodes.contains_key(&rel) || self.rules.takes(&rel);
                        rels.insert(rel);
                    }
                }
                None => parents.iter().for_each(|parent| self.remark_not_utf8(parent, path)),
            }
        }
        // An event of a link on the way does not say that the file at its end is whole.
        let found = match reason {
            ScanReason::Event => ScanReason::Found,
            given => given,
        };
        for rel in &beyond {
            self.check(scan, rel, found);
        }
        for rel in rels.difference(&beyond) {
            self.check(scan, rel, reason);
        }
        if is_named || reason == ScanReason::Lost {
            return true;
        }
        // It may be another name of a known file.
        match scan.disk.stat(path) {
            Ok(stat) if stat.kind == Kind::File => {
                let known: Vec<RelativePath> = self.names_of(stat.id).collect();
                let is_known = !known.is_empty();
                for rel in known {
                    self.check(scan, &rel, ScanReason::EventOfFile(stat.id));
                }
                is_known || stat.names > 1
            }
            _ => true,
        }
    }

    /// Notes that what was at a path was gone for a while. It may be back as the same, but checks below it found something else meanwhile.
    pub(in super::super) fn mark_path_for_rescan(&mut self, path: &Path) {
        let through = self.resolved_through.get(path).into_iter().flatten();
        let itself = self.directory_names.get(path).into_iter().flatten();
        let mut rels: Vec<RelativePath> = through.chain(itself).cloned().collect();
        if let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) {
            let parents = self.directory_names.get(parent).into_iter().flatten();
            rels.extend(parents.map(|parent| RelativePath::from(join(parent, name))));
        }
        for rel in rels {
            self.mark_for_rescan(&rel);
        }
    }

    /// Marks a directory so that its next check goes into all that is below it. Returns false if it was marked already.
    pub(super) fn mark_for_rescan(&mut self, rel: &str) -> bool {
        match self.nodes.get_mut(rel) {
            Some(TreeNode::Directory(directory)) => !std::mem::replace(&mut directory.needs_rescan, true),
            _ => false,
        }
    }

    /// Checks one name, and the other names of its file.
    pub(in super::super) fn check(&mut self, scan: &ScanContext<'_>, rel: &str, reason: ScanReason) {
        self.check_one(scan, rel, reason);
        self.read_new(scan);
        while let Some((rel, id)) = self.queued.pop() {
            self.check_one(scan, &rel, ScanReason::EventOfFile(id));
            self.read_new(scan);
        }
    }

    pub(super) fn check_one(&mut self, scan: &ScanContext<'_>, rel: &str, reason: ScanReason) {
        if rel.is_empty() {
            return self.scan_root(scan);
        }
        // The content of a missing root stays as it was, also behind links. It is checked when the root is back.
        if self.missing.is_some() {
            return;
        }
        let (parent, name) = split(rel);
        let Some(directory) = self.directory(parent) else {
            return self.remove(scan, rel);
        };
        let path = directory.real.join(name);
        self.check_real(scan, rel, path, reason);
    }

    /// Checks one name whose real path is known.
    pub(super) fn check_real(&mut self, scan: &ScanContext<'_>, rel: &str, path: PathBuf, reason: ScanReason) {
        match scan.disk.stat(&path) {
            Ok(stat) if stat.kind == Kind::Link => self.check_link(scan, rel, &path, reason),
            Ok(stat) => {
                self.unlink(scan, rel);
                self.forget_link_remark(&path);
                self.put(scan, rel, &path, &stat, reason);
            }
            Err(error) if is_gone(&error) => self.not_found(scan, rel, path, reason),
            Err(error) => self.note_inaccessible(scan, rel, &error),
        }
    }

    /// Handles a path at which nothing exists. The name is absent only if the directory that is known to have held it exists and says so
    /// itself. Otherwise a directory above is absent, or was for a moment, and the names in it stay as they were.
    pub(super) fn not_found(&mut self, scan: &ScanContext<'_>, rel: &str, path: PathBuf, reason: ScanReason) {
        let (parent, name) = split(rel);
        let Some(directory) = self.directory(parent) else {
            return self.remove(scan, rel);
        };
        match scan.disk.holds(&directory.real, name.as_ref()) {
            Ok((id, false)) if id == directory.id => self.absent(scan, rel, path, reason),
            Err(error) if !is_gone(&error) && self.nodes.contains_key(rel) => self.note_inaccessible(scan, rel, &error),
            // If it is marked already, it or a directory above is being waited for.
            Ok(_) | Err(_) => {
                self.wait_for(scan, parent, ScanReason::Found);
                if self.mark_for_rescan(parent) {
                    self.check_again(scan, parent);
                }
            }
        }
    }

    /// Plans a check of a directory that was absent or exchanged when a name in it was checked.
    pub(super) fn check_again(&mut self, scan: &ScanContext<'_>, rel: &str) {
        if let Some(directory) = self.directory(rel) {
            scan.inbox.settle().note_back(directory.real.clone(), scan.now);
        }
    }

    /// Sets the meaning of a name to what is at a real path.
    pub(super) fn put(&mut self, scan: &ScanContext<'_>, rel: &str, real: &Path, stat: &Stat, reason: ScanReason) {
        match stat.kind {
            Kind::Directory | Kind::File if self.is_pseudo(scan, rel, real, stat) => self.leave_out(scan, rel, reason),
            // The file is gone, and may be about to come back.
            Kind::Directory if self.enters(rel) && self.is_file(rel) && !self.is_lost(scan, reason) => {
                self.start_grace(scan, rel, reason);
            }
            Kind::Directory if self.enters(rel) => self.enter(scan, rel, real, stat, reason),
            // The directory is gone, and may be about to come back.
            Kind::File if self.takes(rel) && self.directory(rel).is_some() && !self.is_lost(scan, reason) => {
                self.start_grace(scan, rel, reason);
            }
            Kind::File if self.takes(rel) => {
                if self.directory(rel).is_some() {
                    self.remove_node(scan, rel);
                }
                self.load(scan, rel, real, stat, reason);
            }
            _ => self.leave_out(scan, rel, reason),
        }
    }

    /// Returns true if a link or a mount leads into a file system that stores no files, such as `/proc`. Its content changes with each
    /// read and has no end.
    pub(super) fn is_pseudo(&mut self, scan: &ScanContext<'_>, rel: &str, real: &Path, stat: &Stat) -> bool {
        let device = stat.id.device;
        // If the root itself is on it, that is intended.
        if self.directory("").is_none_or(|root| root.id.device == device) {
            return false;
        }
        let known = self.pseudo.entry(device).or_insert_with(|| scan.disk.pseudo(real));
        let Some(name) = *known else { return false };
        if self.enters(rel) || self.takes(rel) {
            let message =
                format!("a link or mount into the file system `{name}` is left out, because that stores no files");
            self.remark(rel.to_owned(), rel, "pseudo", message, "remove the link or the mount");
        }
        true
    }

    /// Handles something that is neither a template nor a directory that is entered.
    pub(super) fn leave_out(&mut self, scan: &ScanContext<'_>, rel: &str, reason: ScanReason) {
        match !self.nodes.contains_key(rel) || self.is_lost(scan, reason) {
            true => self.remove_node(scan, rel),
            false => self.start_grace(scan, rel, reason),
        }
    }

    pub(super) fn is_file(&self, rel: &str) -> bool {
        matches!(self.nodes.get(rel), Some(TreeNode::File { .. }))
    }

    pub(super) fn is_lost(&self, scan: &ScanContext<'_>, reason: ScanReason) -> bool {
        scan.forced || reason == ScanReason::Lost
    }

    /// Starts the grace period of what a name stood for.
    pub(super) fn start_grace(&mut self, scan: &ScanContext<'_>, rel: &str, reason: ScanReason) {
        self.wait_for(scan, rel, reason);
        let (parent, name) = split(rel);
        if let Some(directory) = self.directory(parent) {
            let path = directory.real.join(name);
            scan.inbox.settle().note_seen(path, Hint::Gone, scan.now);
        }
    }

    /// Handles a name that its directory does not hold. It may be about to come back.
    pub(super) fn absent(&mut self, scan: &ScanContext<'_>, rel: &str, path: PathBuf, reason: ScanReason) {
        if !self.nodes.contains_key(rel) || self.is_lost(scan, reason) {
            return self.remove(scan, rel);
        }
        self.mark_for_rescan(rel);
        self.wait_for(scan, rel, reason);
        scan.inbox.settle().note_seen(path, Hint::Gone, scan.now);
    }

    // --- forgetting ---------------------------------------------------------------------------------------------------------

    /// Forgets a name and everything below it.
    pub(super) fn remove(&mut self, scan: &ScanContext<'_>, rel: &str) {
        self.unlink(scan, rel);
        self.remove_node(scan, rel);
    }

    /// Forgets the meaning of a name and everything below it, but not the link.
    pub(super) fn remove_node(&mut self, scan: &ScanContext<'_>, rel: &str) {
        self.failures.forget_all(rel);
        let inside: Vec<RelativePath> = inside(&self.nodes, rel).cloned().collect();
        for each in inside.iter().map(AsRef::as_ref).chain([rel]) {
            self.unsettled.remove(each);
            self.forget_clashes(each);
            match self.nodes.remove(each) {
                Some(TreeNode::File { seen, state }) => {
                    self.forget_file(each, seen.as_ref(), &state);
                    self.changed.insert(each.into(), None);
                }
                Some(TreeNode::Directory(directory)) => self.forget_directory(scan, each, &directory),
                None => {}
            }
            self.polled_changed |= self.polled.remove(each);
        }
        let linked: Vec<RelativePath> = self::inside(&self.links, rel).cloned().collect();
        for each in linked {
            self.unlink(scan, &each);
        }
    }

    pub(super) fn forget_file(&mut self, rel: &str, seen: Option<&Signature>, state: &Delivered) {
        self.files -= 1;
        self.end_written(rel);
        self.bytes -= state.bytes(seen);
        if let Some(seen) = seen {
            self.names.remove(&(seen.id, rel.into()));
        }
    }

    pub(super) fn forget_directory(&mut self, scan: &ScanContext<'_>, rel: &str, directory: &TreeDirectory) {
        self.directories -= 1;
        self.ignores.remove(rel);
        self.remarks.forget(rel, "directory");
        self.remarks.forget_below(rel);
        if let Some(directory_names) = self.directory_names.get_mut(&directory.real) {
            directory_names.remove(rel);
            if directory_names.is_empty() {
                self.directory_names.remove(&directory.real);
            }
        }
        scan.inbox.watched().release(&directory.real, None);
    }

    // --- what cannot be read ------------------------------------------------------------------------------------------------

    /// Handles a path whose metadata cannot be read. The name keeps its last content.
    pub(super) fn note_inaccessible(&mut self, scan: &ScanContext<'_>, rel: &str, error: &std::io::Error) {
        let help = "give the service access, for example with `chmod a+rx` on the directories above";
        let diagnostic = failure::diagnostic("its metadata cannot be read", error, help);
        if failure::passes(error) {
            self.retry_later(scan, rel);
        }
        self.unsettled.remove(rel);
        if self.directory(rel).is_some() {
            return self.cannot_enter(scan, rel, diagnostic);
        }
        if self.takes(rel) {
            self.keep_unreadable(rel, diagnostic, None);
        }
    }

    /// Plans another check of a name after a transient error: soon, and later with each further failure.
    pub(super) fn retry_later(&mut self, scan: &ScanContext<'_>, rel: &str) {
        let Some(path) = self.path_of(rel) else { return };
        let until = scan.now + self.failures.note(rel);
        scan.inbox.settle().note_again(path, scan.now, until);
    }

    /// Returns the number of names whose last check failed with a transient error.
    #[cfg(test)]
    pub(in super::super) fn failures(&self) -> usize {
        self.failures.len()
    }
}
