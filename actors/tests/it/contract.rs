//! Contracts: required templates, samples and schemas, checked before each publication.

#[cfg(feature = "jinja")]
mod macros;
#[cfg(feature = "contract")]
mod samples;

use hotplate_actors::{
    Builder, ContractPolicy, Hotplate, Limits, MemoryHandle, MemoryLoader, PreviewRequest, ReloadOutcome, TemplateName,
};
use serde_json::{Value, json};

fn name(name: &str) -> TemplateName {
    TemplateName::new(name).expect("a name")
}

fn engine(texts: &[(&str, &str)], set: impl FnOnce(Builder) -> Builder) -> (Hotplate, MemoryHandle) {
    let (loader, memory) = MemoryLoader::new();
    memory.edit(texts.iter().map(|(path, text)| (name(path), Some(*text))));
    let builder = Hotplate::builder().loader(loader).watch(false);
    (set(builder).start().expect("it starts"), memory)
}

/// Returns the errors of an entry with a schema, each as `template:line:column code help`.
fn violations(texts: &[(&str, &str)], entry: &str, schema: &Value) -> Vec<String> {
    let (hotplate, _) = engine(texts, |builder| builder.schema(entry, schema.clone()));
    let told = |found: &hotplate_actors::Diagnostic| {
        let template = found.template.as_ref().map(ToString::to_string).unwrap_or_default();
        let span = found.span.map(|span| (span.line, span.column)).unwrap_or_default();
        let help = found.help.clone().unwrap_or_default();
        format!("{template}:{}:{} {} {help}", span.0, span.1, found.code)
    };
    hotplate.diagnostics().iter().map(told).collect()
}

fn shop() -> Value {
    json!({
        "type": "object",
        "properties": {
            "title": { "type": "string" },
            "user": { "anyOf": [{ "$ref": "#/$defs/User" }, { "type": "null" }] },
            "items": { "type": "array", "items": { "$ref": "#/$defs/Item" } },
            "extra": {},
        },
        "$defs": {
            "User": { "type": "object", "properties": { "name": { "type": "string" } } },
            "Item": { "type": "object", "properties": { "price": { "type": "number" }, "tags": { "items": { "type": "string" } } } },
        },
    })
}

#[test]
fn reads_of_the_small_language_are_compared_with_the_schema() {
    let part = ("part.html", "<b>{name}</b>\n{mail}");
    for (text, expected) in [
        ("{title} {user.name} {extra.a.b.c}", &[][..]),
        ("{titel}", &["a.html:1:2 contract-missing-field did you mean `title`?"]),
        (
            "x\n ü {user.nmae}",
            &["a.html:2:5 contract-missing-field did you mean `name`?"],
        ),
        (
            "{{ for item in items }}{item.price}{{ for tag in item.tags }}{tag}{{ endfor }}{{ endfor }}",
            &[],
        ),
        (
            "{{ for item in items }}{item.prise}{title}{{ endfor }}",
            &["a.html:1:25 contract-missing-field did you mean `price`?"],
        ),
        (
            "{{ with user as u }}{u.phone}{{ endwith }}",
            &["a.html:1:22 contract-missing-field there are `name`"],
        ),
        ("{items.0.price}", &[]),
        // A condition on a path that does not exist is an error in this language.
        (
            "{{ if vip }}{title}{{ endif }}",
            &["a.html:1:7 contract-missing-field there are `extra`, `items`, `title`, `user`"],
        ),
        // The template that is called sees the user as its context.
        (
            "{{ call part.html with user }}",
            &["part.html:2:2 contract-missing-field there are `name`"],
        ),
        ("{{ call part.html with extra }}", &[]),
        (
            "{title.length}",
            &["a.html:1:2 contract-missing-field the value there has no fields"],
        ),
    ] {
        let found = violations(&[("a.html", text), part], "a.html", &shop());
        assert_eq!(found, expected, "{text}");
    }
}

