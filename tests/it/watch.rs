//! `hotplate watch`.

use serde_json::{Value, json};

use crate::command::{Running, text};
use crate::files::Files;

fn site() -> Files {
    Files::new(&[
        ("templates/a.html", "{{ call _b/b.html with page }}"),
        ("templates/_b/b.html", "b"),
        ("data/a.json", r#"{"page": 1}"#),
    ])
}

#[test]
fn one_object_for_each_version() {
    let files = site();
    let watch = Running::start(&["watch", text(files.path()), "--format", "json"]);
    let next = || -> Value { serde_json::from_str(&watch.wait_for("{")).expect("JSON") };
    let first = next();
    assert_eq!(first["changed"], json!(["_b/b.html", "a.html", "data/a.json"]));
    let version = first["version"].as_u64().expect("a number");

    files.write("templates/_b/b.html", "bb");
    let second = next();
    assert_eq!(
        (&second["changed"], &second["version"]),
        (&json!(["_b/b.html"]), &json!(version + 1))
    );
    assert!(
        second["digest"] != first["digest"] && second["microseconds"].is_u64(),
        "{second}"
    );

    files.write("templates/_b/b.html", "{{ if }}");
    assert_eq!(next()["stale"], json!(["_b/b.html", "a.html"]));

    files.write("data/a.json", r#"{"page": 2}"#);
    assert_eq!(next()["changed"], json!(["data/a.json"]));

    files.write("templates/_b/b.html", "b");
    assert_eq!(next()["recovered"], json!(["_b/b.html", "a.html"]));

    files.remove("templates/a.html");
    assert_eq!(next()["removed"], json!(["a.html"]));
    assert_eq!(watch.end("INT").code(), Some(0));
}

#[test]
fn one_sentence_for_each_version() {
    let files = site();
    let watch = Running::start(&["watch", text(files.path())]);
    watch.wait_for("version 1 ");
    files.write("templates/_b/b.html", "bb");
    let line = watch.wait_for("version 2 ");
    assert!(line.contains("changed _b/b.html") && line.ends_with('s'), "{line}");
    assert_eq!(watch.end("TERM").code(), Some(0));
}
