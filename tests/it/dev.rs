//! `hotplate dev`, over real HTTP.

use crate::command::{run, text};
use crate::files::{Files, copy_of_the_shop};
use crate::http::Server;

fn site() -> Files {
    Files::new(&[
        (
            "templates/index.html",
            "<p>{title}</p>{{ call _parts/foot.html with page }}",
        ),
        ("templates/a/b.html", "a b"),
        ("templates/feed.xml", "<a/>"),
        ("templates/note.txt", "{title}"),
        ("templates/picture.svg", "<svg/>"),
        ("templates/_parts/foot.html", "foot"),
        ("data/_all.json", r#"{"title": "<ä>", "page": {}}"#),
        ("static/site.css", "p {}"),
        ("static/.secret", "hidden"),
        ("static/folder/x.txt", "x"),
    ])
}

#[test]
fn paths_are_answered() {
    let files = site();
    let server = Server::start(&files);
    for (path, status, content_type, body) in [
        ("/", 200, "text/html; charset=utf-8", "<p>&lt;ä&gt;</p>foot"),
        ("/?a=b/../c", 200, "text/html; charset=utf-8", "<p>&lt;ä&gt;</p>foot"),
        ("/a/b", 200, "text/html; charset=utf-8", "a b"),
        ("/a%2Fb", 200, "text/html; charset=utf-8", "a b"),
        ("/feed.xml", 200, "application/xml; charset=utf-8", "<a/>"),
        ("/note.txt", 200, "text/plain; charset=utf-8", "<ä>"),
        ("/picture.svg", 200, "image/svg+xml; charset=utf-8", "<svg/>"),
        ("/static/site.css", 200, "text/css; charset=utf-8", "p {}"),
    ] {
        let answer = server.get(path);
        let found = (
            answer.status,
            answer.header("content-type").unwrap_or("none"),
            &*answer.body,
        );
        assert_eq!(found, (status, content_type, body), "{path}");
    }
    for path in [
        "/nothing",
        "/_parts/foot.html",
        "/_parts/foot",
        "/data:_all.json",
        "/data/_all.json",
        "/..%2f..%2fetc/passwd",
        "/static/.secret",
        "/static/folder/",
        "/static/folder",
        "/static/../data/_all.json",
        "/static/%2e%2e/data/_all.json",
        "//index.html",
        "/%00",
        "/%ff",
    ] {
        let answer = server.get(path);
        assert!(
            matches!(answer.status, 400 | 404),
            "{path}: {} {}",
            answer.status,
            answer.body
        );
        assert!(
            !answer.body.contains("foot") && !answer.body.contains("title"),
            "{path}: {}",
            answer.body
        );
    }
    assert_eq!(server.running.end("TERM").code(), Some(0));
}

#[test]
fn head_has_no_body_and_other_methods_are_rejected() {
    let files = site();
    let server = Server::start(&files);
    let head = server.ask("HEAD", "/a/b");
    assert_eq!(
        (head.status, head.body.as_str(), head.header("content-length")),
        (200, "", Some("3"))
    );
    for method in ["POST", "PUT", "DELETE"] {
        let answer = server.ask(method, "/a/b");
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("get, head")),
            "{method}"
        );
    }
    assert_eq!(server.running.end("INT").code(), Some(0));
}

