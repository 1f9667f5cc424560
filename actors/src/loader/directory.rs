//! [`DirectoryLoader`]: templates from one or several directories, watched by file events and by comparing.
//!
//! # The algorithm
//!
//! **Events are hints.** An event says which path to check, never what changed there: a check asks the disk and compares digests of
//! contents. A lost, doubled, late or reordered event therefore costs time and nothing else. inotify(7) gives no stronger promise: a
//! full queue drops events (`IN_Q_OVERFLOW`), and changes through memory mappings or on the server of a network file system are not
//! reported at all.
//!
//! **Watch, then read.** A directory is watched before its names are read, so nothing can come between (inotify(7), "Limitations and
//! caveats"). Symbolic links are resolved by hand, and every name on the way is watched.
//!
//! **Settle.** A file that was closed, renamed into place or linked is read at once. One that is being written is read when it has
//! been quiet for `settle_ms`, or after `settle_max_ms` as it is; then its last whole content stays. See [`settle`].
//!
//! **Grace.** A name that disappears is removed only after `grace_ms`, because editors remove and create. Only the directory that is
//! known to have held it can say that it is gone.
//!
//! **Mark.** A `Reload` has to know every earlier change. It adds a watch and ends it at once: the kernel puts the end of the watch
//! (`IN_IGNORED`) into the same queue behind all earlier events, so when that event arrives, all others have arrived. (Watchman does
//! this with cookie files; nothing is written here.) The same mark proves after a read that nobody wrote to the file meanwhile.
//!
//! **Batch.** rename(2) can exchange a whole tree in one step, as Kubernetes does with `..data`. What one exchange makes reachable is
//! reported as one batch, which waits for its last file (`observer/batch.rs`).
//!
//! **Polling.** Whatever has no reliable events is compared from time to time: the root, links, files with several names and mounts
//! each 250 ms; everything each `sweep_ms`, each `poll_ms` on file systems that are not known to report all changes, and as soon as
//! possible after lost events. Files are compared by inode, size and time stamps; stamps that are younger than the resolution of the
//! clock prove nothing ("racy" in Git's index format). If a scan finds what no event reported, events are doubted for a while.
//!
//! # The modules, in reading order
//!
//! ```text
//! watches.rs, kernel/…    native watches and their events      hint_timer.rs  when something is due without an event
//! inbox.rs                events as paths to check             settle.rs      when a path may be checked
//! observer.rs             what to check, and what differs      tree/…         the content of one root, by name
//! links.rs, rules/…, read.rs                                   links, the choice of files, reading one file
//! disk.rs                 the only file that asks a file system     failure.rs     the meaning of its errors
//! ```
//!
//! Everything from `inbox.rs` to `read.rs` gets events, answers of the disk and the time as arguments. `simulator.rs` takes it
//! through random histories of a file system in memory.

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
mod shape;
#[cfg(test)]
mod simulator;
mod tree;
mod watches;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{BlockingLoader, Changes, Depth, Hints, LoaderError};
use crate::dialect::{Dialect, Missing};
use crate::health::LoaderStatus;
use crate::limits::Limits;
use crate::template::{Layer, TemplateKey};

use disk::System;
use hint_timer::{HintTimer, TimerState};
use inbox::{EventQueue, Inbox};
use kernel::recursive::Recursive;
use observer::{Mode, Observer};
use rules::{CompiledRules, Rules};
use shape::{KeyShape, RootLayer};
use tree::Tree;
use watches::{WatchError, Watches};

pub use rules::{EXTENSIONS, Links};

/// A directory, the rules for which of its files are templates, and a prefix for their names.
#[derive(Debug, Clone)]
pub struct Mount {
    prefix: String,
    path: PathBuf,
    rules: Rules,
    late: bool,
    supplementary: bool,
    missing: Missing,
    dialect: Option<Arc<dyn Dialect>>,
    layer: RootLayer,
    data_prefix: Option<String>,
}

