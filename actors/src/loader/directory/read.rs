//! Reading one file: whole, within the limit, and only if it did not change meanwhile.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::diagnostic::Diagnostic;

/// How often a file that changes while it is read is tried again at once.
const TRIES: usize = 3;
/// A change within this time before the read may not show in the time stamp: the clock of file systems is coarse.
const RACY: Duration = Duration::from_millis(20);

/// What tells cheaply that a file may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) identity: [u64; 2],
    bytes: u64,
    times: [i128; 2],
    /// Read so soon after its last change that the next look must not trust the stamps.
    pub(super) racy: bool,
}

impl Signature {
    pub(super) fn same_file_state(&self, other: &Self) -> bool {
        self.identity == other.identity && self.bytes == other.bytes && self.times == other.times
    }
}

#[cfg(unix)]
pub(super) fn signature(metadata: &Metadata) -> Signature {
    use std::os::unix::fs::MetadataExt;
    let stamp = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let changed = stamp(metadata.ctime(), metadata.ctime_nsec());
    Signature {
        identity: [metadata.dev(), metadata.ino()],
        bytes: metadata.len(),
        times: [stamp(metadata.mtime(), metadata.mtime_nsec()), changed],
        racy: is_racy(changed),
    }
}

#[cfg(not(unix))]
pub(super) fn signature(metadata: &Metadata) -> Signature {
    let modified = metadata.modified().map_or(0, since_epoch);
    Signature {
        identity: [0, 0],
        bytes: metadata.len(),
        times: [modified, modified],
        racy: is_racy(modified),
    }
}

fn since_epoch(time: SystemTime) -> i128 {
    let nanos = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |passed| passed.as_nanos());
    i128::try_from(nanos).unwrap_or(i128::MAX)
}

fn is_racy(changed: i128) -> bool {
    since_epoch(SystemTime::now()) - changed < i128::try_from(RACY.as_nanos()).unwrap_or(0)
}

/// What a path holds.
pub(super) enum Content {
    Text(String, Signature),
    Unreadable(Diagnostic, Option<Signature>),
    /// It is gone, or no regular file any more.
    Gone,
}

/// Reads a file that should be a template.
pub(super) fn read(path: &Path, bytes_max: usize) -> Content {
    let mut last = None;
    for _ in 0..TRIES {
        match read_once(path, bytes_max) {
            Ok(Some((content, before, after))) => {
                if before.same_file_state(&after) {
                    return content;
                }
                last = Some(content);
            }
            Ok(None) => return Content::Gone,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Content::Gone,
            Err(error) => {
                let seen = fs::metadata(path).ok().map(|metadata| signature(&metadata));
                let diagnostic = Diagnostic::error("unreadable", format!("the file cannot be read: {error}"))
                    .help("let the service read it, for example with `chmod a+r`");
                return Content::Unreadable(diagnostic, seen);
            }
        }
    }
    match last {
        // Still being written: what was read last counts, and the stamps are not to be trusted.
        Some(Content::Text(text, seen)) => Content::Text(text, Signature { racy: true, ..seen }),
        Some(other) => other,
        None => Content::Gone,
    }
}

fn read_once(path: &Path, bytes_max: usize) -> io::Result<Option<(Content, Signature, Signature)>> {
    let mut file = open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let before = signature(&metadata);
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(limit)).unwrap_or(0));
    file.by_ref().take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    let after = signature(&file.metadata()?);
    let content = if bytes.len() > bytes_max {
        let message = format!(
            "the file has {} bytes, more than {bytes_max} (the limit `source_bytes`)",
            metadata.len()
        );
        let help = "split it into partials, or raise the limit `source_bytes`";
        Content::Unreadable(Diagnostic::error("too-large", message).help(help), Some(before.clone()))
    } else {
        match String::from_utf8(bytes) {
            Ok(text) => Content::Text(text, before.clone()),
            Err(error) => Content::Unreadable(not_utf8(&error), Some(before.clone())),
        }
    };
    Ok(Some((content, before, after)))
}

/// A pipe under the name of a template must not block the loader.
#[cfg(target_os = "linux")]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    const O_NONBLOCK: i32 = 0o4000;
    fs::OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)
}

#[cfg(not(target_os = "linux"))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

fn not_utf8(error: &std::string::FromUtf8Error) -> Diagnostic {
    let at = error.utf8_error().valid_up_to();
    let bytes = error.as_bytes();
    let valid = String::from_utf8_lossy(&bytes[..at]);
    let rest = String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 80)]);
    let shown = format!("{valid}{rest}");
    Diagnostic::error("not-utf8", "the file is not UTF-8 from here on")
        .at(
            &shown,
            valid.len()..valid.len() + char::REPLACEMENT_CHARACTER.len_utf8(),
        )
        .help("save it as UTF-8")
}
