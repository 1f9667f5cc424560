//! Reads a store: pointers, manifests, texts, and everything that its directory has.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::files::Files;
use super::manifest::{self, Pointer};
use super::version::{SharedText, StoredBody, StoredLanguage, StoredVersion, has_digest};
use super::{
    KnownContent, MANIFEST_BYTES_MAX, SMALL_BYTES_MAX, Store, StoreError, TEXT_BYTES_MAX, UNFINISHED, io_error,
    text_path,
};
use crate::protocol::kept::StoredVersionInfo;
use crate::template::{Digest, TemplateName};

impl Store {
    /// Reads the version of a manifest, with all its texts.
    pub(super) fn version(&mut self, number: u64, expected: Option<Digest>) -> Result<StoredVersion, String> {
        let path = self.manifest_path(number);
        let problem = |reason: String| format!("{}: {reason}", path.display());
        let bytes = self
            .files
            .read(&path, MANIFEST_BYTES_MAX)
            .map_err(|error| problem(error.to_string()))?;
        let mut texts: HashMap<Digest, Arc<str>> = HashMap::new();
        let (directory, files, damaged) = (&self.directory, &self.files, &mut self.damaged);
        let text = |name: &TemplateName, digest: Digest, language: StoredLanguage| {
            if let Some(text) = texts.get(&digest) {
                return Ok(StoredBody::Text(digest, SharedText::Plain(Arc::clone(text)), language));
            }
            let path = text_path(directory, &digest);
            let content = read_text(&**files, &path, digest, language.root.as_deref()).map_err(|reason| {
                damaged.insert(digest);
                format!("the text of `{name}`, {}, {reason}", path.display())
            })?;
            texts.insert(digest, Arc::clone(&content));
            Ok(StoredBody::Text(digest, SharedText::Plain(content), language))
        };
        let (mut version, digest) = manifest::parse(&bytes, text).map_err(problem)?;
        if expected.is_some_and(|expected| expected != digest) {
            return Err(problem("it is not the manifest that the pointer names".into()));
        }
        version.version = crate::version::Version::from_number(number);
        Ok(version)
    }

    /// Returns the versions before one whose manifests are whole, oldest first. Each manifest is read once.
    pub(crate) fn versions_before(&mut self, before: u64) -> Result<Vec<StoredVersionInfo>, StoreError> {
        let numbers: Vec<u64> = self.manifests()?.range(..before).copied().collect();
        self.listed.retain(|number, _| numbers.binary_search(number).is_ok());
        for number in numbers {
            if self.listed.contains_key(&number) {
                continue;
            }
            let head = self.files.read(&self.manifest_path(number), MANIFEST_BYTES_MAX);
            let head = head.map_err(|error| error.to_string());
            let head = head.and_then(|bytes| manifest::head(&bytes)).inspect_err(|reason| {
                let path = self.manifest_path(number);
                tracing::warn!(path = %path.display(), reason, "a stored version cannot be listed");
            });
            let version = crate::version::Version::from_number(number);
            let info = head.map(|(digest, origin)| StoredVersionInfo::new(version, &digest, origin));
            self.listed.insert(number, info.ok());
        }
        Ok(self.listed.values().flatten().cloned().collect())
    }

