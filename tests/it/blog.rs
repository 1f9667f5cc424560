//! The example blog, whose templates are written in Jinja.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::command::{Running, run, text};
use crate::files::{Files, blog, copy};
use crate::http::Server;

/// Returns the names of the templates below a directory.
fn templates(directory: &Path, prefix: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).expect("a directory").flatten();
    let mut names = BTreeSet::new();
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.path().is_dir() {
            true => names.extend(templates(&entry.path(), &format!("{name}/"))),
            false => drop(names.insert(name)),
        }
    }
    names
}

#[test]
fn every_page_is_rendered_with_its_data() {
    let ran = run(&["check", text(&blog()), "--format", "json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    let output: Value = serde_json::from_str(&ran.stdout).expect("one JSON object");
    assert_eq!(output["findings"], Value::Array(vec![]));
    let all = templates(&blog().join("templates"), "");
    let pages: Vec<&String> = all.iter().filter(|name| !name.starts_with('_')).collect();
    assert_eq!(output["templates"], all.len());
    assert_eq!(output["rendered"], pages.len(), "{output}");
    for page in pages {
        let ran = run(&["render", text(&blog()), page]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{page}");
        for tag in ["{{", "{%", "#}"] {
            assert!(!ran.stdout.contains(tag), "{page} prints {tag}: {}", ran.stdout);
        }
    }
}

#[test]
fn pages_show_what_the_language_can_do() {
    let server = Server::run(Running::start(&["serve", text(&blog()), "--bind", "127.0.0.1:0"]));
    for (path, status, parts) in [
        (
            "/",
            200,
            &[
                "<title>Crumb &amp; Crust</title>",
                "9 March 2026",
                "Stone and steel",
                "aria-current=\"page\">1</a>",
            ][..],
        ),
        (
            "/page/2",
            200,
            &["Page 2</title>", "Rye &lt;and&gt; wheat", "aria-current=\"page\">2</a>"],
        ),
        (
            "/de/",
            200,
            &[
                "<html lang=\"de\">",
                "Krume &amp; Kruste",
                "9. März 2026",
                "href=\"/de/page/2\"",
            ],
        ),
        ("/de/page/3", 200, &["Das erste Brot"]),
        ("/archive", 200, &["<h2>2026</h2>", "<h2>2025</h2>"]),
        (
            "/tags/oven",
            200,
            &["Posts about oven", "Stone and steel", "A first loaf"],
        ),
        (
            "/posts/first-loaf",
            200,
            &[
                "A first loaf · Crumb &amp; Crust</title>",
                "<strong>Tip</strong> Write down",
                "Salt comes late →",
            ],
        ),
        ("/posts/rye-and-wheat", 200, &["3.5 h"]),
        (
            "/posts/keeping-it-alive",
            200,
            &["2 comments", "&lt;Bobby&gt;", "Impossible."],
        ),
        (
            "/feed.xml",
            200,
            &[
                "<title>Rye &lt;and&gt; wheat</title>",
                "flour a week &amp; no drama",
                "/posts/first-loaf</id>",
            ],
        ),
        ("/nothing", 404, &["Nothing here", "Crumb &amp; Crust"]),
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, status, "{path}");
        for part in parts {
            assert!(answer.body.contains(part), "{path}: {part} is not in:\n{}", answer.body);
        }
    }
    assert_eq!(
        server.get("/feed.xml").header("content-type"),
        Some("application/xml; charset=utf-8")
    );
    let tagged = server.get("/tags/oven").body;
    assert!(!tagged.contains("Salt comes late"), "{tagged}");
}

/// The edits that its `README.md` proposes, and which pages each concerns.
#[test]
fn edits_reach_the_pages_that_need_the_file() {
    let files = Files::new(&[]);
    copy(&blog(), files.path());
    let server = Server::start(&files);
    let read = |path: &str| std::fs::read_to_string(files.path().join(path)).expect("there");
    let edit = |path: &str, from: &str, to: &str| {
        let before = read(path);
        assert!(before.contains(from), "{path}: {from}");
        files.write(path, &before.replacen(from, to, 1));
        before
    };
    let freshness = |path: &str| server.get(path).freshness().to_owned();
    let pages = ["/", "/de/page/2", "/archive", "/posts/first-loaf"];

    let base = "templates/_layout/base.html.j2";
    edit(base, "{{ site.author }}", "by {{ site.author }}");
    server.running.wait_for("version 2");
    for page in pages {
        assert!(server.get(page).body.contains("by Ada Moss"), "{page}");
    }
    let good = edit(base, "{%- endfor %}", "");
    server.running.wait_for("error[");
    for page in pages {
        assert_eq!(freshness(page), "stale", "{page}");
    }
    assert_eq!(freshness("/feed.xml"), "current");
    files.write(base, &good);
    server.running.wait_for("fixed");

    let post = "templates/_layout/post.html.j2";
    let good = edit(post, "truncate(120)", "trunkate(120)");
    server.running.wait_for("did you mean `truncate`?");
    assert_eq!(pages.map(freshness), ["current", "current", "current", "stale"]);
    files.write(post, &good);
    server.running.wait_for("fixed");

    edit(
        "templates/_partials/macros.html.j2",
        "{{ post.title[lang] }}",
        "{{ post.titel[lang] }}",
    );
    server.running.wait_for("changed _partials/macros.html.j2");
    let answer = server.get("/");
    assert_eq!((answer.status, answer.freshness()), (200, "stale"));
    assert!(answer.body.contains("Stone and steel"), "{}", answer.body);
    server.running.wait_for("did you mean `post.title`?");
    assert_eq!(freshness("/archive"), "current", "it does not use the macro");
}

/// A site whose pages have the extension of the language has its stand-in under such a name, too.
#[test]
fn the_stand_in_may_be_written_in_jinja() {
    let files = Files::new(&[
        ("templates/index.html.j2", "{% if %}"),
        ("templates/maintenance.html.j2", "<p>{{ 'soon' | upper }}</p>"),
    ]);
    let server = Server::run(Running::start(&["serve", text(files.path()), "--bind", "127.0.0.1:0"]));
    let answer = server.get("/");
    assert_eq!((answer.status, answer.body.as_str()), (503, "<p>SOON</p>"));
    let files = Files::new(&[("templates/index.html.j2", "{% if %}")]);
    let server = Server::run(Running::start(&["serve", text(files.path()), "--bind", "127.0.0.1:0"]));
    let answer = server.get("/");
    assert_eq!(answer.status, 503);
    assert!(answer.body.starts_with("<!doctype html>"), "{}", answer.body);
}

/// People who bring templates in Jinja, and do not say so, learn what to set.
#[test]
fn tags_of_jinja_elsewhere_say_how_to_choose_it() {
    let files = Files::new(&[("page.html", "{% if name %}{{ name }}{% endif %}")]);
    let ran = run(&["check", text(files.path())]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("`dialect = \"jinja\"`"), "{}", ran.stdout);
    let ran = run(&["check", text(files.path()), "--set", "templates.dialect=jinja"]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
}
