//! Finds texts that have disappeared from the store or were changed there, while the process runs.
//!
//! With each version some texts are looked at by their length, which is one system call each, and fewer are read and compared with their
//! digest. Without a new version the StoreWriter asks for a check each minute, which reads more. All of it is in turn, so that each text of
//! the version has its turn.

use super::version::{StoredBody, StoredVersion, has_digest};
use super::{KnownContent, Store, TEXT_BYTES_MAX, text_path};

/// The number of texts whose length is inspected with each version.
pub(super) const INSPECTED: usize = 64;
/// The texts that are read with each version, and the bytes after which no further one is.
pub(super) const READ_WITH_VERSION: ReadBudget = ReadBudget {
    texts: 8,
    bytes: 256 * 1024,
};
/// The texts that are read by a check without a new version, and the bytes after which no further one is.
pub(super) const READ_IN_CHECK: ReadBudget = ReadBudget {
    texts: 64,
    bytes: 4 * 1024 * 1024,
};

/// The bounds of reading texts.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadBudget {
    pub(super) texts: usize,
    pub(super) bytes: usize,
}

impl Store {
    /// Inspects the next texts of a version that are known to be stored. One that is not as it was is forgotten, so that it is written again
    /// with this version, and a problem is noted.
    pub(super) fn inspect_texts(&mut self, version: &StoredVersion, known: &mut KnownContent) {
        let mut inspected = 0;
        for (name, body) in version.texts().skip(self.inspected).take(INSPECTED) {
            inspected += 1;
            let StoredBody::Text(digest, content, _) = body else {
                continue;
            };
            if !known.texts.contains(digest) {
                continue;
            }
            let path = text_path(&self.directory, digest);
            let reason = match self.files.length(&path) {
                Ok(length) if length == content.as_str().len() as u64 => continue,
                Ok(_) => "it has another length".to_owned(),
                Err(error) => error.to_string(),
            };
            known.texts.remove(digest);
            self.found.push(problem(name.as_str(), &path, &reason));
        }
        self.inspected = match inspected < INSPECTED {
            true => 0,
            false => self.inspected + inspected,
        };
    }

    /// Works like [`inspect_texts`](Self::inspect_texts), and reads the texts.
    pub(super) fn read_texts_again(&mut self, version: &StoredVersion, known: &mut KnownContent, budget: ReadBudget) {
        let (mut inspected, mut bytes) = (0, 0);
        let mut is_at_end = true;
        for (name, body) in version.texts().skip(self.read_again) {
            if inspected == budget.texts || bytes >= budget.bytes {
                is_at_end = false;
                break;
            }
            inspected += 1;
            let StoredBody::Text(digest, content, language) = body else {
                continue;
            };
            if !known.texts.contains(digest) {
                continue;
            }
            bytes += content.as_str().len();
            let path = text_path(&self.directory, digest);
            let reason = match self.files.read(&path, TEXT_BYTES_MAX) {
                Ok(read) if has_digest(&read, *digest, language.root.as_deref()) => continue,
                Ok(_) => "it has another content".to_owned(),
                Err(error) => error.to_string(),
            };
            known.texts.remove(digest);
            self.found.push(problem(name.as_str(), &path, &reason));
        }
        self.read_again = match is_at_end {
            true => 0,
            false => self.read_again + inspected,
        };
    }

    /// Takes the problems that were found since the last call, a sentence for each.
    pub(crate) fn take_found(&mut self) -> Vec<String> {
        std::mem::take(&mut self.found)
    }
}

fn problem(name: &str, path: &std::path::Path, reason: &str) -> String {
    let what = "was changed or removed while the process ran, and is written again";
    format!("the text of `{name}`, {}, {what}: {reason}", path.display())
}
