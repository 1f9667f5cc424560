//! `hotplate.toml`, variables and flags, as the command reads them.

use serde_json::Value;

use crate::command::{run, run_in, text};
use crate::files::{Files, shop};

fn site(toml: &str) -> Files {
    Files::new(&[("templates/a.html", "a"), ("hotplate.toml", toml)])
}

#[test]
fn an_error_in_the_file_prevents_every_command() {
    for (toml, parts) in [
        (
            "[limits]\nrender_sm = 5\n",
            &[
                "error[unknown-key]",
                "hotplate.toml:2:1",
                "2 | render_sm = 5",
                "^^^^^^^^^",
                "did you mean `render_ms`?",
            ][..],
        ),
        (
            "[limits]\nrender = \"2s\"\n",
            &["hotplate.toml:2:1", "write `render_ms = 2000`"],
        ),
        (
            "# comment\n\n[limits]\noutput_bytes = \"16 MiB\"\n",
            &[
                "error[wrong-unit]",
                "hotplate.toml:4:16",
                "whole number of bytes",
                "write `output_bytes = 16_777_216`",
            ],
        ),
        (
            "[limits]\nrender_ms = 0\n",
            &["error[out-of-range]", "hotplate.toml:2:13", "from 1 to"],
        ),
        ("[limits]\nrender_ms = true\n", &["error[wrong-type]", "this is a flag"]),
        (
            "[wombat]\n",
            &["hotplate.toml:1:2", "no section `wombat`", "the sections are"],
        ),
        (
            "[log]\nlevel = \"debgu\"\n",
            &["hotplate.toml:2:9", "`debgu` is not a level", "the levels are"],
        ),
        ("limits = [", &["error[bad-toml]", "hotplate.toml:1:"]),
        (
            "[limits]\nsettle_ms = 500\n",
            &[
                "error[contradiction]",
                "hotplate.toml:2:13",
                "the longest wait for a file is 250 ms",
            ],
        ),
        (
            "[limits]\nburst_quiet_ms = 5000\n",
            &[
                "error[contradiction]",
                "hotplate.toml:2:18",
                "`burst_quiet_ms` is 5000 ms",
                "`burst_max_ms`, 1000 ms",
            ],
        ),
    ] {
        let files = site(toml);
        for command in ["check", "serve", "dev", "watch", "graph", "config"] {
            let ran = run(&[command, text(files.path())]);
            assert_eq!(
                (ran.code, ran.stdout.as_str()),
                (2, ""),
                "{command} {toml}: {}",
                ran.stderr
            );
            for part in parts {
                assert!(
                    ran.stderr.contains(part),
                    "{command}: {part} is not in:\n{}",
                    ran.stderr
                );
            }
        }
    }
}

#[test]
fn flags_override_variables_and_variables_the_file() {
    let files = site("[limits]\nrender_ms = 100\nreload_ms = 100\nstart_ms = 10000\n");
    let environment = [
        ("HOTPLATE_LIMITS__RENDER_MS", "200"),
        ("HOTPLATE_LIMITS__RELOAD_MS", "200"),
    ];
    let arguments = [
        "config",
        text(files.path()),
        "--format",
        "json",
        "--set",
        "limits.render_ms=300",
    ];
    let ran = run_in(&environment, &arguments);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let shown: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    for (key, value, from) in [
        ("limits.render_ms", 300, Some("--set limits.render_ms")),
        ("limits.reload_ms", 200, Some("HOTPLATE_LIMITS__RELOAD_MS")),
        ("limits.start_ms", 10_000, Some("hotplate.toml:4")),
        ("limits.grace_ms", 50, None),
    ] {
        assert_eq!(shown[key]["value"], value, "{key}");
        let origin = shown[key]["from"].as_str();
        assert!(
            origin.is_some() == from.is_some() && origin.unwrap_or_default().ends_with(from.unwrap_or_default()),
            "{key}: {origin:?}"
        );
    }
}

