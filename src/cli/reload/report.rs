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
    let mut told = match &report["outcome"] {
        Value::String(outcome) => match outcome.as_str() {
            "published" => format!("version {version} is served now"),
            "unchanged" => format!("nothing differs: version {version} is served"),
            "held" => format!("version {version} is held by a roll-back; what changed waits until that is ended"),
            other => format!("version {version}: {other}"),
        },
        Value::Object(outcome) => {
            let mut told = format!("version {version} goes on");
            for (outcome, reason) in outcome {
                let _ = write!(told, "; {outcome}: {}", reason.as_str().unwrap_or_default());
            }
            told
        }
        _ => format!("version {version}"),
    };
    for (word, key) in [("changed", "changed"), ("removed", "removed")] {
        let names: Vec<&str> = list(&report[key]).iter().filter_map(Value::as_str).collect();
        if !names.is_empty() {
            let _ = write!(told, "; {word} {}", names.join(", "));
        }
    }
    told.push('\n');
    for diagnostic in list(&report["diagnostics"]) {
        tell(diagnostic, &mut told);
    }
    told
}

/// As the engine shows it, as far as the JSON has it.
fn tell(diagnostic: &Value, told: &mut String) {
    let text = |key: &str| diagnostic[key].as_str().unwrap_or_default();
    let number = |key: &str| diagnostic[key].as_u64();
    let _ = writeln!(told, "\n{}[{}]: {}", text("severity"), text("code"), text("message"));
    let template = text("template");
    match (number("line"), number("column")) {
        (Some(line), Some(column)) => {
            let _ = writeln!(told, " --> {template}:{line}:{column}");
        }
        _ if !template.is_empty() => {
            let _ = writeln!(told, " --> {template}");
        }
        _ => {}
    }
    if let (Some(source), Some(line)) = (diagnostic["source"].as_str(), number("line")) {
        let _ = writeln!(told, "{line:>4} | {source}");
    }
    for call in list(&diagnostic["chain"]) {
        let (template, span) = (call["template"].as_str().unwrap_or_default(), &call["span"]);
        let _ = writeln!(
            told,
            "  = note: called from {template}:{}:{}",
            span["line"], span["column"]
        );
    }
    if let Some(help) = diagnostic["help"].as_str() {
        let _ = writeln!(told, "  = help: {help}");
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use hotplate::diagnostic::Span;
    use hotplate::{Diagnostic, ReloadOutcome, ReloadReport, TemplateName, Version};

    use super::*;

    fn report(outcome: ReloadOutcome, diagnostics: Vec<Diagnostic>) -> Value {
        let report = ReloadReport {
            version: Version::from_number(7),
            outcome,
            changed: vec![TemplateName::new("a.html").expect("a name")],
            removed: Vec::new(),
            diagnostics,
        };
        serde_json::to_value(report).expect("serializes")
    }

    #[test]
    fn a_report_is_told_and_judged() {
        let name = TemplateName::new("b.html").expect("a name");
        let mut wrong = Diagnostic::error("missing-path", "there is no `x`")
            .in_template(&name)
            .at("{x}", 0..3)
            .help("write `y`");
        let (line, column, length) = (3, 4, 5);
        wrong.called_from(
            TemplateName::new("a.html").expect("a name"),
            Span { line, column, length },
        );
        for (report, clean, parts) in [
            (
                report(ReloadOutcome::Published, vec![]),
                true,
                &["version 7 is served now; changed a.html"][..],
            ),
            (report(ReloadOutcome::Unchanged, vec![]), true, &["nothing differs"]),
            (report(ReloadOutcome::Held, vec![]), false, &["roll-back"]),
            (
                report(ReloadOutcome::Unreadable("gone".into()), vec![]),
                false,
                &["version 7 goes on; unreadable: gone"],
            ),
            (
                report(ReloadOutcome::Published, vec![wrong]),
                false,
                &[
                    "error[missing-path]: there is no `x`",
                    "b.html:1:1",
                    "| {x}",
                    "called from a.html:3:4",
                    "help: write `y`",
                ],
            ),
            (
                report(ReloadOutcome::Published, vec![Diagnostic::warning("w", "m")]),
                true,
                &["warning[w]"],
            ),
        ] {
            let told = told(&report);
            for part in parts {
                assert!(told.contains(part), "{part} is not in:\n{told}");
            }
            assert_eq!(is_clean(&report), clean, "{told}");
        }
    }
}