#[cfg(feature = "jinja")]
#[test]
fn reads_of_jinja_are_compared_with_the_schema() {
    let others = [
        (
            "base.html.j2",
            "{% block head %}{{ base_title }}{% endblock %}{{ title }}{% block body %}{% endblock %}",
        ),
        ("row.html.j2", "{{ item.prise }}"),
    ];
    let missing = |place: &str, help: &str| format!("{place} contract-missing-field {help}");
    let list = "there are `extra`, `items`, `title`, `user`";
    for (text, expected) in [
        (
            "{{ title|upper }} {{ user.name }} {{ extra.a.b }} {{ items[0].price }} {{ user['name'] }}",
            vec![],
        ),
        ("{{ titel }}", vec![missing("a.html.j2:1:4", "did you mean `title`?")]),
        ("{{ nick|default('x') }}{{ nick is defined }}", vec![]),
        (
            "{% if nick is defined and nick.short %}{{ nick.long }}{% endif %}",
            vec![],
        ),
        ("{% if nick is not defined %}x{% else %}{{ nick }}{% endif %}", vec![]),
        ("{{ nick.long if nick is defined else title }}", vec![]),
        ("{% if nick %}{% endif %}", vec![missing("a.html.j2:1:7", list)]),
        (
            "{% for i in items|sort(attribute='price') %}{{ loop.index }}{{ i.price }}{{ i.x }}{% endfor %}",
            vec![missing("a.html.j2:1:77", "there are `price`, `tags`")],
        ),
        (
            "{% set u = user %}{{ u.name }}{{ u.mail }}",
            vec![missing("a.html.j2:1:34", "there are `name`")],
        ),
        (
            "{% macro m(x) %}{{ x.y }}{{ title }}{{ tilte }}{% endmacro %}{{ m(user) }}",
            vec![
                missing("a.html.j2:1:40", "did you mean `title`?"),
                missing("a.html.j2:1:20", "there are `name`"),
            ],
        ),
        (
            "{% set a, b = user, items %}{{ a.zip }}{{ b[0].zip }}",
            vec![
                missing("a.html.j2:1:32", "there are `name`"),
                missing("a.html.j2:1:43", "there are `price`, `tags`"),
            ],
        ),
        (
            "{% include user.layout ignore missing %}{% include [layout] ignore missing %}",
            vec![missing("a.html.j2:1:12", "there are `name`")],
        ),
        (
            "{% macro m() %}{{ tilte }}{% endmacro %}{% macro n() %}{{ m() }}{% endmacro %}{{ n() }}",
            vec![missing("a.html.j2:1:19", "did you mean `title`?")],
        ),
        (
            "{% for i in items if i.tags is defined %}{{ i.prise }}{{ i.tags }}{% endfor %}",
            vec![missing("a.html.j2:1:45", "did you mean `price`?")],
        ),
        (
            "{% for item in items %}{% include 'row.html.j2' %}{% endfor %}",
            vec![missing("row.html.j2:1:4", "did you mean `price`?")],
        ),
        (
            "{% include 'row.html.j2' %}",
            vec![missing("row.html.j2:1:4", "did you mean `items`?")],
        ),
        // A block that is replaced is not printed, and neither are its reads.
        (
            "{% extends 'base.html.j2' %}{% block head %}{{ title }}{% endblock %}",
            vec![],
        ),
        (
            "{% extends 'base.html.j2' %}{% block body %}{{ title }}{% endblock %}",
            vec![missing("base.html.j2:1:20", list)],
        ),
        (
            "{% extends 'base.html.j2' %}{% block head %}{{ super() }}{% endblock %}",
            vec![missing("base.html.j2:1:20", list)],
        ),
    ] {
        let texts = [("a.html.j2", text), others[0], others[1]];
        assert_eq!(violations(&texts, "a.html.j2", &shop()), expected, "{text}");
    }
}

