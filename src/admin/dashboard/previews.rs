//! The list of previews, and one preview: its report, and a page as it would be beside the difference of its output.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use serde::Serialize;

use super::overview::FindingsView;
use super::pages::{DashboardTab, PageQuery, frame, known, notice};
use super::versions::{DiffLine, lines};
use super::{Frame, NameList};
use crate::admin::model::{Finding, PreviewAnswer, RenderAnswer};
use crate::admin::problem::Answered;
use crate::admin::state::AdminState;
use crate::admin::{api, body, phrases};
use crate::metrics::now_ms;
use crate::percent::percent_encoded;

/// Names of each kind that a preview lists.
const NAMES: usize = 20;

#[derive(Debug, Serialize)]
struct PreviewsView {
    frame: Frame,
    any: bool,
    previews: Vec<PreviewRow>,
}

#[derive(Debug, Serialize)]
struct PreviewRow {
    href: String,
    id: String,
    made: String,
    edits: String,
    affected: String,
    errors: bool,
}

#[derive(Debug, Serialize)]
struct PreviewView {
    frame: Frame,
    row: PreviewRow,
    version: u64,
    changed: NameList,
    removed: NameList,
    stale: NameList,
    broken: NameList,
    recovered: NameList,
    findings: FindingsView,
    warnings: FindingsView,
    any: bool,
    renders: Vec<RenderRow>,
    skipped: usize,
    shown: Option<ShownRender>,
}

/// An entry that was rendered.
#[derive(Debug, Serialize)]
struct RenderRow {
    href: String,
    entry: String,
    change: &'static str,
    before: String,
    after: String,
    current: bool,
}

/// The entry that is shown.
#[derive(Debug, Serialize)]
struct ShownRender {
    entry: String,
    source: String,
    fails: bool,
    findings: FindingsView,
    any: bool,
    lines: Vec<DiffLine>,
    cut: bool,
}

/// Lists the previews, newest first.
pub(super) async fn list(request: HttpRequest, state: Data<AdminState>) -> Answered {
    known!(state, request);
    let query: PageQuery = body::query(&request)?;
    let now_ms = now_ms();
    let kept = state.previews.all(now_ms);
    let previews: Vec<PreviewRow> = kept
        .iter()
        .rev()
        .map(|kept| PreviewRow::of(&kept.answer, now_ms))
        .collect();
    let view = PreviewsView {
        frame: frame(&state, "Previews", DashboardTab::Previews, &query),
        any: !previews.is_empty(),
        previews,
    };
    state.pages.page(StatusCode::OK, "previews.html", &view)
}

/// Shows a preview, and one of its entries.
pub(super) async fn preview(request: HttpRequest, id: Path<String>, state: Data<AdminState>) -> Answered {
    known!(state, request);
    let query: PageQuery = body::query(&request)?;
    let now_ms = now_ms();
    let Some(kept) = state.previews.find(&id, now_ms) else {
        return notice(&state, StatusCode::NOT_FOUND, "This preview is no longer kept", &query);
    };
    let report = &kept.answer.report;
    let chosen = query
        .at
        .as_deref()
        .and_then(|at| report.renders.iter().find(|render| render.entry == at));
    let first = || {
        report
            .renders
            .iter()
            .find(|render| render.change != "same")
            .or(report.renders.first())
    };
    let shown = chosen.or_else(first);
    let is_shown = |render: &RenderAnswer| shown.is_some_and(|shown| shown.entry == render.entry);
    let view = PreviewView {
        frame: frame(&state, "Preview", DashboardTab::Previews, &query),
        row: PreviewRow::of(&kept.answer, now_ms),
        version: report.version,
        changed: NameList::of(&report.changed, NAMES),
        removed: NameList::of(&report.removed, NAMES),
        stale: NameList::of(&report.stale, NAMES),
        broken: NameList::of(&report.broken, NAMES),
        recovered: NameList::of(&report.recovered, NAMES),
        findings: FindingsView::of(report.diagnostics.clone(), report.diagnostics.len()),
        warnings: FindingsView::of(report.warnings.clone(), report.warnings.len()),
        any: !report.renders.is_empty(),
        renders: report
            .renders
            .iter()
            .map(|render| RenderRow::of(&id, render, is_shown(render)))
            .collect(),
        skipped: report.renders_skipped,
        shown: shown.map(|shown| ShownRender::of(&id, shown)),
    };
    state.pages.page(StatusCode::OK, "preview.html", &view)
}

/// Renders an entry of a preview with its sample, for the frame in the page.
pub(super) async fn render(request: HttpRequest, path: Path<(String, String)>, state: Data<AdminState>) -> Answered {
    known!(state, request);
    let (id, name) = path.into_inner();
    api::rendered(&state, &id, &name, None).await
}

impl PreviewRow {
    fn of(answer: &PreviewAnswer, now_ms: u64) -> Self {
        let summary = answer.summary();
        Self {
            href: format!("/_hotplate/previews/{}", summary.id),
            id: summary.id,
            made: phrases::ago(summary.made_ms, now_ms),
            edits: phrases::count(summary.edits, "edit"),
            affected: phrases::count(summary.affected, "page"),
            errors: summary.errors,
        }
    }
}

impl RenderRow {
    fn of(id: &str, render: &RenderAnswer, current: bool) -> Self {
        let side = |bytes: usize, micros: u64, error: &Option<Finding>| match error {
            Some(_) => "error".to_owned(),
            None if bytes == 0 => "–".to_owned(),
            None => format!("{bytes} bytes, {micros} µs"),
        };
        let (before, after) = (&render.before, &render.after);
        Self {
            href: format!("/_hotplate/previews/{id}?at={}", percent_encoded(&render.entry)),
            entry: render.entry.clone(),
            change: render.change,
            before: side(before.bytes, before.micros, &before.error),
            after: side(after.bytes, after.micros, &after.error),
            current,
        }
    }
}

impl ShownRender {
    fn of(id: &str, render: &RenderAnswer) -> Self {
        let (lines, cut) = lines(render.unified.as_deref().unwrap_or_default());
        let error: Vec<Finding> = render.after.error.iter().cloned().collect();
        Self {
            source: format!("/_hotplate/previews/{id}/render/{}", percent_encoded(&render.entry)),
            entry: render.entry.clone(),
            fails: !error.is_empty(),
            findings: FindingsView::of(error, 1),
            any: !lines.is_empty(),
            lines,
            cut,
        }
    }
}
