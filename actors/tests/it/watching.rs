//! Tests of the directory loader on real file systems: the operations of editors, deployments and programs, and the expected reports.
//!
//! Every case runs on each file system that the machine has (the temporary directory, `/dev/shm`) and by each means of watching.

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
use hotplate_actors::{DirectoryLoader, Limits, Loader, LoaderStatus, Mount, WatchBy, WatchMode};
use tempfile::TempDir;

/// The longest time to wait for a condition, generous because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The reports of one name in order: a text, an error (`!code`), or `None` for a removal.
pub(crate) type Story = Vec<Option<String>>;

#[derive(Default)]
struct Told {
    stories: BTreeMap<String, Story>,
    batches: usize,
    hints: usize,
    hinted: bool,
    ended: bool,
    error: Option<String>,
    /// A condition on the texts after each batch.
    check: Option<Check>,
    /// The texts that violated the condition.
    wrong: Vec<String>,
}

type Check = Box<dyn Fn(&BTreeMap<&str, &str>) -> bool + Send>;

impl Told {
    fn take(&mut self, changes: Changes) {
        self.batches += usize::from(!changes.is_empty());
        let texts = changes
            .changed
            .iter()
            .map(|source| (&source.name, Some(source.text.to_string())));
        let unreadable = changes
            .unreadable
            .iter()
            .map(|(name, why)| (name, Some(format!("!{}", why[0].code))));
        let removed = changes.removed.iter().map(|name| (name, None));
        for (name, now) in texts.chain(unreadable).chain(removed) {
            let story = self.stories.entry(name.to_string()).or_default();
            // The Watcher compares digests, so a repeated report counts once.
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
        let told = self.stories.iter();
        told.filter_map(|(name, story)| Some((name.as_str(), story.last()?.as_deref()?)))
            .collect()
    }
}

/// A watched directory, and everything that its loader reported.
pub(crate) struct Site {
    pub(crate) root: PathBuf,
    pub(crate) by: WatchBy,
    /// The parent directory of the root, on the same file system.
    directory: TempDir,
    told: Arc<(Mutex<Told>, Condvar)>,
    loader: Arc<Mutex<DirectoryLoader>>,
    looks: Option<std::thread::JoinHandle<()>>,
}

pub(crate) fn limits() -> Limits {
    Limits {
        poll_ms: 50,
        ..Limits::default()
    }
}

impl Site {
    /// Creates some files below a root, and watches it.
    pub(crate) fn new(on: &Path, by: WatchBy, files: &[(&str, &str)]) -> Self {
        Self::within(limits(), on, by, files)
    }

    /// Creates a site with other limits.
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

    /// Watches the mounts that `prepare` creates in a new directory.
    pub(crate) fn with(on: &Path, by: WatchBy, prepare: impl FnOnce(&Path) -> Vec<Mount>) -> Self {
        Self::prepared(limits(), on, by, prepare)
    }

    fn prepared(limits: Limits, on: &Path, by: WatchBy, prepare: impl FnOnce(&Path) -> Vec<Mount>) -> Self {
        let directory = tempfile::tempdir_in(on).expect("a directory");
        let mounts = prepare(directory.path());
        let limits = match by {
            // Recursive watching misses more events, so the sweep that finds these changes runs more often.
            WatchBy::Recursive => Limits {
                sweep_ms: 300,
                ..limits
            },
            _ => limits,
        };
        let mut loader = DirectoryLoader::new(mounts, &limits).watch_by(by);
        let told = Arc::<(Mutex<Told>, Condvar)>::default();
        let hinting = Arc::clone(&told);
        let hint = move || {
            let mut told = hinting.0.lock().expect("not poisoned");
            told.hints += 1;
            told.hinted = true;
            hinting.1.notify_all();
        };
        loader.watch(Hints::new(hint)).expect("watches");
        let first = loader.sync(Depth::Afresh).expect("loads");
        told.0.lock().expect("not poisoned").take(first);
        let loader = Arc::new(Mutex::new(loader));
        let looks = std::thread::spawn({
            let (told, loader) = (Arc::clone(&told), Arc::clone(&loader));
            move || follow(&told, &loader)
        });
        let root = directory.path().join("site");
        Self {
            root,
            by,
            directory,
            told,
            loader,
            looks: Some(looks),
        }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Returns a path beside the root.
    pub(crate) fn beside(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        write(&self.path(path), text);
    }

    /// Saves a file atomically: writes another file and renames it.
    pub(crate) fn save(&self, path: &str, text: &str) {
        let beside = self.path(path).with_extension("part");
        write(&beside, text);
        fs::rename(beside, self.path(path)).expect("renamed");
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.0.lock().expect("not poisoned")
    }

    /// Waits until a name has this text, or is removed, without a sync on request.
    pub(crate) fn until(&self, name: &str, text: Option<&str>) {
        let end = Instant::now() + PATIENCE;
        let mut told = self.told();
        while told.now().get(name).copied() != text {
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{name} should be {text:?} by {:?}; told: {:?}; {:?}",
                self.by,
                told.stories,
                told.error
            );
            told = self.told.1.wait_timeout(told, left).expect("not poisoned").0;
        }
    }

