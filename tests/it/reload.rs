//! `hotplate reload`, and the admin listener that it asks.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::command::{Running, run, run_in, text};
use crate::files::Files;
use crate::http::Server;

/// Starts a server of another program, which answers one request and returns it.
fn stranger(status: &str, body: &str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a request");
        let mut request = String::new();
        let mut buffer = [0; 4096];
        while !request.contains("\r\n\r\n") {
            let length = stream.read(&mut buffer).expect("readable");
            assert!(length > 0, "{request}");
            request += &String::from_utf8_lossy(&buffer[..length]);
        }
        stream.write_all(answer.as_bytes()).expect("written");
        request
    });
    (address, answering)
}

/// Starts an instance that reloads only on request, and returns it with its admin address.
fn served(files: &Files, environment: &[(&str, &str)]) -> (Running, String) {
    let (server, admin) = served_to_visitors(files, environment);
    (server.running, admin)
}

/// Starts such an instance with the address of its pages.
fn served_to_visitors(files: &Files, environment: &[(&str, &str)]) -> (Server, String) {
    serve_with_admin(files.path(), environment, &["--set", "templates.watch=false"])
}

/// Starts an instance with an admin listener, and returns it with the address of that listener.
pub(crate) fn serve_with_admin(directory: &Path, environment: &[(&str, &str)], more: &[&str]) -> (Server, String) {
    let arguments = [
        "serve",
        text(directory),
        "--bind",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--format",
        "json",
    ];
    let arguments = [&arguments[..], more].concat();
    let running = Running::start_logged(environment, &arguments);
    let line = running.wait_for("\"listening\"");
    let listening: Value = serde_json::from_str(&line).expect("JSON");
    let [address, admin] = ["url", "admin"].map(|key| {
        let url = listening[key].as_str().expect("a listener");
        let address = url.trim_start_matches("http://").split('/').next();
        address.expect("an address").to_owned()
    });
    (Server { running, address }, admin)
}

#[test]
fn a_reload_reports_its_outcome() {
    let files = Files::new(&[
        ("templates/a.html", "a"),
        ("templates/b.html", "{{ call a.html with x }}"),
    ]);
    let (running, admin) = served(&files, &[]);
    let reload = |more: &[&str]| run(&[&["reload", "--admin", &admin], more].concat());
    for (text, more, code, parts) in [
        ("a", &[][..], 0, &["nothing differs: version 1 is served\n"][..]),
        ("new", &[], 0, &["version 2 is served now; changed a.html\n"]),
        ("{{ if }}", &[], 1, &["version 3 is served now", "a.html:1:", "^"]),
        ("fixed", &["--full"], 0, &["version 4 is served now; changed a.html\n"]),
    ] {
        files.write("templates/a.html", text);
        let ran = reload(more);
        assert_eq!((ran.code, ran.stderr.as_str()), (code, ""), "{text}: {}", ran.stdout);
        for part in parts {
            assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
        }
    }
    let output: Value = serde_json::from_str(&reload(&["--format", "json"]).stdout).expect("JSON");
    assert_eq!(
        (&output["outcome"], &output["version"]),
        (&json!("unchanged"), &json!(4))
    );
    assert_eq!(running.end("TERM").code(), Some(0));
}

