//! Metadata on systems without inodes in the standard library: two states of a file differ in size or in time.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::{FileId, Kind, Stat, since_epoch};

pub(super) fn stat(metadata: &Metadata) -> Stat {
    let kind = metadata.file_type();
    let modified = metadata.modified().map_or(0, since_epoch);
    Stat {
        // A file that was replaced has another time of birth.
        id: FileId {
            device: 0,
            inode: metadata
                .created()
                .map_or(0, |created| since_epoch(created).unsigned_abs()),
            born: 0,
        },
        kind: if kind.is_file() {
            Kind::File
        } else if kind.is_dir() {
            Kind::Directory
        } else if kind.is_symlink() {
            Kind::Link
        } else {
            Kind::Other
        },
        bytes: metadata.len(),
        modified,
        changed: modified,
        names: 1,
    }
}

pub(super) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

pub(super) fn holds(directory: &Path, name: &OsStr) -> io::Result<(FileId, bool)> {
    let id = |path: &Path| path.metadata().map(|metadata| stat(&metadata).id);
    let before = id(directory)?;
    let is_there = match directory.join(name).symlink_metadata() {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    // If it was exchanged meanwhile, the answer is about neither.
    let after = id(directory)?;
    let id = if after == before { before } else { FileId::default() };
    Ok((id, is_there))
}

/// Returns none: watches of whole trees compare everything whenever an event is unclear.
pub(super) fn silent(_: &Path) -> Option<String> {
    None
}

pub(super) fn pseudo(_: &Path) -> Option<&'static str> {
    None
}

pub(super) fn mounts() -> Option<HashSet<PathBuf>> {
    Some(HashSet::new())
}
