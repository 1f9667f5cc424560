//! Entering a directory: it is watched first and read then, so that no change comes between.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::remarks::CLASH;
use super::{ScanContext, ScanReason, Tree, TreeDirectory, TreeNode, children, inside, join, split};
use crate::diagnostic::Diagnostic;
use crate::loader::directory::disk::{FileId, Kind, Stat, is_gone};
use crate::loader::directory::failure;
use crate::loader::directory::read::{FileContent, read};
use crate::loader::directory::rules::{IGNORE_FILE, IgnoreFile, Patterns, is_hidden, unportable};
use crate::loader::directory::settle::Hint;
use crate::loader::directory::watches::WatchError;
use crate::template::composed;

/// The help for an ignore file that cannot be read.
const IGNORE_HELP: &str = "let the service read it, for example with `chmod a+r`";

impl Tree {
    /// Checks a name that stands for a real directory, and what is in it.
    pub(super) fn enter(&mut self, scan: &ScanContext<'_>, rel: &str, real: &Path, stat: &Stat, reason: ScanReason) {
        // The engine has stopped, so nothing uses the outcome.
        if scan.inbox.is_over() {
            return;
        }
        if self.is_cycle(rel, real, stat.id) || self.is_too_deep(rel) || self.is_one_too_many(rel) {
            return self.leave_out(scan, rel, reason);
        }
        // If it cannot be read now, all that is below it is checked later.
        if self.register_directory(scan, rel, real, stat.id) {
            self.mark_for_rescan(rel);
        }
        let names = match self.list_watched(scan, real) {
            Ok(names) => names,
            Err(error) if is_gone(&error) && !rel.is_empty() => {
                self.mark_for_rescan(rel);
                self.wait_for(scan, rel, ScanReason::Found);
                return scan.inbox.settle().note_seen(real.to_owned(), Hint::Gone, scan.now);
            }
            Err(error) => {
                let what = format!("the directory {} cannot be read", real.display());
                let help = match error.kind() {
                    std::io::ErrorKind::FileTooLarge => {
                        "remove files that are not needed, or raise the limit `directory_entries`"
                    }
                    _ => "let the service read and enter it, for example with `chmod a+rx`",
                };
                if failure::passes(&error) {
                    self.retry_later(scan, rel);
                }
                return self.cannot_enter(scan, rel, failure::diagnostic(what, &error, help));
            }
        };
        // If it was exchanged meanwhile, these may be the names of either directory.
        let is_another = match scan.disk.stat(real) {
            Ok(now) => (now.id, now.kind) != (stat.id, Kind::Directory),
            Err(error) => is_gone(&error),
        };
        if is_another {
            self.mark_for_rescan(rel);
            self.wait_for(scan, rel, ScanReason::Found);
            return self.check_again(scan, rel);
        }
        self.unsettled.remove(rel);
        let was_unreadable = self.can_enter(rel);
        self.remarks
            .keep_in(rel, |name| names.iter().any(|(each, _)| each == name));
        let has_ignore = names.iter().any(|(name, _)| name == IGNORE_FILE);
        let ignores_changed = self.read_ignore(scan, rel, real, has_ignore);
        let was_marked = self.take_rescan_mark(rel);
        let deep = scan.deep || was_marked || was_unreadable || ignores_changed;
        let scan = &ScanContext { deep, ..*scan };
        let mut seen = BTreeMap::new();
        for (name, kind) in &names {
            match name.to_str() {
                Some(name) if is_hidden(name) => {}
                Some(name) => drop(seen.insert(name, *kind)),
                None => self.remark_not_utf8(rel, &real.join(name)),
            }
        }
        let mut known = children(&self.nodes, rel);
        known.extend(children(&self.links, rel));
        for name in known.iter().filter(|name| !seen.contains_key(name.as_str())) {
            self.check_real(scan, &join(rel, name), real.join(name), ScanReason::Found);
        }
        let mut new = Vec::new();
        for (name, kind) in &seen {
            let (child, path) = (join(rel, name), real.join(name));
            if *kind == Some(Kind::File) && !known.contains(*name) {
                match self.takes(&child) {
                    true => new.push((child, path)),
                    false if self.excluded_example.is_none() => self.excluded_example = Some(child.into()),
                    false => {}
                }
            } else if deep || !self.is_same_directory(scan, &child, &path) {
                self.check_real(scan, &child, path, ScanReason::Found);
            }
        }
        if deep {
            self.remark_clashes(rel, seen.keys().copied(), &new);
        }
        match scan.afresh {
            // A start reads the files of all directories together, with several threads.
            true => self.new.append(&mut new),
            false => new
                .iter()
                .for_each(|(rel, real)| self.read_in(scan, rel, real, ScanReason::Found)),
        }
    }

