//! [`Space`]: the memory of the temporary values of one render, which is bounded by [`Limits::context_bytes`](crate::Limits).
//!
//! Values are never freed before the render ends, so the bound holds for all values together that a render makes.

use std::cell::{Cell, RefCell};

use bumpalo::Bump;
use bumpalo::collections::String as BumpString;

use super::{Registered, Val};
use crate::budget::Exceeded;
use crate::dialect::jinja::failure::Outcome;
use crate::value::Value;

/// An arena, and the bytes that may still be taken from it. Also what all operations of a render can reach: the data of the page, and what
/// the program has registered.
pub(in crate::dialect::jinja) struct Space<'r> {
    bump: &'r Bump,
    left: Cell<usize>,
    limit: usize,
    context: &'r Value<'r>,
    registered: &'r dyn Registered,
    /// The globals of the program that were used.
    globals: RefCell<Vec<(usize, Val<'r>)>>,
    /// The state of the random numbers, from their first use on.
    seed: Cell<Option<u64>>,
}

impl<'r> Space<'r> {
    /// Returns an empty space of `left` bytes. Callers in other languages have taken the rest of `limit`.
    pub(in crate::dialect::jinja) fn new(
        bump: &'r Bump,
        left: usize,
        limit: usize,
        context: &'r Value<'r>,
        registered: &'r dyn Registered,
    ) -> Self {
        Self {
            bump,
            left: Cell::new(left),
            limit,
            context,
            registered,
            globals: RefCell::default(),
            seed: Cell::new(None),
        }
    }

    /// Returns the bytes that may still be taken, if this many are in use elsewhere.
    pub(in crate::dialect::jinja) fn left_beside(&self, bytes: usize) -> usize {
        self.left.get().saturating_sub(bytes)
    }

    /// Returns what the program has registered.
    pub(in crate::dialect::jinja) fn registered(&self) -> &'r dyn Registered {
        self.registered
    }

    /// Returns a value of the data, or a global, that configures a filter of the language, such as `TIMEZONE`.
    pub(in crate::dialect::jinja) fn setting(&self, name: &str) -> Outcome<Option<Val<'r>>> {
        if let Value::Object(object) = self.context
            && let Some(value) = object.get_ref(name)
        {
            return Ok(Some(Val::of(value)));
        }
        self.registered.global(name, self)
    }

    /// Returns a global that was kept.
    pub(in crate::dialect::jinja) fn known_global(&self, index: usize) -> Option<Val<'r>> {
        let globals = self.globals.borrow();
        let known = globals.iter().find(|(known, _)| *known == index);
        known.map(|(_, value)| *value)
    }

    /// Keeps a global for its next use.
    pub(in crate::dialect::jinja) fn keep_global(&self, index: usize, value: Val<'r>) {
        self.globals.borrow_mut().push((index, value));
    }

    /// Returns the state of the random numbers.
    pub(in crate::dialect::jinja) fn seed(&self) -> &Cell<Option<u64>> {
        &self.seed
    }

    /// Returns the number of bytes that may still be taken.
    pub(in crate::dialect::jinja) fn left(&self) -> usize {
        self.left.get()
    }

    /// Returns the limit of all bytes together.
    pub(in crate::dialect::jinja) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the arena, for lists whose size is bounded otherwise.
    pub(in crate::dialect::jinja) fn bump(&self) -> &'r Bump {
        self.bump
    }

    /// Charges bytes of memory outside of the arena, before they are allocated.
    pub(in crate::dialect::jinja) fn charge(&self, bytes: usize) -> Outcome<()> {
        self.take(bytes)
    }

    /// Checks that there is room for values that live elsewhere and are freed earlier.
    pub(in crate::dialect::jinja) fn fits(&self, bytes: usize) -> Outcome<()> {
        match bytes <= self.left.get() {
            true => Ok(()),
            false => Err(Exceeded::Memory(self.limit).into()),
        }
    }

    /// Charges bytes before they are allocated.
    #[inline]
    fn take(&self, bytes: usize) -> Outcome<()> {
        match self.left.get().checked_sub(bytes) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(Exceeded::Memory(self.limit).into()),
        }
    }

    /// Moves a value that needs no drop into the arena.
    #[inline]
    pub(in crate::dialect::jinja) fn put<T>(&self, value: T) -> Outcome<&'r T> {
        const { assert!(!std::mem::needs_drop::<T>()) };
        self.take(size_of::<T>())?;
        Ok(self.bump.alloc(value))
    }

    /// Copies a text into the arena.
    #[inline]
    pub(in crate::dialect::jinja) fn text(&self, text: &str) -> Outcome<&'r str> {
        self.take(text.len())?;
        Ok(self.bump.alloc_str(text))
    }

    /// Concatenates texts.
    pub(in crate::dialect::jinja) fn concat(&self, parts: &[&str]) -> Outcome<&'r str> {
        let bytes = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()));
        self.take(bytes)?;
        let mut text = BumpString::with_capacity_in(bytes, self.bump);
        parts.iter().for_each(|part| text.push_str(part));
        Ok(text.into_bump_str())
    }

    /// Copies items into the arena.
    pub(in crate::dialect::jinja) fn slice<T: Copy>(&self, items: &[T]) -> Outcome<&'r [T]> {
        const { assert!(!std::mem::needs_drop::<T>()) };
        self.take(size_of_val(items))?;
        Ok(self.bump.alloc_slice_copy(items))
    }

    /// Collects as many items as the iterator announces.
    pub(in crate::dialect::jinja) fn collect<T, I>(&self, items: I) -> Outcome<&'r [T]>
    where
        I: ExactSizeIterator<Item = T>,
    {
        const { assert!(!std::mem::needs_drop::<T>()) };
        self.take(items.len().saturating_mul(size_of::<T>()))?;
        Ok(self.bump.alloc_slice_fill_iter(items))
    }

    /// Returns an empty text that grows in the arena.
    pub(in crate::dialect::jinja) fn writer(&self) -> Text<'_, 'r> {
        Text {
            space: self,
            text: BumpString::new_in(self.bump),
        }
    }

    /// Returns an empty list that grows in the arena.
    pub(in crate::dialect::jinja) fn list(&self) -> List<'_, 'r> {
        List {
            space: self,
            items: bumpalo::collections::Vec::new_in(self.bump),
        }
    }
}

