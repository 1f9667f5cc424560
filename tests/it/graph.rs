//! `hotplate graph`.

use crate::command::{run, text};
use crate::files::Files;

fn site() -> Files {
    Files::new(&[
        (
            "templates/a.html",
            "{{ call _b.html with x }}{{ call _parts/gone.html with x }}",
        ),
        ("templates/_b.html", "{{ call _parts/c.html with x }}"),
        ("templates/_parts/c.html", ""),
        ("data/a.json", "{}"),
    ])
}

#[test]
fn as_text() {
    let files = site();
    let ran = run(&["graph", text(files.path())]);
    let expected = "_b.html\n  _parts/c.html\n_parts/c.html\na.html\n  _b.html\n  \
                    _parts/gone.html (there is no such template)\n";
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.code), (expected, "", 0));
}

#[test]
fn as_dot() {
    let ran = run(&["graph", text(site().path()), "--format", "dot"]);
    assert_eq!(ran.code, 0);
    assert!(
        ran.stdout.starts_with("digraph") && ran.stdout.ends_with("}\n"),
        "{}",
        ran.stdout
    );
    for part in [
        "\"a.html\" -> \"_b.html\";",
        "\"a.html\" -> \"_parts/gone.html\" [color=red",
        "\"_parts/c.html\" [style",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("data:"), "{}", ran.stdout);
}

#[test]
fn as_json() {
    let ran = run(&["graph", text(site().path()), "--format", "json"]);
    let output: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(
        output["templates"][1],
        serde_json::json!({"name": "_parts/c.html", "entry": false})
    );
    assert_eq!(
        output["calls"][2],
        serde_json::json!({"caller": "a.html", "callee": "_parts/gone.html", "exists": false})
    );
}
