//! Names of templates that are computed in a render.

use hotplate_actors::dialect::{Missing, RenderFault};
use hotplate_actors::{Freshness, Hotplate, Limits};
use serde_json::{Value, json};

use super::engine::{Site, name};
use super::judge::{Texts, fault, ours, theirs};

const PARTS: [(&str, &str); 5] = [
    ("a.html", "A{{ x }}"),
    ("b.html", "B{{ x }}"),
    ("base.html", "<{% block main %}base{% endblock %}>"),
    ("lib.html", "{% macro m(v) %}[{{ v }}]{% endmacro %}{% set s = 's' %}"),
    ("again.html", "{% if n is defined %}{% include n %}{% endif %}again"),
];

/// Each entry with what it prints.
const CASES: &[(&str, &str)] = &[
    ("{% include name %}", "A&lt;"),
    ("{% include stem ~ '.html' %}", "A&lt;"),
    ("{% include names[1] %}", "B&lt;"),
    ("{% include [absent, 'b.html'] %}", "B&lt;"),
    ("{% include [name, 'b.html'] %}", "A&lt;"),
    ("{% include names %}", "A&lt;"),
    ("{% include absent ignore missing %}.", "."),
    ("{% include '../' ~ name ignore missing %}.", "."),
    ("{% include './' ~ name ignore missing %}.", "."),
    ("{% include '/etc/passwd' ~ '' ignore missing %}.", "."),
    ("{% include '' ~ '' ignore missing %}.", "."),
    ("{% include nothing or 'b.html' %}", "B&lt;"),
    ("{% include undefined_name | default('b.html') %}", "B&lt;"),
    ("{% include (name if x else 'b.html') %}", "A&lt;"),
    ("{% for each in names %}{% include each %};{% endfor %}", "A&lt;;B&lt;;"),
    (
        "{% macro at(where) %}{% include where %}{% endmacro %}{{ at(name) }}",
        "A&lt;",
    ),
    (
        "{% with n = 'a.html' %}{% include 'again.html' %}{% endwith %}",
        "A&lt;again",
    ),
    (
        "{% extends layout %}{% block main %}page{{ super() }}{% endblock %}",
        "<pagebase>",
    ),
    (
        "{% extends layout | default('other.html') %}{% block main %}{% endblock %}",
        "<>",
    ),
    ("{% import lib as m %}{{ m.m(1) }}{{ m.s }}", "[1]s"),
    ("{% from lib import m, s %}{{ m(2) }}{{ s }}", "[2]s"),
];

fn data() -> Value {
    json!({
        "x": "<", "name": "a.html", "stem": "a", "names": ["a.html", "b.html"], "absent": "nowhere.html",
        "nothing": "", "layout": "base.html", "lib": "lib.html",
    })
}

fn set(entry: &str) -> Vec<(&str, &str)> {
    [("page.html", entry)].into_iter().chain(PARTS).collect()
}

#[test]
fn a_computed_name_finds_a_template_of_the_same_set() {
    for (entry, expected) in CASES {
        let set = set(entry);
        let printed = ours(&set, &data(), Missing::Error);
        assert_eq!(printed.as_deref(), Ok(*expected), "{entry}");
        assert_eq!(printed.ok(), theirs(&set, &data(), Missing::Error).ok(), "{entry}");
    }
}

#[test]
fn a_name_that_no_template_has_is_a_fault_with_advice() {
    let long = "x".repeat(100_000);
    let context =
        json!({ "user": "../secret", "near": "bb.html", "long": long, "n": 7, "names": ["", "y", "z", "1", "2"] });
    let unknown = Some((RenderFault::UnknownTemplate, "unknown-template"));
    let invalid = Some((RenderFault::Operation, "invalid-operation"));
    let cases: [(&str, &str, _); 9] = [
        ("{% include user %}", "there is no template `../secret`", unknown),
        ("{% include near %}", "did you mean `b.html`?", unknown),
        ("{% include long %}", "xxx…`", unknown),
        (
            "{% include names %}",
            "none of these templates exists: ``, `y`, `z`, `1`, …",
            unknown,
        ),
        ("{% extends user ~ '' %}", "there is no template `../secret`", unknown),
        ("{% import user as m %}", "there is no template `../secret`", unknown),
        ("{% include n %}", "a string, not a number", invalid),
        ("{% include [n] ignore missing %}", "a string, not a number", invalid),
        (
            "{% include nowhere ignore missing %}",
            "nowhere",
            Some((RenderFault::MissingPath, "undefined")),
        ),
    ];
    for (entry, said, expected) in cases {
        let set = set(entry);
        assert_eq!(fault(&set, &context), expected, "{entry}");
        let error = ours(&set, &context, Missing::Error).expect_err("fails");
        assert!(error.contains(said), "{entry}: {error}");
        assert!(error.len() < 600, "{entry}: {} bytes", error.len());
    }
}

