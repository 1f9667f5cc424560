//! [`Disk`]: what the loader asks of a file system. [`System`] is the real one; the simulator has one of its own.

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

/// Which file it is, whatever it is called: device, inode, and when it was made, for the number of an inode is used again. Zero where the
/// system does not say.
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

/// What a name stands for, without its content. Times are nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) id: FileId,
    pub(super) kind: Kind,
    pub(super) bytes: u64,
    pub(super) modified: i64,
    /// When content, names or rights changed last; nobody can set it. Where there is none it is `modified`.
    pub(super) changed: i64,
    /// How many names the file has.
    pub(super) names: u64,
}

/// One attempt to read a file, and what it was before and after.
pub(super) struct ReadAttempt {
    pub(super) before: Stat,
    pub(super) bytes: Vec<u8>,
    pub(super) after: Stat,
}

/// What the loader asks of a file system.
pub(super) trait Disk: Sync {
    /// What a path itself is: a link is a link.
    fn stat(&self, path: &Path) -> io::Result<Stat>;
    /// What a path leads to.
    fn follow(&self, path: &Path) -> io::Result<Stat>;
    /// The names in a directory, and what each is, where that is known without asking. One with more than `most` is an error of the
    /// kind `FileTooLarge`.
    fn list(&self, directory: &Path, most: usize) -> io::Result<Vec<(OsString, Option<Kind>)>>;
    /// Which directory is at a path, and whether that very one holds a name, wherever it may be moved meanwhile.
    fn holds(&self, directory: &Path, name: &OsStr) -> io::Result<(FileId, bool)>;
    /// Where a link leads, as it is written.
    fn link(&self, path: &Path) -> io::Result<PathBuf>;
    /// Reads a regular file: as many bytes as it had when it was opened. Of what is larger than `bytes_max` nothing is read; of
    /// what says no size, one byte more than that at most.
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<ReadAttempt>;
    /// What the file system is called, if the kernel does not tell of every change on it.
    fn silent(&self, path: &Path) -> Option<String>;
    /// What the file system is called, if it has no files but what the kernel says of itself, such as `/proc`.
    fn pseudo(&self, _: &Path) -> Option<&'static str> {
        None
    }
    /// Where other file systems are mounted, unless that cannot be said now. A single file that is mounted changes without a word.
    fn mounts(&self) -> Option<HashSet<PathBuf>>;
    /// The time by which files are stamped.
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
                let said = format!("it holds more than {most} names");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, said));
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

/// Reads so many bytes of a file, or up to its end if that comes sooner. Where none are expected, one more than `bytes_max` at most.
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
    // If it grew meanwhile, whoever looks at its state afterwards sees that; of some files no size is known.
    if expected == 0 {
        file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn since_epoch(time: SystemTime) -> i64 {
    let passed = time.duration_since(SystemTime::UNIX_EPOCH);
    passed.map_or(0, |passed| i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX))
}

/// Whether an error says that nothing is there.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
