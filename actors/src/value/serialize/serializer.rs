//! Serialization of each kind of value.

use std::fmt::Display;

use serde::ser::Serialize;

use super::Failure;
use super::compound::{Entries, Items};
use super::embedded::Embedded;
use super::key::KeySerializer;
use super::space::ContextArena;
use crate::value::{Object, Value};

/// A serializer for one value. It has two words and is passed by copy.
#[derive(Clone, Copy)]
pub(super) struct Serializer<'s, 'a> {
    pub(super) space: &'s ContextArena<'a>,
    depth_left: u32,
}

impl<'s, 'a> Serializer<'s, 'a> {
    pub(super) fn new(space: &'s ContextArena<'a>) -> Self {
        Self {
            space,
            depth_left: space.depth_max,
        }
    }

    /// Serializes a value inside this one. All recursion passes through here, including forms without a level in the result, such as `Some`,
    /// because they take stack as well.
    #[inline]
    pub(super) fn nested<T: Serialize + ?Sized>(self, value: &T) -> Result<Value<'a>, Failure> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => value.serialize(Self { depth_left, ..self }),
            None => Err(self.space.too_deep()),
        }
    }

    /// Serializes a key to text.
    #[inline]
    pub(super) fn key<T: Serialize + ?Sized>(self, key: &T) -> Result<&'a str, Failure> {
        let Self { space, depth_left } = self;
        key.serialize(KeySerializer { space, depth_left })
    }

    /// Returns the object `{"variant": content}`.
    pub(super) fn tagged(self, variant: &'static str, content: Value<'a>) -> Result<Value<'a>, Failure> {
        Ok(Value::Object(Object(self.space.slice([(variant, content)])?)))
    }
}

impl<'s, 'a> serde::Serializer for Serializer<'s, 'a> {
    type Ok = Value<'a>;
    type Error = Failure;
    type SerializeSeq = Items<'s, 'a>;
    type SerializeTuple = Items<'s, 'a>;
    type SerializeTupleStruct = Items<'s, 'a>;
    type SerializeTupleVariant = Items<'s, 'a>;
    type SerializeMap = Entries<'s, 'a>;
    type SerializeStruct = Entries<'s, 'a>;
    type SerializeStructVariant = Entries<'s, 'a>;

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<Value<'a>, Failure> {
        Ok(Value::Bool(value))
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<Value<'a>, Failure> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Result<Value<'a>, Failure> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Result<Value<'a>, Failure> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<Value<'a>, Failure> {
        Ok(u64::try_from(value).map_or(Value::Signed(value), Value::Unsigned))
    }

    fn serialize_i128(self, value: i128) -> Result<Value<'a>, Failure> {
        let unsigned = u64::try_from(value).map(Value::Unsigned);
        let number = unsigned.or_else(|_| i64::try_from(value).map(Value::Signed));
        number.map_err(|_| Failure::serialize("a number is out of range"))
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<Value<'a>, Failure> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<Value<'a>, Failure> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<Value<'a>, Failure> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<Value<'a>, Failure> {
        Ok(Value::Unsigned(value))
    }

    fn serialize_u128(self, value: u128) -> Result<Value<'a>, Failure> {
        let number = u64::try_from(value).map(Value::Unsigned);
        number.map_err(|_| Failure::serialize("a number is out of range"))
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<Value<'a>, Failure> {
        self.serialize_f64(value.into())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<Value<'a>, Failure> {
        Ok(if value.is_finite() {
            Value::Float(value)
        } else {
            Value::Null
        })
    }

    fn serialize_char(self, value: char) -> Result<Value<'a>, Failure> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<Value<'a>, Failure> {
        self.space.text(value).map(Value::Text)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Value<'a>, Failure> {
        let numbers = value.iter().map(|byte| Value::Unsigned(u64::from(*byte)));
        self.space.slice(numbers).map(Value::Array)
    }

    #[inline]
    fn serialize_unit(self) -> Result<Value<'a>, Failure> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value<'a>, Failure> {
        Ok(Value::Null)
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value<'a>, Failure> {
        Ok(Value::Text(variant))
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Value<'a>, Failure> {
        self.nested(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value<'a>, Failure> {
        self.tagged(variant, self.nested(value)?)
    }

    #[inline]
    fn serialize_none(self) -> Result<Value<'a>, Failure> {
        Ok(Value::Null)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value<'a>, Failure> {
        self.nested(value)
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Items<'s, 'a>, Failure> {
        Items::new(self, None, len.unwrap_or(0))
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Items<'s, 'a>, Failure> {
        Items::new(self, None, len)
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Items<'s, 'a>, Failure> {
        Items::new(self, None, len)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Items<'s, 'a>, Failure> {
        Items::new(self, Some(variant), len)
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Entries<'s, 'a>, Failure> {
        Entries::new(self, None, len.unwrap_or(0))
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Entries<'s, 'a>, Failure> {
        let mut entries = Entries::new(self, None, len)?;
        entries.embedded = Embedded::of(name);
        Ok(entries)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Entries<'s, 'a>, Failure> {
        Entries::new(self, Some(variant), len)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<Value<'a>, Failure> {
        self.space.display(value).map(Value::Text)
    }
}
