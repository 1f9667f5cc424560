//! [`RefFiles`]: the files that change when a revision becomes another commit.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::command::Git;

/// The time stamps of the files of the refs of a revision.
pub(super) struct RefFiles {
    git: Git,
    revision: String,
    seen: Vec<Option<(SystemTime, u64)>>,
    directory: Option<PathBuf>,
}

impl RefFiles {
    pub(super) fn new(git: &Git, revision: &str) -> Self {
        let mut files = Self {
            git: git.clone(),
            revision: revision.to_owned(),
            seen: Vec::new(),
            directory: None,
        };
        files.have_changed();
        files
    }

    /// Returns true if one of them is another than at the last call.
    pub(super) fn have_changed(&mut self) -> bool {
        if self.directory.as_ref().is_none_or(|directory| !directory.is_dir()) {
            self.directory = self.find_directory();
        }
        let seen = self
            .directory
            .as_deref()
            .map_or_else(Vec::new, |directory| self.look(directory));
        let is_other = seen != self.seen;
        self.seen = seen;
        is_other
    }

    /// Returns the directory with the refs, which is that of the main work tree.
    fn find_directory(&self) -> Option<PathBuf> {
        if !self.git.repository().is_dir() {
            return None;
        }
        let answer = self.git.run(&["rev-parse", "--git-common-dir"], None).ok()?;
        let path = PathBuf::from(String::from_utf8_lossy(&answer).trim());
        Some(self.git.repository().join(path))
    }

    fn look(&self, directory: &Path) -> Vec<Option<(SystemTime, u64)>> {
        let head = std::fs::read_to_string(directory.join("HEAD")).unwrap_or_default();
        let target = head.trim().strip_prefix("ref: ").unwrap_or("HEAD").to_owned();
        let revision = &self.revision;
        let refs = ["refs/heads/", "refs/tags/", "refs/remotes/", ""].map(|prefix| format!("{prefix}{revision}"));
        let always = ["HEAD", "packed-refs", "reftable/tables.list"].map(str::to_owned);
        let names = always.into_iter().chain([target]).chain(refs);
        let stamp = |name: String| {
            let file = std::fs::metadata(directory.join(name))
                .ok()
                .filter(std::fs::Metadata::is_file)?;
            Some((file.modified().ok()?, file.len()))
        };
        names.map(stamp).collect()
    }
}
