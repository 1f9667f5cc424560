//! The store: the last published versions on disk, so that the next start serves them at once.
//!
//! ```text
//! DIR/STORE               format number, a digest, and the sources whose templates these are
//! DIR/CURRENT, PREVIOUS   pointers: the number and digest of a manifest
//! DIR/manifests/<number>  a version: the name, digest and language of each text, and the texts of stale templates
//! DIR/blobs/ab/<digest>   a text, named by its digest
//! DIR/LOCK                held while somebody writes; the system releases it when a process ends
//! ```
//!
//! **Order.** Each file is written under another name, synced, renamed, and its directory is synced. Texts come first, then the manifest,
//! then `PREVIOUS`, and `CURRENT` last. So wherever a process or the machine stops, `CURRENT` names a manifest that is whole, and a version
//! that was acknowledged stays.
//!
//! **Damage.** Every file begins with, or is named by, a digest. Opening uses nothing that does not match, says what is damaged, and
//! falls back to the newest manifest that is whole: a manifest is durable before a pointer names it, so the last version that was
//! acknowledged is among them, however the pointers are damaged. A damaged text is written again with the next version that has it. While
//! the process runs, the texts of the version are inspected in turn (`inspection`); what is missing or was changed is written again.
//!
//! **Several processes** may share a store if they load from the same sources. Everything is written under the lock. A manifest has the
//! number of its version, or the next free one if another process has used that. The process that writes last decides `CURRENT`, so an
//! acknowledged version is only ever replaced by a later one.
//!
//! **Size.** The last `keep` manifests are kept, and the texts that they name. The uses of texts are counted in memory while no other
//! process writes, so the work of a version is that of its manifest and its new texts.

#[cfg(test)]
mod crashes;
pub(crate) mod files;
mod inspection;
pub(crate) mod manifest;
mod read;
#[cfg(test)]
pub(crate) mod simulated;
pub(crate) mod state;
#[cfg(test)]
mod tests;
pub(crate) mod version;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::kept::StoredVersionInfo;
use crate::template::{Digest, TemplateName};

use files::Files;
use manifest::Pointer;
use version::{StoredBody, StoredVersion, has_digest};

/// The largest manifest that is read. It has room for a million names of the usual length.
const MANIFEST_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// The largest text that is stored.
pub(crate) const TEXT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The largest pointer, and the largest file `STORE`.
const SMALL_BYTES_MAX: u64 = 64 * 1024;
/// The time between two attempts to get the lock, and their number: five seconds together.
const LOCK_PAUSE: Duration = Duration::from_millis(10);
const LOCK_ATTEMPTS: usize = 500;
/// The number of versions that are kept at least: `CURRENT` and `PREVIOUS`.
pub(crate) const KEEP_MIN: usize = 2;

/// The store of an engine: its directory, and how much it keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreOptions {
    /// The directory, which is created if its parent exists.
    pub directory: PathBuf,
    /// Versions that are kept; two at least.
    pub keep: usize,
}

impl StoreOptions {
    /// Keeps the last 32 versions in a directory.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            keep: 32,
        }
    }

    /// Sets the number of versions that are kept; two at least.
    #[must_use]
    pub fn keep(mut self, versions: usize) -> Self {
        self.keep = versions;
        self
    }
}

/// The last published versions in a directory.
#[derive(Debug)]
pub(crate) struct Store {
    directory: PathBuf,
    files: Arc<dyn Files>,
    keep: usize,
    /// The sources of the templates, which must be the same for all processes that share the store.
    sources: Vec<String>,
    /// The content of the directory, as long as nobody else writes to it.
    known: Option<KnownContent>,
    /// The texts that were found damaged, and are to be written again.
    damaged: HashSet<Digest>,
    /// The manifests that were found damaged, which never become `PREVIOUS`.
    unusable: HashSet<u64>,
    /// The position in a version from which texts are inspected next.
    inspected: usize,
    /// The position in a version from which texts are read and compared with their digests next.
    read_again: usize,
    /// The problems that were found while versions were written.
    found: Vec<String>,
    /// The versions whose manifests were read to be listed; `None` for one that is damaged.
    listed: BTreeMap<u64, Option<StoredVersionInfo>>,
}

