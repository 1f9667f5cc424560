//! Reads the JSON that an instance sends. The instance may be another version of hotplate, so every field may be absent.

use serde_json::Value;

use super::names;

/// Returns the items of a list; nothing if there is no list.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Returns names for a sentence, of which only some may be listed; `None` if there are none.
pub(crate) fn sample(sample: &Value) -> Option<String> {
    let count = usize::try_from(sample["count"].as_u64()?).ok()?;
    let listed: Vec<&str> = list(&sample["names"]).iter().filter_map(Value::as_str).collect();
    (count > 0).then(|| names::sample(&listed, count))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_that_are_not_listed_are_counted() {
        for (value, expected) in [
            (json!({}), None),
            (json!({ "count": 0, "names": [] }), None),
            (json!({ "count": 3 }), Some("3 templates")),
            (json!({ "count": 2, "names": ["a", "b"] }), Some("a and b")),
            (json!({ "count": 5, "names": ["a", "b"] }), Some("a, b and 3 more")),
        ] {
            assert_eq!(sample(&value).as_deref(), expected, "{value}");
        }
    }
}
