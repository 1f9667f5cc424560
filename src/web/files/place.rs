//! Finds and opens a file: without waiting, regular files only, by the rule for links.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use hotplate_actors::Links;

/// Converts a decoded request path to a path below a directory; `None` if it leaves the directory or names a hidden file.
pub(super) fn below(path: &str) -> Option<PathBuf> {
    let plain = |segment: &str| {
        let mut components = Path::new(segment).components();
        let normal = matches!(components.next(), Some(Component::Normal(name)) if name == segment);
        normal && components.next().is_none() && !segment.starts_with('.') && !segment.contains(['\\', '\0'])
    };
    // On Windows `a.txt:stream` names an alternate stream of a file, and `con` a device; the latter is rejected after opening.
    let portable = |segment: &str| !cfg!(windows) || !segment.contains(':');
    path.split('/')
        .map(|segment| (plain(segment) && portable(segment)).then_some(segment))
        .collect()
}

/// Opens a file below a directory; `None` if it is not a regular file or is reached by a link that the rule forbids.
///
/// The file type is checked before opening, so that no pipe blocks and no device is touched, and again on the opened file, which
/// may have been exchanged in between.
///
/// # Errors
/// Returns the errors of the file system; see [`is_absence`].
pub(super) fn open(directory: &Path, below: &Path, links: Links) -> io::Result<Option<(File, Metadata)>> {
    let Some(path) = real(directory, below, links)? else {
        return Ok(None);
    };
    if !fs::metadata(&path)?.is_file() {
        return Ok(None);
    }
    let file = options(links).open(&path)?;
    let metadata = file.metadata()?;
    Ok(metadata.is_file().then_some((file, metadata)))
}

/// Returns the path that a name leads to, if the rule for links permits it. The directory itself may be a link in any case.
fn real(directory: &Path, below: &Path, links: Links) -> io::Result<Option<PathBuf>> {
    if links == Links::Follow {
        return Ok(Some(directory.join(below)));
    }
    let root = directory.canonicalize()?;
    let named = root.join(below);
    let real = named.canonicalize()?;
    let followed = match links {
        Links::Never => real == named,
        Links::Follow | Links::Inside => real.starts_with(&root),
    };
    Ok(followed.then_some(real))
}

#[cfg(unix)]
fn options(links: Links) -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;

    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    // The path was resolved already; its last component is a link only if it was exchanged since.
    if links != Links::Follow {
        flags |= OFlags::NOFOLLOW;
    }
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits().cast_signed());
    options
}

#[cfg(not(unix))]
fn options(_: Links) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    options
}

/// Returns true if an error means that there is no file for a visitor, rather than a temporary failure to read one.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::PermissionDenied
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput
    ) || is_loop(error)
}

/// Returns true if links form a cycle, or the file was exchanged for a link.
#[cfg(unix)]
fn is_loop(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

#[cfg(not(unix))]
fn is_loop(_: &io::Error) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_and_nothing_is_hidden() {
        for path in ["site.css", "a/b/c.txt", "100%.css", "ä ö.html", "a..b", "~x"] {
            assert_eq!(below(path), Some(PathBuf::from(path)), "{path}");
        }
        for path in [
            "",
            "/",
            "/etc/passwd",
            "a//b",
            "a/",
            "../a",
            "a/../b",
            "a/./b",
            ".",
            "..",
            ".git/config",
            "a/.env",
            "a\\b",
            "a\0b",
        ] {
            assert_eq!(below(path), None, "{path:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_by_one_rule() {
        use std::os::unix::fs::symlink;

        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("static");
        fs::create_dir_all(root.join("deep")).expect("made");
        fs::write(root.join("file.txt"), "file").expect("written");
        fs::write(root.join("deep/file.txt"), "file").expect("written");
        fs::write(directory.path().join("out.txt"), "out").expect("written");
        symlink("file.txt", root.join("inside.txt")).expect("linked");
        symlink("deep", root.join("directory")).expect("linked");
        symlink("../out.txt", root.join("out.txt")).expect("linked");
        symlink("..", root.join("up")).expect("linked");
        symlink("nowhere", root.join("nowhere.txt")).expect("linked");
        symlink("circle.txt", root.join("circle.txt")).expect("linked");
        // The root may be a link in any case.
        symlink("static", directory.path().join("linked")).expect("linked");
        for (name, followed) in [
            ("file.txt", [true, true, true]),
            ("deep/file.txt", [true, true, true]),
            ("inside.txt", [true, true, false]),
            ("directory/file.txt", [true, true, false]),
            ("out.txt", [true, false, false]),
            ("up/out.txt", [true, false, false]),
            ("nowhere.txt", [false, false, false]),
            ("circle.txt", [false, false, false]),
        ] {
            for (links, expected) in [Links::Follow, Links::Inside, Links::Never].into_iter().zip(followed) {
                for root in [&root, &directory.path().join("linked")] {
                    let found = match open(root, Path::new(name), links) {
                        Ok(found) => found.is_some(),
                        Err(error) => {
                            assert!(is_absence(&error), "{name}: {error}");
                            false
                        }
                    };
                    assert_eq!(found, expected, "{name}, {links:?}");
                }
            }
        }
    }
}
