//! Macros, whose parameters are followed from each call.

use serde_json::json;

use super::{engine, shop, violations};

/// Each case is rendered with data that the schema allows: what is refused fails, and what is accepted does not.
#[test]
fn macros_are_followed_with_their_arguments() {
    let library = [
        (
            "m.html.j2",
            "{% macro card(u, big=false) %}<b>{{ u.name }}</b>{% if big %}{{ u.mail }}{% endif %}{% endmacro %}\
                       {% macro bad(u) %}{{ u.mail }}{% endmacro %}\
                       {% macro list(all) %}{% for each in all %}{{ each.price }}{% endfor %}{% endmacro %}\
                       {% macro twice(u) %}1{% endmacro %}{% macro twice(u) %}{{ u.mail }}{% endmacro %}",
        ),
        (
            "n.html.j2",
            "{% from 'm.html.j2' import bad %}{% macro outer(u) %}{{ bad(u) }}{% endmacro %}",
        ),
    ];
    let import = "{% import 'm.html.j2' as m %}";
    let of = |text: &str| format!("{import}{text}");
    let cases: Vec<(String, Option<&str>)> = vec![
        // Refused: a render reaches the read, whatever the data are.
        ("{% macro m(u) %}{{ u.mail }}{% endmacro %}{{ m(user) }}".into(), Some("a.html.j2:1:20")),
        ("{% macro m(u) %}{{ u.mail }}{% endmacro %}{{ m(u=user) }}".into(), Some("a.html.j2:1:20")),
        ("{% macro m(i) %}{% for x in i %}{{ x.prise }}{% endfor %}{% endmacro %}{{ m(items) }}".into(), Some("a.html.j2:1:36")),
        ("{% macro m(u) %}{% set v = u %}{{ v.mail }}{% endmacro %}{{ m(user) }}".into(), Some("a.html.j2:1:35")),
        ("{% macro a(u) %}{{ u.mail }}{% endmacro %}{% macro b(v) %}{{ a(v) }}{% endmacro %}{{ b(user) }}".into(), Some("a.html.j2:1:20")),
        ("{% macro m(u) %}{{ u.mail }}{% endmacro %}{% for i in items %}{{ m(i) }}{% endfor %}".into(), Some("a.html.j2:1:20")),
        ("{% macro m(u) %}{{ caller() }}{{ u.mail }}{% endmacro %}{% call m(user) %}x{% endcall %}".into(), Some("a.html.j2:1:34")),
        (of("{{ m.bad(user) }}"), Some("m.html.j2:1:")),
        ("{% from 'm.html.j2' import bad as good %}{{ good(user) }}".into(), Some("m.html.j2:1:")),
        (of("{{ m.list(items) }}{{ m.bad(user) }}"), Some("m.html.j2:1:")),
        ("{% from 'n.html.j2' import outer %}{{ outer(user) }}".into(), Some("m.html.j2:1:")),
        // Accepted.
        ("{% macro m(u) %}{{ u.name }}{% endmacro %}{{ m(user) }}".into(), None),
        ("{% macro m(u) %}{{ u.mail }}{% endmacro %}{{ m({'mail': 1}) }}".into(), None),
        ("{% macro m(u) %}{{ u.mail|default('-') }}{% endmacro %}{{ m(user) }}".into(), None),
        ("{% macro m(u) %}{% if u.mail is defined %}{{ u.mail }}{% endif %}{% endmacro %}{{ m(user) }}".into(), None),
        // What another argument decides is open.
        ("{% macro m(u, kind) %}{% if kind == 'x' %}{{ u.mail }}{% else %}{{ u.name }}{% endif %}{% endmacro %}{{ m(user, 'y') }}".into(), None),
        ("{% macro m(u) %}{% if u is string %}{{ u }}{% else %}{{ u.name }}{% endif %}{% endmacro %}{{ m(user) }}{{ m(title) }}".into(), None),
        ("{% macro m(u) %}{{ u is mapping and u.name }}{% endmacro %}{{ m(title) }}".into(), None),
        ("{% macro m(u) %}{{ u.name if u is mapping else u }}{% endmacro %}{{ m(title) }}".into(), None),
        ("{% macro m(u, v=u.mail) %}{{ v }}{% endmacro %}{{ m(user, 1) }}".into(), None),
        ("{% macro m(all) %}{% for i in all if i is mapping and i.x is defined %}{{ i.y }}{% endfor %}{% endmacro %}{{ m(items) }}".into(), None),
        ("{% macro m(all) %}{% for i in all %}{% if i is mapping %}{% continue %}{% endif %}{{ i.y }}{% endfor %}{% endmacro %}{{ m(items) }}".into(), None),
        ("{% macro tree(u, depth) %}{{ u.name }}{% if depth > 0 %}{{ tree(u, depth - 1) }}{% endif %}{% endmacro %}{{ tree(user, 2) }}".into(), None),
        ("{% macro a(u) %}{{ u.mail }}{% endmacro %}{% macro b(u, ok) %}{% if ok %}{{ a(u) }}{% endif %}{% endmacro %}{{ b(user, false) }}".into(), None),
        // A macro that is never called, one whose name is bound again, one in a macro, and arguments that are not known.
        ("{% macro m(u) %}{{ u.mail }}{% endmacro %}x".into(), None),
        ("{% macro m(u) %}{{ u.mail }}{% endmacro %}{% macro m(u) %}{{ u.name }}{% endmacro %}{{ m(user) }}".into(), None),
        ("{% macro m(u) %}{{ u.mail }}{% endmacro %}{% set m = 1 %}{{ m }}".into(), None),
        ("{% macro m(u) %}{{ u.name }}{% endmacro %}{{ m(*[user]) }}".into(), None),
        ("{% macro m(u) %}{% for c in u %}{{ c.0 }}{% endfor %}{% endmacro %}{{ m(title|list) }}".into(), None),
        (of("{{ m.card(user) }}{{ m.list(items) }}"), None),
        (of("x"), None),
        ("{% from 'm.html.j2' import card, list %}{{ card(user) }}{{ list(items) }}".into(), None),
        ("{% from 'm.html.j2' import bad %}{{ bad({'mail': 'M'}) }}".into(), None),
    ];
    let data = json!({ "title": "T", "user": { "name": "N" }, "items": [{ "price": 1, "tags": ["t"] }] });
    for (text, expected) in cases {
        let texts = [&library[..], &[("a.html.j2", text.as_str())]].concat();
        let found = violations(&texts, "a.html.j2", &shop());
        let (hotplate, _) = engine(&texts, |builder| builder.on_failure(hotplate_actors::OnFailure::Return));
        let rendered = hotplate.render("a.html.j2", &data);
        match expected {
            None => {
                assert!(found.is_empty(), "{text}: {found:?}");
                assert!(rendered.is_ok(), "{text}: {rendered:?}");
            }
            Some(place) => {
                assert!(found.len() == 1 && found[0].starts_with(place), "{text}: {found:?}");
                assert!(rendered.is_err(), "{text}: {rendered:?}");
            }
        }
    }
}
