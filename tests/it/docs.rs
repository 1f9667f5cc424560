//! What the documents name is there: paths, flags, commands, settings, metrics. Their programs are compiled as documentation tests.

use std::collections::BTreeSet;

use hotplate::config::keys;
use serde_json::Value;

use crate::admin::Served;
use crate::command::run;

const README: &str = include_str!("../../README.md");
const COMMAND: &str = include_str!("../../docs/command.md");
const ADMIN: &str = include_str!("../../docs/admin.md");
const METRICS: &str = include_str!("../../docs/metrics.md");

const COMMANDS: [&str; 10] = [
    "init",
    "dev",
    "serve",
    "check",
    "render",
    "graph",
    "watch",
    "reload",
    "config",
    "completions",
];

/// What stands in backticks on one line, outside of blocks of code.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|part| part.lines().flat_map(|line| line.split('`').skip(1).step_by(2)))
}

/// The longest beginning of a text that is made of such characters.
fn beginning(text: &str, is_part: impl Fn(char) -> bool) -> &str {
    let end = text.find(|character| !is_part(character)).unwrap_or(text.len());
    &text[..end]
}

#[test]
fn every_path_of_the_admin_api_is_there_and_named() {
    let served = Served::start(&[("a.html", "a")]);
    let document = served.ask("GET", "/admin/v1/openapi.json", &[], "").json();
    let paths = document["paths"].as_object().expect("paths");
    let exists = |method: &str, path: &str| {
        let methods = paths.get(path).and_then(Value::as_object);
        methods.is_some_and(|methods| methods.contains_key(&method.to_lowercase()))
    };
    let mut named = BTreeSet::new();
    for (document, text) in [("README.md", README), ("docs/admin.md", ADMIN)] {
        for line in text.lines().filter(|line| line.starts_with("| `")) {
            let mut method = "";
            for code in codes(line.split(" | ").next().unwrap_or(line)) {
                let (verb, path) = code.split_once(' ').unwrap_or(("", code));
                if ["GET", "POST", "PUT"].contains(&verb) {
                    method = verb;
                } else if !code.starts_with('…') {
                    continue;
                }
                let path = if verb.is_empty() { code } else { path };
                let path = path.trim_start_matches("/admin/v1/").trim_start_matches("…/");
                let path = format!("/admin/v1/{}", beginning(path, |part| !"?[ ".contains(part)));
                assert!(exists(method, &path), "{document}: there is no {method} {path}");
                if document == "docs/admin.md" {
                    named.insert(path);
                }
            }
        }
    }
    let there: BTreeSet<String> = paths.keys().cloned().collect();
    assert_eq!(named, there, "docs/admin.md names each");
}

#[test]
fn every_flag_command_and_setting_is_there() {
    let helps: String = COMMANDS
        .iter()
        .map(|command| run(&[command, "--help"]).stdout)
        .collect();
    for (document, text) in [
        ("README.md", README),
        ("docs/command.md", COMMAND),
        ("docs/admin.md", ADMIN),
    ] {
        for line in text
            .lines()
            .filter(|line| !line.contains("cargo ") && !line.contains("`--bin "))
        {
            for (at, _) in line.match_indices("--") {
                let before = line[..at].chars().next_back();
                let flag = beginning(&line[at..], |part| part.is_ascii_lowercase() || part == '-');
                let meant = flag.len() > 3 && before.is_none_or(|before| " `[".contains(before));
                assert!(
                    !meant || helps.contains(flag),
                    "{document}: there is no `{flag}`: {line}"
                );
            }
        }
        for (at, _) in text.match_indices("hotplate ") {
            let of_shell = text[..at]
                .chars()
                .next_back()
                .is_some_and(|before| "`/".contains(before));
            let word = beginning(&text[at + "hotplate ".len()..], char::is_alphanumeric);
            assert!(
                !of_shell || COMMANDS.contains(&word),
                "{document}: there is no `hotplate {word}`"
            );
        }
        let sections: BTreeSet<&str> = keys().iter().map(|key| key.section()).collect();
        for code in codes(text).filter(|code| !code.contains('(')) {
            let words = code.split(|part: char| !part.is_ascii_lowercase() && !"._".contains(part));
            for word in words {
                let key = word
                    .rsplit_once('.')
                    .filter(|(section, name)| sections.contains(section) && !["rs", "toml", "md", ""].contains(name));
                let known = keys().iter().any(|key| key.path == word);
                assert!(key.is_none() || known, "{document}: there is no setting `{word}`");
            }
        }
    }
}

#[test]
fn every_metric_that_is_named_is_there() {
    let served = Served::start(&[("a.html", "a")]);
    let metrics = served.ask("GET", "/admin/v1/metrics", &[], "").body;
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let there: BTreeSet<&str> = types.filter_map(|line| line.split(' ').next()).collect();
    for (at, _) in METRICS.match_indices("hotplate_") {
        let name = beginning(&METRICS[at..], |part| part.is_ascii_lowercase() || part == '_');
        let family = name.trim_end_matches("_total").trim_end_matches("_info");
        assert!(there.contains(name) || there.contains(family), "there is no `{name}`");
    }
}
