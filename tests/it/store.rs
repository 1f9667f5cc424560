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
fn samples_and_schemas_may_come_and_go_between_starts() {
    let files = site();
    files.write(
        "site/schemas/index.json",
        r#"{"properties": {"title": {"type": "string"}}}"#,
    );
    let (site, samples) = (files.path().join("site"), files.path().join("site/samples"));
    let (away, schemas) = (files.path().join("away"), files.path().join("site/schemas"));
    let page = |server: &Server| (server.get("/").status, server.get("/").body.clone());
    let good = (200, "<body>first</body>".to_owned());
    let kill = |server: Server| {
        assert_eq!(page(&server), good);
        let current = files.path().join("store/CURRENT");
        wait::until("nothing is durable", || current.exists());
        server.running.end("KILL");
    };
    kill(serve(&files));
    // One is added, and the other is removed.
    files.write("site/samples/index.json", r#"{"title": "sample"}"#);
    kill(serve(&files));
    std::fs::rename(&schemas, files.path().join("schemas-away")).expect("moved");
    kill(serve(&files));
    // The whole site is gone, with its samples.
    std::fs::rename(&site, &away).expect("moved");
    let server = serve(&files);
    assert_eq!(page(&server), good);
    // Once it is back, the sample is a contract as before.
    std::fs::rename(&away, &site).expect("moved");
    files.write("site/templates/index.html", "<body>back: {title}</body>");
    wait::until("the templates are not loaded again", || {
        server.get("/").body == "<body>back: first</body>"
    });
    assert!(samples.is_dir());
    files.write("site/samples/index.json", r#"{"other": 1, "title": "sample"}"#);
    files.write("site/templates/index.html", "<body>{other.x}</body>");
    server.running.wait_for("index.html");
    assert_eq!(page(&server), (200, "<body>back: first</body>".to_owned()));
    assert_eq!(server.running.end("TERM").code(), Some(0));
}

#[cfg(feature = "jinja")]
#[test]
fn pages_in_jinja_are_served_although_the_settings_are_gone_with_the_site() {
    let files = Files::new(&[
        (
            "site/templates/index.html",
            "<body>{{ title | upper }}{{ absent }}</body>",
        ),
        ("site/data/_all.json", r#"{"title": "first"}"#),
        (
            "site/hotplate.toml",
            "[templates]\ndialect = \"jinja\"\nmissing = \"lenient\"\n",
        ),
    ]);
    let (site, away) = (files.path().join("site"), files.path().join("away"));
    let server = serve(&files);
    assert_eq!(server.get("/").body, "<body>FIRST</body>");
    assert_eq!(server.running.end("TERM").code(), Some(0));
    std::fs::rename(&site, &away).expect("moved");
    // The second of these starts from what the first has stored.
    for _ in 0..2 {
        let server = serve(&files);
        let page = server.get("/");
        assert_eq!((page.status, page.body.as_str()), (200, "<body>FIRST</body>"));
        assert_eq!(server.running.end("TERM").code(), Some(0));
    }
    std::fs::rename(&away, &site).expect("moved");
    // What its source has now, in the language of the settings, replaces it.
    files.write("site/hotplate.toml", "[templates]\ndialect = \"tiny\"\n");
    files.write("site/templates/index.html", "<body>{title}</body>");
    let server = serve(&files);
    wait::until("the source does not replace the stored text", || {
        server.get("/").body == "<body>first</body>"
    });
    assert_eq!(server.running.end("TERM").code(), Some(0));
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

#[test]
fn an_audit_log_is_signed_and_verified_with_the_public_key() {
    let files = site();
    let (key, audit) = (files.path().join("audit.pem"), files.path().join("audit"));
    let created = run(&["audit", "key", text(&key)]);
    assert_eq!(created.code, 0, "{}", created.stderr);
    assert_eq!(run(&["audit", "key", text(&key)]).code, 2, "an existing key stays");
    let public = files.path().join("audit.pem.pub");
    let arguments = ["serve", text(&files.path().join("site")), "--bind", "127.0.0.1:0"].map(str::to_owned);
    let serve = |key: &std::path::Path| {
        let flags = ["--audit", text(&audit), "--audit-key", text(key)].map(str::to_owned);
        let arguments: Vec<String> = arguments.iter().cloned().chain(flags).collect();
        arguments
    };
    let arguments_of = serve(&key);
    let arguments_of: Vec<&str> = arguments_of.iter().map(String::as_str).collect();
    let server = Server::run(Running::start_logged(&[], &arguments_of));
    files.write("site/data/_all.json", r#"{"title": "second"}"#);
    server.running.wait_for("version 2");
    assert_eq!(server.running.end("TERM").code(), Some(0));

    let verify = |key: &std::path::Path| run(&["audit", "verify", text(&audit), "--key", text(key)]);
    let verified = verify(&public);
    assert_eq!((verified.code, verified.stderr.as_str()), (0, ""));
    assert!(
        verified.stdout.contains("2 records, 1 to 2, all signed"),
        "{}",
        verified.stdout
    );
    assert_eq!(run(&["audit", "verify", text(&audit)]).code, 0);
    for (wrong, said) in [(&key, ".pub"), (&files.path().join("none"), "does not exist")] {
        let refused = verify(wrong);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
    let refused = serve(&public);
    let refused: Vec<&str> = refused.iter().map(String::as_str).collect();
    let refused = run(&refused);
    assert!(
        refused.code != 0 && refused.stderr.contains("public key"),
        "{}",
        refused.stderr
    );
    std::fs::remove_file(audit.join(format!("audit-{:020}.sig", 1))).expect("removed");
    let unsigned = verify(&public);
    assert_eq!(unsigned.code, 1);
    assert!(unsigned.stderr.contains("sequence 1 is bad"), "{}", unsigned.stderr);
}
