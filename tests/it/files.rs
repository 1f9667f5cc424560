//! Temporary directories that tests edit.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A directory with some files, which is removed after the test.
pub(crate) struct Files(TempDir);

impl Files {
    /// Creates a directory from paths and texts.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let directory = Self(tempfile::tempdir().expect("a directory"));
        for (path, text) in files {
            directory.write(path, text);
        }
        directory
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file atomically, as editors do: to a temporary file, which is then renamed.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        let parent = path.parent().expect("a file has a directory");
        std::fs::create_dir_all(parent).expect("a directory");
        let beside = parent.join(".beside~");
        std::fs::write(&beside, text).expect("written");
        std::fs::rename(beside, path).expect("renamed");
    }

    pub(crate) fn remove(&self, path: &str) {
        std::fs::remove_file(self.0.path().join(path)).expect("removed");
    }
}

/// Returns the directory of the example shop.
pub(crate) fn shop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/site")
}

/// Returns the directory of the example blog, whose templates are written in Jinja.
#[cfg(feature = "cli")]
pub(crate) fn blog() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/blog")
}

/// Returns a copy of the example shop.
#[cfg(feature = "cli")]
pub(crate) fn copy_of_the_shop() -> Files {
    let files = Files::new(&[]);
    copy(&shop(), files.path());
    files
}

/// Copies a directory.
#[cfg(feature = "cli")]
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => std::fs::copy(entry.path(), target).map(drop).expect("copied"),
        }
    }
}
