//! Reading a log, and checking its chain.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::LINE_BYTES_MAX;
use super::line::{AuditLine, NO_HASH};
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
}

/// Checks the chain of a log: a directory, or one file of it.
///
/// # Errors
/// [`AuditFault`] names the first bad line.
pub fn verify(path: &Path) -> Result<Verified, AuditFault> {
    read(path, |_| {})
}

/// Works like [`verify`], and calls a function with each line whose place in the chain is right.
///
/// # Errors
/// The errors of [`verify`]. The lines before the fault have been passed on.
pub fn read(path: &Path, mut each: impl FnMut(&AuditLine)) -> Result<Verified, AuditFault> {
    let files = match path.is_dir() {
        true => {
            let unreadable = |source| AuditFault::Unreadable {
                path: path.to_owned(),
                source,
            };
            let entries = std::fs::read_dir(path).map_err(unreadable)?;
            let names = entries
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned());
            log_files(path, names)
        }
        false => vec![path.to_owned()],
    };
    if files.is_empty() {
        return Err(AuditFault::Nothing { path: path.to_owned() });
    }
    let mut verified = Verified {
        lines: 0,
        first: 0,
        last: 0,
        hash: NO_HASH.into(),
        unfinished: false,
    };
    for (number, file) in files.iter().enumerate() {
        read_file(file, number + 1 == files.len(), &mut verified, &mut each)?;
    }
    Ok(verified)
}

fn read_file(
    path: &Path,
    is_last: bool,
    verified: &mut Verified,
    each: &mut impl FnMut(&AuditLine),
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
    let number = name.strip_prefix("audit-")?.strip_suffix(".jsonl")?;
    let is_number = number.len() == 20 && number.bytes().all(|digit| digit.is_ascii_digit());
    number.parse().ok().filter(|_| is_number)
}

/// Returns the files of a log among the names in its directory, oldest first.
pub(super) fn log_files(directory: &Path, names: impl IntoIterator<Item = String>) -> Vec<PathBuf> {
    let mut names: Vec<String> = names.into_iter().filter(|name| first_of(name).is_some()).collect();
    names.sort_unstable();
    names.into_iter().map(|name| directory.join(name)).collect()
}
