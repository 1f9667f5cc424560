//! Random data of every shape that serde knows, including shapes that no derive produces.

use std::fmt;

use proptest::prelude::*;
use serde::Serialize;
use serde::ser::{
    Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant, Serializer,
};

/// Data whose variants each cause one call of a serializer.
#[derive(Debug, Clone)]
pub(super) enum Any {
    Bool(bool),
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    I128(i128),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    U128(u128),
    F32(f32),
    F64(f64),
    Char(char),
    Str(String),
    Collected(String),
    Bytes(Vec<u8>),
    None,
    Some(Box<Any>),
    Unit,
    UnitStruct,
    UnitVariant(&'static str),
    NewtypeStruct(Box<Any>),
    NewtypeVariant(&'static str, Box<Any>),
    Seq(Option<usize>, Vec<Any>),
    Tuple(Vec<Any>),
    TupleStruct(Vec<Any>),
    TupleVariant(&'static str, Vec<Any>),
    Map(Option<usize>, Vec<(Any, Any)>),
    Struct(usize, Vec<(&'static str, Any)>),
    StructVariant(&'static str, Vec<(&'static str, Any)>),
    /// Fails to serialize.
    Refuses,
    /// Continues after an element that was rejected.
    Careless(Vec<Any>),
    /// Continues after a key or a value that was rejected.
    CarelessMap(Vec<(Any, Any)>),
}

impl Serialize for Any {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Any::Bool(value) => serializer.serialize_bool(*value),
            Any::I8(value) => serializer.serialize_i8(*value),
            Any::I16(value) => serializer.serialize_i16(*value),
            Any::I32(value) => serializer.serialize_i32(*value),
            Any::I64(value) => serializer.serialize_i64(*value),
            Any::I128(value) => serializer.serialize_i128(*value),
            Any::U8(value) => serializer.serialize_u8(*value),
            Any::U16(value) => serializer.serialize_u16(*value),
            Any::U32(value) => serializer.serialize_u32(*value),
            Any::U64(value) => serializer.serialize_u64(*value),
            Any::U128(value) => serializer.serialize_u128(*value),
            Any::F32(value) => serializer.serialize_f32(*value),
            Any::F64(value) => serializer.serialize_f64(*value),
            Any::Char(value) => serializer.serialize_char(*value),
            Any::Str(value) => serializer.serialize_str(value),
            Any::Collected(value) => serializer.collect_str(&InPieces(value)),
            Any::Bytes(value) => serializer.serialize_bytes(value),
            Any::None => serializer.serialize_none(),
            Any::Some(value) => serializer.serialize_some(value),
            Any::Unit => serializer.serialize_unit(),
            Any::UnitStruct => serializer.serialize_unit_struct("Any"),
            Any::UnitVariant(variant) => serializer.serialize_unit_variant("Any", 0, variant),
            Any::NewtypeStruct(value) => serializer.serialize_newtype_struct("Any", value),
            Any::NewtypeVariant(variant, value) => serializer.serialize_newtype_variant("Any", 0, variant, value),
            Any::Seq(hint, items) => {
                let mut seq = serializer.serialize_seq(*hint)?;
                items.iter().try_for_each(|item| seq.serialize_element(item))?;
                seq.end()
            }
            Any::Tuple(items) => {
                let mut tuple = serializer.serialize_tuple(items.len())?;
                items.iter().try_for_each(|item| tuple.serialize_element(item))?;
                tuple.end()
            }
            Any::TupleStruct(items) => {
                let mut tuple = serializer.serialize_tuple_struct("Any", items.len())?;
                items.iter().try_for_each(|item| tuple.serialize_field(item))?;
                tuple.end()
            }
            Any::TupleVariant(variant, items) => {
                let mut tuple = serializer.serialize_tuple_variant("Any", 0, variant, items.len())?;
                items.iter().try_for_each(|item| tuple.serialize_field(item))?;
                tuple.end()
            }
            Any::Map(hint, fields) => {
                let mut map = serializer.serialize_map(*hint)?;
                fields
                    .iter()
                    .try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
            Any::Struct(hint, fields) => {
                let mut fields_of = serializer.serialize_struct("Any", *hint)?;
                for (key, value) in fields {
                    fields_of.skip_field("skipped")?;
                    fields_of.serialize_field(key, value)?;
                }
                fields_of.end()
            }
            Any::StructVariant(variant, fields) => {
                let mut fields_of = serializer.serialize_struct_variant("Any", 0, variant, fields.len())?;
                fields
                    .iter()
                    .try_for_each(|(key, value)| fields_of.serialize_field(key, value))?;
                fields_of.end()
            }
            Any::Refuses => Err(S::Error::custom("no")),
            Any::Careless(items) => {
                let mut seq = serializer.serialize_seq(None)?;
                for item in items {
                    let _ = seq.serialize_element(item);
                }
                seq.end()
            }
            Any::CarelessMap(fields) => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_key("first")?;
                for (key, value) in fields {
                    let _ = map.serialize_key(key);
                    let _ = map.serialize_value(value);
                    map.serialize_key("next")?;
                }
                map.end()
            }
        }
    }
}

/// A text that is displayed in several writes.
struct InPieces<'a>(&'a str);

impl fmt::Display for InPieces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| write!(f, "{character}"))
    }
}

