//! [`Fields`]: the fields of one object while they come; of two equal keys the last one wins.

use super::Failure;
use super::space::{List, Space};
use crate::value::{LINEAR_FIELDS_MAX, Object, Value};

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
            fields: space.list(hint)?,
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
    pub(super) fn end(self) -> Object<'a> {
        let fields = self.fields.into_slice();
        if fields.len() > LINEAR_FIELDS_MAX {
            return Object(sort_last_wins(fields));
        }
        Object(fields)
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

#[cold]
fn sort_last_wins<'a>(fields: &'a mut [Field<'a>]) -> &'a [Field<'a>] {
    if fields.is_sorted_by(|(a, _), (b, _)| a < b) {
        return fields;
    }
    fields.sort_by_key(|(key, _)| *key);
    // Equal keys now stand in the order in which they came: a later one takes the place of the one before.
    let mut last = 0;
    for next in 1..fields.len() {
        if fields[next].0 != fields[last].0 {
            last += 1;
        }
        fields[last] = fields[next];
    }
    &fields[..=last]
}
