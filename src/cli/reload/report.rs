//! The report of a reload as people read it. It comes as JSON, possibly from another version of hotplate.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

/// Whether everything that is on the disk is served.
pub(super) fn is_clean(report: &Value) -> bool {
    let done = matches!(report["outcome"].as_str(), Some("published" | "unchanged"));
    let warns = |found: &Value| found["severity"] == "warning";
    done && list(&report["not_current"]).is_empty() && list(&report["diagnostics"]).iter().all(warns)
}

pub(super) fn told(report: &Value) -> String {
    let version = &report["version"];
    let reason = report["reason"].as_str().unwrap_or_default();
    let mut told = match report["outcome"].as_str().unwrap_or_default() {
        "published" => format!("version {version} is served now"),
        "unchanged" => format!("nothing differs: version {version} is served"),
        "held" => format!("version {version} is held by a roll-back; what changed waits until that is ended"),
        outcome => format!("version {version} goes on; {outcome}: {reason}"),
    };
    for key in ["changed", "removed"] {
        let names: Vec<&str> = list(&report[key]).iter().filter_map(Value::as_str).collect();
        if !names.is_empty() {
            let _ = write!(told, "; {key} {}", names.join(", "));
        }
    }
    told.push('\n');
    for (serving, names) in not_current(report) {
        let _ = writeln!(told, "{}", said(&serving, &names));
    }
    for diagnostic in list(&report["diagnostics"]) {
        let text = |key: &str| diagnostic[key].as_str().unwrap_or_default();
        let _ = match text("text") {
            "" => writeln!(told, "\n{}[{}]: {}", text("severity"), text("code"), text("message")),
            shown => writeln!(told, "\n{shown}"),
        };
    }
    told
}

/// Templates that are not served as their newest text has them, by what is served in its place and the version that it is from.
fn not_current(report: &Value) -> BTreeMap<(&str, Option<u64>), Vec<&str>> {
    let mut by_serving: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for each in list(&report["not_current"]) {
        let text = |key: &str| each[key].as_str().unwrap_or_default();
        let serving = (text("serving"), each["since"].as_u64());
        by_serving.entry(serving).or_default().push(text("template"));
    }
    by_serving
}

/// Names that a line spells out.
const NAMES_MAX: usize = 10;

fn said((serving, since): &(&str, Option<u64>), names: &[&str]) -> String {
    let mut list = names[..names.len().min(NAMES_MAX)].join(", ");
    if let more @ 1.. = names.len().saturating_sub(NAMES_MAX) {
        let _ = write!(list, " and {more} more");
    }
    match (*serving, since) {
        ("last-good", Some(since)) => format!("stale: version {since} is still served of {list}"),
        ("stand-in", _) => format!("no good version: a stand-in is served for {list}"),
        _ => format!("no good version: nothing is served for {list}"),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_is_told_and_judged() {
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
            ("held", None, json!([]), false, &["roll-back"]),
            (
                "unreadable",
                Some("gone"),
                json!([]),
                false,
                &["version 7 goes on; unreadable: gone"],
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
            let told = told(&report);
            for part in parts {
                assert!(told.contains(part), "{part} is not in:\n{told}");
            }
            assert_eq!(is_clean(&report), clean, "{told}");
        }
    }
}
