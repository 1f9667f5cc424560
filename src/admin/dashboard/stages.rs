//! The page of stages: what the judge knows, the rollout, shadow differences and the tenants.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use hotplate_actors::stages::{ShadowDifference, ShadowReport};
use serde::Serialize;

use super::Frame;
use super::pages::{DashboardTab, PageQuery, frame, known};
use crate::admin::model::StageAnswer;
use crate::admin::problem::Answered;
use crate::admin::state::AdminState;
use crate::admin::{body, phrases};
use crate::metrics::now_ms;

/// The tenants that the page lists.
const TENANTS_MAX: usize = 200;
/// The templates with differences that the page lists.
const DIFFERENCES_MAX: usize = 50;

#[derive(Debug, Serialize)]
struct StagesView {
    frame: Frame,
    stages: Vec<StageView>,
    shadow: ShadowView,
    any_tenants: bool,
    tenants_count: String,
    tenants: Vec<String>,
    more_tenants: usize,
}

#[derive(Debug, Serialize)]
struct StageView {
    name: &'static str,
    version: u64,
    kind: &'static str,
    state: &'static str,
    stopped: bool,
    reason: String,
    renders: u64,
    failed: u64,
    p99: String,
    rescued: u64,
    diverted: u64,
    canary: bool,
    rollout: String,
    share: String,
    steps: String,
    unmet: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShadowView {
    on: bool,
    one_in: u64,
    compared: u64,
    differing: u64,
    failed: u64,
    dropped: u64,
    templates: Vec<DifferenceView>,
}

#[derive(Debug, Serialize)]
struct DifferenceView {
    template: String,
    count: String,
    error: Option<String>,
    any: bool,
    line: usize,
    lines: Vec<String>,
}

/// Shows the stages.
pub(super) async fn stages(request: HttpRequest, state: Data<AdminState>) -> Answered {
    known!(state, request);
    let query: PageQuery = body::query(&request)?;
    let version = state.hotplate.snapshot().version().number();
    let stages = state.hotplate.stages().into_iter();
    let shared = state.clone();
    let tenants = state.work(move || shared.hotplate.tenants()).await?;
    let listed = tenants
        .iter()
        .take(TENANTS_MAX)
        .map(|tenant| tenant.as_str().to_owned());
    let view = StagesView {
        frame: frame(&state, "Stages", DashboardTab::Stages, &query),
        stages: stages
            .map(|status| StageView::of(StageAnswer::of(status), version))
            .collect(),
        shadow: ShadowView::of(state.hotplate.shadow()),
        any_tenants: !tenants.is_empty(),
        tenants_count: phrases::count(tenants.len(), "tenant"),
        tenants: listed.collect(),
        more_tenants: tenants.len().saturating_sub(TENANTS_MAX),
    };
    state.pages.page(StatusCode::OK, "stages.html", &view)
}

impl StageView {
    fn of(stage: StageAnswer, version: u64) -> Self {
        let (kind, state) = match (stage.is_on, stage.has_texts) {
            (false, _) => ("bad", "stopped"),
            (true, true) => ("good", "on"),
            (true, false) => ("", "no text of everyone"),
        };
        let p99 = match (stage.p99_us, stage.stable_p99_us) {
            (Some(p99), Some(stable)) => format!("p99 {p99} µs, stable {stable} µs"),
            _ => "too few renders to compare times".to_owned(),
        };
        let (mut rollout, mut share, mut steps, mut unmet) = (String::new(), String::new(), String::new(), None);
        let canary = stage.rollout.is_some();
        if let Some(of_canary) = stage.rollout {
            rollout = of_canary.state.to_owned();
            if let (Some(step), Some(since_ms)) = (of_canary.step, of_canary.since_ms) {
                rollout += &format!(" {step} since {}", phrases::ago(since_ms, now_ms()));
            }
            share = percent(of_canary.buckets);
            let all: Vec<String> = of_canary.steps.iter().map(|step| percent(step.buckets)).collect();
            steps = all.join(", ")
                + if of_canary.automatic {
                    ", by themselves"
                } else {
                    ", by hand"
                };
            unmet = of_canary.unmet;
        }
        Self {
            name: stage.stage,
            version,
            kind,
            state,
            stopped: !stage.is_on,
            reason: stage.halt.map(|halt| halt.reason).unwrap_or_default(),
            renders: stage.renders,
            failed: stage.failed,
            p99,
            rescued: stage.rescued,
            diverted: stage.diverted,
            canary,
            rollout,
            share,
            steps,
            unmet,
        }
    }
}

impl ShadowView {
    fn of(report: ShadowReport) -> Self {
        Self {
            on: report.one_in > 0,
            one_in: report.one_in,
            compared: report.compared,
            differing: report.differing,
            failed: report.failed,
            dropped: report.dropped,
            templates: report
                .templates
                .into_iter()
                .take(DIFFERENCES_MAX)
                .map(DifferenceView::of)
                .collect(),
        }
    }
}

impl DifferenceView {
    fn of(difference: ShadowDifference) -> Self {
        let removed = difference.stable.iter().map(|line| format!("- {line}"));
        let added = difference.canary.iter().map(|line| format!("+ {line}"));
        let lines: Vec<String> = removed.chain(added).collect();
        Self {
            template: difference.template.to_string(),
            count: phrases::count(usize::try_from(difference.count).unwrap_or(usize::MAX), "page"),
            error: difference.error,
            any: !lines.is_empty(),
            line: difference.line,
            lines,
        }
    }
}

fn percent(buckets: u32) -> String {
    match buckets % 100 {
        0 => format!("{} %", buckets / 100),
        rest => format!("{}.{rest:02} %", buckets / 100),
    }
}
