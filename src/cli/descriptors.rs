//! File descriptors: whether there are enough, before anything begins. What the servers are made of panics in the middle of its
//! start where they run out.

use std::fs::File;
use std::thread::available_parallelism;

use hotplate::config::Admin;

use super::Failure;

/// For loading templates once, with room for those that are read at the same time.
pub(crate) const OF_LOAD: usize = 16;
/// For loading and watching them.
pub(crate) const OF_WATCH: usize = 20;
/// For each thread that answers requests: a runtime has four.
const OF_WORKER: usize = 4;
/// For the admin listener and its workers.
const OF_ADMIN: usize = 20;
/// For connections: a server that can hold none is of no use.
const OF_CONNECTIONS: usize = 4;

/// For a server with so many threads, 0 being one per processor.
pub(crate) fn of_server(workers: usize, admin: &Admin) -> usize {
    let workers = match workers {
        0 => available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let admin = if admin.bind.is_empty() { 0 } else { OF_ADMIN };
    OF_WATCH + OF_WORKER * workers + admin + OF_CONNECTIONS
}

/// Makes sure that so many files can be opened now.
///
/// # Errors
/// How many can, and what to do.
pub(crate) fn reserve(needed: usize) -> Result<(), Failure> {
    let mut held = Vec::new();
    while held.len() < needed {
        match File::open("/dev/null") {
            Ok(file) => held.push(file),
            Err(error) if is_exhausted(&error) => {
                let free = held.len();
                return Err(Failure::Failed(format!(
                    "{needed} more files have to be open at least, and the system allows {free} ({error}): allow more, for \
                     example with `ulimit -n 1024` or `LimitNOFILE=1024`"
                )));
            }
            // There is no such file here, so nothing is known.
            Err(_) => break,
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_exhausted(error: &std::io::Error) -> bool {
    use rustix::io::Errno;

    [Errno::MFILE, Errno::NFILE]
        .map(|errno| Some(errno.raw_os_error()))
        .contains(&error.raw_os_error())
}

#[cfg(not(unix))]
fn is_exhausted(_: &std::io::Error) -> bool {
    false
}
