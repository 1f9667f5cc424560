//! [`Tree`]: what one root held when it was last looked at, by name, and what each name depends on.
//!
//! Names are paths below the root as people see them, links included; each leads to a real file. One file may have many names. A
//! look takes a name, asks the disk what is there now, and notes what differs. Nothing here knows why it is asked to look, but for
//! how much patience it is to have.

mod directory;
mod file;
mod link;
mod place;
mod remarks;
mod root;
mod ongoing_writes;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::disk::{Disk, FileId, Kind, Stat, is_gone};
use super::failure::{self, Failures};
use super::inbox::{EventQueue, Inbox};
use super::links::ResolvedPath;
use super::read::{Signature, Text};
use super::rules::{CompiledRules, IGNORE_FILE, IgnoreFile, Links, is_hidden};
use super::settle::Hint;
use super::watches::WatchError;
use crate::diagnostic::Diagnostic;
use crate::dialect::Missing;
use crate::limits::Limits;
use crate::template::{Digest, TemplateName};
use ongoing_writes::OngoingWrite;
pub(super) use ongoing_writes::Taken;
use remarks::Remarks;

/// A path below the root, separated by `/`; the root itself is empty.
pub(super) type RelativePath = Arc<str>;

/// One root, as it was when it was last looked at.
pub(super) struct Tree {
    /// What the names of its templates begin with.
    pub(super) prefix: String,
    /// As it was given, absolute.
    pub(super) root: PathBuf,
    sieve: CompiledRules,
    nodes: BTreeMap<RelativePath, TreeNode>,
    links: BTreeMap<RelativePath, TreeLink>,
    ignores: BTreeMap<RelativePath, IgnoreFile>,
    /// Which directories a real one is seen as.
    seen_as: HashMap<PathBuf, BTreeSet<RelativePath>>,
    /// Which names are resolved through a path.
    resolved_through: HashMap<PathBuf, BTreeSet<RelativePath>>,
    /// Which names a file has.
    names: BTreeSet<(FileId, RelativePath)>,
    /// What may change without a word: files that have other names, that are mounted, or that cannot be read.
    wary: BTreeSet<RelativePath>,
    /// File systems that were met, and what those are called that keep changes to themselves.
    pub(super) silent: BTreeMap<u64, Option<String>>,
    /// What paths of its texts mean that lead nowhere.
    pub(super) paths: Missing,
    /// Why the root cannot be looked into now.
    pub(super) missing: Option<String>,
    /// Whether there ever was one.
    pub(super) was_there: bool,
    /// Whether it may come later although it is the first one.
    pub(super) late: bool,
    files: usize,
    directories: usize,
    /// Bytes of what was read of the files.
    bytes: u64,
    /// File systems beside that of the root, and what those are called that are no file systems of files.
    pseudo: BTreeMap<u64, Option<&'static str>>,
    bounds: TreeLimits,
    failures: Failures,
    /// A file that the rules leave out, in case that they leave out all.
    passed_over: Option<RelativePath>,
    /// Set while it is said that they leave out all.
    has_no_match: bool,
    /// Files that a start has found and not read: none between looks.
    new: Vec<(String, PathBuf)>,
    /// Names to look at before the look is over.
    more: Vec<(RelativePath, FileId)>,
    /// What differs, and the text where it was read.
    pub(super) touched: BTreeMap<RelativePath, Option<Text>>,
    /// Whether what has to be polled may differ from what was last asked for.
    pub(super) wariness_changed: bool,
    /// Set when a directory or a link was found to be another one than before.
    pub(super) is_exchanged: bool,
    /// Names that were found, and of which it is not known yet what they stand for now, each since when.
    pub(super) unsettled: BTreeMap<RelativePath, Instant>,
    /// What was read since it was last asked whether anything happened to it meanwhile.
    taken: Vec<Taken>,
    /// Names whose files are being written at each look.
    written: BTreeMap<RelativePath, OngoingWrite>,
    /// How often a file was not whole after it had been waited for.
    pub(super) still_written: u64,
    /// Why directories could not be watched.
    pub(super) exhausted: Option<String>,
    /// What is remarkable about names that no template has, each said once.
    remarks: Remarks,
}

/// How much of what is below a root is taken in.
struct TreeLimits {
    files: usize,
    directories: usize,
    entries: usize,
    bytes: u64,
    depth: usize,
    hops: usize,
    ignore_bytes: usize,
}

