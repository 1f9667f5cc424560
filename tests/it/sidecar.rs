//! The render endpoint for services in other languages, of the command.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use serde_json::Value;

use crate::command::{Running, run, text};
use crate::files::Files;
use crate::wire::{Answer, ask};

const DATA: &str = r#"{"name": "Ada", "items": [1, 2]}"#;
const JSON: (&str, &str) = ("content-type", "application/json");

/// A server with a render endpoint.
struct Endpoint {
    files: Files,
    running: Running,
    /// Its address as the server prints it.
    address: String,
}

impl Endpoint {
    fn start(bind: &str, environment: &[(&str, &str)], more: &[&str]) -> Self {
        let files = Files::new(&[
            (
                "site/templates/mail/order.txt",
                "Dear {name}:{{ for item in items }} {item}{{ endfor }}",
            ),
            ("site/templates/index.html", "<p>{title}</p>"),
            ("site/templates/never.html", "{{ if }}"),
            ("site/data/index.json", r#"{"title": "of the site"}"#),
        ]);
        let bind = bind.replace("DIR", text(files.path()));
        let site = files.path().join("site");
        let arguments = [
            "serve",
            text(&site),
            "--bind",
            "127.0.0.1:0",
            "--render-bind",
            &bind,
            "--format",
            "json",
        ];
        let running = Running::start_logged(environment, &[&arguments[..], more].concat());
        let line = running.wait_for("\"listening\"");
        let listening: Value = serde_json::from_str(&line).expect("JSON");
        let address = listening["render"].as_str().expect("an endpoint").to_owned();
        Self {
            files,
            running,
            address,
        }
    }

    fn socket_address(&self) -> SocketAddr {
        let address = self.address.trim_start_matches("http://").trim_end_matches('/');
        address.parse().expect("an address")
    }

    fn render(&self, name: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        ask(self.socket_address(), "POST", &format!("/render/{name}"), headers, body)
    }

    /// Edits the template and waits for the result.
    fn edit(&self, text: &str, wait_for: &str) {
        self.files.write("site/templates/mail/order.txt", text);
        self.running.wait_for(wait_for);
    }
}

fn kind(answer: &Answer) -> String {
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json"),
        "{answer:?}"
    );
    let kind = answer.json()["type"].as_str().unwrap_or_default().to_owned();
    kind.rsplit(':').next().unwrap_or_default().to_owned()
}