impl Mount {
    /// Takes the files below `path` that are templates by the default [`Rules`]. The name of each is `prefix` and its path below
    /// `path`.
    #[must_use]
    pub fn new(prefix: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            prefix: prefix.into(),
            path: path.into(),
            rules: Rules::default(),
            late: false,
            supplementary: false,
            missing: Missing::Error,
            dialect: None,
            layer: RootLayer::default(),
            data_prefix: None,
        }
    }

    /// Returns the directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.path
    }

    /// Lets the directory be created later, also if it is the first one. Until then it has no files, and
    /// [`LoaderStatus::missing`](crate::health::LoaderStatus::missing) names it. Once it has existed, its absence removes nothing,
    /// like that of any other directory.
    #[must_use]
    pub fn late(mut self) -> Self {
        self.late = true;
        self
    }

    /// Makes these files the texts of a layer: of a later stage, or of one tenant.
    ///
    /// ```
    /// use hotplate_actors::template::{Layer, Scope, Stage};
    /// use hotplate_actors::{Hotplate, Mount};
    ///
    /// let canary = Layer::of(Scope { tenant: None, stage: Stage::Canary });
    /// let builder = Hotplate::builder().mounts([Mount::new("", "templates"), Mount::new("", "next").layer(canary)]);
    /// ```
    #[must_use]
    pub fn layer(mut self, layer: Layer) -> Self {
        self.layer = RootLayer::One(layer);
        self
    }

    /// Makes the first directory of each path the tenant that the file belongs to, and perhaps its stage: `acme/page.html` and
    /// `acme@canary/page.html` are texts of `page.html`. A directory whose name is not valid is left out, with a remark. Symbolic links are
    /// left out as well, because one could lead to the files of another tenant.
    ///
    /// A tenant may have its templates in a directory `templates` of its own, beside its data: `acme/templates/page.html`.
    #[must_use]
    pub fn tenants(mut self) -> Self {
        self.layer = RootLayer::Tenants;
        self.rules.links = Links::Never;
        self
    }

    /// Makes `.json` files in the directory `data` of each tenant its data, under names with this prefix.
    #[doc(hidden)]
    #[must_use]
    pub fn tenant_data(mut self, prefix: &str) -> Self {
        self.data_prefix = Some(prefix.to_owned());
        self
    }

    /// Leaves the directory out of what identifies the templates of a [store](crate::StoreOptions), so that it may be added or left out from
    /// one start to the next: for files beside the templates, such as samples of their data.
    ///
    /// ```
    /// use hotplate_actors::{Hotplate, Mount};
    ///
    /// let builder = Hotplate::builder().mounts([Mount::new("", "templates"), Mount::new("samples/", "samples").supplementary()]);
    /// ```
    #[must_use]
    pub fn supplementary(mut self) -> Self {
        self.supplementary = true;
        self
    }

    /// Allows paths in these templates that are missing in the data: such a path prints nothing, is false and has no items. This
    /// applies to the texts of this directory, also if a template of another one calls them.
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

    /// Sets the language of these templates in place of [the default one](crate::Builder::dialect). A name that
    /// [`Builder::dialect_for`](crate::Builder::dialect_for) or, without the latter, its extension has a language for keeps that.
    ///
    /// ```
    /// # #[cfg(feature = "jinja")] {
    /// use hotplate_actors::dialect::{jinja::Jinja, tiny::Tiny};
    /// use hotplate_actors::{Hotplate, Mount};
    ///
    /// let shop = Mount::new("", "templates").dialect(Jinja);
    /// let builder = Hotplate::builder().mounts([shop, Mount::new("mail/", "mail-templates").dialect(Tiny)]);
    /// # }
    /// ```
    #[must_use]
    pub fn dialect(mut self, dialect: impl Dialect) -> Self {
        self.dialect = Some(Arc::new(dialect));
        self
    }

    /// Replaces the rules for which files are templates.
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

    /// Takes the files with one of these extensions.
    #[must_use]
    pub fn extensions<T: Into<String>>(mut self, extensions: impl IntoIterator<Item = T>) -> Self {
        self.rules.extensions = Some(extensions.into_iter().map(Into::into).collect());
        self
    }

    /// Takes files with any extension, and those without one.
    #[must_use]
    pub fn every_extension(mut self) -> Self {
        self.rules.extensions = None;
        self
    }
}

