//! Templates in Jinja in a running engine: edits reach exactly those who depend on them.

use std::collections::BTreeSet;

use hotplate_actors::MemoryHandle;
use hotplate_actors::{Digest, Freshness, Hotplate, MemoryLoader, ReloadReport, TemplateName};
use serde_json::{Value, json};

pub(super) struct Site {
    pub(super) texts: MemoryHandle,
    pub(super) hotplate: Hotplate,
}

pub(super) fn name(name: &str) -> TemplateName {
    TemplateName::new(name).expect("a valid name")
}

pub(super) fn block<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(future)
}

impl Site {
    pub(super) fn new(texts: &[(&str, &str)]) -> Self {
        let (loader, handle) = MemoryLoader::new();
        for (each, text) in texts {
            handle.set(name(each), *text);
        }
        let hotplate = Hotplate::builder().loader(loader).watch(false);
        let hotplate = hotplate.formatter("shout", |value, output| {
            let text = value.as_text().unwrap_or_default();
            output.text(&format!("{text}<!>"))
        });
        let hotplate = hotplate.start().expect("starts");
        Self {
            texts: handle,
            hotplate,
        }
    }

    pub(super) fn edit(&self, edited: &str, text: &str) -> ReloadReport {
        self.texts.set(name(edited), text);
        block(self.hotplate.reload()).expect("reloads")
    }

    pub(super) fn render(&self, page: &str, data: &Value) -> String {
        self.hotplate
            .render(page, data)
            .map_or_else(|error| error.to_string(), |page| page.body)
    }

    /// Returns the digest of what each page is rendered from.
    fn closures(&self, pages: &[&str]) -> Vec<Option<Digest>> {
        let pinned = self.hotplate.snapshot();
        let snapshot = pinned.snapshot();
        let closure = |page: &&str| snapshot.status(snapshot.id(page)?).closure();
        pages.iter().map(|page| Some(closure(page)?.digest())).collect()
    }

    /// Edits a template, and returns the pages that are rendered from something else since.
    fn renewed(&self, edited: &str, text: &str, pages: &[&str]) -> BTreeSet<String> {
        let before = self.closures(pages);
        self.edit(edited, text);
        let changes = before.into_iter().zip(self.closures(pages)).zip(pages);
        let renewed = changes.filter(|((before, after), _)| before != after);
        renewed.map(|(_, page)| (*page).to_owned()).collect()
    }

    /// Returns the pages whose last good version is served.
    fn stale(&self, pages: &[&str]) -> BTreeSet<String> {
        let is_stale = |page: &&&str| {
            let rendered = self.hotplate.render(page, &json!({}));
            rendered.is_ok_and(|rendered| matches!(rendered.freshness, Freshness::Stale { .. }))
        };
        pages.iter().filter(is_stale).map(|page| (*page).to_owned()).collect()
    }
}

#[test]
fn a_base_changes_and_breaks_exactly_its_descendants() {
    let site = Site::new(&[
        ("base.html.j2", "<{% block main %}base{% endblock %}>"),
        ("mid.html.j2", "{% extends 'base.html.j2' %}"),
        (
            "page.html.j2",
            "{% extends 'mid.html.j2' %}{% block main %}page {{ super() }}{% endblock %}",
        ),
        ("other.html.j2", "other"),
        ("tiny.html", "{{ call other.html.j2 with data }}!"),
    ]);
    assert_eq!(site.render("page.html.j2", &json!({})), "<page base>");
    assert_eq!(site.render("tiny.html", &json!({ "data": {} })), "other!");
    let pages = [
        "base.html.j2",
        "mid.html.j2",
        "page.html.j2",
        "other.html.j2",
        "tiny.html",
    ];
    let descendants = ["base.html.j2", "mid.html.j2", "page.html.j2"];
    let renewed = site.renewed("base.html.j2", "[{% block main %}new{% endblock %}]", &pages);
    assert_eq!(renewed, descendants.map(str::to_owned).into());
    assert_eq!(site.render("page.html.j2", &json!({})), "[page new]");
    let report = site.edit("base.html.j2", "{% block main %}");
    assert!(!report.diagnostics.is_empty());
    assert_eq!(site.stale(&pages), descendants.map(str::to_owned).into());
    assert_eq!(site.render("page.html.j2", &json!({})), "[page new]");
    site.edit("base.html.j2", "({% block main %}{% endblock %})");
    assert_eq!(site.render("page.html.j2", &json!({})), "(page )");
    assert_eq!(site.stale(&pages), BTreeSet::new());
}

