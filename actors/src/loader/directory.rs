//! [`DirectoryLoader`]: templates from one or several directories, watched through the kernel and by looking.
//!
//! Events are hints only: they say when to look, never what is there. What is there is decided by content, so a lost, doubled or
//! reordered event costs time and nothing else. How it goes, in reading order:
//!
//! ```text
//! watches/…  the kernel's events          alarm.rs     when something is due without one
//! inbox.rs   what was heard of            settle.rs    when that may be looked at
//! observer.rs  what to look at, and what differs     tree/…  one root, by name     links.rs, rules/…, read.rs
//! disk.rs    the only file that asks a file system    failure.rs  what its errors mean
//! ```
//!
//! The thinking (everything from `inbox.rs` to `read.rs`) is given what was heard, what the disk answers and what time it is.

mod hint_timer;
mod disk;
mod failure;
mod inbox;
mod kernel;
mod links;
mod observer;
mod read;
pub mod rules;
pub mod settle;
#[cfg(test)]
mod simulator;
mod tree;
mod watches;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Changes, Depth, Hints, Loader, LoaderError};
use crate::dialect::Missing;
use crate::health::LoaderStatus;
use crate::limits::Limits;

use disk::System;
use hint_timer::{HintTimer, TimerState};
use inbox::{EventQueue, Inbox};
use kernel::recursive::Recursive;
use observer::{Observer, WatchMethod};
use rules::{CompiledRules, Rules};
use tree::Tree;
use watches::{WatchError, Watches};

pub use rules::{EXTENSIONS, Links};

/// A directory, which of its files are templates, and what their names begin with.
#[derive(Debug, Clone)]
pub struct Mount {
    prefix: String,
    path: PathBuf,
    rules: Rules,
    late: bool,
    missing: Missing,
}

impl Mount {
    /// The files below `path` that are templates by the default [`Rules`]; each name is `prefix` and the path of the file below
    /// `path`.
    #[must_use]
    pub fn new(prefix: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            prefix: prefix.into(),
            path: path.into(),
            rules: Rules::default(),
            late: false,
            missing: Missing::Error,
        }
    }

    /// Lets the directory come later, also if it is the first one: until then it has no files, and
    /// [`LoaderStatus::missing`](crate::health::LoaderStatus::missing) says so. Once it was there, a directory that is
    /// missing removes nothing, as always.
    #[must_use]
    pub fn late(mut self) -> Self {
        self.late = true;
        self
    }

    /// Lets paths in these templates lead nowhere, where those of other roots may not: such a path prints nothing, is false and has no
    /// items. It holds for the texts of this root, whoever calls them.
    ///
    /// ```
    /// use hotplate_actors::{Hotplate, Mount};
    ///
    /// let builder = Hotplate::builder().mounts([Mount::new("", "templates"), Mount::new("old/", "old-templates").lenient()]);
    /// ```
    #[must_use]
    pub fn lenient(mut self) -> Self {
        self.missing = Missing::Lenient;
        self
    }

    /// The files that are templates by other rules.
    ///
    /// ```
    /// use hotplate_actors::{Links, Mount, Rules};
    ///
    /// let mail = Mount::new("mail/", "templates/mail").rules(Rules {
    ///     exclude: vec!["drafts/".into()],
    ///     links: Links::Inside,
    ///     ..Rules::default()
    /// });
    /// ```
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// The files with one of these extensions instead.
    #[must_use]
    pub fn extensions<T: Into<String>>(mut self, extensions: impl IntoIterator<Item = T>) -> Self {
        self.rules.extensions = Some(extensions.into_iter().map(Into::into).collect());
        self
    }

    /// Files with any extension, or none.
    #[must_use]
    pub fn every_extension(mut self) -> Self {
        self.rules.extensions = None;
        self
    }
}

/// By what a [`DirectoryLoader`] learns of changes. [`WatchBy::Auto`] is right nearly always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WatchBy {
    /// By the kernel, as exactly as it tells; and by looking where it does not tell of every change.
    #[default]
    Auto,
    /// By looking at all files each `poll_ms`.
    Poll,
    /// By the kernel's watches of whole trees, and by looking whenever in doubt: what `Auto` is on macOS and Windows.
    Recursive,
}

/// Loads the files below some directories as one set: what changes in several of them is one batch. Of several with a name, the
/// first has it.
pub struct DirectoryLoader {
    /// Why it cannot look at all: a rule that is none.
    wrong: Option<String>,
    observer: Observer,
    inbox: Arc<Inbox>,
    roots: Vec<PathBuf>,
    by: WatchBy,
    alarm: Option<HintTimer>,
    /// Where to hint to, and when to try again, after the kernel had nothing left to listen with.
    listen_again: Option<(Arc<TimerState>, Instant)>,
    sweep: Duration,
}

impl DirectoryLoader {
    /// A loader of some directories. The first one must exist when it looks, unless it may come [late](Mount::late); others may be
    /// missing.
    #[must_use]
    pub fn new(mounts: impl IntoIterator<Item = Mount>, limits: &Limits) -> Self {
        let (mut wrong, mut trees) = (None, Vec::new());
        for mount in mounts {
            let Mount {
                prefix,
                path,
                rules,
                late,
                missing,
            } = mount;
            match CompiledRules::new(&rules, limits.source_bytes) {
                Ok(sieve) => {
                    let mut tree = Tree::new(prefix, path, sieve, limits);
                    tree.late = late;
                    tree.paths = missing;
                    trees.push(tree);
                }
                Err(reason) => wrong = Some(format!("the rules of {}: {reason}", path.display())),
            }
        }
        let roots = trees.iter().map(|tree| tree.root.clone()).collect();
        let inbox = Arc::new(Inbox::new(limits));
        Self {
            wrong,
            observer: Observer::new(trees, Arc::clone(&inbox), limits),
            inbox,
            roots,
            by: WatchBy::default(),
            alarm: None,
            listen_again: None,
            sweep: Duration::from_millis(limits.sweep_ms),
        }
    }