enum TreeNode {
    Directory(Box<TreeDirectory>),
    File { seen: Option<Signature>, state: Delivered },
}

/// A symbolic link that is followed.
struct TreeLink {
    leads: ResolvedPath,
    /// What was at its end when it was last looked at.
    met: Option<(FileId, Kind)>,
}

struct TreeDirectory {
    real: PathBuf,
    id: FileId,
    /// Why what is in it cannot be seen.
    unreadable: Option<Diagnostic>,
    /// Whether it may have been away, or another in its place, while something below it was looked at: what was found then counts
    /// for nothing, so it is read deeply when it is entered next.
    unsure: bool,
}

/// What was handed on of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delivered {
    Text(Digest),
    Unreadable(Arc<[Diagnostic]>),
}

impl Delivered {
    /// What it counts for in the bytes of a root: what was not handed on counts for nothing.
    fn bytes(&self, seen: Option<&Signature>) -> u64 {
        match self {
            Self::Text(_) => seen.map_or(0, Signature::bytes),
            Self::Unreadable(_) => 0,
        }
    }
}

/// With what a look is made.
#[derive(Clone, Copy)]
pub(super) struct ScanContext<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) inbox: &'a Inbox,
    pub(super) mounts: &'a std::collections::HashSet<PathBuf>,
    pub(super) now: Instant,
    /// Who hears what happens meanwhile.
    pub(super) ears: &'a dyn EventQueue,
    /// Whether whatever happens to a file that is read can be heard of.
    pub(super) exact: bool,
    /// What is there now counts, half written or not.
    pub(super) forced: bool,
    /// A file that is found and may be half written is waited for.
    pub(super) waits: bool,
    /// Read every file, whatever its stamps say.
    pub(super) bytes: bool,
    /// Note every file that is read, whether it differs or not.
    pub(super) afresh: bool,
    /// Go into every directory.
    pub(super) deep: bool,
    /// Directories are not watched one by one, so there may be changes in a new one before it is watched.
    pub(super) recursive: bool,
    /// For how long a file must not have changed to be taken for whole, in nanoseconds.
    pub(super) settle_nanos: i64,
    /// For how long what is gone may come back.
    pub(super) grace: Duration,
    /// For how long a file that is being written is waited for without a word about it.
    pub(super) settle_max: Duration,
}

impl ScanContext<'_> {
    /// Whether a file changed so short a time ago that somebody may be in the middle of writing it.
    pub(super) fn is_young(&self, changed: i64) -> bool {
        self.disk.clock().saturating_sub(changed) < self.settle_nanos
    }

    /// Whether a file is empty since so short a time that it is about to be written. A save in place empties it first; the kernel says so
    /// a moment after it is done, and whoever does it may be held up before the first write.
    pub(super) fn is_just_emptied(&self, seen: &Signature, text: &Text) -> bool {
        // The clock of the file system may be a little ahead.
        let age = self.disk.clock().saturating_sub(seen.changed).unsigned_abs();
        text.text.is_empty() && Duration::from_nanos(age) < self.settle_max
    }

    /// Whether a file that was read now is whole, as far as can be told: nobody began to write it meanwhile.
    pub(super) fn is_whole(&self, path: &Path, seen: &Signature, text: &Text) -> bool {
        if self.forced || !self.is_young(seen.changed) {
            return self.forced || !self.is_just_emptied(seen, text);
        }
        !self.is_just_emptied(seen, text)
            && (!self.exact || (self.ears.catch_up() && !self.inbox.settle().is_told(path)))
    }
}

/// With how much patience a name is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScanReason {
    /// An event says that it is as somebody wants it.
    Told,
    /// The same, of a file that was known under this name. There may be another by now, of which nothing is said.
    ToldOf(FileId),
    /// It was being written, and has been quiet for a while.
    Quiet,
    /// It is being written, and has been for longer than it is waited for.
    Unsettled,
    /// It is new, and may be about to be written.
    Created,
    /// It is gone, and its grace is over.
    Lost,
    /// Nothing told of it.
    Found,
}

impl From<Hint> for ScanReason {
    fn from(hint: Hint) -> Self {
        match hint {
            Hint::Whole | Hint::Closed | Hint::Attributes => Self::Told,
            Hint::Writing => Self::Quiet,
            Hint::StillWriting => Self::Unsettled,
            Hint::Created => Self::Created,
            Hint::Gone => Self::Lost,
        }
    }
}

