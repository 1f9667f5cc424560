//! [`Merged`]: several JSON objects as one, without a copy of any.

use std::collections::HashMap;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::json::Json;

/// Layers of data, each merged over the one before: objects merge deeply, any other value (`null` too) replaces. A key keeps the
/// position of its first occurrence.
///
/// The layers are merged while they are serialized into the arena of a render, so no merged copy has to be kept, bounded and
/// invalidated.
pub(super) struct Merged<'d>(pub(super) Vec<&'d Json>);

impl Serialize for Merged<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The last layer that is not an object replaces all layers before it.
        let covered = self.0.iter().rposition(|layer| layer.as_object().is_none());
        let objects = &self.0[covered.map_or(0, |at| at + 1)..];
        match (objects, covered) {
            ([], Some(at)) => self.0[at].serialize(serializer),
            ([object], _) => object.serialize(serializer),
            (objects, _) => {
                let mut fields: Vec<(&str, Vec<&Json>)> = Vec::new();
                let mut positions: HashMap<&str, usize> = HashMap::new();
                for (key, value) in objects.iter().filter_map(|layer| layer.as_object()).flatten() {
                    let at = *positions.entry(key).or_insert(fields.len());
                    match fields.get_mut(at) {
                        Some((_, layers)) => layers.push(value),
                        None => fields.push((key, vec![value])),
                    }
                }
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (key, layers) in fields {
                    map.serialize_entry(key, &Merged(layers))?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_merge_and_other_values_replace() {
        for (layers, expected) in [
            (vec![], json!({})),
            (vec![json!({"a": 1})], json!({"a": 1})),
            (
                vec![json!({"a": 1, "b": 2}), json!({"b": 3, "c": 4})],
                json!({"a": 1, "b": 3, "c": 4}),
            ),
            (
                vec![json!({"p": {"title": "x", "lang": "en"}}), json!({"p": {"title": "y"}})],
                json!({"p": {"title": "y", "lang": "en"}}),
            ),
            (vec![json!({"a": [1, 2]}), json!({"a": [3]})], json!({"a": [3]})),
            (vec![json!({"a": {"b": 1}}), json!({"a": null})], json!({"a": null})),
            (
                vec![json!({"a": {"b": 1}}), json!({"a": 5}), json!({"a": {"c": 2}})],
                json!({"a": {"c": 2}}),
            ),
            (
                vec![
                    json!({"a": {"b": {"x": 1}}}),
                    json!({"a": {"b": {"y": 2}}}),
                    json!({"a": {"b": {"x": 3}}}),
                ],
                json!({"a": {"b": {"x": 3, "y": 2}}}),
            ),
        ] {
            let layers: Vec<Json> = layers.iter().map(|layer| read(&layer.to_string())).collect();
            let merged = serde_json::to_value(Merged(layers.iter().collect())).expect("serializes");
            assert_eq!(merged, expected, "{layers:?}");
        }
    }

    fn read(text: &str) -> Json {
        Json::read(text, 0).expect("JSON").0
    }

    #[test]
    fn keys_keep_their_first_position() {
        let layers = [r#"{"z":1,"p":{"y":1,"b":2}}"#, r#"{"a":2,"p":{"c":3,"y":4},"z":5}"#].map(read);
        let merged = serde_json::to_string(&Merged(layers.iter().collect())).expect("serializes");
        assert_eq!(merged, r#"{"z":5,"p":{"y":4,"b":2,"c":3},"a":2}"#);
    }
}
