//! Samples that are compared with the schema of their entry.

use serde_json::{Value, json};

use super::engine;

/// Returns the errors and warnings of `a.html` with a schema and a sample, each as `code message`.
fn findings_of_sample(text: &str, schema: &Value, sample: &Value) -> Vec<String> {
    let (hotplate, _) = engine(&[("a.html", text)], |builder| {
        builder.schema("a.html", schema.clone()).sample("a.html", sample)
    });
    let found = hotplate.diagnostics().into_iter().chain(hotplate.warnings());
    found.map(|found| format!("{} {}", found.code, found.message)).collect()
}

#[test]
fn samples_are_compared_with_the_schema_and_one_mistake_is_one_error() {
    let user = json!({
        "type": "object",
        "properties": { "name": { "type": "string" }, "age": { "type": "integer" } },
        "required": ["name"],
        "additionalProperties": false,
    });
    let schema = json!({ "type": "object", "properties": { "user": user, "far": { "$ref": "https://example.com/far.json" } }, "required": ["user"] });
    let good = json!({ "user": { "name": "N" }, "far": { "any": 1 } });
    let cases: [(&str, &str, Value, &[&str]); 9] = [
        ("all is well", "{user.name}", good.clone(), &[]),
        // The template has the wrong name: the schema and the sample lack it.
        (
            "a field of the template",
            "{user.nmae}",
            good,
            &["contract-missing-field there is no `nmae` in `user`"],
        ),
        // The sample has the wrong name: the schema refuses it twice, and its render would fail.
        (
            "a field of the sample",
            "{user.name}",
            json!({ "user": { "nmae": "N" } }),
            &[
                "sample-refused the schema of `a.html` refuses its sample at `/user`: the schema requires the field \"name\"",
            ],
        ),
        (
            "a wrong type",
            "{user.name}",
            json!({ "user": { "name": 1 } }),
            &["sample-refused the schema of `a.html` refuses its sample at `/user/name`: 1 is not of type"],
        ),
        (
            "two mistakes",
            "{user.name}",
            json!({ "user": { "name": 1, "age": "x" } }),
            &["/user/age", "/user/name"],
        ),
        (
            "a field too many",
            "{user.name}",
            json!({ "user": { "name": "N", "phone": 1 } }),
            &["at `/user`: Additional properties"],
        ),
        (
            "nothing",
            "{user.name}",
            json!({}),
            &["at its top level: the schema requires the field \"user\""],
        ),
        ("no object", "static", json!([1]), &["its top level"]),
        (
            "both are wrong",
            "{user.nmae}",
            json!({ "user": { "name": 1 } }),
            &["contract-missing-field", "sample-refused"],
        ),
    ];
    for (case, text, sample, expected) in cases {
        let found = findings_of_sample(text, &schema, &sample);
        assert_eq!(found.len(), expected.len(), "{case}: {found:?}");
        for part in expected {
            assert!(
                found.iter().any(|found| found.contains(part)),
                "{case}: {part} in {found:?}"
            );
        }
    }
    let broken = json!({ "type": "object", "properties": { "a": { "pattern": "(" } } });
    let found = findings_of_sample("static", &broken, &json!({ "a": "x" }));
    assert!(found.len() == 1 && found[0].contains("not compared"), "{found:?}");
}
