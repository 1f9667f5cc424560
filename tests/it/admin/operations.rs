//! Random requests for each operation of the OpenAPI document as it is served: valid requests, values at each bound and beyond it, and
//! requests that no client should send. Each answer conforms to the document.

use std::collections::BTreeSet;
use std::io::Write;

use hotplate::admin::AdminLimits;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::{Log, SHOP, Served};
use crate::schema::{answers, check};
use crate::wire::{Answer, connect, read};

const TOKEN: &str = "right-token";

/// An operation of the document.
struct Operation<'d> {
    method: String,
    path: &'d str,
    says: &'d Value,
    parameters: Vec<Parameter<'d>>,
    body: Option<&'d Value>,
}

struct Parameter<'d> {
    name: &'d str,
    place: &'d str,
    is_required: bool,
    schema: &'d Value,
}

/// A request to send.
#[derive(Debug, Clone)]
struct Request {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// The random choices from which a request is built.
#[derive(Debug, Clone)]
struct Choice {
    operation: Index,
    /// A value for each parameter, or none.
    parameters: Vec<Option<Index>>,
    body: Index,
    /// Usually the right type, because otherwise most requests would be refused at once.
    content_type: Option<Index>,
    token: Option<Index>,
    extra: Option<Index>,
}

fn choice() -> impl Strategy<Value = Choice> {
    let seldom = || proptest::option::weighted(0.2, any::<Index>());
    let parameters = proptest::collection::vec(proptest::option::weighted(0.7, any::<Index>()), 5);
    (any::<Index>(), parameters, any::<Index>(), seldom(), seldom(), seldom()).prop_map(
        |(operation, parameters, body, content_type, token, extra)| Choice {
            operation,
            parameters,
            body,
            content_type,
            token,
            extra,
        },
    )
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, says) in item.as_object().expect("operations") {
            let parameters = says["parameters"].as_array().into_iter().flatten();
            let parameters = parameters.map(|parameter| Parameter {
                name: parameter["name"].as_str().expect("a name"),
                place: parameter["in"].as_str().expect("a place"),
                is_required: parameter["required"] == true,
                schema: &parameter["schema"],
            });
            operations.push(Operation {
                method: method.to_uppercase(),
                path,
                says,
                parameters: parameters.collect(),
                body: says["requestBody"]["content"]
                    .get("application/json")
                    .map(|content| &content["schema"]),
            });
        }
    }
    operations
}

/// Returns values of a schema: first a valid one that exists here, then values at each bound and beyond, then values of other types.
fn values(document: &Value, name: &str, schema: &Value) -> Vec<Value> {
    if let Some(reference) = schema["$ref"].as_str() {
        return values(
            document,
            name,
            crate::schema::resolve(document, reference).expect("a schema"),
        );
    }
    let known = match name {
        "name" | "around" | "after" => json!("index.html"),
        "search" => json!("foot"),
        "actor" => json!("engine"),
        "filter" => json!("info"),
        "from" | "to" => json!(1),
        "depth" | "limit" => json!(2),
        "content" | "full" | "complete" | "render" => json!(true),
        "id" => json!("0123456789abcdef"),
        "data" => json!("{}"),
        "edits" => json!({"index.html": "new", "part/foot.html": null}),
        "status" => json!("current"),
        "Idempotency-Key" => json!("key-1"),
        "Last-Event-ID" => json!("1-1"),
        "If-Match" => json!("*"),
        "loader" => json!("0"),
        "stage" => json!("canary"),
        "action" => json!("promote"),
        "force" => json!(true),
        "tenant" => json!("acme"),
        // The HMAC-SHA256 of an empty body with the secret of `served`.
        "X-Hotplate-Signature" | "X-Hub-Signature-256" => {
            json!("sha256=18779e58332025799a6725dc239901454271990afeca03f2164c62c365a47098")
        }
        "X-Gitlab-Token" => json!("known"),
        "by" => json!("alice"),
        "reason" => json!("incident 4711"),
        other => panic!("no value is known for `{other}`: add one"),
    };
    let mut values = vec![known];
    values.extend(schema["enum"].as_array().into_iter().flatten().cloned());
    let bound = |keyword: &str| schema[keyword].as_u64();
    let bounds = ["minimum", "maximum"].into_iter().filter_map(bound);
    for bound in bounds {
        values.extend([
            json!(bound.saturating_sub(1)),
            json!(bound),
            json!(bound.saturating_add(1)),
        ]);
    }
    let lengths = ["minLength", "maxLength"].into_iter().filter_map(bound);
    for length in lengths {
        let text = |length: u64| json!("x".repeat(usize::try_from(length).expect("a length")));
        values.extend([text(length.saturating_sub(1)), text(length), text(length + 1)]);
    }
    values.extend([
        json!(""),
        json!("x"),
        json!("é ü 漢"),
        json!("../../etc/passwd"),
        json!("a/b/c.html"),
        json!("\u{0}"),
        json!("x".repeat(4_000)),
        json!("!"),
        json!(0),
        json!(-1),
        json!(1.0),
        json!(1.5),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e300),
        json!(true),
        json!(null),
        json!([]),
        json!({"a": 1}),
    ]);
    values
}

