mod any;

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use serde::ser::{SerializeMap, SerializeSeq, SerializeStruct, Serializer};

use super::*;
use crate::value::KEPT_BYTES_MAX;

/// Asserts that data builds the same as with `to_value`, or is rejected by both.
#[track_caller]
fn same_as_json<T: Serialize + fmt::Debug>(data: &T) {
    let arena = Arena::new();
    match (serde_json::to_value(data), build(data, &arena, &Limits::default())) {
        (Ok(json), Ok(value)) => {
            let again = serde_json::to_value(value).expect("serializes");
            assert_eq!(again.to_string(), json.to_string());
            assert_keys_are_found(&value);
        }
        (Err(_), Err(ContextError::Serialize(_))) => {}
        (json, value) => panic!("{data:?}: {json:?} against {value:?}"),
    }
}

/// Asserts that each key is there once and finds its own value.
fn assert_keys_are_found(value: &Value<'_>) {
    match value {
        Value::Array(items) => items.iter().for_each(assert_keys_are_found),
        Value::Object(object) => {
            let keys: std::collections::HashSet<_> = object.iter().map(|(key, _)| key).collect();
            assert_eq!(keys.len(), object.len());
            for (key, value) in object.iter() {
                assert_eq!(object.get(key), Some(value), "{key}");
                assert_keys_are_found(&value);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn builds_what_to_value_builds(data in any::data()) {
        same_as_json(&data);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// The limit in bytes has one threshold: from there on all limits accept the data with the same result.
    #[test]
    fn the_limit_in_bytes_has_one_threshold(data in any::data()) {
        let arena = Arena::new();
        let within = |bytes: usize| {
            build(&data, &arena, &Limits { context_bytes: bytes, ..Limits::default() })
        };
        let Ok(whole) = within(usize::MAX) else { return Ok(()) };
        // A careless `Serialize` implementation continues after an error; then there is no threshold.
        if format!("{data:?}").contains("Careless") {
            return Ok(());
        }
        let threshold = threshold_of(|bytes| within(bytes).is_ok());
        prop_assert_eq!(within(threshold), Ok(whole));
        if let Some(below) = threshold.checked_sub(1) {
            prop_assert_eq!(within(below), Err(ContextError::TooLarge { limit: below }));
        }
    }
}

/// Returns the smallest limit in bytes that is accepted.
fn threshold_of(is_accepted: impl Fn(usize) -> bool) -> usize {
    let (mut below, mut threshold) = (0_usize, 1 << 30);
    while below < threshold {
        let middle = below.midpoint(threshold);
        if is_accepted(middle) {
            threshold = middle;
        } else {
            below = middle + 1;
        }
    }
    threshold
}

#[derive(Debug, Serialize)]
struct Row {
    sku: &'static str,
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(flatten)]
    more: BTreeMap<String, u8>,
    #[serde(flatten)]
    known: Known,
    #[serde(skip_serializing_if = "Option::is_none")]
    gone: Option<u8>,
    by_number: HashMap<i8, (f32, char)>,
}

#[derive(Debug, Serialize)]
struct Known {
    sku: u8,
    unit: (),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    OneUnit,
    Wrapped(Option<u16>),
    Pair(u8, i128),
    Named { a: u8 },
}

#[derive(Debug, Serialize)]
#[serde(tag = "t")]
enum Tagged {
    Unit,
    Map(BTreeMap<char, bool>),
    Named { u: u8 },
}

#[derive(Debug, Serialize)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Unit,
    Pair(u8, u8),
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Untagged {
    Unit,
    Map(BTreeMap<bool, ()>),
}

#[test]
fn derived_shapes_build_what_to_value_builds() {
    for kind in [
        Kind::OneUnit,
        Kind::Wrapped(Some(3)),
        Kind::Pair(1, -2),
        Kind::Named { a: 1 },
    ] {
        same_as_json(&Row {
            sku: "x",
            kind,
            more: BTreeMap::from([("unit".into(), 1), ("ä".into(), 2)]),
            known: Known { sku: 9, unit: () },
            gone: None,
            by_number: HashMap::from([(-1, (0.1, 'ß'))]),
        });
    }
    same_as_json(&[
        Tagged::Unit,
        Tagged::Map(BTreeMap::from([('t', true)])),
        Tagged::Named { u: 1 },
    ]);
    same_as_json(&[Adjacent::Unit, Adjacent::Pair(1, 2)]);
    same_as_json(&[Untagged::Unit, Untagged::Map(BTreeMap::from([(true, ())]))]);
    same_as_json(&serde_json::json!({"a": [1, -1, 1.5, null, true, "x", {}], "b": {"": []}}));
    same_as_json(&std::net::IpAddr::from([127, 0, 0, 1]));
    same_as_json(&BTreeMap::from([((1, 2), 3)]));
    same_as_json(&[BTreeMap::from([(Some(1), 3)])]);
    same_as_json(&(i128::MAX, 1));
}

#[test]
fn keys_of_a_struct_are_not_copied() {
    let arena = Arena::new();
    let value = build(&Known { sku: 1, unit: () }, &arena, &Limits::default());
    let Ok(Value::Object(object)) = value else {
        panic!("{value:?}")
    };
    let two_fields = object.len() * size_of::<(&str, Value<'_>)>();
    let exactly = Limits {
        context_bytes: two_fields,
        ..Limits::default()
    };
    assert!(build(&Known { sku: 1, unit: () }, &arena, &exactly).is_ok());
}

#[test]
fn a_reused_arena_does_not_grow() {
    let row = |at| Row {
        sku: "x",
        kind: Kind::Pair(at, 1),
        more: BTreeMap::from([("more".into(), at)]),
        known: Known { sku: at, unit: () },
        gone: None,
        by_number: HashMap::from([(-1, (0.1, 'ß'))]),
    };
    let page: Vec<_> = (0..50).map(row).collect();
    let mut arena = Arena::new();
    let mut render = || {
        arena.reset();
        build(&page, &arena, &Limits::default()).expect("builds");
        arena.allocated_bytes()
    };
    // The first render grows the arena in blocks, the second may need one more besides the largest of these.
    let warm = (render(), render(), render()).2;
    assert!((0..10).all(|_| render() == warm));
    let threshold = threshold_of(|bytes| {
        let limits = Limits {
            context_bytes: bytes,
            ..Limits::default()
        };
        build(&page, &Arena::new(), &limits).is_ok()
    });
    assert!(threshold < 50 * 1024, "{threshold} bytes for 50 rows");
}

#[test]
fn an_arena_frees_the_memory_of_a_large_context() {
    let mut arena = Arena::new();
    assert!(build(&"x".repeat(KEPT_BYTES_MAX + 1), &arena, &Limits::default()).is_ok());
    arena.reset();
    assert_eq!(arena.allocated_bytes(), 0);
    assert!(build(&"small", &arena, &Limits::default()).is_ok());
    arena.reset();
    assert_ne!(arena.allocated_bytes(), 0);
}

#[test]
fn the_last_of_equal_keys_wins_at_every_size() {
    struct Twice(usize);
    impl Serialize for Twice {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            for turn in ["first", "last"] {
                for key in (0..self.0).rev() {
                    map.serialize_entry(&key, turn)?;
                }
            }
            map.end()
        }
    }
    let arena = Arena::new();
    for size in (0..80).chain([1000, 20_000]) {
        let value = build(&Twice(size), &arena, &Limits::default());
        let Ok(Value::Object(object)) = value else {
            panic!("{value:?}")
        };
        assert_eq!(object.len(), size);
        let came: Vec<usize> = object.iter().map(|(key, _)| key.parse().expect("a number")).collect();
        assert!(
            came.iter().rev().copied().eq(0..size),
            "in the order in which they came"
        );
        assert!(object.iter().all(|(_, value)| value == Value::Text("last")));
        assert_keys_are_found(&Value::Object(object));
    }
}

#[test]
fn a_wrong_size_hint_is_harmless() {
    struct Liar;
    impl Serialize for Liar {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut seq = serializer.serialize_seq(Some(usize::MAX))?;
            seq.serialize_element(&1)?;
            seq.serialize_element(&LyingStruct)?;
            seq.end()
        }
    }
    struct LyingStruct;
    impl Serialize for LyingStruct {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut fields = serializer.serialize_struct("LyingStruct", usize::MAX)?;
            fields.serialize_field("a", &2)?;
            fields.end()
        }
    }
    let arena = Arena::new();
    let value = build(&Liar, &arena, &Limits::default()).expect("builds");
    assert_eq!(serde_json::to_string(&value).expect("serializes"), r#"[1,{"a":2}]"#);
    assert!(arena.allocated_bytes() < 1 << 20, "{}", arena.allocated_bytes());
}

#[test]
fn endless_data_exceeds_the_limit_in_bytes() {
    struct Endless(fn() -> Box<dyn Iterator<Item = &'static str>>);
    impl Serialize for Endless {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((self.0)())
        }
    }
    struct EndlessText;
    impl fmt::Display for EndlessText {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            loop {
                f.write_str("and on ")?;
            }
        }
    }
    let limits = Limits {
        context_bytes: 100_000,
        ..Limits::default()
    };
    let arena = Arena::new();
    let too_large = Err(ContextError::TooLarge { limit: 100_000 });
    assert_eq!(
        build(&Endless(|| Box::new(std::iter::repeat("x"))), &arena, &limits),
        too_large
    );
    assert_eq!(
        build(&Endless(|| Box::new(std::iter::repeat(""))), &arena, &limits),
        too_large
    );
    assert_eq!(build(&format_args!("{EndlessText}"), &arena, &limits), too_large);
    assert_eq!(
        build(&BTreeMap::from([("k".repeat(100_001), 1)]), &arena, &limits),
        too_large
    );
    assert!(arena.allocated_bytes() < 1 << 20, "{}", arena.allocated_bytes());
}

#[derive(Clone, Copy)]
enum Level {
    Newtype,
    Some,
    Variant,
    Seq,
    TupleVariant,
    Map,
    Struct,
    StructVariant,
    Key,
}

const LEVELS: [Level; 9] = [
    Level::Newtype,
    Level::Some,
    Level::Variant,
    Level::Seq,
    Level::TupleVariant,
    Level::Map,
    Level::Struct,
    Level::StructVariant,
    Level::Key,
];

/// An empty text, wrapped the given number of times.
struct Wrapped(u32, Level);

impl Serialize for Wrapped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::{SerializeStructVariant, SerializeTupleVariant};
        let Self(levels, level) = *self;
        if levels == 0 {
            return serializer.serialize_str("");
        }
        let inner = Self(levels - 1, level);
        match level {
            Level::Newtype | Level::Key => serializer.serialize_newtype_struct("Wrapped", &inner),
            Level::Some => serializer.serialize_some(&inner),
            Level::Variant => serializer.serialize_newtype_variant("Wrapped", 0, "v", &inner),
            Level::Seq => serializer.collect_seq([inner]),
            Level::TupleVariant => {
                let mut tuple = serializer.serialize_tuple_variant("Wrapped", 0, "v", 1)?;
                tuple.serialize_field(&inner)?;
                tuple.end()
            }
            Level::Map => serializer.collect_map([("k", inner)]),
            Level::Struct => {
                let mut fields = serializer.serialize_struct("Wrapped", 1)?;
                fields.serialize_field("f", &inner)?;
                fields.end()
            }
            Level::StructVariant => {
                let mut fields = serializer.serialize_struct_variant("Wrapped", 0, "v", 1)?;
                fields.serialize_field("f", &inner)?;
                fields.end()
            }
        }
    }
}

