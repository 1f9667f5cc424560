//! Threads and memory: checks that there are enough before anything starts. actix and tokio panic in the middle of their start if a thread
//! cannot be started, and the process aborts if there is no memory.

use std::sync::mpsc::channel;
use std::thread::{self, available_parallelism};

use hotplate::Limits;
use hotplate::config::Admin;

use super::Failure;

/// Threads of the engine apart from its pools (control, timers, loaders, watches, store), and of the command itself.
const OF_ENGINE: usize = 13;
/// Threads of the admin listener, its workers and the engine of the dashboard.
const OF_ADMIN: usize = 16;
/// Memory that a server needs to start, besides the stacks of its threads.
const MEMORY_BYTES: usize = 64 * 1024 * 1024;

/// Returns the threads that a server with this number of workers needs; 0 is one worker per processor.
pub(crate) fn of_server(workers: usize, admin: &Admin, limits: &Limits) -> usize {
    let admin = if admin.bind.is_empty() { 0 } else { OF_ADMIN };
    let pools = or_processors(limits.render_threads) + or_processors(limits.compile_threads);
    // The workers, and the thread that accepts connections.
    OF_ENGINE + pools + or_processors(workers) + 1 + admin
}

/// Returns a configured number of threads, where 0 is one per processor.
pub(crate) fn or_processors(count: usize) -> usize {
    match count {
        0 => available_parallelism().map_or(1, usize::from),
        count => count,
    }
}

/// Checks that this number of threads can be started now, and that there is memory for them.
///
/// # Errors
/// The number that can be started, and what to do.
pub(crate) fn reserve(needed: usize) -> Result<(), Failure> {
    if needed == 0 {
        return Ok(());
    }
    // Every thread waits until this function returns, so that all of them exist at the same time.
    let (mut held, mut memory) = (Vec::with_capacity(needed), Vec::<u8>::new());
    for free in 0..needed {
        let (hold, end) = channel::<()>();
        let wait = move || {
            // Returns when the sender is dropped.
            let _ = end.recv();
        };
        let started = thread::Builder::new().spawn(wait);
        let thread = started.map_err(|error| {
            Failure::Failed(format!(
                "{needed} threads are needed, and the system allows {free} ({error}): allow more threads or memory \
                 (`ulimit -u`, `ulimit -v`; `TasksMax=`, `MemoryMax=` of a systemd unit), or set `server.workers`, \
                 `limits.render_threads` and `limits.compile_threads` lower"
            ))
        })?;
        held.push((hold, thread));
    }
    memory.try_reserve_exact(MEMORY_BYTES).map_err(|_| {
        Failure::Failed(format!(
            "there is too little memory: a server needs {} MiB besides its threads to start. Allow more (`ulimit -v`)",
            MEMORY_BYTES >> 20
        ))
    })?;
    for (hold, thread) in held {
        drop(hold);
        // A thread that has not ended yet would count against the limit.
        let _ = thread.join();
    }
    Ok(())
}
