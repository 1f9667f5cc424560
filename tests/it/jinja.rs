//! Sites whose templates are written in Jinja, through every command.

use hotplate::dialect::{Dialect, jinja::Jinja};
use hotplate::{Hotplate, Limits, MemoryLoader};

use crate::command::{run, text};
use crate::files::Files;
use crate::http::Server;

/// A site as people bring it: no template has an extension for its language, and the configuration says which it is.
fn site() -> Files {
    Files::new(&[
        ("hotplate.toml", "[templates]\ndialect = \"jinja\"\n"),
        (
            "templates/_layout/base.html",
            "<title>{% block title %}Shop{% endblock %}</title>{% block main %}{% endblock %}",
        ),
        (
            "templates/_layout/macros.html",
            "{% macro price(value, unit='€') %}<b>{{ value }} {{ unit }}</b>{% endmacro %}",
        ),
        (
            "templates/index.html",
            "{% extends '_layout/base.html' %}{% from '_layout/macros.html' import price %}\n{% block title %}{{ super() }}: {{ title }}{% \
             endblock %}\n{% block main %}{% for item in items if item.price > 1 %}{{ item.name }} {{ price(item.price) }}{% if not loop.last \
             %}, {% endif %}{% else %}nothing{% endfor %}{% endblock %}",
        ),
        (
            "templates/note.txt",
            "{{ title }}{% include 'gone.txt' ignore missing %}\n",
        ),
        (
            "data/_all.json",
            r#"{"title": "<all>", "items": [{"name": "tea", "price": 3}, {"name": "ice", "price": 1}, {"name": "R&D", "price": 2}]}"#,
        ),
    ])
}

const INDEX: &str = "<title>Shop: &lt;all&gt;</title>tea <b>3 €</b>, R&amp;D <b>2 €</b>";

#[test]
fn a_site_is_rendered_and_checked() {
    let files = site();
    let ran = run(&["render", text(files.path()), "index.html"]);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.code), (INDEX, "", 0));
    let ran = run(&["render", text(files.path()), "note.txt"]);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.code), ("<all>", "", 0));
    let ran = run(&["check", text(files.path())]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("nothing is wrong\n"), "{}", ran.stdout);
    let ran = run(&["graph", text(files.path())]);
    for part in ["index.html\n", "  _layout/base.html\n", "  _layout/macros.html\n"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
}

#[test]
fn a_flag_chooses_the_language_of_a_plain_folder() {
    let files = Files::new(&[("a.html", "{{ 1 + 1 }}"), ("b.html.j2", "{{ '<' ~ 2 }}")]);
    let render = |arguments: &[&str]| run(&[&["render", text(files.path())], arguments].concat());
    let chosen = render(&["a.html", "--set", "templates.dialect=jinja"]);
    assert_eq!((chosen.stdout.as_str(), chosen.stderr.as_str()), ("2", ""));
    let by_extension = render(&["b.html.j2"]);
    assert_eq!(
        (by_extension.stdout.as_str(), by_extension.stderr.as_str()),
        ("&lt;2", "")
    );
    assert_eq!(
        render(&["a.html"]).code,
        1,
        "without an extension and a choice, the language is tiny"
    );
    let refused = render(&["a.html", "--set", "templates.dialect=ninja"]);
    assert!(refused.stderr.contains("jinja"), "{}", refused.stderr);
}

