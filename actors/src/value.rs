//! The value of a context, built by one pass of `Serialize` into an arena that is reset after the render.
//!
//! The conversion follows `serde_json::to_value`: enums have four forms, bytes become numbers, `f32` is widened, integer keys become text,
//! NaN becomes null, and the last of two equal keys wins. In addition, the fields of an object keep their order, and a number of JSON
//! keeps its digits if it would be printed differently.

mod serialize;
mod number;
mod words;

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use bumpalo::Bump;
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq};

pub use number::number;
#[cfg(feature = "jinja")]
pub(crate) use serialize::build_within;
pub use serialize::{ContextError, build};
pub(crate) use words::KeyWords;

/// The largest number of fields that is searched linearly; larger objects are sorted by key, see [`Object`].
pub(crate) const LINEAR_FIELDS_MAX: usize = 32;

/// The number of bytes that an arena keeps for the next render, so that one large context does not hold its memory in each thread.
pub(crate) const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The memory for the values of one render: a bump allocator.
///
/// An allocation only advances a pointer, and all values are freed at once, so a context costs no call of the general allocator for each
/// value. Values borrow from the arena and have no `Drop`, so freeing them runs no destructor.
#[derive(Default)]
pub struct Arena(Bump);

impl Arena {
    /// Returns an empty arena.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Drops all values, and keeps the largest block of memory for the next render unless it is very large.
    pub fn reset(&mut self) {
        self.0.reset();
        if self.0.allocated_bytes() > KEPT_BYTES_MAX {
            *self = Self::new();
        }
    }

    /// Returns the number of bytes that the arena holds.
    #[must_use]
    pub fn allocated_bytes(&self) -> usize {
        self.0.allocated_bytes()
    }

    pub(crate) fn bump(&self) -> &Bump {
        &self.0
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena")
            .field("allocated_bytes", &self.0.allocated_bytes())
            .finish()
    }
}