/// Texts in a query or a path that encode no valid value.
const STRANGE: [&str; 7] = ["%FF%FE", "%00", "%", "%zz", "+%2B", "%C3%A9", "%2e%2e%2f"];

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let encoded = text.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    encoded.collect()
}

/// Returns the text of a value in a path, a query or a header.
fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns bodies for a schema, of which the first is valid.
fn bodies(document: &Value, schema: &Value) -> Vec<Vec<u8>> {
    // A body that may be absent is one of `null` and a named schema.
    let choices = schema["oneOf"]
        .as_array()
        .map_or(std::slice::from_ref(schema), Vec::as_slice);
    let reference = choices.iter().find_map(|schema| schema["$ref"].as_str());
    let reference = reference.expect("a schema with a name");
    let schema = crate::schema::resolve(document, reference).expect("a schema");
    let fields = schema["properties"].as_object().expect("fields");
    let valid = fields
        .iter()
        .map(|(name, field)| (name.clone(), values(document, name, field)[0].clone()));
    let valid: serde_json::Map<String, Value> = valid.collect();
    let mut bodies = vec![json!(valid)];
    for (name, field) in fields {
        let mut without = valid.clone();
        without.remove(name);
        bodies.push(json!(without));
        for value in values(document, name, field) {
            let mut with = valid.clone();
            with.insert(name.clone(), value);
            bodies.push(json!(with));
        }
    }
    let mut more = valid.clone();
    more.insert("unknown".to_owned(), json!(1));
    bodies.extend([json!(more), json!([valid]), json!(null), json!("text"), json!(1)]);
    let mut bodies: Vec<Vec<u8>> = bodies.iter().map(|body| body.to_string().into_bytes()).collect();
    bodies.extend([
        Vec::new(),
        b"{".to_vec(),
        b"\xff\xfe{}".to_vec(),
        b"{\"\xff\": 1}".to_vec(),
        "[".repeat(10_000).into_bytes(),
        " ".repeat(64 * 1024 + 1).into_bytes(),
        "x".repeat(64 * 1024).into_bytes(),
    ]);
    bodies
}

const CONTENT_TYPES: [&[u8]; 6] = [
    b"application/json; charset=utf-8",
    b"APPLICATION/JSON",
    b"text/plain",
    b"application/jsonx",
    b"",
    b"\xff",
];

const TOKENS: [&[u8]; 7] = [
    b"Bearer wrong",
    b"Bearer",
    b"Bearer ",
    b"Basic cmlnaHQtdG9rZW4=",
    b"right-token",
    b"Bearer right-token right-token",
    b"\xff\xfe",
];

/// Headers that no operation knows, or that name the origin of a request.
const EXTRAS: [(&str, &[u8]); 8] = [
    ("x-unknown", b"1"),
    ("accept", b"text/html"),
    ("accept", b"\xff"),
    ("host", b"evil.example"),
    ("origin", b"http://evil.example"),
    ("sec-fetch-site", b"cross-site"),
    ("if-none-match", b"*"),
    ("range", b"bytes=0-1"),
];

