//! The page of templates: search, the graph of calls, and one template in detail.

use std::collections::BTreeSet;

use hotplate_actors::Hotplate;
use serde::Serialize;

use super::Frame;
use super::drawing::GraphDrawing;
use super::overview::FindingsView;
use super::paging::{Choice, Paging, choices};
use crate::admin::calls::{CallGraph, Subgraph};
use crate::admin::model::{StatusAnswer, TemplateAnswer};
use crate::admin::phrases;
use crate::percent::percent_encoded;

/// Maximum number of templates for which the whole graph is drawn. Of a larger graph only the part near one template is drawn.
pub(super) const DRAWN_WHOLE: usize = 400;
/// Templates in the drawing of a part.
const DRAWN_AROUND: usize = 120;
/// Names in the list of templates.
const LISTED: usize = 60;
/// Dependents whose last render is looked up.
const DEPENDENTS_MAX: usize = 2_000;
/// Names in the lists of one template.
const NEIGHBOURS: usize = 40;

#[derive(Debug, Serialize)]
pub(super) struct TemplatesView {
    pub(super) frame: Frame,
    pub(super) search: String,
    /// The states and the kinds to choose from.
    pub(super) states: Vec<Choice>,
    pub(super) kinds: Vec<Choice>,
    pub(super) list: TemplateList,
    pub(super) picture: GraphDrawing,
    /// A sentence that says which part is drawn, unless it is the whole graph.
    pub(super) only: Option<String>,
    pub(super) detail: Option<TemplateDetail>,
    /// The template that was asked for, if it does not exist.
    pub(super) unknown: Option<UnknownTemplate>,
}

/// A name without a template.
#[derive(Debug, Serialize)]
pub(super) struct UnknownTemplate {
    name: String,
    called_by: TemplateLinks,
}

impl UnknownTemplate {
    pub(super) fn of(calls: &CallGraph, name: &str) -> Self {
        let callers = calls.number(name).map_or(&[][..], |node| &calls.callers[node]);
        Self {
            name: name.chars().take(200).collect(),
            called_by: TemplateLinks::of(callers.iter().map(|caller| (calls.nodes[*caller].name.clone(), false))),
        }
    }
}

/// The selection of templates in the list.
#[derive(Debug, Clone, Default)]
pub(super) struct ListQuery {
    /// A part of the name.
    pub(super) search: String,
    /// A status; empty for all.
    pub(super) state: String,
    /// A kind; empty for all.
    pub(super) kind: String,
    /// The page of the list, from 1.
    pub(super) page: usize,
}

/// Each status by which the list can be filtered.
const STATES: [(&str, &str); 5] = [
    ("", "all states"),
    ("broken", "unavailable"),
    ("stale", "serving last good"),
    ("missing", "missing"),
    ("current", "current"),
];

/// Each kind by which the list can be filtered.
const KINDS: [(&str, &str); 3] = [
    ("", "all kinds"),
    ("page", "pages (nothing calls them)"),
    ("partial", "partials (others call them)"),
];

impl ListQuery {
    /// Returns the query that keeps this selection, as the end of an address of a template.
    pub(super) fn rest(&self) -> String {
        let mut rest = self.filters();
        if self.page > 1 {
            rest.push_str(&format!("&page={}", self.page));
        }
        rest
    }

    fn filters(&self) -> String {
        let filters = [("q", &self.search), ("state", &self.state), ("kind", &self.kind)];
        let filters = filters.into_iter().filter(|(_, value)| !value.is_empty());
        filters
            .map(|(key, value)| format!("&{key}={}", percent_encoded(value)))
            .collect()
    }

    pub(super) fn states(&self) -> Vec<Choice> {
        choices(&STATES, &self.state)
    }

    pub(super) fn kinds(&self) -> Vec<Choice> {
        choices(&KINDS, &self.kind)
    }

