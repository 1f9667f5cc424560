//! Kinds of directories: a site, a site whose templates do not exist yet, and a plain folder of templates.

use std::fs;

use serde_json::Value;

use crate::command::{Running, run, text};
use crate::files::Files;
use crate::http::Server;
use crate::wait;

const LOCAL: [&str; 2] = ["--bind", "127.0.0.1:0"];

/// Creates a site without templates, with files that must not be served.
fn site_without_templates() -> Files {
    Files::new(&[
        ("away/index.html", "page"),
        ("away/_parts/row.html", "piece"),
        ("static/site.css", "p {}"),
        ("data/_all.json", "{}"),
        ("notes.txt", "secret"),
        ("admin-token.txt", "secret"),
    ])
}

#[test]
fn serve_waits_for_templates() {
    let files = site_without_templates();
    let run = Running::start_logged(
        &[],
        &[
            &[
                "serve",
                text(files.path()),
                "--admin",
                "127.0.0.1:0",
                "--format",
                "json",
            ],
            &LOCAL[..],
        ]
        .concat(),
    );
    let told = run.lines_with(&["\"event\":\"listening\"", "does not exist: pages are answered 503"]);
    let listening: Value = serde_json::from_str(&told[0]).expect("JSON");
    let address = |url: &str| {
        let rest = url.strip_prefix("http://").expect("a URL");
        rest.split('/').next().expect("an address").to_owned()
    };
    let (site, admin) = (&listening["url"], &listening["admin"]);
    let admin: std::net::SocketAddr = address(admin.as_str().expect("a URL")).parse().expect("an address");
    let address = address(site.as_str().expect("a URL"));
    let server = Server { running: run, address };
    let ready = || crate::wire::ask(admin, "GET", "/admin/v1/health/ready", &[], "").status;
    for path in [
        "/",
        "/notes.txt",
        "/notes",
        "/admin-token.txt",
        "/away/index.html",
        "/nothing",
    ] {
        let answer = server.get(path);
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (503, Some("5")),
            "{path}"
        );
        assert!(!answer.body.contains("secret"), "{}", answer.body);
    }
    assert_eq!(server.get("/static/site.css").status, 200);
    assert_eq!(ready(), 503);
    let health = crate::wire::ask(admin, "GET", "/admin/v1/health", &[], "");
    assert!(health.body.contains("templates is not there yet"), "{}", health.body);

    fs::rename(files.path().join("away"), files.path().join("templates")).expect("renamed");
    wait::until("the site is never served", || server.get("/").status == 200);
    assert_eq!(server.get("/").body, "page");
    for path in [
        "/_parts/row.html",
        "/templates/_parts/row.html",
        "/notes.txt",
        "/admin-token.txt",
    ] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    assert_eq!(ready(), 200);
    // After templates have been loaded, a missing directory does not remove them.
    fs::rename(files.path().join("templates"), files.path().join("away")).expect("renamed");
    let health = || crate::wire::ask(admin, "GET", "/admin/v1/health", &[], "").body;
    wait::until("its absence is never reported", || {
        health().contains("templates is missing")
    });
    assert_eq!(ready(), 200, "every page is served on");
    assert_eq!(server.get("/").body, "page");
}

#[test]
fn a_plain_folder_is_served_on_request() {
    let files = Files::new(&[
        ("index.html", "page"),
        ("mail/order.txt", "order"),
        ("_parts/row.html", "piece"),
        ("a/partials/row.html", "piece"),
        ("static/site.css", "p {}"),
    ]);
    let check = |server: &Server| {
        for (path, status) in [
            ("/", 200),
            ("/mail/order.txt", 200),
            ("/_parts/row.html", 404),
            ("/a/partials/row", 404),
            ("/static/site.css", 404),
        ] {
            assert_eq!(server.get(path).status, status, "{path}");
        }
    };
    let serve = [&["serve", text(files.path())], &LOCAL[..]].concat();
    check(&Server::run(Running::start(&[&serve[..], &["--plain"]].concat())));
    assert_eq!(Server::run(Running::start(&serve)).get("/").status, 503);
    files.write("hotplate.toml", "[templates]\nplain = true\n");
    check(&Server::run(Running::start(&serve)));
    let overridden = Server::run(Running::start(&[&serve[..], &["--plain=false"]].concat()));
    assert_eq!(overridden.get("/").status, 503);
}

#[test]
fn a_site_may_keep_its_templates_elsewhere() {
    let files = Files::new(&[
        ("views/index.html", "{said}"),
        ("data/_all.json", r#"{"said": "data"}"#),
    ]);
    files.write("hotplate.toml", "[templates]\ndirectory = \"views\"\n");
    let server = Server::run(Running::start(&[&["serve", text(files.path())], &LOCAL[..]].concat()));
    assert_eq!(server.get("/").body, "data");
    assert_eq!(run(&["render", text(files.path()), "index.html"]).stdout, "data");
    for (setting, said) in [
        ("directory = \".\"", "plain = true"),
        ("directory = \"a\"\nplain = true", "remove either"),
    ] {
        files.write("hotplate.toml", &format!("[templates]\n{setting}\n"));
        let refused = run(&["check", text(files.path())]);
        assert_eq!(refused.code, 2, "{setting}");
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
}

#[test]
fn dev_detects_the_kind_of_a_directory() {
    let folder = Files::new(&[("index.html", "page"), ("_parts/row.html", "row")]);
    let plain = text(folder.path());
    assert_eq!(run(&["render", plain, "index.html"]).stdout, "page");
    assert_eq!(run(&["check", plain]).code, 0);
    let graph: Value = serde_json::from_str(&run(&["graph", plain, "--format", "json"]).stdout).expect("JSON");
    let entries: Vec<_> = graph["templates"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|node| &node["entry"])
        .collect();
    assert_eq!(entries, [false, true], "{graph}");
    // Only `dev` guesses the kind of a directory.
    let world = Server::run(Running::start(&["dev", plain, "--bind", "0.0.0.0:0"]));
    assert_eq!(world.get("/").status, 503);
}

#[test]
fn a_folder_that_becomes_a_site_is_served_as_one() {
    let files = Files::new(&[("index.html", "plain")]);
    let dev = Running::start(&[&["dev", text(files.path())], &LOCAL[..]].concat());
    let server = Server::run(dev);
    assert!(server.get("/").body.starts_with("plain"));
    files.write("data/_all.json", r#"{"said": "site"}"#);
    files.write("templates/index.html", "{said}");
    let line = server.running.wait_for("open http://");
    assert!(line.contains(&server.address), "at the same address: {line}");
    wait::until("it never becomes a site", || server.get("/").body.starts_with("site"));
    // An explicit kind is not changed.
    let explicit = Server::run(Running::start(
        &[&["dev", text(files.path()), "--plain"], &LOCAL[..]].concat(),
    ));
    assert!(explicit.get("/").body.starts_with("plain"));
}

#[test]
fn an_incomplete_site_is_followed() {
    let files = Files::new(&[]);
    let running = Running::start(&[&["dev", text(files.path())], &LOCAL[..]].concat());
    let server = Server::run(running);
    let first = files.path().join("templates/index.html");
    let line = server.running.wait_for("there is no template yet");
    assert!(line.ends_with(text(&first)), "{line}");
    assert_eq!(server.get("/").status, 503);
    files.write("templates/index.html", "first");
    server.running.wait_for("changed index.html");
    assert_eq!(server.get("/").status, 200);
}