/// Each text renders without `foo`, `q` and the others that the schema does not have.
#[cfg(feature = "jinja")]
#[test]
fn a_text_that_renders_does_not_break_a_contract() {
    let library = "{% macro f() %}{{ foo }}{% endmacro %}{% macro g() %}g{% endmacro %}";
    let cases: [&[(&str, &str)]; 35] = [
        // Variables that one template sets and another reads.
        &[
            ("{% extends 'base.html.j2' %}{% set active_page='home' %}", "a.html.j2"),
            ("{{ active_page }}", "base.html.j2"),
        ],
        &[
            (
                "{% extends 'base.html.j2' %}{% block row %}{{ i.price }}{{ i.name is defined }}{% endblock %}",
                "a.html.j2",
            ),
            (
                "{% for i in items %}{% block row scoped %}{% endblock %}{% endfor %}",
                "base.html.j2",
            ),
        ],
        &[
            (
                "{% extends 'base.html.j2' %}{% block row %}{{ q }}{% endblock %}",
                "a.html.j2",
            ),
            ("{% set q=1 %}{% block row %}{% endblock %}", "base.html.j2"),
        ],
        &[
            ("{% include 'p.html.j2' %}{{ q }}", "a.html.j2"),
            ("{% set q = 1 %}", "p.html.j2"),
        ],
        &[
            (
                "{% extends 'base.html.j2' %}{% block b %}{{ page_id }}{% endblock %}",
                "a.html.j2",
            ),
            (
                "{% with page_id = 1 %}{% block b %}{% endblock %}{% endwith %}",
                "base.html.j2",
            ),
        ],
        &[(
            "{% macro m() %}{{ q }}{% endmacro %}{% set q = 1 %}{{ m() }}",
            "a.html.j2",
        )],
        &[(
            "{% if title %}{% set u = user %}{% else %}{% set u = items[0] %}{% endif %}{{ u.name }}",
            "a.html.j2",
        )],
        &[(
            "{% set u = items[0] %}{% if title %}{% set u = user %}{% elif foo is defined %}{% set u = extra %}{% endif %}{{ u.name }}",
            "a.html.j2",
        )],
        &[(
            "{% for i in items recursive %}{% if loop.depth < 2 %}{{ loop([user]) }}{% else %}{{ i.name }}{% endif %}{% endfor %}",
            "a.html.j2",
        )],
        // Fields that are tested.
        &[("{{ foo is not defined or foo.x }}", "a.html.j2")],
        &[("{% if foo is undefined or foo.x %}{% endif %}", "a.html.j2")],
        &[("{% if not (foo is defined and foo.x) %}{% endif %}", "a.html.j2")],
        &[
            (
                "{% if foo is defined %}{% include 'p.html.j2' %}{% endif %}",
                "a.html.j2",
            ),
            ("{{ foo.x }}", "p.html.j2"),
        ],
        &[
            (
                "{% if user.foo is defined %}{% include 'p.html.j2' %}{% endif %}",
                "a.html.j2",
            ),
            ("{% set u = user %}{{ u.foo.x }}", "p.html.j2"),
        ],
        &[(
            "{% for i in items if i.foo is defined %}{{ i.foo.x }}{% endfor %}",
            "a.html.j2",
        )],
        &[(
            "{% for i in items %}{% if i.foo is not defined %}{% continue %}{% endif %}{{ i.foo.bar }}{% endfor %}",
            "a.html.j2",
        )],
        &[(
            "{% for i in items %}{% if i.foo is not defined %}{% break %}{% endif %}{{ i.foo.bar }}{% endfor %}",
            "a.html.j2",
        )],
        &[("{% if 'foo' in user %}{{ user.foo }}{% endif %}", "a.html.j2")],
        &[(
            "{% if 'foo' not in user %}x{% else %}{{ user.foo.x }}{% endif %}",
            "a.html.j2",
        )],
        &[(
            "{% set key = 'foo' in user %}{% if key %}{{ user.foo.x }}{% endif %}",
            "a.html.j2",
        )],
        &[(
            "{% set has = foo is defined %}{% if has %}{{ foo.x }}{% endif %}",
            "a.html.j2",
        )],
        &[(
            "{% set f = foo|default(none) %}{% if f %}{{ foo.x }}{% endif %}",
            "a.html.j2",
        )],
        &[(
            "{% macro has(u) %}{{ u.foo is defined }}{% endmacro %}{% if has(user) == 'x' %}{{ user.foo }}{% endif %}",
            "a.html.j2",
        )],
        &[(
            "{% for i in items|selectattr('foo','defined') %}{{ i.foo }}{% endfor %}",
            "a.html.j2",
        )],
        &[(
            "{% for i in items|rejectattr('foo','undefined') %}{{ i.foo }}{% endfor %}",
            "a.html.j2",
        )],
        // Macros that are never called.
        &[("{% macro m() %}{{ foo }}{{ m() }}{% endmacro %}", "a.html.j2")],
        &[(
            "{% macro m() %}{{ foo }}{% endmacro %}{% macro n() %}{{ m() }}{% endmacro %}",
            "a.html.j2",
        )],
        &[
            ("{% macro m() %}{% include 'p.html.j2' %}{% endmacro %}", "a.html.j2"),
            ("{{ foo }}", "p.html.j2"),
        ],
        &[
            ("{% from 'l.html.j2' import g %}{{ g() }}", "a.html.j2"),
            (library, "l.html.j2"),
        ],
        &[
            ("{% import 'l.html.j2' as l %}{{ l.g() }}", "a.html.j2"),
            (library, "l.html.j2"),
        ],
        // Values with items.
        &[(
            "{{ title[0] }}{{ title[:1] }}{% set t = title %}{{ t[0] }}",
            "a.html.j2",
        )],
        &[(
            "{% for column in items|slice(1) %}{{ column[0].price }}{% endfor %}",
            "a.html.j2",
        )],
        // Names of templates that a render computes.
        &[
            (
                "{% set l = 'base.html.j2' %}{% extends l %}{% block row %}{{ i.price }}{% endblock %}",
                "a.html.j2",
            ),
            (
                "{% for i in items %}{% block row %}{% endblock %}{% endfor %}",
                "base.html.j2",
            ),
        ],
        &[("{% include user.name ignore missing %}", "a.html.j2")],
        &[("{% set a, b = user, items %}{{ a.name }}{{ b[0].price }}", "a.html.j2")],
    ];
    let data = json!({ "title": "T", "user": { "name": "N" }, "items": [{ "price": 1, "tags": [] }], "extra": {} });
    for texts in cases {
        let texts: Vec<_> = texts.iter().map(|(text, path)| (*path, *text)).collect();
        assert_eq!(violations(&texts, "a.html.j2", &shop()), [""; 0], "{texts:?}");
        let (hotplate, _) = engine(&texts, |builder| builder);
        let rendered = hotplate.render("a.html.j2", &data);
        assert!(rendered.is_ok(), "{texts:?} {rendered:?}");
    }
}

