//! The list of versions, and one version compared with another.

use serde::Serialize;

use super::Frame;
use super::overview::{FindingsView, Rows};
use crate::admin::model::{ChangedTemplate, DiffAnswer, SideAnswer, WaitingAnswer};
use crate::admin::phrases;
use crate::percent::percent_encoded;

#[derive(Debug, Serialize)]
pub(super) struct VersionsView {
    pub(super) frame: Frame,
    pub(super) waiting: WaitingView,
    pub(super) rows: Rows,
}

/// The templates whose newest text waits since a rollback.
#[derive(Debug, Default, Serialize)]
pub(super) struct WaitingView {
    any: bool,
    count: String,
    list: Vec<WaitingRow>,
    more: usize,
}

#[derive(Debug, Serialize)]
struct WaitingRow {
    name: String,
    href: String,
    change: &'static str,
    since: u64,
    cause: Option<String>,
    /// The errors of the text that waits, with their lines.
    errors: Vec<String>,
}

/// Waiting templates that a page lists.
const WAITING: usize = 20;
/// Errors that are shown of one waiting text.
const WAITING_ERRORS: usize = 3;

impl WaitingView {
    pub(super) fn of(waiting: &WaitingAnswer) -> Self {
        let list = waiting.templates.iter().take(WAITING).map(|each| WaitingRow {
            href: format!("/_hotplate/templates?at={}", percent_encoded(&each.name)),
            name: each.name.clone(),
            change: each.change,
            since: each.since,
            cause: each.cause.sentence(),
            errors: each
                .diagnostics
                .iter()
                .take(WAITING_ERRORS)
                .map(|finding| finding.text.clone())
                .collect(),
        });
        let list: Vec<_> = list.collect();
        Self {
            any: waiting.count > 0,
            count: phrases::count(waiting.count, "template"),
            more: waiting.count.saturating_sub(list.len()),
            list,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct VersionView {
    pub(super) frame: Frame,
    pub(super) number: u64,
    pub(super) rows: Rows,
    pub(super) findings: FindingsView,
    /// The comparison with another version, if both are kept.
    pub(super) compared: Option<Compared>,
    /// The versions to choose from for a comparison.
    pub(super) others: Vec<OtherVersion>,
}

#[derive(Debug, Serialize)]
pub(super) struct OtherVersion {
    pub(super) number: u64,
    pub(super) selected: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Compared {
    with: u64,
    any: bool,
    templates: Vec<TemplateDiff>,
    truncated: bool,
}

#[derive(Debug, Serialize)]
struct TemplateDiff {
    name: String,
    href: String,
    change: &'static str,
    /// The change of its status, if there is one.
    status: Option<String>,
    lines: Vec<DiffLine>,
    any: bool,
    cut: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct DiffLine {
    /// `add`, `del`, `at` or `same`.
    kind: &'static str,
    text: String,
}

/// Lines of the difference of one template.
const LINES: usize = 200;

/// Returns the first lines of a difference in the unified format, and true if there are more.
pub(super) fn lines(unified: &str) -> (Vec<DiffLine>, bool) {
    let all = unified
        .lines()
        .filter(|line| !line.starts_with("--- ") && !line.starts_with("+++ "));
    let line = |line: &str| {
        let kind = match line.as_bytes().first() {
            Some(b'+') => "add",
            Some(b'-') => "del",
            Some(b'@') => "at",
            _ => "same",
        };
        DiffLine {
            kind,
            text: line.to_owned(),
        }
    };
    let mut lines: Vec<DiffLine> = all.take(LINES + 1).map(line).collect();
    let cut = lines.len() > LINES;
    lines.truncate(LINES);
    (lines, cut)
}

impl Compared {
    pub(super) fn of(diff: DiffAnswer) -> Self {
        Self {
            with: diff.from,
            any: !diff.templates.is_empty(),
            templates: diff.templates.into_iter().map(TemplateDiff::of).collect(),
            truncated: diff.truncated,
        }
    }
}

impl TemplateDiff {
    fn of(changed: ChangedTemplate) -> Self {
        let (lines, cut) = lines(&changed.unified.unwrap_or_default());
        let status = |side: &Option<SideAnswer>| side.as_ref().map(|side| side.status);
        let (before, after) = (status(&changed.before), status(&changed.after));
        let change = before.zip(after).filter(|(before, after)| before != after);
        Self {
            href: format!("/_hotplate/templates?at={}", percent_encoded(&changed.name)),
            name: changed.name,
            change: changed.change,
            status: change.map(|(before, after)| format!("{} → {}", before.as_str(), after.as_str())),
            any: !lines.is_empty(),
            lines,
            cut,
        }
    }
}
