//! [`Workspace`]: memory that successive renders of one thread reuse. No data of a render stays in it.

use std::cell::RefCell;

use crate::value::{Arena, KEPT_BYTES_MAX};

/// The arena in which a context is built, and the buffer to which a body is written.
#[derive(Default)]
pub(super) struct Workspace {
    arena: Arena,
    room: Vec<u8>,
}

thread_local! {
    /// The workspace of the last render in this thread, for the next one.
    static WORKSPACE: RefCell<Option<Workspace>> = const { RefCell::new(None) };
}

impl Workspace {
    /// Runs with an empty arena. A render inside a render, as a formatter may do, gets a workspace of its own, and so does one at
    /// the very end of a thread.
    pub(super) fn with<T>(mut run: impl FnMut(&Arena, &mut Vec<u8>) -> T) -> T {
        let here = WORKSPACE.try_with(|workspace| {
            let mut workspace = workspace.try_borrow_mut().ok()?;
            Some(workspace.get_or_insert_default().lend(&mut run))
        });
        match here {
            Ok(Some(result)) => result,
            _ => Self::default().lend(run),
        }
    }

    fn lend<T>(&mut self, mut run: impl FnMut(&Arena, &mut Vec<u8>) -> T) -> T {
        let result = run(&self.arena, &mut self.room);
        self.arena.reset();
        if self.room.len() > KEPT_BYTES_MAX {
            self.room = Vec::new();
        }
        result
    }
}
