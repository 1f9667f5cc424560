//! `hotplate init`.

use crate::command::{run, text};
use crate::files::Files;
use crate::http::Server;

#[test]
fn the_starter_sites_are_valid() {
    for dialect in [&[][..], &["--dialect", "tiny"], &["--dialect", "jinja"]] {
        let files = Files::new(&[]);
        let directory = files.path().join("new/site");
        let ran = run(&[&["init", text(&directory)], dialect].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{dialect:?}");
        assert!(
            ran.stdout
                .ends_with(&format!("next: hotplate dev {}\n", text(&directory))),
            "{}",
            ran.stdout
        );
        let ran = run(&["check", text(&directory)]);
        assert_eq!(ran.code, 0, "{dialect:?}: {}", ran.stdout);
        assert!(
            ran.stdout.ends_with("nothing is wrong\n"),
            "{dialect:?}: {}",
            ran.stdout
        );
        let running = crate::command::Running::start(&["serve", text(&directory), "--bind", "127.0.0.1:0"]);
        let server = Server::run(running);
        for (path, status, part) in [
            ("/", 200, "It works"),
            ("/about", 200, "About"),
            ("/no", 404, "nothing at this address"),
        ] {
            let answer = server.get(path);
            assert_eq!(answer.status, status, "{dialect:?}: {path}");
            assert!(answer.body.contains(part), "{dialect:?}: {path}: {}", answer.body);
            // Text of the data that a template of the other language would leave as it is.
            assert!(
                answer.body.contains("My site, 2026"),
                "{dialect:?}: {path}: {}",
                answer.body
            );
        }
        assert_eq!(server.get("/static/site.css").status, 200);
    }
}

#[test]
fn the_starter_is_written_in_the_language_that_was_chosen() {
    for (dialect, tag, file) in [
        ("tiny", "{{ call _layout/head.html", "templates/_layout/head.html"),
        (
            "jinja",
            "{% extends '_layout/base.html' %}",
            "templates/_layout/base.html",
        ),
    ] {
        let files = Files::new(&[]);
        assert_eq!(run(&["init", text(files.path()), "--dialect", dialect]).code, 0);
        let index = std::fs::read_to_string(files.path().join("templates/index.html")).expect("written");
        assert!(index.starts_with(tag), "{index}");
        assert!(files.path().join(file).exists(), "{file}");
    }
    let files = Files::new(&[]);
    let refused = run(&["init", text(files.path()), "--dialect", "ninja"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("jinja"), "{}", refused.stderr);
}

#[test]
fn nothing_is_overwritten() {
    let files = Files::new(&[("templates/index.html", "mine"), ("note", "a file")]);
    let ran = run(&["init", text(files.path())]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("templates/index.html"), "{}", ran.stderr);
    assert!(!files.path().join("hotplate.toml").exists(), "nor half of it written");
    let ran = run(&["init", text(&files.path().join("note"))]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("is a file"), "{}", ran.stderr);
    let kept = std::fs::read_to_string(files.path().join("templates/index.html")).expect("there");
    assert_eq!(kept, "mine");
}

#[test]
fn as_json() {
    let files = Files::new(&[("other", "stays")]);
    let ran = run(&["init", text(files.path()), "--format", "json"]);
    let output: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert!(
        output["written"].as_array().is_some_and(|written| written.len() > 5),
        "{output}"
    );
    assert_eq!(output["directory"], text(files.path()));
}
