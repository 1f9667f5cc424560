//! The dialect `tinytemplate` prints and refuses what `tiny` does, and can be stopped.

use std::fs;
use std::path::Path;

use hotplate_actors::Limits;
use hotplate_actors::budget::Exceeded;
use hotplate_actors::diagnostic::Diagnostic;
use hotplate_actors::dialect::reference::Reference;
use hotplate_actors::dialect::tiny::Tiny;
use hotplate_actors::dialect::{Dialect, Escape, Missing, RenderError, RenderFault};
use serde_json::{Value, json};

use crate::generator::{Case, Choices};
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
                let begin = |said: &Diagnostic| said.span.map(|span| (span.line, span.column));
                assert_eq!(begin(said), begin(tiny_said), "{templates:?}\n{error}\n{tiny}");
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

/// The cases of `tiny` (see `dialect.rs`), but for what is lenient: there the crate has no opinion.
#[test]
fn every_case_of_tiny_comes_out_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dialect");
    let mut rendered = 0;
    for file in fs::read_dir(folder).expect("the fixtures") {
        let text = fs::read_to_string(file.expect("a file").path()).expect("text");
        for case in text.split("=== ").skip(1) {
            let parts: Vec<_> = case.split("\n--- ").skip(1).collect();
            let part_of = |head: &str| parts.iter().find_map(|part| part.strip_prefix(head));
            let how = part_of("how ").unwrap_or_default();
            if how.contains("lenient") {
                continue;
            }
            let templates: Vec<_> = parts
                .iter()
                .map(|part| part.split_once('\n').unwrap_or((part, "")))
                .filter(|(head, _)| head.contains('.'))
                .collect();
            let limits = Limits::default();
            let codes_in = |dialect: &dyn Dialect| {
                let faults = Set::compile_in(dialect, templates.iter().copied(), &limits).err()?;
                Some(
                    faults
                        .into_iter()
                        .map(|fault| (fault.code, fault.span))
                        .collect::<Vec<_>>(),
                )
            };
            let refused = codes_in(&Reference);
            assert_eq!(refused, codes_in(&Tiny), "{case}");
            if refused.is_none() {
                let escape = if how.contains("plain") {
                    Escape::None
                } else {
                    Escape::Html
                };
                let data = part_of("data\n").map_or(json!({}), |data| serde_json::from_str(data).expect("JSON"));
                assert_same(
                    &templates,
                    &data,
                    &How {
                        escape,
                        ..How::default()
                    },
                );
                rendered += 1;
            }
        }
    }
    assert_ne!(rendered, 0);
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
            // Steps end it, however busy the machine is.
            render_ms: 600_000,
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

/// Our tags change nothing: neither what is printed nor where errors are.
#[test]
fn generated_templates_mean_the_same_in_both() {
    let limits = Limits {
        render_steps: 20_000,
        ..Limits::default()
    };
    let mut rendered = 0;
    for seed in 0..5000 {
        let case = Case::choose(&mut Choices::of_seed(seed));
        let templates: Vec<_> = case
            .templates
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        let how = How {
            limits: limits.clone(),
            ..How::default()
        };
        match Set::compile_in(&Reference, templates.iter().copied(), &limits) {
            // A path that begins with a dash is the one thing that only this dialect refuses.
            Err(refused) if refused.iter().any(|each| each.code == "dashed-path") => {}
            Err(refused) => assert!(Set::compile(templates, &limits).is_err(), "seed {seed}: {refused:?}"),
            // How many steps there are is each dialect's own.
            Ok(set) if is_stopped(set.render(&case.context, &how)) => {}
            Ok(_) => {
                assert_same(&templates, &case.context, &how);
                rendered += 1;
            }
        }
    }
    assert!(rendered > 2000, "{rendered}");
}

fn is_stopped(rendered: Result<String, RenderError>) -> bool {
    matches!(rendered, Err(error) if matches!(error.fault, RenderFault::Budget(_)))
}
