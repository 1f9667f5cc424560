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
    let workers = each(workers);
    let admin = if admin.bind.is_empty() { 0 } else { OF_ADMIN };
    OF_WATCH + OF_WORKER * workers + admin + OF_CONNECTIONS
}

/// What is kept of the descriptors for everything but the connections of visitors: a part of those that are left, and at most so many.
const OF_OTHERS_MAX: usize = 64;
const OF_OTHERS: usize = 4;

/// Returns how many connections each of so many workers may have, 0 being one worker per processor: as many as are set, as far as there
/// are descriptors for them now. More wait in the kernel. Otherwise visitors would take all of them, and neither a template nor a static
/// file could be read, nor a probe of the admin listener be accepted.
pub(crate) fn connections(set: usize, workers: usize) -> usize {
    let workers = each(workers);
    let most = free().map_or(set, |free| share(free, workers).min(set));
    if most < set {
        tracing::info!(
            connections = most,
            "each worker has fewer connections at once than `server.connections` says, for there are too few file descriptors: allow \
             more, for example with `ulimit -n 65536` or `LimitNOFILE=65536`"
        );
    }
    most
}

/// The share of one worker in the descriptors that are left.
fn share(free: usize, workers: usize) -> usize {
    let left = free.saturating_sub(OF_WORKER * workers);
    let others = (left / OF_OTHERS).min(OF_OTHERS_MAX);
    ((left - others) / workers.max(1)).max(1)
}

/// Returns how many descriptors are left, where the system says so.
fn free() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let most: usize = line.split_whitespace().next()?.parse().ok()?;
    let open = std::fs::read_dir("/proc/self/fd").ok()?.count();
    Some(most.saturating_sub(open))
}

fn each(workers: usize) -> usize {
    match workers {
        0 => available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visitors_leave_descriptors_for_everything_else() {
        for (free, workers, expected) in [
            (0, 2, 1),
            (8, 2, 1),
            (12, 2, 1),
            (80, 2, 27),
            (1_000, 2, 464),
            (1_000, 16, 54),
            (1_000_000, 1, 999_932),
        ] {
            assert_eq!(share(free, workers), expected, "{free} for {workers}");
        }
    }
}
