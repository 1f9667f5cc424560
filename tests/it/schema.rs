//! A checker for the part of JSON Schema that the OpenAPI document uses. Any other keyword is an error, so that nothing is silently left
//! unchecked.

use serde_json::{Map, Value, json};

/// The keywords that are checked, and those that do not constrain a value.
const KEYWORDS: [&str; 16] = [
    "$ref",
    "additionalProperties",
    "allOf",
    "description",
    "enum",
    "example",
    "format",
    "items",
    "maxLength",
    "maximum",
    "minLength",
    "minimum",
    "oneOf",
    "properties",
    "required",
    "type",
];

/// Checks a value against a schema; the error contains the difference and its position. Fields that no schema names are errors.
pub(crate) fn check(document: &Value, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    let keywords = schema
        .as_object()
        .ok_or_else(|| format!("{place}: no schema: {schema}"))?;
    if let Some(unknown) = keywords.keys().find(|keyword| !KEYWORDS.contains(&keyword.as_str())) {
        return Err(format!("{place}: the keyword `{unknown}` is not checked here"));
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = resolve(document, reference).ok_or_else(|| format!("{place}: `{reference}` leads nowhere"))?;
        return check(document, schema, value, place);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let tried: Vec<_> = choices
            .iter()
            .map(|choice| check(document, choice, value, place))
            .collect();
        return match tried.iter().filter(|tried| tried.is_ok()).count() {
            1 => Ok(()),
            fitting => Err(format!("{place}: {fitting} of the choices: {tried:?}")),
        };
    }
    if let Some(kind) = schema.get("type") {
        let kinds = kind.as_array().map_or_else(
            || vec![kind.as_str()],
            |kinds| kinds.iter().map(Value::as_str).collect(),
        );
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        if !kinds.contains(&Some(is)) {
            return Err(format!("{place}: {is} instead of {kinds:?}"));
        }
    }
    if let Some(allowed) = schema["enum"].as_array().filter(|allowed| !allowed.contains(value)) {
        return Err(format!("{place}: {value} is none of {allowed:?}"));
    }
    // The fractions of the API, such as rates, have no bounds.
    if let Some(number) = value.as_number().filter(|number| !number.is_f64()) {
        let number = number
            .as_i128()
            .ok_or_else(|| format!("{place}: {number} is no integer"))?;
        let bound = |keyword: &str| schema[keyword].as_number().and_then(serde_json::Number::as_i128);
        let format = match schema["format"].as_str() {
            Some("int32") => i128::from(i32::MAX),
            Some("int64") | None => i128::from(u64::MAX),
            Some(other) => return Err(format!("{place}: the format `{other}` is not checked here")),
        };
        let (least, most) = (
            bound("minimum").unwrap_or(i128::MIN),
            bound("maximum").unwrap_or(format).min(format),
        );
        if !(least..=most).contains(&number) {
            return Err(format!("{place}: {number} is not between {least} and {most}"));
        }
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count() as u64;
        let (least, most) = (
            schema["minLength"].as_u64().unwrap_or(0),
            schema["maxLength"].as_u64().unwrap_or(u64::MAX),
        );
        if !(least..=most).contains(&length) {
            return Err(format!(
                "{place}: {length} characters are not between {least} and {most}"
            ));
        }
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        check(document, &schema["items"], item, &format!("{place}[{number}]"))?;
    }
    match value.as_object() {
        Some(fields) => check_fields(document, schema, fields, place),
        None => Ok(()),
    }
}

/// Resolves a reference within the document.
pub(crate) fn resolve<'d>(document: &'d Value, reference: &str) -> Option<&'d Value> {
    document.pointer(reference.strip_prefix('#')?)
}

fn check_fields(document: &Value, schema: &Value, fields: &Map<String, Value>, place: &str) -> Result<(), String> {
    let (mut known, mut required) = (Map::new(), Vec::new());
    collect(document, schema, &mut known, &mut required);
    if let Some(missing) = required.iter().find(|name| !fields.contains_key(*name)) {
        return Err(format!("{place}: no `{missing}`"));
    }
    for (name, value) in fields {
        let field = known
            .get(name)
            .ok_or_else(|| format!("{place}: `{name}` is not in the document"))?;
        check(document, field, value, &format!("{place}.{name}"))?;
    }
    Ok(())
}

/// Collects the fields of an object schema, including the fields of its `allOf` parts.
fn collect(document: &Value, schema: &Value, known: &mut Map<String, Value>, required: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = resolve(document, reference).expect("a schema");
        return collect(document, schema, known, required);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        collect(document, part, known, required);
    }
    known.extend(schema["properties"].as_object().cloned().unwrap_or_default());
    let names = schema["required"].as_array().into_iter().flatten();
    required.extend(names.filter_map(Value::as_str).map(str::to_owned));
}

/// Returns the schemas of an answer by their content types; an operation has to list every status that occurs.
pub(crate) fn answers<'d>(
    document: &'d Value,
    operation: &'d Value,
    status: u16,
) -> Result<&'d Map<String, Value>, String> {
    let response = operation["responses"]
        .get(status.to_string())
        .ok_or_else(|| format!("the status {status} is not in the document"))?;
    let response = match response["$ref"].as_str() {
        Some(reference) => resolve(document, reference).ok_or_else(|| format!("`{reference}` leads nowhere"))?,
        None => response,
    };
    response["content"]
        .as_object()
        .ok_or_else(|| format!("{status}: no content in {response}"))
}

#[test]
fn the_checker_finds_differences() {
    let document = json!({"components": {"schemas": {
        "A": {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 3}, "b": {"type": ["string", "null"], "maxLength": 2}}},
    }}});
    let schema = json!({"$ref": "#/components/schemas/A"});
    let fits = |value: Value| check(&document, &schema, &value, "it").is_ok();
    assert!(fits(json!({"a": 1})) && fits(json!({"a": 1, "b": null})));
    for wrong in [
        json!({}),
        json!({"a": "1"}),
        json!({"a": 1, "c": 1}),
        json!({"a": 1, "b": 2}),
        json!({"a": -1}),
        json!({"a": 4}),
        json!({"a": 1.5}),
        json!({"a": 1, "b": "three"}),
        json!([]),
    ] {
        assert!(!fits(wrong.clone()), "{wrong}");
    }
    let unknown = json!({"type": "integer", "multipleOf": 2});
    assert!(
        check(&document, &unknown, &json!(2), "it").is_err(),
        "what is not checked does not pass"
    );
}
