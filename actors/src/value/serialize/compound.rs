//! Serialization of arrays and objects, whose contents come one by one.

use serde::ser::{self, Serialize};

use super::Failure;
use super::embedded::Embedded;
use super::fields::{Fields, bit_of};
use super::serializer::Serializer;
use super::space::ItemList;
use crate::value::Value;

/// A sequence, tuple or tuple variant that is being serialized.
pub(super) struct Items<'s, 'a> {
    serializer: Serializer<'s, 'a>,
    variant: Option<&'static str>,
    items: ItemList<'a, Value<'a>>,
}

impl<'s, 'a> Items<'s, 'a> {
    #[inline]
    pub(super) fn new(
        serializer: Serializer<'s, 'a>,
        variant: Option<&'static str>,
        hint: usize,
    ) -> Result<Self, Failure> {
        Ok(Self {
            serializer,
            variant,
            items: serializer.space.list(hint)?,
        })
    }
}

impl<'a> ser::SerializeSeq for Items<'_, 'a> {
    type Ok = Value<'a>;
    type Error = Failure;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        let item = self.serializer.nested(value)?;
        self.serializer.space.push(&mut self.items, item)
    }

    #[inline]
    fn end(self) -> Result<Value<'a>, Failure> {
        let items = Value::Array(self.items.into_slice());
        match self.variant {
            None => Ok(items),
            Some(variant) => self.serializer.tagged(variant, items),
        }
    }
}

impl<'a> ser::SerializeTuple for Items<'_, 'a> {
    type Ok = Value<'a>;
    type Error = Failure;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    #[inline]
    fn end(self) -> Result<Value<'a>, Failure> {
        ser::SerializeSeq::end(self)
    }
}

impl<'a> ser::SerializeTupleStruct for Items<'_, 'a> {
    type Ok = Value<'a>;
    type Error = Failure;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Value<'a>, Failure> {
        ser::SerializeSeq::end(self)
    }
}

impl<'a> ser::SerializeTupleVariant for Items<'_, 'a> {
    type Ok = Value<'a>;
    type Error = Failure;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Value<'a>, Failure> {
        ser::SerializeSeq::end(self)
    }
}

/// A map, struct or struct variant that is being serialized.
pub(super) struct Entries<'s, 'a> {
    serializer: Serializer<'s, 'a>,
    variant: Option<&'static str>,
    pub(super) embedded: Option<Embedded>,
    fields: Fields<'a>,
    /// The key whose value comes next.
    key: Option<&'a str>,
}

impl<'s, 'a> Entries<'s, 'a> {
    #[inline]
    pub(super) fn new(
        serializer: Serializer<'s, 'a>,
        variant: Option<&'static str>,
        hint: usize,
    ) -> Result<Self, Failure> {
        Ok(Self {
            serializer,
            variant,
            embedded: None,
            fields: Fields::new(serializer.space, hint)?,
            key: None,
        })
    }

    #[inline]
    fn push<T: Serialize + ?Sized>(&mut self, key: &'a str, bit: u64, value: &T) -> Result<(), Failure> {
        let value = self.serializer.nested(value)?;
        self.fields.push(self.serializer.space, key, bit, value)
    }

    #[inline]
    fn finish(self) -> Result<Value<'a>, Failure> {
        let fields = self.fields.end(self.serializer.space)?;
        if let Some(embedded) = self.embedded {
            return embedded.read(fields, self.serializer);
        }
        match self.variant {
            None => Ok(Value::Object(fields)),
            Some(variant) => self.serializer.tagged(variant, Value::Object(fields)),
        }
    }
}

impl<'a> ser::SerializeMap for Entries<'_, 'a> {
    type Ok = Value<'a>;
    type Error = Failure;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Failure> {
        self.key = Some(self.serializer.key(key)?);
        Ok(())
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        match self.key.take() {
            Some(key) => self.push(key, bit_of(key), value),
            None => Err(Failure::serialize("a map gave a value before its key")),
        }
    }

    #[inline]
    fn end(self) -> Result<Value<'a>, Failure> {
        self.finish()
    }
}

impl<'a> ser::SerializeStruct for Entries<'_, 'a> {
    type Ok = Value<'a>;
    type Error = Failure;

    /// Adds a field. Inlined, so that the bit of a key is computed at compile time.
    #[inline(always)]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Failure> {
        self.push(key, bit_of(key), value)
    }

    #[inline]
    fn end(self) -> Result<Value<'a>, Failure> {
        self.finish()
    }
}

impl<'a> ser::SerializeStructVariant for Entries<'_, 'a> {
    type Ok = Value<'a>;
    type Error = Failure;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Failure> {
        self.push(key, bit_of(key), value)
    }

    fn end(self) -> Result<Value<'a>, Failure> {
        self.finish()
    }
}
