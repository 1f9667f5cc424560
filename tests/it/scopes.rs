//! Stages and tenants of a site, by their directories.

use crate::command::{RunOutput, Running, run, text};
use crate::files::Files;
use crate::http::Server;
use crate::wait;

fn site() -> Files {
    Files::new(&[
        (
            "templates/index.html",
            "{{ call _parts/brand.html with page }} {page.title}",
        ),
        ("templates/_parts/brand.html", "everyone"),
        ("data/_all.json", r#"{"page": {"title": "home"}}"#),
        ("templates@canary/_parts/brand.html", "canary"),
        ("tenants/acme/_parts/brand.html", "acme"),
        ("tenants/beta/templates/_parts/brand.html", "beta"),
        ("tenants/beta/data/_all.json", r#"{"page": {"title": "beta's home"}}"#),
        ("tenants/beta@canary/_parts/brand.html", "beta canary"),
    ])
}

fn rendered(site: &Files, arguments: &[&str]) -> RunOutput {
    let arguments = [&["render", text(site.path()), "index.html"], arguments].concat();
    run(&arguments)
}

#[test]
fn each_directory_is_a_layer() {
    let site = site();
    for (arguments, expected) in [
        (&[][..], "everyone home"),
        (&["--stage", "canary"], "canary home"),
        (&["--stage", "experimental"], "everyone home"),
        (&["--tenant", "acme"], "acme home"),
        (&["--tenant", "acme", "--stage", "canary"], "acme home"),
        (&["--tenant", "beta"], "beta beta&apos;s home"),
        (
            &["--tenant", "beta", "--stage", "canary"],
            "beta canary beta&apos;s home",
        ),
    ] {
        let ran = rendered(&site, arguments);
        let expected = [
            expected.to_owned(),
            expected.replace("&apos;", "&#39;"),
            expected.replace("&apos;", "&#x27;"),
        ];
        assert!(
            ran.code == 0 && expected.contains(&ran.stdout),
            "{arguments:?}: {ran:?}"
        );
    }
    for (arguments, code, part) in [
        (
            ["--tenant", "nobody"],
            1,
            "tenant `nobody` has no template; those that have one are acme, beta",
        ),
        (["--tenant", "../acme"], 2, "is not the id of a tenant"),
        (["--tenant", "ACME"], 2, "is not the id of a tenant"),
        (["--stage", "beta"], 2, "there is no stage `beta`"),
    ] {
        let ran = rendered(&site, &arguments);
        assert!(ran.code == code && ran.stderr.contains(part), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn explain_names_each_look_up() {
    let site = site();
    let explain = |name: &str, arguments: &[&str]| {
        let arguments = [&["explain", text(site.path()), name], arguments].concat();
        run(&arguments)
    };
    let ran = explain("_parts/brand.html", &["--tenant", "beta", "--stage", "canary"]);
    let expected = "`_parts/brand.html` is looked up in these layers:\n  tenant beta@canary: this text is used\n  tenant beta: a text that is not \
                    used\n  shared@canary: a text that is not used\n  shared: a text that is not used\nit is current\n";
    assert_eq!((ran.code, ran.stdout.as_str()), (0, expected));
    let ran = explain("index.html", &["--tenant", "acme"]);
    assert!(
        ran.stdout
            .contains("tenant acme: no text\n  shared: this text is used\n"),
        "{}",
        ran.stdout
    );
    let ran = explain("nothing.html", &["--stage", "canary"]);
    assert!(
        ran.code == 1 && ran.stdout.contains("no such template"),
        "{}",
        ran.stdout
    );
    let ran = explain("index.html", &["--format", "json"]);
    let output: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(output["explanation"]["layers"][0]["layer"], "shared");
    assert_eq!(output["explanation"]["status"], "current");
}

/// A fault of everyone is found once; one of several scopes once, with the first scope.
#[test]
fn check_finds_each_fault_once() {
    let site = site();
    let clean = run(&["check", text(site.path())]);
    assert!(
        clean.code == 0 && clean.stdout.contains("nothing is wrong"),
        "{}",
        clean.stdout
    );
    let site = Files::new(&[
        ("templates/index.html", "{page.title}"),
        ("templates/broken.html", "{{ if }}"),
        ("data/_all.json", r#"{"page": {"title": "home"}}"#),
        ("tenants/acme/index.html", "{page.titel}"),
        ("tenants/beta/index.html", "{page.titel}"),
        ("tenants/beta/only.html", "{{ call nobody.html with page }}"),
        ("tenants/Bad Id/index.html", "x"),
        ("tenants/stray.html", "x"),
    ]);
    let ran = run(&["check", text(site.path())]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    for (part, times) in [
        ("`titel`", 1),
        ("(tenant acme)", 1),
        ("there is no template `nobody.html` (tenant beta)", 1),
        ("`Bad Id` is not the id of a tenant", 1),
        ("belongs to no tenant", 1),
        ("broken.html:1:", 1),
    ] {
        let found = ran.stdout.matches(part).count();
        assert!(
            found >= 1 && (times == 0 || found <= 2),
            "{part} {found} times: {}",
            ran.stdout
        );
    }
}

/// A tenant whose directory is a link to that of another one would see its templates.
#[cfg(unix)]
#[test]
fn a_link_to_another_tenant_is_left_out() {
    let site = site();
    std::os::unix::fs::symlink(site.path().join("tenants/beta"), site.path().join("tenants/spy")).expect("a link");
    let file = site.path().join("tenants/acme/index.html");
    std::os::unix::fs::symlink(site.path().join("tenants/beta/templates/_parts/brand.html"), &file).expect("a link");
    let ran = rendered(&site, &["--tenant", "spy"]);
    assert!(
        ran.code == 1 && ran.stderr.contains("tenant `spy` has no template"),
        "{ran:?}"
    );
    let ran = run(&["check", text(site.path())]);
    assert!(ran.stdout.contains("a symbolic link is left out"), "{}", ran.stdout);
    assert_eq!(rendered(&site, &["--tenant", "acme"]).stdout, "acme home");
}

/// The scope of a request is that of its path, from the page to its validator, its static files and its "not found" page.
#[test]
fn requests_get_the_pages_of_their_scope() {
    let site = site();
    site.write(
        "templates/404.html",
        "nothing for {{ call _parts/brand.html with page }}",
    );
    site.write("tenants/acme/only.html", "only acme has this");
    site.write("static/site.css", "p {}");
    site.write(
        "hotplate.toml",
        "[scopes]\ntenant_from = \"path\"\nstage_path = \"/@\"\n",
    );
    let arguments = ["serve", text(site.path()), "--bind", "127.0.0.1:0"];
    let server = Server::run(Running::start_logged(&[], &arguments));
    for (path, status, body) in [
        ("/", 200, "everyone home"),
        ("/@canary/", 200, "canary home"),
        ("/t/acme/", 200, "acme home"),
        ("/t/acme/only", 200, "only acme has this"),
        ("/t/beta/only", 404, "nothing for beta"),
        ("/t/beta/@canary/nothing", 404, "nothing for beta canary"),
        ("/only", 404, "nothing for everyone"),
        ("/t/nobody/", 404, "There is no page here.\n"),
        ("/t/..%2facme/", 404, "There is no page here.\n"),
        ("/t/ACME/", 404, "There is no page here.\n"),
        ("/@later/", 404, "nothing for everyone"),
        ("/t/acme/static/site.css", 200, "p {}"),
    ] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{path}");
    }
    let tags = ["/", "/t/acme/", "/@canary/"].map(|path| server.get(path).header("etag").map(ToOwned::to_owned));
    assert!(
        tags.iter().all(Option::is_some) && tags[0] != tags[1] && tags[1] != tags[2],
        "{tags:?}"
    );

    // An edit of one tenant is its own. So is a mistake, and visitors keep the last good page.
    site.write("tenants/acme/_parts/brand.html", "ACME");
    wait::until("the edit is served", || server.get("/t/acme/").body == "ACME home");
    site.write("tenants/acme/_parts/brand.html", "{{ call nothing.html }}");
    wait::until("the fault is known", || server.get("/t/acme/").freshness() == "stale");
    assert_eq!(server.get("/t/acme/").body, "ACME home");
    server.running.wait_for("stale for tenant acme: ");
    assert_eq!(
        (server.get("/").freshness(), server.get("/").body.as_str()),
        ("current", "everyone home")
    );
    assert_eq!(server.running.end("TERM").code(), Some(0));
}

/// No visitor of a canary sees it fail, and the judge stops it.
#[test]
fn a_canary_that_fails_is_stopped_while_it_is_served() {
    let site = site();
    site.write("templates@canary/index.html", "{page.titel}");
    site.write("hotplate.toml", "[scopes]\nstage_path = \"/@\"\n");
    let arguments = ["serve", text(site.path()), "--bind", "127.0.0.1:0"];
    let server = Server::run(Running::start_logged(&[], &arguments));
    for _ in 0..4 {
        let answer = server.get("/@canary/");
        assert_eq!(
            (answer.status, answer.freshness(), answer.body.as_str()),
            (200, "stable", "everyone home")
        );
    }
    server.running.wait_for("canary is stopped: 4 of 4 renders failed");
    // A stop lasts, whatever the canary becomes.
    site.write("templates@canary/index.html", "repaired");
    server.running.wait_for("version 2");
    assert_eq!(server.get("/@canary/").body, "everyone home");
    assert_eq!(server.running.end("TERM").code(), Some(0));
}

/// Texts of all scopes are served beside a store, and again after a restart: those of everyone from the store, the others from their sources.
#[test]
fn a_store_does_not_stand_in_the_way_of_scopes() {
    let site = site();
    let store = Files::new(&[]);
    site.write(
        "hotplate.toml",
        "[scopes]\ntenant_from = \"path\"\nstage_path = \"/@\"\n",
    );
    let arguments = [
        "serve",
        text(site.path()),
        "--bind",
        "127.0.0.1:0",
        "--store",
        text(store.path()),
    ];
    for round in ["first", "second"] {
        let server = Server::run(Running::start_logged(&[], &arguments));
        for (path, body) in [
            ("/", "everyone home"),
            ("/@canary/", "canary home"),
            ("/t/acme/", "acme home"),
        ] {
            wait::until("it is loaded", || server.get(path).body == body);
        }
        site.write("templates/other.html", round);
        wait::until("edits of everyone are served", || server.get("/other").body == round);
        assert_eq!(server.running.end("KILL").code(), None);
    }
}
