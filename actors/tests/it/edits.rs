//! Sequences of edits as data: the templates before, the changes, the answers afterwards, and the texts that were compiled.
//!
//! A file of `tests/fixtures/edits` has sections. `== start`, `== edit` hold templates, each after a line `-- name`, a `-- name
//! (removed)` without text; `== expect` has lines `compiled a b`, `stale a`, `broken a`, `says code`, and `name: text` for the
//! output with the object in `data.json`. Every edit is one batch. Files whose names begin with `jinja` have templates in Jinja (`.j2`).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use hotplate_actors::dialect::tiny::Tiny;
use hotplate_actors::dialect::{Dialect, Unit};
use hotplate_actors::snapshot::EntryStatus;
use hotplate_actors::{Diagnostic, Hotplate, Limits, MemoryLoader, TemplateName};

type Log = Arc<Mutex<Vec<String>>>;

/// A dialect that records the name of each text that it compiles.
struct RecordingDialect(String, Log);

impl Dialect for RecordingDialect {
    fn id(&self) -> &'static str {
        "recording"
    }

    fn compile(&self, text: &str, limits: &Limits) -> Result<Arc<dyn Unit>, Vec<Diagnostic>> {
        self.1.lock().expect("not poisoned").push(self.0.clone());
        #[cfg(feature = "jinja")]
        if self.0.ends_with(".j2") {
            return hotplate_actors::dialect::jinja::Jinja.compile(text, limits);
        }
        Tiny.compile(text, limits)
    }
}

#[test]
fn all_fixtures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/edits");
    let mut cases: Vec<_> = std::fs::read_dir(folder)
        .expect("the fixtures")
        .map(|each| each.expect("an entry").path())
        .collect();
    if !cfg!(feature = "jinja") {
        cases.retain(|case| {
            case.file_name()
                .is_none_or(|name| !name.to_string_lossy().starts_with("jinja"))
        });
    }
    cases.sort();
    assert!(cases.len() >= 8, "the fixtures are there");
    for case in cases {
        let text = std::fs::read_to_string(&case).expect("text");
        check(&case.display().to_string(), &text);
    }
}

fn check(case: &str, text: &str) {
    let (loader, memory) = MemoryLoader::new();
    let log = Log::default();
    let recorder = Arc::clone(&log);
    let hotplate = Hotplate::builder()
        .loader(loader)
        .watch(false)
        .dialect_for(move |each| {
            Some(Arc::new(RecordingDialect(each.to_string(), Arc::clone(&recorder))) as Arc<dyn Dialect>)
        })
        .start()
        .expect("starts");
    let mut data = serde_json::Value::Null;
    for section in text.split("== ").skip(1) {
        let (kind, text) = section.split_once('\n').expect("a section");
        if kind == "expect" {
            expect(case, text, &hotplate, &data, &log);
            continue;
        }
        assert!(["start", "edit"].contains(&kind), "{case}: what is `{kind}`?");
        let mut edits = templates(text);
        if let Some(Some(json)) = edits.remove("data.json") {
            data = serde_json::from_str(&json).expect("JSON");
        }
        log.lock().expect("not poisoned").clear();
        memory.edit(
            edits
                .into_iter()
                .map(|(each, text)| (TemplateName::new(each).expect("a name"), text)),
        );
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime.block_on(hotplate.reload()).expect("reloads");
    }
}

/// Returns the templates of a section; `None` stands for a removed one.
fn templates(section: &str) -> BTreeMap<&str, Option<String>> {
    section
        .split("-- ")
        .skip(1)
        .map(|part| {
            let (heading, text) = part.split_once('\n').expect("a heading");
            match heading.strip_suffix(" (removed)") {
                Some(name) => (name, None),
                None => (heading, Some(text.trim_end_matches('\n').to_owned())),
            }
        })
        .collect()
}

fn expect(case: &str, lines: &str, hotplate: &Hotplate, data: &serde_json::Value, log: &Log) {
    let snapshot = hotplate.snapshot();
    let status = |wanted: fn(&EntryStatus<'_>) -> bool| {
        let entries = snapshot.snapshot().entries().filter(|(_, _, status)| wanted(status));
        let mut names: Vec<String> = entries.map(|(_, each, _)| each.to_string()).collect();
        names.sort();
        names.join(" ")
    };
    let mut unchecked = BTreeMap::from([
        ("compiled", {
            let mut compiled = log.lock().expect("not poisoned").clone();
            compiled.sort();
            compiled.join(" ")
        }),
        ("stale", status(|status| matches!(status, EntryStatus::Stale { .. }))),
        ("broken", status(|status| matches!(status, EntryStatus::Broken { .. }))),
        (
            "says",
            hotplate
                .diagnostics()
                .iter()
                .map(|each| each.code)
                .collect::<Vec<_>>()
                .join(" "),
        ),
    ]);
    for line in lines.lines().filter(|line| !line.is_empty()) {
        if let Some((name, text)) = line.split_once(": ") {
            let rendered = hotplate
                .render(name, data)
                .map_or_else(|failure| format!("({failure})"), |answer| answer.body);
            assert_eq!(rendered, text, "{case}: {name}");
        } else {
            let (what, names) = line.split_once(' ').unwrap_or((line, ""));
            let found = unchecked
                .remove(what)
                .unwrap_or_else(|| panic!("{case}: what is `{line}`?"));
            assert_eq!(found, names, "{case}: {what}");
        }
    }
    for (what, found) in unchecked {
        assert_eq!(found, "", "{case}: {what} is not expected");
    }
}
