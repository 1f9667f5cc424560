//! Finds texts that have disappeared from the store, or have another length, while the process runs.

use super::version::{StoredBody, StoredVersion};
use super::{KnownContent, Store, text_path};

/// The number of texts that are inspected with each version, in turn: all of them would be a system call for each template.
pub(super) const INSPECTED: usize = 64;

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
            let what = "was changed or removed while the process ran, and is written again";
            let problem = format!("the text of `{name}`, {}, {what}: {reason}", path.display());
            self.found.push(problem);
        }
        self.inspected = match inspected < INSPECTED {
            true => 0,
            false => self.inspected + inspected,
        };
    }

    /// Takes the problems that were found since the last call, a sentence for each.
    pub(crate) fn take_found(&mut self) -> Vec<String> {
        std::mem::take(&mut self.found)
    }
}
