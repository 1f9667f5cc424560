//! Tables of templates that the dialect `tiny` and the crate tinytemplate print or reject alike.

use hotplate_actors::Limits;
use hotplate_actors::budget::Exceeded;
use hotplate_actors::dialect::{RenderError, RenderFault};
use serde_json::{Value, json};

use crate::against_the_crate::{Verdict, compare};
use crate::generator::Case;
use crate::set::{How, Set};

fn render(templates: &[(&str, &str)], context: &Value, how: &How) -> Result<String, RenderError> {
    let set = Set::compile(templates.iter().copied(), &how.limits).expect("compiles");
    set.render(context, how)
}

/// Checks that both print the same, or fail for the same reason, in the same template, at the same location and through the same calls.
#[track_caller]
fn assert_same(templates: &[(&str, &str)], context: &Value, expected: Verdict) {
    let templates = templates.iter().map(|(name, text)| ((*name).into(), (*text).into()));
    let case = Case {
        templates: templates.collect(),
        context: context.clone(),
        is_tame: true,
    };
    assert_eq!(compare(&case), Ok(expected), "{case:#?}");
}

fn data() -> Value {
    json!({
        "name": "<Ann> & 'Bob'", "n": 3, "f": 1.0, "no": false, "null": null, "empty": [], "-d": [1],
        "items": [{"name": "ä", "tags": ["x", "y"]}, {"name": 2, "tags": []}],
        "tree": {"name": "root", "kids": [{"name": "leaf", "kids": []}]},
        "#h": "hash", "#o": {"name": 1}, "secret": "s3cret",
    })
}

#[test]
fn prints_what_the_crate_prints() {
    let leaf = ("leaf.html", "<{name}>\n");
    let tree = (
        "tree.html",
        "({name}{{ for kid in kids }} {{ call tree.html with kid }}{{ endfor }})",
    );
    for text in [
        "",
        "plain \\{ text",
        "{name} {n} {f} {no} {null} {items.0.name} {items.1.name | upper}",
        "{{ for item in items }}{@index}{@first}{@last} {item.name} {{ endfor }}.",
        "a {{- for item in items -}} b {item.name} {{- endfor -}} c",
        "a {{ for item in items -}}\n\n{{- for tag in item.tags -}}  {tag} {{ endfor -}}  {{ endfor }} z",
        "{{ for item in items }}{{ endfor }}",
        "{{for item in items}}\\{ {item.name}{{endfor}}",
        "x  {{- call leaf.html with items.0 -}}  y",
        "x  {{ call leaf.html with items.0 -}}  {{- call leaf.html with items.1 }}  y",
        "x  {{ if n }}  {{ endif }}{{- call leaf.html with items.0 }} y",
        "{{ for item in items }}{{ call leaf.html with item }}{{ endfor }}",
        "{{ call tree.html with tree }}",
        "{{ with items.0 as it }}{{ call leaf.html with it }}{{ endwith }}",
        "{{ if not no }}yes{{ else }}no{{ endif }}{# a comment -#}  .",
        "{ #h}{{ for -i in -d }}[{--i}]{{ endfor }}{{ call leaf.html with #o }}",
        "{name | unescaped} {items | json} {n | json}",
        "ü{{ for ü in items }}ü{ü.name}{{ endfor }}\r\n{name}",
    ] {
        assert_same(&[("page.html", text), leaf, tree], &data(), Verdict::Same);
    }
}

#[test]
fn fails_where_the_crate_fails() {
    let leaf = ("leaf.html", "ok\n  é {{ for x in tags }}{x}{{ endfor }} {nmae}\n");
    let mid = (
        "mid.html",
        "\n{{ for item in items }}é{{ call leaf.html with item }}{{ endfor }}",
    );
    for text in [
        "{nmae}",
        "ä {{ for item in items }}{{ call fine.html with item }} {item.nmae}{{ endfor }}",
        "{{ for item in items }}{{ for tag in item.tgas }}{{ endfor }}{{ endfor }}",
        "\n{{ for item in items }} ö {{ for tag in item.name }}{{ endfor }}{{ endfor }}",
        "\n {{ call fine.html with items.0 }}{{ call leaf.html with items.0 }}",
        "{{ with tree as t }}{{ call fine.html with t.kids.0.kdis.x }}{{ endwith }}",
        "{{ call fine.html with items.0 }}\n{{ call fine.html with items.7 }}",
        "{{ if items.0.nope }}{{ endif }}",
        "{items}",
        "{tree}",
        "{{ for item in items }}{item.name | refuse}{{ endfor }}",
        "{{ for item in items }}{item.name | panic}{{ endfor }}",
        "{{ call missing.html with tree }}",
        "{{ for item in items }}{item.name | nobody}{{ endfor }}",
    ] {
        let fine = ("fine.html", "");
        assert_same(&[("page.html", text), leaf, mid, fine], &data(), Verdict::BothFailed);
    }
    let nested = [
        (
            "page.html",
            "a {{ with tree as t }}é {{ call mid.html with shop }}{{ endwith }}",
        ),
        mid,
        leaf,
    ];
    let shop = json!({"tree": 1, "shop": {"items": [{"tags": ["x"]}]}});
    assert_same(&nested, &shop, Verdict::BothFailed);
    let error = render(&nested, &shop, &How::default()).expect_err("there is no nmae");
    let callers: Vec<_> = error
        .diagnostic
        .chain
        .iter()
        .map(|site| site.template.as_str())
        .collect();
    assert_eq!(callers, ["mid.html", "page.html"]);
}

