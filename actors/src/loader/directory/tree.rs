//! [`Tree`]: what the directories held when they were last looked at, and what differs now.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Mount;
use super::read::{Content, Signature, read, signature};
use crate::diagnostic::Diagnostic;
use crate::loader::{Changes, LoaderError};
use crate::template::{Source, TemplateName};

/// Directories inside directories; a link that leads back up ends here at the latest.
const DEPTH_MAX: usize = 64;

/// The files of some mounts.
pub(super) struct Tree {
    mounts: Vec<Mount>,
    bytes_max: usize,
    files: BTreeMap<TemplateName, Option<Signature>>,
}

impl Tree {
    pub(super) fn new(mounts: Vec<Mount>, bytes_max: usize) -> Self {
        Self {
            mounts,
            bytes_max,
            files: BTreeMap::new(),
        }
    }

    pub(super) fn roots(&self) -> impl Iterator<Item = &Path> {
        self.mounts.iter().map(|mount| mount.path.as_path())
    }

    /// Whatever is there is new.
    pub(super) fn forget(&mut self) {
        self.files.clear();
    }

    /// What was hinted at is read when it is looked at next, whatever its stamps say.
    pub(super) fn distrust(&mut self, paths: &[PathBuf]) {
        for path in paths {
            if let Some((_, name)) = self.name_of(path)
                && let Some(known) = self.files.get_mut(&name)
            {
                *known = None;
            }
        }
    }

    /// Looks at every file; with `bytes`, reads every one.
    pub(super) fn look(&mut self, bytes: bool) -> Result<Changes, LoaderError> {
        let mut found = Found::default();
        for (number, mount) in self.mounts.iter().enumerate() {
            match fs::read_dir(&mount.path) {
                Ok(_) => walk(mount, &mount.path, &mut Vec::new(), &mut found),
                Err(error) if number > 0 && is_gone(&error) => {}
                Err(error) => {
                    return Err(LoaderError(format!(
                        "the directory {} cannot be read: {error}",
                        mount.path.display()
                    )));
                }
            }
        }
        let mut changes = Changes::default();
        for name in self.files.keys().filter(|name| !found.has(name)) {
            changes.removed.push(name.clone());
        }
        for name in &changes.removed {
            self.files.remove(name);
        }
        for (name, (path, metadata)) in found.files {
            self.look_at_file(name, &path, &metadata, bytes, &mut changes);
        }
        Ok(changes)
    }

    /// Looks at some paths and what is below them.
    pub(super) fn look_at(&mut self, paths: &[PathBuf]) -> Result<Changes, LoaderError> {
        let mut changes = Changes::default();
        let mut seen = Vec::with_capacity(paths.len());
        // Nothing is taken in before it is clear that these paths suffice.
        for path in paths {
            if self.is_hidden(path) {
                continue;
            }
            let Some((mount, name)) = self.name_of(path) else {
                // The root itself, something above it, or a name that links of a mounted volume go through.
                return self.look(false);
            };
            match fs::metadata(path) {
                Ok(metadata) if metadata.is_file() => {
                    if mount.takes(file_name(path)) {
                        seen.push((name, path, Some(metadata)));
                    }
                }
                Err(error) if is_gone(&error) && !self.has_below(&name) => seen.push((name, path, None)),
                // A directory that came or went, whose files are not named one by one, or something that cannot be seen.
                Ok(_) | Err(_) => return self.look(false),
            }
        }
        for (name, path, metadata) in seen {
            match metadata {
                Some(metadata) => self.look_at_file(name, path, &metadata, true, &mut changes),
                None => self.gone(name, &mut changes),
            }
        }
        Ok(changes)
    }

    fn look_at_file(
        &mut self,
        name: TemplateName,
        path: &Path,
        metadata: &Metadata,
        bytes: bool,
        changes: &mut Changes,
    ) {
        let seen = signature(metadata);
        let known = self.files.get(&name).and_then(Option::as_ref);
        if !bytes && known.is_some_and(|known| !known.racy && known.same_file_state(&seen)) {
            return;
        }
        let content = if metadata.is_dir() {
            Content::Unreadable(directory_in_the_way(), Some(seen))
        } else {
            read(path, self.bytes_max)
        };
        match content {
            Content::Text(text, seen) => {
                self.files.insert(name.clone(), Some(seen));
                changes.changed.push(Source::new(name, text));
            }
            Content::Unreadable(diagnostic, seen) => {
                self.files.insert(name.clone(), seen);
                let diagnostics: Arc<[Diagnostic]> = Arc::new([diagnostic.in_template(&name)]);
                changes.unreadable.push((name, diagnostics));
            }
            Content::Gone => self.gone(name, changes),
        }
    }

