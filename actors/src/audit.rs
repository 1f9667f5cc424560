//! The audit log: who changed what is served, when and why, one JSON object on each line.
//!
//! **What.** A record for each publication, refusal, rollback, hold and resume, and for each start from a stored version: the cause, the
//! versions, the digest of what is served, counts and some names of templates, and, if asked for, the commit of the work tree.
//!
//! **Chain.** Each line has a sequence number, the hash of the line before and its own, which is the BLAKE3 digest of its canonical form: keys
//! sorted, no blanks, whole numbers only, as RFC 8785 writes them. So a line that was changed, removed or inserted is found ([`verify`]). The
//! end of the log can be cut off without a trace, unless its last hash is kept elsewhere.
//!
//! **Off the path.** The Registry commits a record together with the state that it is about; the StoreWriter writes it later. The records
//! that wait are bounded. If the disk is full they wait, then the oldest are dropped, which the log states once it can be written again.
//!
//! **Files.** `audit-<first sequence>.jsonl`; a file that has reached its size is followed by another one, and the oldest go. A half-written
//! last line, left by a crash, is cut off before the next one is written. Several processes may share a directory.

mod line;
pub(crate) mod progress;
pub(crate) mod record;
mod source_commit;
#[cfg(test)]
mod tests;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::files::Files;
use crate::store::{StoreError, io_error, lock};

use line::{LastLine, NO_HASH};
use record::AuditRecord;
use source_commit::SourceCommits;

pub use line::AuditLine;
pub use verify::{AuditFault, Verified, read, verify};

/// The longest line that is read.
pub(crate) const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// The audit log of an engine: its directory, and how much it keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditOptions {
    /// The directory, which is created if its parent exists.
    pub directory: PathBuf,
    /// The size of a file in bytes at which the next one begins.
    pub file_bytes: u64,
    /// The number of files that are kept.
    pub files: usize,
    /// A directory in a work tree of git whose commit each record has. Git runs there, so its configuration must be trusted.
    pub work_tree: Option<PathBuf>,
}

impl AuditOptions {
    /// Keeps 16 files of 16 MiB in a directory.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            file_bytes: 16 * 1024 * 1024,
            files: 16,
            work_tree: None,
        }
    }

    /// Sets the size of a file in bytes at which the next one begins.
    #[must_use]
    pub fn file_bytes(mut self, bytes: u64) -> Self {
        self.file_bytes = bytes;
        self
    }

    /// Sets the number of files that are kept; one at least.
    #[must_use]
    pub fn files(mut self, files: usize) -> Self {
        self.files = files;
        self
    }

    /// Adds the commit of the work tree of git that a directory is in. Git runs there, and its configuration can start programs, so set this
    /// only if whoever can write there may do so as the user of this process.
    #[must_use]
    pub fn work_tree(mut self, directory: impl Into<PathBuf>) -> Self {
        self.work_tree = Some(directory.into());
        self
    }
}

/// The log in a directory.
#[derive(Debug)]
pub(crate) struct AuditLog {
    options: AuditOptions,
    files: Arc<dyn Files>,
    /// Identifies this process in the records.
    process: String,
    /// The end of the log, as long as nobody else writes to it.
    end: Option<LogEnd>,
    commits: Option<SourceCommits>,
}

/// The end of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LogEnd {
    path: PathBuf,
    length: u64,
    last: LastLine,
}

impl AuditLog {
    /// Creates a log. Nothing is read or written yet. `process` identifies the process.
    pub(crate) fn new(options: AuditOptions, files: Arc<dyn Files>, process: String) -> Self {
        Self {
            commits: options.work_tree.clone().map(SourceCommits::new),
            options,
            files,
            process,
            end: None,
        }
    }

