//! [`Checkout`]: the directory that is previewed. An archive and a git revision are unpacked into a temporary one.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use hotplate::Limits;
use tempfile::TempDir;

use crate::archive::{self, ArchiveBounds};
use crate::cli::Failure;

/// The time for `git archive`.
const GIT_TIMEOUT: Duration = Duration::from_secs(60);
/// The bytes of an archive for each byte of the files that are used, at most: it has other files too.
const ARCHIVE_BYTES_PER_BYTE: u64 = 16;
/// The bytes of a message of git that are shown.
const MESSAGE_BYTES_MAX: u64 = 2_000;

/// A directory, which is removed with this value if it is a temporary one.
#[derive(Debug)]
pub(super) enum Checkout {
    Itself(PathBuf),
    Unpacked(TempDir),
}

impl Checkout {
    /// Returns the directory of a path: itself, the content of an archive, or the content of a revision.
    pub(super) fn of(path: &Path, revision: Option<&str>, limits: &Limits) -> Result<Self, Failure> {
        let shown = path.display();
        if let Some(revision) = revision {
            if revision.is_empty() || revision.starts_with('-') || revision.contains(char::is_control) {
                return Err(Failure::Wrong(format!(
                    "`--ref {}` is not a revision: name a branch, a tag or a commit, such as `HEAD~1`",
                    revision.escape_debug()
                )));
            }
            return unpack(&git_archive(path, revision, limits)?[..], limits).map(Self::Unpacked);
        }
        if path.is_file() {
            let archive = fs::File::open(path);
            let archive = archive.map_err(|error| Failure::Wrong(format!("`{shown}` cannot be opened: {error}")))?;
            return unpack(archive, limits).map(Self::Unpacked);
        }
        Ok(Self::Itself(path.to_owned()))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Itself(path) => path,
            Self::Unpacked(directory) => directory.path(),
        }
    }
}

/// Unpacks the regular files of an archive into a temporary directory.
fn unpack(archive: impl Read, limits: &Limits) -> Result<TempDir, Failure> {
    let bounds = ArchiveBounds {
        files: limits.templates,
        bytes: limits.preview_bytes,
    };
    // Files below `static/` are never templates or data.
    let files = archive::files(archive, bounds, |path| !path.starts_with("static/"));
    let files = files.map_err(|error| Failure::Wrong(error.to_string()))?;
    let directory = tempfile::tempdir();
    let directory = directory.map_err(|error| Failure::Failed(format!("no temporary directory: {error}")))?;
    for (path, bytes) in files {
        let place = directory.path().join(&path);
        let written = place.parent().map_or(Ok(()), fs::create_dir_all);
        let written = written.and_then(|()| fs::write(&place, bytes));
        written.map_err(|error| Failure::Failed(format!("`{path}` of the archive cannot be written: {error}")))?;
    }
    Ok(directory)
}

/// Returns the archive of a directory in a revision.
fn git_archive(directory: &Path, revision: &str, limits: &Limits) -> Result<Vec<u8>, Failure> {
    let failed = |why: String| Failure::Failed(format!("`git archive {revision}` failed: {why}"));
    let mut child = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["archive", "--format=tar", revision])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("git cannot be started: {error}")))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let bytes_max = u64::try_from(limits.preview_bytes)
        .unwrap_or(u64::MAX)
        .saturating_mul(ARCHIVE_BYTES_PER_BYTE);
    let (done, is_done) = sync_channel(2);
    let stderr_done = done.clone();
    std::thread::spawn(move || {
        let mut archive = Vec::new();
        let read = stdout.map(|stdout| stdout.take(bytes_max).read_to_end(&mut archive));
        let _ = done.send((true, read.map_or(Ok(0), |read| read).map(|_| archive)));
    });
    std::thread::spawn(move || {
        let mut message = Vec::new();
        let read = stderr.map(|stderr| stderr.take(MESSAGE_BYTES_MAX).read_to_end(&mut message));
        let _ = stderr_done.send((false, read.map_or(Ok(0), |read| read).map(|_| message)));
    });
    let (mut archive, mut message) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        match is_done.recv_timeout(GIT_TIMEOUT) {
            Ok((is_archive, Ok(bytes))) => *if is_archive { &mut archive } else { &mut message } = bytes,
            Ok((_, Err(error))) => {
                let _ = child.kill();
                return Err(failed(error.to_string()));
            }
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(format!("it took longer than {} s", GIT_TIMEOUT.as_secs())));
            }
        }
    }
    // An archive that is larger than the bound ends git by a closed pipe, and is noticed as not whole.
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    match status.success() {
        true => Ok(archive),
        false => Err(failed(String::from_utf8_lossy(&message).trim().to_owned())),
    }
}
