//! `hotplate serve`: the production server and its shutdown.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::command::{Running, run, text};
use crate::files::Files;
use crate::http::Server;
use crate::wait;

fn site() -> Files {
    Files::new(&[
        ("templates/index.html", "<body>{title}</body>"),
        ("templates/other.html", "other"),
        ("data/_all.json", r#"{"title": "first"}"#),
        ("static/site.css", "p {}"),
        ("hotplate.toml", "[server]\nbind = \"127.0.0.1:0\"\nworkers = 2\n"),
    ])
}

fn serve(files: &Files, more: &[&str]) -> Server {
    Server::run(Running::start_logged(
        &[],
        &[&["serve", text(files.path())], more].concat(),
    ))
}

fn next(running: &Running, event: &str) -> Value {
    let line = running.wait_for(&format!("\"event\":\"{event}\""));
    serde_json::from_str(&line).expect("one object on the line")
}

#[test]
fn pages_are_unchanged_and_faults_hidden() {
    let files = site();
    files.write("templates/broken.html", "{{ if secret }}");
    let server = serve(&files, &[]);
    let page = server.get("/");
    assert_eq!((page.status, page.body.as_str()), (200, "<body>first</body>"));
    let broken = server.get("/broken");
    assert_eq!((broken.status, broken.freshness()), (503, "fallback"));
    files.write("templates/index.html", "<body>{titel}</body>");
    server.running.wait_for("version 2");
    let stale = server.get("/");
    assert_eq!(
        (stale.status, stale.freshness(), stale.body.as_str()),
        (200, "stale", "<body>first</body>")
    );
    for answer in [broken, stale, server.get("/nothing")] {
        for part in ["secret", "titel", "error", "templates/", "<script"] {
            assert!(!answer.body.contains(part), "{part}: {}", answer.body);
        }
    }
    assert_eq!(server.running.end("TERM").code(), Some(0));
}

#[test]
fn version_headers_are_optional() {
    let files = site();
    let quiet = serve(&files, &["--set", "server.version_headers=false"]);
    for path in ["/", "/nothing", "/static/site.css"] {
        assert!(!quiet.get(path).head.contains("x-hotplate"), "{path}");
    }
    let with_headers = serve(&files, &["--set", "server.version_headers=true"]);
    assert_eq!(with_headers.get("/").freshness(), "current");
}

#[test]
fn events_are_json_lines() {
    let files = site();
    let server = serve(&files, &["--format", "json"]);
    // The first line was already read for the address.
    files.write("templates/other.html", "{{ if }}");
    let published = next(&server.running, "published");
    assert_eq!(
        (&published["stale"], &published["version"]),
        (&json!(["other.html"]), &json!(2))
    );
    assert_eq!(published["diagnostics"][0]["template"], "other.html");
    let fallback = next(&server.running, "fallback");
    assert_eq!(
        (&fallback["serving"], &fallback["since"]),
        (&json!("last-good"), &json!(1))
    );
    // The template compiles again and fails when it is rendered; then it is fixed.
    for (text, event) in [("{nowhere}", "fallback"), ("fine", "fixed")] {
        files.write("templates/other.html", text);
        let published = next(&server.running, "published");
        server.get("/other");
        let event = next(&server.running, event);
        assert_eq!(
            (&event["template"], &event["version"]),
            (&json!("other.html"), &published["version"])
        );
    }
    files.write("templates/other.html", "{{ if }}");
    next(&server.running, "fallback");
    files.write("data/_all.json", "{");
    let fallback = next(&server.running, "fallback");
    assert_eq!(fallback["diagnostics"][0]["template"], "data/_all.json", "{fallback}");
    assert_eq!(server.running.end("TERM").code(), Some(0));
    let running = Running::start(&["dev", text(files.path()), "--bind", "127.0.0.1:0", "--format", "json"]);
    let started = next(&running, "started");
    assert_eq!(
        (&started["broken"], &started["version"]),
        (&json!(["data/_all.json", "index.html", "other.html"]), &json!(1))
    );
    let listening = next(&running, "listening");
    assert!(
        listening["url"]
            .as_str()
            .is_some_and(|url| url.starts_with("http://127.0.0.1:")),
        "{listening}"
    );
}

/// Size of a file that does not fit into the buffers between the server and the client.
const LARGE: usize = 32 * 1024 * 1024;

/// Starts a download, and returns it with the bytes that were read; the rest waits for the client.
fn download(files: &Files, server: &Server) -> (TcpStream, Vec<u8>) {
    files.write("static/large.txt", &"x".repeat(LARGE));
    let mut stream = server.send("GET", "/static/large.txt");
    let mut read = vec![0; 4096];
    stream.read_exact(&mut read).expect("it has begun");
    (stream, read)
}

#[test]
fn open_requests_are_answered_before_the_end() {
    for signal in ["TERM", "INT"] {
        let files = site();
        let server = serve(&files, &["--format", "json", "--set", "server.drain_ms=60000"]);
        let (mut stream, mut read) = download(&files, &server);
        server.running.signal(signal);
        next(&server.running, "stopping");
        stream.read_to_end(&mut read).expect("the rest of it");
        let body = read
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("a head")
            + 4;
        assert_eq!(read.len() - body, LARGE, "{signal}");
        assert_eq!(next(&server.running, "stopped")["drained"], true);
        assert_eq!(server.running.wait().code(), Some(0), "{signal}");
    }
}

#[test]
fn slow_requests_are_cut_off() {
    let files = site();
    let server = serve(&files, &["--format", "json", "--set", "server.drain_ms=50"]);
    let _unread = download(&files, &server);
    server.running.signal("TERM");
    assert_eq!(next(&server.running, "stopping")["drain_ms"], 50);
    assert_eq!(next(&server.running, "stopped")["drained"], false);
    assert_eq!(server.running.wait().code(), Some(3));
}

#[test]
fn a_second_signal_does_not_wait() {
    let files = site();
    let server = serve(&files, &["--format", "json", "--set", "server.drain_ms=3600000"]);
    let _unread = download(&files, &server);
    server.running.signal("TERM");
    next(&server.running, "stopping");
    // Signals in quick succession come from one key press; a later signal is intended.
    let ended = (0..600).any(|_| {
        server.running.signal("TERM");
        server
            .running
            .line_within(Duration::from_millis(100))
            .is_some_and(|line| line.contains("stopped"))
    });
    assert!(ended);
    assert_eq!(server.running.wait().code(), Some(3));
}

#[test]
fn idle_connections_do_not_delay_the_end() {
    let files = site();
    let server = serve(&files, &["--format", "json", "--set", "server.drain_ms=3600000"]);
    let _silent = TcpStream::connect(&server.address).expect("connects");
    let mut idle = TcpStream::connect(&server.address).expect("connects");
    idle.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .expect("sent");
    idle.read_exact(&mut [0; 64])
        .expect("an answer, and the connection stays open");
    server.running.signal("TERM");
    assert_eq!(next(&server.running, "stopped")["drained"], true);
    assert_eq!(server.running.wait().code(), Some(0));
}

#[test]
fn sighup_applies_what_can_change() {
    let files = site();
    let server = serve(&files, &["--format", "json", "--set", "templates.watch=false"]);
    assert_eq!(server.get("/").body, "<body>first</body>");
    files.write("data/_all.json", r#"{"title": "second"}"#);
    files.write(
        "hotplate.toml",
        "[server]\nbind = \"127.0.0.1:1\"\nworkers = 2\ndrain_ms = 1234\n[log]\nlevel = \"info\"\n",
    );
    server.running.signal("HUP");
    let lines = server
        .running
        .lines_with(&["\"event\":\"reloaded\"", "needs a restart: server.bind"]);
    let reloaded: Value = serde_json::from_str(&lines[0]).expect("JSON");
    assert_eq!(reloaded["live"], json!(["server.drain_ms", "log.level"]));
    assert_eq!(reloaded["restart"], json!(["server.bind"]));
    assert_eq!(reloaded["report"]["outcome"], "published");
    assert_eq!(server.get("/").body, "<body>second</body>");
    server.running.signal("TERM");
    assert_eq!(next(&server.running, "stopping")["drain_ms"], 1234);
    assert_eq!(server.running.wait().code(), Some(0));
}

#[test]
fn sighup_with_a_bad_configuration_changes_nothing() {
    let files = site();
    let server = serve(&files, &["--format", "json", "--set", "templates.watch=false"]);
    files.write("data/_all.json", r#"{"title": "second"}"#);
    for (toml, code, line) in [
        ("[server]\ndrain_ms = 1234\nwokers = 2\n", "unknown-key", Some(3)),
        (
            "[server]\ndrain_ms = 1234\n[log]\nlevel = \"lout\"\n",
            "unknown-value",
            Some(4),
        ),
        ("[server\n", "bad-toml", Some(1)),
    ] {
        files.write("hotplate.toml", toml);
        server.running.signal("HUP");
        let lines = server.running.lines_with(&[
            "\"event\":\"not-reloaded\"",
            "the configuration is invalid, and the previous one stays in force",
        ]);
        let refused: Value = serde_json::from_str(&lines[0]).expect("JSON");
        let finding = &refused["findings"][0];
        assert_eq!(
            (finding["code"].as_str(), finding["line"].as_u64()),
            (Some(code), line),
            "{refused}"
        );
        assert_eq!(server.get("/").body, "<body>first</body>", "all or nothing");
    }
    files.remove("hotplate.toml");
    server.running.signal("HUP");
    assert_eq!(
        next(&server.running, "not-reloaded")["findings"][0]["code"],
        "unreadable"
    );

    files.write("hotplate.toml", "[server]\nbind = \"127.0.0.1:0\"\nworkers = 2\n");
    server.running.signal("HUP");
    assert_eq!(next(&server.running, "reloaded")["report"]["outcome"], "published");
    assert_eq!(server.get("/").body, "<body>second</body>");
    server.running.signal("TERM");
    assert_eq!(next(&server.running, "stopping")["drain_ms"], 10_000);
}

#[test]
fn a_port_in_use_is_explained() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let files = site();
    let ran = run(&["serve", text(files.path()), "--bind", &address]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(
        ran.stderr.contains(&address) && ran.stderr.contains("--bind"),
        "{}",
        ran.stderr
    );
}

#[test]
fn closed_output_does_not_stop_the_server() {
    let files = site();
    let mut running = Running::start_logged(&[], &["serve", text(files.path())]);
    let line = running.wait_for("http://");
    running.stop_reading();
    let address = line
        .split("http://")
        .nth(1)
        .and_then(|rest| rest.split('/').next())
        .expect("an address")
        .to_owned();
    let server = Server { running, address };
    for number in 0..5 {
        files.write("data/_all.json", &format!(r#"{{"title": "{number}"}}"#));
        let expected = format!("<body>{number}</body>");
        wait::until("the edit is never served", || server.get("/").body == expected);
    }
    assert_eq!(server.running.end("TERM").code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn systemd_is_notified() {
    let files = site();
    let path = files.path().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
    let said = |wanted: &str| loop {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).expect("a message");
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if text.contains(wanted) {
            return text;
        }
        assert_eq!(text, "WATCHDOG=1\n", "instead of {wanted}");
    };
    let environment = [("NOTIFY_SOCKET", text(&path)), ("WATCHDOG_USEC", "200000")];
    let running = Running::start_logged(&environment, &["serve", text(files.path())]);
    assert!(said("READY=1").contains("STATUS=serving at http://"));
    said("WATCHDOG=1");
    running.signal("HUP");
    assert!(said("RELOADING=1").contains("MONOTONIC_USEC="));
    said("READY=1");
    running.signal("TERM");
    said("STOPPING=1");
    assert_eq!(running.wait().code(), Some(0));
}