#[test]
fn a_lenient_template_may_read_anything() {
    let (hotplate, _) = engine(&[("a.html", "{titel}")], |builder| {
        builder.lenient().schema("a.html", shop())
    });
    assert_eq!(hotplate.diagnostics(), []);
}

#[test]
fn a_field_that_may_be_absent_is_a_warning() {
    let schema = json!({ "properties": { "a": {}, "b": {} }, "required": ["a"] });
    let (hotplate, _) = engine(&[("a.html", "{a}\n{b}")], |builder| builder.schema("a.html", schema));
    assert_eq!(hotplate.diagnostics(), []);
    let warnings = hotplate.warnings();
    let codes: Vec<_> = warnings
        .iter()
        .map(|warning| (warning.code, warning.span.map(|span| span.line)))
        .collect();
    assert_eq!(codes, [("contract-optional-field", Some(2))]);
}

#[cfg(feature = "contract")]
#[test]
fn a_type_of_the_program_is_a_schema() {
    #[derive(serde::Serialize, schemars::JsonSchema)]
    struct Page {
        title: String,
        user: Option<User>,
        items: Vec<User>,
    }
    #[derive(serde::Serialize, schemars::JsonSchema)]
    #[serde(rename_all = "camelCase")]
    struct User {
        full_name: String,
    }
    let text = "{title}{user.fullName}{{ for u in items }}{u.full_name}{{ endfor }}";
    let (hotplate, _) = engine(&[("a.html", text)], |builder| builder.contract::<Page>("a.html"));
    let [found] = &hotplate.diagnostics()[..] else {
        panic!("{:?}", hotplate.diagnostics())
    };
    assert_eq!(
        found.message,
        "there is no `full_name` in this value, which is from the context of `a.html`"
    );
    assert_eq!(found.help.as_deref(), Some("did you mean `fullName`?"));
}

/// Edits a text and reloads; returns the outcome, and what is served of `a.html` and `b.html`.
async fn edited(
    hotplate: &Hotplate,
    memory: &MemoryHandle,
    edits: &[(&str, Option<&str>)],
) -> (ReloadOutcome, [String; 2]) {
    memory.edit(edits.iter().map(|(path, text)| (name(path), *text)));
    let report = hotplate.reload().await.expect("a report");
    let data = json!({ "title": "T", "x": "X" });
    let served = ["a.html", "b.html"].map(|entry| match hotplate.render(entry, &data) {
        Ok(rendered) => rendered.body,
        Err(_) => "none".to_owned(),
    });
    (report.outcome, served)
}

