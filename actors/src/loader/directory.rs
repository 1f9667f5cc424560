//! [`DirectoryLoader`]: templates from one or several directories, watched through the kernel and by looking.
//!
//! Events are hints only: they say when to look, never what is there. What is there is decided by `tree.rs` from the content, so a
//! lost, doubled or reordered event costs time and nothing else. [`settle`] decides when a file that is being written is whole.

mod read;
pub mod settle;
mod tree;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Changes, Depth, Hints, Loader, LoaderError};
use crate::limits::Limits;

use settle::{Due, Settle};
use tree::Tree;

/// Extensions of templates, unless said otherwise. Stylesheets and scripts are full of braces, so they are none.
pub const EXTENSIONS: [&str; 6] = ["html", "htm", "xml", "svg", "txt", "md"];

/// A directory, and what the names below it begin with.
#[derive(Debug, Clone)]
pub struct Mount {
    prefix: String,
    path: PathBuf,
    extensions: Option<Vec<String>>,
}

impl Mount {
    /// The files below `path` with one of [`EXTENSIONS`]; each name is `prefix` and the path of the file below `path`.
    #[must_use]
    pub fn new(prefix: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        let extensions = Some(EXTENSIONS.map(str::to_owned).to_vec());
        Self {
            prefix: prefix.into(),
            path: path.into(),
            extensions,
        }
    }

    /// The files with one of these extensions instead.
    #[must_use]
    pub fn extensions<T: Into<String>>(mut self, extensions: impl IntoIterator<Item = T>) -> Self {
        self.extensions = Some(extensions.into_iter().map(Into::into).collect());
        self
    }

    /// All files.
    #[must_use]
    pub fn every_extension(mut self) -> Self {
        self.extensions = None;
        self
    }

    fn takes(&self, file_name: &str) -> bool {
        let hidden = file_name.starts_with('.') || file_name.ends_with('~');
        let extension = file_name.rsplit_once('.').map(|(_, extension)| extension);
        let listed = match &self.extensions {
            None => true,
            Some(listed) => extension.is_some_and(|extension| listed.iter().any(|each| each == extension)),
        };
        !hidden && listed
    }
}

/// Loads the files below some directories as one set: what changes in several of them is one batch.
pub struct DirectoryLoader {
    tree: Tree,
    settle: Arc<Mutex<Settle>>,
    /// Between two looks at everything without any hint, for file systems that send no events.
    sweep: Duration,
    watching: Option<watch::Watching>,
}

impl DirectoryLoader {
    /// A loader of some directories. The first one must exist when it looks; others may be missing.
    #[must_use]
    pub fn new(mounts: impl IntoIterator<Item = Mount>, limits: &Limits) -> Self {
        Self {
            tree: Tree::new(mounts.into_iter().collect(), limits.source_bytes),
            settle: Arc::new(Mutex::new(Settle::new(limits))),
            sweep: Duration::from_millis(limits.sweep_ms),
            watching: None,
        }
    }
}

impl Loader for DirectoryLoader {
    fn describe(&self) -> String {
        let paths: Vec<String> = self.tree.roots().map(|path| path.display().to_string()).collect();
        paths.join(", ")
    }

    fn watch(&mut self, hints: Hints) -> Result<(), LoaderError> {
        let roots: Vec<PathBuf> = self.tree.roots().map(Path::to_path_buf).collect();
        self.watching = Some(watch::Watching::start(
            &roots,
            Arc::clone(&self.settle),
            self.sweep,
            hints,
        )?);
        Ok(())
    }

    fn sync(&mut self, depth: Depth) -> Result<Changes, LoaderError> {
        let due = self
            .settle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(Instant::now(), depth != Depth::Hinted);
        if let Due::Paths(paths) = &due {
            self.tree.distrust(paths);
        }
        let found = match (depth, due) {
            (Depth::Hinted, Due::Paths(paths)) => self.tree.look_at(&paths),
            (Depth::Hinted | Depth::Everything, _) => self.tree.look(false),
            (Depth::Bytes, _) => self.tree.look(true),
            (Depth::Afresh, _) => {
                self.tree.forget();
                self.tree.look(true).map(|changes| Changes {
                    complete: true,
                    ..changes
                })
            }
        };
        if found.is_err() {
            // What was taken is not lost: the next look is at everything.
            self.settle.lock().unwrap_or_else(PoisonError::into_inner).note_doubt();
        }
        found
    }
}
