//! Reading a log, and checking its chain.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::LINE_BYTES_MAX;
#[cfg(feature = "audit-signature")]
use super::keys::PublicKey;
use super::line::{AuditLine, NO_HASH};
#[cfg(feature = "audit-signature")]
use super::signature::message;
use super::signature::{SignatureLine, Signatures, signature_file, signature_files};
use crate::store::files::check_regular;

/// A log whose chain is whole.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Verified {
    /// The number of lines.
    pub lines: u64,
    /// The sequence number of the first line; 1 unless older files are gone.
    pub first: u64,
    /// The sequence number of the last line.
    pub last: u64,
    /// The hash of the last line. Whoever keeps it elsewhere notices if the end of the log is cut off.
    pub hash: String,
    /// True if the last line is half written, as a crash leaves it. The next record takes its place.
    pub unfinished: bool,
    /// The number of signatures that were checked; 0 without keys.
    pub signatures: u64,
    /// The number of lines that were signed by a later process than the one that wrote them, or that claims to be. A crash leaves such lines,
    /// and so does signing a log that had none before. Whoever could write to the directory may have added them.
    pub signed_late: u64,
}

/// The first fault of a log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditFault {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// There is no log.
    #[error("{} has no audit log: there is no file `audit-….jsonl`", path.display())]
    Nothing {
        /// The directory.
        path: PathBuf,
    },
    /// A line is not what was written.
    #[error("{}, line {line}: the record with the sequence {sequence} is bad: {reason}", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// The number of the line in the file, from 1.
        line: u64,
        /// The sequence that the line should have.
        sequence: u64,
        /// The reason.
        reason: String,
    },
    /// The last lines have no signature.
    #[error(
        "{}: the record with the sequence {sequence} is bad: it and all after it, up to {last}, have no signature: {reason}", path.display()
    )]
    Unsigned {
        /// The file of signatures that should have one, or the log.
        path: PathBuf,
        /// The sequence of the first line without a signature.
        sequence: u64,
        /// The sequence of the last line.
        last: u64,
        /// The possible causes.
        reason: &'static str,
    },
    /// A line of a file of signatures is damaged or in the wrong place.
    #[error("{}, line {line}: {reason}", path.display())]
    BadSignatures {
        /// The file.
        path: PathBuf,
        /// The number of the line in the file, from 1.
        line: u64,
        /// The reason.
        reason: String,
    },
}

/// Checks the chain of a log: a directory, or one file of it.
///
/// # Errors
/// [`AuditFault`] names the first bad line.
pub fn verify(path: &Path) -> Result<Verified, AuditFault> {
    read(path, |_| {})
}

/// Works like [`verify`], and also checks the signatures: every line was signed with one of the keys, which have signed one after the other
/// if the key was changed.
///
/// # Errors
/// [`AuditFault`] names the first bad line, also if it has no signature.
#[cfg(feature = "audit-signature")]
pub fn verify_signed(path: &Path, keys: &[PublicKey]) -> Result<Verified, AuditFault> {
    let check = |signature: &SignatureLine, line: &AuditLine| {
        let Some(key) = keys.iter().find(|key| key.id() == signature.key) else {
            let ids: Vec<&str> = keys.iter().map(PublicKey::id).collect();
            return Err(format!(
                "it was signed with the key {}, which is not one of those to check with: {}",
                signature.key,
                ids.join(", ")
            ));
        };
        let message = message(line.sequence, &line.hash, signature.late);
        match key.has_signed(&message, signature) {
            true => Ok(()),
            false => Err(format!(
                "its signature with the key {} is wrong, so one of the two was changed",
                key.id()
            )),
        }
    };
    read_with(path, |_| {}, Some(&check))
}

/// Works like [`verify`], and calls a function with each line whose place in the chain is right.
///
/// # Errors
/// The errors of [`verify`]. The lines before the fault have been passed on.
pub fn read(path: &Path, each: impl FnMut(&AuditLine)) -> Result<Verified, AuditFault> {
    read_with(path, each, None)
}