#[test]
fn an_optional_template_reaches_those_who_name_it() {
    let site = Site::new(&[
        ("a.html.j2", "{% include 'maybe.html' ignore missing %}a"),
        ("b.html.j2", "{% include ['maybe.html', 'sure.html'] %}b"),
        ("c.html.j2", "{% include 'maybe.html' %}c"),
        ("sure.html", "sure "),
    ]);
    assert_eq!(site.render("a.html.j2", &json!({})), "a");
    assert_eq!(site.render("b.html.j2", &json!({})), "sure b");
    let missing = site.hotplate.render("c.html.j2", &json!({})).expect("a stand-in");
    assert!(
        matches!(missing.freshness, Freshness::Fallback { .. }),
        "a required template is missing"
    );
    let pages = ["a.html.j2", "b.html.j2", "c.html.j2", "sure.html"];
    let renewed = site.renewed("maybe.html", "now ", &pages);
    assert_eq!(
        renewed,
        ["a.html.j2", "b.html.j2", "c.html.j2"].map(str::to_owned).into()
    );
    for (page, expected) in [("a.html.j2", "now a"), ("b.html.j2", "now b"), ("c.html.j2", "now c")] {
        assert_eq!(site.render(page, &json!({})), expected);
    }
    site.edit("maybe.html", "{{ if }}");
    assert_eq!(
        site.stale(&pages),
        ["a.html.j2", "b.html.j2", "c.html.j2"].map(str::to_owned).into()
    );
}

#[test]
fn a_late_failure_is_answered_by_the_last_good_version() {
    let site = Site::new(&[("page.html.j2", "{{ user.name }}")]);
    let data = json!({ "user": { "name": "x" } });
    assert_eq!(site.render("page.html.j2", &data), "x");
    site.edit("page.html.j2", "{{ user.nmae }}");
    let rendered = site.hotplate.render("page.html.j2", &data).expect("goes on");
    assert_eq!(rendered.body, "x");
    assert!(!matches!(rendered.freshness, Freshness::Current));
}

#[test]
fn cycles_of_extends_are_faults_of_all_their_templates_until_one_is_opened() {
    let site = Site::new(&[
        ("a.html.j2", "{% extends 'b.html.j2' %}"),
        ("b.html.j2", "b"),
        ("under.html.j2", "{% extends 'a.html.j2' %}"),
        ("c.html.j2", "c{% include 'c2.html.j2' %}"),
        (
            "c2.html.j2",
            "{% if n is defined %}{% include 'c.html.j2' %}{% endif %}",
        ),
        (
            "maybe.html.j2",
            "{% if n is defined %}{% extends 'maybe.html.j2' %}{% endif %}m",
        ),
    ]);
    let pages = ["a.html.j2", "b.html.j2", "under.html.j2", "c.html.j2", "maybe.html.j2"];
    let report = site.edit("b.html.j2", "{% extends 'a.html.j2' %}");
    let said: Vec<String> = report.diagnostics.iter().map(ToString::to_string).collect();
    let said = said.join("\n");
    for message in [
        "`a.html.j2` extends `b.html.j2`, which extends itself",
        "`b.html.j2` extends `a.html.j2`, which extends itself",
    ] {
        assert!(said.contains(message), "{said}");
    }
    let all: BTreeSet<String> = pages[..3].iter().map(|page| (*page).to_owned()).collect();
    assert_eq!(site.stale(&pages), all);
    assert_eq!(site.render("under.html.j2", &json!({})), "b");
    // A fault elsewhere, then the other template of the cycle is edited.
    site.edit("b.html.j2", "{% if %}");
    assert_eq!(site.stale(&pages), all);
    site.edit("b.html.j2", "{% extends 'a.html.j2' %}!");
    site.edit("a.html.j2", "a");
    assert_eq!(site.stale(&pages), BTreeSet::new());
    assert_eq!(site.render("b.html.j2", &json!({})), "a");
    let report = site.edit("a.html.j2", "{% extends 'a.html.j2' %}");
    let said = report.diagnostics[0].to_string();
    assert!(
        said.contains("`a.html.j2` extends itself") && said.contains("1:"),
        "{said}"
    );
    assert_eq!(site.stale(&pages), all);
    site.texts.remove(name("a.html.j2"));
    let report = site.edit("c.html.j2", "c2");
    assert!(report.diagnostics[0].to_string().contains("no template"), "{report:?}");
    assert_eq!(
        site.stale(&pages),
        all.into_iter().filter(|page| page != "a.html.j2").collect()
    );
}

#[test]
fn formatters_of_the_program_are_filters() {
    let site = Site::new(&[
        (
            "page.html.j2",
            "{{ title | shout }}|{{ title | shout | length }}|{{ (title | shout) ~ '<' }}",
        ),
        ("note.txt.j2", "{{ title | shout }}"),
    ]);
    let data = json!({ "title": "a&b" });
    assert_eq!(
        site.render("page.html.j2", &data),
        "a&amp;b&lt;!&gt;|16|a&amp;b&lt;!&gt;&lt;"
    );
    assert_eq!(site.render("note.txt.j2", &data), "a&b<!>");
    let report = site.edit("wrong.html.j2", "{{ title | shuot }}");
    let fault = report.diagnostics.first().expect("a fault").to_string();
    assert!(fault.contains("did you mean `shout`?"), "{fault}");
}
