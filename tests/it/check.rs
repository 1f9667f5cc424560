//! `hotplate check`.

use serde_json::Value;

use crate::command::{run, run_unread, text};
use crate::files::{Files, shop};

fn json(stdout: &str) -> Value {
    serde_json::from_str(stdout).expect("one JSON object")
}

#[test]
fn the_shop_is_clean() {
    let shop = shop();
    let ran = run(&["check", text(&shop), "--format", "json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    let output = json(&ran.stdout);
    assert_eq!(output["findings"], Value::Array(vec![]));
    assert!(output["rendered"].as_u64() > Some(20), "{output}");
    let ran = run(&["check", text(&shop)]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.ends_with("nothing is wrong\n"), "{}", ran.stdout);
}

#[test]
fn compile_errors_have_their_position() {
    let files = Files::new(&[("templates/index.html", "a\n  {{ if a == b }}{{ endif }}\n")]);
    let ran = run(&["check", text(files.path())]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""));
    for part in ["error[comparison]", "index.html:2:", "^", "1 error"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\x1b'), "no colours where there is no terminal");
}

#[test]
fn a_missing_field_is_found_by_rendering() {
    let files = Files::new(&[
        ("templates/a.html", "{{ call _parts/a.html with page }}"),
        ("templates/b.html", "{{ call _parts/a.html with page }}"),
        ("templates/_parts/a.html", "{titel}"),
        ("data/_all.json", r#"{"page": {"title": "x"}}"#),
    ]);
    let ran = run(&["check", text(files.path())]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    for part in [
        "_parts/a.html:1:2",
        "called from a.html:1:",
        "affects 2 pages: a.html and b.html",
        "2 rendered",
        "1 error",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let output = json(&run(&["check", text(files.path()), "--format", "json"]).stdout);
    let finding = &output["findings"][0];
    assert_eq!(finding["diagnostic"]["code"], "missing-path");
    assert_eq!(finding["diagnostic"]["template"], "_parts/a.html");
    assert_eq!(finding["entries"], serde_json::json!(["a.html", "b.html"]));
}

#[test]
fn invalid_data_is_named_by_its_file() {
    let files = Files::new(&[("templates/a.html", "{b}"), ("data/a.json", "{\n  \"b\": 1,\n}\n")]);
    let ran = run(&["check", text(files.path())]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stdout.contains("error[bad-json]") && ran.stdout.contains("data/a.json:3:1"),
        "{}",
        ran.stdout
    );
}

#[test]
fn warnings_do_not_fail() {
    let files = Files::new(&[
        ("templates/a.html", "<a href={b}>x</a>"),
        ("data/a.json", r#"{"b": 1}"#),
        ("data/aa.json", "{}"),
    ]);
    let ran = run(&["check", text(files.path())]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    for part in ["warning[unused-data]", "data/aa.json", "2 warnings"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
}

#[test]
fn pages_without_data_are_not_rendered() {
    let files = Files::new(&[("a.html", "{b}")]);
    let ran = run(&["check", text(files.path())]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert_eq!(ran.stdout, "1 template, 0 rendered with their data: nothing is wrong\n");
}

#[test]
fn closed_output_is_no_error() {
    let (status, stderr) = run_unread(&["check", text(&shop())]);
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
}

fn with_formatters(formatters: &str) -> Files {
    Files::new(&[
        ("templates/index.html", "{cents | price}{name | upper}{all | table}"),
        ("data/index.json", r#"{"cents": 1999, "name": "x", "all": ["<a>"]}"#),
        ("hotplate.toml", &format!("[templates]\nformatters = {formatters}\n")),
    ])
}

#[test]
fn formatters_of_another_program_print_the_value() {
    let files = with_formatters(r#"["price", "table", "upper"]"#);
    let ran = run(&["check", text(files.path())]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    let note = "note: the formatters `price` and `table` print the value as it is (`templates.formatters`): the real ones are in your own program\n";
    assert_eq!(ran.stderr, note);
    let ran = run(&["check", text(files.path()), "--format", "json"]);
    assert_eq!(json(&ran.stdout)["stubs"], serde_json::json!(["price", "table"]));
    assert_eq!(ran.stderr, note, "printed once");
    let ran = run(&["render", text(files.path()), "index.html"]);
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("1999X[&quot;&lt;a&gt;&quot;]", note)
    );
    let ran = run(&["serve", text(files.path()), "--bind", "127.0.0.1:0"]);
    assert_eq!(ran.code, 2, "visitors do not see stubs: {}", ran.stdout);
    assert!(ran.stderr.contains("`price` and `table`"), "{}", ran.stderr);
}

#[test]
fn undeclared_and_invalid_formatters_are_errors() {
    let ran = run(&["check", text(with_formatters("[]").path())]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("there is no formatter `price`"), "{}", ran.stdout);
    for name in ["", " price", "a b", "price|x", "f(1)", "a}"] {
        let ran = run(&["check", text(with_formatters(&format!("[\"ok\", {name:?}]")).path())]);
        assert_eq!(ran.code, 2, "{name:?}: {}", ran.stdout);
        let said = format!("`{name}` cannot be the name of a formatter");
        assert!(
            ran.stderr.contains(&said) && ran.stderr.contains("hotplate.toml:2:"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn lenient_templates_print_nothing_for_missing_fields() {
    let site = |missing: &str| {
        Files::new(&[
            ("templates/index.html", "{{ if nick }}{nick}{{ else }}nobody{{ endif }}"),
            ("data/index.json", "{}"),
            ("hotplate.toml", &format!("[templates]\nmissing = \"{missing}\"\n")),
        ])
    };
    let ran = run(&["check", text(site("strict").path())]);
    assert!(
        ran.code == 1 && ran.stdout.contains("there is no `nick` in the data"),
        "{}",
        ran.stdout
    );
    let lenient = site("lenient");
    let ran = run(&["check", text(lenient.path())]);
    assert_eq!(ran.stdout, "1 template, 1 rendered with their data: nothing is wrong\n");
    assert_eq!(run(&["render", text(lenient.path()), "index.html"]).stdout, "nobody");
    let ran = run(&["check", text(site("maybe").path())]);
    assert!(
        ran.code == 2 && ran.stderr.contains("hotplate.toml:2:"),
        "{}",
        ran.stderr
    );
}

#[test]
fn columns_are_right_on_long_lines() {
    let line = format!("{}{{nmae}}{}", "ü".repeat(504), "x".repeat(900));
    let files = Files::new(&[("templates/index.html", &line), ("data/index.json", r#"{"name": 1}"#)]);
    let ran = run(&["check", text(files.path())]);
    assert!(ran.stdout.contains("index.html:1:506\n"), "{}", ran.stdout);
    let output = json(&run(&["check", text(files.path()), "--format", "json"]).stdout);
    let fault = &output["findings"][0]["diagnostic"];
    assert_eq!((fault["line"].as_u64(), fault["column"].as_u64()), (Some(1), Some(506)));
    let source = fault["source"].as_str().expect("the line");
    let start = fault["source_column"].as_u64().expect("a column");
    let marked: String = source.chars().skip(start as usize - 1).take(4).collect();
    assert_eq!(marked, "nmae");
}

#[test]
fn numbers_are_printed_as_they_were_written() {
    let numbers = "[19.90,2.50,100.00,1e2,-0,1e300,1e400,1e-999]";
    let files = Files::new(&[
        ("templates/index.html", "{{ for x in xs }}{x},{{ endfor }}{xs | json}"),
        (
            "templates/zeros.html",
            "{{ for x in xs }}{{ if x }}1{{ else }}0{{ endif }}{{ endfor }}",
        ),
        ("data/index.json", &format!("{{\"xs\": {numbers}}}")),
        ("data/zeros.json", r#"{"xs": [0.00, -0, 0e5, 0.10, 1e-999]}"#),
    ]);
    let ran = run(&["check", text(files.path())]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    let ran = run(&["render", text(files.path()), "index.html"]);
    assert_eq!(ran.stdout, format!("{},{numbers}", &numbers[1..numbers.len() - 1]));
    assert_eq!(run(&["render", text(files.path()), "zeros.html"]).stdout, "00011");
}

#[test]
fn a_position_has_a_length() {
    let files = Files::new(&[("templates/index.html", "{{ if }}a{{ endif }}")]);
    let output = json(&run(&["check", text(files.path()), "--format", "json"]).stdout);
    let length = &output["findings"][0]["diagnostic"]["length"];
    assert!(length.as_u64() >= Some(1), "{output}");
}

#[test]
fn a_sample_that_its_schema_refuses_is_one_finding_with_its_file() {
    let files = Files::new(&[
        ("templates/a.html", "{user.name}"),
        ("samples/a.json", r#"{"user": {"nmae": "N"}}"#),
        (
            "schemas/a.json",
            r#"{"properties": {"user": {"properties": {"name": {"type": "string"}}, "required": ["name"]}}}"#,
        ),
    ]);
    let ran = run(&["check", text(files.path())]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    for part in [
        "error[sample-refused]",
        "samples/a.json",
        "`/user`",
        "requires the field \"name\"",
        "`nmae`",
        "1 error",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
}