/// The content of the directory.
#[derive(Debug, Default)]
struct KnownContent {
    current: Option<Pointer>,
    manifests: BTreeSet<u64>,
    /// The number of manifests that name each text.
    uses: HashMap<Digest, usize>,
    /// The texts on disk. One that was damaged is named and not there.
    texts: HashSet<Digest>,
    /// The two characters of each directory below `blobs` that exists.
    directories: HashSet<String>,
}

/// The result of opening a store.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    /// The version to serve, if one is whole. Its number is that of its manifest.
    pub(crate) version: Option<StoredVersion>,
    /// A sentence for each file that was damaged or missing.
    pub(crate) problems: Vec<String>,
}

/// An error of a store or of an audit log. Each names the file, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A step of reading or writing failed.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// The step that failed, as a verb.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The file that identifies the store is not one, is damaged, or is of another format.
    #[error("{} cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The reason, and what to do.
        reason: String,
    },
    /// The store belongs to templates of other sources.
    #[error(
        "the store {} has the templates of {stored}, and this process loads {loaded}: use another directory, or remove {} if the \
         templates have moved", directory.display(), directory.join("STORE").display()
    )]
    OtherSources {
        /// The directory of the store.
        directory: PathBuf,
        /// The sources of the stored templates.
        stored: String,
        /// The sources of this process.
        loaded: String,
    },
    /// Another process holds the lock for too long.
    #[error("another process has held {} for 5 s: look for one that hangs", path.display())]
    Locked {
        /// The file of the lock.
        path: PathBuf,
    },
    /// A loader delivered a text with a digest that is not that of the text.
    #[error("`{name}` cannot be stored, because its loader gave a digest that is not that of its text")]
    WrongDigest {
        /// The template.
        name: TemplateName,
    },
    /// A version cannot be written as a manifest.
    #[error("version {version} cannot be stored: {reason}")]
    Manifest {
        /// The version.
        version: crate::version::Version,
        /// The reason.
        reason: String,
    },
}

impl Store {
    /// Creates a store in a directory. Nothing is read or written yet.
    pub(crate) fn new(directory: PathBuf, files: Arc<dyn Files>, keep: usize, sources: Vec<String>) -> Self {
        Self {
            directory,
            files,
            keep: keep.max(KEEP_MIN),
            sources,
            known: None,
            damaged: HashSet::new(),
            unusable: HashSet::new(),
            inspected: 0,
            read_again: 0,
            found: Vec::new(),
            listed: BTreeMap::new(),
        }
    }

    /// Returns the version of `CURRENT`, or else that of the newest manifest that is whole. Writes nothing.
    ///
    /// # Errors
    /// [`StoreError`] if the directory has a store of another format or of other sources, or cannot be read.
    pub(crate) fn open(&mut self) -> Result<Opened, StoreError> {
        let mut opened = Opened::default();
        let [current, previous] = ["CURRENT", "PREVIOUS"].map(|name| {
            self.pointer(&self.directory.join(name)).unwrap_or_else(|problem| {
                opened.problems.push(problem);
                None
            })
        });
        // Without the file `STORE`, which an operator removes when the templates have moved, the versions are still good.
        if !self.check_identity()? && current.or(previous).is_none() && opened.problems.is_empty() {
            return Ok(opened);
        }
        if let Some(pointer) = current {
            match self.version(pointer.number, Some(pointer.manifest)) {
                Ok(version) => {
                    opened.version = Some(version);
                    return Ok(opened);
                }
                Err(problem) => {
                    self.unusable.insert(pointer.number);
                    opened.problems.push(problem);
                }
            }
        }
        // Numbers only grow, so the newest manifest is that of the last version that was acknowledged, or of the one after it.
        let numbers = self.manifests()?.into_iter().rev();
        for number in numbers.filter(|number| current.is_none_or(|current| current.number != *number)) {
            let expected = previous.filter(|previous| previous.number == number);
            match self.version(number, expected.map(|previous| previous.manifest)) {
                Ok(version) => {
                    opened.version = Some(version);
                    break;
                }
                Err(problem) => {
                    self.unusable.insert(number);
                    opened.problems.push(problem);
                }
            }
        }
        Ok(opened)
    }

