//! Checks that the paths, flags, commands, settings and metrics that the documents name exist. The programs in the documents are compiled
//! as documentation tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hotplate::config::keys;
use hotplate::metrics::Metrics;
use hotplate::{AuditOptions, Hotplate, MemoryLoader, StoreOptions};
use serde_json::Value;

use crate::admin::Served;
use crate::command::run;

const README: &str = include_str!("../../README.md");
const ADMIN: &str = include_str!("../../docs/admin.md");
const METRICS: &str = include_str!("../../docs/metrics.md");
const OPERATING: &str = include_str!("../../docs/operating.md");
const SAMPLE: &str = include_str!("../../docs/hotplate.toml");

/// The documents whose flags, commands and settings are checked, by name and text.
const NAMING: [(&str, &str); 11] = [
    ("README.md", README),
    ("SECURITY.md", include_str!("../../SECURITY.md")),
    ("docs/admin.md", ADMIN),
    ("docs/canaries.md", include_str!("../../docs/canaries.md")),
    ("docs/command.md", include_str!("../../docs/command.md")),
    ("docs/operating.md", OPERATING),
    ("docs/scopes.md", include_str!("../../docs/scopes.md")),
    ("docs/sources.md", include_str!("../../docs/sources.md")),
    ("docs/sites.md", include_str!("../../docs/sites.md")),
    ("docs/supervision.md", include_str!("../../docs/supervision.md")),
    ("docs/watching.md", include_str!("../../docs/watching.md")),
];

const COMMANDS: [&str; 25] = [
    "init",
    "dev",
    "serve",
    "check",
    "preview",
    "render",
    "explain",
    "graph",
    "watch",
    "reload",
    "status",
    "versions",
    "diff",
    "rollback",
    "resume",
    "leaks",
    "stages",
    "promote",
    "abort",
    "tenants",
    "sources",
    "audit",
    "token",
    "config",
    "completions",
];

/// Returns the inline code of a document, without code blocks.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|part| part.lines().flat_map(|line| line.split('`').skip(1).step_by(2)))
}

/// Returns the longest prefix whose characters are all accepted.
fn beginning(text: &str, is_part: impl Fn(char) -> bool) -> &str {
    let end = text.find(|character| !is_part(character)).unwrap_or(text.len());
    &text[..end]
}

#[test]
fn every_path_of_the_admin_api_exists() {
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
fn every_flag_command_and_setting_exists() {
    let helps: String = COMMANDS
        .iter()
        .map(|command| run(&[command, "--help"]).stdout)
        .chain([run(&["audit", "verify", "--help"]).stdout])
        .collect();
    for (document, text) in NAMING {
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
                let known = sections.contains(word) || keys().iter().any(|key| key.path == word);
                assert!(key.is_none() || known, "{document}: there is no setting `{word}`");
            }
        }
    }
}

#[test]
fn every_named_metric_exists() {
    let served = Served::start(&[("a.html", "a")]);
    let directory = tempfile::tempdir().expect("a directory");
    let stored = Hotplate::builder()
        .loader(MemoryLoader::of([("a.html", "a")]).expect("valid"))
        .store(StoreOptions::new(directory.path().join("store")))
        .audit(AuditOptions::new(directory.path().join("audit")))
        .start()
        .expect("starts");
    let metrics = served.ask("GET", "/admin/v1/metrics", &[], "").body + &Metrics::new(stored).text();
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let there: BTreeSet<&str> = types.filter_map(|line| line.split(' ').next()).collect();
    for text in [METRICS, OPERATING] {
        for (at, _) in text
            .match_indices("hotplate_")
            .filter(|(at, _)| !text[..*at].ends_with('/'))
        {
            let name = beginning(&text[at..], |part| part.is_ascii_lowercase() || part == '_');
            // The name of the crate, as in a log target.
            if text[at + name.len()..].starts_with("::") || name == "hotplate_actors" {
                continue;
            }
            let family = name.trim_end_matches("_total").trim_end_matches("_info");
            assert!(there.contains(name) || there.contains(family), "there is no `{name}`");
        }
    }
}

/// Returns the defaults of the sample configuration by the path of their key.
fn defaults() -> impl Iterator<Item = (String, &'static str)> {
    let mut section = "";
    SAMPLE.lines().filter_map(move |line| {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
            return None;
        }
        let (name, value) = line.split_once(" = ").filter(|_| !line.starts_with('#'))?;
        Some((format!("{section}.{name}"), value))
    })
}

#[test]
fn the_threat_model_has_the_current_defaults() {
    let defaults: BTreeMap<String, &str> = defaults().collect();
    let mut rows = 0;
    for line in OPERATING.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [_, setting, default, _] = cells[..] else { continue };
        let Some(default) = default.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) else {
            continue;
        };
        assert_eq!(defaults.get(setting.trim_matches('`')), Some(&default), "{line}");
        rows += 1;
    }
    assert!(rows > 40, "{rows}");
}

/// Returns the anchors of the headings of a document.
fn anchors(text: &str) -> BTreeSet<String> {
    let prose = text.split("```").step_by(2).flat_map(str::lines);
    let headings = prose.filter_map(|line| line.strip_prefix('#').map(|rest| rest.trim_start_matches('#').trim()));
    let anchor = |heading: &str| -> String {
        let kept = heading
            .chars()
            .filter(|part| part.is_alphanumeric() || " -_".contains(*part));
        kept.map(|part| if part == ' ' { '-' } else { part })
            .flat_map(char::to_lowercase)
            .collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_has_a_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_document = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    let listed = |directory: &Path| {
        let entries = std::fs::read_dir(directory).expect("a directory").flatten();
        entries
            .map(|entry| entry.path())
            .filter(is_document)
            .collect::<Vec<_>>()
    };
    let mut links = 0;
    for document in [listed(root), listed(&root.join("docs"))].concat() {
        let text = std::fs::read_to_string(&document).expect("a document");
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')').map(|(link, _)| link))
        {
            if link.contains("://") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => document.clone(),
                path => document.parent().expect("a directory").join(path),
            };
            let named = format!("{} links to {link}", document.display());
            assert!(target.exists(), "{named}");
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&target).expect("a document");
                assert!(anchors(&text).contains(anchor), "{named}, which has no such heading");
            }
            links += 1;
        }
    }
    assert!(links > 60, "{links}");
}

#[test]
fn the_readme_is_short() {
    assert!(README.split_whitespace().count() <= 950);
}
