//! The answers of an instance in tables and sentences. The instance may be another version of hotplate, so every field may be absent.

use std::fmt::Write;

use hotplate::metrics::now_ms;
use serde_json::Value;

use crate::admin::phrases;
use crate::cli::json::list;
use crate::cli::names;

/// Names that a line spells out.
const NAMES_MAX: usize = 10;

/// Returns true if an instance is ready and not degraded, and serves the newest text of every template.
pub(super) fn is_good(status: &Value) -> bool {
    let counts = &status["version"]["templates"];
    let none = |count: &Value| count.as_u64().unwrap_or(0) == 0;
    let is_degraded = !list(&status["health"]["degraded"]).is_empty();
    status["health"]["ready"] == true
        && !is_degraded
        && none(&counts["stale"])
        && none(&counts["broken"])
        && none(&status["waiting"]["count"])
}

/// Returns the state of an instance.
pub(super) fn status(status: &Value, address: &str) -> String {
    let (version, health, made) = (&status["version"], &status["health"], &status["made"]);
    let mut text = String::new();
    let _ = writeln!(
        text,
        "version {} is served at {address} (hotplate {})",
        version["version"],
        word(&version["hotplate"])
    );
    let _ = writeln!(text, "made {} by {}", ago(&made["at_ms"]), cause(&made["cause"]));
    let counts = &version["templates"];
    let _ = writeln!(
        text,
        "templates and data files: {} current, {} stale, {} broken",
        counts["current"], counts["stale"], counts["broken"]
    );
    for kind in ["stale", "broken"] {
        let listed = list(&status[kind]);
        if !listed.is_empty() {
            let listed = listed.iter().map(|each| word(&each["name"]));
            let _ = writeln!(text, "{kind}: {}", names::enumeration(listed, NAMES_MAX));
        }
    }
    let reasons = list(&health["reasons"]).iter().chain(list(&health["degraded"]));
    let state = match (health["ready"] == true, list(&health["degraded"]).is_empty()) {
        (true, true) => "ready",
        (true, false) => "ready, degraded",
        (false, _) => "not ready",
    };
    let reasons: Vec<&str> = reasons.map(word).collect();
    let _ = match reasons.is_empty() {
        true => writeln!(text, "{state}"),
        false => writeln!(text, "{state}: {}", reasons.join("; ")),
    };
    text + &waiting(&status["waiting"])
}

