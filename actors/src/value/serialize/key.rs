//! Serialization of the keys of maps to text. Strings, characters, integers, finite floats, booleans, unit variants and newtypes of these
//! are accepted; everything else is rejected.

use std::fmt::Display;

use serde::ser::{Impossible, Serialize};

use super::Failure;
use super::space::ContextArena;

/// A serializer for one key of a map.
pub(super) struct KeySerializer<'s, 'a> {
    pub(super) space: &'s ContextArena<'a>,
    pub(super) depth_left: u32,
}

#[cold]
fn no_text() -> Failure {
    Failure::serialize("a key of a map is not a string")
}

impl<'a> KeySerializer<'_, 'a> {
    fn integer(self, number: impl itoa::Integer) -> Result<&'a str, Failure> {
        self.space.text(itoa::Buffer::new().format(number))
    }

    fn float<F: zmij::Float>(self, number: F, is_finite: bool) -> Result<&'a str, Failure> {
        if is_finite {
            self.space.text(zmij::Buffer::new().format_finite(number))
        } else {
            Err(Failure::serialize("a key of a map is infinite or not a number"))
        }
    }
}

impl<'a> serde::Serializer for KeySerializer<'_, 'a> {
    type Ok = &'a str;
    type Error = Failure;
    type SerializeSeq = Impossible<&'a str, Failure>;
    type SerializeTuple = Impossible<&'a str, Failure>;
    type SerializeTupleStruct = Impossible<&'a str, Failure>;
    type SerializeTupleVariant = Impossible<&'a str, Failure>;
    type SerializeMap = Impossible<&'a str, Failure>;
    type SerializeStruct = Impossible<&'a str, Failure>;
    type SerializeStructVariant = Impossible<&'a str, Failure>;

    #[inline]
    fn serialize_str(self, value: &str) -> Result<&'a str, Failure> {
        self.space.text(value)
    }

    fn serialize_char(self, value: char) -> Result<&'a str, Failure> {
        self.space.text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<&'a str, Failure> {
        Ok(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<&'a str, Failure> {
        let Some(depth_left) = self.depth_left.checked_sub(1) else {
            return Err(self.space.too_deep());
        };
        value.serialize(Self { depth_left, ..self })
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<&'a str, Failure> {
        self.space.display(value)
    }

    fn serialize_bool(self, value: bool) -> Result<&'a str, Failure> {
        Ok(if value { "true" } else { "false" })
    }

    fn serialize_i8(self, value: i8) -> Result<&'a str, Failure> {
        self.integer(value)
    }

    fn serialize_i16(self, value: i16) -> Result<&'a str, Failure> {
        self.integer(value)
    }

    fn serialize_i32(self, value: i32) -> Result<&'a str, Failure> {
        self.integer(value)
    }

    fn serialize_i64(self, value: i64) -> Result<&'a str, Failure> {
        self.integer(value)
    }

    fn serialize_i128(self, value: i128) -> Result<&'a str, Failure> {
        self.integer(value)
    }

    fn serialize_u8(self, value: u8) -> Result<&'a str, Failure> {
        self.integer(value)
    }

    fn serialize_u16(self, value: u16) -> Result<&'a str, Failure> {
        self.integer(value)
    }

    fn serialize_u32(self, value: u32) -> Result<&'a str, Failure> {
        self.integer(value)
    }

    fn serialize_u64(self, value: u64) -> Result<&'a str, Failure> {
        self.integer(value)
    }

    fn serialize_u128(self, value: u128) -> Result<&'a str, Failure> {
        self.integer(value)
    }

    fn serialize_f32(self, value: f32) -> Result<&'a str, Failure> {
        self.float(value, value.is_finite())
    }

    fn serialize_f64(self, value: f64) -> Result<&'a str, Failure> {
        self.float(value, value.is_finite())
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<&'a str, Failure> {
        Err(no_text())
    }

    fn serialize_none(self) -> Result<&'a str, Failure> {
        Err(no_text())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<&'a str, Failure> {
        Err(no_text())
    }

    fn serialize_unit(self) -> Result<&'a str, Failure> {
        Err(no_text())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<&'a str, Failure> {
        Err(no_text())
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<&'a str, Failure> {
        Err(no_text())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Failure> {
        Err(no_text())
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Failure> {
        Err(no_text())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Failure> {
        Err(no_text())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Failure> {
        Err(no_text())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Failure> {
        Err(no_text())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, Failure> {
        Err(no_text())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Failure> {
        Err(no_text())
    }
}