    /// By what it learns of changes.
    #[must_use]
    pub fn watch_by(mut self, by: WatchBy) -> Self {
        self.by = by;
        self
    }

    fn listen(&mut self, clock: Arc<TimerState>) -> Result<WatchMethod, WatchError> {
        let inbox = Arc::clone(&self.inbox);
        let exact = self.by == WatchBy::Auto && cfg!(target_os = "linux");
        let kernel: Box<dyn Watches> = match self.by {
            WatchBy::Poll => return Err(WatchError::NotThere),
            #[cfg(target_os = "linux")]
            WatchBy::Auto => Box::new(kernel::inotify::Inotify::listen(inbox, move || clock.rouse())?),
            _ => Box::new(Recursive::listen(self.roots.clone(), inbox, move || clock.rouse())?),
        };
        self.inbox.watched().begin(kernel)?;
        Ok(match exact {
            true => WatchMethod::kernel(),
            false => WatchMethod {
                exact: false,
                ..WatchMethod::kernel()
            },
        })
    }
}

impl Drop for DirectoryLoader {
    fn drop(&mut self) {
        // Who listens holds the inbox, and the inbox holds what it listens to: one of them has to let go.
        let kernel = self.inbox.watched().end();
        drop(kernel);
    }
}

impl Loader for DirectoryLoader {
    fn describe(&self) -> String {
        let paths: Vec<String> = self.roots.iter().map(|path| path.display().to_string()).collect();
        paths.join(", ")
    }

    fn watch(&mut self, hints: Hints) -> Result<(), LoaderError> {
        self.inbox.is_wanted_by(hints.clone());
        let clock = TimerState::new(Arc::clone(&self.inbox), hints);
        match self.listen(Arc::clone(&clock)) {
            Ok(means) => self.observer.means = Some(means),
            Err(WatchError::NotThere) => self.observer.means = Some(WatchMethod::asked_to_poll()),
            Err(WatchError::Exhausted(why)) => {
                self.observer.poll_instead(why, Instant::now());
                self.listen_again = Some((Arc::clone(&clock), Instant::now() + self.sweep));
            }
        }
        let alarm =
            HintTimer::start(clock).map_err(|error| LoaderError(format!("no thread to wait for changes: {error}")))?;
        self.alarm = Some(alarm);
        Ok(())
    }

    fn sync(&mut self, depth: Depth) -> Result<Changes, LoaderError> {
        if let Some(wrong) = &self.wrong {
            return Err(LoaderError(wrong.clone()));
        }
        if let Some((clock, _)) = self.listen_again.take_if(|(_, at)| *at <= Instant::now()) {
            match self.listen(Arc::clone(&clock)) {
                Ok(means) => self.observer.watch_again(means),
                Err(_) => self.listen_again = Some((clock, Instant::now() + self.sweep)),
            }
        }
        let asks = depth == Depth::Everything && self.observer.trusts_events();
        let heard_all = asks && self.inbox.catch_up();
        let inbox = Arc::clone(&self.inbox);
        let found = self.observer.look(&System, &*inbox, depth, heard_all, Instant::now());
        if let Some(alarm) = &self.alarm {
            alarm.set(self.observer.next(), self.observer.wary.take());
        }
        // Half of a tree is no answer.
        if self.inbox.is_over() {
            return Err(LoaderError("the engine has ended".to_owned()));
        }
        found
    }

    fn status(&self) -> LoaderStatus {
        self.observer.status()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loader_that_is_dropped_gives_its_watches_and_threads_back() {
        for by in [WatchBy::Auto, WatchBy::Recursive] {
            let directory = tempfile::tempdir().expect("a directory");
            let mut loader = DirectoryLoader::new([Mount::new("", directory.path())], &Limits::default()).watch_by(by);
            loader.watch(Hints::new(|| {})).expect("watches");
            loader.sync(Depth::Afresh).expect("loads");
            let inbox = Arc::downgrade(&loader.inbox);
            drop(loader);
            let end = Instant::now() + std::time::Duration::from_secs(30);
            while inbox.strong_count() > 0 {
                assert!(Instant::now() < end, "somebody still listens by {by:?}");
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn a_late_directory_comes_and_then_stays() {
        let parent = tempfile::tempdir().expect("a directory");
        let path = parent.path().join("templates");
        let limits = Limits::default();
        let load = |mount: Mount| DirectoryLoader::new([mount], &limits);
        assert!(
            load(Mount::new("", &path)).sync(Depth::Afresh).is_err(),
            "it must be there"
        );
        let mut loader = load(Mount::new("", &path).late());
        let first = loader.sync(Depth::Afresh).expect("it may come later");
        assert!(first.complete && first.changed.is_empty());
        let said = |loader: &DirectoryLoader| loader.status().missing.concat();
        let why = said(&loader);
        assert!(why.contains("is not there yet"), "{why}");
        std::fs::create_dir(&path).expect("made");
        std::fs::write(path.join("a.html"), "a").expect("written");
        let came = loader.sync(Depth::Everything).expect("it is there");
        assert_eq!(came.changed.len(), 1);
        assert_eq!(said(&loader), "");
        std::fs::rename(&path, parent.path().join("away")).expect("renamed");
        assert!(
            loader.sync(Depth::Everything).is_err(),
            "what is missing now removes nothing"
        );
        let why = said(&loader);
        assert!(why.contains("what was served goes on"), "{why}");
    }
}