    fn gone(&mut self, name: TemplateName, changes: &mut Changes) {
        if self.files.remove(&name).is_some() {
            changes.removed.push(name);
        }
    }

    fn has_below(&self, name: &TemplateName) -> bool {
        let prefix = format!("{name}/");
        let mut after = self
            .files
            .range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
        after.next().is_some_and(|(each, _)| each.as_str().starts_with(&prefix))
    }

    /// Whether it is of no concern: an editor's own files, a repository's. Names that begin with two dots are how mounted volumes
    /// swap what visible links lead to.
    fn is_hidden(&self, path: &Path) -> bool {
        self.roots()
            .filter_map(|root| path.strip_prefix(root).ok())
            .any(|below| {
                below.components().any(|part| {
                    let part = part.as_os_str().as_encoded_bytes();
                    part.starts_with(b".") && !part.starts_with(b"..")
                })
            })
    }

    fn name_of(&self, path: &Path) -> Option<(Mount, TemplateName)> {
        self.mounts.iter().find_map(|mount| {
            let below = path.strip_prefix(&mount.path).ok()?;
            let below: Vec<&str> = below
                .components()
                .map(|part| part.as_os_str().to_str())
                .collect::<Option<_>>()?;
            let name = TemplateName::new(&format!("{}{}", mount.prefix, below.join("/"))).ok()?;
            (!below.is_empty()).then(|| (mount.clone(), name))
        })
    }
}

fn directory_in_the_way() -> Diagnostic {
    Diagnostic::error("directory", "this is a directory, but its name is that of a template")
        .help("rename it without the extension; templates inside of it are loaded all the same")
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// What a walk saw.
#[derive(Default)]
struct Found {
    files: BTreeMap<TemplateName, (PathBuf, Metadata)>,
    /// Names under which, or below which, something could not be seen: whatever is known there stays as it is.
    unseen: Vec<String>,
}

impl Found {
    fn has(&self, name: &TemplateName) -> bool {
        let below = |unseen: &String| {
            let rest = name.as_str().strip_prefix(unseen.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || unseen.is_empty())
        };
        self.files.contains_key(name) || self.unseen.iter().any(below)
    }

    fn cannot_see(&mut self, mount: &Mount, path: &Path, error: &io::Error) {
        if !is_gone(error) {
            tracing::warn!(path = %path.display(), %error, "what is there cannot be seen, so what was stays");
            self.unseen.push(name_below(mount, path));
        }
    }
}

fn name_below(mount: &Mount, path: &Path) -> String {
    let below = path.strip_prefix(&mount.path).unwrap_or(path);
    let below: Vec<_> = below
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    format!("{}{}", mount.prefix, below.join("/"))
}

/// Collects the files of a mount below `directory`.
fn walk(mount: &Mount, directory: &Path, above: &mut Vec<PathBuf>, found: &mut Found) {
    let entries = fs::canonicalize(directory).and_then(|real| Ok((real, fs::read_dir(directory)?)));
    let (real, entries) = match entries {
        Ok(entries) => entries,
        Err(error) => return found.cannot_see(mount, directory, &error),
    };
    if above.len() >= DEPTH_MAX || above.contains(&real) {
        return;
    }
    above.push(real);
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                found.cannot_see(mount, directory, &error);
                continue;
            }
        };
        let file_name = entry.file_name();
        let Some(file_name) = file_name.to_str() else {
            tracing::warn!(path = %entry.path().display(), "a name that is not UTF-8 is left out");
            continue;
        };
        if file_name.starts_with('.') {
            continue;
        }
        let path = entry.path();
        // Follows links: what counts is where they lead.
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => {
                found.cannot_see(mount, &path, &error);
                continue;
            }
        };
        if metadata.is_dir() {
            walk(mount, &path, above, found);
        }
        if !mount.takes(file_name) || !(metadata.is_file() || metadata.is_dir()) {
            continue;
        }
        match TemplateName::new(&name_below(mount, &path)) {
            Ok(name) => {
                found.files.insert(name, (path, metadata));
            }
            Err(error) => tracing::warn!(%error, "a file is left out"),
        }
    }
    above.pop();
}