/// Builds a request from choices, or the valid one.
fn request(document: &Value, operation: &Operation<'_>, choice: Option<&Choice>) -> Request {
    let (mut path, mut query, mut headers) = (operation.path.to_owned(), Vec::new(), Vec::new());
    for (number, parameter) in operation.parameters.iter().enumerate() {
        let values = values(document, parameter.name, parameter.schema);
        let mut texts: Vec<String> = values.iter().map(written).collect();
        let is_header = parameter.place == "header";
        if !is_header {
            texts = texts
                .iter()
                .map(|text| encoded(text))
                .chain(STRANGE.map(str::to_owned))
                .collect();
        }
        let chosen = match choice {
            None => Some(&texts[0]),
            Some(choice) => choice.parameters[number].map(|index| index.get(&texts)),
        };
        match (parameter.place, chosen) {
            ("path", chosen) => path = path.replace(&format!("{{{}}}", parameter.name), chosen.map_or("", |text| text)),
            ("query", Some(text)) => query.push(format!("{}={text}", parameter.name)),
            // A zero byte is refused by the HTTP parser.
            ("header", Some(text)) if text.bytes().all(|byte| byte != 0) => {
                headers.push((parameter.name.to_owned(), text.clone().into_bytes()));
            }
            _ => {}
        }
    }
    if choice.is_some_and(|choice| choice.body.index(10) == 0) {
        query.push("unknown=1".to_owned());
    }
    let extra = choice.and_then(|choice| choice.extra).map(|index| *index.get(&EXTRAS));
    headers.extend(extra.map(|(name, value)| (name.to_owned(), value.to_vec())));
    if !headers.iter().any(|(name, _)| name == "host") {
        headers.push(("host".to_owned(), b"localhost".to_vec()));
    }
    let token = choice.and_then(|choice| choice.token);
    let right = format!("Bearer {TOKEN}").into_bytes();
    headers.push((
        "authorization".to_owned(),
        token.map_or(right, |index| index.get(&TOKENS).to_vec()),
    ));
    let mut body = Vec::new();
    if let Some(schema) = operation.body {
        let bodies = bodies(document, schema);
        body = choice.map_or(&bodies[0], |choice| choice.body.get(&bodies)).clone();
        let content_type = choice.and_then(|choice| choice.content_type);
        let content_type = content_type.map_or(&b"application/json"[..], |index| *index.get(&CONTENT_TYPES));
        headers.push(("content-type".to_owned(), content_type.to_vec()));
    }
    let query = if query.is_empty() {
        String::new()
    } else {
        format!("?{}", query.join("&"))
    };
    Request {
        method: operation.method.clone(),
        target: format!("{path}{query}"),
        headers,
        body,
    }
}