    /// Stores a directory under a name, and watches it. Returns true if it is another one than before.
    fn register_directory(&mut self, scan: &ScanContext<'_>, rel: &str, real: &Path, id: FileId) -> bool {
        let before = match self.nodes.get_mut(rel) {
            Some(TreeNode::Directory(directory)) if directory.real == real => {
                let before = std::mem::replace(&mut directory.id, id);
                let renewed = scan.inbox.watched().renew(real);
                if let Err(WatchError::Exhausted(why)) = &renewed {
                    self.exhausted = Some(why.clone());
                }
                self.polled_changed |= before != id;
                self.is_exchanged |= before != id;
                return before != id || renewed.unwrap_or(false);
            }
            Some(TreeNode::Directory(directory)) => Some(std::mem::replace(&mut directory.real, real.to_owned())),
            Some(TreeNode::File { seen, state }) => {
                let (seen, state) = (seen.take(), state.clone());
                self.forget_file(rel, seen.as_ref(), &state);
                self.changed.insert(rel.into(), None);
                self.nodes.remove(rel);
                None
            }
            None => None,
        };
        let claimed = scan.inbox.watched().claim(real, None);
        self.note_exhausted(claimed);
        match before {
            // Names below it stay until they have been checked.
            Some(before) => {
                self.is_exchanged = true;
                if let Some(directory_names) = self.directory_names.get_mut(&before) {
                    directory_names.remove(rel);
                    if directory_names.is_empty() {
                        self.directory_names.remove(&before);
                    }
                }
                scan.inbox.watched().release(&before, None);
            }
            None => {
                self.directories += 1;
                self.remark_name(rel);
                self.wait_for_former_name(scan, id);
            }
        }
        self.directory_names
            .entry(real.to_owned())
            .or_default()
            .insert(rel.into());
        if !rel.is_empty() && self.rules.has_extensions() && self.takes(rel) {
            let message = "this is a directory, but it has the extension of a template".to_owned();
            let help = "rename it without the extension; templates in it are loaded nevertheless";
            self.remark(rel.to_owned(), rel, "directory", message, help);
        }
        let directory = TreeDirectory {
            real: real.to_owned(),
            id,
            unreadable: None,
            needs_rescan: false,
        };
        self.nodes.insert(rel.into(), TreeNode::Directory(Box::new(directory)));
        self.polled_changed = true;
        if scan.recursive {
            // The system adds watches below it later, so events before that are missing: it is checked once more.
            scan.inbox.settle().note_seen(real.to_owned(), Hint::Writing, scan.now);
        }
        self.silent.entry(id.device).or_insert_with(|| scan.disk.silent(real));
        true
    }

    /// Returns true if it is one of the directories above, reached through a link or a mount.
    fn is_cycle(&self, rel: &str, real: &Path, id: FileId) -> bool {
        let mut above = rel;
        while !above.is_empty() {
            above = split(above).0;
            let same = |directory: &TreeDirectory| directory.real == real || (id.device != 0 && directory.id == id);
            if self.directory(above).is_some_and(same) {
                return true;
            }
        }
        false
    }

