//! [`Files`]: every access of the store and of the audit log to a file system.
//!
//! Each method is one step that may fail, and after which the process may end. So a test can fail or stop at every step, and a twin in
//! memory can forget what was not synced.

use std::any::Any;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// The steps of storing. An implementation is shared by threads.
pub(crate) trait Files: Send + Sync + fmt::Debug {
    /// Returns the content of a file that has at most `most` bytes.
    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>>;

    /// Returns the length of a file.
    fn length(&self, path: &Path) -> io::Result<u64>;

    /// Returns the last `most` bytes of a file, and its length.
    fn read_end(&self, path: &Path, most: u64) -> io::Result<(Vec<u8>, u64)>;

    /// Returns the names in a directory.
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;

    /// Creates a directory whose parent exists; one that exists already is no error.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Writes a file, which is created or replaced. The content is durable once it is synced.
    fn write(&self, path: &Path, content: &[u8]) -> io::Result<Box<dyn WrittenFile>>;

    /// Appends to a file, which is created if it does not exist.
    fn append(&self, path: &Path, content: &[u8]) -> io::Result<Box<dyn WrittenFile>>;

    /// Cuts a file to a length.
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()>;

    /// Moves a file to another name in one step, which replaces a file of that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Takes the exclusive lock of a file, which is created if it does not exist. Returns `None` if another process has it. The system
    /// releases it when the guard is dropped or the process ends, however it ends.
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Any + Send>>>;
}

/// A file that was written and is not durable yet.
pub(crate) trait WrittenFile {
    /// Makes its content durable.
    fn sync(self: Box<Self>) -> io::Result<()>;
}

/// The file system of the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemFiles;

impl Files for SystemFiles {
    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        check_regular(path)?;
        let mut content = Vec::new();
        File::open(path)?
            .take(most.saturating_add(1))
            .read_to_end(&mut content)?;
        match content.len() as u64 > most {
            true => Err(too_large(most)),
            false => Ok(content),
        }
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        check_regular(path)?;
        Ok(std::fs::metadata(path)?.len())
    }

    fn read_end(&self, path: &Path, most: u64) -> io::Result<(Vec<u8>, u64)> {
        use std::io::{Seek, SeekFrom};
        check_regular(path)?;
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
        let mut content = Vec::new();
        file.take(most).read_to_end(&mut content)?;
        Ok((content, length))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        match std::fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            created => created,
        }
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<Box<dyn WrittenFile>> {
        check_regular(path)?;
        let mut file = File::create(path)?;
        file.write_all(content)?;
        Ok(Box::new(file))
    }

    fn append(&self, path: &Path, content: &[u8]) -> io::Result<Box<dyn WrittenFile>> {
        check_regular(path)?;
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        file.write_all(content)?;
        Ok(Box::new(file))
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        check_regular(path)?;
        OpenOptions::new().write(true).open(path)?.set_len(length)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    #[cfg(unix)]
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    /// Other systems cannot open a directory as a file; their renames are durable in order.
    #[cfg(not(unix))]
    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Any + Send>>> {
        check_regular(path)?;
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

impl WrittenFile for File {
    fn sync(self: Box<Self>) -> io::Result<()> {
        self.sync_data()
    }
}

/// Refuses what is in the place of a file and is none. Opening a pipe waits for its other end, which would hang the start.
pub(crate) fn check_regular(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
        }
        // What does not exist may be created, and any other error is that of opening it.
        _ => Ok(()),
    }
}

/// Returns the error of a file that has more bytes than expected.
pub(crate) fn too_large(most: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {most} bytes"))
}
