//! [`Shape`]: the values that a JSON Schema allows at a place, as far as it matters which fields they have.
//!
//! The rules are those of JSON Schema, with one difference: an object that lists `properties` has no others, unless `additionalProperties`
//! or `patternProperties` allow them. A schema that a program writes lists what the program provides. Where a schema says nothing, or refers
//! to another document, which is never fetched, everything is allowed.

use serde_json::Value;

/// References that are followed one after the other.
const REFERENCES_MAX: usize = 32;
/// Alternatives of one place.
const ALTERNATIVES_MAX: usize = 256;

/// The schemas of a value; it fits one of them. Without any, everything is possible.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape<'s> {
    root: &'s Value,
    schemas: Vec<&'s Value>,
}

/// The result of a step into a value.
#[derive(Debug, PartialEq)]
pub(super) enum Step<'s> {
    /// There is a field or an item.
    Found {
        shape: Shape<'s>,
        /// True if the schema allows values without it.
        may_be_absent: bool,
    },
    /// No value has it. These are the fields that there are.
    Missing(Vec<&'s str>),
}

impl<'s> Shape<'s> {
    /// Returns the shape of a whole schema.
    pub(super) fn of(schema: &'s Value) -> Self {
        Self {
            root: schema,
            schemas: vec![schema],
        }
    }

    /// Returns the shape of which nothing is known.
    pub(super) fn unknown(root: &'s Value) -> Self {
        Self {
            root,
            schemas: Vec::new(),
        }
    }

    /// Returns the addresses of the schemas, by which two shapes are compared.
    pub(super) fn key(&self) -> Vec<usize> {
        self.schemas
            .iter()
            .map(|schema| std::ptr::from_ref(*schema) as usize)
            .collect()
    }

    fn with(&self, schemas: Vec<&'s Value>) -> Self {
        Self {
            root: self.root,
            schemas,
        }
    }

