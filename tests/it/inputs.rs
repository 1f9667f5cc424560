//! The inputs of the command: files of any encoding, names of any spelling, data and settings, and the messages for unusable ones.

use std::fs;

use serde_json::Value;

use crate::command::{Running, run, run_in, run_with, text};
use crate::files::Files;
use crate::http::Server;
use crate::wait;

fn serve(files: &Files) -> Server {
    let arguments = ["serve", text(files.path()), "--bind", "127.0.0.1:0"];
    Server::run(Running::start_logged(&[], &arguments))
}

#[test]
fn a_check_without_templates_fails() {
    for (files, environment, parts) in [
        (
            &[("templates/.keep", "")][..],
            &[][..],
            &["there is no template in", "templates`", "`html`"][..],
        ),
        (
            &[("templates/index.html", "x")],
            &[("HOTPLATE_FILES__EXTENSIONS", "tpl")],
            &[
                "there is no template in",
                "exclude every file, such as `index.html`",
                "the extension `tpl`",
            ],
        ),
        (&[("notes.css", "x")], &[], &["there is no template in", "templates`"]),
    ] {
        let files = Files::new(files);
        let ran = run_in(environment, &["check", text(files.path())]);
        assert_eq!(ran.code, 1, "{}", ran.stdout);
        for part in parts {
            assert!(ran.stdout.contains(part), "{part} is not in:\n{}", ran.stdout);
        }
        let json = run_in(environment, &["check", text(files.path()), "--format", "json"]);
        let json: Value = serde_json::from_str(&json.stdout).expect("one object");
        assert_eq!(
            (&json["templates"], &json["errors"]),
            (&Value::from(0), &Value::from(1))
        );
    }
}

