//! Reads the files of a tar archive, bounded in number and bytes. Nothing is written to the disk.

use std::collections::BTreeMap;
use std::io::Read;

/// The bounds of an archive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArchiveBounds {
    /// Files that are used.
    pub(crate) files: usize,
    /// Bytes of these files.
    pub(crate) bytes: usize,
}

/// Entries of an archive for each file that is used, at most: archives have directories and files that are not used.
const ENTRIES_PER_FILE: usize = 16;

/// The reason why an archive is refused, as a whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    /// The text is no archive, or ends early.
    #[error("this is not a whole tar archive (without compression): {}", escaped(&.0.to_string()))]
    Unreadable(#[from] std::io::Error),
    /// A file would lie outside of the directory of the archive.
    #[error(
        "the archive contains `{0}`, which leads out of its directory: make an archive with relative names and without `..`"
    )]
    Outside(String),
    /// The archive is too large.
    #[error("the archive has more than {0}: preview fewer files, or raise the limit")]
    TooLarge(String),
}

/// Returns the regular files for which `is_used` is true, by their relative paths. Links and other kinds of files are left out and never
/// followed; so are files with a hidden component.
pub(crate) fn files(
    archive: impl Read,
    bounds: ArchiveBounds,
    is_used: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Vec<u8>>, ArchiveError> {
    let mut archive = tar::Archive::new(archive);
    let (mut files, mut bytes_left) = (BTreeMap::new(), bounds.bytes);
    let too_many = || ArchiveError::TooLarge(format!("{} files", bounds.files));
    for (number, entry) in archive.entries()?.enumerate() {
        if number >= bounds.files.saturating_mul(ENTRIES_PER_FILE) {
            return Err(too_many());
        }
        let mut entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some(path) = relative(&path).map_err(ArchiveError::Outside)? else {
            continue;
        };
        if !entry.header().entry_type().is_file() || !is_used(&path) {
            continue;
        }
        // The size in the header is a claim, so the bytes are counted while they are read.
        let mut content = Vec::new();
        let most = u64::try_from(bytes_left).unwrap_or(u64::MAX).saturating_add(1);
        entry.by_ref().take(most).read_to_end(&mut content)?;
        let left = bytes_left.checked_sub(content.len());
        bytes_left = left.ok_or_else(|| ArchiveError::TooLarge(format!("{} bytes", bounds.bytes)))?;
        files.insert(path, content);
        if files.len() > bounds.files {
            return Err(too_many());
        }
    }
    Ok(files)
}

/// Returns the beginning of a text that has bytes of the archive, to be shown: a terminal would obey its control characters.
fn escaped(text: &str) -> String {
    text.chars().take(200).collect::<String>().escape_debug().to_string()
}

/// Returns the path of an entry without a leading `./`; `None` for a hidden one and for the directory itself.
fn relative(path: &str) -> Result<Option<String>, String> {
    let outside = || escaped(path);
    let has_drive = path.as_bytes().get(1) == Some(&b':');
    if path.starts_with(['/', '\\']) || has_drive || path.contains(['\0', '\\']) {
        return Err(outside());
    }
    let mut kept: Vec<&str> = Vec::new();
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." => return Err(outside()),
            component => kept.push(component),
        }
    }
    let is_hidden = kept
        .iter()
        .any(|component| component.starts_with('.') && *component != ".hotplateignore");
    Ok((!kept.is_empty() && !is_hidden).then(|| kept.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: ArchiveBounds = ArchiveBounds { files: 3, bytes: 100 };

    /// Makes an archive without checks of its names.
    fn archive(entries: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_gnu_mut().expect("gnu").name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(text.len() as u64);
            header.set_cksum();
            builder.append(&header, text.as_bytes()).expect("in memory");
        }
        builder.into_inner().expect("whole")
    }

    fn described(entries: &[(&str, tar::EntryType, &str)]) -> Result<Vec<String>, String> {
        let found = files(&archive(entries)[..], BOUNDS, |path| !path.ends_with(".png"));
        found
            .map(|found| found.into_keys().collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn only_regular_files_below_the_directory_are_read() {
        use tar::EntryType::{Directory, Link, Regular, Symlink};
        let found = described(&[
            ("./", Directory, ""),
            ("./a.html", Regular, "a"),
            ("x/", Directory, ""),
            ("x//b.html", Regular, "b"),
            ("x/c.png", Regular, "c"),
            (".git/config", Regular, "d"),
            ("link.html", Symlink, ""),
            ("hard.html", Link, ""),
        ]);
        assert_eq!(found.expect("an archive"), ["a.html", "x/b.html"]);
        for path in ["/etc/passwd", "../a.html", "a/../../b.html", "a\\b.html", "C:/a.html"] {
            let refused = described(&[("fine.html", Regular, "x"), (path, Regular, "x")]).expect_err(path);
            assert!(refused.contains("leads out of its directory"), "{path}: {refused}");
        }
    }

    #[test]
    fn an_archive_is_bounded() {
        use tar::EntryType::Regular;
        let long = "x".repeat(101);
        let refused = described(&[("a.html", Regular, &long)]).expect_err("too long");
        assert!(refused.contains("more than 100 bytes"), "{refused}");
        assert_eq!(
            described(&[("a.html", Regular, &long[1..])])
                .expect("as much as allowed")
                .len(),
            1
        );
        let four: Vec<_> = ["a", "b", "c", "d"].map(|name| (name, Regular, "")).into();
        assert!(described(&four).expect_err("too many").contains("more than 3 files"));
        assert_eq!(described(&four[1..]).expect("as many as allowed").len(), 3);
        for broken in [
            &b"no archive at all, but text"[..],
            &archive(&[("a", Regular, &long)])[..560],
        ] {
            let refused = files(broken, BOUNDS, |_| true).expect_err("not whole");
            assert!(matches!(refused, ArchiveError::Unreadable(_)), "{refused}");
        }
    }

    #[test]
    fn bytes_of_an_archive_are_escaped() {
        let mut broken = archive(&[("a", tar::EntryType::Regular, "a")]);
        // The checksum, which the error quotes.
        broken[148..154].copy_from_slice(b"\x1b]0;x\x07");
        let refused = files(&broken[..], BOUNDS, |_| true).expect_err("no number").to_string();
        assert!(refused.contains("\\u{1b}]0;x\\u{7}"), "{refused}");
        assert!(!refused.contains(char::is_control), "{refused:?}");
    }
}