/// One value of a context.
// The tag has the size of a word, so that a copy moves three whole words. A load that spans several smaller stores stalls, because the
// processor cannot forward them from its store buffer.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[repr(u64)]
pub enum Value<'a> {
    /// `None`, `()`, and floats that are infinite or not a number.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// A non-negative integer.
    Unsigned(u64),
    /// A negative integer.
    Signed(i64),
    /// A finite float.
    Float(f64),
    /// A string, a character, or a unit variant.
    Text(&'a str),
    /// A sequence, a tuple, or bytes.
    Array(&'a [Value<'a>]),
    /// A map or a struct.
    Object(Object<'a>),
    /// A number of JSON that would be printed differently, such as `19.90`, or is out of range: see [`number`].
    Digits(&'a str),
}

impl<'a> Value<'a> {
    /// Returns the kind of this value in words, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Unsigned(_) | Value::Signed(_) | Value::Float(_) | Value::Digits(_) => "a number",
            Value::Text(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        }
    }

    /// Returns true if `{{ if }}` takes the value as true: all but null, false, zero, the empty string and the empty array.
    #[must_use]
    pub fn is_truthy(&self) -> bool {
        match self {
            Value::Null => false,
            Value::Bool(truth) => *truth,
            Value::Unsigned(number) => *number != 0,
            Value::Signed(number) => *number != 0,
            Value::Float(number) => *number != 0.0,
            Value::Digits(digits) => number::is_not_zero(digits),
            Value::Text(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(_) => true,
        }
    }

    /// Returns the nearest float, if the value is a number and the float is finite.
    ///
    /// ```
    /// use hotplate_actors::Value;
    ///
    /// assert_eq!(Value::Unsigned(3).as_f64(), Some(3.0));
    /// assert_eq!(Value::Digits("19.90").as_f64(), Some(19.9));
    /// assert_eq!(Value::Text("3").as_f64(), None);
    /// ```
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the nearest float is the result")]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Unsigned(number) => Some(*number as f64),
            Value::Signed(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            Value::Digits(digits) => digits.parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        }
    }

    /// Returns the integer, if the value is a non-negative integer.
    ///
    /// ```
    /// use hotplate_actors::Value;
    ///
    /// assert_eq!(Value::Unsigned(1999).as_u64(), Some(1999));
    /// assert_eq!(Value::Float(19.99).as_u64(), None);
    /// ```
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Unsigned(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the text, if the value is a string.
    #[must_use]
    pub fn as_text(&self) -> Option<&'a str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The fields of a map or struct in their original order, each key once.
// Objects of more than `LINEAR_FIELDS_MAX` fields are sorted by key for binary search. If this is not their original order, an additional
// last field with the key `ORDER` holds their positions in it. Thus an object of any size is one slice.
#[derive(Clone, Copy, PartialEq)]
pub struct Object<'a>(pub(crate) &'a [(&'a str, Value<'a>)]);

/// The key of the additional field with the order. It sorts before any usual key, so the last sorted field of the data never has it.
pub(crate) const ORDER: &str = "\0order";

impl<'a> Object<'a> {
    /// Returns the value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        self.position(key.as_bytes()).map(|at| self.0[at].1)
    }

    /// Returns the value of a key, which is expected at the position where it was in the last object: values of one struct have their fields
    /// in one order.
    #[inline(always)]
    pub(crate) fn get_hinted<'k>(
        &self,
        key: impl Fn() -> &'k [u8],
        words: KeyWords,
        hint: &AtomicU32,
    ) -> Option<&'a Value<'a>> {
        match self.0.get(hint.load(Ordering::Relaxed) as usize) {
            Some((found, value)) if words.equal(&key, found.as_bytes()) => Some(value),
            _ => self.search(key(), hint),
        }
    }

    /// Searches all fields, and stores the position as the next hint.
    #[cold]
    fn search(&self, key: &[u8], hint: &AtomicU32) -> Option<&'a Value<'a>> {
        let at = self.position(key)?;
        hint.store(u32::try_from(at).unwrap_or(0), Ordering::Relaxed);
        Some(&self.0[at].1)
    }

    fn position(&self, key: &[u8]) -> Option<usize> {
        if self.0.len() > LINEAR_FIELDS_MAX {
            let (fields, _) = self.parts();
            fields.binary_search_by(|(found, _)| found.as_bytes().cmp(key)).ok()
        } else {
            self.0.iter().position(|(found, _)| found.as_bytes() == key)
        }
    }

    /// Returns the fields, and their positions in the original order if that differs.
    fn parts(&self) -> (&'a [(&'a str, Value<'a>)], Option<&'a [Value<'a>]>) {
        match self.0 {
            [fields @ .., (ORDER, Value::Array(order))]
                if fields.len() > LINEAR_FIELDS_MAX && order.len() == fields.len() =>
            {
                (fields, Some(order))
            }
            fields => (fields, None),
        }
    }

    /// Returns all fields in their original order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a> {
        let (fields, order) = self.parts();
        (0..fields.len()).filter_map(move |at| {
            let at = match order.map(|order| order[at]) {
                Some(Value::Unsigned(at)) => usize::try_from(at).ok()?,
                _ => at,
            };
            fields.get(at).copied()
        })
    }

    /// Returns the value of a key by reference.
    #[cfg(feature = "jinja")]
    pub(crate) fn get_ref(&self, key: &str) -> Option<&'a Value<'a>> {
        self.position(key.as_bytes()).map(|at| &self.0[at].1)
    }

    /// Returns all fields by reference in their original order.
    #[cfg(feature = "jinja")]
    pub(crate) fn refs(&self) -> impl ExactSizeIterator<Item = (&'a str, &'a Value<'a>)> + use<'a> {
        let (fields, order) = self.parts();
        (0..fields.len()).map(move |at| {
            let at = match order.and_then(|order| order.get(at)) {
                Some(Value::Unsigned(at)) => usize::try_from(*at).unwrap_or(usize::MAX),
                _ => at,
            };
            // The positions of the order are those of the fields.
            fields.get(at).map_or(("", &Value::Null), |(key, value)| (*key, value))
        })
    }

    /// Returns the number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts().0.len()
    }

    /// Returns true if there are no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Serializes the value as in JSON, with fields in their original order. [`Value::Digits`] become the nearest float, or null if they are
/// out of its range, because serde has no other form for them.
impl Serialize for Value<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(truth) => serializer.serialize_bool(*truth),
            Value::Unsigned(number) => serializer.serialize_u64(*number),
            Value::Signed(number) => serializer.serialize_i64(*number),
            Value::Float(number) => serializer.serialize_f64(*number),
            Value::Digits(digits) => serializer.serialize_f64(digits.parse().unwrap_or(f64::NAN)),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Array(items) => {
                let mut sequence = serializer.serialize_seq(Some(items.len()))?;
                for item in *items {
                    sequence.serialize_element(item)?;
                }
                sequence.end()
            }
            Value::Object(object) => {
                let mut map = serializer.serialize_map(Some(object.len()))?;
                for (key, value) in object.iter() {
                    map.serialize_entry(key, &value)?;
                }
                map.end()
            }
        }
    }
}
