//! [`Disk`]: the questions that the loader asks a file system. [`System`] is the real one; the simulator has one in memory.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as platform;
#[cfg(not(unix))]
mod portable;
#[cfg(not(unix))]
use portable as platform;

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The identity of a file, whatever its name: device, inode and time of birth, for the numbers of inodes are used again. Zero where
/// the system does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) born: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Link,
    /// A pipe, a socket, a device: never a template.
    Other,
}

/// The metadata of a file. Times are nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) id: FileId,
    pub(super) kind: Kind,
    pub(super) bytes: u64,
    pub(super) modified: i64,
    /// The time of the last change of content, names or permissions, which no program can set (`st_ctime`, inode(7)). Where there is
    /// none it is `modified`.
    pub(super) changed: i64,
    /// The number of names (hard links) of the file.
    pub(super) names: u64,
}

/// The bytes of one attempt to read a file, and its metadata before and after.
pub(super) struct ReadAttempt {
    pub(super) before: Stat,
    pub(super) bytes: Vec<u8>,
    pub(super) after: Stat,
}

/// The questions that the loader asks a file system.
pub(super) trait Disk: Sync {
    /// Returns the metadata of a path itself, without following a link.
    fn stat(&self, path: &Path) -> io::Result<Stat>;
    /// Returns the metadata of the file at the end of a path, following links.
    fn follow(&self, path: &Path) -> io::Result<Stat>;
    /// Returns the names in a directory, with the kind of each where that costs no further question. More names than `most` are an
    /// error of the kind `FileTooLarge`.
    fn list(&self, directory: &Path, most: usize) -> io::Result<Vec<(OsString, Option<Kind>)>>;
    /// Returns the identity of the directory at a path, and true if that very directory holds a name, wherever it is moved meanwhile.
    fn holds(&self, directory: &Path, name: &OsStr) -> io::Result<(FileId, bool)>;
    /// Returns the target of a link, as it is written.
    fn link(&self, path: &Path) -> io::Result<PathBuf>;
    /// Reads a regular file: as many bytes as it had when it was opened. Nothing is read of a file that is larger than `bytes_max`,
    /// and no more than one byte more than that of a file that has no size.
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<ReadAttempt>;
    /// Returns the name of the file system, if its file events do not report every change.
    fn silent(&self, path: &Path) -> Option<String>;
    /// Returns the name of the file system, if it has no stored files but views of the kernel, such as `/proc`.
    fn pseudo(&self, _: &Path) -> Option<&'static str> {
        None
    }

    /// Returns the places where other file systems are mounted, unless that is unknown now. A single mounted file has no events.
    fn mounts(&self) -> Option<HashSet<PathBuf>>;
    /// Returns the time, by the clock of the time stamps of files.
    fn clock(&self) -> i64;
}

/// The file system of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct System;

impl Disk for System {
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        fs::symlink_metadata(path).map(|metadata| platform::stat(&metadata))
    }

    fn follow(&self, path: &Path) -> io::Result<Stat> {
        fs::metadata(path).map(|metadata| platform::stat(&metadata))
    }

    fn list(&self, directory: &Path, most: usize) -> io::Result<Vec<(OsString, Option<Kind>)>> {
        let mut names = Vec::new();
        for each in fs::read_dir(directory)? {
            if names.len() >= most {
                let message = format!("it holds more than {most} names");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
            }
            let entry = each?;
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            names.push((entry.file_name(), is_file.then_some(Kind::File)));
        }
        Ok(names)
    }

    fn holds(&self, directory: &Path, name: &OsStr) -> io::Result<(FileId, bool)> {
        platform::holds(directory, name)
    }

    fn link(&self, path: &Path) -> io::Result<PathBuf> {
        fs::read_link(path)
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<ReadAttempt> {
        let mut file = platform::open(path)?;
        let before = platform::stat(&file.metadata()?);
        if before.kind != Kind::File {
            return Err(io::ErrorKind::NotFound.into());
        }
        if before.bytes > bytes_max {
            let (bytes, after) = (Vec::new(), before);
            return Ok(ReadAttempt { before, bytes, after });
        }
        let bytes = read_up_to(&mut file, before.bytes, bytes_max)?;
        let after = platform::stat(&file.metadata()?);
        Ok(ReadAttempt { before, bytes, after })
    }

    fn silent(&self, path: &Path) -> Option<String> {
        platform::silent(path)
    }

    fn pseudo(&self, path: &Path) -> Option<&'static str> {
        platform::pseudo(path)
    }

    fn mounts(&self) -> Option<HashSet<PathBuf>> {
        platform::mounts()
    }

    fn clock(&self) -> i64 {
        since_epoch(SystemTime::now())
    }
}

/// Reads `expected` bytes of a file, or up to its end if that comes sooner. If none are expected, reads up to one more than `bytes_max`.
fn read_up_to(file: &mut File, expected: u64, bytes_max: u64) -> io::Result<Vec<u8>> {
    let expected = usize::try_from(expected).unwrap_or(usize::MAX);
    let mut bytes = vec![0; expected];
    let mut filled = 0;
    while filled < expected {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    // If it grew meanwhile, the metadata afterwards shows that. Files without a size (in `/proc` for example) are read to their end.
    if expected == 0 {
        file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn since_epoch(time: SystemTime) -> i64 {
    let passed = time.duration_since(SystemTime::UNIX_EPOCH);
    passed.map_or(0, |passed| i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX))
}

/// Returns true if an error means that nothing exists at a path.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