    /// Stores a version, which is durable when this returns. Returns false if it is what `CURRENT` has already.
    ///
    /// # Errors
    /// [`StoreError`]; what was stored before is intact.
    pub(crate) fn write(&mut self, mut version: StoredVersion) -> Result<bool, StoreError> {
        version.sort();
        let written = self.write_sorted(&version);
        if written.is_err() {
            // What is on disk now depends on the step that failed.
            self.known = None;
        }
        written
    }

    fn write_sorted(&mut self, version: &StoredVersion) -> Result<bool, StoreError> {
        self.create_directories()?;
        let _lock = self.lock()?;
        if !self.check_identity()? {
            self.write_identity()?;
        }
        // A pointer that is damaged is replaced like one that is missing.
        let current = self.pointer(&self.directory.join("CURRENT")).unwrap_or_default();
        let mut known = match self.known.take() {
            Some(known) if known.current == current && current.is_some() => known,
            _ => self.scan(current)?,
        };
        let (bytes, digest) = manifest::to_bytes(version).map_err(|error| StoreError::Manifest {
            version: version.version,
            reason: error.to_string(),
        })?;
        if current.is_some_and(|current| current.manifest == digest) && self.damaged.is_empty() {
            self.read_texts_again(version, &mut known, inspection::READ_IN_CHECK);
            self.write_texts(version, &mut known)?;
            self.known = Some(known);
            return Ok(false);
        }
        self.inspect_texts(version, &mut known);
        self.read_texts_again(version, &mut known, inspection::READ_WITH_VERSION);
        self.write_texts(version, &mut known)?;
        let last = current
            .map(|current| current.number)
            .max(known.manifests.last().copied());
        let number = version.version.number().max(last.unwrap_or_default() + 1);
        self.write_file(&self.manifest_path(number), &bytes)?;
        self.sync_directory(&self.directory.join("manifests"))?;
        known.manifests.insert(number);
        let digests: HashSet<Digest> = version.digests().collect();
        for digest in digests {
            *known.uses.entry(digest).or_default() += 1;
        }
        let pointer = Pointer {
            number,
            manifest: digest,
        };
        if let Some(current) = current.filter(|current| !self.unusable.contains(&current.number)) {
            self.write_file(&self.directory.join("PREVIOUS"), &current.to_bytes())?;
        }
        self.write_file(&self.directory.join("CURRENT"), &pointer.to_bytes())?;
        self.sync_directory(&self.directory)?;
        known.current = Some(pointer);
        self.known = match self.collect_garbage(&mut known, current) {
            Ok(()) => Some(known),
            // The version is durable. What is left over is found by the next scan.
            Err(error) => {
                tracing::warn!(%error, "old versions cannot be removed from the store");
                None
            }
        };
        Ok(true)
    }

    fn create_directories(&mut self) -> Result<(), StoreError> {
        if self.known.is_some() {
            return Ok(());
        }
        let directories = [
            self.directory.clone(),
            self.directory.join("blobs"),
            self.directory.join("manifests"),
        ];
        for path in &directories {
            self.files.create_directory(path).map_err(io_error("create", path))?;
        }
        self.sync_directory(&self.directory)?;
        match self.directory.parent() {
            Some(parent) if parent != Path::new("") => self.sync_directory(parent),
            _ => Ok(()),
        }
    }

    fn write_identity(&self) -> Result<(), StoreError> {
        let sources = self.sources_text();
        let check = Digest::of(sources.as_bytes());
        let text = format!("hotplate store {}\n{check:#}\n{sources}", manifest::FORMAT);
        self.write_file(&self.directory.join("STORE"), text.as_bytes())?;
        self.sync_directory(&self.directory)
    }