    /// Steps into a field of an object, or an item of an array.
    pub(super) fn step(&self, name: &str) -> Step<'s> {
        let mut leaves = Vec::new();
        for schema in &self.schemas {
            self.flatten(schema, 0, &mut leaves);
        }
        let unknown = Step::Found {
            shape: Self::unknown(self.root),
            may_be_absent: false,
        };
        let (mut found, mut known) = (Vec::new(), Vec::new());
        let (mut is_open, mut may_be_absent) = (leaves.is_empty(), false);
        for leaf in leaves {
            match Self::fields(leaf, name) {
                Fields::Has { schema, is_required } => {
                    found.push(schema);
                    may_be_absent |= !is_required;
                }
                Fields::Any => is_open = true,
                Fields::Others(names) => known.extend(names),
                Fields::None => {}
            }
        }
        match (found.is_empty(), is_open) {
            (false, _) => Step::Found {
                shape: self.with(found),
                may_be_absent,
            },
            (true, true) => unknown,
            (true, false) => {
                known.sort_unstable();
                known.dedup();
                Step::Missing(known)
            }
        }
    }

    /// Returns the shape of each item of an array.
    pub(super) fn items(&self) -> Self {
        let mut leaves = Vec::new();
        for schema in &self.schemas {
            self.flatten(schema, 0, &mut leaves);
        }
        let mut items = Vec::new();
        for leaf in leaves {
            items.extend(leaf["prefixItems"].as_array().into_iter().flatten());
            items.extend(Some(&leaf["items"]).filter(|items| items.is_object()));
        }
        self.with(items)
    }

    /// Adds the schemas that a schema consists of: references are followed, and parts and alternatives are taken apart.
    fn flatten(&self, schema: &'s Value, references: usize, leaves: &mut Vec<&'s Value>) {
        if references > REFERENCES_MAX || leaves.len() >= ALTERNATIVES_MAX {
            leaves.push(&Value::Bool(true));
            return;
        }
        let before = leaves.len();
        if let Some(reference) = schema["$ref"].as_str() {
            match reference
                .strip_prefix('#')
                .and_then(|pointer| self.root.pointer(pointer))
            {
                Some(target) => self.flatten(target, references + 1, leaves),
                None => leaves.push(&Value::Bool(true)),
            }
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            let parts = schema[key].as_array().into_iter().flatten();
            // A part that only adds conditions says nothing about fields.
            let parts = parts.filter(|part| key != "allOf" || says_something(part));
            parts.for_each(|part| self.flatten(part, references + 1, leaves));
        }
        // Fields that exist under a condition are possible.
        let conditional = ["then", "else"].into_iter().filter_map(|key| schema.get(key));
        let dependent = ["dependentSchemas", "dependencies"]
            .into_iter()
            .filter_map(|key| schema[key].as_object());
        let parts = conditional.chain(dependent.flat_map(|parts| parts.values()));
        let parts = parts.filter(|part| says_something(part));
        parts.for_each(|part| self.flatten(part, references + 1, leaves));
        if leaves.len() == before
            || ["properties", "items", "prefixItems", "additionalProperties"]
                .iter()
                .any(|key| !schema[key].is_null())
        {
            leaves.push(schema);
        }
    }

    /// Returns what one schema says about a field.
    fn fields<'f>(schema: &'f Value, name: &str) -> Fields<'f> {
        if let Some(field) = schema["properties"].get(name) {
            let required = schema["required"].as_array();
            let is_required = |required: &Vec<Value>| required.iter().any(|field| field == name);
            return Fields::Has {
                schema: field,
                // Without a list, nothing is said about what is always there.
                is_required: required.is_none_or(is_required),
            };
        }
        let others = &schema["additionalProperties"];
        if others.is_object() {
            return Fields::Has {
                schema: others,
                is_required: true,
            };
        }
        if *others == Value::Bool(true)
            || schema["patternProperties"].is_object()
            || matches!(schema["unevaluatedProperties"], Value::Bool(true) | Value::Object(_))
        {
            return Fields::Any;
        }
        if let Some(properties) = schema["properties"].as_object() {
            return Fields::Others(properties.keys().map(String::as_str).collect());
        }
        let kinds = match &schema["type"] {
            Value::String(kind) => vec![kind.as_str()],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let is_kind = |wanted: &str| kinds.contains(&wanted);
        if is_kind("array") || !schema["items"].is_null() || !schema["prefixItems"].is_null() {
            let item = schema["prefixItems"].get(name.parse::<usize>().unwrap_or(usize::MAX));
            let item = item.or(Some(&schema["items"]).filter(|items| items.is_object()));
            return match (name.parse::<usize>(), item) {
                (Ok(_), Some(item)) => Fields::Has {
                    schema: item,
                    is_required: true,
                },
                (Ok(_), None) => Fields::Any,
                (Err(_), _) => Fields::None,
            };
        }
        let is_scalar = |kind: &&str| matches!(*kind, "string" | "number" | "integer" | "boolean" | "null");
        if is_kind("string") && name.parse::<usize>().is_ok() {
            // A character.
            return Fields::Any;
        }
        match !kinds.is_empty() && kinds.iter().all(is_scalar) {
            true => Fields::None,
            false if *others == Value::Bool(false) => Fields::None,
            false => Fields::Any,
        }
    }
}

