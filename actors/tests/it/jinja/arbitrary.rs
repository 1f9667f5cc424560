//! The check of an arbitrary text, which the fuzz target `jinja` and the test of mutated texts share: it compiles or is refused with
//! diagnostics, and what compiles is rendered within its limits.

use hotplate_actors::Limits;
use hotplate_actors::dialect::{Dialect, jinja::Jinja};

use crate::set::{How, Set};

/// Templates that the input can extend, import and include, itself among them.
const OTHERS: [(&str, &str); 3] = [
    (
        "base.html",
        "<{% block a %}{% block b %}base{% endblock %}{% endblock %}>{% include 'part.html' %}",
    ),
    (
        "lib.html",
        "{% macro m(a, b=a) %}[{{ a }}{{ b }}{{ caller(a) if caller is defined }}]{% endmacro %}{% set v = 1 %}",
    ),
    (
        "part.html",
        "{% for x in xs | default([]) %}{{ loop.index }}{{ x }}{% endfor %}",
    ),
];

pub(crate) fn check(text: &str) {
    let limits = Limits {
        render_steps: 20_000,
        context_bytes: 1 << 20,
        output_bytes: 1 << 20,
        ..Limits::default()
    };
    match Jinja.compile(text, &limits) {
        Ok(unit) => {
            assert_eq!(unit.text(), text);
            for warning in unit.warnings() {
                let _ = warning.to_string();
            }
            render(text, limits);
        }
        Err(faults) => {
            assert!(!faults.is_empty() && faults.len() <= limits.source_diagnostics);
            for fault in faults {
                assert!(fault.span.is_some(), "{fault}");
                assert!(!fault.to_string().is_empty());
            }
        }
    }
}

/// Renders a text with some data; a failure has a text and a place.
fn render(text: &str, limits: Limits) {
    let texts = [("page.html", text)].into_iter().chain(OTHERS);
    let set = Set::compile_as(&Jinja, texts, &limits).expect("compiled before");
    let data = serde_json::json!({
        "a": 1, "b": -2.5, "c": true, "d": null, "s": "<b> & 'x'", "n": "part.html", "xs": [1, "two", [3], {"k": 4}],
        "m": { "k": "v", "o": { "p": [] } }, "big": u64::MAX,
    });
    let how = How {
        limits,
        ..How::default()
    };
    if let Err(error) = set.render(&data, &how) {
        assert!(!error.diagnostic.to_string().is_empty());
    }
}
