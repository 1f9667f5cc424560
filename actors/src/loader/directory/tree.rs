//! [`Tree`]: the content of one root at its last check, by name, and the index of what each name depends on.
//!
//! Names are paths below the root as people see them, links included; each leads to a real file. One file may have many names. A
//! check ([`check`]) takes a name, asks the disk what is there now, and notes what differs. Its only knowledge of the cause is the
//! [`ScanReason`].

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
use crate::template::{Digest, RootLanguage, TemplateName};
pub(super) use context::{ScanContext, ScanReason};
use names::{below, children, inside, join, split};
use ongoing_writes::OngoingWrite;
pub(super) use ongoing_writes::UnverifiedRead;
pub(super) use polled::PolledPath;
use remarks::Remarks;

/// A path below the root, separated by `/`; the root itself is empty.
pub(super) type RelativePath = Arc<str>;

/// One root, as it was at its last check.
pub(super) struct Tree {
    /// The prefix of the names of its templates.
    pub(super) prefix: String,
    /// The path of the root, absolute, with links as they were given.
    pub(super) root: PathBuf,
    rules: CompiledRules,
    nodes: BTreeMap<RelativePath, TreeNode>,
    links: BTreeMap<RelativePath, TreeLink>,
    ignores: BTreeMap<RelativePath, IgnoreFile>,
    /// The names of each real directory: links and mounts give it several.
    directory_names: HashMap<PathBuf, BTreeSet<RelativePath>>,
    /// The names that are resolved through each path, which links on the way make depend on it.
    resolved_through: HashMap<PathBuf, BTreeSet<RelativePath>>,
    /// The names of each file, ordered by file.
    names: BTreeSet<(FileId, RelativePath)>,
    /// Names that may change without an event, so that they are polled: files with other names, mounts, and what cannot be read.
    polled: BTreeSet<RelativePath>,
    /// The file systems below the root by device, with the name of each that does not report every change.
    pub(super) silent: BTreeMap<u64, Option<String>>,
    /// The language of its texts.
    pub(super) language: RootLanguage,
    /// The reason why the root cannot be read now.
    pub(super) missing: Option<String>,
    /// Set once the root has existed.
    pub(super) was_there: bool,
    /// Set if the root may be created later although it is the first one.
    pub(super) late: bool,
    /// Set if the root may be left out from one process to the next.
    pub(super) supplementary: bool,
    files: usize,
    directories: usize,
    /// The bytes of the texts that were reported.
    bytes: u64,
    /// The file systems other than that of the root by device, with the name of each that stores no files.
    pseudo: BTreeMap<u64, Option<&'static str>>,
    limits: TreeLimits,
    failures: Failures,
    /// A file that the rules exclude, as an example in case that they exclude all.
    excluded_example: Option<RelativePath>,
    /// Set while a remark says that the rules exclude all files.
    no_match: bool,
    /// Files that a start has found and not read yet. Empty between syncs.
    new: Vec<(String, PathBuf)>,
    /// Names to check before the current check ends, with the file that they are names of.
    queued: Vec<(RelativePath, FileId)>,
    /// The names that differ, with the text where it was read.
    pub(super) changed: BTreeMap<RelativePath, Option<Text>>,
    /// Set if the paths to poll may differ from those that were taken last.
    pub(super) polled_changed: bool,
    /// Set when a directory or a link was found to be exchanged.
    pub(super) is_exchanged: bool,
    /// Names whose state is not known yet, each with the time since which it is awaited.
    pub(super) unsettled: BTreeMap<RelativePath, Instant>,
    /// The known directories that disappeared and have not had their grace period yet, by identity.
    leaving: HashMap<FileId, RelativePath>,
    /// Reads that were not verified yet.
    unverified: Vec<UnverifiedRead>,
    /// Names whose files were being written at each check.
    ongoing_writes: BTreeMap<RelativePath, OngoingWrite>,
    /// The number of times that a file was still being written after the longest wait.
    pub(super) still_written: u64,
    /// The reason why a directory could not be watched.
    pub(super) exhausted: Option<String>,
    /// Remarks about names that are no templates, each logged once.
    remarks: Remarks,
}

