//! Going into a directory: first it is watched, then it is read, so that nothing comes in between.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{DEPTH_MAX, Directory, Look, Node, Patience, Tree, children, join, split};
use crate::diagnostic::Diagnostic;
use crate::loader::directory::disk::{FileId, Kind, Stat, is_gone};
use crate::loader::directory::read::{Content, read};
use crate::loader::directory::rules::{IGNORE_FILE, Ignore, Patterns, is_hidden, unportable};
use crate::loader::directory::settle::Hint;
use crate::loader::directory::watches::WatchError;

/// Bytes of an ignore file.
const IGNORE_BYTES_MAX: usize = 64 * 1024;

impl Tree {
    /// A name stands for a real directory.
    pub(super) fn enter(&mut self, look: &Look<'_>, rel: &str, real: &Path, stat: &Stat, patience: Patience) {
        if self.leads_back(rel, real, stat.id) {
            return self.put_aside(look, rel, patience);
        }
        // Whatever keeps it from being read now, it is read deeply when it is read.
        if self.take_place(look, rel, real, stat.id) {
            self.doubt(rel);
        }
        let names = match self.list_watched(look, real) {
            Ok(names) => names,
            Err(error) if is_gone(&error) && !rel.is_empty() => {
                self.doubt(rel);
                return look.inbox.settle().note_seen(real.to_owned(), Hint::Gone, look.now);
            }
            Err(error) => {
                let message = format!("the directory {} cannot be read: {error}", real.display());
                let help = "let the service read and enter it, for example with `chmod a+rx`";
                return self.cannot_enter(look, rel, Diagnostic::error("unreadable", message).help(help));
            }
        };
        // If another one is there by now, these may be the names of either.
        let is_another = match look.disk.stat(real) {
            Ok(now) => (now.id, now.kind) != (stat.id, Kind::Directory),
            Err(error) => is_gone(&error),
        };
        if is_another {
            self.doubt(rel);
            return self.look_again(look, rel);
        }
        let was_unreadable = self.can_enter(rel);
        let has_ignore = names.iter().any(|(name, _)| name == IGNORE_FILE);
        let ignores_changed = self.read_ignore(look, rel, real, has_ignore);
        let was_unsure = self.is_sure_from_now(rel);
        let deep = look.deep || was_unsure || was_unreadable || ignores_changed;
        let look = &Look { deep, ..*look };
        let mut seen = BTreeMap::new();
        for (name, kind) in &names {
            match name.to_str() {
                Some(name) if is_hidden(name) => {}
                Some(name) => drop(seen.insert(name, *kind)),
                None => self.remark_not_utf8(&real.join(name)),
            }
        }
        let mut known = children(&self.nodes, rel);
        known.extend(children(&self.links, rel));
        for name in known.iter().filter(|name| !seen.contains_key(name.as_str())) {
            self.look_at_real(look, &join(rel, name), real.join(name), Patience::Found);
        }
        let mut new = Vec::new();
        for (name, kind) in &seen {
            let (child, path) = (join(rel, name), real.join(name));
            if *kind == Some(Kind::File) && !known.contains(*name) {
                new.extend(self.takes(&child).then_some((child, path)));
            } else if deep || !self.is_same_directory(look, &child, &path) {
                self.look_at_real(look, &child, path, Patience::Found);
            }
        }
        if deep {
            self.remark_clashes(rel, seen.keys().copied(), &new);
        }
        match look.afresh {
            // Of all directories together: so many are read at once.
            true => self.new.append(&mut new),
            false => new
                .iter()
                .for_each(|(rel, real)| self.read_in(look, rel, real, Patience::Found)),
        }
    }

