//! The paths that a text reads: a walk over its program, in which a slot stands for the read that it holds.

use super::compile::Spans;
use super::piece::TextRange;
use super::program::{Action, PathRef};
use super::unit::TinyUnit;
use crate::dialect::Missing;
use crate::dialect::reads::{Origin, Passed, Read, Reads};

/// Returns the reads of a text. With `Missing::Lenient` all of them are optional; otherwise none is, since `if` on a missing path is an error.
pub(super) fn reads(unit: &TinyUnit) -> Reads {
    let mut reads = Reads::default();
    // The operations are in the order of the text.
    let mut spans = Spans::new(unit.source());
    let mut slots = vec![Origin::Unknown; unit.slots];
    if let Some(context) = slots.first_mut() {
        *context = Origin::Context;
    }
    for operation in &unit.ops {
        match operation.act {
            Action::Value(path)
            | Action::Formatted { path, .. }
            | Action::Chained { path, .. }
            | Action::If { path, .. } => {
                read(unit, path, &slots, &mut reads, &mut spans);
            }
            Action::With { path, slot, .. } => {
                let value = read(unit, path, &slots, &mut reads, &mut spans);
                set(&mut slots, slot, value);
            }
            Action::For { path, slot, .. } => {
                let item = match read(unit, path, &slots, &mut reads, &mut spans) {
                    Origin::Read(number) => Origin::Item(number),
                    _ => Origin::Unknown,
                };
                set(&mut slots, slot, item);
            }
            Action::Call { path, call } => {
                let context = read(unit, path, &slots, &mut reads, &mut spans);
                reads.passed.push(Passed {
                    call: call as usize,
                    context: Some(context).filter(|context| *context != Origin::Context),
                    variables: Vec::new(),
                    block: None,
                    in_macro: None,
                });
            }
            Action::None | Action::Turn { .. } | Action::IfTurn { .. } | Action::Goto(_) | Action::Next { .. } => {}
        }
    }
    reads
}

/// Adds the read of a path, and returns its value as an origin.
fn read(unit: &TinyUnit, path: PathRef, slots: &[Origin], reads: &mut Reads, spans: &mut Spans<'_>) -> Origin {
    let from = slots.get(usize::from(path.slot)).copied().unwrap_or(Origin::Unknown);
    let steps = unit.steps_of(path);
    if steps.is_empty() {
        return from;
    }
    let text = unit.source();
    let range = unit.range_of(path);
    let number = u32::try_from(reads.reads.len()).unwrap_or(u32::MAX);
    reads.reads.push(Read {
        from,
        steps: steps.iter().map(|step| text[step.range()].into()).collect(),
        span: spans.span(TextRange {
            start: u32::try_from(range.start).unwrap_or(u32::MAX),
            length: u32::try_from(range.len()).unwrap_or(u32::MAX),
        }),
        optional: unit.missing == Missing::Lenient,
        block: None,
        in_macro: None,
        of_macro: None,
    });
    Origin::Read(number)
}

fn set(slots: &mut [Origin], slot: u16, value: Origin) {
    if let Some(place) = slots.get_mut(usize::from(slot)) {
        *place = value;
    }
}