#[test]
fn every_kind_of_level_counts_for_the_depth() {
    struct AsKey(Wrapped);
    impl Serialize for AsKey {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map([(&self.0, ())])
        }
    }
    let limits = Limits {
        context_depth: 7,
        ..Limits::default()
    };
    let arena = Arena::new();
    let too_deep = Err(ContextError::TooDeep { limit: 7 });
    for level in LEVELS {
        let build = |levels| match level {
            Level::Key => build(&AsKey(Wrapped(levels, level)), &arena, &limits),
            _ => build(&Wrapped(levels, level), &arena, &limits),
        };
        assert!(build(7).is_ok());
        assert_eq!(build(8), too_deep);
        assert_eq!(build(10_000), too_deep);
    }
}

#[test]
fn a_serialize_that_panics_leaves_the_arena_usable() {
    struct Panics;
    impl Serialize for Panics {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("on purpose")
        }
    }
    let mut arena = Arena::new();
    let data = ("before", [Some(1), None], BTreeMap::from([("key", Panics)]));
    assert!(catch_unwind(AssertUnwindSafe(|| build(&data, &arena, &Limits::default()).is_ok())).is_err());
    assert_eq!(build(&"after", &arena, &Limits::default()), Ok(Value::Text("after")));
    arena.reset();
    assert_eq!(build(&"again", &arena, &Limits::default()), Ok(Value::Text("again")));
}

