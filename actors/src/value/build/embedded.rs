//! [`Embedded`]: JSON inside the data. With its features `raw_value` and `arbitrary_precision`, which any package of a program can
//! switch on, serde_json serializes its `RawValue` and `Number` as a struct of one field under a private name.

use super::Failure;
use super::serializer::Serializer;
use crate::value::{Object, Value, number};

const NUMBER: &str = "$serde_json::private::Number";
const RAW_VALUE: &str = "$serde_json::private::RawValue";

#[derive(Clone, Copy)]
pub(super) enum Embedded {
    /// The digits of a number.
    Number,
    /// A JSON text.
    RawValue,
}

impl Embedded {
    /// By the name of a struct.
    #[inline]
    pub(super) fn of(name: &'static str) -> Option<Self> {
        match name {
            NUMBER => Some(Self::Number),
            RAW_VALUE => Some(Self::RawValue),
            _ => None,
        }
    }

    /// What the text in its only field means.
    #[cold]
    pub(super) fn read<'a>(self, fields: Object<'a>, serializer: Serializer<'_, 'a>) -> Result<Value<'a>, Failure> {
        match (self, fields.iter().next()) {
            (Self::Number, Some((NUMBER, Value::Text(digits)))) => {
                number(digits).ok_or_else(|| Failure::serialize("an embedded number is none"))
            }
            (Self::RawValue, Some((RAW_VALUE, Value::Text(json)))) => {
                let value: serde_json::Value = serde_json::from_str(json).map_err(serde::ser::Error::custom)?;
                serializer.nested(&value)
            }
            _ => Err(Failure::serialize("embedded JSON is not a text")),
        }
    }
}
