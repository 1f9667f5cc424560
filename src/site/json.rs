//! [`Json`]: JSON as it is written, with the order of the keys and all digits of the numbers.
//!
//! serde_json decides what is valid JSON, but it reports neither the digits of a number nor the position of a key. So a second, much
//! simpler scanner walks through the same text: each time serde_json accepts a key, a string or a number, the scanner steps to the next
//! string or number and takes its bytes. It never judges the text, and reads only what serde_json has accepted.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use hotplate_actors::value::{Value, number};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

/// Objects with more keys than this find a key by its hash.
const LINEAR_KEYS_MAX: usize = 16;

/// A JSON value. Serialized into a context it keeps the order of its keys and the digits of its numbers.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer that is not negative.
    Unsigned(u64),
    /// A negative integer.
    Signed(i64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// A number as it was written, if it would be printed differently or is out of range.
    Digits(Box<str>),
    /// A string.
    Text(Box<str>),
    /// An array.
    Array(Box<[Json]>),
    /// An object, each key once.
    Object(Box<[(Box<str>, Json)]>),
}

/// A key that an object contains several times.
pub(super) struct RepeatedKey {
    pub(super) key: Box<str>,
    /// The position of the last occurrence in the text, whose value is used.
    pub(super) bytes: Range<usize>,
    /// The position of the first occurrence.
    pub(super) first: usize,
    /// The number of occurrences.
    pub(super) times: usize,
}

