//! Looking at names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Delivered, RelativePath, ScanContext, ScanReason, Tree, TreeDirectory, TreeNode, inside, join, split};
use crate::loader::directory::disk::{Kind, Stat, is_gone};
use crate::loader::directory::failure;
use crate::loader::directory::read::Signature;
use crate::loader::directory::rules::{IGNORE_FILE, is_hidden};
use crate::loader::directory::settle::Hint;

impl Tree {
    /// Looks at every name that a path has to do with. Answers whether there is any.
    pub(in super::super) fn look_at_path(&mut self, look: &ScanContext<'_>, path: &Path, patience: ScanReason) -> bool {
        let mut rels: BTreeSet<RelativePath> = BTreeSet::new();
        if path == self.root {
            rels.insert("".into());
        }
        let through = self.resolved_through.get(path).into_iter().flatten().cloned();
        let (at_its_end, beyond): (BTreeSet<RelativePath>, BTreeSet<RelativePath>) =
            through.partition(|rel| self.ends_at(rel, path));
        rels.extend(at_its_end);
        rels.extend(self.seen_as.get(path).into_iter().flatten().cloned());
        let mut is_named = !rels.is_empty() || !beyond.is_empty();
        // A link is whole as soon as it is there.
        let patience = match patience {
            ScanReason::Created if look.disk.stat(path).is_ok_and(|stat| stat.kind == Kind::Link) => ScanReason::Told,
            given => given,
        };
        if let (Some(parent), Some(name)) = (path.parent(), path.file_name())
            && let Some(parents) = self.seen_as.get(parent).cloned()
        {
            let may_be_half = || match patience {
                ScanReason::Created | ScanReason::Unsettled => true,
                ScanReason::Lost => look.disk.follow(path).is_ok_and(|stat| look.is_young(stat.changed)),
                _ => false,
            };
            match name.to_str() {
                Some(IGNORE_FILE) if !look.forced && may_be_half() => {
                    look.inbox.settle().note_seen(path.to_owned(), Hint::Writing, look.now);
                    is_named = true;
                }
                Some(IGNORE_FILE) => {
                    for parent in parents {
                        if let (ScanReason::Lost, Some(ignore)) = (patience, self.ignores.get_mut(&parent)) {
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
                        is_named |= self.nodes.contains_key(&rel) || self.sieve.takes(&rel);
                        rels.insert(rel);
                    }
                }
                None => parents.iter().for_each(|parent| self.remark_not_utf8(parent, path)),
            }
        }
        // An event of a link on the way says nothing of whether the file at its end is whole.
        let found = match patience {
            ScanReason::Told => ScanReason::Found,
            given => given,
        };
        for rel in &beyond {
            self.look_at(look, rel, found);
        }
        for rel in rels.difference(&beyond) {
            self.look_at(look, rel, patience);
        }
        if is_named || patience == ScanReason::Lost {
            return true;
        }
        // It may be another name of a file that is known, or nothing at all.
        match look.disk.stat(path) {
            Ok(stat) if stat.kind == Kind::File => {
                let known: Vec<RelativePath> = self.names_of(stat.id).collect();
                let is_known = !known.is_empty();
                for rel in known {
                    self.look_at(look, &rel, ScanReason::ToldOf(stat.id));
                }
                is_known || stat.names > 1
            }
            _ => true,
        }
    }
    /// What was at a path has left it. If it is back it is the same as before, but not what was found in it meanwhile.
    pub(in super::super) fn doubt_path(&mut self, path: &Path) {
        let through = self.resolved_through.get(path).into_iter().flatten();
        let itself = self.seen_as.get(path).into_iter().flatten();
        let mut rels: Vec<RelativePath> = through.chain(itself).cloned().collect();
        if let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) {
            let parents = self.seen_as.get(parent).into_iter().flatten();
            rels.extend(parents.map(|parent| RelativePath::from(join(parent, name))));
        }
        for rel in rels {
            self.doubt(&rel);
        }
    }

    /// What was found in a directory counts for nothing. Answers whether that is news.
    pub(super) fn doubt(&mut self, rel: &str) -> bool {
        match self.nodes.get_mut(rel) {
            Some(TreeNode::Directory(directory)) => !std::mem::replace(&mut directory.unsure, true),
            _ => false,
        }
    }

    /// Looks at one name, and at what turns out to have to do with it.
    pub(in super::super) fn look_at(&mut self, look: &ScanContext<'_>, rel: &str, patience: ScanReason) {
        self.look_at_one(look, rel, patience);
        self.read_new(look);
        while let Some((rel, id)) = self.more.pop() {
            self.look_at_one(look, &rel, ScanReason::ToldOf(id));
            self.read_new(look);
        }
    }