/// The limits of what is read below one root.
struct TreeLimits {
    files: usize,
    directories: usize,
    entries: usize,
    bytes: u64,
    depth: usize,
    hops: usize,
    ignore_bytes: usize,
}

/// The meaning of a name: a directory that is entered, or a file that is a template.
enum TreeNode {
    Directory(Box<TreeDirectory>),
    File { seen: Option<Signature>, state: Delivered },
}

/// A symbolic link that is followed, with the outcome of resolving it.
struct TreeLink {
    resolved: ResolvedPath,
    /// The file at its end at the last check.
    target_found: Option<(FileId, Kind)>,
}

/// A directory that is entered.
struct TreeDirectory {
    real: PathBuf,
    id: FileId,
    /// The reason why it cannot be read.
    unreadable: Option<Diagnostic>,
    /// Set if it may have been gone or exchanged while something below it was checked. What was found then proves nothing, so the next
    /// check goes into all that is below it.
    needs_rescan: bool,
}

/// The state of a name that was reported last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delivered {
    Text(Digest),
    Unreadable(Arc<[Diagnostic]>),
}

impl Delivered {
    /// Returns the bytes that count for the limit of the root: a text that was not reported counts for none.
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
            language: (Missing::Error, None),
            missing: None,
            was_there: false,
            late: false,
            supplementary: false,
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
            leaving: HashMap::new(),
            unverified: Vec::new(),
            ongoing_writes: BTreeMap::new(),
            still_written: 0,
            polled_changed: true,
            exhausted: None,
            remarks: Remarks::new(limits.remarks),
        }
    }

    /// Returns the number of known files.
    pub(super) fn len(&self) -> usize {
        self.files
    }

    /// Returns the number of names that cannot be read.
    pub(super) fn unreadable(&self) -> usize {
        let unreadable = |rel: &&RelativePath| match self.nodes.get(*rel) {
            Some(TreeNode::Directory(directory)) => directory.unreadable.is_some(),
            Some(TreeNode::File { state, .. }) => matches!(state, Delivered::Unreadable(_)),
            None => false,
        };
        self.polled.iter().filter(unreadable).count()
    }

    /// Returns the reported state of a name, if it is one of a template.
    pub(super) fn state(&self, rel: &str) -> Option<Delivered> {
        match self.nodes.get(rel)? {
            TreeNode::File { state, .. } => Some(state.clone()),
            TreeNode::Directory(_) => None,
        }
    }

    /// Returns each name of a template.
    pub(super) fn templates(&self) -> impl Iterator<Item = &RelativePath> {
        let is_template = |node: &TreeNode| matches!(node, TreeNode::File { .. });
        self.nodes
            .iter()
            .filter(move |(_, node)| is_template(node))
            .map(|(rel, _)| rel)
    }

    /// Returns the real path of the file of a name.
    pub(super) fn real(&self, rel: &str) -> Option<PathBuf> {
        if let Some(link) = self.links.get(rel) {
            return link.resolved.target.clone();
        }
        let (parent, name) = split(rel);
        Some(self.directory(parent)?.real.join(name))
    }

    /// Returns true if a name leads to its file without any link.
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

    /// Returns the most bytes that a template may have.
    pub(super) fn bytes_max(&self) -> usize {
        self.rules.bytes_max
    }

    /// Returns true if a name is a link that ends at a path.
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

    /// Returns true if an ignore file excludes a name. The nearest one with a matching pattern decides.
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

    /// Returns the name of the template for a name below this root, if that is a valid one.
    pub(super) fn template_name(&self, rel: &str) -> Option<TemplateName> {
        TemplateName::new(&format!("{}{rel}", self.prefix)).ok()
    }

    fn note_exhausted(&mut self, result: Result<(), WatchError>) {
        if let Err(WatchError::Exhausted(why)) = result {
            self.exhausted = Some(why);
        }
    }
}