/// The way in which a [`DirectoryLoader`] notices changes. [`WatchBy::Auto`] is nearly always right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WatchBy {
    /// Native file events (inotify on Linux), and polling where they do not report every change.
    #[default]
    Auto,
    /// Polling: all files are compared each `poll_ms`.
    Poll,
    /// Native watches of whole trees, and full scans whenever an event is unclear. `Auto` is this on macOS and Windows.
    Recursive,
}

/// Loads the files below some directories as one set: changes in several of them are one batch. If several have a file of one name,
/// the first directory counts.
pub struct DirectoryLoader {
    /// The first invalid rule, because of which nothing can be loaded.
    rule_error: Option<String>,
    observer: Observer,
    inbox: Arc<Inbox>,
    roots: Vec<PathBuf>,
    /// The directories that identify the templates of a store.
    identity: String,
    dialects: Vec<Arc<dyn Dialect>>,
    shape: KeyShape,
    by: WatchBy,
    timer: Option<HintTimer>,
    /// The timer to wake and the time of the next attempt, after native events could not be set up.
    listen_again: Option<(Arc<TimerState>, Instant)>,
    sweep: Duration,
}

impl DirectoryLoader {
    /// Creates a loader of some directories. The first one must exist when it is loaded, unless it may come [late](Mount::late);
    /// others may be missing.
    #[must_use]
    pub fn new(mounts: impl IntoIterator<Item = Mount>, limits: &Limits) -> Self {
        let (mut rule_error, mut trees, mut dialects) = (None, Vec::new(), Vec::new());
        let mut identity = Vec::new();
        let mut shape = KeyShape::default();
        for mount in mounts {
            let Mount {
                prefix,
                path,
                rules,
                late,
                supplementary,
                missing,
                dialect,
                layer,
                data_prefix,
            } = mount;
            shape.is_used |= layer != RootLayer::default();
            shape.data_prefix = shape.data_prefix.or(data_prefix);
            let prefix = format!("{}{prefix}", layer.prefix());
            if !supplementary {
                // The same directory may be named from elsewhere in the next process.
                let absolute = std::path::absolute(&path);
                identity.push(absolute.as_ref().unwrap_or(&path).display().to_string());
            }
            match CompiledRules::new(&rules, limits.source_bytes) {
                Ok(rules) => {
                    let mut tree = Tree::new(prefix, path, rules, limits);
                    tree.late = late;
                    tree.supplementary = supplementary;
                    tree.language = (missing, dialect.as_ref().map(|dialect| dialect.id()));
                    trees.push(tree);
                    dialects.extend(dialect);
                }
                Err(error) => rule_error = Some(format!("the rules of {}: {error}", path.display())),
            }
        }
        let roots = trees.iter().map(|tree| tree.root.clone()).collect();
        let inbox = Arc::new(Inbox::new(limits));
        Self {
            rule_error,
            observer: Observer::new(trees, Arc::clone(&inbox), limits),
            inbox,
            roots,
            identity: identity.join(", "),
            dialects,
            shape,
            by: WatchBy::default(),
            timer: None,
            listen_again: None,
            sweep: Duration::from_millis(limits.sweep_ms),
        }
    }

    /// Sets the way in which it notices changes.
    #[must_use]
    pub fn watch_by(mut self, by: WatchBy) -> Self {
        self.by = by;
        self
    }

    fn listen(&mut self, timer: Arc<TimerState>) -> Result<Mode, WatchError> {
        let inbox = Arc::clone(&self.inbox);
        let watches: Box<dyn Watches> = match self.by {
            WatchBy::Poll => return Err(WatchError::NotThere),
            #[cfg(target_os = "linux")]
            WatchBy::Auto => Box::new(kernel::inotify::Inotify::listen(inbox, move || timer.wake())?),
            _ => Box::new(Recursive::listen(self.roots.clone(), inbox, move || timer.wake())?),
        };
        let mode = Mode::of(&*watches);
        self.inbox.watched().begin(watches)?;
        Ok(mode)
    }
}

impl Drop for DirectoryLoader {
    fn drop(&mut self) {
        // The listening thread holds the inbox, and the inbox holds the watches: this breaks the cycle.
        let watches = self.inbox.watched().end();
        drop(watches);
    }
}

