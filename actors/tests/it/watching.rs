//! The directory loader on real file systems: what editors, deployments and programs do, and the reports that must follow.
//!
//! Every case runs on each file system of the machine (the temporary directory, `/dev/shm`) in each watch mode.

mod deployments;
mod directories;
mod editors;
#[cfg(target_os = "linux")]
mod exchanges;
mod files;
mod rules;
mod soak;
mod whole;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hotplate_actors::loader::{Changes, Depth, Hints};
use hotplate_actors::{BlockingLoader, DirectoryLoader, Limits, LoaderStatus, Mount, WatchBy, WatchMode};
use tempfile::TempDir;

/// The longest wait for anything: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The reports about one name, in order: a text, a failure to read it (`!code`), or its removal.
pub(crate) type Story = Vec<Option<String>>;

#[derive(Default)]
struct Reports {
    stories: BTreeMap<String, Story>,
    batches: usize,
    hints: usize,
    hinted: bool,
    ended: bool,
    error: Option<String>,
    /// A check of the served texts after each batch.
    check: Option<Check>,
    /// The served texts that failed the check.
    wrong: Vec<String>,
}

type Check = Box<dyn Fn(&BTreeMap<&str, &str>) -> bool + Send>;

impl Reports {
    fn take(&mut self, changes: Changes) {
        self.batches += usize::from(!changes.is_empty());
        let texts = changes
            .changed
            .iter()
            .map(|source| (&source.key, Some(source.text.to_string())));
        let unreadable = changes
            .unreadable
            .iter()
            .map(|(key, why)| (key, Some(format!("!{}", why[0].code))));
        let removed = changes.removed.iter().map(|key| (key, None));
        for (key, now) in texts.chain(unreadable).chain(removed) {
            let story = self.stories.entry(key.to_string()).or_default();
            // The Watcher compares as well, so a repeated report counts once.
            if story.last() != Some(&now) {
                story.push(now);
            }
        }
        let served = self.now();
        let wrong = self.check.as_ref().filter(|check| !check(&served));
        let wrong = wrong.map(|_| format!("{served:?}"));
        self.wrong.extend(wrong);
    }

    fn now(&self) -> BTreeMap<&str, &str> {
        let reports = self.stories.iter();
        reports
            .filter_map(|(name, story)| Some((name.as_str(), story.last()?.as_deref()?)))
            .collect()
    }
}

/// A directory that is watched, and the reports about it.
pub(crate) struct Site {
    pub(crate) root: PathBuf,
    pub(crate) by: WatchBy,
    /// The directory with the root in it, for files beside the root on the same file system.
    directory: TempDir,
    reports: Arc<(Mutex<Reports>, Condvar)>,
    loader: Arc<Mutex<DirectoryLoader>>,
    follower: Option<std::thread::JoinHandle<()>>,
}

pub(crate) fn limits() -> Limits {
    Limits {
        poll_ms: 50,
        ..Limits::default()
    }
}

impl Site {
    /// Creates a root with some files and watches it.
    pub(crate) fn new(on: &Path, by: WatchBy, files: &[(&str, &str)]) -> Self {
        Self::within(limits(), on, by, files)
    }

    /// Creates a root with some files and watches it within other limits.
    pub(crate) fn within(limits: Limits, on: &Path, by: WatchBy, files: &[(&str, &str)]) -> Self {
        Self::prepared(limits, on, by, |directory| {
            let root = directory.join("site");
            fs::create_dir(&root).expect("created");
            for (path, text) in files {
                write(&root.join(path), text);
            }
            vec![Mount::new("", root)]
        })
    }

    /// Watches the mounts that `prepare` returns, after it has filled a new directory.
    pub(crate) fn with(on: &Path, by: WatchBy, prepare: impl FnOnce(&Path) -> Vec<Mount>) -> Self {
        Self::prepared(limits(), on, by, prepare)
    }

    fn prepared(limits: Limits, on: &Path, by: WatchBy, prepare: impl FnOnce(&Path) -> Vec<Mount>) -> Self {
        let directory = tempfile::tempdir_in(on).expect("a directory");
        let mounts = prepare(directory.path());
        let limits = match by {
            // Watches of whole trees miss more, which full scans find.
            WatchBy::Recursive => Limits {
                sweep_ms: 300,
                ..limits
            },
            _ => limits,
        };
        let mut loader = DirectoryLoader::new(mounts, &limits).watch_by(by);
        let reports = Arc::<(Mutex<Reports>, Condvar)>::default();
        let hinting = Arc::clone(&reports);
        let hint = move || {
            let mut reports = hinting.0.lock().expect("not poisoned");
            reports.hints += 1;
            reports.hinted = true;
            hinting.1.notify_all();
        };
        loader.watch(Hints::new(hint)).expect("watches");
        let first = loader.sync(Depth::Afresh).expect("loads");
        reports.0.lock().expect("not poisoned").take(first);
        let loader = Arc::new(Mutex::new(loader));
        let follower = std::thread::spawn({
            let (reports, loader) = (Arc::clone(&reports), Arc::clone(&loader));
            move || follow(&reports, &loader)
        });
        let root = directory.path().join("site");
        Self {
            root,
            by,
            directory,
            reports,
            loader,
            follower: Some(follower),
        }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A path beside the root.
    pub(crate) fn beside(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        write(&self.path(path), text);
    }

    /// Writes a file beside it and renames that into place.
    pub(crate) fn save(&self, path: &str, text: &str) {
        let beside = self.path(path).with_extension("part");
        write(&beside, text);
        fs::rename(beside, self.path(path)).expect("renamed");
    }

    fn reports(&self) -> MutexGuard<'_, Reports> {
        self.reports.0.lock().expect("not poisoned")
    }

