//! The log of one batch and of one request: all lines that belong together have the same id.

use serde_json::Value;

use crate::command::{Running, text};
use crate::files::Files;
use crate::http::Server;

fn served(level: &str, more: &[&str]) -> (Files, Server) {
    let files = Files::new(&[("templates/a.html", "a"), ("templates/b.html", "b")]);
    let arguments = [
        "dev",
        text(files.path()),
        "--bind",
        "127.0.0.1:0",
        "--log-format",
        "json",
        "--log-level",
        level,
    ];
    let server = Server::run(Running::start_logged(&[], &[&arguments, more].concat()));
    (files, server)
}

/// Returns the fields of an enclosing span of a log entry.
fn within<'l>(entry: &'l Value, span: &str) -> &'l Value {
    let spans = entry["spans"].as_array().map_or(&[][..], Vec::as_slice);
    spans.iter().find(|found| found["name"] == span).unwrap_or(&Value::Null)
}

#[test]
fn one_batch_has_one_id_in_all_actors() {
    let (files, server) = served("hotplate_actors=debug", &[]);
    for (number, name) in [(2, "a"), (3, "b")] {
        files.write(&format!("templates/{name}.html"), "changed");
        // Only the lines of the log are considered, which are in order.
        let last = format!("\"message\":\"published\",\"version\":{number},");
        let lines = server.running.lines_until(&last);
        let entries = lines
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let batch = format!("0#{number}");
        let of_batch = entries.filter(|entry| within(entry, "batch")["batch"] == batch);
        let messages = of_batch.map(|entry| (entry["target"].clone(), entry["fields"]["message"].clone()));
        let expected = [
            ("watcher", "batch sent"),
            ("compiler", "compiled"),
            ("graph", "planned"),
            ("registry", "published"),
        ];
        let expected = expected.map(|(actor, message)| (format!("hotplate_actors::{actor}").into(), message.into()));
        assert_eq!(messages.collect::<Vec<_>>(), expected, "{lines}");
    }
}

#[test]
fn a_render_belongs_to_its_request() {
    let (_files, server) = served("debug", &["--set", "log.spans=true"]);
    server.get("/a");
    let lines = server.running.lines_with(&["\"name\":\"render\""]);
    let entry: Value = serde_json::from_str(&lines[0]).expect("JSON");
    assert_eq!(entry["fields"]["message"], "close", "{entry}");
    assert!(entry["fields"]["time.busy"].is_string(), "{entry}");
    assert_eq!(within(&entry, "request")["path"], "/a", "{entry}");
}

#[test]
fn a_quiet_log_has_no_spans() {
    let (files, server) = served("warn", &[]);
    files.write("templates/a.html", "changed");
    let lines = server.running.lines_until("version 2: changed a.html");
    for part in ["batch", "serve", "published", "DEBUG"] {
        assert!(!lines.contains(part), "{lines}");
    }
}
