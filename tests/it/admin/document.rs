//! Every answer is what the OpenAPI document says, and says nothing that is not in it.

use serde_json::{Value, json};

use super::{SHOP, Served};

/// What does not fit, and where.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        let schema = document
            .pointer(pointer)
            .ok_or_else(|| format!("{place}: `{reference}` leads nowhere"))?;
        return check(document, schema, value, place);
    }
    if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        let tried: Vec<_> = choices
            .iter()
            .map(|choice| check(document, choice, value, place))
            .collect();
        return match tried.iter().any(Result::is_ok) {
            true => Ok(()),
            false => Err(format!("{place}: none of the choices: {tried:?}")),
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
    if let Some(items) = value.as_array() {
        for (number, item) in items.iter().enumerate() {
            check(document, &schema["items"], item, &format!("{place}[{number}]"))?;
        }
    }
    match value.as_object() {
        Some(fields) => check_fields(document, schema, fields, place),
        None => Ok(()),
    }
}

fn check_fields(
    document: &Value,
    schema: &Value,
    fields: &serde_json::Map<String, Value>,
    place: &str,
) -> Result<(), String> {
    let (mut known, mut required) = (serde_json::Map::new(), Vec::new());
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

/// The fields of an object, those of its parts included.
fn collect(document: &Value, schema: &Value, known: &mut serde_json::Map<String, Value>, required: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document.pointer(reference.trim_start_matches('#')).expect("a schema");
        return collect(document, schema, known, required);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        collect(document, part, known, required);
    }
    known.extend(schema["properties"].as_object().cloned().unwrap_or_default());
    let names = schema["required"].as_array().into_iter().flatten();
    required.extend(names.filter_map(Value::as_str).map(str::to_owned));
}

/// The schema of an answer.
fn schema_of(document: &Value, method: &str, path: &str, status: u16) -> (Value, String) {
    let operation = &document["paths"][path][method];
    assert!(operation.is_object(), "{method} {path} is not in the document");
    let responses = &operation["responses"];
    let response = responses.get(status.to_string()).unwrap_or(&responses["default"]);
    let response = match response["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).expect("a response"),
        None => response,
    };
    let content = response["content"]
        .as_object()
        .unwrap_or_else(|| panic!("{method} {path} {status}: no content in {response}"));
    let (content_type, schema) = content.iter().next().expect("a content type");
    (schema["schema"].clone(), content_type.clone())
}

#[test]
fn answers_are_what_the_document_says() {
    let served = Served::with(&SHOP, Some("secret"), |admin| admin);
    let document = served.get_json("/admin/v1/openapi.json");
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.1"))
    );
    let mut asked = std::collections::BTreeSet::new();
    let mut ask = |method: &str, path: &str, at: &str, body: &str, expected: u16| {
        let answer = served.ask(
            &method.to_uppercase(),
            at,
            &[("content-type", "application/json")],
            body,
        );
        assert_eq!(answer.status, expected, "{method} {at}: {answer:?}");
        let (schema, content_type) = schema_of(&document, method, path, expected);
        let found = answer
            .header("content-type")
            .expect("a content type")
            .split(';')
            .next()
            .expect("one")
            .to_owned();
        assert_eq!(found, content_type, "{method} {at}");
        if content_type.ends_with("json") && !path.ends_with("openapi.json") {
            check(&document, &schema, &answer.json(), at).unwrap_or_else(|wrong| panic!("{method} {wrong}"));
        }
        asked.insert(format!("{method} {path}"));
    };
    let v1 = |path: &str| format!("/admin/v1/{path}");
    // Everything is there to be said: a failure, a stale entry, a broken one, a version that is held.
    served.hotplate.render("index.html", &json!({})).expect_err("no title");
    served.edit("part/foot.html", "{{ if x }}");
    served.edit("never.html", "{{ call nobody.html with x }}");
    served.edit("warned.html", "<a href={x}>");
    for path in [
        "health/live",
        "health/ready",
        "health",
        "metrics",
        "version",
        "versions",
        "templates",
        "graph",
        "openapi.json",
    ] {
        ask("get", &v1(path), &v1(path), "", 200);
    }
    ask(
        "get",
        &v1("templates"),
        &v1("templates?content=true&standing=stale"),
        "",
        200,
    );
    for template in ["index.html", "part/foot.html", "never.html", "warned.html"] {
        ask(
            "get",
            &v1("template/{name}"),
            &v1(&format!("template/{template}")),
            "",
            200,
        );
    }
    ask("get", &v1("template/{name}"), &v1("template/no/such.html"), "", 404);
    ask("get", &v1("diff"), &v1("diff?from=1&content=true"), "", 200);
    ask("get", &v1("diff"), &v1("diff?from=1&to=99"), "", 404);
    ask("get", &v1("diff"), &v1("diff?from=x"), "", 400);
    ask("get", &v1("graph"), &v1("graph?around=nobody.html&depth=1"), "", 200);
    ask("get", &v1("log-level"), &v1("log-level"), "", 404);
    ask("put", &v1("log-level"), &v1("log-level"), r#"{"filter":"info"}"#, 404);
    ask("post", &v1("reset"), &v1("reset"), r#"{"actor":"engine"}"#, 200);
    ask("post", &v1("reset"), &v1("reset"), r#"{"actor":"nobody"}"#, 422);
    ask("post", &v1("reload"), &v1("reload"), "", 200);
    ask("post", &v1("rollback"), &v1("rollback"), r#"{"to":1}"#, 200);
    ask("post", &v1("rollback"), &v1("rollback"), r#"{"too":1}"#, 400);
    ask("get", &v1("versions"), &v1("versions"), "", 200);
    ask("post", &v1("resume"), &v1("resume"), "", 200);

    let mut events = crate::wire::Events::listen(
        served.address(),
        "/admin/v1/events",
        &[("authorization", "Bearer secret")],
    );
    let schemas = &document["components"]["schemas"];
    let current = events.next_of("current").json();
    check(&document, &schemas["CurrentAnswer"], &current, "current").expect("fits");
    served.edit("part/foot.html", "{{ for }}");
    for (event, schema) in [("published", "PublicationAnswer"), ("fallback", "FallbackEvent")] {
        let told = events.next_of(event).json();
        check(&document, &schemas[schema], &told, event).unwrap_or_else(|wrong| panic!("{wrong}"));
    }
    asked.insert("get /admin/v1/events".into());

    let paths = document["paths"].as_object().expect("paths").iter();
    let documented = paths.flat_map(|(path, operations)| {
        let methods = operations.as_object().expect("operations").keys();
        methods.map(move |method| format!("{method} {path}"))
    });
    let untried: Vec<_> = documented.filter(|operation| !asked.contains(operation)).collect();
    assert_eq!(untried, Vec::<String>::new(), "documented and not asked here");
}

#[test]
fn the_checker_finds_what_does_not_fit() {
    let document = json!({"components": {"schemas": {
        "A": {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}, "b": {"type": ["string", "null"]}}},
    }}});
    let schema = json!({"$ref": "#/components/schemas/A"});
    let fits = |value: Value| check(&document, &schema, &value, "it").is_ok();
    assert!(fits(json!({"a": 1})) && fits(json!({"a": 1, "b": null})));
    for wrong in [
        json!({}),
        json!({"a": "1"}),
        json!({"a": 1, "c": 1}),
        json!({"a": 1, "b": 2}),
        json!([]),
    ] {
        assert!(!fits(wrong.clone()), "{wrong}");
    }
}
