//! The report of a preview in sentences, and its findings. An instance sends it as JSON, and may be another version of hotplate.

use std::fmt::Write;

use hotplate::TemplateName;
use hotplate::site::Site;
use serde_json::Value;

use crate::cli::findings::{self, Finding};
use crate::cli::json::{list, sample};
use crate::cli::names;

/// Lines of the difference of one output.
const LINES_MAX: usize = 40;

/// Translates the names of data into the names of files.
pub(super) fn show_names(site: &Site, report: &mut Value) {
    let show = |name: &mut Value| {
        let shown = name.as_str().and_then(|name| TemplateName::new(name).ok());
        if let Some(shown) = shown {
            *name = site.shown(&shown).as_str().into();
        }
    };
    for list in ["changed", "removed", "affected", "stale", "broken", "recovered"] {
        report[list]["names"]
            .as_array_mut()
            .into_iter()
            .flatten()
            .for_each(show);
    }
    for list in ["diagnostics", "warnings"] {
        let findings = report[list].as_array_mut().into_iter().flatten();
        findings.for_each(|finding| show(&mut finding["template"]));
    }
}

/// Returns all findings: errors, warnings, and renders that would fail.
pub(super) fn findings(report: &Value) -> Vec<Finding> {
    let renders = list(&report["renders"])
        .iter()
        .filter(|render| render["change"] == "fails");
    let renders = renders.map(|render| &render["after"]["error"]);
    let lists = ["diagnostics", "warnings"]
        .into_iter()
        .flat_map(|key| list(&report[key]));
    let mut findings: Vec<Finding> = lists.chain(renders).map(findings::of_json).collect();
    findings.dedup();
    findings
}

/// Returns the report in sentences.
pub(super) fn text(report: &Value) -> String {
    let version = &report["version"];
    if report["unchanged"] == true {
        return format!("nothing would change in version {version}");
    }
    let mut text = String::new();
    for (key, words) in [
        ("changed", "changes"),
        ("removed", "removes"),
        ("affected", "pages that would be rendered from other texts:"),
        ("stale", "would be stale:"),
        ("broken", "would be broken:"),
        ("recovered", "would be current again:"),
    ] {
        if let Some(names) = sample(&report[key]) {
            let count = &report[key]["count"];
            let _ = match key {
                "affected" => writeln!(text, "{count} {words} {names}"),
                _ => writeln!(text, "{words} {names}"),
            };
        }
    }
    for render in list(&report["renders"]) {
        if render["change"] != "same" {
            write_render(&mut text, render);
        }
    }
    let same = list(&report["renders"])
        .iter()
        .filter(|render| render["change"] == "same")
        .count();
    if same > 0 {
        let _ = writeln!(text, "\n{} the same with its sample", names::count(same, "page"));
    }
    if let Some(skipped @ 1..) = report["renders_skipped"].as_u64() {
        let _ = writeln!(
            text,
            "{skipped} more with a sample were not rendered (the limits `preview_renders`, `preview_ms`)"
        );
    }
    for diagnostic in ["diagnostics", "warnings"]
        .into_iter()
        .flat_map(|key| list(&report[key]))
    {
        let _ = writeln!(text, "\n{}", shown(diagnostic));
    }
    text
}

fn write_render(text: &mut String, render: &Value) {
    let (before, after) = (&render["before"], &render["after"]);
    let of = |side: &Value| format!("{} bytes in {} µs", side["bytes"], side["micros"]);
    let entry = render["entry"].as_str().unwrap_or_default();
    let _ = match render["change"].as_str().unwrap_or_default() {
        "fails" => writeln!(text, "\n{entry} would fail:\n{}", shown(&after["error"])),
        "fixed" => writeln!(text, "\n{entry} fails now and would be fixed: {}", of(after)),
        "added" => writeln!(text, "\n{entry} would be added: {}", of(after)),
        "removed" => writeln!(text, "\n{entry} would be removed"),
        _ => writeln!(text, "\n{entry}: {} → {}", of(before), of(after)),
    };
    let lines = render["unified"].as_str().unwrap_or_default().lines();
    for (number, line) in lines.enumerate() {
        if number == LINES_MAX {
            let _ = writeln!(text, "  …");
            break;
        }
        let _ = writeln!(text, "  {line}");
    }
}

fn shown(diagnostic: &Value) -> String {
    let field = |key: &str| diagnostic[key].as_str().unwrap_or_default();
    match field("text") {
        "" => format!("{}[{}]: {}", field("severity"), field("code"), field("message")),
        shown => shown.to_owned(),
    }
}
