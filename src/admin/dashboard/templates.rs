//! Templates: finding one, what it calls and who calls it, as a picture and in words.

use std::collections::BTreeSet;

use hotplate_actors::Hotplate;
use serde::Serialize;

use super::drawing::GraphDrawing;
use super::overview::FindingsView;
use super::{Frame, phrases};
use crate::admin::calls::{CallGraph, Subgraph};
use crate::admin::model::{StatusAnswer, TemplateAnswer};

/// The whole graph is drawn up to so many templates; of more, what is near one of them.
pub(super) const DRAWN_WHOLE: usize = 400;
/// Of a part, so many.
const DRAWN_AROUND: usize = 120;
/// Names in the list.
const LISTED: usize = 60;
/// Templates that are asked when they were rendered last.
const ASKED: usize = 2_000;
/// Names in the lists of one template.
const NEIGHBOURS: usize = 40;

#[derive(Debug, Serialize)]
pub(super) struct TemplatesView {
    pub(super) frame: Frame,
    pub(super) search: String,
    pub(super) list: TemplateList,
    pub(super) picture: GraphDrawing,
    /// That not everything is drawn.
    pub(super) only: Option<String>,
    pub(super) detail: Option<TemplateDetail>,
}

#[derive(Debug, Serialize)]
pub(super) struct TemplateList {
    items: Vec<TemplateItem>,
    more: usize,
    said: String,
}

#[derive(Debug, Serialize)]
struct TemplateItem {
    name: String,
    href: String,
    standing: &'static str,
    callers: usize,
    selected: bool,
}

/// The templates that are looked for; without a word to look for, first what needs somebody, then what most depends on.
pub(super) fn list(calls: &CallGraph, search: &str, at: Option<&str>) -> TemplateList {
    let wanted = search.to_lowercase();
    let mut found: Vec<usize> = (0..calls.nodes.len())
        .filter(|node| wanted.is_empty() || calls.nodes[*node].name.to_lowercase().contains(&wanted))
        .collect();
    let urgency = |node: usize| match calls.nodes[node].standing {
        StatusAnswer::Missing => 0,
        StatusAnswer::Broken => 1,
        StatusAnswer::Stale => 2,
        StatusAnswer::Current => 3,
    };
    if wanted.is_empty() {
        found.sort_by_key(|node| (urgency(*node), std::cmp::Reverse(calls.callers[*node].len())));
    }
    let items = found.iter().take(LISTED).map(|node| {
        let name = &calls.nodes[*node].name;
        TemplateItem {
            href: href(name, search),
            standing: calls.nodes[*node].standing.as_str(),
            callers: calls.callers[*node].len(),
            selected: at == Some(name.as_str()),
            name: name.clone(),
        }
    });
    TemplateList {
        items: items.collect(),
        more: found.len().saturating_sub(LISTED),
        said: phrases::count(found.len(), if wanted.is_empty() { "template" } else { "match" })
            .replace("matchs", "matches"),
    }
}

/// The address of a template, with what was looked for.
pub(super) fn href(name: &str, search: &str) -> String {
    let mut href = format!("/_hotplate/templates?at={}", phrases::in_query(name));
    if !search.is_empty() {
        href.push_str("&q=");
        href.push_str(&phrases::in_query(search));
    }
    href
}

/// What is drawn, and what is left out of it.
pub(super) fn part(calls: &CallGraph, at: Option<&str>) -> (Subgraph, Option<String>) {
    // What neither calls nor is called is nothing to draw, unless it is looked at.
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
    let all = phrases::count(calls.nodes.len(), "template");
    let near = if part.truncated { "the nearest of what" } else { "what" };
    (
        part,
        Some(format!("{all}: drawn is {near} {at} reaches and what reaches it")),
    )
}

/// One template in words.
#[derive(Debug, Serialize)]
pub(super) struct TemplateDetail {
    name: String,
    standing: &'static str,
    since: Option<u64>,
    cause: Option<TemplateLink>,
    bytes: Option<usize>,
    digest: Option<String>,
    renders: u64,
    failures: u64,
    last_render: Option<String>,
    /// Where it was rendered last as a part of another.
    last_inside: Option<DependentUsage>,
    last_failure: Option<String>,
    last_failure_ago: Option<String>,
    findings: FindingsView,
    warnings: FindingsView,
    calls: TemplateLinks,
    called_by: TemplateLinks,
    content: Option<String>,
}

/// A render of a template that reaches this one.
#[derive(Debug, Serialize)]
pub(super) struct DependentUsage {
    ago: String,
    name: String,
    href: String,
}

impl DependentUsage {
    /// The last one, of those that reach a template.
    pub(super) fn last(hotplate: &Hotplate, dependents: &[String], now_ms: u64) -> Option<Self> {
        let renders = dependents
            .iter()
            .take(ASKED)
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
            standing: about.standing.as_str(),
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
