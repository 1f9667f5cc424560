//! What the command reads: files of any encoding, names of any spelling, data, settings; and what it says of what it cannot use.

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
fn a_check_without_any_template_fails_and_says_why() {
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
                "`index.html` for example is not",
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
fn extensions_may_have_their_dot_and_a_list_its_brackets() {
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
fn names_that_are_left_out_are_findings_and_in_health() {
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
fn a_page_is_found_however_its_name_is_written() {
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
fn every_file_may_begin_with_a_byte_order_mark_and_none_may_be_utf16() {
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
        let said = ran.stdout + &ran.stderr;
        assert_eq!(ran.code, code, "{path}: {said}");
        assert!(said.contains("iconv -f UTF-16LE"), "{path}: {said}");
        assert!(
            said.contains(path.rsplit('/').next().expect("a name")),
            "{path}: {said}"
        );
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_edit_while_no_descriptor_is_left_is_seen_soon_after() {
    let files = Files::new(&[("templates/index.html", "first")]);
    // Nothing but trying again finds it within a day.
    let never = ["--set", "limits.sweep_ms=86400000", "--set", "limits.poll_ms=86400000"];
    let arguments = [&["serve", text(files.path()), "--bind", "127.0.0.1:0"], &never[..]].concat();
    let server = Server::run(Running::start_logged(&[], &arguments));
    assert_eq!(server.get("/").body, "first");
    // The server keeps some descriptors free of clients, so they are taken from it while it runs.
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
    let said = server.running.wait_for("ulimit -n");
    assert!(said.contains("tried again by itself"), "{said}");
    assert!(limit("256"));
    wait::until("it is not tried again", || server.get("/").body == "last");
}

#[test]
fn data_keeps_its_order_and_its_digits_and_a_key_twice_is_a_warning() {
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
fn a_token_file_is_beside_the_configuration_and_an_empty_variable_is_unset() {
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
