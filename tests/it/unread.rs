//! A server whose output is not read. Its pipes stay open, so a blocking write would never return.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command::{hotplate, text};
use crate::files::Files;
use crate::wire;

/// A server with both output pipes, from which only the first lines were read.
struct Unread {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: ChildStderr,
    pages: SocketAddr,
    admin: SocketAddr,
}

impl Unread {
    fn start(files: &Files, more: &[&str]) -> Self {
        let mut arguments = vec!["serve", text(files.path()), "--format", "json"];
        arguments.extend(["--bind", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        arguments.extend(["--set", "log.queue_bytes=4096", "--set", "server.drain_ms=3600000"]);
        arguments.extend(more);
        let mut child = hotplate(&arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let listening = next(&mut stdout, "listening");
        let address = |key: &str| {
            let url = listening[key].as_str().expect("a URL");
            let rest = url.strip_prefix("http://").and_then(|rest| rest.split('/').next());
            rest.expect("an address").parse().expect("an address")
        };
        Self {
            pages: address("url"),
            admin: address("admin"),
            stdout,
            stderr: child.stderr.take().expect("a pipe"),
            child,
        }
    }

    /// Causes output until lines of a stream are dropped, and checks that every page is answered meanwhile.
    fn write_until_dropped(&self, stream: &str, mut write: impl FnMut(&Self)) -> u64 {
        let until = Instant::now() + Duration::from_secs(300);
        let name = format!("hotplate_output_dropped_lines_total{{stream=\"{stream}\"}} ");
        loop {
            write(self);
            let page = wire::ask(self.pages, "GET", "/", &[], "");
            assert_eq!((page.status, &*page.body), (200, "page"));
            let metrics = wire::ask(self.admin, "GET", "/admin/v1/metrics", &[], "").body;
            let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
            let dropped: u64 = line.expect("the metric").parse().expect("a number");
            if dropped > 0 {
                return dropped;
            }
            assert!(Instant::now() < until, "nothing is dropped, so somebody waits");
        }
    }

    fn signal(&self, signal: &str) {
        let kill = std::process::Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(kill.expect("kill runs").success());
    }

    fn ends(&mut self) {
        self.signal("TERM");
        let ended = (0..3_000).find_map(|_| {
            std::thread::park_timeout(Duration::from_millis(20));
            self.child.try_wait().expect("a child")
        });
        assert_eq!(ended.expect("it ends").code(), Some(0));
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads up to the next line about an event.
fn next(lines: &mut impl BufRead, event: &str) -> Value {
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).expect("a line") > 0, "no `{event}`");
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if line["event"] == event {
            return line;
        }
    }
}

/// Creates a site with a page, and with more errors than fit into a pipe.
fn broken() -> Files {
    let files = Files::new(&[("templates/index.html", "page")]);
    for number in 0..500 {
        files.write(&format!("templates/broken-{number}.html"), "{{ if }}");
    }
    files
}

#[test]
fn unread_stdout_blocks_nothing() {
    let mut server = Unread::start(&broken(), &[]);
    server.write_until_dropped("stdout", |server| server.signal("HUP"));
    server.ends();
}

#[test]
fn an_unread_log_blocks_nothing() {
    let mut server = Unread::start(&broken(), &["--log-level", "trace"]);
    server.write_until_dropped("stderr", |server| server.signal("HUP"));
    server.ends();
}

#[test]
fn dropped_lines_are_counted() {
    let mut server = Unread::start(&broken(), &["--log-level", "trace", "--log-format", "json"]);
    server.write_until_dropped("stdout", |server| server.signal("HUP"));
    server.write_until_dropped("stderr", |server| server.signal("HUP"));
    let output = next(&mut server.stdout, "dropped");
    assert!(output["lines"].as_u64() > Some(0), "{output}");
    // From now on the output is read.
    let mut stderr = server.stderr.by_ref();
    let mut log = BufReader::new(&mut stderr).lines();
    let output = log.find_map(|line| {
        let line: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        line["fields"]["message"].as_str()?.contains("dropped").then_some(line)
    });
    let output = output.expect("a line");
    assert!(output["fields"]["lines"].as_u64() > Some(0), "{output}");
    assert_eq!(output["level"], "WARN");
}

/// Returns the metrics of a server before and after lines of its stdout were dropped.
pub(crate) fn metrics_around_dropped_lines() -> (String, String) {
    let files = broken();
    let mut server = Unread::start(&files, &[]);
    let admin = server.admin;
    let scrape = || wire::ask(admin, "GET", "/admin/v1/metrics", &[], "").body;
    let before = scrape();
    server.write_until_dropped("stdout", |server| server.signal("HUP"));
    let after = scrape();
    server.ends();
    (before, after)
}
