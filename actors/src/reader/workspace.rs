//! [`Workspace`]: memory that renders of one thread use one after the other. It holds nothing of what was rendered.

use std::cell::Cell;

use crate::value::{Arena, KEPT_BYTES_MAX};

/// Where a context is built, and where a body is written.
#[derive(Default)]
pub(super) struct Workspace {
    pub(super) arena: Arena,
    pub(super) room: Vec<u8>,
}

thread_local! {
    /// That of the last render in this thread, for the next.
    static WORKSPACE: Cell<Option<Workspace>> = const { Cell::new(None) };
}

impl Workspace {
    /// Runs with an empty arena. A render inside a render, as a formatter may do, gets a workspace of its own.
    pub(super) fn with<T>(run: impl FnOnce(&Arena, &mut Vec<u8>) -> T) -> T {
        let Self { mut arena, mut room } = WORKSPACE.take().unwrap_or_default();
        let result = run(&arena, &mut room);
        arena.reset();
        if room.len() > KEPT_BYTES_MAX {
            room = Vec::new();
        }
        WORKSPACE.set(Some(Self { arena, room }));
        result
    }
}