    pub(super) fn look_at_one(&mut self, look: &ScanContext<'_>, rel: &str, patience: ScanReason) {
        if rel.is_empty() {
            return self.look_at_root(look);
        }
        // What the root held stays as it was, wherever it is reached through links. With the root it is looked at again.
        if self.missing.is_some() {
            return;
        }
        let (parent, name) = split(rel);
        let Some(directory) = self.directory(parent) else {
            return self.remove(look, rel);
        };
        let path = directory.real.join(name);
        self.look_at_real(look, rel, path, patience);
    }

    /// Looks at one name, whose directory and place in it are known.
    pub(super) fn look_at_real(&mut self, look: &ScanContext<'_>, rel: &str, path: PathBuf, patience: ScanReason) {
        match look.disk.stat(&path) {
            Ok(stat) if stat.kind == Kind::Link => self.look_through(look, rel, &path, patience),
            Ok(stat) => {
                self.unlink(look, rel);
                self.forget_link_remark(&path);
                self.put(look, rel, &path, &stat, patience);
            }
            Err(error) if is_gone(&error) => self.not_found(look, rel, path, patience),
            Err(error) => self.cannot_see(look, rel, &error),
        }
    }

    /// Nothing is at a path. The name is absent only if the directory that is known to have held it is there and says so itself.
    /// Otherwise it is a directory above that is absent, or was for a moment: what is in it stays as it was.
    pub(super) fn not_found(&mut self, look: &ScanContext<'_>, rel: &str, path: PathBuf, patience: ScanReason) {
        let (parent, name) = split(rel);
        let Some(directory) = self.directory(parent) else {
            return self.remove(look, rel);
        };
        match look.disk.holds(&directory.real, name.as_ref()) {
            Ok((id, false)) if id == directory.id => self.absent(look, rel, path, patience),
            Err(error) if !is_gone(&error) && self.nodes.contains_key(rel) => self.cannot_see(look, rel, &error),
            // If it is in doubt already, it or a directory above is waited for.
            Ok(_) | Err(_) => {
                self.wait_for(look, parent, ScanReason::Found);
                if self.doubt(parent) {
                    self.look_again(look, parent);
                }
            }
        }
    }

    /// A directory was not there, or not the known one, when something in it was looked at. It is looked at itself, in a moment.
    pub(super) fn look_again(&mut self, look: &ScanContext<'_>, rel: &str) {
        if let Some(directory) = self.directory(rel) {
            look.inbox.settle().note_back(directory.real.clone(), look.now);
        }
    }

    /// A name stands for what is at a real path.
    pub(super) fn put(&mut self, look: &ScanContext<'_>, rel: &str, real: &Path, stat: &Stat, patience: ScanReason) {
        match stat.kind {
            Kind::Directory | Kind::File if self.is_pseudo(look, rel, real, stat) => {
                self.put_aside(look, rel, patience)
            }
            // What the file held is gone, and may be about to come back.
            Kind::Directory if self.enters(rel) && self.is_file(rel) && !self.is_lost(look, patience) => {
                self.lose(look, rel, patience);
            }
            Kind::Directory if self.enters(rel) => self.enter(look, rel, real, stat, patience),
            // What was in the directory is gone, and may be about to come back.
            Kind::File if self.takes(rel) && self.directory(rel).is_some() && !self.is_lost(look, patience) => {
                self.lose(look, rel, patience);
            }
            Kind::File if self.takes(rel) => {
                if self.directory(rel).is_some() {
                    self.remove_node(look, rel);
                }
                self.load(look, rel, real, stat, patience);
            }
            _ => self.put_aside(look, rel, patience),
        }
    }

    /// Whether it is on a file system that has no files, such as `/proc`, and got there by a link or a mount. What is in it changes with
    /// each look, has no end, and is nobody's template.
    pub(super) fn is_pseudo(&mut self, look: &ScanContext<'_>, rel: &str, real: &Path, stat: &Stat) -> bool {
        let device = stat.id.device;
        // Where the root itself is there, somebody wants it.
        if self.directory("").is_none_or(|root| root.id.device == device) {
            return false;
        }
        let known = self.pseudo.entry(device).or_insert_with(|| look.disk.pseudo(real));
        let Some(name) = *known else { return false };
        if self.enters(rel) || self.takes(rel) {
            let message = format!("what leads into the file system `{name}` is left out: nothing there is a template");
            self.remark(rel.to_owned(), rel, "pseudo", message, "remove the link or the mount");
        }
        true
    }

