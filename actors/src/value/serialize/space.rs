//! The arena of one context, with the limits of that context.

use std::cell::Cell;
use std::fmt::{self, Display, Write};

use bumpalo::Bump;
use bumpalo::collections::String as BumpString;

use super::{ContextError, Failure};
use crate::limits::Limits;

/// The largest number of items that a size hint reserves. A hint can be wrong, up to `usize::MAX`; beyond this, lists grow as items come.
const RESERVED_ITEMS_MAX: usize = 4096;

/// The capacity after the first push to a list that had no hint.
const FIRST_ITEMS: usize = 4;

/// An arena and the bytes that may still be taken from it.
pub(super) struct ContextArena<'a> {
    bump: &'a Bump,
    bytes_left: Cell<usize>,
    bytes_max: usize,
    pub(super) depth_max: u32,
}

impl<'a> ContextArena<'a> {
    pub(super) fn new(bump: &'a Bump, limits: &Limits) -> Self {
        Self::within(bump, limits.context_bytes, limits.context_depth)
    }

    pub(super) fn within(bump: &'a Bump, bytes: usize, depth: u32) -> Self {
        Self {
            bump,
            bytes_left: Cell::new(bytes),
            bytes_max: bytes,
            depth_max: depth,
        }
    }

    /// Returns the number of bytes that were taken.
    #[cfg(feature = "jinja")]
    pub(super) fn taken(&self) -> usize {
        self.bytes_max - self.bytes_left.get()
    }

    #[inline]
    fn take(&self, bytes: usize) -> Result<(), Failure> {
        match self.bytes_left.get().checked_sub(bytes) {
            Some(left) => {
                self.bytes_left.set(left);
                Ok(())
            }
            None => Err(self.too_large()),
        }
    }

    #[cold]
    fn too_large(&self) -> Failure {
        Failure::new(ContextError::TooLarge { limit: self.bytes_max })
    }

    #[cold]
    pub(super) fn too_deep(&self) -> Failure {
        Failure::new(ContextError::TooDeep { limit: self.depth_max })
    }

    /// Copies a text into the arena.
    #[inline]
    pub(super) fn text(&self, text: &str) -> Result<&'a str, Failure> {
        self.take(text.len())?;
        Ok(self.bump.alloc_str(text))
    }

    /// Writes the displayed form of a value into the arena.
    pub(super) fn display(&self, shown: &(impl Display + ?Sized)) -> Result<&'a str, Failure> {
        let mut page = TextWriter {
            space: self,
            text: BumpString::new_in(self.bump),
            full: false,
        };
        match write!(page, "{shown}") {
            Ok(()) => Ok(page.text.into_bump_str()),
            Err(fmt::Error) if page.full => Err(self.too_large()),
            Err(fmt::Error) => Err(Failure::serialize("a `Display` implementation returned an error")),
        }
    }

    /// Collects items into the arena.
    pub(super) fn slice<T, I>(&self, items: I) -> Result<&'a [T], Failure>
    where
        I: IntoIterator<Item = T>,
        I::IntoIter: ExactSizeIterator,
    {
        let items = items.into_iter();
        self.take(items.len().saturating_mul(size_of::<T>()))?;
        Ok(self.bump.alloc_slice_fill_iter(items))
    }

    /// Returns a list with the capacity of a size hint, up to [`RESERVED_ITEMS_MAX`].
    #[inline]
    pub(super) fn list<T: Copy + Default>(&self, hint: usize) -> Result<ItemList<'a, T>, Failure> {
        Ok(ItemList {
            room: self.room(hint.min(RESERVED_ITEMS_MAX))?,
            len: 0,
        })
    }

    #[inline]
    pub(super) fn room<T: Copy + Default>(&self, items: usize) -> Result<&'a mut [T], Failure> {
        self.take(items.saturating_mul(size_of::<T>()))?;
        Ok(self.bump.alloc_slice_fill_copy(items, T::default()))
    }

    /// Adds an item to a list of this arena.
    #[inline]
    pub(super) fn push<T: Copy + Default>(&self, list: &mut ItemList<'a, T>, item: T) -> Result<(), Failure> {
        if list.len == list.room.len() {
            self.grow(list)?;
        }
        if let Some(place) = list.room.get_mut(list.len) {
            *place = item;
            list.len += 1;
        }
        Ok(())
    }

    #[cold]
    fn grow<T: Copy + Default>(&self, list: &mut ItemList<'a, T>) -> Result<(), Failure> {
        let room = self.room(list.len.saturating_mul(2).max(FIRST_ITEMS))?;
        if let Some(place) = room.get_mut(..list.len) {
            place.copy_from_slice(list.items_mut());
        }
        list.room = room;
        Ok(())
    }
}

/// A growing list in the arena. Its capacity is initialised at once, so that an item is added by copying its words, and taking the slice at
/// the end moves no recent stores (see [`Value`](crate::value::Value) for the stall that this avoids).
pub(super) struct ItemList<'a, T> {
    room: &'a mut [T],
    len: usize,
}

impl<'a, T> ItemList<'a, T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn items_mut(&mut self) -> &mut [T] {
        self.room.get_mut(..self.len).unwrap_or_default()
    }

    #[inline]
    pub(super) fn into_slice(self) -> &'a mut [T] {
        let Self { room, len } = self;
        room.get_mut(..len).unwrap_or_default()
    }
}

/// A text that is being written into the arena, up to the limit in bytes.
struct TextWriter<'s, 'a> {
    space: &'s ContextArena<'a>,
    text: BumpString<'a>,
    full: bool,
}

impl Write for TextWriter<'_, '_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.space.take(part.len()).is_err() {
            self.full = true;
            return Err(fmt::Error);
        }
        self.text.push_str(part);
        Ok(())
    }
}
