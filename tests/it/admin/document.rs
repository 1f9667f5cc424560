//! Every answer conforms to the OpenAPI document and has no field that the document lacks.

use serde_json::json;

use super::{SHOP, Served};
use crate::schema::{answers, check};

#[test]
fn answers_conform_to_the_document() {
    let served = Served::with(&SHOP, Some("secret"), |admin| admin.hook_secret("known"));
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
        let operation = &document["paths"][path][method];
        let schemas =
            answers(&document, operation, expected).unwrap_or_else(|wrong| panic!("{method} {path}: {wrong}"));
        let content_type = answer.header("content-type").expect("a content type");
        let content_type = content_type.split(';').next().expect("one");
        let schema = schemas.get(content_type).map(|content| &content["schema"]);
        let schema = schema.unwrap_or_else(|| panic!("{method} {at}: `{content_type}` is not in the document"));
        if content_type.ends_with("json") && !path.ends_with("openapi.json") {
            check(&document, schema, &answer.json(), at).unwrap_or_else(|wrong| panic!("{method} {wrong}"));
        }
        asked.insert(format!("{method} {path}"));
    };
    let v1 = |path: &str| format!("/admin/v1/{path}");
    // Every kind of field has a value: there is a failure, a stale template, a broken one and a warning.
    served.hotplate.render("index.html", &json!({})).expect_err("no title");
    served.edit("part/foot.html", "{{ if x }}");
    served.edit("never.html", "{{ call nobody.html with x }}");
    served.edit("warned.html", "<a href={x}>");
    for path in [
        "health/live",
        "health/ready",
        "health",
        "visitors",
        "instance",
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
        &v1("templates?content=true&status=stale"),
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
    ask("get", &v1("diff"), &v1("diff?from=1&to=source&content=true"), "", 200);
    ask("get", &v1("leaks"), &v1("leaks"), "", 200);
    for path in ["stages", "shadow", "tenants"] {
        ask("get", &v1(path), &v1(path), "", 200);
    }
    let of_stage = v1("stages/{stage}/{action}");
    ask("post", &of_stage, &v1("stages/canary/promote"), "{}", 422);
    ask("post", &of_stage, &v1("stages/canary/abort"), r#"{"by":"alice"}"#, 200);
    ask("post", &of_stage, &v1("stages/canary/resume"), "{}", 200);
    ask("get", &v1("diff"), &v1("diff?from=x"), "", 400);
    ask("get", &v1("graph"), &v1("graph?around=nobody.html&depth=1"), "", 200);
    ask("get", &v1("log-level"), &v1("log-level"), "", 404);
    ask("put", &v1("log-level"), &v1("log-level"), r#"{"filter":"info"}"#, 404);
    ask("post", &v1("reset"), &v1("reset"), r#"{"actor":"engine"}"#, 200);
    ask("post", &v1("reset"), &v1("reset"), r#"{"actor":"nobody"}"#, 422);
    ask("post", &v1("hooks/{loader}"), &v1("hooks/0"), "", 401);
    ask("post", &v1("reload"), &v1("reload"), "", 200);
    ask("post", &v1("rollback"), &v1("rollback"), r#"{"to":1}"#, 200);
    ask("post", &v1("rollback"), &v1("rollback"), r#"{"too":1}"#, 400);
    ask("get", &v1("versions"), &v1("versions"), "", 200);
    ask("post", &v1("resume"), &v1("resume"), "", 200);

    let edits =
        r#"{"edits":{"index.html":"{{ for x in y }}{x}{{ endfor }}","part/foot.html":"{{ if }}","warned.html":null}}"#;
    ask("post", &v1("previews"), &v1("previews"), edits, 201);
    ask(
        "post",
        &v1("previews"),
        &v1("previews"),
        r#"{"edits":{"../x.html":""}}"#,
        422,
    );
    ask("get", &v1("previews"), &v1("previews"), "", 200);
    let id = served.get_json("/admin/v1/previews")["previews"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    for (id, status) in [(id.as_str(), 200), ("nothing", 404)] {
        ask("get", &v1("previews/{id}"), &v1(&format!("previews/{id}")), "", status);
        let render = &v1("previews/{id}/render/{name}");
        for (data, name, expected) in [
            (r#"{"y":[1]}"#, "index.html", status),
            (r#"{"y":1}"#, "index.html", status.max(422)),
            (r#"{"y":1}"#, "nothing.html", 404),
        ] {
            let expected = if status == 404 { 404 } else { expected };
            let at = v1(&format!("previews/{id}/render/{name}"));
            ask("post", render, &at, &format!(r#"{{"data":{data}}}"#), expected);
            ask(
                "get",
                render,
                &format!("{at}?data={}", data.replace('"', "%22")),
                "",
                expected,
            );
        }
        ask(
            "delete",
            &v1("previews/{id}"),
            &v1(&format!("previews/{id}")),
            "",
            status,
        );
    }

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