    /// Returns true if it is deeper than the limit.
    fn is_too_deep(&mut self, rel: &str) -> bool {
        let most = self.limits.depth;
        if rel.is_empty() || rel.split('/').count() <= most {
            return false;
        }
        let message =
            format!("a directory is left out with all that is in it, because it is more than {most} directories deep");
        self.remark(
            rel.to_owned(),
            rel,
            "too-deep",
            message,
            "raise the limit `directory_depth`",
        );
        true
    }

    /// Returns true if there would be more directories than the limit.
    fn is_one_too_many(&mut self, rel: &str) -> bool {
        let most = self.limits.directories;
        if self.directories < most || rel.is_empty() || self.directory(rel).is_some() {
            return false;
        }
        if !self.remarks.has("too-many-directories") {
            let message = format!("there are more than {most} directories, so some are left out, for example");
            let help = "check where links lead, or raise the limit `directories`";
            self.remark(rel.to_owned(), rel, "too-many-directories", message, help);
        }
        true
    }

    fn is_same_directory(&self, scan: &ScanContext<'_>, rel: &str, path: &Path) -> bool {
        let Some(directory) = self.directory(rel) else {
            return false;
        };
        let is_now = || {
            scan.disk
                .stat(path)
                .is_ok_and(|stat| stat.kind == Kind::Directory && stat.id == directory.id)
        };
        !directory.needs_rescan && directory.real == path && is_now()
    }

    /// Lists a directory, after making sure that it is watched.
    fn list_watched(&mut self, scan: &ScanContext<'_>, real: &Path) -> std::io::Result<Vec<(OsString, Option<Kind>)>> {
        let names = scan.disk.list(real, self.limits.entries)?;
        // It was gone when it was to be watched, and is back.
        if !scan.inbox.watched().lacks(real) {
            return Ok(names);
        }
        let renewed = scan.inbox.watched().renew(real).map(drop);
        self.note_exhausted(renewed);
        scan.disk.list(real, self.limits.entries)
    }

    /// Takes the mark of a directory that all that is below it has to be checked. Returns true if it was set.
    fn take_rescan_mark(&mut self, rel: &str) -> bool {
        match self.nodes.get_mut(rel) {
            Some(TreeNode::Directory(directory)) => std::mem::take(&mut directory.needs_rescan),
            _ => false,
        }
    }

    // --- what cannot be read ------------------------------------------------------------------------------------------------

    /// Handles a directory that exists and cannot be read. Names in it stay, unless they can still be checked one by one.
    pub(super) fn cannot_enter(&mut self, scan: &ScanContext<'_>, rel: &str, diagnostic: Diagnostic) {
        if rel.is_empty() {
            let Diagnostic { message, help, .. } = diagnostic;
            self.missing = Some(
                help.into_iter()
                    .fold(message, |message, help| format!("{message}; {help}")),
            );
            self.polled_changed = true;
            return;
        }
        let Some(TreeNode::Directory(directory)) = self.nodes.get_mut(rel) else {
            return;
        };
        if directory.unreadable.is_none() {
            tracing::warn!(path = %directory.real.display(), "{}; its last content is still served", diagnostic.message);
            crate::without_subscriber::warn_without_subscriber(format_args!(
                "{}; its last content is still served",
                diagnostic.message
            ));
            directory.unreadable = Some(diagnostic);
        }
        self.polled.insert(rel.into());
        self.polled_changed = true;
        for child in children(&self.nodes, rel) {
            self.check_one(scan, &join(rel, &child), ScanReason::Found);
        }
    }

    /// Notes that a directory can be read. Returns true if it could not be read before.
    fn can_enter(&mut self, rel: &str) -> bool {
        let Some(TreeNode::Directory(directory)) = self.nodes.get_mut(rel) else {
            return false;
        };
        let was_unreadable = directory.unreadable.take().is_some();
        if was_unreadable {
            self.polled.remove(rel);
            self.polled_changed = true;
        }
        self.failures.forget(rel);
        was_unreadable
    }