/// Returns the templates that wait, with the reasons; nothing if none waits.
pub(super) fn waiting(waiting: &Value) -> String {
    let (count, templates) = (waiting["count"].as_u64().unwrap_or(0), list(&waiting["templates"]));
    if count == 0 {
        return String::new();
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut text = format!(
        "waiting since a rollback or a promotion: {}\n",
        names::count(count, "template")
    );
    for each in templates {
        let (name, change, since) = (word(&each["name"]), word(&each["change"]), &each["since"]);
        let _ = writeln!(
            text,
            "  {name} ({change}), since version {since} by {}",
            cause(&each["cause"])
        );
        for error in list(&each["diagnostics"]) {
            let shown = word(&error["text"]);
            shown.lines().for_each(|line| _ = writeln!(text, "    {line}"));
        }
    }
    let more = count.saturating_sub(templates.len());
    if more > 0 {
        let _ = writeln!(text, "  and {more} more");
    }
    text
}

/// Returns the table of versions, newest first, and what waits.
pub(super) fn versions(versions: &Value) -> String {
    let mut rows = vec![["VERSION", "MADE", "STATE", "CHANGES", "BY"].map(str::to_owned)];
    for version in list(&versions["versions"]) {
        let state = [
            (version["version"] == versions["current"]).then_some("served"),
            (version["held"] == true).then_some("rollback"),
            (version["stored"] == true).then_some("stored"),
            (version["kept"] != true).then_some("not kept"),
        ];
        let state: Vec<&str> = state.into_iter().flatten().collect();
        rows.push([
            version["version"].to_string(),
            ago(&version["at_ms"]),
            state.join(", "),
            summary(version),
            cause(&version["cause"]),
        ]);
    }
    table(&rows) + &waiting(&versions["waiting"])
}

/// Returns the changes of a version in a few words.
fn summary(version: &Value) -> String {
    let mut parts = Vec::new();
    for (key, word) in [
        ("changed", "changed"),
        ("removed", "removed"),
        ("stale", "stale"),
        ("broken", "broken"),
        ("recovered", "fixed"),
    ] {
        let names = list(&version[key]["names"]);
        let count = version[key]["count"].as_u64().unwrap_or(0);
        match (count, names) {
            (0, _) => {}
            (1, [name]) => parts.push(format!("{word} {}", self::word(name))),
            (count, _) => parts.push(format!("{word} {count}")),
        }
    }
    parts.join(", ")
}

/// Returns the differences with their lines.
pub(super) fn diff(diff: &Value, colours: bool) -> String {
    let to = match &diff["to"] {
        Value::Null => "the sources".to_owned(),
        version => format!("version {version}"),
    };
    let templates = list(&diff["templates"]);
    if templates.is_empty() {
        return format!("version {} and {to} serve the same texts", diff["from"]);
    }
    let mut text = String::new();
    for template in templates {
        let _ = writeln!(text, "{}", difference(template));
        for line in word(&template["unified"]).lines() {
            let code = match line.as_bytes().first() {
                Some(b'+') => "32",
                Some(b'-') => "31",
                Some(b'@') => "36",
                _ => "0",
            };
            let _ = match colours {
                true => writeln!(text, "\x1b[{code}m{line}\x1b[0m"),
                false => writeln!(text, "{line}"),
            };
        }
    }
    if diff["truncated"] == true {
        text += "there are more differences than an answer holds\n";
    }
    text
}

/// Returns a difference in one line, with the status of the template if that changes.
fn difference(template: &Value) -> String {
    let (name, change) = (word(&template["name"]), word(&template["change"]));
    let [before, after] = ["before", "after"].map(|side| word(&template[side]["status"]));
    match before.is_empty() || after.is_empty() || before == after {
        true => format!("{change} {name}"),
        false => format!("{change} {name} ({before} → {after})"),
    }
}

/// Returns the templates that a rollback would change, without their lines.
pub(super) fn changes(diff: &Value) -> String {
    let templates = list(&diff["templates"]);
    let mut text = String::new();
    for template in templates.iter().take(NAMES_MAX) {
        let _ = writeln!(text, "  {}", difference(template));
    }
    match templates.len().saturating_sub(NAMES_MAX) {
        0 => {}
        more => _ = writeln!(text, "  and {more} more"),
    }
    text
}

/// Returns the result of a rollback, or of its end. `rest` says what becomes of the other texts.
pub(super) fn changed(answer: &Value, rest: &str) -> String {
    let version = &answer["version"];
    if answer["outcome"] != "published" {
        return format!("nothing waits: version {version} is served");
    }
    let mut text = format!("version {version} is served now");
    match summary(answer).as_str() {
        "" => {}
        summary => _ = write!(text, "; {summary}"),
    }
    text.push('\n');
    if rest == "waiting" {
        text += word(&answer["notice"]);
    }
    text
}

/// Returns true if all sources are loaded, or do not exist.
pub(super) fn are_loaded(sources: &Value) -> bool {
    let states = list(&sources["sources"]).iter().map(|source| word(&source["state"]));
    states.into_iter().all(|state| state == "loaded" || state == "absent")
}

/// Returns the sources of an instance as a table, the one with the highest precedence first.
pub(super) fn sources(sources: &Value) -> String {
    let mut rows = vec![["SOURCE", "PRIORITY", "STATE", "TAG", "LAST SYNC", "LAST ERROR"].map(str::to_owned)];
    for source in list(&sources["sources"]) {
        let tag = word(&source["tag"]);
        let shown: String = tag.chars().take(TAG_CHARACTERS).collect();
        rows.push([
            word(&source["loader"]).to_owned(),
            source["priority"].to_string(),
            word(&source["state"]).to_owned(),
            shown,
            match source["lag_ms"].as_u64() {
                Some(ms) => format!("{}.{} s ago", ms / 1_000, ms % 1_000 / 100),
                None => "never".to_owned(),
            },
            word(&source["error"]).to_owned(),
        ]);
    }
    table(&rows)
}

/// Characters of a tag in the table; of a commit they are enough.
const TAG_CHARACTERS: usize = 20;

/// Returns the versions that are still in memory.
pub(super) fn leaks(leaks: &Value) -> String {
    let number = |key: &str| {
        leaks[key]
            .as_u64()
            .map_or(0, |number| usize::try_from(number).unwrap_or(usize::MAX))
    };
    let mut text = format!(
        "{} in memory, {} at most so far, {} held for too long\n",
        names::count(number("alive"), "version"),
        number("high_water"),
        number("leaked")
    );
    let mut rows = vec![["VERSION", "SUPERSEDED", "STATE", "REFERENCES", "HELD BY"].map(str::to_owned)];
    for version in list(&leaks["versions"]) {
        let holders = list(&version["holders"]).iter().map(|holder| {
            let trace = word(&holder["trace"]);
            let trace = if trace.is_empty() {
                String::new()
            } else {
                format!(" (trace {trace})")
            };
            format!("{} {}{trace}", word(&holder["kind"]), word(&holder["name"]))
        });
        let holders: Vec<String> = holders.collect();
        let state = if version["is_leaked"] == true { "too long" } else { "" };
        rows.push([
            version["version"].to_string(),
            ago(&version["superseded_ms"]),
            state.to_owned(),
            version["references"].to_string(),
            match holders.is_empty() {
                true => "unknown".to_owned(),
                false => holders.join(", "),
            },
        ]);
    }
    if rows.len() > 1 {
        text += &table(&rows);
    }
    text
}

/// Returns who made a change, and why.
fn cause(cause: &Value) -> String {
    let by = match word(&cause["by"]) {
        "" => "unknown",
        by => by,
    };
    match word(&cause["reason"]) {
        "" => by.to_owned(),
        reason => format!("{by}: {reason}"),
    }
}

/// Returns a time as its distance from now.
fn ago(at_ms: &Value) -> String {
    match at_ms.as_u64().filter(|at_ms| *at_ms > 0) {
        Some(at_ms) => phrases::ago(at_ms, now_ms()),
        None => "at an unknown time".to_owned(),
    }
}

/// Returns rows with aligned columns. The last column is as wide as it is.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..N).filter_map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_aligned_and_every_field_may_be_absent() {
        let rows = [["A", "B"], ["aaa", "b"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "A    B\naaa  b\n");
        for shown in [
            versions(&json!({})),
            status(&json!({}), "x"),
            leaks(&json!({})),
            diff(&json!({}), true),
        ] {
            assert!(!shown.is_empty());
        }
        assert_eq!(waiting(&json!({})), "");
        assert!(!is_good(&json!({})));
    }

    #[test]
    fn a_version_is_summarized_in_words() {
        let one = json!({"count": 1, "names": ["a.html"]});
        let many = json!({"count": 12, "names": ["a.html", "b.html"]});
        let version = json!({"changed": one, "stale": many, "removed": {"count": 0, "names": []}});
        assert_eq!(summary(&version), "changed a.html, stale 12");
        assert_eq!(cause(&json!({"by": "alice", "reason": "prices"})), "alice: prices");
        assert_eq!(cause(&json!(null)), "unknown");
    }
}