/// The statement of one schema about a field.
enum Fields<'s> {
    /// The schema of the field.
    Has { schema: &'s Value, is_required: bool },
    /// Every field is possible.
    Any,
    /// There are only these fields.
    Others(Vec<&'s str>),
    /// There is no field at all.
    None,
}

/// Returns true if a schema says which fields there are.
fn says_something(schema: &Value) -> bool {
    let keys = [
        "$ref",
        "allOf",
        "anyOf",
        "oneOf",
        "properties",
        "additionalProperties",
        "patternProperties",
        "items",
        "prefixItems",
        "type",
        "then",
        "else",
        "dependentSchemas",
    ];
    keys.iter().any(|key| !schema[key].is_null())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Returns what is found at a path: the number of schemas, with `?` if it may be absent, or the fields that there are.
    fn described(schema: &Value, path: &str) -> String {
        let mut shape = Shape::of(schema);
        let mut absent = false;
        for name in path.split('.') {
            if name == "*" {
                shape = shape.items();
                continue;
            }
            match shape.step(name) {
                Step::Found {
                    shape: next,
                    may_be_absent,
                } => {
                    shape = next;
                    absent |= may_be_absent;
                }
                Step::Missing(known) => return known.join(","),
            }
        }
        format!("{}{}", shape.schemas.len(), if absent { "?" } else { "" })
    }

    #[test]
    fn paths_are_found_in_schemas() {
        let text = json!({ "type": "string" });
        let user = json!({ "type": "object", "properties": { "name": text, "nick": text }, "required": ["name"] });
        let cases = [
            (json!(true), "a.b", "0"),
            (json!({}), "a.b", "0"),
            (json!({ "type": "object" }), "a.b", "0"),
            (user.clone(), "name", "1"),
            (user.clone(), "nick", "1?"),
            (user.clone(), "nmae", "name,nick"),
            (user.clone(), "name.length", ""),
            (json!({ "properties": { "u": user } }), "u.mail", "name,nick"),
            (json!({ "properties": { "u": { "items": user } } }), "u.*.name", "1"),
            (
                json!({ "properties": { "u": { "items": user } } }),
                "u.*.mail",
                "name,nick",
            ),
            (json!({ "properties": { "u": { "items": user } } }), "u.0.name", "1"),
            (json!({ "properties": { "u": { "items": user } } }), "u.name", ""),
            (
                json!({ "properties": { "u": { "prefixItems": [text, user] } } }),
                "u.1.name",
                "1",
            ),
            (json!({ "properties": {}, "additionalProperties": true }), "a.b", "0"),
            (
                json!({ "properties": { "a": text }, "additionalProperties": user }),
                "b.name",
                "1",
            ),
            (
                json!({ "properties": { "a": text }, "additionalProperties": false }),
                "b",
                "a",
            ),
            (
                json!({ "properties": {}, "patternProperties": { "^x": text } }),
                "x1",
                "0",
            ),
            (json!({ "$ref": "#/$defs/u", "$defs": { "u": user } }), "name", "1"),
            (
                json!({ "$ref": "#/$defs/u", "$defs": { "u": user } }),
                "mail",
                "name,nick",
            ),
            (json!({ "$ref": "https://example.com/user.json" }), "mail", "0"),
            (json!({ "$ref": "#" }), "a", "0"),
            (json!({ "$ref": "#/nowhere" }), "a", "0"),
            (json!({ "anyOf": [user, { "type": "null" }] }), "name", "1"),
            (json!({ "anyOf": [user, { "type": "null" }] }), "mail", "name,nick"),
            (json!({ "anyOf": [user, true] }), "mail", "0"),
            (
                json!({ "oneOf": [user, { "properties": { "mail": text } }] }),
                "mail",
                "1",
            ),
            (
                json!({ "allOf": [user, { "required": ["nick"] }], "properties": { "mail": text } }),
                "mail",
                "1",
            ),
            (
                json!({ "allOf": [user, { "required": ["nick"] }], "properties": { "mail": text } }),
                "fax",
                "mail,name,nick",
            ),
            (
                json!({ "properties": { "next": { "$ref": "#" }, "v": text } }),
                "next.next.next.v",
                "1",
            ),
            (text.clone(), "0", "0"),
            (
                json!({ "properties": { "a": text }, "then": { "properties": { "b": text } } }),
                "b",
                "1",
            ),
            (
                json!({ "properties": { "a": text }, "allOf": [{ "else": { "properties": { "b": text } } }] }),
                "b",
                "1",
            ),
            (
                json!({ "properties": { "a": text }, "then": { "required": ["a"] } }),
                "b",
                "a",
            ),
            (
                json!({ "properties": { "a": text }, "dependentSchemas": { "a": { "properties": { "b": text } } } }),
                "b",
                "1",
            ),
            (
                json!({ "properties": { "a": text }, "unevaluatedProperties": true }),
                "b",
                "0",
            ),
            (
                json!({ "properties": { "next": { "$ref": "#" }, "v": text } }),
                "next.next.w",
                "next,v",
            ),
        ];
        for (schema, path, expected) in cases {
            assert_eq!(described(&schema, path), expected, "{path} in {schema}");
        }
    }
}