/// A text that grows in the arena.
pub(in crate::dialect::jinja) struct Text<'s, 'r> {
    space: &'s Space<'r>,
    text: BumpString<'r>,
}

impl<'r> Text<'_, 'r> {
    pub(in crate::dialect::jinja) fn push(&mut self, part: &str) -> Outcome<()> {
        self.space.take(part.len())?;
        self.text.push_str(part);
        Ok(())
    }

    pub(in crate::dialect::jinja) fn push_char(&mut self, character: char) -> Outcome<()> {
        self.push(character.encode_utf8(&mut [0; 4]))
    }

    /// Appends spaces.
    pub(in crate::dialect::jinja) fn blanks(&mut self, count: usize) -> Outcome<()> {
        self.space.take(count)?;
        self.text.extend(std::iter::repeat_n(' ', count));
        Ok(())
    }

    pub(in crate::dialect::jinja) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(in crate::dialect::jinja) fn finish(self) -> &'r str {
        self.text.into_bump_str()
    }
}

/// A list of values that grows in the arena.
pub(in crate::dialect::jinja) struct List<'s, 'r> {
    space: &'s Space<'r>,
    items: bumpalo::collections::Vec<'r, Val<'r>>,
}

impl<'r> List<'_, 'r> {
    pub(in crate::dialect::jinja) fn push(&mut self, item: Val<'r>) -> Outcome<()> {
        self.space.take(size_of::<Val<'r>>())?;
        self.items.push(item);
        Ok(())
    }

    pub(in crate::dialect::jinja) fn len(&self) -> usize {
        self.items.len()
    }

    pub(in crate::dialect::jinja) fn finish(self) -> &'r [Val<'r>] {
        self.items.into_bump_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::jinja::extension::Extensions;
    use crate::dialect::jinja::failure::Failure;

    #[test]
    fn all_allocations_are_charged() {
        let (bump, extensions) = (Bump::new(), Extensions::default());
        let space_of = |bytes| Space::new(&bump, bytes, bytes, &Value::Null, &extensions);
        type Allocation<'t> = &'t dyn Fn(&Space<'_>) -> bool;
        let cases: [(usize, Allocation<'_>); 6] = [
            (5, &|space| space.text("abcde").is_ok()),
            (5, &|space| space.concat(&["abc", "de"]).is_ok()),
            (8, &|space| space.put(1_u64).is_ok()),
            (16, &|space| space.slice(&[1_u64, 2]).is_ok()),
            (24, &|space| space.collect([1_u64, 2, 3].into_iter()).is_ok()),
            (5, &|space| {
                let mut text = space.writer();
                text.push("abc").is_ok() && text.push_char('d').is_ok() && text.push_char('e').is_ok()
            }),
        ];
        for (bytes, allocate) in cases {
            assert!(allocate(&space_of(bytes)), "{bytes}");
            assert!(!allocate(&space_of(bytes - 1)), "{bytes}");
        }
        let space = space_of(3);
        let failure = space.text("abcd").expect_err("too much");
        assert!(matches!(*failure, Failure::Exceeded(Exceeded::Memory(3))));
    }
}
