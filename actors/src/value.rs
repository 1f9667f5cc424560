//! The value that a context becomes: built by one pass of `Serialize` into an arena, gone with the render.
//!
//! Its meaning is that of `serde_json::to_value`: four forms of enums, bytes as numbers, `f32` widened, integer keys as text, not
//! a number as null, the last of two equal keys wins. Besides, the fields of an object keep the order in which they came, and a
//! number of JSON that would be printed in another way than it was written keeps its digits.

mod build;
mod number;
mod words;

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use bumpalo::Bump;
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq};

pub use build::{ContextError, build};
pub use number::number;
pub(crate) use words::Words;

/// Objects with more fields than this are sorted by key and searched by halves; see [`Object`].
pub(crate) const LINEAR_FIELDS_MAX: usize = 32;

/// Bytes that an arena keeps for the next render. One large context must not cost its memory in each thread for ever.
pub(crate) const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Where the values of one render live.
#[derive(Default)]
pub struct Arena(Bump);

impl Arena {
    /// An empty arena.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets every value, and keeps the largest piece of memory for the next render unless that is very large.
    pub fn reset(&mut self) {
        self.0.reset();
        if self.0.allocated_bytes() > KEPT_BYTES_MAX {
            *self = Self::new();
        }
    }

    /// Bytes that are held.
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
// Which it is takes a word, so that a copy is three whole words: reading what was just written in other pieces stalls.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[repr(u64)]
pub enum Value<'a> {
    /// `None`, `()`, and floats that are no number.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer that is not negative.
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
    /// A number of JSON that is printed in another way than it was written, such as `19.90`, or is out of range: see [`number`].
    Digits(&'a str),
}

impl<'a> Value<'a> {
    /// The word for this kind of value in messages.
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

    /// Whether `{{ if }}` takes it as true: null, false, zero, the empty string and the empty array are not.
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

    /// The nearest float, if it is a number and that is finite.
    ///
    /// ```
    /// use hotplate_actors::Value;
    ///
    /// assert_eq!(Value::Unsigned(3).as_f64(), Some(3.0));
    /// assert_eq!(Value::Digits("19.90").as_f64(), Some(19.9));
    /// assert_eq!(Value::Text("3").as_f64(), None);
    /// ```
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the nearest float is what is asked for")]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Unsigned(number) => Some(*number as f64),
            Value::Signed(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            Value::Digits(digits) => digits.parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        }
    }

    /// The integer, if it is one that is not negative.
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

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&'a str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The fields of a map or struct, in the order in which they came; each key once.
// Many fields are sorted by key. If they came in another order, one more stands behind them, under the key `ORDER`: their positions
// in the order in which they came. So an object is one slice, whatever its size.
#[derive(Clone, Copy, PartialEq)]
pub struct Object<'a>(pub(crate) &'a [(&'a str, Value<'a>)]);

/// Sorts before any other key, so that no key of the data is the last one by this name.
pub(crate) const ORDER: &str = "\0order";

impl<'a> Object<'a> {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        self.position(key.as_bytes()).map(|at| self.0[at].1)
    }

    /// The value of a key that stood at `hint` in the last object asked: the same struct has the same fields in the same order.
    #[inline(always)]
    pub(crate) fn get_hinted<'k>(
        &self,
        key: impl Fn() -> &'k [u8],
        words: Words,
        hint: &AtomicU32,
    ) -> Option<&'a Value<'a>> {
        match self.0.get(hint.load(Ordering::Relaxed) as usize) {
            Some((found, value)) if words.tell_equal(&key, found.as_bytes()) => Some(value),
            _ => self.search(key(), hint),
        }
    }

    /// Looks everywhere, and remembers where it was.
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

    /// The fields, and their positions in the order in which they came where that is another.
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

    /// All fields, in the order in which they came.
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

    /// How many fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts().0.len()
    }

    /// Whether it has none.
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

/// As JSON would have it, keys in the order in which they came. [`Value::Digits`] are the nearest float, or null
/// beyond all of them: serde knows no other.
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