/// Checks a signature of a line, and returns the fault.
type CheckSignature<'c> = &'c dyn Fn(&SignatureLine, &AuditLine) -> Result<(), String>;

fn read_with(
    path: &Path,
    mut each: impl FnMut(&AuditLine),
    check: Option<CheckSignature<'_>>,
) -> Result<Verified, AuditFault> {
    let (files, signatures) = match path.is_dir() {
        true => {
            let unreadable = |source| AuditFault::Unreadable {
                path: path.to_owned(),
                source,
            };
            let entries = std::fs::read_dir(path).map_err(unreadable)?;
            let names = entries
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned());
            let names: Vec<String> = names.collect();
            (log_files(path, names.clone()), signature_files(path, names))
        }
        false => {
            let signatures = Some(signature_file(path)).filter(|path| path.exists());
            (vec![path.to_owned()], signatures.into_iter().collect())
        }
    };
    let Some(last_file) = files.last() else {
        return Err(AuditFault::Nothing { path: path.to_owned() });
    };
    let mut verified = Verified {
        lines: 0,
        first: 0,
        last: 0,
        hash: NO_HASH.into(),
        unfinished: false,
        signatures: 0,
        signed_late: 0,
    };
    let mut signed = check.map(|check| SignedPart {
        check,
        has_files: !signatures.is_empty(),
        signatures: Signatures::new(signatures),
        last: 0,
    });
    for (number, file) in files.iter().enumerate() {
        read_file(
            file,
            number + 1 == files.len(),
            &mut verified,
            &mut each,
            signed.as_mut(),
        )?;
    }
    if let Some(signed) = signed {
        signed.end(last_file, &verified)?;
    }
    Ok(verified)
}

/// The part of a log whose signatures were checked.
struct SignedPart<'c> {
    check: CheckSignature<'c>,
    signatures: Signatures,
    has_files: bool,
    /// The last line that has a signature.
    last: u64,
}

impl SignedPart<'_> {
    /// Checks the signature of a line, if it has one. Others are covered by that of a later line.
    fn line(&mut self, line: &AuditLine, verified: &mut Verified) -> Result<Option<String>, AuditFault> {
        while let Some(next) = self.signatures.peek()? {
            if next.sequence > line.sequence {
                break;
            }
            let Some(signature) = self.signatures.take() else { break };
            if signature.sequence < line.sequence {
                // Those before the first line are of files that are gone.
                if signature.sequence < verified.first {
                    continue;
                }
                return Ok(Some(format!(
                    "the next signature is for the sequence {}: signatures were moved or inserted",
                    signature.sequence
                )));
            }
            if let Err(reason) = (self.check)(&signature, line) {
                return Ok(Some(reason));
            }
            verified.signatures += 1;
            if signature.late {
                verified.signed_late += line.sequence - self.last.max(verified.first - 1);
            }
            self.last = line.sequence;
        }
        Ok(None)
    }

    /// Checks that no line at the end lacks a signature, and no signature its line.
    fn end(mut self, path: &Path, verified: &Verified) -> Result<(), AuditFault> {
        if let Some(more) = self.signatures.peek()? {
            let reason = format!(
                "it is missing: there is a signature for the sequence {}, so the end of the log was cut off",
                more.sequence
            );
            return Err(AuditFault::Bad {
                path: path.to_owned(),
                line: 0,
                sequence: verified.last + 1,
                reason,
            });
        }
        if verified.lines == 0 || self.last == verified.last {
            return Ok(());
        }
        Err(AuditFault::Unsigned {
            path: signature_file(path),
            sequence: (self.last + 1).max(verified.first),
            last: verified.last,
            reason: match (self.has_files, self.signatures.is_unfinished) {
                (false, _) => "there is no file of signatures; it was written without a key, or the file is gone",
                (true, true) => {
                    "the last signature is half written; a crash has left it, and the next record signs them, or the file was cut off"
                }
                (true, false) => {
                    "a crash has left them, and the next record signs them, or somebody without the key has added them, or the end of \
                     the signatures was cut off"
                }
            },
        })
    }
}