    /// What is there now is no template, nor a directory of any.
    pub(super) fn put_aside(&mut self, look: &ScanContext<'_>, rel: &str, patience: ScanReason) {
        match !self.nodes.contains_key(rel) || self.is_lost(look, patience) {
            true => self.remove_node(look, rel),
            false => self.lose(look, rel, patience),
        }
    }

    pub(super) fn is_file(&self, rel: &str) -> bool {
        matches!(self.nodes.get(rel), Some(TreeNode::File { .. }))
    }

    pub(super) fn is_lost(&self, look: &ScanContext<'_>, patience: ScanReason) -> bool {
        look.forced || patience == ScanReason::Lost
    }

    /// What a name stood for has its grace from now on.
    pub(super) fn lose(&mut self, look: &ScanContext<'_>, rel: &str, patience: ScanReason) {
        self.wait_for(look, rel, patience);
        let (parent, name) = split(rel);
        if let Some(directory) = self.directory(parent) {
            let path = directory.real.join(name);
            look.inbox.settle().note_seen(path, Hint::Gone, look.now);
        }
    }
    /// Its directory does not hold it. It may be about to come back.
    pub(super) fn absent(&mut self, look: &ScanContext<'_>, rel: &str, path: PathBuf, patience: ScanReason) {
        if !self.nodes.contains_key(rel) || self.is_lost(look, patience) {
            return self.remove(look, rel);
        }
        self.doubt(rel);
        self.wait_for(look, rel, patience);
        look.inbox.settle().note_seen(path, Hint::Gone, look.now);
    }

    // --- forgetting ---------------------------------------------------------------------------------------------------------

    /// Forgets a name and everything below it.
    pub(super) fn remove(&mut self, look: &ScanContext<'_>, rel: &str) {
        self.unlink(look, rel);
        self.remove_node(look, rel);
    }

    /// Forgets what a name stands for and everything below it, but not where it leads.
    pub(super) fn remove_node(&mut self, look: &ScanContext<'_>, rel: &str) {
        self.failures.forget_all(rel);
        let inside: Vec<RelativePath> = inside(&self.nodes, rel).cloned().collect();
        for each in inside.iter().map(AsRef::as_ref).chain([rel]) {
            self.unsettled.remove(each);
            self.forget_clashes(each);
            match self.nodes.remove(each) {
                Some(TreeNode::File { seen, state }) => {
                    self.forget_file(each, seen.as_ref(), &state);
                    self.touched.insert(each.into(), None);
                }
                Some(TreeNode::Directory(directory)) => self.forget_directory(look, each, &directory),
                None => {}
            }
            self.wariness_changed |= self.wary.remove(each);
        }
        let linked: Vec<RelativePath> = self::inside(&self.links, rel).cloned().collect();
        for each in linked {
            self.unlink(look, &each);
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

    pub(super) fn forget_directory(&mut self, look: &ScanContext<'_>, rel: &str, directory: &TreeDirectory) {
        self.directories -= 1;
        self.ignores.remove(rel);
        self.remarks.forget(rel, "directory");
        self.remarks.forget_below(rel);
        if let Some(seen_as) = self.seen_as.get_mut(&directory.real) {
            seen_as.remove(rel);
            if seen_as.is_empty() {
                self.seen_as.remove(&directory.real);
            }
        }
        look.inbox.watched().release(&directory.real, None);
    }

    // --- what cannot be seen or should be known -----------------------------------------------------------------------------

    /// Something is there and cannot be looked at: what was there stays.
    pub(super) fn cannot_see(&mut self, look: &ScanContext<'_>, rel: &str, error: &std::io::Error) {
        let help = "let the service see it, for example with `chmod a+rx` on the directories above";
        let diagnostic = failure::diagnostic("it cannot be looked at", error, help);
        if failure::passes(error) {
            self.try_again(look, rel);
        }
        self.unsettled.remove(rel);
        if self.directory(rel).is_some() {
            return self.cannot_enter(look, rel, diagnostic);
        }
        if self.takes(rel) {
            self.keep_unreadable(rel, diagnostic, None);
        }
    }

    /// What a name stands for could not be looked at, for a reason that passes: it is looked at again soon, and later with each
    /// further failure.
    pub(super) fn try_again(&mut self, look: &ScanContext<'_>, rel: &str) {
        let Some(path) = self.path_of(rel) else { return };
        let until = look.now + self.failures.note(rel);
        look.inbox.settle().note_again(path, look.now, until);
    }

    /// Returns how many names could not be looked at when that was tried last.
    #[cfg(test)]
    pub(in super::super) fn failures(&self) -> usize {
        self.failures.len()
    }
}
