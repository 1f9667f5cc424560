//! The report of a reload as people read it. It comes as JSON, possibly from another version of hotplate.

use std::fmt::Write;

use serde_json::Value;

/// Whether everything that is on the disk is served.
pub(super) fn is_clean(report: &Value) -> bool {
    let done = matches!(report["outcome"].as_str(), Some("published" | "unchanged"));
    done && list(&report["diagnostics"])
        .iter()
        .all(|found| found["severity"] == "warning")
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
    for diagnostic in list(&report["diagnostics"]) {
        let text = |key: &str| diagnostic[key].as_str().unwrap_or_default();
        let _ = match text("text") {
            "" => writeln!(told, "\n{}[{}]: {}", text("severity"), text("code"), text("message")),
            shown => writeln!(told, "\n{shown}"),
        };
    }
    told
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