    /// Appends records, which are durable when this returns. Before them, `lost` others were dropped.
    ///
    /// # Errors
    /// [`StoreError`]; the records can be given again.
    pub(crate) fn append(&mut self, records: &[Arc<AuditRecord>], lost: u64) -> Result<(), StoreError> {
        if records.is_empty() && lost == 0 {
            return Ok(());
        }
        // Not under the lock, because git may take a while.
        let commit = self.commits.as_mut().map(SourceCommits::current);
        let directory = self.options.directory.clone();
        self.files
            .create_directory(&directory)
            .map_err(io_error("create", &directory))?;
        let _lock = lock(&*self.files, &directory.join("LOCK"))?;
        let end = match self.end.take() {
            Some(end) if self.length(&end.path) == Some(end.length) => end,
            _ => self.find_end()?,
        };
        let mut end = self.rotate(end)?;
        let mut lines = Vec::new();
        if lost > 0 {
            end.last = line::lost(lost, &self.process, &end.last, &mut lines);
        }
        // An attempt that failed may have written some of them.
        let is_new = |record: &&Arc<AuditRecord>| !end.last.is_after(&self.process, record.number);
        let new: Vec<&Arc<AuditRecord>> = records.iter().filter(is_new).collect();
        for record in new {
            end.last = line::record(record, &self.process, commit.as_ref(), &end.last, &mut lines);
        }
        let written = self.files.append(&end.path, &lines).and_then(|file| file.sync());
        if let Err(source) = written {
            // Otherwise the next attempt cuts off what is not whole.
            let _ = self.files.truncate(&end.path, end.length);
            return Err(io_error("write", &end.path)(source));
        }
        if end.length == 0 {
            self.files
                .sync_directory(&directory)
                .map_err(io_error("sync", &directory))?;
        }
        end.length += lines.len() as u64;
        self.end = Some(end);
        Ok(())
    }

    fn length(&self, path: &Path) -> Option<u64> {
        self.files.read_end(path, 0).ok().map(|(_, length)| length)
    }

    /// Finds the last line, and cuts off what a crash has left behind it.
    fn find_end(&self) -> Result<LogEnd, StoreError> {
        let directory = &self.options.directory;
        let names = self.files.list(directory).map_err(io_error("list", directory))?;
        let mut paths = verify::log_files(directory, names);
        let mut end = None;
        while let Some(path) = paths.pop() {
            let (content, length) = self
                .files
                .read_end(&path, LINE_BYTES_MAX)
                .map_err(io_error("read", &path))?;
            let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let left_over = (content.len() - whole) as u64;
            if left_over > 0 {
                let kept = length.saturating_sub(left_over);
                self.files.truncate(&path, kept).map_err(io_error("truncate", &path))?;
            }
            let length = length.saturating_sub(left_over);
            // Of several files that a crash has left empty, the one with the lowest number goes on.
            let (at, at_length) = end
                .take()
                .map_or((path.clone(), length), |(at, at_length)| (at, at_length));
            if whole == 0 {
                end = Some((at, at_length));
                continue;
            }
            let line = content[..whole - 1]
                .rsplit(|byte| *byte == b'\n')
                .next()
                .unwrap_or_default();
            let last = LastLine::parse(line).ok_or_else(|| StoreError::Unusable {
                path: path.clone(),
                reason: "its last line is damaged: move the file away, and keep it".into(),
            })?;
            return Ok(LogEnd {
                path: at,
                length: at_length,
                last,
            });
        }
        let first = LastLine {
            sequence: 0,
            hash: NO_HASH.into(),
            process: String::new(),
            number: 0,
        };
        let (path, length) = end.unwrap_or_else(|| (verify::log_file(directory, 1), 0));
        Ok(LogEnd {
            path,
            length,
            last: first,
        })
    }

    /// Begins another file if this one is full, and removes the oldest ones.
    fn rotate(&self, end: LogEnd) -> Result<LogEnd, StoreError> {
        if end.length < self.options.file_bytes {
            return Ok(end);
        }
        let directory = &self.options.directory;
        let names = self.files.list(directory).map_err(io_error("list", directory))?;
        let paths = verify::log_files(directory, names);
        let others = self.options.files.max(1) - 1;
        for path in &paths[..paths.len().saturating_sub(others)] {
            self.files.remove(path).map_err(io_error("remove", path))?;
        }
        Ok(LogEnd {
            path: verify::log_file(directory, end.last.sequence + 1),
            length: 0,
            last: end.last,
        })
    }
}