fn read_file(
    path: &Path,
    is_last: bool,
    verified: &mut Verified,
    each: &mut impl FnMut(&AuditLine),
    mut signed: Option<&mut SignedPart<'_>>,
) -> Result<(), AuditFault> {
    let unreadable = |source| AuditFault::Unreadable {
        path: path.to_owned(),
        source,
    };
    check_regular(path).map_err(unreadable)?;
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let named = path.file_name().and_then(|name| first_of(&name.to_string_lossy()));
    for number in 1.. {
        let mut bytes = Vec::new();
        let mut limited = file.by_ref().take(LINE_BYTES_MAX);
        limited.read_until(b'\n', &mut bytes).map_err(unreadable)?;
        if bytes.is_empty() {
            break;
        }
        let begins = named.filter(|_| number == 1);
        let sequence = match verified.lines {
            0 => begins.unwrap_or(1),
            _ => verified.last + 1,
        };
        let bad = |reason: String| AuditFault::Bad {
            path: path.to_owned(),
            line: number,
            sequence,
            reason,
        };
        if bytes.pop() != Some(b'\n') {
            if is_last && (bytes.len() as u64) < LINE_BYTES_MAX - 1 {
                verified.unfinished = true;
                break;
            }
            return Err(bad("it has no end".into()));
        }
        let line = AuditLine::parse(&bytes).map_err(bad)?;
        if let Some(begins) = begins.filter(|begins| *begins != line.sequence) {
            return Err(bad(format!(
                "it has the sequence {}, and the file is named by {begins}, its first one: lines are missing or were inserted",
                line.sequence
            )));
        }
        // Older files may be gone, so the first line is where the chain begins.
        match verified.lines {
            0 => verified.first = line.sequence,
            _ if line.sequence != sequence => {
                return Err(bad(format!(
                    "it has the sequence {}: lines are missing or were inserted",
                    line.sequence
                )));
            }
            _ if line.previous != verified.hash => {
                return Err(bad(
                    "it does not name the line before it, so one of the two was changed".into(),
                ));
            }
            _ => {}
        }
        if line.sequence == 1 && line.previous != NO_HASH {
            return Err(bad("it is the first one, and names one before it".into()));
        }
        verified.lines += 1;
        verified.last = line.sequence;
        verified.hash.clone_from(&line.hash);
        if let Some(signed) = signed.as_deref_mut()
            && let Some(reason) = signed.line(&line, verified)?
        {
            return Err(bad(reason));
        }
        each(&line);
    }
    Ok(())
}

/// Returns the path of the file that begins with a sequence number.
pub(super) fn log_file(directory: &Path, sequence: u64) -> PathBuf {
    directory.join(format!("audit-{sequence:020}.jsonl"))
}

/// Returns the sequence number with which a file of a log begins; `None` if the name is not that of one.
fn first_of(name: &str) -> Option<u64> {
    number_of(name, LOG)
}

/// Returns the number in `audit-<number>.<extension>`.
pub(super) fn number_of(name: &str, extension: &str) -> Option<u64> {
    let number = name
        .strip_prefix("audit-")?
        .strip_suffix(extension)?
        .strip_suffix('.')?;
    let is_number = number.len() == 20 && number.bytes().all(|digit| digit.is_ascii_digit());
    number.parse().ok().filter(|_| is_number)
}

/// Returns the files of a log among the names in its directory, oldest first.
pub(super) fn log_files(directory: &Path, names: impl IntoIterator<Item = String>) -> Vec<PathBuf> {
    numbered_files(directory, names, LOG)
}

/// Returns the files `audit-<number>.<extension>` among the names in a directory, lowest number first.
pub(super) fn numbered_files(
    directory: &Path,
    names: impl IntoIterator<Item = String>,
    extension: &str,
) -> Vec<PathBuf> {
    let is_one = |name: &String| number_of(name, extension).is_some();
    let mut names: Vec<String> = names.into_iter().filter(is_one).collect();
    names.sort_unstable();
    names.into_iter().map(|name| directory.join(name)).collect()
}

/// The end of the name of a file of the log.
const LOG: &str = "jsonl";