#[tokio::test]
async fn the_policy_decides_what_is_published() {
    type Expected = (&'static str, [&'static str; 2], usize);
    let cases: [(ContractPolicy, Expected); 3] = [
        (ContractPolicy::Warn, ("Published", ["X", "new"], 1)),
        (ContractPolicy::RefuseEntry, ("Published", ["T", "new"], 0)),
        (ContractPolicy::RefuseBatch, ("Refused", ["T", "old"], 0)),
    ];
    for (policy, (outcome, bodies, warnings)) in cases {
        let texts = [("a.html", "{title}"), ("b.html", "old")];
        let (hotplate, memory) = engine(&texts, |builder| {
            builder.schema("a.html", shop()).contract_policy(policy)
        });
        let bad = [("a.html", Some("{x}")), ("b.html", Some("new"))];
        let (told, served) = edited(&hotplate, &memory, &bad).await;
        assert!(format!("{told:?}").starts_with(outcome), "{policy:?}: {told:?}");
        assert_eq!(served, bodies, "{policy:?}");
        assert_eq!(hotplate.warnings().len(), warnings, "{policy:?}");
        if let ReloadOutcome::Refused(reason) = told {
            for part in ["contract-missing-field", "a.html:1:2", "{x}", "^"] {
                assert!(reason.contains(part), "{reason}");
            }
        }
        // The next good edit is published whole, and the findings are gone.
        let (_, served) = edited(&hotplate, &memory, &[("a.html", Some("{title}!"))]).await;
        assert_eq!(served, ["T!", "new"], "{policy:?}");
        assert_eq!(
            (hotplate.diagnostics().len(), hotplate.warnings().len()),
            (0, 0),
            "{policy:?}"
        );
    }
}

#[tokio::test]
async fn a_partial_that_breaks_a_contract_holds_its_pages() {
    let texts = [
        ("a.html", "{{ call part.html with user }}"),
        ("b.html", "{{ call part.html with other }}"),
        ("part.html", "{name}"),
    ];
    let (hotplate, memory) = engine(&texts, |builder| builder.schema("a.html", shop()));
    memory.set(name("part.html"), "{phone}");
    hotplate.reload().await.expect("a report");
    let data = json!({ "user": { "name": "N", "phone": 1 }, "other": { "phone": 2 } });
    let body = |entry: &str| hotplate.render(entry, &data).expect("served").body;
    // The page without a contract goes forward.
    assert_eq!((body("a.html"), body("b.html")), ("N".into(), "2".into()));
    let not_current = hotplate.not_current();
    let stale: Vec<_> = not_current.iter().map(|entry| entry.template.as_str()).collect();
    assert_eq!(stale, ["a.html"]);
    let [found] = &hotplate.diagnostics()[..] else {
        panic!("one")
    };
    assert_eq!(found.chain[0].template.as_str(), "a.html");
    memory.set(name("part.html"), "<{name}>");
    hotplate.reload().await.expect("a report");
    assert_eq!((body("a.html"), hotplate.not_current().len()), ("<N>".into(), 0));
}

#[tokio::test]
async fn samples_are_rendered_before_they_are_published() {
    let limits = Limits {
        render_steps: 10_000,
        ..Limits::default()
    };
    let numbers: Vec<u32> = (0..1_000).collect();
    let sample = json!({ "title": "T", "n": numbers });
    let texts = [("a.html", "{title}"), ("b.html", "old")];
    let (hotplate, memory) = engine(&texts, |builder| builder.sample("a.html", &sample).limits(limits));
    for (text, expected, code) in [
        ("{x}", "T", Some("missing-path")),
        (
            "{{ for a in n }}{{ for b in n }}{{ for c in n }}{a}{{ endfor }}{{ endfor }}{{ endfor }}",
            "T",
            Some("budget"),
        ),
        ("{title}?", "T?", None),
    ] {
        let (_, served) = edited(&hotplate, &memory, &[("a.html", Some(text))]).await;
        assert_eq!(served[0], expected, "{text}");
        assert_eq!(hotplate.diagnostics().first().map(|found| found.code), code, "{text}");
        // Nothing but the renders of this test is counted.
        assert!(hotplate.counters().renders_rescued == 0);
    }
}