/// Names, several of which have equal lengths, first bytes and last bytes.
const NAMES: [&str; 12] = [
    "", "a", "b", "aa", "aba", "aca", "name", "nime", "1", "true", "1.5", "länge",
];

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&NAMES[..])
}

fn scalar() -> impl Strategy<Value = Any> {
    prop_oneof![
        any::<bool>().prop_map(Any::Bool),
        any::<i8>().prop_map(Any::I8),
        any::<i16>().prop_map(Any::I16),
        any::<i32>().prop_map(Any::I32),
        any::<i64>().prop_map(Any::I64),
        any::<u8>().prop_map(Any::U8),
        any::<u16>().prop_map(Any::U16),
        any::<u32>().prop_map(Any::U32),
        any::<u64>().prop_map(Any::U64),
        prop_oneof![
            (-2_i128..=2).prop_map(|off| i128::from(i64::MIN) + off),
            (-2_i128..=2).prop_map(|off| i128::from(u64::MAX) + off),
            -2_i128..=2
        ]
        .prop_map(Any::I128),
        prop_oneof![(0_u128..=2).prop_map(|off| u128::from(u64::MAX) + off), 0_u128..=2].prop_map(Any::U128),
        any::<f32>().prop_map(Any::F32),
        any::<f64>().prop_map(Any::F64),
        prop::sample::select(&[f64::NAN, f64::INFINITY, -0.0, 1.0, 1e300][..]).prop_map(Any::F64),
        prop::sample::select(&[f32::NAN, f32::NEG_INFINITY, -0.0, 0.1, 1.5][..]).prop_map(Any::F32),
        any::<char>().prop_map(Any::Char),
        any::<String>().prop_map(Any::Str),
        any::<String>().prop_map(Any::Collected),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(Any::Bytes),
        Just(Any::None),
        Just(Any::Unit),
        Just(Any::UnitStruct),
        name().prop_map(Any::UnitVariant),
    ]
}

/// Returns keys that are mostly text, so that most maps are accepted.
fn key() -> impl Strategy<Value = Any> {
    prop_oneof![
        60 => name().prop_map(|name| Any::Str(name.into())),
        60 => (0_u64..60).prop_map(Any::U64),
        5 => name().prop_map(|name| Any::NewtypeStruct(Box::new(Any::Collected(name.into())))),
        5 => scalar(),
        1 => scalar().prop_map(|scalar| Any::Some(Box::new(scalar))),
        1 => scalar().prop_map(|scalar| Any::NewtypeVariant("a", Box::new(scalar))),
        1 => Just(Any::Tuple(Vec::new())),
        1 => Just(Any::Map(None, Vec::new())),
        1 => Just(Any::Struct(0, Vec::new())),
        1 => Just(Any::Refuses),
    ]
}

/// Returns size hints that are absent, right or wrong.
fn hint(len: usize) -> impl Strategy<Value = Option<usize>> {
    prop_oneof![Just(None), Just(Some(len)), (0_usize..100).prop_map(Some)]
}

/// Returns data of any shape, some levels deep.
pub(super) fn data() -> impl Strategy<Value = Any> {
    let leaf = prop_oneof![200 => scalar(), 1 => Just(Any::Refuses)];
    leaf.prop_recursive(4, 120, 12, |inner| {
        let inner = inner.boxed();
        let items = prop::collection::vec(inner.clone(), 0..8).boxed();
        let fields = prop::collection::vec((name(), inner.clone()), 0..16).boxed();
        let entries = prop_oneof![
            4 => prop::collection::vec((key(), inner.clone()), 0..12),
            1 => prop::collection::vec(((0_u64..60).prop_map(Any::U64), scalar()), 28..90),
        ]
        .boxed();
        prop_oneof![
            inner.clone().prop_map(|value| Any::Some(Box::new(value))),
            inner.clone().prop_map(|value| Any::NewtypeStruct(Box::new(value))),
            (name(), inner.clone()).prop_map(|(variant, value)| Any::NewtypeVariant(variant, Box::new(value))),
            items
                .clone()
                .prop_flat_map(|items| (hint(items.len()), Just(items)))
                .prop_map(|(hint, items)| Any::Seq(hint, items)),
            items.clone().prop_map(Any::Tuple),
            items.clone().prop_map(Any::TupleStruct),
            (name(), items.clone()).prop_map(|(variant, items)| Any::TupleVariant(variant, items)),
            items.prop_map(Any::Careless),
            entries.clone().prop_map(Any::CarelessMap),
            entries
                .prop_flat_map(|entries| (hint(entries.len()), Just(entries)))
                .prop_map(|(hint, entries)| Any::Map(hint, entries)),
            (0_usize..20, fields.clone()).prop_map(|(hint, fields)| Any::Struct(hint, fields)),
            (name(), fields).prop_map(|(variant, fields)| Any::StructVariant(variant, fields)),
        ]
    })
}
