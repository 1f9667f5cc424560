//! Loops as values: the variable `loop`.

use std::cell::Cell;

use super::{Found, Source, Val};
use crate::dialect::Closure;

/// A field of the variable `loop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect::jinja) enum LoopField {
    Index0,
    Index,
    Length,
    Revindex,
    Revindex0,
    First,
    Last,
    Depth,
    Depth0,
    Previtem,
    Nextitem,
}

impl LoopField {
    /// All fields with their names.
    pub(in crate::dialect::jinja) const ALL: [(&'static str, Self); 11] = [
        ("index0", Self::Index0),
        ("index", Self::Index),
        ("length", Self::Length),
        ("revindex", Self::Revindex),
        ("revindex0", Self::Revindex0),
        ("first", Self::First),
        ("last", Self::Last),
        ("depth", Self::Depth),
        ("depth0", Self::Depth0),
        ("previtem", Self::Previtem),
        ("nextitem", Self::Nextitem),
    ];

    /// Returns the field of a name.
    pub(in crate::dialect::jinja) fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, field)| *field)
    }
}

/// A loop that runs.
pub(in crate::dialect::jinja) struct LoopState<'r> {
    pub(in crate::dialect::jinja) source: Source<'r>,
    /// The number of items, if the language knows it.
    pub(in crate::dialect::jinja) length: Option<usize>,
    pub(in crate::dialect::jinja) index: Cell<usize>,
    /// The bytes at which the character before this one, this one and the next one begin, in a loop over a text.
    pub(in crate::dialect::jinja) offsets: Cell<(usize, usize)>,
    /// The number of recursive loops around this one.
    pub(in crate::dialect::jinja) depth: u32,
    /// The template with the loop and its index there, if it is recursive.
    pub(in crate::dialect::jinja) recursive: Option<(Closure<'r>, u32)>,
    /// The last arguments of `loop.changed`.
    pub(in crate::dialect::jinja) changed: Cell<Option<&'r [Val<'r>]>>,
}

impl<'r> LoopState<'r> {
    /// Returns the current item; `None` at the end.
    #[inline]
    pub(in crate::dialect::jinja) fn item(&self) -> Option<Found<'r>> {
        self.source.found(self.index.get(), self.offsets.get().1)
    }

    /// Goes to the next item.
    #[inline]
    pub(in crate::dialect::jinja) fn advance(&self) {
        self.index.set(self.index.get() + 1);
        if let Source::Characters(_) = self.source {
            let at = self.offsets.get().1;
            self.offsets.set((at, self.next_offset()));
        }
    }

    fn next_offset(&self) -> usize {
        let at = self.offsets.get().1;
        match self.source.get(0, at) {
            Some(Val::Str(character)) => at + character.len(),
            _ => at,
        }
    }

    /// Returns true at the last item, if the number of items is known.
    #[inline]
    pub(in crate::dialect::jinja) fn is_last(&self) -> bool {
        self.length
            .is_some_and(|length| length == 0 || self.index.get() + 1 == length)
    }

    /// Returns the value of an attribute.
    pub(in crate::dialect::jinja) fn field(&self, name: &str) -> Option<Val<'r>> {
        LoopField::named(name).map(|field| self.value(field))
    }

    /// Returns the value of a field.
    #[inline]
    pub(in crate::dialect::jinja) fn value(&self, field: LoopField) -> Val<'r> {
        let index = self.index.get();
        let counted = |count: fn(usize, usize) -> usize| match self.length {
            Some(length) => Val::count(count(length, index)),
            None => Val::Undefined("the length of this loop"),
        };
        match field {
            LoopField::Index => Val::count(index + 1),
            LoopField::Index0 => Val::count(index),
            LoopField::Length => counted(|length, _| length),
            LoopField::Revindex => counted(usize::saturating_sub),
            LoopField::Revindex0 => counted(|length, index| length.saturating_sub(index + 1)),
            LoopField::First => Val::Bool(index == 0),
            LoopField::Last => Val::Bool(self.is_last()),
            LoopField::Depth => Val::Int(i64::from(self.depth) + 1),
            LoopField::Depth0 => Val::Int(i64::from(self.depth)),
            LoopField::Previtem => match index.checked_sub(1) {
                Some(before) => self.source.get(before, self.offsets.get().0).unwrap_or(Val::Silent),
                None => Val::Undefined("loop.previtem"),
            },
            LoopField::Nextitem => match self.source.get(index + 1, self.next_offset()) {
                Some(item) => item,
                None => Val::Undefined("loop.nextitem"),
            },
        }
    }

    /// Returns the loop as it is printed.
    pub(in crate::dialect::jinja) fn shown(&self) -> String {
        match self.length {
            Some(length) => format!("<loop {}/{length}>", self.index.get()),
            None => format!("<loop {}/?>", self.index.get()),
        }
    }
}
