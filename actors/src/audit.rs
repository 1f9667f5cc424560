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
//!
//! **Signatures** are optional, in files beside the log (`signature`). With them, nobody without the key can change the log, add to it or
//! cut off its end.

pub(crate) mod keys;
mod line;
pub(crate) mod progress;
pub(crate) mod record;
mod signature;
mod source_commit;
#[cfg(all(test, feature = "audit-signature"))]
mod signed_tests;
#[cfg(test)]
mod tests;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::files::Files;
use crate::store::{StoreError, io_error, lock};

use keys::Sign;
use line::{LastLine, NO_HASH};
use record::AuditRecord;
use signature::{SIGNATURE_LINE_BYTES_MAX, SignatureLine, signature_file, signature_files};
use source_commit::SourceCommits;

pub use keys::KeyError;
#[cfg(feature = "audit-signature")]
pub use keys::{PublicKey, create_key};
pub use line::AuditLine;
#[cfg(feature = "audit-signature")]
pub use verify::verify_signed;
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
    /// The file of the private key with which records are signed.
    pub key: Option<PathBuf>,
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
            key: None,
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

    /// Signs the records with a private ed25519 key in a PEM file, as `hotplate audit key` and `openssl genpkey -algorithm ed25519` make one.
    /// The feature `audit-signature` is needed, otherwise the start fails.
    #[must_use]
    pub fn key(mut self, file: impl Into<PathBuf>) -> Self {
        self.key = Some(file.into());
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
    signer: Option<Box<dyn Sign>>,
    /// The hash of the last line that this process has written or tried to write.
    own: String,
}

/// The end of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LogEnd {
    path: PathBuf,
    length: u64,
    last: LastLine,
    /// The sequence number of the last line with a signature; that of the last line if nothing is signed.
    signed: u64,
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
            signer: None,
            own: String::new(),
        }
    }

    /// Signs all records from now on.
    pub(crate) fn signed_by(mut self, signer: Box<dyn Sign>) -> Self {
        self.signer = Some(signer);
        self
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
        // Lines that a crash, or a process without a key, has left.
        let end = self.sign(end)?;
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
        // Before writing, so that lines of an attempt that fails behind the write are known as well.
        self.own.clone_from(&end.last.hash);
        self.append_to(&end.path, end.length, &lines)?;
        end.length += lines.len() as u64;
        self.end = Some(self.sign(end)?);
        Ok(())
    }

    /// Appends to a file of this length, and makes that durable.
    fn append_to(&self, path: &Path, length: u64, content: &[u8]) -> Result<(), StoreError> {
        let written = self.files.append(path, content).and_then(|file| file.sync());
        if let Err(source) = written {
            // Otherwise the next attempt cuts off what is not whole.
            let _ = self.files.truncate(path, length);
            return Err(io_error("write", path)(source));
        }
        if length > 0 {
            return Ok(());
        }
        let directory = &self.options.directory;
        self.files
            .sync_directory(directory)
            .map_err(io_error("sync", directory))
    }

    /// Signs the last line, and with it all lines before, unless that is done.
    fn sign(&self, mut end: LogEnd) -> Result<LogEnd, StoreError> {
        let Some(signer) = self.signer.as_ref().filter(|_| end.signed < end.last.sequence) else {
            return Ok(end);
        };
        let late = end.last.hash != self.own;
        if late {
            let (first, last) = (end.signed + 1, end.last.sequence);
            tracing::warn!(
                first,
                last,
                "records of the audit log without a signature are signed as late ones"
            );
        }
        let message = signature::message(end.last.sequence, &end.last.hash, late);
        let line = SignatureLine {
            sequence: end.last.sequence,
            key: signer.id().to_owned(),
            late,
            signature: signer.sign(&message),
        };
        let path = signature_file(&end.path);
        let length = self.length(&path).unwrap_or_default();
        self.append_to(&path, length, &line.to_bytes())?;
        end.signed = end.last.sequence;
        Ok(end)
    }

    /// Returns the sequence number of the last line with a signature, and cuts off a signature that a crash has left half written.
    fn last_signed(&self, last: u64) -> Result<u64, StoreError> {
        if self.signer.is_none() {
            return Ok(last);
        }
        let directory = &self.options.directory;
        let names = self.files.list(directory).map_err(io_error("list", directory))?;
        for path in signature_files(directory, names).into_iter().rev() {
            let whole = self.whole_end(&path, SIGNATURE_LINE_BYTES_MAX)?.0;
            if let Some(line) = last_line(&whole) {
                let line = SignatureLine::parse(line).ok_or_else(|| StoreError::Unusable {
                    path: path.clone(),
                    reason: "its last signature is damaged: move the file away, and keep it".into(),
                })?;
                return Ok(line.sequence);
            }
        }
        Ok(0)
    }

    /// Returns the end of a file up to its last line break, and the length of the file, after cutting off what follows: a half-written line.
    fn whole_end(&self, path: &Path, most: u64) -> Result<(Vec<u8>, u64), StoreError> {
        let (mut content, length) = self.files.read_end(path, most).map_err(io_error("read", path))?;
        let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let left_over = (content.len() - whole) as u64;
        content.truncate(whole);
        let kept = length.saturating_sub(left_over);
        if left_over > 0 {
            self.files.truncate(path, kept).map_err(io_error("truncate", path))?;
        }
        Ok((content, kept))
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
            let (content, length) = self.whole_end(&path, LINE_BYTES_MAX)?;
            // Of several files that a crash has left empty, the one with the lowest number goes on.
            let (at, at_length) = end
                .take()
                .map_or((path.clone(), length), |(at, at_length)| (at, at_length));
            let Some(line) = last_line(&content) else {
                end = Some((at, at_length));
                continue;
            };
            let last = LastLine::parse(line).ok_or_else(|| StoreError::Unusable {
                path: path.clone(),
                reason: "its last line is damaged: move the file away, and keep it".into(),
            })?;
            return Ok(LogEnd {
                path: at,
                length: at_length,
                signed: self.last_signed(last.sequence)?,
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
            signed: 0,
        })
    }

    /// Begins another file if this one is full, and removes the oldest ones.
    fn rotate(&self, end: LogEnd) -> Result<LogEnd, StoreError> {
        if end.length < self.options.file_bytes {
            return Ok(end);
        }
        let directory = &self.options.directory;
        let names = self.files.list(directory).map_err(io_error("list", directory))?;
        let paths = verify::log_files(directory, names.clone());
        let others = self.options.files.max(1) - 1;
        for path in &paths[..paths.len().saturating_sub(others)] {
            self.files.remove(path).map_err(io_error("remove", path))?;
        }
        // Also those that a crash between the two has left.
        let next = verify::log_file(directory, end.last.sequence + 1);
        let oldest = paths.get(paths.len().saturating_sub(others)).unwrap_or(&next);
        let oldest = signature_file(oldest);
        for path in signature_files(directory, names).iter().filter(|path| **path < oldest) {
            self.files.remove(path).map_err(io_error("remove", path))?;
        }
        Ok(LogEnd {
            path: next,
            length: 0,
            ..end
        })
    }
}

/// Returns the last line of whole lines, without its line break.
fn last_line(lines: &[u8]) -> Option<&[u8]> {
    let lines = lines.strip_suffix(b"\n")?;
    lines.rsplit(|byte| *byte == b'\n').next()
}
