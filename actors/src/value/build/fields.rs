//! [`Fields`]: the fields of one object while they come; of two equal keys the last one wins.

use bumpalo::collections::Vec as BumpVec;

use super::Failure;
use super::space::Space;
use crate::value::{LINEAR_FIELDS_MAX, Object, Value};

type Field<'a> = (&'a str, Value<'a>);

pub(super) struct Fields<'a> {
    fields: BumpVec<'a, Field<'a>>,
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
        match self.fields.iter_mut().find(|(found, _)| *found == key) {
            Some(field) => {
                field.1 = value;
                true
            }
            None => false,
        }
    }

    #[inline]
    pub(super) fn end(mut self) -> Object<'a> {
        if self.fields.len() > LINEAR_FIELDS_MAX {
            sort_last_wins(&mut self.fields);
        }
        Object(self.fields.into_bump_slice())
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

fn sort_last_wins(fields: &mut BumpVec<'_, Field<'_>>) {
    if fields.is_sorted_by(|(a, _), (b, _)| a < b) {
        return;
    }
    fields.sort_by_key(|(key, _)| *key);
    // Equal keys now stand in the order in which they came. Of two neighbours `dedup_by` keeps the first place: the later value
    // goes there.
    fields.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            earlier.1 = later.1;
        }
        same
    });
}
