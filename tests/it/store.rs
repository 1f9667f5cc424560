//! The store and the audit log of the command: a server is killed, something happens to its templates, and the next one serves.

use serde_json::Value;

use crate::command::{Running, run, text};
use crate::files::Files;
use crate::http::Server;
use crate::wait;

fn site() -> Files {
    Files::new(&[
        ("site/templates/index.html", "<body>{title}</body>"),
        ("site/data/_all.json", r#"{"title": "first"}"#),
    ])
}

fn serve(files: &Files) -> Server {
    let site = files.path().join("site");
    let arguments = [
        "serve",
        text(&site),
        "--bind",
        "127.0.0.1:0",
        "--set",
        "server.workers=2",
    ];
    let (store, audit) = (files.path().join("store"), files.path().join("audit"));
    let kept = ["--store", text(&store), "--audit", text(&audit)];
    Server::run(Running::start_logged(&[], &[&arguments[..], &kept[..]].concat()))
}

#[test]
fn a_server_that_was_killed_serves_the_last_version_without_its_templates() {
    let files = site();
    let server = serve(&files);
    assert_eq!(server.get("/").body, "<body>first</body>");
    files.write("site/data/_all.json", r#"{"title": "second"}"#);
    server.running.wait_for("version 2");
    let current = files.path().join("store/CURRENT");
    wait::until("version 2 is not durable", || {
        std::fs::read_to_string(&current).is_ok_and(|pointer| pointer.contains("\n2 "))
    });
    server.running.end("KILL");

    std::fs::rename(files.path().join("site"), files.path().join("away")).expect("moved");
    let server = serve(&files);
    let page = server.get("/");
    assert_eq!((page.status, page.body.as_str()), (200, "<body>second</body>"));
    std::fs::rename(files.path().join("away"), files.path().join("site")).expect("moved");
    files.write("site/templates/index.html", "<body>back: {title}</body>");
    wait::until("the templates are not loaded again", || {
        server.get("/").body == "<body>back: second</body>"
    });
    assert_eq!(server.running.end("TERM").code(), Some(0));

    let log = files.path().join("audit");
    let verified = run(&["audit", "verify", text(&log), "--format", "json"]);
    assert_eq!(verified.code, 0, "{}", verified.stderr);
    let shown = run(&["audit", "show", text(&log), "--format", "json"]);
    let lines = shown
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object"));
    let lines: Vec<Value> = lines.collect();
    let actions: Vec<&str> = lines.iter().filter_map(|line| line["action"].as_str()).collect();
    assert_eq!(actions, ["publish", "publish", "restore", "publish"]);
    assert!(run(&["audit", "show", text(&log)]).stdout.contains("restore"));

    // Somebody changes who has done it.
    let file = log.join("audit-00000000000000000001.jsonl");
    let changed = std::fs::read_to_string(&file)
        .expect("reads")
        .replacen("\"by\":\"", "\"by\":\"x", 1);
    std::fs::write(&file, changed).expect("written");
    let refused = run(&["audit", "verify", text(&log)]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("sequence 1"), "{}", refused.stderr);
    assert_eq!(run(&["audit", "verify", text(&files.path().join("no"))]).code, 2);
}

#[test]
fn a_store_without_its_newest_pointer_serves_without_its_templates() {
    let files = site();
    let server = serve(&files);
    let current = files.path().join("store/CURRENT");
    wait::until("version 1 is not durable", || current.exists());
    assert_eq!(server.running.end("TERM").code(), Some(0));
    std::fs::remove_file(current).expect("removed");
    std::fs::remove_dir_all(files.path().join("site")).expect("removed");
    assert_eq!(serve(&files).get("/").body, "<body>first</body>");
}

#[test]
fn a_store_inside_the_templates_is_refused() {
    let files = site();
    let site = files.path().join("site");
    let inside = files.path().join("site/templates/kept");
    for flag in ["--store", "--audit"] {
        let refused = run(&["serve", text(&site), "--bind", "127.0.0.1:0", flag, text(&inside)]);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(
            refused.stderr.contains("choose another directory"),
            "{}",
            refused.stderr
        );
        assert!(!inside.exists());
    }
}

#[test]
fn a_required_template_that_is_broken_refuses_the_start() {
    let files = site();
    files.write("site/templates/index.html", "{{ if }}");
    let site = files.path().join("site");
    let required = "templates.required_at_start=index.html";
    let refused = run(&["serve", text(&site), "--bind", "127.0.0.1:0", "--set", required]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("index.html"), "{}", refused.stderr);
    // `check` finds a required template that does not exist, before the start would.
    let absent = "templates.required_at_start=nowhere.html";
    let found = run(&["check", text(&site), "--set", absent]);
    assert_eq!(found.code, 1);
    let message = "the required template `nowhere.html` does not exist";
    assert!(found.stdout.contains(message), "{}", found.stdout);
}