    // --- the ignore file ----------------------------------------------------------------------------------------------------

    /// Reads the ignore file of a directory if it changed. Returns true if its text did.
    fn read_ignore(&mut self, scan: &ScanContext<'_>, rel: &str, real: &Path, is_there: bool) -> bool {
        let (path, name) = (real.join(IGNORE_FILE), join(rel, IGNORE_FILE));
        self.unsettled.remove(name.as_str());
        let stat = match is_there.then(|| scan.disk.follow(&path)) {
            Some(Err(error)) if !is_gone(&error) => {
                let diagnostic = failure::diagnostic("its metadata cannot be read", &error, IGNORE_HELP);
                self.keep_ignore(scan, rel, path, diagnostic, failure::passes(&error));
                return false;
            }
            found => found.and_then(Result::ok),
        };
        let Some(stat) = stat.filter(|stat| stat.kind == Kind::File) else {
            let Some(ignore) = self.ignores.get(rel) else {
                return false;
            };
            if scan.forced || ignore.is_lost {
                return self.ignores.remove(rel).is_some();
            }
            self.wait_for(scan, &name, ScanReason::Found);
            scan.inbox.settle().note_seen(path, Hint::Gone, scan.now);
            return false;
        };
        if let Some(ignore) = self.ignores.get_mut(rel) {
            ignore.is_lost = false;
            if !ignore.seen.racy && ignore.seen.is_of(&stat) {
                return false;
            }
        }
        let content = match read(scan.disk, &path, self.limits.ignore_bytes, scan.forced) {
            // It decides at once which other names are checked, so it has to be verified at once.
            FileContent::Text(text, seen, _)
                if !scan.is_whole(&path, &seen, &text)
                    || (self.ignores.contains_key(rel) && scan.is_just_emptied(&seen, &text)) =>
            {
                FileContent::Changing
            }
            content => content,
        };
        match content {
            FileContent::Text(text, seen, _) => {
                let (patterns, wrong) = Patterns::of_file(&text.text);
                let place = path.display().to_string();
                self.remarks.forget(&place, "ignore-unreadable");
                self.remarks.forget(&place, "ignore-pattern");
                self.failures.forget(&name);
                for reason in wrong {
                    let help = "correct the line; the other lines apply";
                    self.remark(place.clone(), &join(rel, IGNORE_FILE), "ignore-pattern", reason, help);
                }
                let differs = self.ignores.get(rel).is_none_or(|ignore| ignore.text != text.text);
                let is_lost = false;
                let ignore = IgnoreFile {
                    seen,
                    text: text.text,
                    patterns,
                    is_lost,
                };
                self.ignores.insert(rel.into(), ignore);
                differs
            }
            FileContent::Unreadable(mut diagnostic, seen) => {
                if diagnostic.code == "too-large" {
                    let bytes = seen.map_or(0, |seen| seen.bytes());
                    let most = self.limits.ignore_bytes;
                    diagnostic.message =
                        format!("an ignore file of {bytes} bytes is larger than the limit of {most} bytes");
                    diagnostic.help = Some("raise the limit `ignore_bytes`".to_owned());
                }
                self.keep_ignore(scan, rel, path, diagnostic, false);
                false
            }
            FileContent::Failed(diagnostic, _) => {
                self.keep_ignore(scan, rel, path, diagnostic, true);
                false
            }
            FileContent::Changing => {
                self.wait_for(scan, &name, ScanReason::Found);
                let mut settle = scan.inbox.settle();
                if !settle.has_event(&path) {
                    settle.note_seen(path, Hint::Writing, scan.now);
                }
                false
            }
            FileContent::Gone => false,
        }
    }