#[tokio::test]
async fn required_templates_exist() {
    let texts = [("a.html", "{title}"), ("b.html", "old")];
    let required = |policy| move |builder: Builder| builder.required(["a.html", "b.html"]).contract_policy(policy);
    for (policy, removed, broken) in [
        (ContractPolicy::Warn, "none", "old"),
        (ContractPolicy::RefuseEntry, "old", "old"),
        (ContractPolicy::RefuseBatch, "old", "old"),
    ] {
        let (hotplate, memory) = engine(&texts, required(policy));
        let edits = [("b.html", None), ("a.html", Some("{x}"))];
        let (outcome, served) = edited(&hotplate, &memory, &edits).await;
        let is_refused = matches!(&outcome, ReloadOutcome::Refused(reason) if reason.contains("the required template `b.html` does not exist"));
        assert_eq!(
            (is_refused, served[1].as_str()),
            (policy != ContractPolicy::Warn, removed),
            "{policy:?} {outcome:?}"
        );
        assert_eq!(hotplate.warnings().len(), usize::from(policy == ContractPolicy::Warn));
        let (_, served) = edited(&hotplate, &memory, &[("b.html", Some("old"))]).await;
        assert_eq!(served, ["X", "old"], "{policy:?}");
        let (outcome, served) = edited(&hotplate, &memory, &[("b.html", Some("{{ if")), ("a.html", Some("a"))]).await;
        let is_refused = matches!(outcome, ReloadOutcome::Refused(_));
        assert_eq!(
            (is_refused, served[1].as_str()),
            (policy == ContractPolicy::RefuseBatch, broken),
            "{policy:?}"
        );
    }
    let (loader, _) = MemoryLoader::new();
    let refused = Hotplate::builder().loader(loader).required(["a.html"]).start();
    let refused = refused.expect_err("it is not there").to_string();
    assert!(
        refused.contains("the required template `a.html` does not exist"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_preview_keeps_the_contract_too() {
    let texts = [("a.html", "{title}"), ("b.html", "old")];
    let (hotplate, _) = engine(&texts, |builder| builder.schema("a.html", shop()).required(["b.html"]));
    let edits = [("a.html", Some("{x}")), ("b.html", None)];
    let edits = edits.map(|(path, text): (&str, Option<&str>)| (name(path), text.map(Into::into)));
    let request = PreviewRequest {
        edits: edits.into(),
        ..PreviewRequest::default()
    };
    let preview = hotplate.preview(request).await.expect("a preview");
    let codes: Vec<_> = preview.report().diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(codes, ["contract-missing-field", "required-template"]);
    assert_eq!(preview.report().stale.names, [name("a.html")]);
    assert_eq!(hotplate.diagnostics(), []);
}

#[tokio::test]
async fn without_time_a_contract_is_not_checked() {
    let limits = Limits {
        contract_ms: 0,
        ..Limits::default()
    };
    let (hotplate, memory) = engine(&[("a.html", "{title}")], |builder| {
        builder.schema("a.html", shop()).limits(limits)
    });
    let (outcome, served) = edited(&hotplate, &memory, &[("a.html", Some("{x}"))]).await;
    assert_eq!((outcome, served[0].as_str()), (ReloadOutcome::Published, "X"));
    assert_eq!(hotplate.warnings()[0].code, "contract-not-checked");
}

#[test]
fn a_name_that_cannot_exist_refuses_the_start() {
    type Set = fn(Builder) -> Builder;
    let cases: [(Set, &str); 4] = [
        (|builder| builder.required(["/a.html"]), "the name `/a.html`"),
        (
            |builder| builder.required_at_start(["../a.html"]),
            "the name `../a.html`",
        ),
        (|builder| builder.schema("a//b.html", json!({})), "the name `a//b.html`"),
        (|builder| builder.sample("", &1), "the name ``"),
    ];
    for (set, message) in cases {
        let loader = MemoryLoader::of([("a.html", "a")]).expect("a name");
        let refused = set(Hotplate::builder().loader(loader).watch(false)).start();
        let refused = refused.expect_err("is refused").to_string();
        assert!(refused.contains(message), "{refused}");
    }
}