impl BlockingLoader for DirectoryLoader {
    fn name(&self) -> &'static str {
        "directory"
    }

    fn describe(&self) -> String {
        let paths: Vec<String> = self.roots.iter().map(|path| path.display().to_string()).collect();
        paths.join(", ")
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn restored(&mut self, keys: &[TemplateKey]) {
        self.observer.restored(keys);
    }

    fn watch(&mut self, hints: Hints) -> Result<(), LoaderError> {
        self.inbox.set_hints(hints.clone());
        let timer = TimerState::new(Arc::clone(&self.inbox), hints);
        match self.listen(Arc::clone(&timer)) {
            Ok(mode) => self.observer.mode = mode,
            Err(WatchError::NotThere) => self.observer.mode = Mode::configured_polling(),
            Err(WatchError::Exhausted(why)) => {
                self.observer.fall_back_to_polling(why, Instant::now());
                self.listen_again = Some((Arc::clone(&timer), Instant::now() + self.sweep));
            }
        }
        let timer = HintTimer::start(timer).map_err(|error| {
            let message = format!("the thread that waits for changes cannot be started: {error}");
            LoaderError::new(message).caused_by(error)
        })?;
        self.timer = Some(timer);
        Ok(())
    }

    fn sync(&mut self, depth: Depth) -> Result<Changes, LoaderError> {
        if let Some(rule_error) = &self.rule_error {
            return Err(LoaderError::new(rule_error.clone()));
        }
        if let Some((timer, _)) = self.listen_again.take_if(|(_, at)| *at <= Instant::now()) {
            match self.listen(Arc::clone(&timer)) {
                Ok(mode) => self.observer.resume_native(mode),
                Err(_) => self.listen_again = Some((timer, Instant::now() + self.sweep)),
            }
        }
        let asks = depth == Depth::Everything && self.observer.trusts_events();
        let heard_all = asks && self.inbox.catch_up();
        let inbox = Arc::clone(&self.inbox);
        let found = self.observer.sync(&System, &*inbox, depth, heard_all, Instant::now());
        if let Some(timer) = &self.timer {
            timer.set(self.observer.next(), self.observer.polled.take());
        }
        // The scan may have stopped halfway, and half of a tree is no answer.
        if self.inbox.is_over() {
            return Err(LoaderError::new("the engine has stopped"));
        }
        found.map(|changes| self.shape.keys(changes))
    }

    fn dialects(&self) -> Vec<Arc<dyn Dialect>> {
        self.dialects.clone()
    }

    fn status(&self) -> LoaderStatus {
        let mut status = self.observer.status();
        status.remarks.extend(self.shape.remarks());
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_loader_frees_watches_and_threads() {
        for by in [WatchBy::Auto, WatchBy::Recursive] {
            let directory = tempfile::tempdir().expect("a directory");
            let mut loader = DirectoryLoader::new([Mount::new("", directory.path())], &Limits::default()).watch_by(by);
            loader.watch(Hints::new(|| {})).expect("watches");
            loader.sync(Depth::Afresh).expect("loads");
            let inbox = Arc::downgrade(&loader.inbox);
            drop(loader);
            let end = Instant::now() + std::time::Duration::from_secs(30);
            while inbox.strong_count() > 0 {
                assert!(Instant::now() < end, "a thread still listens by {by:?}");
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
            "it must exist"
        );
        let mut loader = load(Mount::new("", &path).late());
        let first = loader.sync(Depth::Afresh).expect("it may come later");
        assert!(first.complete && first.changed.is_empty());
        let missing = |loader: &DirectoryLoader| loader.status().missing.concat();
        let why = missing(&loader);
        assert!(why.contains("is not there yet"), "{why}");
        std::fs::create_dir(&path).expect("made");
        std::fs::write(path.join("a.html"), "a").expect("written");
        let came = loader.sync(Depth::Everything).expect("it is there");
        assert_eq!(came.changed.len(), 1);
        assert_eq!(missing(&loader), "");
        std::fs::rename(&path, parent.path().join("away")).expect("renamed");
        assert!(loader.sync(Depth::Everything).is_err(), "its absence removes nothing");
        let why = missing(&loader);
        assert!(why.contains("its last content is still served"), "{why}");
    }
}