#[test]
fn extensions_are_accepted_in_any_notation() {
    let files = Files::new(&[("templates/index.html", "x"), ("templates/b.txt", "y")]);
    for extensions in ["html", ".html", "*.html", "[\"html\"]", "['.html']"] {
        let ran = run_in(
            &[("HOTPLATE_FILES__EXTENSIONS", extensions)],
            &["check", text(files.path())],
        );
        assert_eq!(ran.code, 0, "{extensions}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("1 template,"), "{extensions}: {}", ran.stdout);
    }
    for toml in ["[files]\nextensions = [\"*.ht*\"]", "[files]\nextensions = []"] {
        files.write("hotplate.toml", toml);
        let ran = run(&["check", text(files.path())]);
        assert_eq!(ran.code, 2, "{}", ran.stdout);
        for part in ["hotplate.toml:2:14", "help: write ["] {
            assert!(ran.stderr.contains(part), "{part} is not in:\n{}", ran.stderr);
        }
    }
}

#[test]
#[cfg(unix)]
fn invalid_names_are_reported() {
    use std::os::unix::ffi::OsStrExt;
    let files = Files::new(&[
        ("templates/index.html", "x"),
        ("templates/p.html/inside.html", "y"),
        ("templates/line\nfeed.html", "z"),
        ("templates/back\\slash.html", "z"),
        (
            "hotplate.toml",
            "[limits]\ndirectory_depth = 1\n[admin]\nbind = \"127.0.0.1:0\"\n",
        ),
        ("templates/a/b/c.html", "deep"),
    ]);
    let bad = std::ffi::OsStr::from_bytes(b"templates/caf\xe9.html");
    fs::write(files.path().join(bad), "latin").expect("written");
    let ran = run(&["check", text(files.path())]);
    assert_eq!(ran.code, 0, "they are warnings: {}", ran.stdout);
    for part in [
        "control character",
        "backslash",
        "not UTF-8",
        "is a directory",
        "`directory_depth`",
        "5 warnings",
    ] {
        assert!(ran.stdout.contains(part), "{part} is not in:\n{}", ran.stdout);
    }
    let server = serve(&files);
    assert_eq!((server.get("/p.html").status, server.get("/p").status), (404, 404));
    assert_eq!(server.get("/p.html/inside").body, "y");
    fs::remove_file(files.path().join("templates/index.html")).expect("removed");
    fs::create_dir(files.path().join("templates/index.html")).expect("created");
    wait::until("a directory is no page", || server.get("/").status == 404);
}

#[test]
fn a_page_is_found_by_any_spelling() {
    let files = Files::new(&[
        ("templates/cafe\u{301}.html", "{name}"),
        ("data/cafe\u{301}.json", r#"{"name": "the café"}"#),
        ("templates/gr\u{fc}n/index.html", "green"),
    ]);
    let server = serve(&files);
    for path in ["/caf%C3%A9", "/cafe%CC%81", "/caf%C3%A9.html"] {
        let page = server.get(path);
        assert_eq!((page.status, page.body.as_str()), (200, "the café"), "{path}");
    }
    assert_eq!(server.get("/gru%CC%88n/").body, "green");
    assert_eq!(server.get("/gr%C3%BCn/").body, "green");
    assert_eq!(server.get("/caf%C3%A8").status, 404);
    let ran = run(&["render", text(files.path()), "caf\u{e9}.html"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "the café"), "{}", ran.stderr);
}

#[test]
fn byte_order_marks_are_accepted_and_utf16_is_not() {
    let files = Files::new(&[
        (
            "templates/page.html",
            "\u{feff}<b>{{ call _p/part.html with user }}</b>",
        ),
        ("templates/_p/part.html", "\u{feff}{name}\r\n"),
        ("templates/skipped.html", "{{ nothing }}"),
        ("templates/.hotplateignore", "\u{feff}skipped.html\r\n"),
        ("data/page.json", "\u{feff}{\"user\": {\"name\": \"n\"}}"),
        ("hotplate.toml", "\u{feff}[admin]\r\ntoken_file = \"token\"\r\n"),
        ("given.json", "\u{feff}{\"user\": {\"name\": \"given\"}}"),
    ]);
    let render = |more: &[&str]| run(&[&["render", text(files.path()), "page.html"], more].concat());
    assert_eq!(render(&[]).stdout, "<b>n\r\n</b>");
    let given = files.path().join("given.json");
    assert_eq!(render(&["--data", text(&given)]).stdout, "<b>given\r\n</b>");
    assert_eq!(run(&["check", text(files.path())]).code, 0);
    let utf16 = |path: &str| {
        let path = files.path().join(path);
        let text = fs::read_to_string(&path).expect("UTF-8");
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        fs::write(path, bytes).expect("written");
    };
    for (path, code) in [
        ("given.json", 1),
        ("templates/_p/part.html", 1),
        ("data/page.json", 1),
        ("hotplate.toml", 2),
    ] {
        utf16(path);
        let ran = match path {
            "given.json" => render(&["--data", text(&given)]),
            _ => run(&["check", text(files.path())]),
        };
        let output = ran.stdout + &ran.stderr;
        assert_eq!(ran.code, code, "{path}: {output}");
        assert!(output.contains("iconv -f UTF-16LE"), "{path}: {output}");
        assert!(
            output.contains(path.rsplit('/').next().expect("a name")),
            "{path}: {output}"
        );
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_edit_without_free_descriptors_is_retried() {
    let files = Files::new(&[("templates/index.html", "first")]);
    // The period of full scans is a day, so only a retry finds the edit in time.
    let never = ["--set", "limits.sweep_ms=86400000", "--set", "limits.poll_ms=86400000"];
    let arguments = [&["serve", text(files.path()), "--bind", "127.0.0.1:0"], &never[..]].concat();
    let server = Server::run(Running::start_logged(&[], &arguments));
    assert_eq!(server.get("/").body, "first");
    // The server reserves some descriptors, so its limit is lowered while it runs.
    let limit = |descriptors: &str| {
        let process = server.running.id().to_string();
        let limited = std::process::Command::new("prlimit")
            .args(["--pid", &process, &format!("--nofile={descriptors}:")])
            .status();
        limited.is_ok_and(|status| status.success())
    };
    if !limit("3") {
        println!("skipped: prlimit cannot be run");
        return;
    }
    files.write("templates/index.html", "last");
    let output = server.running.wait_for("ulimit -n");
    assert!(output.contains("tried again by itself"), "{output}");
    assert!(limit("256"));
    wait::until("it is not tried again", || server.get("/").body == "last");
}

#[test]
fn data_keeps_order_and_digits() {
    let json = r#"{"z": {"y": 12345678901234567890123, "b": 1, "a": 0.1}, "price": 3.14159265358979323846, "z2": 1}"#;
    let files = Files::new(&[
        (
            "templates/page.html",
            "{z | json} {price} {z.y}{{ if z.y }}!{{ endif }}",
        ),
        ("data/page.json", json),
        ("data/_all.json", r#"{"z": {"c": 9, "y": 0}}"#),
    ]);
    let ran = run(&["render", text(files.path()), "page.html"]);
    let expected =
        r#"{"c":9,"y":12345678901234567890123,"b":1,"a":0.1} 3.14159265358979323846 12345678901234567890123!"#;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, expected), "{}", ran.stderr);
    let arguments = ["render", text(files.path()), "page.html", "--data", "-"];
    let ran = run_with(&arguments, r#"{"price": 1, "z": {"y": 2, "b": 3}, "price": 4}"#);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, r#"{"y":2,"b":3} 4 2!"#));
    for part in ["duplicate-key", "stdin:1:37", "the first is at 1:2"] {
        assert!(ran.stderr.contains(part), "{part} is not in:\n{}", ran.stderr);
    }
    files.write(
        "data/page.json",
        "{\n  \"z\": {\"y\": 1},\n  \"price\": 1,\n  \"z\": {\"y\": 2}\n}\n",
    );
    let ran = run(&["check", text(files.path())]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    for part in [
        "warning[duplicate-key]",
        "data/page.json:4:3",
        "the first is at 2:3",
        "1 warning",
    ] {
        assert!(ran.stdout.contains(part), "{part} is not in:\n{}", ran.stdout);
    }
}

#[test]
fn paths_are_relative_to_the_configuration() {
    let files = Files::new(&[
        ("templates/index.html", "x"),
        (
            "conf/hotplate.toml",
            "[admin]\nbind = \"127.0.0.1:0\"\ntoken_file = \"secrets/token\"\n",
        ),
        ("conf/secrets/token", "\u{feff}secret\r\n"),
    ]);
    let config = files.path().join("conf/hotplate.toml");
    let shown = run(&["config", text(files.path()), "--config", text(&config)]);
    assert!(
        shown.stdout.contains(text(&files.path().join("conf/secrets/token"))),
        "{}",
        shown.stdout
    );
    let arguments = [
        "serve",
        text(files.path()),
        "--bind",
        "127.0.0.1:0",
        "--config",
        text(&config),
    ];
    let server = Server::run(Running::start_logged(&[("HOTPLATE_ADMIN__TOKEN", "")], &arguments));
    assert_eq!(server.get("/").body, "x");
    let missing = [
        ("HOTPLATE_ADMIN__TOKEN_FILE", "/nowhere/token"),
        ("HOTPLATE_ADMIN__BIND", "127.0.0.1:0"),
    ];
    let ran = run_in(&missing, &["serve", text(files.path()), "--bind", "127.0.0.1:0"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    for part in ["HOTPLATE_ADMIN__TOKEN_FILE=/nowhere/token", "No such file"] {
        assert!(ran.stderr.contains(part), "{part} is not in:\n{}", ran.stderr);
    }
    let empty = [
        ("HOTPLATE_CONFIG", ""),
        ("HOTPLATE_LIMITS__RENDER_MS", ""),
        ("HOTPLATE_SERVER__BIND", ""),
    ];
    let ran = run_in(&empty, &["check", text(files.path())]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let ran = run_in(&[("HOTPLATE_CONFIG", "/nowhere.toml")], &["check", text(files.path())]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("`HOTPLATE_CONFIG` names it"), "{}", ran.stderr);
}