#[test]
fn faults_are_shown_with_what_to_write() {
    let files = Files::new(&[
        ("templates/a.html.j2", "{% if a %}\n{{ title | uper }}\n{% endfor %}"),
        ("templates/b.html.j2", "<p>\n{{ titel }}"),
        ("templates/c.html.j2", "{% extends 'base.html.j2' %}"),
        ("templates/d.html.j2", "<a href={{ title }}>"),
        ("templates/e.html.j2", "{{ title|uper }}{{ title|json_encode }}"),
        ("data/_all.json", r#"{"title": "x"}"#),
    ]);
    let ran = run(&["check", text(files.path())]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    for part in [
        "error[unmatched-end]",
        "a.html.j2:3:",
        "write `{% endif %}` before it",
        "b.html.j2:2:",
        "did you mean `title`?",
        "there is no template `base.html.j2`",
        "warning[unquoted-attribute]",
        "did you mean `upper`?",
        "write `|tojson`",
    ] {
        assert!(ran.stdout.contains(part), "{part} is not in:\n{}", ran.stdout);
    }
}

#[test]
fn paths_are_answered_without_the_extension_of_the_language() {
    let files = Files::new(&[
        ("templates/index.html.j2", "{{ title }}{{ 1 + 1 }}"),
        ("templates/about.html.jinja", "about"),
        ("templates/feed.xml.j2", "<a>{{ title }}</a>"),
        ("templates/plain.html", "{title}"),
        ("data/index.json", r#"{"title": "<i>"}"#),
        ("data/feed.xml.json", r#"{"title": "f"}"#),
        ("data/plain.json", r#"{"title": "p"}"#),
    ]);
    let server = Server::start(&files);
    for (path, content_type, body) in [
        ("/", "text/html; charset=utf-8", "&lt;i&gt;2"),
        ("/about", "text/html; charset=utf-8", "about"),
        ("/feed.xml", "application/xml; charset=utf-8", "<a>f</a>"),
        ("/plain", "text/html; charset=utf-8", "p"),
    ] {
        let answer = server.get(path);
        let found = (
            answer.status,
            answer.header("content-type").unwrap_or("none"),
            &*answer.body,
        );
        assert_eq!(found, (200, content_type, body), "{path}");
    }
    assert_eq!(server.get("/nothing").status, 404);
}

#[test]
fn an_edit_of_the_base_reaches_its_pages() {
    let files = site();
    let server = Server::start(&files);
    assert_eq!(server.get("/").body, INDEX);
    files.write("templates/_layout/base.html", "<h1>{% block main %}{% endblock %}</h1>");
    server.running.wait_for("version 2: changed _layout/base.html");
    assert_eq!(server.get("/").body, "<h1>tea <b>3 €</b>, R&amp;D <b>2 €</b></h1>");
    files.write("templates/_layout/base.html", "<h1>{% block main %}");
    server.running.wait_for("error[unclosed-block]");
    let stale = server.get("/");
    assert_eq!((stale.status, stale.freshness()), (200, "stale"));
    assert!(stale.body.starts_with("<h1>tea"), "{}", stale.body);
}

/// Checks each row of the tables in the language reference.
#[test]
fn the_language_reference_is_correct() {
    let reference = include_str!("../../docs/jinja.md");
    let (mut head, mut counts) = (Vec::new(), [0; 3]);
    let mut wrong = Vec::new();
    for line in reference.lines() {
        let cells: Vec<String> = match line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) {
            Some(cells) => {
                let cells = cells.replace("\\|", "\0");
                cells.split(" | ").map(|cell| cell.trim().replace('\0', "|")).collect()
            }
            None if line.starts_with("|--") => continue,
            None => {
                head.clear();
                continue;
            }
        };
        if head.is_empty() {
            head = cells;
            continue;
        }
        let code = |at: usize| cells[at].trim_matches('`');
        let render = |is_lenient: bool| {
            let loader = MemoryLoader::of([("page.html", code(0))]).expect("a name");
            let builder = Hotplate::builder().loader(loader).jinja();
            let builder = if is_lenient { builder.lenient() } else { builder };
            let hotplate = builder.start().expect("starts");
            let data: serde_json::Value = serde_json::from_str(code(1)).expect("data");
            let rendered = hotplate.render("page.html", &data);
            rendered.map_or_else(|_| "error".into(), |page| format!("`{}`", page.body))
        };
        let mut expect = |found: &str, expected: &str| {
            let unquoted = expected.trim_matches('`');
            if found.trim_matches('`') != unquoted {
                wrong.push(format!("{line}:\n{found}"));
            }
        };
        match head.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["template", "data", "prints"] => {
                expect(&render(false), &cells[2]);
                counts[0] += 1;
            }
            ["template", "data", "strict (default)", "lenient"] => {
                expect(&render(false), &cells[2]);
                expect(&render(true), &cells[3]);
                counts[1] += 1;
            }
            ["elsewhere", "here"] => {
                let compiled = Jinja.compile(code(0), &Limits::default());
                let refused = compiled.err().map_or(String::new(), |faults| faults[0].to_string());
                if !refused.contains(code(1)) {
                    wrong.push(format!("{line}:\n{refused}"));
                }
                counts[2] += 1;
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(counts.map(|count| count > 5), [true; 3], "{counts:?}");
}