impl Json {
    /// Returns the bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Unsigned(_) | Self::Signed(_) | Self::Float(_) => 0,
            Self::Digits(text) | Self::Text(text) => text.len(),
            Self::Array(items) => size_of_val(&**items) + items.iter().map(Self::heap_bytes).sum::<usize>(),
            Self::Object(fields) => {
                let each = fields.iter().map(|(key, value)| key.len() + value.heap_bytes());
                size_of_val(&**fields) + each.sum::<usize>()
            }
        }
    }

    /// Parses a text, and records up to `most` keys that occur in one object several times. The last value of a repeated key is used.
    pub(super) fn read(text: &str, most: usize) -> Result<(Self, Vec<RepeatedKey>), serde_json::Error> {
        JsonReading::run(text, text, most).or_else(|error| {
            let within = match error.to_string().starts_with("number out of range") {
                true => within_range(text),
                false => return Err(error),
            };
            JsonReading::run(text, &within, most)
        })
    }

    /// Returns the fields of an object.
    pub(super) fn as_object(&self) -> Option<&[(Box<str>, Self)]> {
        match self {
            Self::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// Returns the depth as a context counts it: 0 for the value itself, 1 for a value in it.
    pub(super) fn depth(&self) -> u32 {
        match self {
            Self::Array(items) => items.iter().map(|item| item.depth() + 1).max().unwrap_or(0),
            Self::Object(fields) => fields.iter().map(|(_, field)| field.depth() + 1).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Returns the kind of value, for a sentence.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Unsigned(_) | Self::Signed(_) | Self::Float(_) | Self::Digits(_) => "a number",
            Self::Text(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The name by which serde_json marks a number whose digits are kept. Contexts know it as well.
        const NUMBER: &str = "$serde_json::private::Number";
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::Unsigned(number) => serializer.serialize_u64(*number),
            Self::Signed(number) => serializer.serialize_i64(*number),
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Digits(digits) => {
                let mut number = serializer.serialize_struct(NUMBER, 1)?;
                number.serialize_field(NUMBER, digits)?;
                number.end()
            }
            Self::Text(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                fields
                    .iter()
                    .try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
        }
    }
}

/// The scanner that follows serde_json through a text. It is never ahead of what serde_json has accepted.
struct JsonReading<'t> {
    text: &'t str,
    at: usize,
    again: Vec<RepeatedKey>,
    most: usize,
}

/// Returns a copy of a text in which each number that is too large for a float, and that serde_json would refuse, is replaced by a small
/// one of the same length. So all positions stay the same.
fn within_range(text: &str) -> String {
    let mut reading = JsonReading::of(text, 0);
    let (mut within, mut copied) = (String::with_capacity(text.len()), 0);
    while reading.at < text.len() {
        let bytes = reading.token();
        let token = text.get(bytes.clone()).unwrap_or_default();
        if number(token).is_some_and(|value| value.as_f64().is_none()) {
            within.push_str(&text[copied..bytes.start]);
            within.push_str("0.");
            within.extend(std::iter::repeat_n('0', bytes.len() - "0.".len()));
            copied = bytes.end;
        }
    }
    within.push_str(&text[copied..]);
    within
}

impl<'t> JsonReading<'t> {
    fn of(text: &'t str, most: usize) -> Self {
        let again = Vec::new();
        Self {
            text,
            at: 0,
            again,
            most,
        }
    }

    /// Parses `within`, and takes the numbers from `text`. The two texts differ only in numbers that are out of range.
    fn run(text: &'t str, within: &str, most: usize) -> Result<(Json, Vec<RepeatedKey>), serde_json::Error> {
        let mut reading = Self::of(text, most);
        let mut deserializer = serde_json::Deserializer::from_str(within);
        let value = JsonSeed(&mut reading).deserialize(&mut deserializer)?;
        deserializer.end()?;
        reading.again.sort_by_key(|again| again.bytes.start);
        Ok((value, reading.again))
    }

    /// Steps to the next string, quotes included, or number, and returns its position.
    fn token(&mut self) -> Range<usize> {
        let bytes = self.text.as_bytes();
        let rest = bytes.get(self.at..).unwrap_or_default();
        let start = rest
            .iter()
            .position(|byte| begins_token(*byte))
            .map_or(bytes.len(), |skipped| self.at + skipped);
        let rest = bytes.get(start + 1..).unwrap_or_default();
        let length = match bytes.get(start) {
            Some(b'"') => {
                let mut escaped = false;
                let ends = |byte: &u8| {
                    let is_end = *byte == b'"' && !escaped;
                    escaped = *byte == b'\\' && !escaped;
                    is_end
                };
                rest.iter().position(ends).map_or(rest.len(), |end| end + 1)
            }
            _ => {
                let ends = |byte: &u8| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                rest.iter().position(ends).unwrap_or(rest.len())
            }
        };
        self.at = (start + 1 + length).min(bytes.len());
        start..self.at
    }

    fn number<E: serde::de::Error>(&mut self) -> Result<Json, E> {
        let bytes = self.token();
        let digits = self.text.get(bytes).unwrap_or_default();
        match number(digits) {
            Some(Value::Unsigned(number)) => Ok(Json::Unsigned(number)),
            Some(Value::Signed(number)) => Ok(Json::Signed(number)),
            Some(Value::Float(number)) => Ok(Json::Float(number)),
            Some(Value::Digits(digits)) => Ok(Json::Digits(digits.into())),
            _ => Err(E::custom("number out of range")),
        }
    }

    /// Returns true if the next token is a number. This distinguishes a number from an object with the key that marks a number.
    fn is_at_number(&self) -> bool {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let next = rest.iter().find(|byte| begins_token(**byte));
        next.is_some_and(|byte| *byte != b'"')
    }
}

/// Returns true for the first byte of a string or a number.
fn begins_token(byte: u8) -> bool {
    matches!(byte, b'"' | b'-' | b'0'..=b'9')
}

struct JsonSeed<'r, 't>(&'r mut JsonReading<'t>);

impl<'de> DeserializeSeed<'de> for JsonSeed<'_, '_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonSeed<'_, '_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Json, E> {
        Ok(Json::Bool(truth))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Json, E> {
        self.0.number()
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Json, E> {
        self.0.number()
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Json, E> {
        self.0.number()
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        self.0.token();
        Ok(Json::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(JsonSeed(self.0))? {
            array.push(item);
        }
        Ok(Json::Array(array.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut object = Object::default();
        while let Some(key) = entries.next_key::<Box<str>>()? {
            // With the feature `arbitrary_precision` of serde_json, which any package of a program can enable, a number is a map.
            if object.fields.is_empty() && &*key == "$serde_json::private::Number" && self.0.is_at_number() {
                entries.next_value::<serde::de::IgnoredAny>()?;
                return self.0.number();
            }
            let bytes = self.0.token();
            let known = object.position(&key);
            if let Some(at) = known {
                object.note(at, bytes.clone(), self.0);
            }
            let value = entries.next_value_seed(JsonSeed(self.0))?;
            match known {
                Some(at) => object.fields[at].1 = value,
                None => object.push(key, value, bytes.start),
            }
        }
        Ok(Json::Object(object.fields.into()))
    }
}

/// An object while it is read.
#[derive(Default)]
struct Object {
    fields: Vec<(Box<str>, Json)>,
    /// The position of each key in the text.
    places: Vec<usize>,
    /// The index of each key, if there are many.
    positions: HashMap<Box<str>, usize>,
    /// The index of each repeated key, with the index of its record.
    noted: Vec<(usize, usize)>,
}

impl Object {
    fn position(&self, key: &str) -> Option<usize> {
        match self.fields.len() > LINEAR_KEYS_MAX {
            true => self.positions.get(key).copied(),
            false => self.fields.iter().position(|(each, _)| **each == *key),
        }
    }

    /// Records that the key at an index was repeated. There is one record for each key.
    fn note(&mut self, at: usize, bytes: Range<usize>, reading: &mut JsonReading<'_>) {
        if let Some((_, note)) = self.noted.iter().find(|(noted, _)| *noted == at) {
            let note = &mut reading.again[*note];
            note.bytes = bytes;
            note.times += 1;
        } else if reading.again.len() < reading.most {
            self.noted.push((at, reading.again.len()));
            let (key, first) = (self.fields[at].0.clone(), self.places[at]);
            let times = 2;
            reading.again.push(RepeatedKey {
                key,
                bytes,
                first,
                times,
            });
        }
    }

    fn push(&mut self, key: Box<str>, value: Json, place: usize) {
        self.fields.push((key, value));
        self.places.push(place);
        if self.fields.len() > LINEAR_KEYS_MAX {
            let known = self.positions.len();
            let new = self.fields.iter().enumerate().skip(known);
            self.positions.extend(new.map(|(at, (key, _))| (key.clone(), at)));
        }
    }
}

#[cfg(test)]
mod tests {
    use hotplate_actors::Limits;
    use hotplate_actors::value::{Arena, build};

    use super::*;

    fn read(text: &str) -> Json {
        Json::read(text, 10).unwrap_or_else(|error| panic!("{text}: {error}")).0
    }

    /// Returns the value that a template gets, as text: objects in their order, numbers with their digits.
    fn shown(value: &Value<'_>) -> String {
        match value {
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(shown).collect();
                format!("[{}]", items.join(","))
            }
            Value::Object(object) => {
                let fields: Vec<String> = object
                    .iter()
                    .map(|(key, value)| format!("{key:?}:{}", shown(&value)))
                    .collect();
                format!("{{{}}}", fields.join(","))
            }
            Value::Digits(digits) => (*digits).to_owned(),
            flat => serde_json::to_string(flat).expect("flat"),
        }
    }

    #[test]
    fn contexts_keep_order_and_digits() {
        let many: Vec<String> = (0..50)
            .map(|number| format!("\"k{}\":{number}", (number * 7) % 50))
            .collect();
        let many = format!("{{{}}}", many.join(","));
        let long = format!("[{}.5]", "9".repeat(400));
        for text in [
            long.as_str(),
            r#"{"z":1,"a":{"y":[],"b":null},"m":[{"q":true,"c":"x"}]}"#,
            r#"{"id":12345678901234567890123,"price":0.1,"pi":3.14159265358979323846,"low":-9223372036854775809}"#,
            r#"[19.90,2.50,100.00,1e2,-0,1e300,1e400,-1e400,1e-999,"1e400",{"a":1e99999999999}]"#,
            r#"{"largest":18446744073709551615,"least":-9223372036854775808,"e":2.5}"#,
            many.as_str(),
        ] {
            let arena = Arena::new();
            let json = read(text);
            let value = build(&json, &arena, &Limits::default()).expect("builds");
            assert_eq!(shown(&value), text);
        }
    }

    #[test]
    fn the_scanner_skips_strings() {
        let text =
            r#" { "a\"1\\": "12 \" -3", "\\" : -7.0e1 , "é\u0041": ["5", 5e-1, "{\"k\":9}"], "t": true, "n": null } "#;
        let expected = Json::Object(Box::new([
            ("a\"1\\".into(), Json::Text("12 \" -3".into())),
            ("\\".into(), Json::Digits("-7.0e1".into())),
            (
                "éA".into(),
                Json::Array(Box::new([
                    Json::Text("5".into()),
                    Json::Digits("5e-1".into()),
                    Json::Text("{\"k\":9}".into()),
                ])),
            ),
            ("t".into(), Json::Bool(true)),
            ("n".into(), Json::Null),
        ]));
        assert_eq!(read(text), expected);
    }

    #[test]
    fn repeated_keys_are_recorded_once() {
        let text = r#"{"a": 1, "b": {"x": 1, "x": 2, "x": 3}, "a": 2}"#;
        let (value, again) = Json::read(text, 10).expect("JSON");
        let found: Vec<_> = again
            .iter()
            .map(|again| (&*again.key, again.bytes.start, again.first, again.times))
            .collect();
        assert_eq!(found, [("x", 31, 15, 3), ("a", 40, 1, 2)]);
        let expected = [
            ("a".into(), Json::Unsigned(2)),
            ("b".into(), Json::Object(Box::new([("x".into(), Json::Unsigned(3))]))),
        ];
        assert_eq!(value, Json::Object(Box::new(expected)));
        let (_, few) = Json::read(text, 1).expect("JSON");
        assert_eq!(few.len(), 1);
        let many: Vec<String> = (0..100)
            .map(|number| format!("\"k{}\":{number}", number % 60))
            .collect();
        let (value, again) = Json::read(&format!("{{{}}}", many.join(",")), 1_000).expect("JSON");
        assert_eq!((value.as_object().map(<[_]>::len), again.len()), (Some(60), 40));
    }
}