    /// Handles an ignore file that exists and cannot be read. Its former patterns apply.
    fn keep_ignore(&mut self, scan: &ScanContext<'_>, rel: &str, path: PathBuf, diagnostic: Diagnostic, again: bool) {
        let help = diagnostic.help.unwrap_or_default();
        let help = format!("its former patterns still apply; {help}");
        let place = path.display().to_string();
        self.remark(
            place,
            &join(rel, IGNORE_FILE),
            "ignore-unreadable",
            diagnostic.message,
            &help,
        );
        if again {
            self.retry_later(scan, &join(rel, IGNORE_FILE));
        }
    }

    // --- names --------------------------------------------------------------------------------------------------------------

    /// Notes a remark about a new name that other systems do not allow.
    pub(super) fn remark_name(&mut self, rel: &str) {
        let name = split(rel).1;
        if let Some(reason) = unportable(name) {
            let help = "rename it if the templates are ever copied to another system";
            let message = format!("{reason}: `{name}`");
            self.remark(rel.to_owned(), rel, "name-not-portable", message, help);
        }
    }

    fn remark_clashes<'n>(
        &mut self,
        rel: &str,
        names: impl Iterator<Item = &'n str> + Clone,
        new: &[(String, PathBuf)],
    ) {
        // Lowercase ASCII names are the same name only if they are equal.
        let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
        let is_new = |child: &str| new.binary_search_by(|(new, _)| new.as_str().cmp(child)).is_ok();
        let mut clashes = Vec::new();
        if !names.clone().all(plain) {
            let counts = |child: &str| self.nodes.contains_key(child) || is_new(child);
            let mut by_lower: HashMap<String, &str> = HashMap::new();
            for name in names.filter(|name| counts(&join(rel, name))) {
                if let Some(other) = by_lower.insert(composed(name).to_lowercase(), name)
                    && [other, name]
                        .iter()
                        .all(|each| self.stands_for_templates(&join(rel, each)))
                {
                    clashes.push((other, name));
                }
            }
        }
        self.remarks.keep_clashes(rel, &clashes);
        for (one, other) in clashes {
            let (message, help) = match composed(one) == composed(other) {
                true => (
                    format!(
                        "`{one}` looks like another file here, whose name has the same characters in other code points"
                    ),
                    format!(
                        "remove one of them: each is found only by its own name, which is `{}` for this one and `{}` for the other",
                        code_points(one),
                        code_points(other)
                    ),
                ),
                false => (
                    format!("`{one}` and `{other}` are the same name on file systems that ignore case"),
                    "rename one of them if the templates are ever copied to another system".to_owned(),
                ),
            };
            self.remark(join(rel, other), &join(rel, other), CLASH, message, &help);
            self.remarks.note_clash(&join(rel, other), one);
        }
    }

    /// Returns true if a name is that of a template, or of a directory with a template in it, as far as it was read.
    fn stands_for_templates(&self, rel: &str) -> bool {
        let is_inside = |each: &str| each.strip_prefix(rel).is_some_and(|rest| rest.starts_with('/'));
        self.directory(rel).is_none()
            || inside(&self.nodes, rel).any(|each| self.is_file(each))
            || self.new.iter().any(|(each, _)| is_inside(each))
    }

    /// Forgets the clashes of a name that is gone.
    pub(super) fn forget_clashes(&mut self, rel: &str) {
        if !self.remarks.is_empty() {
            let (directory, name) = split(rel);
            self.remarks.forget_clashes(directory, name);
        }
    }

    pub(super) fn in_template(&self, diagnostic: Diagnostic, rel: &str) -> Diagnostic {
        match self.template_name(rel) {
            Some(name) => diagnostic.in_template(&name),
            None => diagnostic,
        }
    }
}

/// Writes a name with its non-ASCII characters as code points, to tell names apart that look the same.
fn code_points(name: &str) -> String {
    name.chars()
        .map(|each| match each.is_ascii() {
            true => each.to_string(),
            false => each.escape_unicode().to_string(),
        })
        .collect()
}
