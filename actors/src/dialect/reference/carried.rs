//! [`Carried`]: a context on its way through the crate, which knows no order of fields and no digits but those of a float.
//!
//! The order of an object goes with it as one more field, and digits as a string, each under a name that no data has. Both are taken
//! back before a formatter or the page sees them.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Map, Value as Json};

use crate::value::{Arena, LINEAR_FIELDS_MAX, ORDER, Object, Value};

/// What a string begins with that stands for a number.
const DIGITS: &str = "\0digits ";

/// A value as the crate is given it.
pub(super) struct Carried<'c, 'v>(pub(super) &'c Value<'v>);

impl Serialize for Carried<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Digits(digits) => serializer.collect_str(&format_args!("{DIGITS}{digits}")),
            Value::Array(items) => {
                let mut sequence = serializer.serialize_seq(Some(items.len()))?;
                items
                    .iter()
                    .try_for_each(|item| sequence.serialize_element(&Carried(item)))?;
                sequence.end()
            }
            Value::Object(object) => {
                let mut map = serializer.serialize_map(None)?;
                for (key, value) in object.iter() {
                    map.serialize_entry(key, &Carried(&value))?;
                }
                if !object.iter().map(|(key, _)| key).is_sorted() {
                    let order: Vec<&str> = object.iter().map(|(key, _)| key).collect();
                    map.serialize_entry(ORDER, &order)?;
                }
                map.end()
            }
            flat => flat.serialize(serializer),
        }
    }
}

/// The digits that a string stands for.
pub(super) fn digits(text: &str) -> Option<&str> {
    text.strip_prefix(DIGITS)
}

/// The fields of an object, in the order in which they came.
pub(super) fn fields(map: &Map<String, Json>) -> Vec<(&str, &Json)> {
    let order = map.get(ORDER).and_then(Json::as_array);
    let in_order = order.map(|order| {
        let keys = order.iter().filter_map(Json::as_str);
        let fields = keys.filter_map(|key| map.get_key_value(key));
        fields.map(|(key, value)| (key.as_str(), value)).collect()
    });
    in_order.unwrap_or_else(|| map.iter().map(|(key, value)| (key.as_str(), value)).collect())
}

/// An object of fields that stand in the order in which they came.
pub(super) fn object<'a>(fields: Vec<(&'a str, Value<'a>)>, arena: &'a Arena) -> Object<'a> {
    let bump = arena.bump();
    if fields.len() <= LINEAR_FIELDS_MAX || fields.is_sorted_by_key(|(key, _)| *key) {
        return Object(bump.alloc_slice_copy(&fields));
    }
    let mut came: Vec<usize> = (0..fields.len()).collect();
    came.sort_by_key(|at| fields[*at].0);
    let mut positions = vec![Value::Null; fields.len()];
    for (position, at) in came.iter().enumerate() {
        positions[*at] = Value::Unsigned(position as u64);
    }
    let mut sorted: Vec<_> = came.iter().map(|at| fields[*at]).collect();
    sorted.push((ORDER, Value::Array(bump.alloc_slice_copy(&positions))));
    Object(bump.alloc_slice_copy(&sorted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_digits_come_back() {
        let names: Vec<String> = (0..40).map(|number| format!("k{}", (number * 7) % 40)).collect();
        for count in [1, 3, 32, 33, 40] {
            let came: Vec<_> = names[..count]
                .iter()
                .map(|name| (name.as_str(), Value::Digits("1e-400")))
                .collect();
            let arena = Arena::new();
            let object = object(came.clone(), &arena);
            assert!(object.iter().eq(came.iter().copied()), "{count}");
            assert!(
                came.iter().all(|(key, value)| object.get(key) == Some(*value)),
                "{count}"
            );
            let json = serde_json::to_value(Carried(&Value::Object(object))).expect("serializes");
            let back = fields(json.as_object().expect("an object"));
            let back = back.iter().map(|(key, value)| (*key, value.as_str().and_then(digits)));
            assert!(back.eq(came.iter().map(|(key, _)| (*key, Some("1e-400")))), "{count}");
        }
    }
}
