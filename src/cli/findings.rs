//! Findings for other programs: SARIF 2.1.0 for code scanning, and annotations for GitHub.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use clap::ValueEnum;
use hotplate::diagnostic::{Diagnostic, Severity};
use serde_json::{Value, json};

use crate::percent::percent_encoded;

/// The format of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FindingFormat {
    Human,
    Json,
    Sarif,
    Github,
}

/// An error or a warning, and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    is_error: bool,
    code: String,
    /// The name of the template or file.
    template: Option<String>,
    /// The line, the column and the length in characters; the first two count from 1.
    span: Option<[u64; 3]>,
    message: String,
    help: Option<String>,
}

/// Returns the finding of a diagnostic.
pub(crate) fn of(diagnostic: &Diagnostic) -> Finding {
    let span = diagnostic.span;
    Finding {
        is_error: diagnostic.severity == Severity::Error,
        code: diagnostic.code.to_owned(),
        template: diagnostic.template.as_ref().map(ToString::to_string),
        span: span.map(|span| [span.line, span.column, span.length].map(u64::from)),
        message: diagnostic.message.clone(),
        help: diagnostic.help.clone(),
    }
}

/// Returns the finding that an instance sent as JSON.
pub(crate) fn of_json(found: &Value) -> Finding {
    let text = |key: &str| found[key].as_str().map(str::to_owned);
    let number = |key: &str| found[key].as_u64();
    let span = || Some([number("line")?, number("column")?, number("length").unwrap_or(1)]);
    Finding {
        is_error: found["severity"] != "warning",
        code: text("code").unwrap_or_default(),
        template: text("template"),
        span: span(),
        message: text("message").unwrap_or_default(),
        help: text("help"),
    }
}

impl Finding {
    /// Returns message and help as one text.
    fn text(&self) -> String {
        match &self.help {
            Some(help) => format!("{}\nhelp: {help}", self.message),
            None => self.message.clone(),
        }
    }
}

/// Returns findings as a SARIF 2.1.0 log. `place` returns the path of the file with a name.
pub(crate) fn sarif(findings: &[Finding], place: &dyn Fn(&str) -> String) -> Value {
    let mut rules: BTreeMap<&str, usize> = findings.iter().map(|finding| (finding.code.as_str(), 0)).collect();
    rules.values_mut().enumerate().for_each(|(number, rule)| *rule = number);
    let result = |finding: &Finding| {
        let location = finding.template.as_ref().map(|name| {
            let path = place(name);
            let artifact = match path.starts_with('/') {
                true => json!({ "uri": format!("file://{}", percent_encoded(&path)) }),
                false => json!({ "uri": percent_encoded(&path), "uriBaseId": "%SRCROOT%" }),
            };
            let mut physical = json!({ "artifactLocation": artifact });
            if let Some([line, column, length]) = finding.span {
                // The end is the first column behind it.
                physical["region"] = json!({
                    "startLine": line, "startColumn": column, "endLine": line, "endColumn": column + length.max(1),
                });
            }
            json!({ "physicalLocation": physical })
        });
        json!({
            "ruleId": finding.code,
            "ruleIndex": rules[finding.code.as_str()],
            "level": if finding.is_error { "error" } else { "warning" },
            "message": { "text": finding.text() },
            "locations": location.into_iter().collect::<Vec<_>>(),
        })
    };
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "hotplate",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.keys().map(|code| json!({ "id": code })).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": findings.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

/// Returns findings as workflow commands of GitHub, which shows them beside the lines of a pull request.
pub(crate) fn github(findings: &[Finding], place: &dyn Fn(&str) -> String) -> Vec<String> {
    let line = |finding: &Finding| {
        let mut line = match finding.is_error {
            true => "::error ".to_owned(),
            false => "::warning ".to_owned(),
        };
        if let Some(name) = &finding.template {
            let _ = write!(line, "file={},", property(&place(name)));
        }
        if let Some([at, column, length]) = finding.span {
            let end = column + length.max(1) - 1;
            let _ = write!(line, "line={at},endLine={at},col={column},endColumn={end},");
        }
        let _ = write!(line, "title={}::{}", property(&finding.code), data(&finding.text()));
        line
    };
    findings.iter().map(line).collect()
}

/// Returns a path with slashes.
pub(crate) fn slashes(path: &Path) -> String {
    let parts = path
        .components()
        .filter(|part| !matches!(part, std::path::Component::CurDir));
    let path: std::path::PathBuf = parts.collect();
    path.to_string_lossy().replace('\\', "/")
}

/// Escapes the message of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> [Finding; 2] {
        [
            Finding {
                is_error: true,
                code: "missing-path".into(),
                template: Some("ä b.html".into()),
                span: Some([3, 5, 4]),
                message: "there is no `nmae`".into(),
                help: Some("100%: write\n`name`".into()),
            },
            Finding {
                is_error: false,
                code: "a:b".into(),
                template: None,
                span: None,
                message: "x".into(),
                help: None,
            },
        ]
    }

    #[test]
    fn annotations_are_escaped() {
        let lines = github(&found(), &|name| format!("t,x/{name}"));
        let expected = [
            "::error file=t%2Cx/ä b.html,line=3,endLine=3,col=5,endColumn=8,title=missing-path::there is no `nmae`%0Ahelp: 100%25: write%0A`name`",
            "::warning title=a%3Ab::x",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_log_has_rules_levels_and_places() {
        for (root, uri) in [("t", "t/%C3%A4%20b.html"), ("/t", "file:///t/%C3%A4%20b.html")] {
            let log = sarif(&found(), &|name| format!("{root}/{name}"));
            let run = &log["runs"][0];
            let ids: Vec<&str> = run["tool"]["driver"]["rules"]
                .as_array()
                .expect("rules")
                .iter()
                .filter_map(|rule| rule["id"].as_str())
                .collect();
            assert_eq!(ids, ["a:b", "missing-path"]);
            let [error, warning] = run["results"].as_array().expect("results").as_slice() else {
                panic!("{log}")
            };
            assert_eq!((&error["ruleIndex"], &error["level"]), (&json!(1), &json!("error")));
            let place = &error["locations"][0]["physicalLocation"];
            assert_eq!(place["artifactLocation"]["uri"], uri);
            assert_eq!(place["artifactLocation"]["uriBaseId"].is_string(), root == "t");
            let region = json!({ "startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 9 });
            assert_eq!(place["region"], region);
            assert_eq!(
                (&warning["level"], &warning["locations"]),
                (&json!("warning"), &json!([]))
            );
        }
    }
}