#[test]
fn a_template_is_rendered_with_the_data_of_the_request() {
    let endpoint = Endpoint::start("127.0.0.1:0", &[], &[]);
    let answer = endpoint.render("mail/order.txt", &[JSON], DATA);
    assert_eq!((answer.status, answer.body.as_str()), (200, "Dear Ada: 1 2"));
    let header = |name: &str| answer.header(name).map(str::to_owned);
    assert_eq!(header("content-type").as_deref(), Some("text/plain; charset=utf-8"));
    assert_eq!(header("x-hotplate-freshness").as_deref(), Some("current"));
    assert_eq!(header("x-hotplate-version").as_deref(), Some("1"));
    assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"));
    let tag = header("etag").expect("a tag");
    let again = endpoint.render("mail/order.txt", &[JSON, ("if-none-match", &tag)], DATA);
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    let other = endpoint.render(
        "mail/order.txt",
        &[JSON, ("if-none-match", &tag)],
        r#"{"name":"Bob","items":[]}"#,
    );
    assert_eq!((other.status, other.body.as_str()), (200, "Dear Bob:"));
    // Without a body it has the data of the site.
    let page = endpoint.render("index.html", &[], "");
    assert_eq!((page.status, page.body.as_str()), (200, "<p>of the site</p>"));
    let page = endpoint.render("index.html", &[JSON], r#"{"title": "<b>"}"#);
    assert_eq!(page.body, "<p>&lt;b&gt;</p>");
}

#[test]
fn a_bad_edit_is_answered_from_the_last_good_version() {
    let endpoint = Endpoint::start("127.0.0.1:0", &[], &[]);
    endpoint.edit("{{ if }}", "\"published\"");
    let stale = |expected: &str| {
        let answer = endpoint.render("mail/order.txt", &[JSON], DATA);
        assert_eq!((answer.status, answer.body.as_str()), (200, "Dear Ada: 1 2"));
        assert_eq!(answer.header("x-hotplate-freshness"), Some(expected));
    };
    stale("stale");
    endpoint.edit("Dear {nobody}", "\"published\"");
    stale("stale");
    endpoint.edit("Hello {name}", "\"published\"");
    let answer = endpoint.render("mail/order.txt", &[JSON], DATA);
    assert_eq!((answer.status, answer.body.as_str()), (200, "Hello Ada"));
    assert_eq!(answer.header("x-hotplate-freshness"), Some("current"));
}

#[test]
fn bad_input_is_answered_with_a_problem() {
    let endpoint = Endpoint::start("127.0.0.1:0", &[], &["--set", "render.body_bytes=1000"]);
    let large = format!(r#"{{"name": "{}"}}"#, "x".repeat(1_000));
    let deep = format!("{}{}", "[".repeat(400), "]".repeat(400));
    for (name, headers, body, status, expected) in [
        ("nobody.html", &[JSON][..], "{}", 404, "no-such-template"),
        ("../x", &[JSON], "{}", 404, "no-such-template"),
        ("%00", &[JSON], "{}", 404, "no-such-template"),
        ("index.json", &[JSON], "{}", 404, "no-such-template"),
        ("", &[JSON], "{}", 404, "not-found"),
        ("mail/order.txt", &[JSON], "{", 400, "bad-request"),
        ("mail/order.txt", &[JSON], "[1]", 400, "bad-request"),
        ("mail/order.txt", &[JSON], &deep, 400, "bad-request"),
        ("mail/order.txt", &[JSON], &large, 413, "too-large"),
        (
            "mail/order.txt",
            &[("content-type", "text/plain")],
            "{}",
            415,
            "not-json",
        ),
        ("mail/order.txt", &[JSON], r#"{"items": []}"#, 422, "not-rendered"),
        (
            "mail/order.txt",
            &[JSON, ("x-hotplate-deadline-ms", "soon")],
            DATA,
            400,
            "bad-request",
        ),
        (
            "mail/order.txt",
            &[JSON, ("x-hotplate-deadline-ms", "0")],
            DATA,
            504,
            "engine-timeout",
        ),
        (
            "mail/order.txt",
            &[JSON, ("origin", "https://evil.example")],
            DATA,
            403,
            "another-site",
        ),
        (
            "mail/order.txt",
            &[JSON, ("host", "evil.example")],
            DATA,
            403,
            "host-not-known",
        ),
        ("never.html", &[JSON], "{}", 503, "broken"),
    ] {
        let answer = endpoint.render(name, headers, body);
        assert_eq!(
            (answer.status, kind(&answer).as_str()),
            (status, expected),
            "{name} {headers:?} {body:.60}"
        );
    }
    let named = endpoint.render("mail/order.txt", &[JSON], "{\n  oops").json();
    assert!(
        named["detail"].as_str().is_some_and(|detail| detail.contains("2:3")),
        "{named}"
    );
    let named = endpoint.render("mail/order.txt", &[JSON], r#"{"items": []}"#).json();
    assert!(
        named["detail"].as_str().is_some_and(|detail| detail.contains("name")),
        "{named}"
    );
    let other = ask(endpoint.socket_address(), "GET", "/render/index.html", &[], "");
    assert_eq!((other.status, other.header("allow")), (405, Some("POST")));
}

#[test]
fn a_body_that_does_not_arrive_is_given_up() {
    let endpoint = Endpoint::start("127.0.0.1:0", &[], &["--set", "render.request_ms=200"]);
    let mut stream = TcpStream::connect(endpoint.socket_address()).expect("connects");
    let head = "POST /render/index.html HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{";
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    let next = endpoint.render("index.html", &[], "");
    assert_eq!(next.status, 200, "the others are answered");
}

#[test]
fn a_token_is_needed_where_it_is_set() {
    let endpoint = Endpoint::start("127.0.0.1:0", &[("HOTPLATE_RENDER__TOKEN", "secret")], &[]);
    for (header, status) in [
        (None, 401),
        (Some(("authorization", "Bearer other")), 401),
        (Some(("authorization", "Bearer secret")), 200),
    ] {
        let headers: Vec<_> = header.into_iter().collect();
        assert_eq!(endpoint.render("index.html", &headers, "").status, status, "{header:?}");
    }
    // Nothing is told to somebody without it.
    assert_eq!(endpoint.render("nobody.html", &[], "").status, 401);
    let site = endpoint.files.path().join("site");
    for (bind, part) in [
        ("0.0.0.0:0", "needs a token"),
        ("nonsense", "address and a port"),
        ("unix:", "address and a port"),
        ("unix:/no/such/directory/render.sock", "cannot listen on unix:/no/such"),
    ] {
        let ran = run(&["serve", text(&site), "--bind", "127.0.0.1:0", "--render-bind", bind]);
        assert!(
            ran.code == 2 && ran.stderr.contains(part),
            "{bind}: {} {}",
            ran.code,
            ran.stderr
        );
    }
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_for_its_owner_and_its_group() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};

    // A process that ended has left its socket behind.
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("render.sock");
    drop(UnixListener::bind(&path).expect("bound"));
    let bind = format!("unix:{}", text(&path));
    let endpoint = Endpoint::start(&bind, &[], &[]);
    assert_eq!(endpoint.address, bind);
    let mode = std::fs::metadata(&path).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let mut stream = UnixStream::connect(&path).expect("connects");
    let (length, kind) = (DATA.len(), "application/json");
    let request = format!(
        "POST /render/mail/order.txt HTTP/1.1\r\nhost: render\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{DATA}"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("Dear Ada: 1 2"),
        "{answer}"
    );

    let site = endpoint.files.path().join("site");
    let second = run(&["serve", text(&site), "--bind", "127.0.0.1:0", "--render-bind", &bind]);
    assert!(
        second.code == 2 && second.stderr.contains("in use by another process"),
        "{}",
        second.stderr
    );
    assert!(path.exists(), "the first one still listens");
    let Endpoint { running, .. } = endpoint;
    assert_eq!(running.end("TERM").code(), Some(0));
    assert!(!path.exists(), "the socket is removed");
}

/// Returns the first example in a language.
fn example(language: &str) -> String {
    let document = include_str!("../../docs/sidecar.md")
        .split_once("## Examples")
        .expect("examples")
        .1;
    let example = document.split_once(&format!("```{language}\n")).expect("an example").1;
    example.split_once("\n```").expect("its end").0.to_owned()
}

#[test]
fn the_examples_of_the_guide_work() {
    let endpoint = Endpoint::start("127.0.0.1:0", &[("HOTPLATE_RENDER__TOKEN", "secret")], &[]);
    for (language, probe, arguments) in [
        ("sh", "curl", &["sh", "-c"][..]),
        ("python", "python3", &["python3", "-c"]),
        ("js", "node", &["node", "-e"]),
    ] {
        if Command::new(probe).arg("--version").output().is_err() {
            println!("skipped: {probe} is not installed");
            continue;
        }
        let output = Command::new(arguments[0])
            .args(&arguments[1..])
            .arg(example(language))
            .env("RENDER", endpoint.address.trim_end_matches('/'))
            .env("TOKEN", "secret")
            .output()
            .expect("runs");
        let (said, error) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(
            output.status.success() && said.trim() == "Dear Ada: 1 2",
            "{language}: {said} {error}"
        );
    }
}
