//! Going over the items of a value.

use super::{Found, Kind, Machine, Val};
use crate::dialect::RenderFault;
use crate::dialect::jinja::failure::{Failure, Outcome};
use crate::value::Value;

/// Integers at equal distances, as `range` makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect::jinja) struct Range {
    pub(in crate::dialect::jinja) start: i64,
    pub(in crate::dialect::jinja) step: i64,
    pub(in crate::dialect::jinja) count: usize,
}

impl Range {
    pub(in crate::dialect::jinja) fn get<'r>(&self, at: usize) -> Option<Val<'r>> {
        let number = |at| self.start.wrapping_add(self.step.wrapping_mul(at as i64));
        (at < self.count).then(|| Val::Int(number(at)))
    }
}

/// The items of a value, without conversion as far as possible.
#[derive(Clone, Copy)]
pub(in crate::dialect::jinja) enum Source<'r> {
    Values(&'r [Val<'r>]),
    Data(&'r [Value<'r>]),
    Range(Range),
    Characters(&'r str),
}

impl<'r> Source<'r> {
    /// Returns the items of a value, and whether the language knows their number.
    pub(in crate::dialect::jinja) fn of(value: Val<'r>, machine: &mut Machine<'_, 'r>) -> Outcome<(Self, bool)> {
        machine.defined(value)?;
        Ok(match value {
            Val::Array(items) => (Self::Data(items), true),
            Val::List(items) | Val::Tuple(items) | Val::Iter(items) => (Self::Values(items), true),
            Val::Stream(items) => (Self::Values(items), false),
            Val::Range(range) => (Self::Range(*range), true),
            Val::Str(text) | Val::Safe(text) => (Self::Characters(text), false),
            Val::None | Val::Undefined(_) | Val::Silent => (Self::Values(&[]), true),
            Val::Group(group) => (
                Self::Values(machine.space.slice(&[group.key, Val::Iter(group.items)])?),
                true,
            ),
            other => match other.pairs(machine)? {
                Some(pairs) => (
                    Self::Values(machine.space.collect(pairs.iter().map(|(key, _)| *key))?),
                    true,
                ),
                None => {
                    let message = format!("{} cannot be iterated over", other.words());
                    return Err(Failure::of(RenderFault::NotIterable, "not-iterable", message));
                }
            },
        })
    }

    /// Returns the item at an index. `offset` is the byte at which a character begins.
    #[inline]
    pub(in crate::dialect::jinja) fn get(&self, index: usize, offset: usize) -> Option<Val<'r>> {
        match self {
            Self::Values(items) => items.get(index).copied(),
            Self::Data(items) => items.get(index).map(Val::of),
            Self::Range(range) => range.get(index),
            Self::Characters(text) => {
                let rest = text.get(offset..)?;
                let character = rest.chars().next()?;
                Some(Val::Str(&rest[..character.len_utf8()]))
            }
        }
    }

    /// Returns the item at an index as it lies there.
    #[inline]
    pub(in crate::dialect::jinja) fn found(&self, index: usize, offset: usize) -> Option<Found<'r>> {
        match self {
            Self::Data(items) => items.get(index).map(Found::Data),
            other => other.get(index, offset).map(Found::Val),
        }
    }

    /// Returns the number of items; that of a text is found by going over it.
    pub(in crate::dialect::jinja) fn count(&self) -> usize {
        match self {
            Self::Values(items) => items.len(),
            Self::Data(items) => items.len(),
            Self::Range(range) => range.count,
            Self::Characters(text) => text.chars().count(),
        }
    }
}

impl<'r> Val<'r> {
    /// Returns all items of a value as a slice.
    pub(in crate::dialect::jinja) fn items(self, machine: &mut Machine<'_, 'r>) -> Outcome<&'r [Self]> {
        let (source, _) = Source::of(self, machine)?;
        match source {
            Source::Values(items) => {
                machine.items(items.len())?;
                Ok(items)
            }
            Source::Data(items) => {
                machine.items(items.len())?;
                machine.space.collect(items.iter().map(Self::of))
            }
            Source::Range(range) => {
                machine.items(range.count)?;
                machine
                    .space
                    .collect((0..range.count).map(|at| range.get(at).unwrap_or(Self::None)))
            }
            Source::Characters(text) => {
                machine.items(text.len())?;
                let mut items = machine.space.list();
                for (start, character) in text.char_indices() {
                    items.push(Self::Str(&text[start..start + character.len_utf8()]))?;
                }
                Ok(items.finish())
            }
        }
    }

    /// Returns all items of a list or another iterable that is no text and no map; `None` for other values.
    pub(in crate::dialect::jinja) fn elements(self, machine: &mut Machine<'_, 'r>) -> Outcome<Option<&'r [Self]>> {
        match self.kind() {
            Kind::List | Kind::Iterable => self.items(machine).map(Some),
            _ => Ok(None),
        }
    }
}