    /// Syncs everything, as a `Reload` does, and returns all texts.
    pub(crate) fn sync(&self) -> BTreeMap<String, String> {
        self.look(Depth::Everything)
    }

    pub(crate) fn look(&self, depth: Depth) -> BTreeMap<String, String> {
        let mut loader = self.loader.lock().expect("not poisoned");
        let changes = loader.sync(depth);
        let mut told = self.told();
        match changes {
            Ok(changes) => told.take(changes),
            Err(error) => told.error = Some(error.to_string()),
        }
        self.told.1.notify_all();
        let now = told.now().into_iter();
        now.map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
    }

    /// Returns the reports of a name.
    pub(crate) fn story(&self, name: &str) -> Story {
        self.told().stories.get(name).cloned().unwrap_or_default()
    }

    /// Asserts the reports of a name so far.
    pub(crate) fn expect(&self, name: &str, story: &[Option<&str>]) {
        self.sync();
        let told = self.story(name);
        let told: Vec<Option<&str>> = told.iter().map(Option::as_deref).collect();
        assert_eq!(told, story, "{name} by {:?}", self.by);
    }

    /// Asserts that a name changed from one text to another by events alone, without a report in between.
    pub(crate) fn expect_change(&self, name: &str, from: &str, to: &str) {
        self.until(name, Some(to));
        self.expect(name, &[Some(from), Some(to)]);
    }

    pub(crate) fn batches(&self) -> usize {
        self.told().batches
    }

    /// Checks a condition after each batch from now on.
    pub(crate) fn check_each_batch(&self, check: impl Fn(&BTreeMap<&str, &str>) -> bool + Send + 'static) {
        self.told().check = Some(Box::new(check));
    }

    /// Returns the texts after each batch that violated the condition.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.told().wrong.clone()
    }

    pub(crate) fn hints(&self) -> usize {
        self.told().hints
    }

    pub(crate) fn error(&self) -> Option<String> {
        self.told().error.clone()
    }

    /// Returns true if the kernel watches each directory. Other processes may have used up the watches.
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

fn follow(told: &(Mutex<Told>, Condvar), loader: &Mutex<DirectoryLoader>) {
    loop {
        {
            let mut waits = told.0.lock().expect("not poisoned");
            while !waits.hinted && !waits.ended {
                waits = told.1.wait(waits).expect("not poisoned");
            }
            if waits.ended {
                return;
            }
            waits.hinted = false;
        }
        let mut loader = loader.lock().expect("not poisoned");
        let found = loader.sync(Depth::Hinted);
        // Recorded before the loader is unlocked, so that a later sync cannot overtake this one.
        let mut told_now = told.0.lock().expect("not poisoned");
        match found {
            Ok(changes) => told_now.take(changes),
            Err(error) => told_now.error = Some(error.to_string()),
        }
        told.1.notify_all();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Ok(mut told) = self.told.0.lock() {
            told.ended = true;
        }
        self.told.1.notify_all();
        if let Some(looks) = self.looks.take() {
            let _ = looks.join();
        }
    }
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a file has a directory")).expect("a directory");
    fs::write(path, text).expect("written");
}

/// Returns the available file systems: the temporary directory, and one in memory.
pub(crate) fn file_systems() -> Vec<PathBuf> {
    let memory = PathBuf::from("/dev/shm");
    let usable = tempfile::tempdir_in(&memory).is_ok();
    if !usable {
        println!("skipped: /dev/shm cannot be written");
    }
    let temporary = std::env::temp_dir();
    [temporary].into_iter().chain(usable.then_some(memory)).collect()
}

/// Runs a case on each file system, by each means of watching.
pub(crate) fn everywhere(files: &[(&str, &str)], case: impl Fn(&Site)) {
    for on in file_systems() {
        for by in [WatchBy::Auto, WatchBy::Recursive, WatchBy::Poll] {
            case(&Site::new(&on, by, files));
        }
    }
}

/// Runs a case on each file system, with the kernel watching each directory.
pub(crate) fn natively(files: &[(&str, &str)], case: impl Fn(&Site)) {
    for on in file_systems() {
        case(&Site::new(&on, WatchBy::Auto, files));
    }
}

/// Runs a program. Returns false if it is not installed.
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
        assert!(Instant::now() < end, "the condition never became true");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
