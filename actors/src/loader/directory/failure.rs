//! The meaning of errors of a file system: a property of the file, or a transient condition, such as a lack of file descriptors.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::time::Duration;

use crate::diagnostic::Diagnostic;

/// The pause before a path is tried again after a transient error. It doubles with each further failure.
const AGAIN_MIN: Duration = Duration::from_millis(100);
/// The longest such pause: once the condition is over, an edit is noticed within it.
const AGAIN_MAX: Duration = Duration::from_millis(800);

/// The number of consecutive transient failures of each name.
pub(super) struct Failures {
    in_a_row: BTreeMap<String, u32>,
    most: usize,
}

impl Failures {
    /// Counts failures of up to `most` names. Further names are tried again after the shortest pause.
    pub(super) fn new(most: usize) -> Self {
        Self {
            in_a_row: BTreeMap::new(),
            most,
        }
    }

    /// Notes one more failure of a name. Returns the pause before the next attempt.
    pub(super) fn note(&mut self, name: &str) -> Duration {
        let before = self.in_a_row.get(name).copied().unwrap_or_default();
        if before > 0 || self.in_a_row.len() < self.most {
            self.in_a_row.insert(name.to_owned(), before.saturating_add(1));
        }
        pause(before)
    }

    /// Forgets the failures of a name that could be read.
    pub(super) fn forget(&mut self, name: &str) {
        if !self.in_a_row.is_empty() {
            self.in_a_row.remove(name);
        }
    }

    /// Forgets the failures of a name that is gone, and of all names below it.
    pub(super) fn forget_all(&mut self, name: &str) {
        let is_below = |each: &str| each.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
        if !self.in_a_row.is_empty() {
            self.in_a_row.retain(|each, _| each != name && !is_below(each));
        }
    }

    /// Returns the number of names with failures.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.in_a_row.len()
    }
}

/// Returns the pause after a number of earlier failures.
fn pause(failures: u32) -> Duration {
    let doubled = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
    AGAIN_MIN.saturating_mul(doubled).min(AGAIN_MAX)
}

/// Returns true if an error is transient: the same may succeed a little later although the file did not change.
pub(super) fn passes(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidFilename
            | io::ErrorKind::FileTooLarge
            | io::ErrorKind::Unsupported
    ) && !platform::is_of_the_file(error)
}

/// Returns a diagnostic that says what failed, why, and what to do. `help` applies to an error that is a property of the file.
pub(super) fn diagnostic(what: impl Display, error: &io::Error, help: &str) -> Diagnostic {
    let help = match passes(error) {
        true => format!("{}; it is tried again by itself", platform::help(error)),
        false => help.to_owned(),
    };
    Diagnostic::error("unreadable", format!("{what}: {error}")).help(help)
}

#[cfg(unix)]
pub(super) mod platform {
    use std::io;

    use rustix::io::Errno;
    use rustix::process::{Resource, getrlimit};

    pub(super) fn is_of_the_file(error: &io::Error) -> bool {
        let errno = Errno::from_io_error(error);
        errno.is_some_and(|errno| matches!(errno, Errno::LOOP | Errno::NAMETOOLONG | Errno::OVERFLOW | Errno::NXIO))
    }

    pub(super) fn help(error: &io::Error) -> String {
        match Errno::from_io_error(error) {
            Some(Errno::MFILE) => descriptors_exhausted(),
            Some(Errno::NFILE) => "the system has no file descriptor left: raise `sysctl fs.file-max`".to_owned(),
            Some(Errno::NOMEM) => "the system has no memory left: give the service or its machine more".to_owned(),
            Some(Errno::IO) => "the device or the file system failed: see the log of the kernel (`dmesg`)".to_owned(),
            Some(Errno::STALE | Errno::TIMEDOUT | Errno::NOTCONN | Errno::HOSTDOWN | Errno::HOSTUNREACH) => {
                "the file system does not answer: check that it is mounted and that its server is up".to_owned()
            }
            _ => "the error is transient".to_owned(),
        }
    }

    /// Returns the message for a process that can open no more files, with the limit and how to raise it.
    pub(in super::super) fn descriptors_exhausted() -> String {
        let now = getrlimit(Resource::Nofile).current;
        let now = now.map_or_else(|| "unlimited".to_owned(), |now| now.to_string());
        format!(
            "the process has no file descriptor left: raise `ulimit -n` (now {now}; `LimitNOFILE` of a systemd unit), or let it hold fewer connections"
        )
    }
}

#[cfg(not(unix))]
mod platform {
    use std::io;

    pub(super) fn is_of_the_file(_: &io::Error) -> bool {
        false
    }

    pub(super) fn help(_: &io::Error) -> String {
        "the error is transient".to_owned()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn transient_errors_are_recognised() {
        for errno in [
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOMEM,
            Errno::INTR,
            Errno::IO,
            Errno::AGAIN,
            Errno::BUSY,
            Errno::STALE,
            Errno::TIMEDOUT,
            Errno::NOTCONN,
        ] {
            assert!(passes(&errno.into()), "{errno}");
        }
        for errno in [
            Errno::NOENT,
            Errno::NOTDIR,
            Errno::ISDIR,
            Errno::ACCESS,
            Errno::PERM,
            Errno::LOOP,
            Errno::NAMETOOLONG,
        ] {
            assert!(!passes(&errno.into()), "{errno}");
        }
    }

    #[test]
    fn errors_name_the_reason_and_the_remedy() {
        let shown = |errno: Errno| diagnostic("the file cannot be read", &errno.into(), "chmod").to_string();
        for (errno, parts) in [
            (Errno::MFILE, ["Too many open files", "`ulimit -n`"]),
            (Errno::NFILE, ["the file cannot be read", "fs.file-max"]),
            (Errno::NOMEM, ["memory", "tried again"]),
            (Errno::IO, ["dmesg", "tried again"]),
            (Errno::ACCESS, ["Permission denied", "chmod"]),
        ] {
            for part in parts {
                assert!(shown(errno).contains(part), "{part} is not in:\n{}", shown(errno));
            }
        }
        assert!(!shown(Errno::MFILE).contains("chmod"));
    }

    #[test]
    fn failures_are_counted_up_to_the_limit() {
        let mut failures = Failures::new(3);
        for name in ["a", "a/b", "ab"] {
            assert_eq!(failures.note(name), AGAIN_MIN, "{name}");
            assert_eq!(failures.note(name), 2 * AGAIN_MIN, "{name}");
        }
        for _ in 0..2 {
            assert_eq!(failures.note("c"), AGAIN_MIN, "one more than is counted");
        }
        failures.forget_all("a");
        assert_eq!(failures.len(), 1);
        failures.forget("ab");
        assert_eq!(failures.len(), 0);
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses: Vec<_> = [0, 1, 2, 3, 4, 31, 32, u32::MAX]
            .map(|failures| pause(failures).as_millis())
            .to_vec();
        assert_eq!(pauses, [100, 200, 400, 800, 800, 800, 800, 800]);
    }
}
