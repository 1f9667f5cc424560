//! `hotplate reload`, against an instance that is not one, for what can go wrong.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use serde_json::json;

use crate::command::{run, run_in};

/// Answers one request, and gives it back.
fn instance(status: &str, body: &str) -> (String, JoinHandle<String>) {
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
        while !request.contains('}') {
            let length = stream.read(&mut buffer).expect("readable");
            assert!(length > 0, "{request}");
            request += &String::from_utf8_lossy(&buffer[..length]);
        }
        stream.write_all(answer.as_bytes()).expect("written");
        request
    });
    (address, answering)
}

#[test]
fn what_came_of_it_is_told() {
    let wrong = json!([{ "severity": "error", "code": "missing-path", "template": "a.html", "line": 2, "column": 3, "message": "no" }]);
    for (report, code, part) in [
        (
            json!({ "version": 7, "outcome": "published", "changed": ["a.html"], "diagnostics": [] }),
            0,
            "version 7 is served now; changed a.html",
        ),
        (
            json!({ "version": 7, "outcome": "unchanged", "diagnostics": [] }),
            0,
            "nothing differs",
        ),
        (
            json!({ "version": 7, "outcome": "published", "diagnostics": wrong }),
            1,
            "a.html:2:3",
        ),
        (
            json!({ "version": 7, "outcome": { "refused": "too many" }, "diagnostics": [] }),
            1,
            "refused: too many",
        ),
    ] {
        let (address, answering) = instance("200 OK", &report.to_string());
        let ran = run(&["reload", "--admin", &address]);
        assert_eq!((ran.code, ran.stderr.as_str()), (code, ""), "{report}");
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
        let request = answering.join().expect("asked");
        assert!(
            request.starts_with("POST /admin/v1/reload HTTP/1.1\r\n") && request.contains(r#"{"full":false}"#),
            "{request}"
        );
        assert!(!request.to_lowercase().contains("authorization"), "{request}");
    }
}

#[test]
fn the_token_comes_from_a_variable_or_a_file() {
    let files = crate::files::Files::new(&[("token", "from-a-file\n")]);
    let file = files.path().join("token");
    let file = crate::command::text(&file);
    for (environment, arguments, token) in [
        (
            &[("HOTPLATE_ADMIN__TOKEN", "from-a-variable")][..],
            &["--full"][..],
            "from-a-variable",
        ),
        (&[], &["--full", "--token-file", file], "from-a-file"),
    ] {
        let (address, answering) = instance("200 OK", r#"{"version": 1, "outcome": "unchanged", "diagnostics": []}"#);
        let ran = run_in(
            environment,
            &[&["reload", "--admin", &address, "--format", "json"], arguments].concat(),
        );
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(
            serde_json::from_str::<serde_json::Value>(&ran.stdout).is_ok(),
            "{}",
            ran.stdout
        );
        let request = answering.join().expect("asked");
        assert!(
            request.contains(&format!("Bearer {token}")) && request.contains(r#"{"full":true}"#),
            "{request}"
        );
    }
}

#[test]
fn no_good_answer_is_said() {
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
        ("200 OK", "<html>", 3, "not as the admin API"),
        (
            "503 Service Unavailable",
            r#"{"title": "Busy", "detail": "try again"}"#,
            3,
            "503 Busy: try again",
        ),
    ] {
        let (address, answering) = instance(status, body);
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
