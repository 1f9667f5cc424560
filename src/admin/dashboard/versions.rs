//! The list of versions, and one version compared with another.

use serde::Serialize;

use super::Frame;
use super::differences::Compared;
use super::overview::{FindingsView, Rows, VersionRow};
use super::paging::{Choice, Paging, choices};
use crate::admin::model::{PublicationAnswer, VersionsAnswer, WaitingAnswer};
use crate::admin::phrases;
use crate::percent::percent_encoded;

#[derive(Debug, Serialize)]
pub(super) struct VersionsView {
    pub(super) frame: Frame,
    pub(super) waiting: WaitingView,
    pub(super) search: String,
    /// The states and the kinds to choose from.
    pub(super) states: Vec<Choice>,
    pub(super) kinds: Vec<Choice>,
    /// The number of versions, and which of them are shown.
    pub(super) count: String,
    pub(super) rows: Rows,
    pub(super) paging: Paging,
}

/// Versions on a page.
const LISTED: usize = 25;

/// Each state by which the versions can be filtered.
const STATES: [(&str, &str); 4] = [
    ("", "all states"),
    ("kept", "kept: can be rolled back to"),
    ("errors", "with new errors"),
    ("fixed", "with fixes"),
];

/// Each kind by which the versions can be filtered.
const KINDS: [(&str, &str); 3] = [("", "all kinds"), ("edit", "edits"), ("rollback", "rollbacks")];

/// The selection of versions in the list.
#[derive(Debug, Clone, Default)]
pub(super) struct VersionQuery {
    /// A part of the name of a template.
    pub(super) search: String,
    /// A state; empty for all.
    pub(super) state: String,
    /// A kind; empty for all.
    pub(super) kind: String,
    /// The page, from 1.
    pub(super) page: usize,
}

impl VersionQuery {
    fn selects(&self, version: &PublicationAnswer) -> bool {
        let is_state = match self.state.as_str() {
            "" => true,
            "kept" => version.kept,
            "errors" => version.stale.count + version.broken.count + version.diagnostics.len() > 0,
            "fixed" => version.recovered.count > 0,
            _ => false,
        };
        let is_kind = match self.kind.as_str() {
            "" => true,
            "edit" => !version.held,
            "rollback" => version.held,
            _ => false,
        };
        let wanted = self.search.to_lowercase();
        let PublicationAnswer {
            changed,
            removed,
            stale,
            broken,
            recovered,
            ..
        } = version;
        let mut names = [changed, removed, stale, broken, recovered]
            .into_iter()
            .flat_map(|sample| &sample.names);
        is_state && is_kind && (wanted.is_empty() || names.any(|name| name.to_lowercase().contains(&wanted)))
    }

    fn address(&self, page: usize) -> String {
        let filters = [("q", &self.search), ("state", &self.state), ("kind", &self.kind)];
        let filters = filters.into_iter().filter(|(_, value)| !value.is_empty());
        let filters: String = filters
            .map(|(key, value)| format!("&{key}={}", percent_encoded(value)))
            .collect();
        format!("/_hotplate/versions?page={page}{filters}")
    }
}

impl VersionsView {
    /// Returns the page of the versions that a query selects.
    pub(super) fn of(frame: Frame, history: &VersionsAnswer, query: VersionQuery, now_ms: u64) -> Self {
        let found: Vec<&PublicationAnswer> = history
            .versions
            .iter()
            .filter(|version| query.selects(version))
            .collect();
        let paging = Paging::of(found.len(), LISTED, query.page, |page| query.address(page));
        let row = |version: &&PublicationAnswer| VersionRow::of(version, history.current, now_ms);
        Self {
            frame,
            waiting: WaitingView::of(&history.waiting),
            states: choices(&STATES, &query.state),
            kinds: choices(&KINDS, &query.kind),
            count: format!(
                "{}{}",
                paging.range(found.len()),
                phrases::count(found.len(), "version")
            ),
            rows: Rows {
                versions: paging.items(&found).iter().map(row).collect(),
            },
            paging,
            search: query.search,
        }
    }
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
    /// The version that was asked for to compare with, if it is not kept.
    pub(super) unavailable: Option<u64>,
    /// The versions to choose from for a comparison.
    pub(super) others: Vec<OtherVersion>,
}

#[derive(Debug, Serialize)]
pub(super) struct OtherVersion {
    pub(super) number: u64,
    pub(super) selected: bool,
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
