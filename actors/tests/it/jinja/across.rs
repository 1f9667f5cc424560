//! Templates in Jinja that call templates in tiny, which call templates in Jinja.

use hotplate_actors::budget::Exceeded;
use hotplate_actors::dialect::{Dialect, Escape, Missing, RenderFault, jinja::Jinja, tiny::Tiny};
use hotplate_actors::value::{Arena, build};
use hotplate_actors::{Limits, TemplateName};
use serde_json::json;

use super::harm::on_a_stack;
use super::judge::Texts;
use crate::set::{How, Set};

/// Compiles templates whose language is that of their names.
fn mixed(texts: Texts<'_>, limits: &Limits) -> Set {
    let dialect = |name: &TemplateName| -> &dyn Dialect { if name.is_jinja() { &Jinja } else { &Tiny } };
    Set::compile_by(dialect, texts.iter().copied(), limits).expect("right")
}

/// Each level descends into the data, so it is as deep as two levels of calls for each level of it.
#[test]
fn calls_across_languages_end_at_the_depth_and_fit_the_stack() {
    let ways: [(&str, [&str; 3]); 4] = [
        (
            "all of tiny",
            ["{% include 'c.html' %}", "", "{{ call c.html with n }}"],
        ),
        ("in turn", ["{% include 'b.html' %}", "{{ call a.html.j2 with n }}", ""]),
        (
            "inside of macros and blocks",
            [
                "{% macro m() %}{{ [caller() | upper] | join }}{% endmacro %}{% block x %}{% call m() %}{% include ['b.html'] %}\
                 {% endcall %}{% endblock %}",
                "{{ with n as m }}{{ if m }}{{ for x in l }}{{ call a.html.j2 with n }}{{ endfor }}{{ endif }}{{ endwith }}",
                "",
            ],
        ),
        (
            "all of Jinja, then all of tiny",
            [
                "{% macro m(k) %}{% if k %}{{ [m(k - 1)] | join }}{% else %}{% include 'c.html' %}{% endif %}{% endmacro %}{{ m(126) }}",
                "",
                "{{ call c.html with n }}",
            ],
        ),
    ];
    let limits = Limits {
        call_depth: 256,
        context_depth: 600,
        ..Limits::default()
    };
    let data = (0..280).fold(json!(null), |inner, _| json!({ "n": inner, "l": [1] }));
    for (way, [a, b, c]) in ways {
        let set = mixed(&[("a.html.j2", a), ("b.html", b), ("c.html", c)], &limits);
        let how = How {
            escape: Escape::Html,
            missing: Missing::Error,
            limits: limits.clone(),
        };
        let arena = Arena::new();
        let value = build(&data, &arena, &limits).expect("JSON is a context");
        let fault = on_a_stack(1280 * 1024, || {
            set.render_value(&value, &how).map_err(|error| error.fault)
        });
        let depth = if c.is_empty() { 128 } else { 256 };
        assert_eq!(fault, Err(RenderFault::Budget(Exceeded::Depth(depth))), "{way}");
    }
}

#[test]
fn calls_across_languages_share_the_memory_of_a_render() {
    let limits = Limits {
        context_bytes: 1_000_000,
        ..Limits::default()
    };
    let render = |bytes: usize, depth: usize| {
        let data = (0..depth).fold(json!({ "n": null }), |inner, _| json!({ "n": inner }));
        let a = format!("{{% if n %}}{{% set x = 'x' * {bytes} %}}{{% include 'b.html' %}}{{% endif %}}");
        let set = mixed(&[("a.html.j2", &a), ("b.html", "{{ call a.html.j2 with n }}")], &limits);
        let how = How {
            escape: Escape::Html,
            missing: Missing::Error,
            limits: limits.clone(),
        };
        set.render(&data, &how).map_err(|error| error.fault)
    };
    assert_eq!(render(300_000, 3), Ok(String::new()));
    let memory = RenderFault::Budget(Exceeded::Memory(1_000_000));
    assert_eq!(render(300_000, 4), Err(memory), "all levels together");
    assert_eq!(render(1_000, 50), Ok(String::new()));
}
