//! The fields of one object while they are serialized. Of two equal keys the last one wins.

use super::Failure;
use super::space::{ContextArena, ItemList};
use crate::value::{LINEAR_FIELDS_MAX, ORDER, Object, Value};

type Field<'a> = (&'a str, Value<'a>);

/// The fields of an object that is being serialized.
pub(super) struct Fields<'a> {
    fields: ItemList<'a, Field<'a>>,
    /// A Bloom filter of the keys, one bit for each by [`bit_of`]: a key whose bit is not set is new.
    seen: u64,
}

impl<'a> Fields<'a> {
    #[inline]
    pub(super) fn new(space: &ContextArena<'a>, hint: usize) -> Result<Self, Failure> {
        Ok(Self {
            // Large objects need one more field for their order.
            fields: space.list(hint.saturating_add(usize::from(hint > LINEAR_FIELDS_MAX)))?,
            seen: 0,
        })
    }

    /// Adds a field, or replaces the one with an equal key. `bit` is the key's [`bit_of`].
    #[inline]
    pub(super) fn push(
        &mut self,
        space: &ContextArena<'a>,
        key: &'a str,
        bit: u64,
        value: Value<'a>,
    ) -> Result<(), Failure> {
        if self.seen & bit != 0 && self.replace(key, value) {
            return Ok(());
        }
        self.seen |= bit;
        space.push(&mut self.fields, (key, value))
    }

    /// Replaces the value of a key, if the key exists. Large objects remove duplicates at the end, because searching here would take
    /// quadratic time.
    #[inline(never)]
    fn replace(&mut self, key: &str, value: Value<'a>) -> bool {
        if self.fields.len() > LINEAR_FIELDS_MAX {
            return false;
        }
        match self.fields.items_mut().iter_mut().find(|(found, _)| *found == key) {
            Some(field) => {
                field.1 = value;
                true
            }
            None => false,
        }
    }

    #[inline]
    pub(super) fn end(self, space: &ContextArena<'a>) -> Result<Object<'a>, Failure> {
        match self.fields.len() > LINEAR_FIELDS_MAX {
            true => sort_last_wins(self.fields, space),
            false => Ok(Object(self.fields.into_slice())),
        }
    }
}

/// Returns one of 64 bits for a key, by a cheap hash of its length, first and last byte.
#[inline(always)]
pub(super) fn bit_of(key: &str) -> u64 {
    let (first, last) = match key.as_bytes() {
        [] => (0, 0),
        [only] => (*only, *only),
        [first, .., last] => (*first, *last),
    };
    let mixed = key.len() ^ usize::from(first) ^ (usize::from(last) << 2);
    1 << (mixed % 64)
}

/// Sorts the fields of a large object by key, removes all but the last of equal keys, and appends the original order.
#[cold]
fn sort_last_wins<'a>(mut list: ItemList<'a, Field<'a>>, space: &ContextArena<'a>) -> Result<Object<'a>, Failure> {
    if list.items_mut().is_sorted_by(|(a, _), (b, _)| a < b) {
        return Ok(Object(list.into_slice()));
    }
    space.push(&mut list, (ORDER, Value::Null))?;
    let room = list.into_slice();
    let Some((_, fields)) = room.split_last_mut() else {
        return Ok(Object(room));
    };
    // Both are sorted by the same keys, and both sorts are stable, so `positions[n]` belongs to `fields[n]`.
    let positions = space.room::<(usize, usize)>(fields.len())?;
    positions.iter_mut().enumerate().for_each(|(at, place)| place.0 = at);
    positions.sort_by_key(|(at, _)| fields[*at].0);
    fields.sort_by_key(|(key, _)| *key);
    // The last of equal keys gives the value, the first one the position in the original order.
    let mut last = 0;
    for next in 1..fields.len() {
        if fields[next].0 != fields[last].0 {
            last += 1;
            positions[last] = (positions[next].0, last);
        }
        fields[last] = fields[next];
    }
    let count = last + 1;
    if count <= LINEAR_FIELDS_MAX {
        return in_order(fields, &mut positions[..count], space);
    }
    positions[..count].sort_unstable_by_key(|(at, _)| *at);
    let order = space.slice(
        positions[..count]
            .iter()
            .map(|(_, position)| Value::Unsigned(*position as u64)),
    )?;
    room[count] = (ORDER, Value::Array(order));
    Ok(Object(&room[..=count]))
}

/// Returns the fields of an object that has become small, in their original order.
fn in_order<'a>(
    fields: &[Field<'a>],
    positions: &mut [(usize, usize)],
    space: &ContextArena<'a>,
) -> Result<Object<'a>, Failure> {
    positions.sort_unstable_by_key(|(at, _)| *at);
    space
        .slice(positions.iter().map(|(_, position)| fields[*position]))
        .map(Object)
}