    /// Waits until a name has this text, or is gone, without a `Reload`.
    pub(crate) fn until(&self, name: &str, text: Option<&str>) {
        let end = Instant::now() + PATIENCE;
        let mut reports = self.reports();
        while reports.now().get(name).copied() != text {
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{name} should be {text:?} by {:?}; reported: {:?}; {:?}",
                self.by,
                reports.stories,
                reports.error
            );
            reports = self.reports.1.wait_timeout(reports, left).expect("not poisoned").0;
        }
    }

    /// Syncs as a `Reload` does, after which everything is reported. Returns the served texts.
    pub(crate) fn sync(&self) -> BTreeMap<String, String> {
        self.look(Depth::Everything)
    }

    pub(crate) fn look(&self, depth: Depth) -> BTreeMap<String, String> {
        let mut loader = self.loader.lock().expect("not poisoned");
        let changes = loader.sync(depth);
        let mut reports = self.reports();
        match changes {
            Ok(changes) => reports.take(changes),
            Err(error) => reports.error = Some(error.to_string()),
        }
        self.reports.1.notify_all();
        let now = reports.now().into_iter();
        now.map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
    }

    /// Returns the reports about a name.
    pub(crate) fn story(&self, name: &str) -> Story {
        self.reports().stories.get(name).cloned().unwrap_or_default()
    }

    /// Asserts the reports about a name up to now.
    pub(crate) fn expect(&self, name: &str, story: &[Option<&str>]) {
        self.sync();
        let reports = self.story(name);
        let reports: Vec<Option<&str>> = reports.iter().map(Option::as_deref).collect();
        assert_eq!(reports, story, "{name} by {:?}", self.by);
    }

    /// Asserts that a name changes from one text to the other by itself, without any other report in between.
    pub(crate) fn expect_change(&self, name: &str, from: &str, to: &str) {
        self.until(name, Some(to));
        self.expect(name, &[Some(from), Some(to)]);
    }

    pub(crate) fn batches(&self) -> usize {
        self.reports().batches
    }

    /// Checks the served texts after each batch from now on.
    pub(crate) fn check_each_batch(&self, check: impl Fn(&BTreeMap<&str, &str>) -> bool + Send + 'static) {
        self.reports().check = Some(Box::new(check));
    }

    /// Returns the served texts that failed the check.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.reports().wrong.clone()
    }

    pub(crate) fn hints(&self) -> usize {
        self.reports().hints
    }

    pub(crate) fn error(&self) -> Option<String> {
        self.reports().error.clone()
    }

    /// Returns true if each directory is watched natively. Other programs may have used up the watches.
    pub(crate) fn is_native(&self) -> bool {
        let status = self.status();
        let native = self.by == WatchBy::Auto && status.watch_mode == WatchMode::Native;
        if !native {
            println!("skipped: {:?}: {}", status.watch_mode, status.why);
        }
        native
    }

    pub(crate) fn status(&self) -> LoaderStatus {
        self.loader.lock().expect("not poisoned").status()
    }
}

fn follow(reports: &(Mutex<Reports>, Condvar), loader: &Mutex<DirectoryLoader>) {
    loop {
        {
            let mut waits = reports.0.lock().expect("not poisoned");
            while !waits.hinted && !waits.ended {
                waits = reports.1.wait(waits).expect("not poisoned");
            }
            if waits.ended {
                return;
            }
            waits.hinted = false;
        }
        let mut loader = loader.lock().expect("not poisoned");
        let found = loader.sync(Depth::Hinted);
        // Noted before the loader is unlocked, or a later report could overtake it.
        let mut reports_now = reports.0.lock().expect("not poisoned");
        match found {
            Ok(changes) => reports_now.take(changes),
            Err(error) => reports_now.error = Some(error.to_string()),
        }
        reports.1.notify_all();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Ok(mut reports) = self.reports.0.lock() {
            reports.ended = true;
        }
        self.reports.1.notify_all();
        if let Some(follower) = self.follower.take() {
            let _ = follower.join();
        }
    }
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a file has a directory")).expect("a directory");
    fs::write(path, text).expect("written");
}

/// Returns a directory on each file system for the tests: the temporary directory, and one in memory.
pub(crate) fn file_systems() -> Vec<PathBuf> {
    let memory = PathBuf::from("/dev/shm");
    let usable = tempfile::tempdir_in(&memory).is_ok();
    if !usable {
        println!("skipped: /dev/shm cannot be written");
    }
    let temporary = std::env::temp_dir();
    [temporary].into_iter().chain(usable.then_some(memory)).collect()
}

/// Runs a case on each file system in each watch mode.
pub(crate) fn everywhere(files: &[(&str, &str)], case: impl Fn(&Site)) {
    for on in file_systems() {
        for by in [WatchBy::Auto, WatchBy::Recursive, WatchBy::Poll] {
            case(&Site::new(&on, by, files));
        }
    }
}

/// Runs a case on each file system, with native watches of each directory.
pub(crate) fn natively(files: &[(&str, &str)], case: impl Fn(&Site)) {
    for on in file_systems() {
        case(&Site::new(&on, WatchBy::Auto, files));
    }
}

/// Runs a program, if it is installed. Returns false if it is not.
pub(crate) fn run(program: &str, arguments: &[&str], directory: &Path) -> bool {
    let mut command = std::process::Command::new(program);
    command.args(arguments).current_dir(directory);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("TERM", "dumb");
    command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::null());
    match command.status() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: {program} is not installed");
            false
        }
        Err(error) => panic!("{program} cannot be run: {error}"),
        Ok(status) => {
            assert!(status.success(), "{program} {arguments:?}: {status}");
            true
        }
    }
}

/// Waits until a condition holds.
pub(crate) fn wait_for(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "the condition never held");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
