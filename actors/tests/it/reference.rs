//! The dialect `tinytemplate` prints and refuses what `tiny` does, and can be stopped.

use hotplate_actors::Limits;
use hotplate_actors::budget::Exceeded;
use hotplate_actors::dialect::reference::Reference;
use hotplate_actors::dialect::tiny::Tiny;
use hotplate_actors::dialect::{Escape, Missing, RenderError, RenderFault};
use proptest::prelude::*;
use serde_json::{Value, json};
use tinytemplate::TinyTemplate;

use crate::set::{How, Set};

fn render(templates: &[(&str, &str)], context: &Value, how: &How) -> Result<String, RenderError> {
    let set = Set::compile_in(&Reference, templates.iter().copied(), &how.limits).expect("compiles");
    set.render(context, how)
}

fn render_tiny(templates: &[(&str, &str)], context: &Value, how: &How) -> Result<String, RenderError> {
    let set = Set::compile_in(&Tiny, templates.iter().copied(), &how.limits).expect("compiles");
    set.render(context, how)
}

/// Both print the same, or refuse with the same fault, code, template, place and calls.
#[track_caller]
fn assert_same(templates: &[(&str, &str)], context: &Value, how: &How) {
    match (render(templates, context, how), render_tiny(templates, context, how)) {
        (Ok(text), Ok(tiny)) => assert_eq!(text, tiny, "{templates:?}"),
        (Err(error), Err(tiny)) => {
            let (said, tiny_said) = (&error.diagnostic, &tiny.diagnostic);
            assert_eq!((error.fault, said.code), (tiny.fault, tiny_said.code), "{templates:?}");
            assert_eq!(said.template, tiny_said.template, "{templates:?}");
            assert_eq!(said.chain, tiny_said.chain, "{templates:?}");
            // The crate does not say where it could not print a value.
            if error.fault != RenderFault::Unprintable {
                assert_eq!(said.span, tiny_said.span, "{templates:?}\n{error}\n{tiny}");
            }
        }
        (text, tiny) => panic!("{templates:?}: {text:?} against {tiny:?}"),
    }
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
fn prints_what_tiny_prints() {
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
        for escape in [Escape::Html, Escape::None] {
            let how = How {
                escape,
                ..How::default()
            };
            assert_same(&[("page.html", text), leaf, tree], &data(), &how);
        }
    }
}