    /// Writes the texts that are not there yet.
    fn write_texts(&self, version: &StoredVersion, known: &mut KnownContent) -> Result<(), StoreError> {
        let mut changed = BTreeSet::new();
        let mut new_directory = false;
        for (name, body) in version.texts() {
            let StoredBody::Text(digest, content, language) = body else {
                continue;
            };
            if known.texts.contains(digest) {
                continue;
            }
            let content = content.as_str().as_bytes();
            if !has_digest(content, *digest, language.root.as_deref()) {
                let name = name.clone();
                return Err(StoreError::WrongDigest { name });
            }
            let path = text_path(&self.directory, digest);
            let directory = path.parent().unwrap_or(&self.directory).to_owned();
            let short = format!("{digest:#}")[..2].to_owned();
            if known.directories.insert(short) {
                self.files
                    .create_directory(&directory)
                    .map_err(io_error("create", &directory))?;
                new_directory = true;
            }
            self.write_file(&path, content)?;
            changed.insert(directory);
            known.texts.insert(*digest);
        }
        for directory in &changed {
            self.sync_directory(directory)?;
        }
        match new_directory {
            true => self.sync_directory(&self.directory.join("blobs")),
            false => Ok(()),
        }
    }

    /// Removes the oldest versions beyond `keep`, and the texts that only they have.
    fn collect_garbage(&self, known: &mut KnownContent, previous: Option<Pointer>) -> Result<(), StoreError> {
        while known.manifests.len() > self.keep {
            let pointed = [known.current, previous];
            let is_pointed = |number: &u64| pointed.iter().flatten().any(|pointer| pointer.number == *number);
            let Some(oldest) = known.manifests.iter().copied().find(|number| !is_pointed(number)) else {
                break;
            };
            let named = self.named_by(oldest).unwrap_or_default();
            self.remove(&self.manifest_path(oldest))?;
            known.manifests.remove(&oldest);
            for digest in named {
                let Some(uses) = known.uses.get_mut(&digest) else {
                    continue;
                };
                *uses = uses.saturating_sub(1);
                if *uses == 0 {
                    known.uses.remove(&digest);
                    known.texts.remove(&digest);
                    self.remove(&text_path(&self.directory, &digest))?;
                }
            }
        }
        Ok(())
    }

    /// Writes a file under another name, syncs it and renames it. Its directory is to be synced by the caller.
    fn write_file(&self, path: &Path, content: &[u8]) -> Result<(), StoreError> {
        let unfinished = unfinished(path);
        let write = || {
            let written = self.files.write(&unfinished, content)?;
            written.sync()?;
            self.files.rename(&unfinished, path)
        };
        write().map_err(|source| {
            // It would be removed by the next scan as well.
            let _ = self.files.remove(&unfinished);
            io_error("write", path)(source)
        })
    }

    fn sync_directory(&self, path: &Path) -> Result<(), StoreError> {
        self.files.sync_directory(path).map_err(io_error("sync", path))
    }

    fn remove(&self, path: &Path) -> Result<(), StoreError> {
        match self.files.remove(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(io_error("remove", path)),
        }
    }

    fn lock(&self) -> Result<Box<dyn Any + Send>, StoreError> {
        lock(&*self.files, &self.directory.join("LOCK"))
    }

    fn manifest_path(&self, number: u64) -> PathBuf {
        self.directory.join("manifests").join(number.to_string())
    }
}

/// The end of the name of a file that is being written.
const UNFINISHED: &str = ".unfinished";

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    name.into()
}

fn text_path(directory: &Path, digest: &Digest) -> PathBuf {
    let name = format!("{digest:#}");
    directory.join("blobs").join(&name[..2]).join(name)
}

/// Takes a lock, and waits some seconds for another process.
#[expect(
    clippy::disallowed_methods,
    reason = "the system wakes nobody when a lock is released, and this thread has nothing else to do"
)]
pub(crate) fn lock(files: &dyn Files, path: &Path) -> Result<Box<dyn Any + Send>, StoreError> {
    for attempt in 0..LOCK_ATTEMPTS {
        if attempt > 0 {
            std::thread::sleep(LOCK_PAUSE);
        }
        if let Some(lock) = files.try_lock(path).map_err(io_error("lock", path))? {
            return Ok(lock);
        }
    }
    Err(StoreError::Locked { path: path.to_owned() })
}

pub(crate) fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { what, path, source }
}