#[test]
fn embedded_json_is_read() {
    struct Embedded(&'static str, &'static str);
    impl Serialize for Embedded {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut fields = serializer.serialize_struct(self.0, 1)?;
            fields.serialize_field(self.0, self.1)?;
            fields.end()
        }
    }
    let arena = Arena::new();
    let shown = |name, text| {
        let value = build(&Embedded(name, text), &arena, &Limits::default())?;
        Ok::<_, ContextError>(serde_json::to_string(&value).expect("serializes"))
    };
    for number in [
        "0",
        "18446744073709551615",
        "-9223372036854775808",
        "1.5",
        "-0.0",
        "1e30",
    ] {
        let plain: serde_json::Value = serde_json::from_str(number).expect("is JSON");
        assert_eq!(shown("$serde_json::private::Number", number), Ok(plain.to_string()));
    }
    let digits = Embedded("$serde_json::private::Number", "1e999");
    assert_eq!(build(&digits, &arena, &Limits::default()), Ok(Value::Digits("1e999")));
    assert!(shown("$serde_json::private::Number", "1e").is_err());
    let raw = "$serde_json::private::RawValue";
    assert_eq!(
        shown(raw, r#" {"b": [1, null], "a": "x"} "#).as_deref(),
        Ok(r#"{"a":"x","b":[1,null]}"#)
    );
    assert!(shown(raw, "{").is_err());
}