#[test]
fn refuses_what_tiny_refuses_at_the_same_place() {
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
        assert_same(&[("page.html", text), leaf, mid, fine], &data(), &How::default());
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
    assert_same(&nested, &shop, &How::default());
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
fn what_the_crate_does_not_have_is_refused_clearly() {
    let lenient = How {
        missing: Missing::Lenient,
        ..How::default()
    };
    let error = render(&[("page.html", "{name}")], &data(), &lenient).expect_err("not lenient");
    assert_eq!(error.fault, RenderFault::Internal);
    assert!(error.to_string().contains("`tiny`"), "{error}");
    let text = "{{ call page.html with -d }}";
    let faults = Set::compile_in(&Reference, [("page.html", text)], &Limits::default())
        .err()
        .expect("refused");
    assert_eq!(faults[0].code, "dashed-path");
}

#[test]
fn endless_renders_stop_where_tiny_stops() {
    let loops =
        "{{ for a in xs }}{{ for b in xs }}{{ for c in xs }}{{ for d in xs }}".to_owned() + &"{{ endfor }}".repeat(4);
    let numbers = json!({"xs": vec![0; 5000]});
    let how = How {
        limits: Limits {
            render_steps: 100_000,
            output_bytes: 10_000,
            call_depth: 20,
            ..Limits::default()
        },
        ..How::default()
    };
    let fault_of = |templates: &[(&str, &str)], context: &Value| {
        let error = render(templates, context, &how).expect_err("too much");
        let tiny = render_tiny(templates, context, &how).expect_err("too much");
        assert_eq!(error.fault, tiny.fault);
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
    assert_eq!(fault_of(&[("page.html", &"{big}".repeat(1000))], &big), output);
    assert_eq!(fault_of(&[("page.html", &"{big | upper}".repeat(1000))], &big), output);
}

#[test]
fn calls_go_as_deep_as_in_tiny() {
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
        assert_same(&[("page.html", text)], &context, &how);
        // Calls side by side are not deep.
        let side = "{{ call leaf.html with kid }}".repeat(20);
        let how = How {
            limits: Limits {
                call_depth: 1,
                ..Limits::default()
            },
            ..How::default()
        };
        assert_same(&[("page.html", &side), ("leaf.html", ".")], &context, &how);
    }
}

/// A template of tags and blanks, balanced, with dashes anywhere.
fn template() -> impl Strategy<Value = String> {
    let text = prop::sample::select(vec!["", " ", "\n", "  a  ", "\\{", " é\r\n ", "\\", "b \\{ ", "-"]);
    let open = || prop::sample::select(vec!["{{", "{{-", "{{ ", "{{ - "]);
    let close = || prop::sample::select(vec!["}}", "-}}", " }}", " - }}"]);
    let path = || {
        prop::sample::select(vec![
            "items",
            "name",
            "item",
            "item.name",
            "tree.kids",
            "nope",
            "it",
            "n",
        ])
    };
    let leaf = prop_oneof![
        4 => text.prop_map(str::to_owned),
        1 => (path(), prop::sample::select(vec!["{p}", "{- p -}", "{ p|upper -}", "{-p | unescaped}"]))
            .prop_map(|(path, tag)| tag.replace('p', "\0").replace("u\0\0er", "upper").replace("unesca\0ed", "unescaped").replace('\0', path)),
        1 => (open(), path(), close())
            .prop_map(|(open, path, close)| format!("{open} call leaf.html with {path} {close}")),
        1 => Just("{#- note -#}".to_owned()),
    ];
    leaf.prop_recursive(3, 40, 6, move |inner| {
        let body = prop::collection::vec(inner, 0..6)
            .prop_map(|parts| parts.concat())
            .boxed();
        let tags = (open(), close(), open(), close(), path());
        prop_oneof![
            (tags.clone(), body.clone())
                .prop_map(|((a, b, c, d, path), body)| { format!("{a} for item in {path} {b}{body}{c} endfor {d}") }),
            (tags.clone(), body.clone())
                .prop_map(|((a, b, c, d, path), body)| { format!("{a} if {path} {b}{body}{c} endif {d}") }),
            (tags, body.clone())
                .prop_map(|((a, b, c, d, path), body)| format!("{a} with {path} as it {b}{body}{c} endwith {d}")),
            body,
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Our tags change nothing: neither what is printed nor where errors are.
    #[test]
    fn random_templates_mean_the_same_here_in_tiny_and_in_the_crate(text in template()) {
        let leaf = "[ {- name }\n]";
        let templates = [("page.html", text.as_str()), ("leaf.html", leaf)];
        let Ok(set) = Set::compile_in(&Reference, templates, &Limits::default()) else {
            prop_assert!(Set::compile(templates, &Limits::default()).is_err());
            return Ok(());
        };
        assert_same(&templates, &data(), &How::default());
        assert_same(&templates, &data(), &How::default());
        let mut plain = TinyTemplate::new();
        plain.add_formatter("upper", |value, output| {
            let mut text = String::new();
            tinytemplate::format_unescaped(value, &mut text)?;
            tinytemplate::escape(&text.to_uppercase(), output);
            Ok(())
        });
        plain.add_template("page.html", &text).expect("compiles");
        plain.add_template("leaf.html", leaf).expect("compiles");
        let printed = plain.render("page.html", &data()).ok();
        prop_assert_eq!(set.render(&data(), &How::default()).ok(), printed);
    }
}
