//! File descriptors: checks that there are enough before anything starts, because actix and tokio panic in the middle of their start if
//! there are too few.

use std::fs::File;

use hotplate::config::Config;

use super::Failure;
use super::threads::or_processors;

/// Descriptors for loading templates once: those of the runtime of the loader, with some for files that are read at the same time.
pub(crate) const OF_LOAD: usize = 20;
/// Descriptors for loading and watching templates.
pub(crate) const OF_WATCH: usize = 24;
/// Descriptors for each thread that answers requests: a runtime has four.
const OF_WORKER: usize = 4;
/// Descriptors for the admin listener and its workers, and for the engine that renders the dashboard.
const OF_ADMIN: usize = 24;
/// Descriptors for writing the store and the audit log, and for asking git.
const OF_STORE: usize = 8;
/// Descriptors for connections: a server must be able to accept some.
const OF_CONNECTIONS: usize = 4;

/// Returns the descriptors that a server with this number of workers needs; 0 is one worker per processor.
pub(crate) fn of_server(workers: usize, config: &Config) -> usize {
    let workers = or_processors(workers);
    let admin = if config.admin.bind.is_empty() { 0 } else { OF_ADMIN };
    let is_stored = !config.store.dir.is_empty() || !config.audit.dir.is_empty();
    let store = if is_stored { OF_STORE } else { 0 };
    let render = match config.render.bind.is_empty() {
        true => 0,
        false => OF_WORKER * config.render.limits.workers + OF_CONNECTIONS,
    };
    OF_WATCH + store + OF_WORKER * workers + admin + render + OF_CONNECTIONS
}

/// The most descriptors that are reserved for everything but the connections of visitors.
const OF_OTHERS_MAX: usize = 64;
/// The divisor for the share of the free descriptors that is reserved for everything but the connections of visitors.
const OF_OTHERS: usize = 4;

/// Returns the connections that each of the workers may have: the configured number, or fewer if there are too few free descriptors. 0
/// workers are one per processor. Further connections wait in the kernel. Without this bound visitors could use all descriptors, and then
/// no template or static file could be read and no probe of the admin listener accepted.
pub(crate) fn connections(configured: usize, workers: usize) -> usize {
    let workers = or_processors(workers);
    let most = free().map_or(configured, |free| share(free, workers).min(configured));
    if most < configured {
        tracing::info!(
            connections = most,
            "each worker accepts fewer connections than `server.connections`, because there are too few file descriptors: allow \
             more, for example with `ulimit -n 65536` or `LimitNOFILE=65536`"
        );
    }
    most
}

/// Returns the share of one worker in the free descriptors.
fn share(free: usize, workers: usize) -> usize {
    let left = free.saturating_sub(OF_WORKER * workers);
    let others = (left / OF_OTHERS).min(OF_OTHERS_MAX);
    ((left - others) / workers.max(1)).max(1)
}

/// Returns the number of free descriptors, if the system reports it.
fn free() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let most: usize = line.split_whitespace().next()?.parse().ok()?;
    let open = std::fs::read_dir("/proc/self/fd").ok()?.count();
    Some(most.saturating_sub(open))
}

/// Checks that this number of files can be opened now.
///
/// # Errors
/// The number that can be opened, and what to do.
pub(crate) fn reserve(needed: usize) -> Result<(), Failure> {
    let mut held = Vec::new();
    while held.len() < needed {
        match File::open("/dev/null") {
            Ok(file) => held.push(file),
            Err(error) if is_exhausted(&error) => {
                let free = held.len();
                return Err(Failure::Failed(format!(
                    "at least {needed} more file descriptors are needed, and the system allows {free} ({error}): allow more, for \
                     example with `ulimit -n 1024` or `LimitNOFILE=1024`"
                )));
            }
            // The file does not exist on this system, so nothing can be checked.
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
    fn connections_leave_descriptors_for_the_rest() {
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
