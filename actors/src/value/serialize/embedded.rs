//! JSON inside the data. With its features `raw_value` and `arbitrary_precision`, which any package of a program can enable, serde_json
//! serializes its `RawValue` and `Number` as a struct of one field with a private name.

use super::Failure;
use super::serializer::Serializer;
use crate::value::{Object, Value, number};

const NUMBER: &str = "$serde_json::private::Number";
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// A kind of embedded JSON.
#[derive(Clone, Copy)]
pub(super) enum Embedded {
    /// The digits of a number.
    Number,
    /// A JSON text.
    RawValue,
}

impl Embedded {
    /// Recognizes embedded JSON by the name of a struct.
    #[inline]
    pub(super) fn of(name: &'static str) -> Option<Self> {
        match name {
            NUMBER => Some(Self::Number),
            RAW_VALUE => Some(Self::RawValue),
            _ => None,
        }
    }

    /// Returns the value of the text in the only field.
    #[cold]
    pub(super) fn read<'a>(self, fields: Object<'a>, serializer: Serializer<'_, 'a>) -> Result<Value<'a>, Failure> {
        match (self, fields.iter().next()) {
            (Self::Number, Some((NUMBER, Value::Text(digits)))) => {
                number(digits).ok_or_else(|| Failure::serialize("an embedded number of JSON is not a number"))
            }
            (Self::RawValue, Some((RAW_VALUE, Value::Text(json)))) => {
                let value: serde_json::Value = serde_json::from_str(json).map_err(serde::ser::Error::custom)?;
                serializer.nested(&value)
            }
            _ => Err(Failure::serialize("embedded JSON is not a text")),
        }
    }
}