#[test]
fn a_missing_path_lists_no_other_keys() {
    let error = render(&[("page.html", "{nmae}")], &data(), &How::default()).expect_err("there is none");
    let shown = error.to_string();
    assert!(shown.contains("nmae") && !shown.contains("secret"), "{shown}");
}

#[test]
fn a_formatter_that_panics_is_contained() {
    let error = render(&[("page.html", "{name | panic}")], &data(), &How::default()).expect_err("it panics");
    assert_eq!(error.fault, RenderFault::Formatter);
    assert!(error.to_string().contains("on purpose"), "{error}");
}

#[test]
fn endless_renders_stop() {
    let loops =
        "{{ for a in xs }}{{ for b in xs }}{{ for c in xs }}{{ for d in xs }}".to_owned() + &"{{ endfor }}".repeat(4);
    let numbers = json!({"xs": vec![0; 5000]});
    let how = How {
        limits: Limits {
            render_steps: 100_000,
            output_bytes: 10_000,
            // Steps end it, however busy the machine is.
            render_ms: 600_000,
            call_depth: 20,
            ..Limits::default()
        },
        ..How::default()
    };
    let fault_of = |templates: &[(&str, &str)], context: &Value| {
        let error = render(templates, context, &how).expect_err("too much");
        error.fault
    };
    let steps = RenderFault::Budget(Exceeded::Steps(100_000));
    let output = RenderFault::Budget(Exceeded::Output(10_000));
    assert_eq!(fault_of(&[("page.html", &loops)], &numbers), steps);

    let mut deep = json!({"kid": null});
    for _ in 0..18 {
        deep = json!({"kid": deep});
    }
    let twice = "{{ if kid }}{{ call page.html with kid }}{{ call page.html with kid }}{{ endif }}";
    assert_eq!(fault_of(&[("page.html", twice)], &deep), steps);

    let bomb = "{{ for a in xs }}{{ for b in xs }}".to_owned() + &"bomb".repeat(50) + "{{ endfor }}{{ endfor }}";
    assert_eq!(fault_of(&[("page.html", &bomb)], &numbers), output);
    assert_eq!(fault_of(&[("page.html", &"x".repeat(10_001))], &numbers), output);
    let big = json!({"big": "b".repeat(1000)});
    assert_eq!(
        fault_of(&[("page.html", &("{big}".repeat(1000) + "{nope}"))], &big),
        output
    );
    assert_eq!(
        fault_of(&[("page.html", &("{big | upper}".repeat(1000) + "{nope}"))], &big),
        output
    );
}

#[test]
fn calls_go_as_deep_as_their_limit() {
    for (levels, call_depth) in [(5, 4), (4, 4), (3, 4), (1, 0), (0, 0)] {
        let mut context = json!({"kid": null});
        for _ in 0..levels {
            context = json!({"kid": context});
        }
        let text = "{{ if kid }}<{{ call page.html with kid }}>{{ endif }}";
        let how = How {
            limits: Limits {
                call_depth,
                ..Limits::default()
            },
            ..How::default()
        };
        assert_eq!(
            render(&[("page.html", text)], &context, &how).is_ok(),
            levels <= call_depth
        );
        // Calls side by side are not deep.
        let side = "{{ call leaf.html with kid }}".repeat(20);
        let how = How {
            limits: Limits {
                call_depth: 1,
                ..Limits::default()
            },
            ..How::default()
        };
        let context = json!({"kid": 1});
        let printed = render(&[("page.html", &side), ("leaf.html", ".")], &context, &how);
        assert_eq!(printed.as_deref(), Ok(".".repeat(20).as_str()));
    }
}
