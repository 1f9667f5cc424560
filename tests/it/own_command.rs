//! The example `own_command`, run like in CI.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{RunOutput, run_program, text};
use crate::files::Files;

/// Builds the example, which `cargo test --test it` alone does not do, and returns its path.
fn program() -> PathBuf {
    let hotplate = Path::new(env!("CARGO_BIN_EXE_hotplate"));
    let directory = hotplate.parent().expect("a directory");
    let mut build = Command::new(env!("CARGO"));
    build
        .args(["build", "--quiet", "--example", "own_command"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if directory.file_name().is_some_and(|profile| profile == "release") {
        build.arg("--release");
    }
    assert!(build.status().expect("cargo runs").success());
    directory.join("examples").join("own_command")
}

fn check(data: &Files) -> RunOutput {
    run_program(&program(), &["check", "--data", text(data.path())])
}

#[test]
fn check_uses_the_formatters_of_the_program() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/own_command/samples");
    let ran = run_program(&program(), &["check", "--data", text(&samples)]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    assert_eq!(ran.stdout, "1 template, 1 rendered with their data: nothing is wrong\n");

    let ran = run_program(
        &program(),
        &["render", "item.html", "--data", text(&samples.join("item.json"))],
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(ran.stdout, "<h1>Kettle</h1>\n<p>€ 24.50</p>\n");

    assert_eq!(run_program(&program(), &["graph"]).stdout, "item.html\n");
    // Without arguments the program is the service.
    assert_eq!(run_program(&program(), &[]).stdout, "<h1>Teapot</h1>\n<p>€ 19.99</p>\n");
}

#[test]
fn errors_are_json_where_json_is_asked_for() {
    for arguments in [
        &["check", "--format", "json", "--wrong"][..],
        &["check", "--format=json", "--data", "/no/such/directory"],
    ] {
        let ran = run_program(&program(), arguments);
        let error: serde_json::Value = serde_json::from_str(&ran.stderr).expect("JSON");
        assert_eq!(
            (ran.code, &error["error"]["exit_code"]),
            (2, &serde_json::json!(2)),
            "{error}"
        );
        assert!(
            error["error"]["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty()),
            "{error}"
        );
    }
}

#[test]
fn check_fails_on_errors() {
    for (data, message) in [
        (r#"{"name": "Kettle"}"#, "there is no `cents` in the data"),
        (
            r#"{"name": "Kettle", "cents": "12"}"#,
            "the formatter `price` failed: it takes cents, and this is a string",
        ),
        ("{", "this is not JSON"),
    ] {
        let ran = check(&Files::new(&[("item.json", data)]));
        assert_eq!(ran.code, 1, "{}", ran.stdout);
        assert!(ran.stdout.contains(message), "{message}: {}", ran.stdout);
    }
    // Sample data of a page that does not exist causes a warning.
    let ran = check(&Files::new(&[("itme.json", "{}")]));
    assert!(
        ran.code == 0 && ran.stdout.contains("no entry uses this data"),
        "{}",
        ran.stdout
    );
    let ran = run_program(&program(), &["check", "--data", "/nowhere"]);
    assert!(
        ran.code == 2 && ran.stderr.contains("`/nowhere` is not a directory"),
        "{}",
        ran.stderr
    );
    let ran = run_program(&program(), &["render", "item"]);
    assert!(
        ran.code == 1 && ran.stderr.contains("did you mean `item.html`?"),
        "{}",
        ran.stderr
    );
}

#[test]
fn data_is_named_by_its_directory() {
    let files = Files::new(&[("samples/down.json", "{")]);
    let ran = run_program(&program(), &["check", "--data", text(&files.path().join("samples"))]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("samples/down.json:1:1"), "{}", ran.stdout);
    assert!(
        !ran.stdout.contains("data/down.json") && !ran.stdout.contains("templates/"),
        "{}",
        ran.stdout
    );
}
