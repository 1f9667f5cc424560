//! Measures the latency with which the directory loader notices changes among 10,000 templates of 2 KB, and its cost while nothing changes.
//! Prints Markdown.
//!
//! The latency is the time from just before the system call that changes a file until the loader returns the change, which a Watcher would
//! send as `SourcesChanged`. The directory is `HOTPLATE_BENCH_DIR`, by default the temporary directory.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use hotplate_actors::loader::{Changes, Depth, Hints};
use hotplate_actors::{BlockingLoader, DirectoryLoader, Limits, Mount, Rules};
use hotplate_benches::allocations::{Weighing, live_bytes};
use hotplate_benches::measure::{Samples, nanoseconds, rounds};
use hotplate_benches::table;

const FILES: usize = 10_000;

#[global_allocator]
static ALLOCATOR: Weighing = Weighing;

fn main() {
    let place = std::env::var_os("HOTPLATE_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = place.join(format!("hotplate-watch-{}", std::process::id()));
    edits(&directory.join("edits"));
    start(&directory.join("start"), 100_000);
    fs::remove_dir_all(&directory).expect("removed");
}

/// A loader that synchronises in the current thread.
struct WatchedLoader {
    loader: DirectoryLoader,
    hinted: Receiver<()>,
    hints: Sender<()>,
}

impl WatchedLoader {
    fn open(root: &Path) -> (Self, Changes, Duration) {
        let rules = Rules {
            exclude: vec!["log/".into()],
            ..Rules::default()
        };
        let mounts = [Mount::new("", root).rules(rules)];
        let mut loader = DirectoryLoader::new(mounts, &Limits::default());
        let (hints, hinted) = channel();
        let hint = std::sync::Mutex::new(hints.clone());
        let hint = move || drop(hint.lock().map(|hint| hint.send(())));
        let start = Instant::now();
        loader.watch(Hints::new(hint)).expect("it watches");
        let first = loader.sync(Depth::Afresh).expect("it loads");
        let took = start.elapsed();
        (Self { loader, hinted, hints }, first, took)
    }

    /// Synchronises at each hint until a change of this name is reported.
    fn until(&mut self, name: &str) {
        loop {
            self.hinted.recv_timeout(Duration::from_secs(20)).expect("a hint");
            while self.hinted.try_recv().is_ok() {}
            let changes = self.loader.sync(Depth::Hinted).expect("it synchronises");
            let changed = changes
                .changed
                .iter()
                .map(|source| &source.key)
                .chain(&changes.removed);
            if changed.into_iter().any(|each| each.as_str() == name) {
                return;
            }
        }
    }

    fn sync(&mut self, depth: Depth) -> Changes {
        while self.hinted.try_recv().is_ok() {}
        self.loader.sync(depth).expect("it synchronises")
    }
}

fn page(marker: &str) -> String {
    format!(
        "<p>{marker}</p>\n{}",
        "<p>{title} and what else there is to say</p>\n".repeat(43)
    )
}

fn fill(root: &Path, files: usize) {
    for number in 0..files {
        let place = root.join(format!("{:03}", number / 100));
        if number % 100 == 0 {
            fs::create_dir_all(&place).expect("a directory");
        }
        fs::write(place.join(format!("{number}.html")), page(&number.to_string())).expect("a file");
    }
}

fn edits(root: &Path) {
    fill(root, FILES);
    fs::create_dir_all(root.join("log")).expect("a directory");
    let (mut watched, _, started) = WatchedLoader::open(root);
    let aside = root.join(".aside");
    let mut rows = Vec::new();
    let mut measure = |what: &str, goal: &str, act: &mut dyn FnMut(usize, &mut WatchedLoader) -> Duration| {
        let mut samples = Samples(Vec::new());
        for round in 0..rounds(300) {
            samples.0.push(nanoseconds(act(round, &mut watched)));
        }
        rows.push(vec![
            what.to_owned(),
            table::time(samples.median()),
            table::time(samples.quantile(0.99)),
            goal.to_owned(),
        ]);
    };
    measure("in place", "0.3 / 2 ms", &mut |round, watched| {
        let path = root.join("000/0.html");
        let text = page(&format!("in place {round}"));
        let mut file = fs::File::options().write(true).open(path).expect("opened");
        let start = Instant::now();
        file.write_all(text.as_bytes()).expect("written");
        file.set_len(text.len() as u64).expect("cut");
        drop(file);
        watched.until("000/0.html");
        start.elapsed()
    });
    measure("truncated and written", "", &mut |round, watched| {
        let start = Instant::now();
        fs::write(root.join("000/1.html"), page(&format!("new {round}"))).expect("written");
        watched.until("000/1.html");
        start.elapsed()
    });
    measure("renamed over", "0.5 / 2 ms", &mut |round, watched| {
        fs::write(&aside, page(&format!("renamed {round}"))).expect("written");
        let start = Instant::now();
        fs::rename(&aside, root.join("000/2.html")).expect("renamed");
        watched.until("000/2.html");
        start.elapsed()
    });
    measure("a new directory with a file", "0.7 / 4 ms", &mut |round, watched| {
        let place = root.join(format!("new{round}/deeper"));
        let start = Instant::now();
        fs::create_dir_all(&place).expect("a directory");
        fs::write(place.join("x.html"), "new").expect("written");
        watched.until(&format!("new{round}/deeper/x.html"));
        start.elapsed()
    });
    measure("deleted (grace period of 50 ms)", "", &mut |round, watched| {
        let start = Instant::now();
        fs::remove_file(root.join(format!("new{round}/deeper/x.html"))).expect("removed");
        watched.until(&format!("new{round}/deeper/x.html"));
        start.elapsed()
    });
    measure("a `Reload` without changes", "1 ms", &mut |_, watched| {
        let start = Instant::now();
        assert!(watched.sync(Depth::Everything).is_empty());
        start.elapsed()
    });
    measure("an edit and a `Reload`", "", &mut |round, watched| {
        fs::write(root.join("000/3.html"), page(&format!("synced {round}"))).expect("written");
        let start = Instant::now();
        assert!(watched.sync(Depth::Everything).changed.len() <= 1);
        start.elapsed()
    });
    println!("### From a change to `SourcesChanged`, {FILES} templates\n");
    table::print(&["what happens", "median", "99th percentile", "goal"], &rows);
    println!("Start: {}.\n", table::time(nanoseconds(started)));
    overflow(root, &mut watched);
    quiet(root, &mut watched);
}

/// Writes faster than the loader reads events.
fn overflow(root: &Path, watched: &mut WatchedLoader) {
    let path = |number: usize| root.join(format!("{:03}/{number}.html", number / 100));
    for round in 0..6 {
        // Each write causes at least three events (truncation, write, close), 180,000 in total.
        for number in 0..FILES {
            fs::write(path(number), format!("round {round} {number}")).expect("written");
        }
    }
    let start = Instant::now();
    let mut texts = BTreeMap::new();
    let mut changes = watched.sync(Depth::Everything);
    loop {
        for source in changes.changed.drain(..) {
            texts.insert(source.key.name.to_string(), source.text.to_string());
        }
        let right = |number: &usize| {
            let name = format!("{:03}/{number}.html", number / 100);
            texts
                .get(&name)
                .is_some_and(|text| *text == format!("round 5 {number}"))
        };
        if (0..FILES).all(|number| right(&number)) {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{} are current", texts.len());
        changes = watched.sync(Depth::Hinted);
    }
    let status = watched.loader.status();
    println!(
        "{FILES} files rewritten six times before the loader reads an event: current {} after the last write (goal 0.5 s); {} overflows, {} full scans.\n",
        table::time(nanoseconds(start.elapsed())),
        status.overflows,
        status.reconciles
    );
}

/// Measures the cost while nothing changes, and while an ignored log file grows.
fn quiet(root: &Path, watched: &mut WatchedLoader) {
    watched.sync(Depth::Bytes);
    while watched.hinted.recv_timeout(Duration::from_secs(1)).is_ok() {
        let _ = watched.loader.sync(Depth::Hinted);
    }
    let turns = switches();
    let reads = system_calls_that_read();
    let hints = watched.hinted.recv_timeout(Duration::from_secs(5)).is_ok();
    let reads = system_calls_that_read() - reads;
    println!(
        "5 s without changes: {reads} read system calls (including those of this measurement), {} wake-ups of all threads, {}.",
        switches() - turns,
        if hints { "a hint" } else { "no hint" }
    );
    let mut log = fs::File::create(root.join("log/x.log")).expect("created");
    let (start, mut lines) = (Instant::now(), 0_u64);
    while start.elapsed() < Duration::from_secs(2) {
        log.write_all(b"a line\n").expect("written");
        lines += 1;
    }
    println!(
        "A log in an ignored directory, {} lines per second: {}, {} overflows.\n",
        lines / 2,
        if watched.hinted.try_recv().is_ok() {
            "a hint"
        } else {
            "no hint"
        },
        watched.loader.status().overflows
    );
    let _ = &watched.hints;
}

fn field(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next().and_then(|text| text.parse().ok()));
    number.unwrap_or(0)
}

fn system_calls_that_read() -> u64 {
    field("/proc/self/io", "syscr:")
}

/// Counts the voluntary context switches of all threads of this process.
fn switches() -> u64 {
    let threads = fs::read_dir("/proc/self/task").expect("a list of threads");
    let status = threads.filter_map(|thread| Some(thread.ok()?.path().join("status")));
    status
        .map(|status| field(&status.display().to_string(), "voluntary_ctxt_switches:"))
        .sum()
}

fn start(root: &Path, files: usize) {
    fill(root, files);
    let before = live_bytes();
    let (watched, first, took) = WatchedLoader::open(root);
    assert_eq!(first.changed.len(), files);
    let texts: usize = first.changed.iter().map(|source| source.text.len()).sum();
    drop(first);
    let after = live_bytes();
    println!(
        "{files} templates, {} MB: found, read and digested in {} (goal 1.5 s); {} bytes of memory each afterwards (goal 1 KB).",
        texts / 1_000_000,
        table::time(nanoseconds(took)),
        (after - before) / files as isize
    );
    let start = Instant::now();
    let mut watched = watched;
    watched.sync(Depth::Everything);
    println!("Its first `Reload`: {}.", table::time(nanoseconds(start.elapsed())));
    let start = Instant::now();
    let mut walked = 0;
    for directory in fs::read_dir(root).expect("a directory") {
        for file in fs::read_dir(directory.expect("an entry").path()).expect("a directory") {
            let path = file.expect("an entry").path();
            let text = fs::read(&path).expect("a text");
            walked += usize::from(
                fs::symlink_metadata(&path).is_ok()
                    && hotplate_actors::Digest::of(&text) != hotplate_actors::Digest::ZERO,
            );
        }
    }
    assert_eq!(walked, files);
    println!(
        "Only walking the directory, reading and digesting the files: {}.",
        table::time(nanoseconds(start.elapsed()))
    );
}
