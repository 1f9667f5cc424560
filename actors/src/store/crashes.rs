//! Processes that are really killed: at each step of storing and of writing the audit log, this test kills a child with SIGKILL, and
//! opens what it has left.
//!
//! By default each twelfth step is taken. With `HOTPLATE_CRASHES=1` every step is.

#![cfg(unix)]

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Store;
use super::files::{Files, SystemFiles, WrittenFile};
use super::tests::{content, version};
use crate::audit::record::{AuditAction, AuditRecord};
use crate::audit::{AuditLog, AuditOptions, verify};
use crate::cause::Cause;
use crate::template::Digest;
use crate::version::Version;

const CHILD: &str = "HOTPLATE_CRASH_CHILD";
const STEP: &str = "HOTPLATE_CRASH_STEP";
/// The versions that a child writes.
const VERSIONS: u64 = 8;

/// The files of the system, with a process that kills itself at one step.
#[derive(Debug, Clone)]
struct DeadlyFiles {
    steps: Arc<AtomicUsize>,
    deadly: usize,
}

impl DeadlyFiles {
    fn step(&self) {
        if self.steps.fetch_add(1, Ordering::Relaxed) == self.deadly {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    }
}

struct DeadlyFile(DeadlyFiles, Box<dyn WrittenFile>);

impl WrittenFile for DeadlyFile {
    fn sync(self: Box<Self>) -> io::Result<()> {
        self.0.step();
        self.1.sync()
    }
}

impl Files for DeadlyFiles {
    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        SystemFiles.read(path, most)
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        SystemFiles.length(path)
    }

    fn read_end(&self, path: &Path, most: u64) -> io::Result<(Vec<u8>, u64)> {
        SystemFiles.read_end(path, most)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        SystemFiles.list(directory)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.step();
        SystemFiles.create_directory(path)
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<Box<dyn WrittenFile>> {
        self.step();
        SystemFiles.write(path, &content[..content.len() / 2])?;
        self.step();
        let written = SystemFiles.write(path, content)?;
        Ok(Box::new(DeadlyFile(self.clone(), written)))
    }

    fn append(&self, path: &Path, content: &[u8]) -> io::Result<Box<dyn WrittenFile>> {
        self.step();
        let (first, second) = content.split_at(content.len() / 2);
        SystemFiles.append(path, first)?;
        self.step();
        let written = SystemFiles.append(path, second)?;
        Ok(Box::new(DeadlyFile(self.clone(), written)))
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.step();
        SystemFiles.truncate(path, length)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step();
        SystemFiles.rename(from, to)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.step();
        SystemFiles.sync_directory(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step();
        SystemFiles.remove(path)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Any + Send>>> {
        self.step();
        SystemFiles.try_lock(path)
    }
}

fn record(number: u64) -> Arc<AuditRecord> {
    Arc::new(AuditRecord {
        number,
        at_ms: 0,
        action: AuditAction::Publish,
        cause: Cause::by("alice"),
        before: Version::from_number(number - 1),
        version: Version::from_number(number),
        digest: Digest::ZERO,
        waiting: 0,
        report: None,
        refused: None,
        stage: None,
    })
}

fn store(directory: &Path, files: Arc<dyn Files>) -> Store {
    Store::new(directory.join("store"), files, 3, vec!["/site".into()])
}

fn log(directory: &Path, files: Arc<dyn Files>, process: &str) -> AuditLog {
    AuditLog::new(
        AuditOptions::new(directory.join("audit")).file_bytes(1_500),
        files,
        process.into(),
    )
}

/// Writes versions and records, and acknowledges each in a file. Returns the number of steps.
fn write_all(directory: &Path, deadly: usize) -> usize {
    let files = DeadlyFiles {
        steps: Arc::default(),
        deadly,
    };
    let mut log = log(directory, Arc::new(files.clone()), "child");
    let mut store = store(directory, Arc::new(files.clone()));
    for number in 1..=VERSIONS {
        log.append(&[record(number)], 0).expect("writes");
        store.write(version(number)).expect("writes");
        std::fs::write(directory.join("acknowledged"), number.to_string()).expect("written");
    }
    files.steps.load(Ordering::Relaxed)
}

/// The child of the test below, which does nothing without its variables.
#[test]
fn child() {
    let variables = (std::env::var_os(CHILD), std::env::var(STEP));
    if let (Some(directory), Ok(step)) = variables {
        write_all(&PathBuf::from(directory), step.parse().expect("a number"));
    }
}

#[test]
fn a_process_that_is_killed_at_any_step_leaves_the_last_version() {
    let whole = tempfile::tempdir().expect("a directory");
    let steps = write_all(whole.path(), usize::MAX);
    let stride = if std::env::var_os("HOTPLATE_CRASHES").is_some() {
        1
    } else {
        12
    };
    let program = std::env::current_exe().expect("a program");
    for step in (0..steps).step_by(stride) {
        let directory = tempfile::tempdir().expect("a directory");
        let status = Command::new(&program)
            .args(["--exact", "store::crashes::child"])
            .env(CHILD, directory.path())
            .env(STEP, step.to_string())
            .stdout(Stdio::null())
            .status();
        assert!(!status.expect("it ran").success(), "it was killed at step {step}");
        let acknowledged = std::fs::read_to_string(directory.path().join("acknowledged"));
        let acknowledged: u64 = acknowledged
            .ok()
            .and_then(|number| number.parse().ok())
            .unwrap_or_default();

        let mut store = store(directory.path(), Arc::new(SystemFiles));
        let opened = store.open().expect("opens");
        assert_eq!(opened.problems, [""; 0], "after step {step}");
        let number = opened.version.as_ref().map_or(0, |version| version.version.number());
        assert!(
            (acknowledged..=acknowledged + 1).contains(&number),
            "{number} after step {step}"
        );
        if let Some(found) = opened.version {
            assert_eq!(content(&found), content(&version(number)), "after step {step}");
        }
        store.write(version(VERSIONS + 1)).expect("writes");
        log(directory.path(), Arc::new(SystemFiles), "next")
            .append(&[record(1)], 0)
            .expect("writes");
        let found =
            verify(&directory.path().join("audit")).unwrap_or_else(|fault| panic!("after step {step}: {fault}"));
        assert!(
            found.last > number.max(acknowledged),
            "a durable version is in the log: {found:?}"
        );
    }
    eprintln!("{steps} steps, each {stride}th");
}