#[test]
fn an_edit_is_visible_at_the_next_request() {
    let files = site();
    let server = Server::start(&files);
    let before = server.get("/");
    assert_eq!(
        (before.header("x-hotplate-version"), before.freshness()),
        (Some("1"), "current")
    );
    files.write("templates/_parts/foot.html", "new foot");
    server.running.wait_for("version 2: changed _parts/foot.html");
    let after = server.get("/");
    assert_eq!(
        (after.body.as_str(), after.header("x-hotplate-version")),
        ("<p>&lt;ä&gt;</p>new foot", Some("2"))
    );
    files.write("data/_all.json", r#"{"title": "t", "page": {}}"#);
    server.running.wait_for("changed data/_all.json");
    assert_eq!(server.get("/note.txt").body, "t");
}

#[test]
fn a_broken_edit_does_not_reach_visitors() {
    let files = site();
    let server = Server::start(&files);
    files.write("templates/_parts/foot.html", "a\n{{ if a == b }}");
    server.running.wait_for("error[comparison]");
    server.running.wait_for("_parts/foot.html:2:");
    server.running.wait_for("still serving version 1 of index.html");
    let stale = server.get("/");
    assert_eq!(
        (stale.status, stale.freshness(), stale.body.as_str()),
        (200, "stale", "<p>&lt;ä&gt;</p>foot")
    );
    assert_eq!(server.get("/a/b").freshness(), "current");
    files.write("templates/_parts/foot.html", "fixed");
    server.running.wait_for("fixed");
    assert_eq!(server.get("/").freshness(), "current");
}

#[test]
fn a_failing_edit_does_not_reach_visitors() {
    let files = site();
    let server = Server::start(&files);
    server.get("/");
    files.write("templates/index.html", "<p>{titel}</p>");
    server.running.wait_for("version 2");
    let stale = server.get("/");
    assert_eq!(
        (stale.status, stale.freshness(), stale.body.as_str()),
        (200, "stale", "<p>&lt;ä&gt;</p>foot")
    );
    server.running.wait_for("index.html:1:5");
    server.running.wait_for("still serving version 1 of index.html");
}

#[test]
fn a_fault_is_printed_once_with_all_its_pages() {
    let files = site();
    files.write("templates/two.html", "{{ call _parts/foot.html with page }}");
    let server = Server::start(&files);
    files.write("templates/_parts/foot.html", "{none}");
    server.running.wait_for("version 2: changed _parts/foot.html");
    assert_eq!(server.get("/two").freshness(), "stale");
    let lines = server.running.lines_until("still serving version 1 of two.html");
    assert!(lines.contains("called from two.html:1:"), "{lines}");
    assert_eq!(
        (server.get("/").freshness(), server.get("/").freshness()),
        ("stale", "stale")
    );
    let lines = server.running.lines_until("still serving version 1 of index.html");
    assert!(!lines.contains("error"), "{lines}");
}

#[test]
fn long_lists_of_faults_are_shortened() {
    let files = site();
    for number in 10..30 {
        files.write(&format!("templates/{number}.html"), "{{ endif }}");
    }
    let server = Server::start(&files);
    let lines = server
        .running
        .lines_until("a stand-in is served for 10.html, 11.html, 12.html and 17 more");
    assert_eq!(lines.matches("error[").count(), 10, "{lines}");
    assert!(lines.contains("and 10 more: `hotplate check"), "{lines}");
}

/// An event names a hundred templates at most, and counts all.
#[test]
fn all_faults_of_a_large_break_are_counted() {
    let files = site();
    files.write("templates/_parts/shared.html", "shared");
    for number in 100..250 {
        files.write(
            &format!("templates/{number}.html"),
            "{{ call _parts/shared.html with site }}",
        );
    }
    let server = Server::start(&files);
    std::fs::remove_file(files.path().join("templates/_parts/shared.html")).expect("removed");
    let lines = server.running.lines_until("still serving version 1 of 100.html");
    assert_eq!(
        lines.matches("there is no template `_parts/shared.html`").count(),
        10,
        "{lines}"
    );
    assert!(lines.contains("and 140 more: `hotplate check"), "{lines}");
}

#[test]
fn a_page_without_a_good_version_has_a_stand_in() {
    let files = site();
    files.write("templates/new.html", "{{ if }}");
    let server = Server::start(&files);
    server.running.wait_for("new.html:1:");
    server.running.wait_for("a stand-in is served for new.html");
    let answer = server.get("/new");
    assert_eq!(
        (answer.status, answer.freshness()),
        (503, "fallback"),
        "{}",
        answer.body
    );
    assert!(!answer.body.contains("{{ if }}"), "{}", answer.body);
}

/// A template that compiles and has never been rendered without error: the author sees the error in the page and in the terminal, and is
/// informed when it is fixed.
#[test]
fn a_page_that_never_rendered_is_reported() {
    let files = site();
    let server = Server::start(&files);
    files.write("templates/late.html", "<p>{titel}</p>");
    server.running.wait_for("version 2: changed late.html");
    for _ in 0..2 {
        let answer = server.get("/late");
        assert_eq!(answer.status, 500);
        assert!(answer.body.contains("late.html:1:5"), "{}", answer.body);
    }
    let lines = server
        .running
        .lines_until("late.html cannot be shown: there is no good version yet");
    assert!(
        lines.contains("error[missing-path]") && lines.contains("late.html:1:5"),
        "{lines}"
    );
    files.write("templates/late.html", "<p>{title}</p>");
    let lines = server.running.lines_until("version 3: changed late.html");
    assert!(!lines.contains("error"), "reported once: {lines}");
    assert!(!lines.contains("fixed"), "nobody has rendered it yet: {lines}");
    assert_eq!(server.get("/late").body, "<p>&lt;ä&gt;</p>");
    server.running.wait_for("version 3: fixed late.html");
}

/// The author sees the number of the version that is really served, even if the version before the failing one fails as well.
#[test]
fn the_served_version_is_named_after_two_bad_edits() {
    let files = site();
    let server = Server::start(&files);
    server.get("/");
    files.write("templates/index.html", "<p>{titel}</p>");
    server.running.wait_for("version 2");
    assert_eq!(server.get("/").header("x-hotplate-version"), Some("1"));
    server.running.wait_for("still serving version 1 of index.html");
    files.write("templates/index.html", "<p>{{ if }}");
    let lines = server.running.lines_until("still serving version");
    assert!(lines.contains("still serving version 1 of index.html"), "{lines}");
    let stale = server.get("/");
    assert_eq!(
        (
            stale.header("x-hotplate-version"),
            stale.freshness(),
            stale.body.as_str()
        ),
        (Some("1"), "stale", "<p>&lt;ä&gt;</p>foot")
    );
}

#[test]
fn missing_directories_are_reported() {
    let files = site();
    files.write("templates/404.html", "<h1>not {title}</h1>");
    let server = Server::start(&files);
    let answer = server.get("/nothing");
    assert_eq!((answer.status, answer.body.as_str()), (404, "<h1>not &lt;ä&gt;</h1>"));
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
}

#[test]
fn the_shop_is_served() {
    let files = copy_of_the_shop();
    let server = Server::start(&files);
    for path in [
        "/",
        "/category/tea",
        "/product/zaatar",
        "/de/home",
        "/mail/order.txt",
        "/sitemap.xml",
        "/robots.txt",
    ] {
        let answer = server.get(path);
        assert_eq!(
            (answer.status, answer.freshness()),
            (200, "current"),
            "{path}: {}",
            answer.body
        );
    }
    assert_eq!(server.get("/no/such/page").status, 404);
    files.remove("templates/_partials/price.html");
    server.running.wait_for("still serving version 1 of");
    assert_eq!(server.get("/category/tea").freshness(), "stale");
    assert_eq!(server.get("/terms").freshness(), "current");
}

/// The lines of an author begin with the time, and say when nothing is wrong any more.
#[test]
fn lines_have_the_time_and_all_fixed_is_said() {
    let files = site();
    let server = Server::start(&files);
    files.write("templates/_parts/foot.html", "{{ if a == b }}");
    let line = server.running.wait_for("version 2");
    let time = line.split(' ').next().expect("a word");
    let digits = time.bytes().enumerate().all(|(at, byte)| {
        if at % 3 == 2 {
            byte == b':'
        } else {
            byte.is_ascii_digit()
        }
    });
    assert!(time.len() == 8 && digits, "{line}");
    files.write("templates/a/b.html", "{{ if a == b }}");
    server.running.wait_for("a/b.html:1:");
    files.write("templates/_parts/foot.html", "fixed");
    let lines = server.running.lines_until("fixed _parts/foot.html");
    assert!(!lines.contains("all fixed"), "{lines}");
    files.write("templates/a/b.html", "fixed");
    server
        .running
        .wait_for("all fixed: every page is served from its newest text");
}

/// The default port may be in use: the next free one is taken, and a port that was asked for is not replaced.
#[test]
fn the_default_directory_and_port_are_convenient() {
    let files = site();
    let mut running = Vec::new();
    // Whether the first one gets the default port depends on what else runs on this machine.
    for _ in 0..2 {
        let mut command = crate::command::hotplate(&["dev"]);
        command.current_dir(files.path());
        running.push(Server::run(crate::command::Running::of(command)));
    }
    assert_ne!(running[0].address, running[1].address);
    for server in &running {
        assert_eq!(server.get("/a/b").body, "a b");
    }
}

#[test]
fn a_port_in_use_is_reported() {
    let files = site();
    let server = Server::start(&files);
    let ran = run(&["dev", text(files.path()), "--bind", &server.address]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(
        ran.stderr.contains(&server.address) && ran.stderr.contains("in use"),
        "{}",
        ran.stderr
    );
    let ran = run(&["dev", text(files.path()), "--bind", "nonsense"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}
