//! [`SignatureLine`]: a detached signature of the log, and the files that have them.
//!
//! `audit-<first sequence>.sig` lies beside the file of the log with that name. Each line of it signs the hash of one record, and with it, by
//! the chain, every record before. The records of one write get one signature, after they are durable. A crash between the two leaves
//! records without a signature: the next process that writes signs them as *late*, which is part of what is signed, because it cannot know
//! who has written them.

use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::keys::SIGNATURE_BYTES;
use super::verify::{AuditFault, numbered_files};
use crate::store::files::check_regular;

/// The longest line of signatures that is read.
pub(super) const SIGNATURE_LINE_BYTES_MAX: u64 = 4096;
/// The end of the name of a file of signatures.
pub(super) const SIGNATURES: &str = "sig";

/// A signature of a record and of all records before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignatureLine {
    /// The sequence number of the record.
    pub(crate) sequence: u64,
    /// The id of the key.
    pub(crate) key: String,
    /// True if the record was found without a signature by a later process.
    pub(crate) late: bool,
    pub(crate) signature: [u8; SIGNATURE_BYTES],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    key: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    late: bool,
    sequence: u64,
    signature: String,
}

/// Returns the bytes that are signed for a record.
pub(super) fn message(sequence: u64, hash: &str, late: bool) -> Vec<u8> {
    let late = if late { "late" } else { "written" };
    format!("hotplate audit signature 1\n{sequence}\n{hash}\n{late}\n").into_bytes()
}

impl SignatureLine {
    /// Returns the line with its line break.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut signature = String::with_capacity(2 * SIGNATURE_BYTES);
        for byte in self.signature {
            // Writing to a string does not fail.
            let _ = write!(signature, "{byte:02x}");
        }
        let fields = Fields {
            key: self.key.clone(),
            late: self.late,
            sequence: self.sequence,
            signature,
        };
        let mut line = serde_json::to_vec(&fields).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// Reads a line without its line break; `None` if it is damaged.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let fields: Fields = serde_json::from_slice(line).ok()?;
        let digits = fields.signature.as_bytes();
        if digits.len() != 2 * SIGNATURE_BYTES || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut signature = [0; SIGNATURE_BYTES];
        for (byte, at) in signature.iter_mut().zip((0..digits.len()).step_by(2)) {
            *byte = u8::from_str_radix(&fields.signature[at..at + 2], 16).ok()?;
        }
        Some(Self {
            sequence: fields.sequence,
            key: fields.key,
            late: fields.late,
            signature,
        })
    }
}

/// Returns the file with the signatures of a file of the log.
pub(super) fn signature_file(log: &Path) -> PathBuf {
    log.with_extension(SIGNATURES)
}

/// Returns the files of signatures among the names in a directory, oldest first.
pub(super) fn signature_files(directory: &Path, names: impl IntoIterator<Item = String>) -> Vec<PathBuf> {
    numbered_files(directory, names, SIGNATURES)
}

/// The signatures of a log, in their order.
pub(super) struct Signatures {
    /// The files that are still to be read, the next one last.
    files: Vec<PathBuf>,
    file: Option<(PathBuf, BufReader<File>, u64)>,
    next: Option<SignatureLine>,
    /// True if the last line of the last file is half written.
    pub(super) is_unfinished: bool,
}

impl Signatures {
    pub(super) fn new(mut files: Vec<PathBuf>) -> Self {
        files.reverse();
        Self {
            files,
            file: None,
            next: None,
            is_unfinished: false,
        }
    }

    /// Returns the next signature without taking it.
    ///
    /// # Errors
    /// [`AuditFault`] if a file cannot be read, or a line of it is damaged.
    pub(super) fn peek(&mut self) -> Result<Option<&SignatureLine>, AuditFault> {
        while self.next.is_none() {
            let Some((path, mut file, number)) = self.file.take().map_or_else(|| self.open(), |file| Ok(Some(file)))?
            else {
                return Ok(None);
            };
            let unreadable = |source| AuditFault::Unreadable {
                path: path.clone(),
                source,
            };
            let mut bytes = Vec::new();
            let mut limited = file.by_ref().take(SIGNATURE_LINE_BYTES_MAX);
            limited.read_until(b'\n', &mut bytes).map_err(unreadable)?;
            if bytes.is_empty() {
                continue;
            }
            let number = number + 1;
            let bad = |reason: &'static str| AuditFault::BadSignatures {
                path: path.clone(),
                line: number,
                reason: reason.into(),
            };
            if bytes.pop() != Some(b'\n') {
                if !self.files.is_empty() {
                    return Err(bad(
                        "it is half written, and a later file follows, so its end was cut off",
                    ));
                }
                self.is_unfinished = true;
                continue;
            }
            self.next = Some(SignatureLine::parse(&bytes).ok_or_else(|| bad("it is no signature, so it was changed"))?);
            self.file = Some((path, file, number));
        }
        Ok(self.next.as_ref())
    }

    /// Takes the signature that [`peek`](Self::peek) has returned.
    pub(super) fn take(&mut self) -> Option<SignatureLine> {
        self.next.take()
    }

    fn open(&mut self) -> Result<Option<(PathBuf, BufReader<File>, u64)>, AuditFault> {
        let Some(path) = self.files.pop() else {
            return Ok(None);
        };
        let opened = check_regular(&path).and_then(|()| File::open(&path));
        match opened {
            Ok(file) => Ok(Some((path, BufReader::new(file), 0))),
            Err(source) => Err(AuditFault::Unreadable { path, source }),
        }
    }
}
