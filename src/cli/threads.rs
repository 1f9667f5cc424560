//! Threads and memory: whether there are enough, before anything begins. What the servers are made of panics in the middle of its start
//! where there is no thread left, and no program of this kind goes on without memory.

use std::sync::mpsc::channel;
use std::thread::{self, available_parallelism};

use hotplate::Limits;
use hotplate::config::Admin;

use super::Failure;

/// Of the engine, apart from its pools: control, alarms, loaders, and those that wait for changes; and of the command itself.
const OF_ENGINE: usize = 12;
/// Of the admin listener, its workers and the engine of the dashboard.
const OF_ADMIN: usize = 16;
/// Memory that a server takes at the beginning, besides the stacks of its threads.
const MEMORY_BYTES: usize = 64 * 1024 * 1024;

/// For a server with so many workers, 0 being one per processor.
pub(crate) fn of_server(workers: usize, admin: &Admin, limits: &Limits) -> usize {
    let each = |count| match count {
        0 => available_parallelism().map_or(1, usize::from),
        count => count,
    };
    let admin = if admin.bind.is_empty() { 0 } else { OF_ADMIN };
    let pools = each(limits.render_threads) + each(limits.compile_threads);
    // Workers, and the one that accepts.
    OF_ENGINE + pools + each(workers) + 1 + admin
}

/// Makes sure that so many threads can be started now, and that there is memory for them.
///
/// # Errors
/// How many can, and what to do.
pub(crate) fn reserve(needed: usize) -> Result<(), Failure> {
    if needed == 0 {
        return Ok(());
    }
    // All of them wait until this returns.
    let (mut held, mut memory) = (Vec::with_capacity(needed), Vec::<u8>::new());
    for free in 0..needed {
        let (hold, end) = channel::<()>();
        let wait = move || {
            // It ends when this does.
            let _ = end.recv();
        };
        let started = thread::Builder::new().spawn(wait);
        let thread = started.map_err(|error| {
            Failure::Failed(format!(
                "{needed} threads have to be started, and the system allows {free} ({error}): allow more threads or memory \
                 (`ulimit -u`, `ulimit -v`; `TasksMax=`, `MemoryMax=` of a systemd unit), or set `server.workers`, \
                 `limits.render_threads` and `limits.compile_threads` lower"
            ))
        })?;
        held.push((hold, thread));
    }
    memory.try_reserve_exact(MEMORY_BYTES).map_err(|_| {
        Failure::Failed(format!(
            "there is too little memory: a server takes {} MiB besides its threads at the beginning: allow more (`ulimit -v`)",
            MEMORY_BYTES >> 20
        ))
    })?;
    for (hold, thread) in held {
        drop(hold);
        // It has nothing to fail at, and what it would leave behind counts.
        let _ = thread.join();
    }
    Ok(())
}
