//! Many publications with a store and an audit log: memory, files and descriptors stay flat.
//!
//! 300 publications with `cargo test`; `HOTPLATE_STORE_PUBLICATIONS=10000` sets another number. The test runs in a process of its own, because
//! other tests use memory and descriptors as well.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hotplate_actors::{AuditOptions, Hotplate, Limits, MemoryLoader, StoreOptions, TemplateName};

/// The number of publications.
const PUBLICATIONS: &str = "HOTPLATE_STORE_PUBLICATIONS";
/// Set in the process that publishes.
const CHILD: &str = "HOTPLATE_STORE_SOAK_CHILD";
const TEMPLATES: usize = 100;
const KEEP: usize = 8;
/// The growth that the allocator and the caches of the runtime may have.
const GROWTH_BYTES_MAX: usize = 12 * 1024 * 1024;

#[test]
fn publications_leave_memory_files_and_descriptors_flat() {
    if let Some(count) = std::env::var(CHILD).ok().and_then(|count| count.parse().ok()) {
        return publish(count);
    }
    let count = std::env::var(PUBLICATIONS).unwrap_or_else(|_| "300".to_owned());
    let test = std::env::current_exe().expect("a path");
    let ended = std::process::Command::new(test)
        .args([
            "--exact",
            "store_soak::publications_leave_memory_files_and_descriptors_flat",
            "--nocapture",
        ])
        .env(CHILD, &count)
        .output()
        .expect("starts");
    let said = String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
    let figures = said.lines().find(|line| line.contains("publications:"));
    println!("{}", figures.expect("the child says what it has measured"));
}

/// The resources of this process and of its directory.
#[derive(Debug)]
struct Resources {
    memory: usize,
    descriptors: usize,
    files: usize,
}

impl Resources {
    fn now(directory: &Path) -> Self {
        let pages = fs::read_to_string("/proc/self/statm").expect("reads");
        let pages: usize = pages
            .split(' ')
            .nth(1)
            .and_then(|pages| pages.parse().ok())
            .expect("a number");
        Self {
            memory: pages * 4096,
            descriptors: fs::read_dir("/proc/self/fd").expect("lists").count(),
            files: files_below(directory),
        }
    }
}

fn files_below(directory: &Path) -> usize {
    let paths = fs::read_dir(directory)
        .expect("lists")
        .map(|entry| entry.expect("an entry").path());
    paths
        .map(|path| if path.is_dir() { files_below(&path) } else { 1 })
        .sum()
}

fn publish(count: usize) {
    let directory = directory();
    let (store, audit) = (directory.path().join("store"), directory.path().join("audit"));
    let (loader, memory) = MemoryLoader::new();
    let name = |number: usize| TemplateName::new(&format!("page-{}.html", number % TEMPLATES)).expect("a name");
    memory.edit((0..TEMPLATES).map(|number| (name(number), Some("the first text"))));
    let limits = Limits {
        history_versions: KEEP,
        compile_cache_bytes: 256 * 1024,
        last_good_bytes: 256 * 1024,
        ..Limits::default()
    };
    let hotplate = Hotplate::builder()
        .loader(loader)
        .limits(limits)
        .watch(false)
        .store(StoreOptions::new(&store).keep(KEEP))
        .audit(AuditOptions::new(&audit).file_bytes(32 * 1024).files(3))
        .start()
        .expect("starts");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let began = Instant::now();
    let mut before = None;
    for number in 1..=count {
        memory.set(name(number), format!("<p>text {number} {}</p>", "x".repeat(200)));
        let report = runtime.block_on(hotplate.reload()).expect("reloads");
        let until = Instant::now() + Duration::from_secs(60);
        while hotplate.health().store.expect("a store").durable != Some(report.version) {
            assert!(Instant::now() < until, "version {} is not durable", report.version);
            std::thread::yield_now();
        }
        // From here on the bounds of all that is kept have been reached.
        if number == count / 2 {
            before = Some(Resources::now(directory.path()));
        }
    }
    let took = began.elapsed();
    let (before, after) = (before.expect("half of it"), Resources::now(directory.path()));
    let health = hotplate.health();
    let store = health.store.expect("a store");
    assert_eq!((store.failures, store.problems.len()), (0, 0), "{store:?}");
    assert_eq!(
        hotplate_actors::audit::verify(&audit).expect("whole").last,
        count as u64 + 1
    );
    println!("{count} publications: {before:?} after half of them, {after:?} at the end, {took:?}");
    let grown = after.memory.saturating_sub(before.memory);
    assert!(grown <= GROWTH_BYTES_MAX, "{grown} bytes more: {before:?}, {after:?}");
    assert!(after.descriptors <= before.descriptors + 2, "{before:?}, {after:?}");
    assert!(after.files <= before.files + KEEP, "{before:?}, {after:?}");
}

/// Returns a temporary directory: in memory if the disk needs more than 2 ms to make a file durable, which would measure the disk.
fn directory() -> tempfile::TempDir {
    let on_disk = tempfile::tempdir().expect("a directory");
    let began = Instant::now();
    const PROBES: u32 = 10;
    for number in 0..PROBES {
        let path: PathBuf = on_disk.path().join(format!("probe-{number}"));
        fs::write(&path, "x").expect("written");
        fs::File::open(&path).and_then(|file| file.sync_all()).expect("synced");
        fs::remove_file(&path).expect("removed");
    }
    let is_slow = began.elapsed() / PROBES > Duration::from_millis(2);
    match tempfile::tempdir_in("/dev/shm") {
        Ok(in_memory) if is_slow => in_memory,
        _ => on_disk,
    }
}