/// A page that compiles and fails when it is rendered: a reload changes nothing and still reports it.
#[test]
fn a_stale_page_is_named() {
    let files = Files::new(&[
        ("templates/a.html", "a {x}"),
        ("templates/b.html", "b {y}"),
        ("data/_all.json", r#"{"x": 1}"#),
    ]);
    let (server, admin) = served_to_visitors(&files, &[]);
    let reload = |more: &[&str]| run(&[&["reload", "--admin", &admin], more].concat());
    assert_eq!(server.get("/a").body, "a 1");
    assert_eq!(reload(&[]).code, 0);
    files.write("templates/a.html", "new {z}");
    assert_eq!(reload(&[]).code, 0, "nobody has rendered it yet");
    // One page has a last good version; the other has never been rendered without error.
    assert_eq!(server.get("/a").header("x-hotplate-version"), Some("1"));
    assert_eq!(server.get("/b").status, 503);
    let ran = reload(&[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{}", ran.stdout);
    for part in [
        "nothing differs: version 2 is served\n",
        "\nstale: still serving version 1 of a.html\n",
        "\nno good version: a stand-in is served for b.html\n",
        "error[missing-path]: there is no `z` in the data\n --> a.html:1:6\n",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let output: Value = serde_json::from_str(&reload(&["--format", "json"]).stdout).expect("JSON");
    let expected = json!([
        { "template": "a.html", "serving": "last-good", "since": 1 },
        { "template": "b.html", "serving": "stand-in", "since": null },
    ]);
    assert_eq!(output["not_current"], expected);
    // After a fix it is no longer reported.
    files.write("templates/a.html", "new {x}");
    files.write("templates/b.html", "new {x}");
    let ran = reload(&[]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
}

#[test]
fn the_token_comes_from_a_variable_or_a_file() {
    let files = Files::new(&[("templates/a.html", "a"), ("token", "s3cret\n"), ("other", "wrong")]);
    let [token, other] = ["token", "other"].map(|name| files.path().join(name));
    let (_running, admin) = served(&files, &[("HOTPLATE_ADMIN__TOKEN", "s3cret")]);
    let reload = ["reload", "--admin", &admin];
    for (environment, more, code) in [
        (&[("HOTPLATE_ADMIN__TOKEN", "s3cret")][..], &[][..], 0),
        (&[], &["--token-file", text(&token)], 0),
        (&[], &["--token-file", text(&other)], 2),
        (&[], &[], 2),
    ] {
        let ran = run_in(environment, &[&reload[..], more].concat());
        assert_eq!(ran.code, code, "{more:?}: {}", ran.stderr);
        assert!(
            code == 0 || ran.stderr.contains("HOTPLATE_ADMIN__TOKEN"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn an_unreachable_listener_is_reported() {
    let files = Files::new(&[("templates/a.html", "a")]);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    for (address, part) in [("0.0.0.0:0", "HOTPLATE_ADMIN__TOKEN"), (&*taken, "in use")] {
        let ran = run(&["serve", text(files.path()), "--bind", "127.0.0.1:0", "--admin", address]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
        assert!(ran.stderr.contains(part), "{address}: {}", ran.stderr);
    }
}

#[test]
fn metrics_and_log_level_are_available() {
    let files = Files::new(&[("templates/a.html", "a"), ("hotplate.toml", "")]);
    let (running, admin) = served(&files, &[]);
    let server = Server {
        running,
        address: admin,
    };
    let gauge = || {
        let text = server.get("/admin/v1/metrics").body;
        let line = text
            .lines()
            .find(|line| line.starts_with("hotplate_config_last_reload_successful "));
        line.and_then(|line| line.split(' ').nth(1))
            .unwrap_or("none")
            .to_owned()
    };
    assert_eq!(gauge(), "1");
    for (toml, event, expected) in [
        ("[log]\nlevle = \"info\"", "not-reloaded", "0"),
        ("[log]\nlevel = \"info\"", "reloaded", "1"),
    ] {
        files.write("hotplate.toml", toml);
        server.running.signal("HUP");
        server.running.wait_for(&format!("\"event\":\"{event}\""));
        assert_eq!(gauge(), expected);
    }
    assert!(server.get("/admin/v1/log-level").body.contains("\"info\""));
}

#[test]
fn invalid_answers_are_reported() {
    let free = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address")
        .to_string();
    let ran = run(&["reload", "--admin", &free]);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""));
    assert!(
        ran.stderr.contains(&free) && ran.stderr.contains("--admin"),
        "{}",
        ran.stderr
    );
    for (status, body, code, part) in [
        ("401 Unauthorized", "{}", 2, "token"),
        ("404 Not Found", "<html>", 3, "404"),
        ("200 OK", "<html>", 3, "is not the admin API"),
        (
            "503 Service Unavailable",
            r#"{"title": "Busy", "detail": "try again"}"#,
            3,
            "503 Busy: try again",
        ),
    ] {
        let (address, answering) = stranger(status, body);
        let ran = run(&["reload", "--admin", &address]);
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{status}");
        assert!(ran.stderr.contains(part), "{status}: {}", ran.stderr);
        answering.join().expect("asked");
    }
    for (arguments, part) in [
        (&["--admin", "nonsense"][..], "address and a port"),
        (&["--token-file", "/nowhere"], "/nowhere"),
    ] {
        let ran = run(&[&["reload"], arguments].concat());
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
}
