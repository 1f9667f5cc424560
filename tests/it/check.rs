//! `hotplate check`.

use serde_json::Value;

use crate::command::{run, run_unread, text};
use crate::files::{Files, shop};

fn json(stdout: &str) -> Value {
    serde_json::from_str(stdout).expect("one JSON object")
}

#[test]
fn the_shop_is_clean_in_both_dialects() {
    let shop = shop();
    let ran = run(&["check", text(&shop), "--reference", "--format", "json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    let said = json(&ran.stdout);
    assert_eq!(said["findings"], Value::Array(vec![]));
    assert_eq!(said["alike"], said["rendered"]);
    assert!(said["rendered"].as_u64() > Some(20), "{said}");
    let ran = run(&["check", text(&shop)]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.ends_with("nothing is wrong\n"), "{}", ran.stdout);
}

#[test]
fn what_does_not_compile_is_shown_with_its_place() {
    let files = Files::new(&[("templates/index.html", "a\n  {{ if a == b }}{{ endif }}\n")]);
    let ran = run(&["check", text(files.path())]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""));
    for part in ["error[comparison]", "index.html:2:", "^", "1 error"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\x1b'), "no colours where there is no terminal");
}

#[test]
fn a_field_that_is_missing_is_found_by_rendering() {
    let files = Files::new(&[
        ("templates/a.html", "{{ call _parts/a.html with page }}"),
        ("templates/b.html", "{{ call _parts/a.html with page }}"),
        ("templates/_parts/a.html", "{titel}"),
        ("data/_all.json", r#"{"page": {"title": "x"}}"#),
    ]);
    let ran = run(&["check", text(files.path())]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    for part in [
        "_parts/a.html:1:2",
        "called from a.html:1:",
        "the same in b.html",
        "2 rendered",
        "1 error",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let said = json(&run(&["check", text(files.path()), "--format", "json"]).stdout);
    let finding = &said["findings"][0];
    assert_eq!(finding["diagnostic"]["code"], "missing-path");
    assert_eq!(finding["diagnostic"]["template"], "_parts/a.html");
    assert_eq!(finding["entries"], serde_json::json!(["a.html", "b.html"]));
}

#[test]
fn data_that_is_no_json_is_shown_as_its_file() {
    let files = Files::new(&[("templates/a.html", "{b}"), ("data/a.json", "{\n  \"b\": 1,\n}\n")]);
    let ran = run(&["check", text(files.path())]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stdout.contains("error[bad-json]") && ran.stdout.contains("data/a.json:3:1"),
        "{}",
        ran.stdout
    );
}

#[test]
fn warnings_alone_are_no_failure() {
    let files = Files::new(&[
        ("templates/a.html", "<a href={b}>x</a>"),
        ("data/a.json", r#"{"b": 1}"#),
        ("data/aa.json", "{}"),
    ]);
    let ran = run(&["check", text(files.path())]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    for part in ["warning[unused-data]", "data/aa.json", "2 warnings"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
}

#[test]
fn what_has_no_data_is_not_rendered() {
    let files = Files::new(&[("a.html", "{b}")]);
    let ran = run(&["check", text(files.path())]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert_eq!(ran.stdout, "1 template, 0 rendered with their data: nothing is wrong\n");
}

#[test]
fn nobody_has_to_read_it() {
    let (status, stderr) = run_unread(&["check", text(&shop())]);
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
}
