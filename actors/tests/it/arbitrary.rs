//! The check of an arbitrary text of the dialect `tiny`, which the fuzz target `scan` and the test of mutated texts share: it compiles or is
//! refused with diagnostics, the crate `tinytemplate` never refuses what the scanner accepts, and what compiles is rendered within its limits.

use hotplate_actors::Limits;
use hotplate_actors::dialect::{Dialect, tiny::Tiny};

use crate::set::{How, Set};

pub(crate) fn check(text: &str) {
    let limits = Limits {
        render_steps: 20_000,
        output_bytes: 1 << 20,
        ..Limits::default()
    };
    match Tiny.compile(text, &limits) {
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
                assert_ne!(fault.code, "judge-disagrees", "{fault}");
                assert!(fault.span.is_some() && fault.help.is_some(), "{fault}");
                assert!(!fault.to_string().is_empty());
            }
        }
    }
}

/// Renders a text that calls itself and another one; a failure has a text.
fn render(text: &str, limits: Limits) {
    let texts = [("a", text), ("b", "{{ for x in @root }}{x}{{ endfor }}")];
    let set = Set::compile(texts, &limits).expect("compiled before");
    let data = serde_json::json!({
        "a": 1, "b": -2.5, "c": true, "d": null, "s": "<b> & 'x'", "xs": [1, "two", [3], { "k": 4 }], "name": "n", "m": { "k": { "k": [] } },
    });
    let how = How {
        limits,
        ..How::default()
    };
    if let Err(error) = set.render(&data, &how) {
        assert!(!error.diagnostic.to_string().is_empty());
    }
}