#[test]
fn cycles_of_computed_names_end_at_the_depth_of_calls() {
    let deep = Some((
        RenderFault::Budget(hotplate_actors::budget::Exceeded::Depth(Limits::default().call_depth)),
        "budget",
    ));
    let cases: [(Texts<'_>, _); 3] = [
        (&[("page.html", "{% include me %}")], deep),
        (
            &[
                ("page.html", "{% include 'other.html' ~ '' %}"),
                ("other.html", "{% import me as m %}"),
            ],
            deep,
        ),
        (
            &[("page.html", "{% extends me %}")],
            Some((RenderFault::Operation, "extends-cycle")),
        ),
    ];
    for (texts, expected) in cases {
        assert_eq!(fault(texts, &json!({ "me": "page.html" })), expected, "{texts:?}");
    }
}

fn rendered(hotplate: &Hotplate, page: &str, data: &Value) -> (String, bool) {
    let rendered = hotplate.render(page, data).expect("is answered");
    (rendered.body, matches!(rendered.freshness, Freshness::Current))
}

#[test]
fn an_edit_reaches_those_who_compute_its_name() {
    let site = Site::new(&[
        ("page.html.j2", "page {% include [which, 'b.html.j2'] %}"),
        ("b.html.j2", "b"),
        ("other.html.j2", "other"),
    ]);
    let data = json!({ "which": "a.html.j2" });
    let digest = |page: &str| {
        let pinned = site.hotplate.snapshot();
        let snapshot = pinned.snapshot();
        let id = snapshot.id(page).expect("is known");
        snapshot.status(id).closure().expect("is served").digest()
    };
    let (page, other) = (digest("page.html.j2"), digest("other.html.j2"));
    assert_eq!(site.render("page.html.j2", &data), "page b");
    site.edit("a.html.j2", "new");
    assert_eq!(site.render("page.html.j2", &data), "page new");
    site.edit("a.html.j2", "newer");
    assert_eq!(site.render("page.html.j2", &data), "page newer");
    assert_ne!(digest("page.html.j2"), page, "whoever caches the page has to ask again");
    assert_eq!(digest("other.html.j2"), other);
}

#[test]
fn a_broken_template_of_a_computed_name_takes_the_page_back_to_its_last_good_version() {
    let site = Site::new(&[
        ("page.html.j2", "page 1 {% include which %}"),
        ("a.html.j2", "a 1 {% include 'part.html.j2' %}"),
        ("part.html.j2", "part 1"),
        ("b.html.j2", "b 1"),
    ]);
    let (a, b) = (json!({ "which": "a.html.j2" }), json!({ "which": "b.html.j2" }));
    let page = |data| rendered(&site.hotplate, "page.html.j2", data);
    assert_eq!(page(&a), ("page 1 a 1 part 1".into(), true));
    site.edit("part.html.j2", "{% if %}");
    site.edit("page.html.j2", "page 2 {% include which %}");
    site.edit("a.html.j2", "a 2 {% include 'part.html.j2' %}");
    assert_eq!(page(&b), ("page 2 b 1".into(), true), "who does not need it goes on");
    assert_eq!(
        page(&a),
        ("page 1 a 1 part 1".into(), false),
        "never page 2 with part 1"
    );
    // More versions than the history keeps.
    for number in 0..100 {
        site.edit("b.html.j2", &format!("b {number}"));
    }
    assert_eq!(page(&a), ("page 1 a 1 part 1".into(), false));
    assert_eq!(page(&b), ("page 2 b 99".into(), true));
    site.edit("part.html.j2", "part 3");
    assert_eq!(page(&a), ("page 2 a 2 part 3".into(), true));
}

#[test]
fn a_stale_page_finds_computed_names_in_its_own_version() {
    let site = Site::new(&[
        ("page.html.j2", "page 1 {% include which %}"),
        ("a.html.j2", "a 1"),
        ("gone.html.j2", "gone 1"),
    ]);
    let page = |which: &str| site.render("page.html.j2", &json!({ "which": which }));
    site.edit("page.html.j2", "page 2 {% include which ");
    site.edit("a.html.j2", "a 2");
    site.texts.remove(name("gone.html.j2"));
    site.edit("new.html.j2", "new 2");
    assert_eq!(page("a.html.j2"), "page 1 a 1");
    assert_eq!(page("gone.html.j2"), "page 1 gone 1");
    site.edit("page.html.j2", "page 3 {% include which %}");
    assert_eq!(page("a.html.j2"), "page 3 a 2");
    assert_eq!(page("new.html.j2"), "page 3 new 2");
}

#[test]
fn a_macro_knows_the_names_inside_of_a_slice() {
    let page = "{% macro other(x) %}{{ x }}!{% endmacro %}{% from 'lib.html' import one %}{{ one('abc') }}";
    let lib = "{% macro one(x) %}{{ other(x)[:2] }}{% endmacro %}";
    let texts = [("page.html", page), ("lib.html", lib)];
    let context = json!({});
    assert_eq!(ours(&texts, &context, Missing::Error).as_deref(), Ok("ab"));
    let theirs = theirs(&texts, &context, Missing::Error).expect_err("it does not find `other`");
    assert!(theirs.contains("unknown function"), "{theirs}");
}