/// What has to be looked at from time to time, for nothing tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PolledPaths {
    pub(super) path: PathBuf,
    /// What was there when it was last looked at.
    pub(super) expected: Expected,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// A directory, or something of no concern: nothing differs as long as it is the same one.
    Same(FileId, Kind),
    File(Signature),
    Nothing,
}

impl PolledPaths {
    /// What it means that it differs. Nothing says when somebody who writes a file is done.
    pub(super) fn hint(&self) -> Hint {
        match self.expected {
            Expected::File(_) => Hint::Writing,
            Expected::Same(..) | Expected::Nothing => Hint::Whole,
        }
    }

    /// Whether something else is there now.
    pub(super) fn differs(&self, disk: &dyn Disk) -> bool {
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
    pub(super) fn new(prefix: String, root: PathBuf, sieve: CompiledRules, limits: &Limits) -> Self {
        Self {
            prefix,
            root: std::path::absolute(&root).unwrap_or(root),
            sieve,
            nodes: BTreeMap::new(),
            links: BTreeMap::new(),
            ignores: BTreeMap::new(),
            seen_as: HashMap::new(),
            resolved_through: HashMap::new(),
            names: BTreeSet::new(),
            wary: BTreeSet::new(),
            silent: BTreeMap::new(),
            paths: Missing::Error,
            missing: None,
            was_there: false,
            late: false,
            files: 0,
            directories: 0,
            bytes: 0,
            pseudo: BTreeMap::new(),
            bounds: TreeLimits {
                files: limits.templates,
                directories: limits.directories,
                entries: limits.directory_entries,
                bytes: limits.tree_bytes,
                depth: limits.directory_depth,
                hops: limits.link_hops,
                ignore_bytes: limits.ignore_bytes,
            },
            failures: Failures::new(limits.templates.saturating_add(limits.directories)),
            passed_over: None,
            has_no_match: false,
            new: Vec::new(),
            more: Vec::new(),
            touched: BTreeMap::new(),
            is_exchanged: false,
            unsettled: BTreeMap::new(),
            taken: Vec::new(),
            written: BTreeMap::new(),
            still_written: 0,
            wariness_changed: true,
            exhausted: None,
            remarks: Remarks::new(limits.remarks),
        }
    }

    /// How many files it knows.
    pub(super) fn len(&self) -> usize {
        self.files
    }

    /// How many names cannot be read.
    pub(super) fn unreadable(&self) -> usize {
        let unreadable = |rel: &&RelativePath| match self.nodes.get(*rel) {
            Some(TreeNode::Directory(directory)) => directory.unreadable.is_some(),
            Some(TreeNode::File { state, .. }) => matches!(state, Delivered::Unreadable(_)),
            None => false,
        };
        self.wary.iter().filter(unreadable).count()
    }

    /// What was handed on of a name, if it is one of a template.
    pub(super) fn state(&self, rel: &str) -> Option<Delivered> {
        match self.nodes.get(rel)? {
            TreeNode::File { state, .. } => Some(state.clone()),
            TreeNode::Directory(_) => None,
        }
    }

    /// Each name of a template.
    pub(super) fn templates(&self) -> impl Iterator<Item = &RelativePath> {
        let is_template = |node: &TreeNode| matches!(node, TreeNode::File { .. });
        self.nodes
            .iter()
            .filter(move |(_, node)| is_template(node))
            .map(|(rel, _)| rel)
    }

    /// Where the file of a name is.
    pub(super) fn real(&self, rel: &str) -> Option<PathBuf> {
        if let Some(link) = self.links.get(rel) {
            return link.leads.target.clone();
        }
        let (parent, name) = split(rel);
        Some(self.directory(parent)?.real.join(name))
    }

    /// Whether a name leads to its file without any link.
    pub(super) fn is_plain(&self, rel: &str, real: &Path) -> bool {
        let root = self.directory("");
        root.is_some_and(|root| root.real.join(rel) == real)
    }

    fn directory(&self, rel: &str) -> Option<&TreeDirectory> {
        match self.nodes.get(rel)? {
            TreeNode::Directory(directory) => Some(directory),
            TreeNode::File { .. } => None,
        }
    }

    /// The most that a template may have.
    pub(super) fn bytes_max(&self) -> usize {
        self.sieve.bytes_max
    }

    // --- looking ------------------------------------------------------------------------------------------------------------

    /// Looks at every name that a path has to do with. Answers whether there is any.
    pub(super) fn look_at_path(&mut self, look: &ScanContext<'_>, path: &Path, patience: ScanReason) -> bool {
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

    /// Returns true if a link ends at a path.
    fn ends_at(&self, rel: &str, path: &Path) -> bool {
        let link = self.links.get(rel);
        link.is_some_and(|link| link.leads.target.as_deref() == Some(path))
    }

    fn names_of(&self, id: FileId) -> impl Iterator<Item = RelativePath> + '_ {
        let from = (id, RelativePath::from(""));
        self.names
            .range(from..)
            .take_while(move |(each, _)| *each == id)
            .map(|(_, rel)| RelativePath::clone(rel))
    }

    /// What was at a path has left it. If it is back it is the same as before, but not what was found in it meanwhile.
    pub(super) fn doubt_path(&mut self, path: &Path) {
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
    fn doubt(&mut self, rel: &str) -> bool {
        match self.nodes.get_mut(rel) {
            Some(TreeNode::Directory(directory)) => !std::mem::replace(&mut directory.unsure, true),
            _ => false,
        }
    }

    /// Looks at one name, and at what turns out to have to do with it.
    pub(super) fn look_at(&mut self, look: &ScanContext<'_>, rel: &str, patience: ScanReason) {
        self.look_at_one(look, rel, patience);
        self.read_new(look);
        while let Some((rel, id)) = self.more.pop() {
            self.look_at_one(look, &rel, ScanReason::ToldOf(id));
            self.read_new(look);
        }
    }

    fn look_at_one(&mut self, look: &ScanContext<'_>, rel: &str, patience: ScanReason) {
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
    fn look_at_real(&mut self, look: &ScanContext<'_>, rel: &str, path: PathBuf, patience: ScanReason) {
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
    fn not_found(&mut self, look: &ScanContext<'_>, rel: &str, path: PathBuf, patience: ScanReason) {
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
    fn look_again(&mut self, look: &ScanContext<'_>, rel: &str) {
        if let Some(directory) = self.directory(rel) {
            look.inbox.settle().note_back(directory.real.clone(), look.now);
        }
    }

    /// A name stands for what is at a real path.
    fn put(&mut self, look: &ScanContext<'_>, rel: &str, real: &Path, stat: &Stat, patience: ScanReason) {
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
    fn is_pseudo(&mut self, look: &ScanContext<'_>, rel: &str, real: &Path, stat: &Stat) -> bool {
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
    fn put_aside(&mut self, look: &ScanContext<'_>, rel: &str, patience: ScanReason) {
        match !self.nodes.contains_key(rel) || self.is_lost(look, patience) {
            true => self.remove_node(look, rel),
            false => self.lose(look, rel, patience),
        }
    }

    fn is_file(&self, rel: &str) -> bool {
        matches!(self.nodes.get(rel), Some(TreeNode::File { .. }))
    }

    fn is_lost(&self, look: &ScanContext<'_>, patience: ScanReason) -> bool {
        look.forced || patience == ScanReason::Lost
    }

    /// What a name stood for has its grace from now on.
    fn lose(&mut self, look: &ScanContext<'_>, rel: &str, patience: ScanReason) {
        self.wait_for(look, rel, patience);
        let (parent, name) = split(rel);
        if let Some(directory) = self.directory(parent) {
            let path = directory.real.join(name);
            look.inbox.settle().note_seen(path, Hint::Gone, look.now);
        }
    }

    fn takes(&self, rel: &str) -> bool {
        self.sieve.takes(rel) && !self.is_ignored(rel, false)
    }

    fn enters(&self, rel: &str) -> bool {
        self.sieve.enters(rel) && !self.is_ignored(rel, true)
    }

    /// Whether an ignore file in its directory or one above says so; the nearest that says anything decides.
    fn is_ignored(&self, rel: &str, directory: bool) -> bool {
        if self.ignores.is_empty() {
            return false;
        }
        let mut above = rel;
        while !above.is_empty() {
            above = split(above).0;
            if let Some(ignore) = self.ignores.get(above)
                && let Some(named) = ignore.patterns.names(below(rel, above), directory)
            {
                return named;
            }
        }
        false
    }

    /// Its directory does not hold it. It may be about to come back.
    fn absent(&mut self, look: &ScanContext<'_>, rel: &str, path: PathBuf, patience: ScanReason) {
        if !self.nodes.contains_key(rel) || self.is_lost(look, patience) {
            return self.remove(look, rel);
        }
        self.doubt(rel);
        self.wait_for(look, rel, patience);
        look.inbox.settle().note_seen(path, Hint::Gone, look.now);
    }

    // --- forgetting ---------------------------------------------------------------------------------------------------------

    /// Forgets a name and everything below it.
    fn remove(&mut self, look: &ScanContext<'_>, rel: &str) {
        self.unlink(look, rel);
        self.remove_node(look, rel);
    }

    /// Forgets what a name stands for and everything below it, but not where it leads.
    fn remove_node(&mut self, look: &ScanContext<'_>, rel: &str) {
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

    fn forget_file(&mut self, rel: &str, seen: Option<&Signature>, state: &Delivered) {
        self.files -= 1;
        self.end_written(rel);
        self.bytes -= state.bytes(seen);
        if let Some(seen) = seen {
            self.names.remove(&(seen.id, rel.into()));
        }
    }

    fn forget_directory(&mut self, look: &ScanContext<'_>, rel: &str, directory: &TreeDirectory) {
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
    fn cannot_see(&mut self, look: &ScanContext<'_>, rel: &str, error: &std::io::Error) {
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
    fn try_again(&mut self, look: &ScanContext<'_>, rel: &str) {
        let Some(path) = self.path_of(rel) else { return };
        let until = look.now + self.failures.note(rel);
        look.inbox.settle().note_again(path, look.now, until);
    }

    /// Returns how many names could not be looked at when that was tried last.
    #[cfg(test)]
    pub(super) fn failures(&self) -> usize {
        self.failures.len()
    }

    /// Notes a remark about a name in a directory, once.
    fn remark(&mut self, place: String, rel: &str, code: &'static str, message: String, help: &str) {
        let (directory, name) = split(rel);
        self.remarks
            .note(place, directory.into(), name.into(), code, message, help);
    }

    /// It is no link that is left out.
    fn forget_link_remark(&mut self, path: &Path) {
        if !self.remarks.is_empty() {
            self.remarks.forget(&path.display().to_string(), "link");
        }
    }

    fn remark_not_utf8(&mut self, directory: &str, path: &Path) {
        let help = "rename it, for example to plain ASCII";
        let name = path.file_name().unwrap_or_default().to_owned();
        let message = "a name that is not UTF-8 is left out".to_owned();
        let place = path.display().to_string();
        self.remarks
            .note(place, directory.into(), name, "name-not-utf8", message, help);
    }

    /// What is remarkable: names, and what cannot be looked into.
    pub(super) fn remarks(&self) -> impl Iterator<Item = Diagnostic> {
        let closed = self
            .wary
            .iter()
            .filter_map(|rel| self.directory(rel)?.unreadable.clone());
        self.remarks.all().chain(closed)
    }

    /// Says so if the rules leave out every file that there is.
    pub(super) fn remark_no_match(&mut self) {
        let has_no_match = self.files == 0 && self.missing.is_none() && self.passed_over.is_some();
        if std::mem::replace(&mut self.has_no_match, has_no_match) == has_no_match {
            return;
        }
        let place = self.root.display().to_string();
        match &self.passed_over {
            Some(example) if has_no_match => {
                let message = format!("no file is taken by the rules, `{example}` for example is not, in");
                let help = format!(
                    "{}; see `extensions`, `include` and `exclude` (`[files]` of hotplate.toml)",
                    self.sieve.extensions_in_words()
                );
                self.remarks
                    .note(place, "".into(), "".into(), "no-match", message, &help);
            }
            _ => self.remarks.forget(&place, "no-match"),
        }
    }

    /// The name of the template that a name below this root is, if it is a valid one.
    pub(super) fn template_name(&self, rel: &str) -> Option<TemplateName> {
        TemplateName::new(&format!("{}{rel}", self.prefix)).ok()
    }

    fn note_exhausted(&mut self, result: Result<(), WatchError>) {
        if let Err(WatchError::Exhausted(why)) = result {
            self.exhausted = Some(why);
        }
    }

    // --- what nothing tells of ----------------------------------------------------------------------------------------------

    /// What has to be looked at from time to time.
    pub(super) fn wary(&self) -> Vec<PolledPaths> {
        let mut wary = vec![PolledPaths {
            path: self.root.clone(),
            expected: match self.directory("") {
                Some(root) if self.missing.is_none() => Expected::Same(root.id, Kind::Directory),
                _ => Expected::Nothing,
            },
        }];
        let linked = self.links.keys().filter(|rel| !rel.is_empty());
        for rel in linked.chain(self.wary.iter().filter(|rel| !self.links.contains_key(*rel))) {
            let (parent, name) = split(rel);
            let Some(directory) = self.directory(parent) else {
                continue;
            };
            let expected = match self.nodes.get(rel) {
                Some(TreeNode::Directory(directory)) => Expected::Same(directory.id, Kind::Directory),
                Some(TreeNode::File { seen: Some(seen), .. }) => Expected::File(seen.clone()),
                Some(TreeNode::File { seen: None, .. }) => Expected::Nothing,
                // A link that leads nowhere, back up, or to what the rules leave out.
                None => match self.links.get(rel).map(|link| link.met) {
                    Some(Some((id, kind))) => Expected::Same(id, kind),
                    Some(None) => Expected::Nothing,
                    None => continue,
                },
            };
            wary.push(PolledPaths {
                path: directory.real.join(name),
                expected,
            });
        }
        wary
    }

    /// Looks at each file that is known, by its stamps.
    pub(super) fn sweep(&mut self, look: &ScanContext<'_>) {
        let files: Vec<RelativePath> = self.templates().cloned().collect();
        for rel in files {
            self.look_at(look, &rel, ScanReason::Found);
        }
    }
}

/// A name's directory and its last component.
fn split(rel: &str) -> (&str, &str) {
    rel.rsplit_once('/').unwrap_or(("", rel))
}

fn join(parent: &str, name: &str) -> String {
    let mut rel = String::with_capacity(parent.len() + 1 + name.len());
    rel.push_str(parent);
    if !parent.is_empty() {
        rel.push('/');
    }
    rel.push_str(name);
    rel
}

/// What follows a directory's name and the separator.
fn below<'a>(rel: &'a str, directory: &str) -> &'a str {
    match directory {
        "" => rel,
        directory => rel.get(directory.len() + 1..).unwrap_or_default(),
    }
}

/// The names below one.
fn inside<'a, T>(map: &'a BTreeMap<RelativePath, T>, rel: &str) -> impl Iterator<Item = &'a RelativePath> {
    let prefix = match rel {
        "" => String::new(),
        rel => format!("{rel}/"),
    };
    let from = match rel {
        "" => Bound::Excluded(""),
        _ => Bound::Included(prefix.as_str()),
    };
    let inside = map.range::<str, _>((from, Bound::Unbounded));
    inside
        .map(|(each, _)| each)
        .take_while(move |each| each.starts_with(&prefix))
}

/// The last components of the names directly below one.
fn children<T>(map: &BTreeMap<RelativePath, T>, rel: &str) -> BTreeSet<String> {
    let mut children = BTreeSet::new();
    let mut after = Bound::Excluded(match rel {
        "" => String::new(),
        rel => format!("{rel}/"),
    });
    while let Some((each, _)) = map
        .range::<str, _>((after.as_ref().map(String::as_str), Bound::Unbounded))
        .next()
    {
        if !rel.is_empty() && each.strip_prefix(rel).is_none_or(|rest| !rest.starts_with('/')) {
            break;
        }
        let child = below(each, rel).split('/').next().unwrap_or_default();
        let full = join(rel, child);
        // `0` follows the separator, so what is below the child is skipped and nothing else.
        after = match full.len() == each.len() {
            true => Bound::Excluded(full),
            false => Bound::Included(format!("{full}0")),
        };
        children.insert(child.to_owned());
    }
    children
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_and_what_is_inside_are_found_whatever_stands_between() {
        let names = ["", "a", "a-b", "a.html", "a/x", "a/y/z", "a0", "b/c/d"];
        let map: BTreeMap<RelativePath, ()> = names.map(|name| (name.into(), ())).into();
        let found = |rel| children(&map, rel).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(found(""), "a a-b a.html a0 b");
        assert_eq!(found("a"), "x y");
        assert_eq!(found("a/x"), "");
        let within = |rel| inside(&map, rel).map(AsRef::as_ref).collect::<Vec<_>>().join(" ");
        assert_eq!(within("a"), "a/x a/y/z");
        assert_eq!(within("").split(' ').count(), 7);
    }
}
