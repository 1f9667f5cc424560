//! Metadata on systems with inodes.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{FileId, Kind, Stat};

pub(super) fn stat(metadata: &Metadata) -> Stat {
    let kind = metadata.file_type();
    Stat {
        id: FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
            born: metadata.created().map_or(0, super::since_epoch),
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
        modified: stamp(metadata.mtime(), metadata.mtime_nsec()),
        changed: stamp(metadata.ctime(), metadata.ctime_nsec()),
        names: metadata.nlink(),
    }
}

fn stamp(seconds: i64, nanos: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// Opens a file without blocking: open(2) of a pipe waits for a writer unless `O_NONBLOCK` is set.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Asks a directory for a name while it is held open, so that both answers are about that one directory.
pub(super) fn holds(directory: &Path, name: &OsStr) -> io::Result<(FileId, bool)> {
    // A directory that can be searched need not be readable (`O_PATH`).
    #[cfg(target_os = "linux")]
    let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::PATH;
    #[cfg(not(target_os = "linux"))]
    let flags = rustix::fs::OFlags::DIRECTORY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let directory = OpenOptions::new().read(true).custom_flags(flags).open(directory)?;
    let id = stat(&directory.metadata()?).id;
    match rustix::fs::statat(&directory, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok((id, true)),
        Err(rustix::io::Errno::NOENT) => Ok((id, false)),
        Err(error) => Err(error.into()),
    }
}

/// File systems whose file events report every change, because only this kernel writes to them or because they never change. The
/// numbers are those of statfs(2). All others may change without an event (NFS, CIFS, 9p, FUSE, overlay, vboxsf).
#[cfg(target_os = "linux")]
const TELLING: [u32; 19] = [
    0x0000_EF53, // ext2, ext3, ext4
    0x0102_1994, // tmpfs
    0x5846_5342, // xfs
    0x9123_683E, // btrfs
    0xF2F5_2010, // f2fs
    0x2FC1_2FC1, // zfs
    0xCA45_1A4E, // bcachefs
    0x8584_58F6, // ramfs
    0x3153_464A, // jfs
    0x5265_4973, // reiserfs
    0x0000_3434, // nilfs
    0x0000_4D44, // fat
    0x2011_BAB0, // exfat
    0x7366_746E, // ntfs3
    0xE0F5_E1E2, // erofs
    0x7371_7368, // squashfs
    0x0000_9660, // iso9660
    0x2405_1905, // ubifs
    0x0000_4244, // hfs
];

/// File systems that are known to change without an event.
#[cfg(target_os = "linux")]
const SILENT: [(u32, &str); 11] = [
    (0x0000_6969, "nfs"),
    (0xFF53_4D42, "cifs"),
    (0xFE53_4D42, "smb2"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "fuse"),
    (0x794C_7630, "overlay"),
    (0x786F_4256, "vboxsf"),
    (0x00C3_6400, "ceph"),
    (0x7461_636F, "ocfs2"),
    (0x0116_1970, "gfs2"),
    (0x5346_414F, "afs"),
];

#[cfg(target_os = "linux")]
pub(super) fn silent(path: &Path) -> Option<String> {
    match rustix::fs::statfs(path) {
        Ok(found) => name_of_silent(i128::from(found.f_type)),
        Err(error) if super::super::failure::passes(&error.into()) => Some(format!("unknown ({error})")),
        // The check of the directory itself finds that it does not exist.
        Err(_) => None,
    }
}

#[cfg(target_os = "linux")]
fn name_of_silent(number: i128) -> Option<String> {
    // The type is signed on some machines; the numbers have 32 bits.
    let number = u32::try_from(number & 0xFFFF_FFFF).unwrap_or_default();
    if TELLING.contains(&number) {
        return None;
    }
    let known = SILENT.iter().find(|(each, _)| *each == number);
    Some(known.map_or_else(|| format!("unknown (0x{number:x})"), |(_, name)| (*name).to_owned()))
}

/// Returns none: watches of whole trees compare everything whenever an event is unclear.
#[cfg(not(target_os = "linux"))]
pub(super) fn silent(_: &Path) -> Option<String> {
    None
}

/// File systems without stored files: views of the kernel, of processes and devices. The numbers are those of `linux/magic.h`.
#[cfg(target_os = "linux")]
const PSEUDO: [(u32, &str); 16] = [
    (0x0000_9FA0, "proc"),
    (0x6265_6572, "sysfs"),
    (0x0027_E0EB, "cgroup"),
    (0x6367_7270, "cgroup2"),
    (0x0000_1CD1, "devpts"),
    (0x6462_6720, "debugfs"),
    (0x7472_6163, "tracefs"),
    (0x7363_6673, "securityfs"),
    (0xF97C_FF8C, "selinuxfs"),
    (0x6165_676C, "pstore"),
    (0xCAFE_4A11, "bpf"),
    (0x6265_6570, "configfs"),
    (0x1980_0202, "mqueue"),
    (0xDE5E_81E4, "efivarfs"),
    (0x4249_4E4D, "binfmt_misc"),
    (0x6E73_6673, "nsfs"),
];

#[cfg(target_os = "linux")]
pub(super) fn pseudo(path: &Path) -> Option<&'static str> {
    let found = rustix::fs::statfs(path).ok()?;
    let number = u32::try_from(i128::from(found.f_type) & 0xFFFF_FFFF).ok()?;
    let known = PSEUDO.iter().find(|(each, _)| *each == number);
    known.map(|(_, name)| *name)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn pseudo(_: &Path) -> Option<&'static str> {
    None
}

