//! The program that a template is compiled to: a flat list of small operations.
//!
//! Texts, steps and names are ranges of the template's text, which the unit keeps. Blocks are jumps between operations. Each name in scope
//! has a slot, so that rendering looks up no names of scopes.

use std::sync::atomic::AtomicU32;

use crate::value::KeyWords;

use super::path::LoopVariable;
use super::piece::TextRange;

/// The largest number of scopes that are open at once, besides the context.
pub(super) const SLOTS_MAX: usize = u16::MAX as usize - 1;

/// An operation together with the text before it, so that an iteration of a loop that prints `<td>{cell}</td>` takes two operations instead
/// of four.
#[derive(Debug)]
pub(super) struct Operation {
    /// The range of the text that is printed first.
    pub(super) lead: TextRange,
    pub(super) act: Action,
}

/// The action of an operation. Jump targets are positions in the list. A slot holds the value of a scope; slot 0 holds the context.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    /// Does nothing after printing the text.
    None,
    /// Prints a value.
    Value(PathRef),
    /// Prints a value through a formatter.
    Formatted { path: PathRef, formatter: u32 },
    /// Prints a value through several formatters, each of which takes the text of the one before it.
    Chained { path: PathRef, first: u32, count: u16 },
    /// Prints the state of the loop of a slot.
    Turn { turn: LoopVariable, slot: u16, at: u32 },
    /// Jumps to `otherwise` unless the value is true (or, negated, false).
    If {
        path: PathRef,
        negated: bool,
        otherwise: u32,
    },
    /// Jumps to `otherwise` unless the state of the loop of a slot is true (or, negated, false).
    IfTurn {
        turn: LoopVariable,
        negated: bool,
        slot: u16,
        otherwise: u32,
    },
    /// Jumps to a target.
    Goto(u32),
    /// Sets the value of a slot; jumps to `end` if it is missing in lenient mode.
    With { path: PathRef, slot: u16, end: u32 },
    /// Begins a loop; jumps to `end` if there are no items.
    For { path: PathRef, slot: u16, end: u32 },
    /// Jumps to `body`, the operation after the `For` of this loop, if there is another item.
    Next { slot: u16, body: u32 },
    /// Renders another template with a value as its context.
    Call { path: PathRef, call: u32 },
}

/// A path, as the slot where it begins and the steps from there.
#[derive(Debug, Clone, Copy)]
pub(super) struct PathRef {
    pub(super) slot: u16,
    pub(super) count: u16,
    /// The index of its first step; without steps, the byte of the text where the path begins.
    pub(super) first: u32,
}

/// One step of a path.
#[derive(Debug)]
pub(super) struct Step {
    /// The byte of the text where the step begins.
    pub(super) start: u32,
    pub(super) length: u16,
    /// The distance in bytes from the beginning of its path.
    pub(super) lead: u16,
    /// The step as an index of an array; [`NO_INDEX`] for a name.
    pub(super) index: u32,
    /// The step as a key of an object.
    pub(super) words: KeyWords,
    /// The position of the key in the last object.
    pub(super) hint: AtomicU32,
}

/// An index that no array has, because its items would not fit into memory.
pub(super) const NO_INDEX: u32 = u32::MAX;

const _: () = assert!(size_of::<Operation>() == 24 && size_of::<Step>() == 40);
