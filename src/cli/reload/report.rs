//! The report of a reload in sentences. The instance sends it as JSON, and may be another version of hotplate.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use crate::cli::json::{list, sample};
use crate::cli::names;

/// Names that a line spells out.
const NAMES_MAX: usize = 10;

/// Returns true if everything that is on the disk is served.
pub(super) fn is_clean(report: &Value) -> bool {
    let done = matches!(report["outcome"].as_str(), Some("published" | "unchanged"));
    let is_warning = |found: &Value| found["severity"] == "warning";
    let nothing_waits = report["waiting"]["count"].as_u64().unwrap_or(0) == 0;
    done && nothing_waits
        && list(&report["not_current"]).is_empty()
        && list(&report["diagnostics"]).iter().all(is_warning)
}

/// Returns the report in sentences, with its diagnostics.
pub(super) fn text(report: &Value) -> String {
    let version = &report["version"];
    let reason = report["reason"].as_str().unwrap_or_default();
    let mut text = match report["outcome"].as_str().unwrap_or_default() {
        "published" => format!("version {version} is served now"),
        "unchanged" => format!("nothing differs: version {version} is served"),
        "held" => format!("nothing differs but what was rolled back: version {version} is served"),
        outcome => format!("{outcome}: {reason}; still serving version {version}"),
    };
    for key in ["changed", "removed"] {
        let names: Vec<&str> = list(&report[key]).iter().filter_map(Value::as_str).collect();
        if !names.is_empty() {
            let _ = write!(text, "; {key} {}", names.join(", "));
        }
    }
    text.push('\n');
    if let Some(names) = sample(&report["waiting"]) {
        let _ = writeln!(
            text,
            "waiting since a rollback, until their text changes or `hotplate resume`: {names}"
        );
    }
    for ((kind, since), names) in not_current(report) {
        let names = names::enumeration(names.iter(), NAMES_MAX);
        let _ = writeln!(text, "{}", names::answer(kind, since, &names));
    }
    for diagnostic in list(&report["diagnostics"]) {
        let field = |key: &str| diagnostic[key].as_str().unwrap_or_default();
        let _ = match field("text") {
            "" => writeln!(text, "\n{}[{}]: {}", field("severity"), field("code"), field("message")),
            shown => writeln!(text, "\n{shown}"),
        };
    }
    text
}

/// Returns the templates whose newest text is not served, grouped by the kind of answer that replaces it and the version of that answer.
fn not_current(report: &Value) -> BTreeMap<(&str, Option<u64>), Vec<&str>> {
    let mut by_answer: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for each in list(&report["not_current"]) {
        let field = |key: &str| each[key].as_str().unwrap_or_default();
        let answer = (field("serving"), each["since"].as_u64());
        by_answer.entry(answer).or_default().push(field("template"));
    }
    by_answer
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_becomes_text_and_an_exit_code() {
        let error = json!({ "severity": "error", "code": "c", "message": "m", "text": "error[c]: m\n --> a.html:1:1" });
        let warning = json!({ "severity": "warning", "code": "w", "message": "m" });
        for (outcome, reason, diagnostics, clean, parts) in [
            (
                "published",
                None,
                json!([]),
                true,
                &["version 7 is served now; changed a.html"][..],
            ),
            ("unchanged", None, json!([]), true, &["nothing differs"]),
            (
                "held",
                None,
                json!([]),
                false,
                &["nothing differs but what was rolled back"],
            ),
            (
                "unreadable",
                Some("gone"),
                json!([]),
                false,
                &["unreadable: gone; still serving version 7"],
            ),
            (
                "published",
                None,
                json!([error]),
                false,
                &["error[c]: m\n --> a.html:1:1"],
            ),
            ("published", None, json!([warning]), true, &["warning[w]: m"]),
        ] {
            let report = json!({
                "version": 7, "outcome": outcome, "reason": reason, "changed": ["a.html"], "removed": [],
                "diagnostics": diagnostics,
            });
            let text = text(&report);
            for part in parts {
                assert!(text.contains(part), "{part} is not in:\n{text}");
            }
            assert_eq!(is_clean(&report), clean, "{text}");
        }
    }
}