#[test]
fn a_limit_is_applied() {
    let files = Files::new(&[
        (
            "templates/a.html",
            "{{ for a in xs }}{{ for b in xs }}{a}{{ endfor }}{{ endfor }}",
        ),
        ("data/a.json", &format!(r#"{{"xs": {:?}}}"#, [1; 100])),
    ]);
    let render = ["render", text(files.path()), "a.html"];
    assert_eq!(run(&render).code, 0);
    let ran = run_in(&[("HOTPLATE_LIMITS__RENDER_STEPS", "100")], &render);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("render_steps"), "{}", ran.stderr);
}

#[test]
fn the_files_are_a_setting() {
    let files = Files::new(&[
        ("templates/a.html", "a"),
        ("templates/b.tpl", "b"),
        ("templates/drafts/c.html", "c"),
        (
            "hotplate.toml",
            "[files]\nexclude = [\"drafts/\"]\nextensions = [\"html\", \"tpl\"]\n",
        ),
    ]);
    assert_eq!(run(&["graph", text(files.path())]).stdout, "a.html\nb.tpl\n");
    let all = [
        "graph",
        text(files.path()),
        "--set",
        "files.extensions=*",
        "--set",
        "files.exclude=",
    ];
    assert_eq!(run(&all).stdout, "a.html\nb.tpl\ndrafts/c.html\n");
}

#[test]
fn an_unknown_variable_is_an_error_or_a_warning() {
    let files = site("");
    let check = ["check", text(files.path())];
    for (name, code, message) in [
        (
            "HOTPLATE_LIMITS__RENDER",
            2,
            "did you mean `HOTPLATE_LIMITS__RENDER_MS`?",
        ),
        (
            "HOTPLATE_LIMITS_RENDER_MS",
            0,
            "did you mean `HOTPLATE_LIMITS__RENDER_MS`?",
        ),
        ("HOTPLATE_SERVICE_HOST", 0, ""),
    ] {
        let ran = run_in(&[(name, "5")], &check);
        assert_eq!(ran.code, code, "{name}: {}", ran.stderr);
        assert!(
            ran.stderr.contains(message) && ran.stderr.is_empty() == message.is_empty(),
            "{name}: {}",
            ran.stderr
        );
    }
}

#[test]
fn a_named_file_must_exist() {
    let files = site("this is not read");
    files.write("other.toml", "[limits]\nrender_ms = 7\n");
    let other = files.path().join("other.toml");
    let config = ["config", text(files.path()), "--format", "json"];
    let runs = [
        run(&[&config[..], &["--config", text(&other)]].concat()),
        run_in(&[("HOTPLATE_CONFIG", text(&other))], &config),
    ];
    for ran in runs {
        let shown: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert_eq!(shown["limits.render_ms"]["value"], 7, "{}", ran.stderr);
    }
    for named in ["/nowhere.toml", text(files.path())] {
        let ran = run(&[&config[..], &["--config", named]].concat());
        assert_eq!(ran.code, 2);
        assert!(
            ran.stderr.contains(named) && ran.stderr.contains("\"unreadable\""),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn the_output_can_be_read_again_and_has_no_secrets() {
    let sample = run(&["config", "--sample"]);
    let shipped = std::fs::read_to_string(shop().join("../../docs/hotplate.toml")).expect("the sample");
    assert_eq!((sample.code, sample.stdout), (0, shipped.clone()));
    let files = site(&shipped);
    let shown = run(&["config", text(files.path())]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    files.write("hotplate.toml", &shown.stdout);
    let values = |shown: &str| -> Vec<String> {
        let lines = shown.lines().map(|line| line.split(" # ").next().unwrap_or_default());
        lines.map(|line| line.trim_end().to_owned()).collect()
    };
    assert_eq!(
        values(&run(&["config", text(files.path())]).stdout),
        values(&shown.stdout)
    );
    let secret = run_in(&[("HOTPLATE_ADMIN__TOKEN", "s3cret")], &["config", text(files.path())]);
    assert!(
        secret.stdout.contains("(not shown)") && !secret.stdout.contains("s3cret"),
        "{}",
        secret.stdout
    );
}

#[test]
fn the_log_level_is_checked_and_rust_log_only_warned_about() {
    let files = site("");
    let check = ["check", text(files.path())];
    let ran = run(&[&check[..], &["--log-level", "debgu"]].concat());
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("--log-level debgu") && ran.stderr.contains("^^^^^"),
        "{}",
        ran.stderr
    );
    let ran = run_in(&[("RUST_LOG", "debgu")], &check);
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.contains("RUST_LOG is not used"), "{}", ran.stderr);
}

#[test]
fn a_token_is_made_and_its_section_can_be_used() {
    let ran = run(&["token", "ci", "--may", "read,publish"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let section = ran.stdout.split_once("[[admin.subject]]").expect("a section").1;
    let section: String = section.lines().map(|line| format!("{}\n", line.trim())).collect();
    let files = site(&format!("[[admin.subject]]\n{section}"));
    let shown = run(&["config", text(files.path()), "--format", "json"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    let subject = shown["admin.subject"]["value"][0].as_str().expect("a text");
    let token = ran.stdout.lines().map(str::trim).find(|line| line.starts_with("hp_"));
    assert!(
        subject.contains("name = ci") && subject.contains("may = read, publish"),
        "{subject}"
    );
    assert!(
        subject.contains(&hotplate::admin::token_hash(token.expect("a token"))),
        "{subject}"
    );

    let json = run(&["token", "ci", "--tenants", "acme", "--format", "json"]);
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    let token = json["token"].as_str().expect("a token");
    assert_eq!(json["token_hash"], hotplate::admin::token_hash(token));
    assert_ne!(
        Some(token),
        ran.stdout.lines().map(str::trim).find(|line| line.starts_with("hp_"))
    );
    for wrong in [
        &["token", "a b"][..],
        &["token", "ci", "--may", "write"],
        &["token", "ci", "--tenants", "Acme"],
    ] {
        let ran = run(wrong);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{wrong:?}");
    }
}

#[test]
fn settings_of_scopes_that_contradict_each_other_are_shown() {
    for (toml, parts) in [
        (
            "[[admin.subject]]\nname = \"ci\"\n",
            &["hotplate.toml:1:", "no `token_hash`"][..],
        ),
        ("[[admin.subject]]\nname = 5\n", &["`admin.subject` is a list of texts"]),
        (
            "[scopes]\ntenant_from = \"header\"\n",
            &["any visitor could send the header", "set `trusted_proxies`"],
        ),
        (
            "[scopes]\ntrusted_proxies = [\"proxy\"]\n",
            &["hotplate.toml:2:19", "`proxy` is not a network"],
        ),
        (
            "[scopes]\npin_key = \"short\"\n",
            &["a key needs 32 bytes, and this has 5"],
        ),
        (
            "[judge]\nfailures_good_ppm = 50000\n",
            &["hotplate.toml:2:21", "set `failures_good_ppm` below"],
        ),
        (
            "[promotion]\nsteps = [\"500\", \"10\"]\n",
            &["hotplate.toml:2:9", "write growing numbers up to 10000"],
        ),
    ] {
        let files = site(toml);
        let ran = run(&["config", text(files.path())]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{toml}: {}", ran.stderr);
        for part in parts {
            assert!(ran.stderr.contains(part), "{part} is not in:\n{}", ran.stderr);
        }
        assert!(!ran.stderr.contains("\"short\""), "a secret is shown: {}", ran.stderr);
    }
}
