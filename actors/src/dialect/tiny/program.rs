//! What a template is compiled to: a flat list of small operations over ranges of its text.

use std::sync::atomic::AtomicU32;

use crate::value::Words;

use super::path::Turn;
use super::piece::Part;

/// Scopes that a template can have at once besides its context.
pub(super) const SLOTS_MAX: usize = u16::MAX as usize - 1;

/// One operation, and the text that stands before it: so a turn of a loop that prints `<td>{cell}</td>` is two operations, not
/// four.
#[derive(Debug)]
pub(super) struct Op {
    /// Bytes of the text that are printed.
    pub(super) lead: Part,
    pub(super) act: Act,
}

/// What an operation does. Targets are positions in the list; a slot is where a scope keeps its value, slot 0 the context.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// Nothing more than its text.
    None,
    /// Prints a value.
    Value(PathRef),
    /// Prints what a formatter makes of a value.
    Formatted { path: PathRef, formatter: u32 },
    /// Prints where the loop of a slot is.
    Turn { turn: Turn, slot: u16, at: u32 },
    /// Goes on at `otherwise` unless the value is true (or, negated, false).
    If {
        path: PathRef,
        negated: bool,
        otherwise: u32,
    },
    /// The same for where the loop of a slot is.
    IfTurn {
        turn: Turn,
        negated: bool,
        slot: u16,
        otherwise: u32,
    },
    /// Goes on at a target.
    Goto(u32),
    /// Gives a slot a value; where that is missing and may be, goes on at `end`.
    With { path: PathRef, slot: u16, end: u32 },
    /// Begins a loop; with no items goes on at `end`.
    For { path: PathRef, slot: u16, end: u32 },
    /// Begins the next turn of the loop whose `For` stands before `body`, if there is one.
    Next { slot: u16, body: u32 },
    /// Renders another template with a value.
    Call { path: PathRef, call: u32 },
}

/// A path: the slot that it begins at, and the steps from there.
#[derive(Debug, Clone, Copy)]
pub(super) struct PathRef {
    pub(super) slot: u16,
    pub(super) count: u16,
    /// The first of its steps; without steps the byte of the text where it stands.
    pub(super) first: u32,
}

/// One step of a path.
#[derive(Debug)]
pub(super) struct Step {
    /// Where in the text it stands.
    pub(super) start: u32,
    pub(super) length: u16,
    /// Bytes between where its path begins in the text and this step.
    pub(super) lead: u16,
    /// Its number; for a name [`NO_INDEX`].
    pub(super) index: u32,
    /// Its key.
    pub(super) words: Words,
    /// Where its key was in the last object.
    pub(super) hint: AtomicU32,
}

/// An index that no array has: its items would not fit into memory.
pub(super) const NO_INDEX: u32 = u32::MAX;

const _: () = assert!(size_of::<Op>() == 24 && size_of::<Step>() == 40);