#[cfg(target_os = "linux")]
pub(super) fn mounts() -> Option<HashSet<PathBuf>> {
    let table = std::fs::read("/proc/self/mountinfo").ok()?;
    Some(table.split(|byte| *byte == b'\n').filter_map(mount_point).collect())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn mounts() -> Option<HashSet<PathBuf>> {
    Some(HashSet::new())
}

/// Returns the mount point, the fifth field of a line of `mountinfo` (proc_pid_mountinfo(5)), in which blanks are `\040`.
#[cfg(target_os = "linux")]
fn mount_point(line: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let mut rest = line.split(|byte| *byte == b' ').nth(4)?;
    let mut path = Vec::with_capacity(rest.len());
    while let [first, after @ ..] = rest {
        let code = match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                Some((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'))
            }
            _ => None,
        };
        path.push(code.unwrap_or(*first));
        rest = if code.is_some() { &rest[4..] } else { after };
    }
    Some(PathBuf::from(std::ffi::OsString::from_vec(path)))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn unknown_file_systems_are_polled() {
        assert_eq!(name_of_silent(0xEF53), None);
        assert_eq!(name_of_silent(0x6969).as_deref(), Some("nfs"));
        assert_eq!(
            name_of_silent(i128::from(0xFF53_4D42_u32 as i32)).as_deref(),
            Some("cifs"),
            "as a signed number"
        );
        assert_eq!(name_of_silent(0x1234).as_deref(), Some("unknown (0x1234)"));
    }

    #[test]
    fn a_directory_knows_its_own_names() {
        use std::os::unix::fs::symlink;
        let place = tempfile::tempdir().expect("a directory");
        let path = |name: &str| place.path().join(name);
        std::fs::create_dir(path("d")).expect("created");
        symlink("nowhere", path("d/link")).expect("linked");
        std::fs::write(path("file"), "").expect("written");
        let id = stat(&path("d").metadata().expect("there")).id;
        let asked = |directory: &str, name: &str| holds(&path(directory), name.as_ref());
        assert_eq!(
            asked("d", "link").expect("there"),
            (id, true),
            "a link is a name, wherever it leads"
        );
        assert_eq!(asked("d", "none").expect("there"), (id, false));
        for gone in ["file", "none"] {
            assert!(
                super::super::is_gone(&asked(gone, "x").expect_err("no directory")),
                "{gone}"
            );
        }
        std::fs::rename(path("d"), path("e")).expect("renamed");
        std::fs::create_dir(path("d")).expect("created");
        assert_ne!(asked("d", "link").expect("there").0, id, "another one");
    }

    #[test]
    fn pseudo_file_systems_are_recognised() {
        assert_eq!(pseudo(Path::new("/proc/self")), Some("proc"));
        let place = tempfile::tempdir().expect("a directory");
        assert_eq!(pseudo(place.path()), None);
    }

    #[test]
    fn mount_points_are_unescaped() {
        let line = br"36 35 98:0 /mnt1 /a\040b/c\134d rw,noatime master:1 - ext3 /dev/root rw";
        assert_eq!(mount_point(line), Some(PathBuf::from(r"/a b/c\d")));
        assert_eq!(mount_point(b""), None);
        assert!(mounts().is_some_and(|mounts| mounts.contains(Path::new("/"))));
    }
}
