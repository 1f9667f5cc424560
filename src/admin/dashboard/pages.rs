//! The pages, as they are asked for.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use hotplate_actors::Hotplate;
use serde::{Deserialize, Serialize};

use super::overview::{self, Bar, BreakersView, FINDINGS, FindingsView, Overview, Rows, VersionRow, VitalsView};
use super::templates::{self, DependentUsage, TemplateDetail, TemplatesView};
use super::versions::{Compared, OtherVersion, VersionView, VersionsView};
use super::{Frame, PageStatus, actions, phrases};
use crate::admin::calls::CallGraph;
use crate::admin::dashboard::drawing::GraphDrawing;
use crate::admin::model::{Finding, HealthAnswer, VersionAnswer, VersionsAnswer};
use crate::admin::problem::Problem;
use crate::admin::state::{AdminState, json, now_ms};
use crate::admin::{api, body, stream};

type Answered = Result<HttpResponse, Problem>;

/// What a page is asked with. Whatever else an address has is left alone.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PageQuery {
    /// What was done just now.
    did: Option<String>,
    /// What to look for.
    q: Option<String>,
    /// Which template to look at.
    at: Option<String>,
    /// Which version to compare with.
    with: Option<u64>,
}

/// Whoever is not known is asked for the token.
macro_rules! known {
    ($state:expr, $request:expr) => {
        if !$state.access.is_known($request.headers(), now_ms()) {
            return Ok(HttpResponse::SeeOther()
                .insert_header((LOCATION, "/_hotplate/login"))
                .finish());
        }
    };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum DashboardTab {
    Overview,
    Versions,
    Templates,
    None,
}

fn frame(state: &AdminState, title: &str, tab: DashboardTab, asked: &PageQuery) -> Frame {
    Frame {
        title: title.to_owned(),
        overview: tab == DashboardTab::Overview,
        versions: tab == DashboardTab::Versions,
        templates: tab == DashboardTab::Templates,
        signed_in: state.access.needs_token() && tab != DashboardTab::None,
        live: tab != DashboardTab::None,
        status: (tab != DashboardTab::None).then(|| status(&state.health(), &state.version())),
        did: asked.did.as_deref().and_then(actions::said),
    }
}

fn status(health: &HealthAnswer, version: &VersionAnswer) -> PageStatus {
    let counts = &version.templates;
    let held_back = counts.stale + counts.broken;
    let (kind, said) = if !health.ready {
        ("bad", "not ready".to_owned())
    } else if version.held {
        ("warn", "an earlier version is held".to_owned())
    } else if !health.degraded.is_empty() {
        ("warn", "degraded".to_owned())
    } else if counts.broken > 0 {
        ("bad", format!("{} broken", phrases::count(counts.broken, "template")))
    } else if held_back > 0 {
        ("warn", format!("{} held back", phrases::count(held_back, "template")))
    } else {
        ("good", "all current".to_owned())
    };
    PageStatus {
        kind,
        said,
        version: version.version,
        held: version.held,
    }
}

pub(super) async fn overview(request: HttpRequest, state: Data<AdminState>) -> Answered {
    known!(state, request);
    let asked: PageQuery = body::query(&request)?;
    let (version, health) = (state.version(), state.health());
    let diagnostics = state.hotplate.diagnostics();
    let findings = diagnostics.iter().take(FINDINGS).map(Finding::of).collect();
    // The rest is shown even where the Registry cannot be asked.
    let publications = api::history(&state)
        .await
        .map(|history| history.versions)
        .unwrap_or_default();
    let view = Overview {
        frame: frame(&state, "Overview", DashboardTab::Overview, &asked),
        bar: Bar::of(&version),
        vitals: VitalsView::of(&state.pulse.vitals(&state.hotplate.counters())),
        actors: overview::actors(&health),
        loaders: overview::loaders(&health),
        doors: overview::doors(&health),
        breakers: BreakersView::of(&health, now_ms()),
        listeners: overview::listeners(&health),
        findings: FindingsView::of(findings, diagnostics.len()),
        rows: overview::newest(&publications, version.version, now_ms()),
        reasons: [health.reasons, health.degraded].concat(),
        version,
    };
    state.dashboard.page(StatusCode::OK, "overview.html", &view)
}

fn rows(history: &VersionsAnswer) -> Rows {
    let now_ms = now_ms();
    let versions = history.versions.iter();
    Rows {
        versions: versions
            .map(|version| VersionRow::of(version, history.current, now_ms))
            .collect(),
    }
}

pub(super) async fn versions(request: HttpRequest, state: Data<AdminState>) -> Answered {
    known!(state, request);
    let asked: PageQuery = body::query(&request)?;
    let history = api::history(&state).await?;
    let view = VersionsView {
        frame: frame(&state, "Versions", DashboardTab::Versions, &asked),
        rows: rows(&history),
    };
    state.dashboard.page(StatusCode::OK, "versions.html", &view)
}

pub(super) async fn version(request: HttpRequest, number: Path<String>, state: Data<AdminState>) -> Answered {
    known!(state, request);
    let asked: PageQuery = body::query(&request)?;
    let history = api::history(&state).await?;
    let wanted = number.parse::<u64>().ok();
    let Some(publication) = history.versions.iter().find(|version| Some(version.version) == wanted) else {
        return notice(
            &state,
            StatusCode::NOT_FOUND,
            &format!("Version {number} is not known, or no more"),
            &asked,
        );
    };
    let kept: Vec<u64> = history
        .versions
        .iter()
        .filter(|version| version.kept)
        .map(|version| version.version)
        .collect();
    let before = kept.iter().copied().find(|version| *version < publication.version);
    let with = asked
        .with
        .filter(|with| kept.contains(with))
        .or(before)
        .filter(|_| publication.kept);
    let compared = match with {
        Some(with) => api::differences(&state, with, Some(publication.version), true)
            .await
            .ok(),
        None => None,
    };
    let others = kept.into_iter().filter(|version| *version != publication.version);
    let findings = publication.diagnostics.clone();
    let view = VersionView {
        frame: frame(
            &state,
            &format!("Version {}", publication.version),
            DashboardTab::Versions,
            &asked,
        ),
        number: publication.version,
        rows: Rows {
            versions: vec![VersionRow::of(publication, history.current, now_ms())],
        },
        findings: FindingsView::of(findings, publication.diagnostics.len()),
        compared: compared.map(Compared::of),
        others: others
            .map(|number| OtherVersion {
                number,
                selected: Some(number) == with,
            })
            .collect(),
    };
    state.dashboard.page(StatusCode::OK, "version.html", &view)
}

pub(super) async fn templates(request: HttpRequest, state: Data<AdminState>) -> Answered {
    known!(state, request);
    let asked: PageQuery = body::query(&request)?;
    let edges = state.ask(state.hotplate.edges()).await?;
    let detail = match &asked.at {
        Some(at) => api::about(&state, at).await.ok(),
        None => None,
    };
    let (hotplate, at) = (state.hotplate.clone(), asked.at.clone());
    let search: String = asked.q.as_deref().unwrap_or_default().chars().take(200).collect();
    let searched = search.clone();
    let drawn = state
        .work(move || draw(&hotplate, &edges, &searched, at.as_deref()))
        .await?;
    let (list, picture, only) = drawn;
    let view = TemplatesView {
        frame: frame(&state, "Templates", DashboardTab::Templates, &asked),
        search,
        list,
        picture,
        only,
        detail: detail.map(|about| {
            let inside = DependentUsage::last(&state.hotplate, &about.dependents, now_ms());
            TemplateDetail::of(about, inside, now_ms())
        }),
    };
    state.dashboard.page(StatusCode::OK, "templates.html", &view)
}

fn draw(
    hotplate: &Hotplate,
    edges: &[hotplate_actors::messages::Edge],
    search: &str,
    at: Option<&str>,
) -> (templates::TemplateList, GraphDrawing, Option<String>) {
    let pinned = hotplate.snapshot();
    let calls = CallGraph::new(hotplate, pinned.snapshot(), edges);
    let (part, only) = templates::part(&calls, at);
    (
        templates::list(&calls, search, at),
        GraphDrawing::draw(&calls, &part, at, search),
        only,
    )
}

/// What the script listens to.
pub(super) async fn live(request: HttpRequest, state: Data<AdminState>) -> Answered {
    let Some(admission) = state.access.admission(request.headers(), now_ms()) else {
        return Err(Problem::unauthorized("sign in at /_hotplate/login"));
    };
    stream::answer(&state.places, admission, state.live.start(None), || {
        let vitals = state.pulse.vitals(&state.hotplate.counters());
        ("vitals", json(&VitalsView::of(&vitals)))
    })
}

#[derive(Serialize)]
struct NoticeView {
    frame: Frame,
    said: String,
    login: bool,
    wrong: bool,
}

pub(super) async fn login(state: Data<AdminState>) -> Answered {
    ask_for_token(&state, StatusCode::OK, false)
}

/// The page that asks for the token.
pub(super) fn ask_for_token(state: &AdminState, status: StatusCode, wrong: bool) -> Answered {
    let view = NoticeView {
        frame: frame(state, "Sign in", DashboardTab::None, &PageQuery::default()),
        said: String::new(),
        login: true,
        wrong,
    };
    state.dashboard.page(status, "notice.html", &view)
}

/// A page that says one thing.
pub(super) fn notice(state: &AdminState, status: StatusCode, said: &str, asked: &PageQuery) -> Answered {
    let view = NoticeView {
        frame: frame(state, "hotplate", DashboardTab::None, asked),
        said: said.to_owned(),
        login: false,
        wrong: false,
    };
    state.dashboard.page(status, "notice.html", &view)
}

pub(super) async fn nothing_here(request: HttpRequest, state: Data<AdminState>) -> Answered {
    known!(state, request);
    notice(
        &state,
        StatusCode::NOT_FOUND,
        "There is no such page",
        &PageQuery::default(),
    )
}