    /// Makes a directory of a node, and watches it. Answers whether it is another one than before.
    fn take_place(&mut self, look: &Look<'_>, rel: &str, real: &Path, id: FileId) -> bool {
        let before = match self.nodes.get_mut(rel) {
            Some(Node::Directory(directory)) if directory.real == real => {
                let before = std::mem::replace(&mut directory.id, id);
                let renewed = look.inbox.watched().renew(real);
                if let Err(WatchError::Exhausted(why)) = &renewed {
                    self.exhausted = Some(why.clone());
                }
                self.wariness_changed |= before != id;
                return before != id || renewed.unwrap_or(false);
            }
            Some(Node::Directory(directory)) => Some(std::mem::replace(&mut directory.real, real.to_owned())),
            Some(Node::File { seen, .. }) => {
                let seen = seen.take();
                self.forget_file(rel, seen.as_ref());
                self.touched.insert(rel.into(), None);
                self.nodes.remove(rel);
                None
            }
            None => None,
        };
        let claimed = look.inbox.watched().claim(real, None);
        self.note_exhausted(claimed);
        match before {
            // What is below it keeps its names until it is clear what is there now.
            Some(before) => {
                if let Some(seen_as) = self.seen_as.get_mut(&before) {
                    seen_as.remove(rel);
                    if seen_as.is_empty() {
                        self.seen_as.remove(&before);
                    }
                }
                look.inbox.watched().release(&before, None);
            }
            None => self.remark_name(rel),
        }
        self.seen_as.entry(real.to_owned()).or_default().insert(rel.into());
        let in_the_way = (!rel.is_empty() && self.sieve.has_extensions() && self.takes(rel)).then(|| {
            self.touched.insert(rel.into(), None);
            self.wary.insert(rel.into());
            Arc::from([self.in_template(directory_in_the_way(), rel)])
        });
        let directory = Directory {
            real: real.to_owned(),
            id,
            unreadable: None,
            in_the_way,
            unsure: false,
        };
        self.nodes.insert(rel.into(), Node::Directory(Box::new(directory)));
        self.wariness_changed = true;
        if look.recursive {
            // The watches of what is in it are put by somebody else, and later: what comes before them goes unheard.
            look.inbox.settle().note_seen(real.to_owned(), Hint::Writing, look.now);
        }
        self.silent.entry(id.device).or_insert_with(|| look.disk.silent(real));
        true
    }

    /// Whether it is one of the directories above, through a link or a mount, or too deep.
    fn leads_back(&self, rel: &str, real: &Path, id: FileId) -> bool {
        let (mut above, mut depth) = (rel, 0);
        while !above.is_empty() {
            above = split(above).0;
            depth += 1;
            let same = |directory: &Directory| directory.real == real || (id.device != 0 && directory.id == id);
            if depth > DEPTH_MAX || self.directory(above).is_some_and(same) {
                return true;
            }
        }
        false
    }

    fn is_same_directory(&self, look: &Look<'_>, rel: &str, path: &Path) -> bool {
        let Some(directory) = self.directory(rel) else {
            return false;
        };
        let is_now = || {
            look.disk
                .stat(path)
                .is_ok_and(|stat| stat.kind == Kind::Directory && stat.id == directory.id)
        };
        !directory.unsure && directory.real == path && is_now()
    }

    /// Lists a directory that is being watched.
    fn list_watched(&mut self, look: &Look<'_>, real: &Path) -> std::io::Result<Vec<(OsString, Option<Kind>)>> {
        let names = look.disk.list(real)?;
        // It was away when it was to be watched, and is back.
        if !look.inbox.watched().lacks(real) {
            return Ok(names);
        }
        let renewed = look.inbox.watched().renew(real).map(drop);
        self.note_exhausted(renewed);
        look.disk.list(real)
    }

    /// What is found in a directory counts from now on. Answers whether what was found before does not.
    fn is_sure_from_now(&mut self, rel: &str) -> bool {
        match self.nodes.get_mut(rel) {
            Some(Node::Directory(directory)) => std::mem::take(&mut directory.unsure),
            _ => false,
        }
    }

    // --- what cannot be read ------------------------------------------------------------------------------------------------

    /// A directory is there and cannot be read: what was in it stays, unless it can still be looked at by name.
    pub(super) fn cannot_enter(&mut self, look: &Look<'_>, rel: &str, diagnostic: Diagnostic) {
        if rel.is_empty() {
            self.missing = Some(diagnostic.message);
            return;
        }
        let Some(Node::Directory(directory)) = self.nodes.get_mut(rel) else {
            return;
        };
        if directory.unreadable.is_none() {
            tracing::warn!(path = %directory.real.display(), "{}; what was served of it goes on", diagnostic.message);
            directory.unreadable = Some(Arc::new([diagnostic]));
        }
        self.wary.insert(rel.into());
        self.wariness_changed = true;
        for child in children(&self.nodes, rel) {
            self.look_at_one(look, &join(rel, &child), Patience::Found);
        }
    }

