//! `hotplate render`.

use crate::command::{run, run_unread, run_with, text};
use crate::files::{Files, shop};

fn site() -> Files {
    Files::new(&[
        ("templates/hello.html", "Hello {name}!"),
        ("templates/fixed.txt", "no data"),
        ("templates/broken.html", "{{ if }}"),
        ("data/hello.json", r#"{"name": "<data>"}"#),
        ("given.json", r#"{"name": "given"}"#),
        ("bad.json", "{\n oops"),
    ])
}

#[test]
fn the_text_and_nothing_else() {
    let files = site();
    let given = files.path().join("given.json");
    let cases: [(&[&str], &str, &str); 4] = [
        (&["hello.html"], "", "Hello &lt;data&gt;!"),
        (&["hello.html", "--data", text(&given)], "", "Hello given!"),
        (&["hello.html", "--data", "-"], r#"{"name": "stdin"}"#, "Hello stdin!"),
        (&["fixed.txt"], "", "no data"),
    ];
    for (arguments, stdin, expected) in cases {
        let ran = run_with(&[&["render", text(files.path())], arguments].concat(), stdin);
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str(), ran.code),
            (expected, "", 0),
            "{arguments:?}"
        );
    }
}

#[test]
fn errors_go_to_stderr() {
    let files = site();
    let bad = files.path().join("bad.json");
    let cases: [(&[&str], &str, i32, &str); 10] = [
        (&["hello.html", "--data", "-"], "{}", 1, "hello.html:1:8"),
        (&["hello.html", "--data", "-"], "[]", 1, "one object"),
        (&["hello.html", "--data", "-"], "", 1, "error[bad-json]"),
        (&["hello.html", "--data", text(&bad)], "", 1, "bad.json:2:2"),
        (&["hello.html", "--data", "/nowhere.json"], "", 2, "/nowhere.json"),
        (&["helo.html"], "", 1, "did you mean `hello.html`?"),
        (&["../hello.html"], "", 1, "../hello.html"),
        (&["data:hello.json"], "", 1, "is data"),
        (&["data/hello.json"], "", 1, "`data/hello.json` is data"),
        (&["broken.html"], "", 1, "broken.html:1:"),
    ];
    for (arguments, stdin, code, message) in cases {
        let ran = run_with(&[&["render", text(files.path())], arguments].concat(), stdin);
        assert_eq!(
            (ran.stdout.as_str(), ran.code),
            ("", code),
            "{arguments:?}: {}",
            ran.stderr
        );
        assert!(ran.stderr.contains(message), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn the_shop_renders() {
    let ran = run(&["render", text(&shop()), "mail/order.txt"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(
        !ran.stdout.contains("&amp;") && ran.stdout.lines().count() > 10,
        "{}",
        ran.stdout
    );
}

#[test]
fn closed_output_is_no_error() {
    let (status, stderr) = run_unread(&["render", text(&shop()), "index.html"]);
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn similar_names_are_suggested() {
    let files = Files::new(&[
        ("templates/index.html", "x"),
        ("templates/about/team.html", "x"),
        ("data/index.json", "{}"),
    ]);
    let path = format!("{}/templates/index.html", text(files.path()));
    for (name, meant) in [
        ("index", "index.html"),
        ("/index", "index.html"),
        ("/", "index.html"),
        ("templates/index.html", "index.html"),
        (path.as_str(), "index.html"),
        ("Index.html", "index.html"),
        ("index.htm", "index.html"),
        ("about/team", "about/team.html"),
        ("team.html", "about/team.html"),
    ] {
        let ran = run(&["render", text(files.path()), name]);
        let message = format!("error: there is no template `{name}`; did you mean `{meant}`?\n");
        assert_eq!((ran.code, ran.stderr), (1, message));
    }
    let ran = run(&["render", text(files.path()), "nothing/like/it"]);
    assert!(ran.stderr.ends_with("`graph` names all of them\n"), "{}", ran.stderr);
}