fn send(served: &Served, request: &Request) -> Answer {
    let mut bytes = format!(
        "{} {} HTTP/1.1\r\nconnection: close\r\n",
        request.method, request.target
    )
    .into_bytes();
    for (name, value) in &request.headers {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    bytes.extend(format!("content-length: {}\r\n\r\n", request.body.len()).bytes());
    bytes.extend(&request.body);
    let mut stream = connect(served.address());
    // The server does not read a body that is too large to its end.
    let _ = stream.write_all(&bytes);
    read(&mut stream)
}

/// Checks an answer against the document.
fn judge(document: &Value, operation: &Operation<'_>, answer: &Answer) -> Result<(), String> {
    let content_type = answer.header("content-type").unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or_default();
    if answer.status >= 500 {
        return Err("there is no reason for an error of the server".to_owned());
    }
    let contents = answers(document, operation.says, answer.status)?;
    let content = contents.get(content_type);
    let schema = &content.ok_or_else(|| format!("`{content_type}` is not in the document"))?["schema"];
    if content_type == "text/event-stream"
        || !content_type.ends_with("json")
        || operation.path.ends_with("openapi.json")
    {
        return Ok(());
    }
    let body = serde_json::from_str(&answer.body).map_err(|error| error.to_string())?;
    check(document, schema, &body, operation.path)
}

fn served() -> Served {
    let limits = AdminLimits {
        requests_per_second: 1_000_000,
        requests_burst: 1_000_000,
        unauthenticated_per_second: 1_000_000,
        unauthenticated_burst: 1_000_000,
        changes_per_second: 1_000_000,
        changes_burst: 1_000_000,
        ..AdminLimits::default()
    };
    let set = |admin: hotplate::admin::Admin| admin.limits(limits).log_level(Log::default()).hook_secret("known");
    let served = Served::with(&SHOP, Some(TOKEN), set);
    // A template is stale, one is broken, one failed in a render, and there is a version to roll back to.
    served.edit("part/foot.html", "{{ if x }}");
    served.edit("never.html", "{{ call nobody.html with x }}");
    served.hotplate.render("index.html", &json!({})).expect_err("no title");
    served
}

#[test]
fn each_operation_answers_each_method() {
    let served = served();
    let document = served.get_json("/admin/v1/openapi.json");
    let operations = operations(&document);
    assert!(operations.len() >= 18);
    let methods: BTreeSet<(&str, &str)> = operations
        .iter()
        .map(|operation| (operation.path, operation.method.as_str()))
        .collect();
    for operation in &operations {
        let mut valid = request(&document, operation, None);
        // A key belongs to one request.
        let keys = valid.headers.iter_mut().filter(|(name, _)| name == "Idempotency-Key");
        keys.for_each(|(_, key)| *key = operation.path.into());
        // A preview exists once it is made.
        let made = || {
            let edits = json!({ "edits": { "index.html": "new" } });
            let made = served.post_json("/admin/v1/previews", &edits).json();
            made["id"].as_str().expect("an id").to_owned()
        };
        let mut id = "0123456789abcdef".to_owned();
        let mut name_preview = |target: &mut String| {
            let new = made();
            *target = target.replace(&id, &new);
            id = new;
        };
        if operation.path.contains("{id}") {
            name_preview(&mut valid.target);
        }
        let answer = send(&served, &valid);
        let expected = match (operation.method.as_str(), operation.path) {
            ("POST", "/admin/v1/previews") => 201,
            ("POST", "/admin/v1/hooks/{loader}") => 202,
            // There is no canary, so nothing differs from stable.
            ("POST", "/admin/v1/stages/{stage}/{action}") => 422,
            _ => 200,
        };
        assert_eq!(answer.status, expected, "{valid:?}: {answer:?}");
        judge(&document, operation, &answer).unwrap_or_else(|wrong| panic!("{wrong}: {valid:?}: {answer:?}"));
        assert_eq!(
            operation.says["security"].is_array(),
            answers(&document, operation.says, 401).is_ok(),
            "{}",
            operation.path
        );
        if operation.path.contains("{id}") && operation.method == "DELETE" {
            name_preview(&mut valid.target);
        }
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
            let other = Request {
                method: method.to_owned(),
                ..valid.clone()
            };
            let is_read = method == "HEAD" && methods.contains(&(operation.path, "GET"));
            if methods.contains(&(operation.path, method)) {
                continue;
            }
            let answer = send(&served, &other);
            match is_read && !operation.path.ends_with("/events") {
                true => assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{other:?}"),
                false => {
                    assert_eq!(answer.status, 405, "{other:?}: {answer:?}");
                    assert!(answer.header("allow").is_some_and(|allow| !allow.contains(method)));
                }
            }
        }
        for required in operation
            .parameters
            .iter()
            .filter(|parameter| parameter.is_required && parameter.place == "query")
        {
            let without = Request {
                target: valid.target.replace(&format!("{}=", required.name), "unknown="),
                ..valid.clone()
            };
            let answer = send(&served, &without);
            assert_eq!(answer.status, 400, "{without:?}: {answer:?}");
            judge(&document, operation, &answer).unwrap_or_else(|wrong| panic!("{wrong}: {without:?}"));
        }
    }
}

#[test]
fn random_requests_are_answered_as_documented() {
    let served = served();
    let document = served.get_json("/admin/v1/openapi.json");
    let operations = operations(&document);
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::default()
    });
    let requests = proptest::collection::vec(choice(), 1..8);
    let tried = runner.run(&requests, |choices| {
        for choice in choices {
            let operation = choice.operation.get(&operations);
            let request = request(&document, operation, Some(&choice));
            let answer = send(&served, &request);
            let judged = judge(&document, operation, &answer);
            prop_assert!(judged.is_ok(), "{judged:?}: {request:?}: {answer:?}");
            let is_refused = [400, 401, 403, 413].contains(&answer.status);
            let is_secured = operation.says["security"][0].get("token").is_some();
            prop_assert!(
                !is_secured || choice.token.is_none() || is_refused,
                "{request:?}: {answer:?}"
            );
        }
        Ok(())
    });
    tried.unwrap_or_else(|wrong| panic!("{wrong}"));
    assert_eq!(served.get("/admin/v1/version").status, 200);
}