    /// Answers whether it could not be read before.
    fn can_enter(&mut self, rel: &str) -> bool {
        let Some(Node::Directory(directory)) = self.nodes.get_mut(rel) else {
            return false;
        };
        if directory.unreadable.take().is_none() {
            return false;
        }
        if directory.in_the_way.is_none() {
            self.wary.remove(rel);
            self.wariness_changed = true;
        }
        true
    }

    // --- the ignore file ----------------------------------------------------------------------------------------------------

    /// Reads it if it changed. Answers whether it did.
    fn read_ignore(&mut self, look: &Look<'_>, rel: &str, real: &Path, is_there: bool) -> bool {
        let path = real.join(IGNORE_FILE);
        let stat = is_there.then(|| look.disk.follow(&path).ok()).flatten();
        let Some(stat) = stat.filter(|stat| stat.kind == Kind::File) else {
            let Some(ignore) = self.ignores.get(rel) else {
                return false;
            };
            if look.forced || ignore.is_lost {
                return self.ignores.remove(rel).is_some();
            }
            look.inbox.settle().note_seen(path, Hint::Gone, look.now);
            return false;
        };
        if let Some(ignore) = self.ignores.get_mut(rel) {
            ignore.is_lost = false;
            if !ignore.seen.racy && ignore.seen.is_of(&stat) {
                return false;
            }
        }
        match read(look.disk, &path, IGNORE_BYTES_MAX, look.forced) {
            Content::Text(text, seen, _) => {
                let (patterns, wrong) = Patterns::of_file(text.text.as_bytes());
                for reason in wrong {
                    let help = "mend the line; the others count";
                    self.remark(path.display().to_string(), "ignore-pattern", reason, help);
                }
                let differs = self.ignores.get(rel).is_none_or(|ignore| ignore.text != text.text);
                let is_lost = false;
                let ignore = Ignore {
                    seen,
                    text: text.text,
                    patterns,
                    is_lost,
                };
                self.ignores.insert(rel.into(), ignore);
                differs
            }
            Content::Unreadable(diagnostic, _) => {
                let help = "what it said before goes on";
                self.remark(
                    path.display().to_string(),
                    "ignore-unreadable",
                    diagnostic.message,
                    help,
                );
                false
            }
            Content::Changing => {
                look.inbox.settle().note_seen(path, Hint::Writing, look.now);
                false
            }
            Content::Gone => false,
        }
    }

    // --- names --------------------------------------------------------------------------------------------------------------

    /// Says what is wrong with a name that is new.
    pub(super) fn remark_name(&mut self, rel: &str) {
        let name = split(rel).1;
        if let Some(reason) = unportable(name) {
            let help = "rename it, if the templates are ever to be copied to another system";
            self.remark(rel.to_owned(), "name-not-portable", format!("{reason}: `{name}`"), help);
        }
    }

    fn remark_clashes<'n>(
        &mut self,
        rel: &str,
        names: impl Iterator<Item = &'n str> + Clone,
        new: &[(String, PathBuf)],
    ) {
        // Names that are all in small letters are one only if they are the same.
        if !names.clone().any(|name| name.to_lowercase() != name) {
            return;
        }
        let mut by_lower: HashMap<String, &str> = HashMap::new();
        let mut clashes = Vec::new();
        let is_new = |child: &str| new.binary_search_by(|(new, _)| new.as_str().cmp(child)).is_ok();
        let counts = |child: &str| self.nodes.contains_key(child) || is_new(child);
        for name in names.filter(|name| counts(&join(rel, name))) {
            if let Some(other) = by_lower.insert(name.to_lowercase(), name) {
                clashes.push((other, name));
            }
        }
        for (one, other) in clashes {
            let message = format!("`{one}` and `{other}` are one name where case does not count");
            let help = "rename one of them, if the templates are ever to be copied to another system";
            self.remark(join(rel, other), "name-clash", message, help);
        }
    }

    pub(super) fn in_template(&self, diagnostic: Diagnostic, rel: &str) -> Diagnostic {
        match self.template_name(rel) {
            Some(name) => diagnostic.in_template(&name),
            None => diagnostic,
        }
    }
}

fn directory_in_the_way() -> Diagnostic {
    Diagnostic::error("directory", "this is a directory, but its name is that of a template")
        .help("rename it without the extension; templates inside of it are loaded all the same")
}