    /// Reads a version with all its texts, each of which has its digest; `None` if the store does not have it.
    ///
    /// # Errors
    /// The file that is damaged, and how.
    pub(crate) fn read_version(&mut self, number: u64) -> Result<Option<StoredVersion>, String> {
        match self.files.length(&self.manifest_path(number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            _ => self.version(number, None).map(Some),
        }
    }

    /// Reads a pointer; `None` if there is none.
    pub(super) fn pointer(&self, path: &Path) -> Result<Option<Pointer>, String> {
        let problem = |reason: String| format!("{}: {reason}", path.display());
        match self.files.read(path, SMALL_BYTES_MAX) {
            Ok(bytes) => Pointer::parse(&bytes).map(Some).map_err(problem),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(problem(error.to_string())),
        }
    }

    /// Returns true if the directory has a store of this format and these sources, and false if it has none.
    pub(super) fn check_identity(&self) -> Result<bool, StoreError> {
        let path = self.directory.join("STORE");
        let unusable = |reason: String| StoreError::Unusable {
            path: path.clone(),
            reason,
        };
        let damaged = |reason: &str| {
            unusable(format!(
                "{reason}: remove it if this store is that of these templates; it is written again, and the stored versions are used"
            ))
        };
        let bytes = match self.files.read(&path, SMALL_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) if matches!(error.kind(), io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidInput) => {
                return Err(damaged(&error.to_string()));
            }
            Err(source) => return Err(io_error("read", &path)(source)),
        };
        let text = String::from_utf8(bytes).map_err(|_| damaged("it is not text"))?;
        let format = text
            .split_once('\n')
            .and_then(|(head, _)| head.strip_prefix("hotplate store "));
        let is_other_format = format.is_some_and(|format| format.parse::<u32>().is_ok());
        let rest = manifest::after_head(&text, "store").map_err(|reason| match is_other_format {
            // It says what to do about another format.
            true => unusable(reason),
            false => damaged(&reason),
        })?;
        let (check, stored) = rest.split_once('\n').unwrap_or_default();
        if manifest::parse_digest(check) != Some(Digest::of(stored.as_bytes())) {
            return Err(damaged("it is damaged or half written"));
        }
        match stored == self.sources_text() {
            true => Ok(true),
            false => Err(StoreError::OtherSources {
                directory: self.directory.clone(),
                stored: stored.trim_end().replace('\n', "; "),
                loaded: self.sources.join("; "),
            }),
        }
    }

    pub(super) fn sources_text(&self) -> String {
        let lines = self.sources.iter().map(|source| source.replace('\n', " ") + "\n");
        lines.collect()
    }

    /// Returns the numbers of all manifests.
    pub(super) fn manifests(&self) -> Result<BTreeSet<u64>, StoreError> {
        let names = self.list(&self.directory.join("manifests"))?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    pub(super) fn list(&self, path: &Path) -> Result<Vec<String>, StoreError> {
        match self.files.list(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            listed => listed.map_err(io_error("list", path)),
        }
    }

    /// Finds out what the directory has, and removes what no manifest names. The lock is held, so nobody else writes meanwhile.
    pub(super) fn scan(&mut self, current: Option<Pointer>) -> Result<KnownContent, StoreError> {
        let mut known = KnownContent {
            current,
            manifests: self.manifests()?,
            ..KnownContent::default()
        };
        for number in &known.manifests {
            // A manifest that cannot be read keeps no text; it goes when it is the oldest.
            for digest in self.named_by(*number).unwrap_or_default() {
                *known.uses.entry(digest).or_default() += 1;
            }
        }
        for path in [self.directory.clone(), self.directory.join("manifests")] {
            for name in self.list(&path)?.iter().filter(|name| name.ends_with(UNFINISHED)) {
                self.remove(&path.join(name))?;
            }
        }
        let blobs = self.directory.join("blobs");
        for directory in self.list(&blobs)? {
            let path = blobs.join(&directory);
            for name in self.list(&path)? {
                let digest = manifest::parse_digest(&name).filter(|digest| !self.damaged.contains(digest));
                match digest.filter(|digest| known.uses.contains_key(digest)) {
                    Some(digest) => _ = known.texts.insert(digest),
                    None => self.remove(&path.join(name))?,
                }
            }
            known.directories.insert(directory);
        }
        self.damaged.clear();
        Ok(known)
    }

    /// Returns the digest of each text that a manifest names.
    pub(super) fn named_by(&self, number: u64) -> Option<HashSet<Digest>> {
        let bytes = self.files.read(&self.manifest_path(number), MANIFEST_BYTES_MAX).ok()?;
        let unread =
            |_: &TemplateName, digest, language| Ok(StoredBody::Text(digest, SharedText::Plain("".into()), language));
        let (version, _) = manifest::parse(&bytes, unread).ok()?;
        Some(version.digests().collect())
    }
}

/// Reads a text, and checks that it has its digest.
fn read_text(files: &dyn Files, path: &Path, digest: Digest, root: Option<&str>) -> Result<Arc<str>, String> {
    let bytes = files
        .read(path, TEXT_BYTES_MAX)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if !has_digest(&bytes, digest, root) {
        return Err("is damaged".into());
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not text".to_owned())?;
    Ok(text.into())
}
