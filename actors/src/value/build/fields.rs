//! [`Fields`]: the fields of one object while they come; of two equal keys the last one wins.

use super::Failure;
use super::space::{List, Space};
use crate::value::{LINEAR_FIELDS_MAX, ORDER, Object, Value};

type Field<'a> = (&'a str, Value<'a>);

pub(super) struct Fields<'a> {
    fields: List<'a, Field<'a>>,
    /// A bit for each key, as [`bit_of`] has it: a key whose bit is not set was not there before.
    seen: u64,
}

impl<'a> Fields<'a> {
    #[inline]
    pub(super) fn new(space: &Space<'a>, hint: usize) -> Result<Self, Failure> {
        Ok(Self {
            // Many need room for their order.
            fields: space.list(hint.saturating_add(usize::from(hint > LINEAR_FIELDS_MAX)))?,
            seen: 0,
        })
    }

    /// `bit` is the key's [`bit_of`].
    #[inline]
    pub(super) fn push(&mut self, space: &Space<'a>, key: &'a str, bit: u64, value: Value<'a>) -> Result<(), Failure> {
        if self.seen & bit != 0 && self.replace(key, value) {
            return Ok(());
        }
        self.seen |= bit;
        space.push(&mut self.fields, (key, value))
    }

    /// Gives a key that is there its new value. Large objects leave that to the end, or it would cost quadratic time.
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
    pub(super) fn end(self, space: &Space<'a>) -> Result<Object<'a>, Failure> {
        match self.fields.len() > LINEAR_FIELDS_MAX {
            true => sort_last_wins(self.fields, space),
            false => Ok(Object(self.fields.into_slice())),
        }
    }
}

/// One of 64 bits, by what is read quickest: length, first and last byte.
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

/// Sorts many fields by key, and puts the order in which they came behind them.
#[cold]
fn sort_last_wins<'a>(mut list: List<'a, Field<'a>>, space: &Space<'a>) -> Result<Object<'a>, Failure> {
    if list.items_mut().is_sorted_by(|(a, _), (b, _)| a < b) {
        return Ok(Object(list.into_slice()));
    }
    space.push(&mut list, (ORDER, Value::Null))?;
    let room = list.into_slice();
    let Some((_, fields)) = room.split_last_mut() else {
        return Ok(Object(room));
    };
    // Both are sorted by the same keys and keep equal ones in the order in which they came, so they stay side by side.
    let came = space.room::<(usize, usize)>(fields.len())?;
    came.iter_mut().enumerate().for_each(|(at, place)| place.0 = at);
    came.sort_by_key(|(at, _)| fields[*at].0);
    fields.sort_by_key(|(key, _)| *key);
    // A later one of equal keys takes the place of the one before, which came first.
    let mut last = 0;
    for next in 1..fields.len() {
        if fields[next].0 != fields[last].0 {
            last += 1;
            came[last] = (came[next].0, last);
        }
        fields[last] = fields[next];
    }
    let count = last + 1;
    if count <= LINEAR_FIELDS_MAX {
        return in_order(fields, &mut came[..count], space);
    }
    came[..count].sort_unstable_by_key(|(at, _)| *at);
    let order = space.slice(
        came[..count]
            .iter()
            .map(|(_, position)| Value::Unsigned(*position as u64)),
    )?;
    room[count] = (ORDER, Value::Array(order));
    Ok(Object(&room[..=count]))
}

/// So few are left that they stand in the order in which they came.
fn in_order<'a>(fields: &[Field<'a>], came: &mut [(usize, usize)], space: &Space<'a>) -> Result<Object<'a>, Failure> {
    came.sort_unstable_by_key(|(at, _)| *at);
    space
        .slice(came.iter().map(|(_, position)| fields[*position]))
        .map(Object)
}