    /// Returns true if a node of the graph is of the kind.
    fn is_kind(&self, calls: &CallGraph, node: usize) -> bool {
        match self.kind.as_str() {
            "" => true,
            "page" => calls.callers[node].is_empty(),
            "partial" => !calls.callers[node].is_empty(),
            _ => false,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct TemplateList {
    items: Vec<TemplateItem>,
    count: String,
    paging: Paging,
}

#[derive(Debug, Serialize)]
struct TemplateItem {
    name: String,
    href: String,
    status: &'static str,
    /// The status in words, unless it is current.
    words: Option<&'static str>,
    callers: usize,
    selected: bool,
}

/// Lists the templates that match a search. Without a search, templates with errors come first, then templates with the most callers.
pub(super) fn list(calls: &CallGraph, query: &ListQuery, at: Option<&str>) -> TemplateList {
    let wanted = query.search.to_lowercase();
    let mut found: Vec<usize> = (0..calls.nodes.len())
        .filter(|node| query.state.is_empty() || calls.nodes[*node].status.as_str() == query.state)
        .filter(|node| query.is_kind(calls, *node))
        .filter(|node| wanted.is_empty() || calls.nodes[*node].name.to_lowercase().contains(&wanted))
        .collect();
    let urgency = |node: usize| match calls.nodes[node].status {
        StatusAnswer::Missing => 0,
        StatusAnswer::Broken => 1,
        StatusAnswer::Stale => 2,
        StatusAnswer::Current => 3,
    };
    if wanted.is_empty() {
        found.sort_by_key(|node| (urgency(*node), std::cmp::Reverse(calls.callers[*node].len())));
    }
    let address = |page: usize| {
        let at = at.map(|at| format!("&at={}", percent_encoded(at))).unwrap_or_default();
        format!("/_hotplate/templates?page={page}{at}{}", query.filters())
    };
    let paging = Paging::of(found.len(), LISTED, query.page, address);
    let page = paging.page();
    let rest = ListQuery { page, ..query.clone() }.rest();
    let items = paging.items(&found).iter().map(|node| {
        let name = &calls.nodes[*node].name;
        TemplateItem {
            href: format!("{}{rest}", href(name, "")),
            words: Some(words(calls.nodes[*node].status)).filter(|words| *words != "current"),
            status: calls.nodes[*node].status.as_str(),
            callers: calls.callers[*node].len(),
            selected: at == Some(name.as_str()),
            name: name.clone(),
        }
    });
    TemplateList {
        items: items.collect(),
        count: {
            let filters = [&query.search, &query.state, &query.kind];
            let filtered = filters.iter().any(|filter| !filter.is_empty());
            let noun = if filtered { "match" } else { "template" };
            let count = phrases::count(found.len(), noun).replace("matchs", "matches");
            format!("{}{count}", paging.range(found.len()))
        },
        paging,
    }
}

/// Returns a status in words.
pub(super) fn words(status: StatusAnswer) -> &'static str {
    match status {
        StatusAnswer::Current => "current",
        StatusAnswer::Stale => "last good",
        StatusAnswer::Broken => "unavailable",
        StatusAnswer::Missing => "missing",
    }
}

/// Returns the address of a template, with the search.
pub(super) fn href(name: &str, search: &str) -> String {
    let mut href = format!("/_hotplate/templates?at={}", percent_encoded(name));
    if !search.is_empty() {
        href.push_str("&q=");
        href.push_str(&percent_encoded(search));
    }
    href
}

/// Selects the part of the graph to draw, with a sentence about it unless it is the whole graph.
pub(super) fn part(calls: &CallGraph, at: Option<&str>) -> (Subgraph, Option<String>) {
    // A template without calls is left out, unless it is the selected one.
    let alone = |node: usize| calls.callers[node].is_empty() && calls.callees[node].is_empty();
    let drawn: BTreeSet<usize> = (0..calls.nodes.len())
        .filter(|node| !alone(*node) || at == Some(calls.nodes[*node].name.as_str()))
        .collect();
    if drawn.len() <= DRAWN_WHOLE {
        let whole = Subgraph {
            nodes: drawn,
            truncated: false,
        };
        return (whole, None);
    }
    let central = || (0..calls.nodes.len()).max_by_key(|node| calls.callers[*node].len() + calls.callees[*node].len());
    let at = at.filter(|at| calls.number(at).is_some()).map(str::to_owned);
    let Some(at) = at.or_else(|| Some(calls.nodes[central()?].name.clone())) else {
        return (calls.first(0), None);
    };
    let part = calls.around(&at, 2, DRAWN_AROUND).unwrap_or_else(|| calls.first(0));
    let (shown, all) = (phrases::grouped(part.nodes.len()), phrases::grouped(calls.nodes.len()));
    let limit = if part.truncated { ", the nearest ones" } else { "" };
    (
        part,
        Some(format!(
            "{shown} of {all} templates shown: {at} with its dependencies and dependents{limit}"
        )),
    )
}

/// One template in detail.
#[derive(Debug, Serialize)]
pub(super) struct TemplateDetail {
    name: String,
    status: &'static str,
    /// The status in words.
    words: &'static str,
    since: Option<u64>,
    cause: Option<TemplateLink>,
    bytes: Option<usize>,
    digest: Option<String>,
    renders: u64,
    failures: u64,
    last_render: Option<String>,
    /// Its last render as a part of another template.
    last_inside: Option<DependentUsage>,
    last_failure: Option<String>,
    last_failure_ago: Option<String>,
    findings: FindingsView,
    warnings: FindingsView,
    calls: TemplateLinks,
    called_by: TemplateLinks,
    content: Option<String>,
}

/// The render of a dependent.
#[derive(Debug, Serialize)]
pub(super) struct DependentUsage {
    ago: String,
    name: String,
    href: String,
}

impl DependentUsage {
    /// Returns the last render among the dependents of a template.
    pub(super) fn last(hotplate: &Hotplate, dependents: &[String], now_ms: u64) -> Option<Self> {
        let renders = dependents
            .iter()
            .take(DEPENDENTS_MAX)
            .filter_map(|name| Some((hotplate.usage(name).last_render_ms?, name)));
        let (at_ms, name) = renders.max()?;
        Some(Self {
            ago: phrases::ago(at_ms, now_ms),
            name: name.clone(),
            href: href(name, ""),
        })
    }
}

#[derive(Debug, Serialize)]
struct TemplateLink {
    name: String,
    href: String,
    missing: bool,
}

#[derive(Debug, Serialize)]
struct TemplateLinks {
    list: Vec<TemplateLink>,
    count: usize,
    more: usize,
}

impl TemplateLinks {
    fn of(names: impl ExactSizeIterator<Item = (String, bool)>) -> Self {
        let count = names.len();
        let list = names.take(NEIGHBOURS).map(|(name, missing)| TemplateLink {
            href: href(&name, ""),
            name,
            missing,
        });
        Self {
            list: list.collect(),
            count,
            more: count.saturating_sub(NEIGHBOURS),
        }
    }
}

impl TemplateDetail {
    pub(super) fn of(about: TemplateAnswer, last_inside: Option<DependentUsage>, now_ms: u64) -> Self {
        let stats = about.stats;
        let failure = stats.last_failure.as_ref();
        let last_failure = failure.map(|failure| match &failure.diagnostic {
            Some(finding) => finding.text.clone(),
            None => failure.message.clone(),
        });
        let (findings, warnings) = (about.diagnostics.len(), about.warnings.len());
        Self {
            status: about.status.as_str(),
            words: words(about.status),
            since: about.since,
            cause: about
                .cause
                .filter(|cause| *cause != about.name)
                .map(|cause| TemplateLink {
                    href: href(&cause, ""),
                    name: cause,
                    missing: false,
                }),
            bytes: about.bytes,
            digest: about.digest,
            renders: stats.renders,
            failures: stats.failures,
            last_render: stats.last_render_ms.map(|ms| phrases::ago(ms, now_ms)),
            last_inside,
            last_failure,
            last_failure_ago: failure.map(|failure| phrases::ago(failure.at_ms, now_ms)),
            findings: FindingsView::of(about.diagnostics, findings),
            warnings: FindingsView::of(about.warnings, warnings),
            calls: TemplateLinks::of(
                about
                    .dependencies
                    .into_iter()
                    .map(|dependency| (dependency.name, !dependency.exists)),
            ),
            called_by: TemplateLinks::of(about.dependents.into_iter().map(|name| (name, false))),
            content: about.content,
            name: about.name,
        }
    }
}
