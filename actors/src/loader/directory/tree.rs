//! [`Tree`]: what one root held when it was last looked at, by name, and what each name depends on.
//!
//! Names are paths below the root as people see them, links included; each leads to a real file. One file may have many names. A
//! look takes a name, asks the disk what is there now, and notes what differs. Nothing here knows why it is asked to look, but for
//! how much patience it is to have.

mod check;
mod context;
mod directory;
mod file;
mod link;
mod names;
mod ongoing_writes;
mod place;
mod polled;
mod remarks;
mod root;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::disk::{FileId, Kind};
use super::failure::Failures;
use super::links::ResolvedPath;
use super::read::{Signature, Text};
use super::rules::{CompiledRules, IgnoreFile, Links};
use super::watches::WatchError;
use crate::diagnostic::Diagnostic;
use crate::dialect::Missing;
use crate::limits::Limits;
use crate::template::{Digest, TemplateName};
pub(super) use context::{ScanContext, ScanReason};
use names::{below, children, inside, join, split};
use ongoing_writes::OngoingWrite;
pub(super) use ongoing_writes::UnverifiedRead;
pub(super) use polled::PolledPath;
use remarks::Remarks;

/// A path below the root, separated by `/`; the root itself is empty.
pub(super) type RelativePath = Arc<str>;

/// One root, as it was when it was last looked at.
pub(super) struct Tree {
    /// What the names of its templates begin with.
    pub(super) prefix: String,
    /// As it was given, absolute.
    pub(super) root: PathBuf,
    rules: CompiledRules,
    nodes: BTreeMap<RelativePath, TreeNode>,
    links: BTreeMap<RelativePath, TreeLink>,
    ignores: BTreeMap<RelativePath, IgnoreFile>,
    /// Which directories a real one is seen as.
    directory_names: HashMap<PathBuf, BTreeSet<RelativePath>>,
    /// Which names are resolved through a path.
    resolved_through: HashMap<PathBuf, BTreeSet<RelativePath>>,
    /// Which names a file has.
    names: BTreeSet<(FileId, RelativePath)>,
    /// What may change without a word: files that have other names, that are mounted, or that cannot be read.
    polled: BTreeSet<RelativePath>,
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
    limits: TreeLimits,
    failures: Failures,
    /// A file that the rules leave out, in case that they leave out all.
    excluded_example: Option<RelativePath>,
    /// Set while it is said that they leave out all.
    no_match: bool,
    /// Files that a start has found and not read: none between looks.
    new: Vec<(String, PathBuf)>,
    /// Names to look at before the look is over.
    queued: Vec<(RelativePath, FileId)>,
    /// What differs, and the text where it was read.
    pub(super) changed: BTreeMap<RelativePath, Option<Text>>,
    /// Whether what has to be polled may differ from what was last asked for.
    pub(super) polled_changed: bool,
    /// Set when a directory or a link was found to be another one than before.
    pub(super) is_exchanged: bool,
    /// Names that were found, and of which it is not known yet what they stand for now, each since when.
    pub(super) unsettled: BTreeMap<RelativePath, Instant>,
    /// What was read since it was last asked whether anything happened to it meanwhile.
    unverified: Vec<UnverifiedRead>,
    /// Names whose files are being written at each look.
    ongoing_writes: BTreeMap<RelativePath, OngoingWrite>,
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
    resolved: ResolvedPath,
    /// What was at its end when it was last looked at.
    target_found: Option<(FileId, Kind)>,
}

struct TreeDirectory {
    real: PathBuf,
    id: FileId,
    /// Why what is in it cannot be seen.
    unreadable: Option<Diagnostic>,
    /// Whether it may have been away, or another in its place, while something below it was looked at: what was found then counts
    /// for nothing, so it is read deeply when it is entered next.
    needs_rescan: bool,
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

impl Tree {
    pub(super) fn new(prefix: String, root: PathBuf, rules: CompiledRules, limits: &Limits) -> Self {
        Self {
            prefix,
            root: std::path::absolute(&root).unwrap_or(root),
            rules,
            nodes: BTreeMap::new(),
            links: BTreeMap::new(),
            ignores: BTreeMap::new(),
            directory_names: HashMap::new(),
            resolved_through: HashMap::new(),
            names: BTreeSet::new(),
            polled: BTreeSet::new(),
            silent: BTreeMap::new(),
            paths: Missing::Error,
            missing: None,
            was_there: false,
            late: false,
            files: 0,
            directories: 0,
            bytes: 0,
            pseudo: BTreeMap::new(),
            limits: TreeLimits {
                files: limits.templates,
                directories: limits.directories,
                entries: limits.directory_entries,
                bytes: limits.tree_bytes,
                depth: limits.directory_depth,
                hops: limits.link_hops,
                ignore_bytes: limits.ignore_bytes,
            },
            failures: Failures::new(limits.templates.saturating_add(limits.directories)),
            excluded_example: None,
            no_match: false,
            new: Vec::new(),
            queued: Vec::new(),
            changed: BTreeMap::new(),
            is_exchanged: false,
            unsettled: BTreeMap::new(),
            unverified: Vec::new(),
            ongoing_writes: BTreeMap::new(),
            still_written: 0,
            polled_changed: true,
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
        self.polled.iter().filter(unreadable).count()
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
            return link.resolved.target.clone();
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
        self.rules.bytes_max
    }

    /// Returns true if a link ends at a path.
    fn ends_at(&self, rel: &str, path: &Path) -> bool {
        let link = self.links.get(rel);
        link.is_some_and(|link| link.resolved.target.as_deref() == Some(path))
    }

    fn names_of(&self, id: FileId) -> impl Iterator<Item = RelativePath> + '_ {
        let from = (id, RelativePath::from(""));
        self.names
            .range(from..)
            .take_while(move |(each, _)| *each == id)
            .map(|(_, rel)| RelativePath::clone(rel))
    }

    fn takes(&self, rel: &str) -> bool {
        self.rules.takes(rel) && !self.is_ignored(rel, false)
    }

    fn enters(&self, rel: &str) -> bool {
        self.rules.enters(rel) && !self.is_ignored(rel, true)
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

    /// The name of the template that a name below this root is, if it is a valid one.
    pub(super) fn template_name(&self, rel: &str) -> Option<TemplateName> {
        TemplateName::new(&format!("{}{rel}", self.prefix)).ok()
    }

    fn note_exhausted(&mut self, result: Result<(), WatchError>) {
        if let Err(WatchError::Exhausted(why)) = result {
            self.exhausted = Some(why);
        }
    }
}
