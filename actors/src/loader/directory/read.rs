//! Reads one file: whole, within the limit, and only if it did not change meanwhile.

use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::thread;

use super::disk::{Disk, FileId, Stat, is_gone};
use super::failure;
use crate::diagnostic::Diagnostic;
use crate::dialect::Missing;
use crate::template::{Digest, RootLanguage, Source, TemplateName};
use crate::text::decode;

/// The number of attempts to read a file that changes while it is read.
const TRIES: usize = 3;
/// The most threads that read at once. More do not help: a start waits for the disk or the kernel.
const READERS_MAX: usize = 8;
/// The number of reading threads on this machine. It is computed once, because the answer is read from files.
static READERS: LazyLock<usize> = LazyLock::new(|| {
    let processors = thread::available_parallelism();
    processors.map_or(1, usize::from).min(READERS_MAX)
});
/// The time after a change during which another one may leave the same stamps, because the clock of file systems is coarse. Git calls
/// such entries of its index "racy".
const RACY_NANOS: i64 = 20_000_000;
/// The racy time where stamps are whole seconds: FAT counts by two.
const RACY_COARSE_NANOS: i64 = 2_000_000_000;

/// The metadata that shows cheaply that a file may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) id: FileId,
    bytes: u64,
    modified: i64,
    pub(super) changed: i64,
    /// Set if it was read so soon after its last change that equal stamps prove nothing.
    pub(super) racy: bool,
}

impl Signature {
    /// Returns the signature of a file whose metadata was read at `clock`.
    pub(super) fn new(stat: &Stat, clock: i64) -> Self {
        let coarse = stat.changed % 1_000_000_000 == 0 && stat.modified % 1_000_000_000 == 0;
        let window = if coarse { RACY_COARSE_NANOS } else { RACY_NANOS };
        Self {
            id: stat.id,
            bytes: stat.bytes,
            modified: stat.modified,
            changed: stat.changed,
            racy: stat.changed.saturating_add(window) > clock,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns true if the stamps are those of `stat`. If they are [`racy`](Signature::racy), that proves nothing.
    pub(super) fn is_of(&self, stat: &Stat) -> bool {
        (self.id, self.bytes, self.modified, self.changed) == (stat.id, stat.bytes, stat.modified, stat.changed)
    }
}

/// The text of a file, with its digest.
pub(super) struct Text {
    pub(super) text: Arc<str>,
    pub(super) digest: Digest,
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        let digest = Digest::of(text.as_bytes());
        let text = text.into();
        Self { text, digest }
    }
}

impl Text {
    pub(super) fn source(self, name: TemplateName, root: RootLanguage) -> Source {
        let Self { text, digest } = self;
        let source = Source {
            key: name.into(),
            text,
            digest,
            missing: Missing::Error,
            dialect: None,
        };
        source.of_root(root)
    }
}

/// The outcome of reading a file.
pub(super) enum FileContent {
    /// The text, and the number of names of the file.
    Text(Text, Signature, u64),
    /// It cannot be used. The signature is missing where not even metadata could be read.
    Unreadable(Diagnostic, Option<Signature>),
    /// It could not be read because of a transient error: see [`failure::passes`]. The signature proves nothing.
    Failed(Diagnostic, Option<Signature>),
    /// It changed during each attempt: it is being written.
    Changing,
    /// It does not exist, or is no regular file any more.
    Gone,
}

/// Reads a file that should be a template. With `anyway`, a file that changes during each attempt is taken as it is.
pub(super) fn read(disk: &dyn Disk, path: &Path, bytes_max: usize, anyway: bool) -> FileContent {
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    for left in (0..TRIES).rev() {
        let clock = disk.clock();
        let reading = match disk.read(path, limit) {
            Ok(reading) => reading,
            Err(error) if is_gone(&error) => return FileContent::Gone,
            Err(error) if error.kind() == io::ErrorKind::Interrupted && left > 0 => continue,
            Err(error) => {
                let mut seen = disk.follow(path).ok().map(|stat| Signature::new(&stat, clock));
                let help = "let the service read it, for example with `chmod a+r`";
                let diagnostic = failure::diagnostic("the file cannot be read", &error, help);
                if !failure::passes(&error) {
                    return FileContent::Unreadable(diagnostic, seen);
                }
                // Nothing was read, so the same stamps are no reason not to read it.
                seen.iter_mut().for_each(|seen| seen.racy = true);
                return FileContent::Failed(diagnostic, seen);
            }
        };
        let mut seen = Signature::new(&reading.before, clock);
        if !seen.is_of(&reading.after) {
            if left > 0 || !anyway {
                continue;
            }
            seen.racy = true;
        }
        let bytes = reading.before.bytes.max(reading.bytes.len() as u64);
        if bytes > limit {
            let message =
                format!("the file has {bytes} bytes, more than {bytes_max}, the most that a template may have");
            let help = "split it into partials, or raise the limit `source_bytes`";
            return FileContent::Unreadable(Diagnostic::error("too-large", message).help(help), Some(seen));
        }
        return match decode(reading.bytes) {
            Ok(text) => FileContent::Text(text.into(), seen, reading.after.names),
            Err(diagnostic) => FileContent::Unreadable(*diagnostic, Some(seen)),
        };
    }
    FileContent::Changing
}

/// Reads many files with several threads.
pub(super) fn read_all(disk: &dyn Disk, paths: &[&Path], bytes_max: usize, anyway: bool) -> Vec<FileContent> {
    let read_some = |paths: &[&Path]| -> Vec<FileContent> {
        let contents = paths.iter().map(|path| read(disk, path, bytes_max, anyway));
        contents.collect()
    };
    let shares = paths.chunks(paths.len().div_ceil(*READERS).max(1));
    // This thread reads nothing itself: its allocations outlive the texts, and would lie between them and keep their memory from being freed.
    thread::scope(|scope| {
        let start = |share| {
            let reader = thread::Builder::new().name("hotplate-reads".into());
            (share, reader.spawn_scoped(scope, move || read_some(share)))
        };
        let readers: Vec<_> = shares.map(start).collect();
        let mut contents = Vec::with_capacity(paths.len());
        for (share, reader) in readers {
            // The share of a thread that could not be started, or failed, is read here.
            let read = reader.ok().and_then(|reader| reader.join().ok());
            contents.extend(read.unwrap_or_else(|| read_some(share)));
        }
        contents
    })
}
