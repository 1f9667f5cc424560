//! The handlers of the pages.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::http::uri::PathAndQuery;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use hotplate_actors::Hotplate;
use serde::{Deserialize, Serialize};

use super::attention::Attention;
use super::differences::{Compared, ComparedPage};
use super::drawing::GraphDrawing;
use super::overview::{self, Bar, BreakersView, FINDINGS, FindingsView, Overview, Rows, VersionRow};
use super::templates::{self, DependentUsage, ListQuery, TemplateDetail, TemplatesView, UnknownTemplate};
use super::versions::{OtherVersion, VersionQuery, VersionView, VersionsView, WaitingView};
use super::visitors::{InstanceView, VisitorsView};
use super::{Frame, PageStatus, actions};
use crate::admin::api::CompareTo;
use crate::admin::calls::CallGraph;
use crate::admin::model::{FAILURES_MAX, FailureAnswer, Finding, PublicationAnswer};
use crate::admin::problem::{Answered, Problem};
use crate::admin::state::{AdminState, json};
use crate::admin::vitals::VitalsView;
use crate::admin::{api, body, instance, stream};
use crate::metrics::now_ms;
use crate::percent::percent_encoded;

/// The query of a page. Other parameters are ignored.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PageQuery {
    /// The key of the result of an action.
    done: Option<String>,
    /// The text to search for.
    q: Option<String>,
    /// The status to list.
    state: Option<String>,
    /// The kind to list.
    kind: Option<String>,
    /// The page of the list.
    page: Option<usize>,
    /// The template to show.
    pub(super) at: Option<String>,
    /// The version to compare with.
    with: Option<u64>,
    /// The page to which signing in leads back.
    to: Option<String>,
}

/// Redirects a request that is not admitted to the sign-in page.
macro_rules! known {
    ($state:expr, $request:expr) => {
        if !$state.access.is_known($request.headers(), now_ms()) {
            return Ok($crate::admin::dashboard::pages::to_login(
                $request.uri().path_and_query(),
            ));
        }
    };
}
pub(super) use known;

/// Redirects to the sign-in page, which leads back to the page that was asked for.
pub(super) fn to_login(asked: Option<&PathAndQuery>) -> HttpResponse {
    let asked = asked.map_or("", PathAndQuery::as_str);
    let to = match return_to(Some(asked)) {
        HOME => "/_hotplate/login".to_owned(),
        page => format!("/_hotplate/login?to={}", percent_encoded(page)),
    };
    HttpResponse::SeeOther().insert_header((LOCATION, to)).finish()
}

/// The page to which signing in leads if no other was asked for.
const HOME: &str = "/_hotplate/";
/// Bytes of an address to which signing in leads back.
const RETURN_MAX: usize = 1024;

/// Returns the page to which signing in leads back: only a page of the dashboard, so that no link leads elsewhere.
pub(super) fn return_to(asked: Option<&str>) -> &str {
    let is_page = |asked: &&str| {
        asked.len() <= RETURN_MAX
            && asked.strip_prefix(HOME).is_some_and(|page| !page.starts_with("login"))
            && asked.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    asked.filter(is_page).unwrap_or(HOME)
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DashboardTab {
    Overview,
    Versions,
    Previews,
    Stages,
    Templates,
    None,
}

pub(super) fn frame(state: &AdminState, title: &str, tab: DashboardTab, query: &PageQuery) -> Frame {
    let health = state.health();
    let limits = instance::limits(state, &health);
    let version = state.version();
    let attention = Attention::of(&health, &version, state.visitors(), &limits, &leaks(state));
    framed(state, title, tab, query, attention.status(&version))
}

fn framed(state: &AdminState, title: &str, tab: DashboardTab, query: &PageQuery, status: PageStatus) -> Frame {
    let status = (tab != DashboardTab::None).then_some(status);
    let trouble = status.as_ref().filter(|status| status.kind != "good");
    Frame {
        title: trouble.map_or_else(|| title.to_owned(), |trouble| format!("({}) {title}", trouble.text)),
        assets: super::assets(),
        icon: trouble.map_or_else(
            || "/_hotplate/icon.svg".to_owned(),
            |trouble| format!("/_hotplate/icon-{}.svg", trouble.kind),
        ),
        overview: tab == DashboardTab::Overview,
        versions: tab == DashboardTab::Versions,
        previews: tab == DashboardTab::Previews,
        stages: tab == DashboardTab::Stages,
        templates: tab == DashboardTab::Templates,
        signed_in: state.access.needs_token() && tab != DashboardTab::None,
        live: tab != DashboardTab::None,
        status,
        done: query.done.as_deref().and_then(actions::result),
    }
}

pub(super) async fn overview(request: HttpRequest, state: Data<AdminState>) -> Answered {
    known!(state, request);
    let query: PageQuery = body::query(&request)?;
    let (version, health) = (state.version(), state.health());
    let diagnostics = state.hotplate.diagnostics();
    let findings = diagnostics.iter().take(FINDINGS).map(Finding::of).collect();
    // The rest of the page is shown even if the Registry does not answer.
    let (publications, waiting) = api::history(&state)
        .await
        .map(|history| (history.versions, WaitingView::of(&history.waiting)))
        .unwrap_or_default();
    let shared = state.clone();
    let (failures, instance) = state
        .work(move || {
            let failures = shared.hotplate.recent_failures(FAILURES_MAX);
            (
                failures.iter().map(FailureAnswer::of).collect(),
                instance::instance(&shared),
            )
        })
        .await?;
    let visitors = state.visitors();
    let vitals = VitalsView::of(&state.vitals.vitals(&state.hotplate.counters()), visitors);
    let attention = Attention::of(&health, &version, visitors, &instance.limits, &leaks(&state));
    let status = attention.status(&version);
    let view = Overview {
        frame: framed(&state, "Overview", DashboardTab::Overview, &query, status),
        attention,
        visitors: VisitorsView::of(vitals.clone(), failures, now_ms()),
        instance: InstanceView::of(instance, now_ms()),
        bar: Bar::of(&version),
        vitals,
        actors: overview::actors(&health),
        loaders: overview::loaders(&health),
        mailboxes: overview::mailboxes(&health),
        breakers: BreakersView::of(&health, now_ms()),
        listeners: overview::listeners(&health),
        findings: FindingsView::of(findings, diagnostics.len()),
        waiting,
        rows: overview::newest(&publications, version.version, now_ms()),
        version,
    };
    state.pages.page(StatusCode::OK, "overview.html", &view)
}

/// Returns a sentence for each version that is held for too long, with its holders.
fn leaks(state: &AdminState) -> Vec<String> {
    let leaks = state.hotplate.leaks().into_iter().filter(|leak| leak.is_leaked);
    let leaks = leaks.take(LEAKS).map(|leak| {
        let holders: Vec<String> = leak.holders.iter().map(|holder| holder.cause.to_string()).collect();
        let holders = match holders.is_empty() {
            true => "an unknown holder".to_owned(),
            false => holders.join(", "),
        };
        let (version, seconds) = (leak.version, leak.superseded.as_secs());
        format!("version {version} is no longer served, and has been held in memory for {seconds} s by {holders}")
    });
    leaks.collect()
}

/// Versions that are held for too long and named on the overview.
const LEAKS: usize = 5;

/// Returns the text of a filter, of which the rest is ignored.
fn short(text: Option<&String>) -> String {
    text.map(|text| text.chars().take(200).collect()).unwrap_or_default()
}

pub(super) async fn versions(request: HttpRequest, state: Data<AdminState>) -> Answered {
    known!(state, request);
    let query: PageQuery = body::query(&request)?;
    let history = api::history(&state).await?;
    let frame = frame(&state, "Versions", DashboardTab::Versions, &query);
    let selection = VersionQuery {
        search: short(query.q.as_ref()),
        state: short(query.state.as_ref()),
        kind: short(query.kind.as_ref()),
        page: query.page.unwrap_or(1),
    };
    let view = VersionsView::of(frame, &history, selection, now_ms());
    state.pages.page(StatusCode::OK, "versions.html", &view)
}

pub(super) async fn version(request: HttpRequest, number: Path<String>, state: Data<AdminState>) -> Answered {
    known!(state, request);
    let query: PageQuery = body::query(&request)?;
    let history = api::history(&state).await?;
    let wanted = number.parse::<u64>().ok();
    let Some(publication) = history.versions.iter().find(|version| Some(version.version) == wanted) else {
        return notice(
            &state,
            StatusCode::NOT_FOUND,
            &format!("Version {number} is not known or no longer kept"),
            &query,
        );
    };
    let kept: Vec<u64> = history
        .versions
        .iter()
        .filter(|version| version.kept)
        .map(|version| version.version)
        .collect();
    let before = kept.iter().copied().find(|version| *version < publication.version);
    let with = query
        .with
        .filter(|with| kept.contains(with))
        .or(before)
        .filter(|_| publication.kept);
    let compared = match with {
        Some(with) => compared(&state, with, publication, query.page.unwrap_or(1)).await.ok(),
        None => None,
    };
    let others = kept.into_iter().filter(|version| *version != publication.version);
    let findings = publication.diagnostics.clone();
    let view = VersionView {
        frame: frame(
            &state,
            &format!("Version {}", publication.version),
            DashboardTab::Versions,
            &query,
        ),
        number: publication.version,
        rows: Rows {
            versions: vec![VersionRow::of(publication, history.current, now_ms())],
        },
        findings: FindingsView::of(findings, publication.diagnostics.len()),
        compared,
        unavailable: query.with.filter(|asked| Some(*asked) != with),
        others: others
            .map(|number| OtherVersion {
                number,
                selected: Some(number) == with,
            })
            .collect(),
    };
    state.pages.page(StatusCode::OK, "version.html", &view)
}

/// Compares a version with an earlier one, and describes the differences of one page.
async fn compared(
    state: &AdminState,
    with: u64,
    publication: &PublicationAnswer,
    page: usize,
) -> Result<Compared, Problem> {
    let number = publication.version;
    let compared = api::comparison(state, with, CompareTo::Version(number)).await?;
    let findings = publication.diagnostics.iter();
    let mut faulty: Vec<String> = findings.filter_map(|finding| finding.template.clone()).collect();
    faulty.sort_unstable();
    faulty.dedup();
    let shown = ComparedPage {
        page,
        address: format!("/_hotplate/versions/{number}?with={with}&"),
        faulty,
        bytes: state.limits.page_bytes,
    };
    state.work(move || Compared::of(&compared.differences(), &shown)).await
}

pub(super) async fn templates(request: HttpRequest, state: Data<AdminState>) -> Answered {
    known!(state, request);
    let query: PageQuery = body::query(&request)?;
    let edges = state.ask(state.hotplate.edges()).await?;
    let detail = match &query.at {
        Some(at) => api::about(&state, at).await.ok(),
        None => None,
    };
    let (hotplate, at) = (state.hotplate.clone(), query.at.clone());
    let selection = ListQuery {
        search: short(query.q.as_ref()),
        state: short(query.state.as_ref()),
        kind: short(query.kind.as_ref()),
        page: query.page.unwrap_or(1),
    };
    let selected = selection.clone();
    let drawn = state
        .work(move || draw(&hotplate, &edges, &selected, at.as_deref()))
        .await?;
    let Drawn {
        list,
        picture,
        only,
        unknown,
    } = drawn;
    let unknown = unknown.filter(|_| detail.is_none());
    let status = match unknown {
        Some(_) => StatusCode::NOT_FOUND,
        None => StatusCode::OK,
    };
    let view = TemplatesView {
        frame: frame(&state, "Templates", DashboardTab::Templates, &query),
        states: selection.states(),
        kinds: selection.kinds(),
        search: selection.search,
        list,
        picture,
        only,
        unknown,
        detail: detail.map(|about| {
            let inside = DependentUsage::last(&state.hotplate, &about.dependents, now_ms());
            TemplateDetail::of(about, inside, now_ms())
        }),
    };
    state.pages.page(status, "templates.html", &view)
}

/// The part of the graph of calls that the page of templates shows.
struct Drawn {
    list: templates::TemplateList,
    picture: GraphDrawing,
    /// A sentence about the part that is drawn, unless it is the whole graph.
    only: Option<String>,
    /// The template that was asked for, in case that it does not exist.
    unknown: Option<UnknownTemplate>,
}

fn draw(
    hotplate: &Hotplate,
    edges: &[hotplate_actors::messages::Edge],
    selection: &ListQuery,
    at: Option<&str>,
) -> Drawn {
    let pinned = hotplate.snapshot();
    let calls = CallGraph::new(hotplate, pinned.snapshot(), edges);
    let (part, only) = templates::part(&calls, at);
    Drawn {
        list: templates::list(&calls, selection, at),
        picture: GraphDrawing::draw(&calls, &part, at, &selection.rest()),
        only,
        unknown: at.map(|at| UnknownTemplate::of(&calls, at)),
    }
}

/// Streams the events of the dashboard to its script.
pub(super) async fn live(request: HttpRequest, state: Data<AdminState>) -> Answered {
    let Some(admission) = state.access.admission(request.headers(), now_ms()) else {
        return Err(Problem::unauthorized("sign in at /_hotplate/login"));
    };
    stream::answer(
        &state.client_slots,
        admission,
        state.dashboard_events.start(None),
        || {
            let vitals = state.vitals.vitals(&state.hotplate.counters());
            ("vitals", json(&VitalsView::of(&vitals, state.visitors())))
        },
    )
}

#[derive(Serialize)]
struct NoticeView {
    frame: Frame,
    text: String,
    /// The page to which signing in leads back.
    to: String,
    login: bool,
    wrong: bool,
}

pub(super) async fn login(request: HttpRequest, state: Data<AdminState>) -> Answered {
    let query: PageQuery = body::query(&request)?;
    ask_for_token(&state, StatusCode::OK, false, query.to.as_deref())
}

/// Answers with the page that asks for the token.
pub(super) fn ask_for_token(state: &AdminState, status: StatusCode, wrong: bool, to: Option<&str>) -> Answered {
    let view = NoticeView {
        frame: frame(state, "Sign in", DashboardTab::None, &PageQuery::default()),
        text: String::new(),
        to: return_to(to).to_owned(),
        login: true,
        wrong,
    };
    state.pages.page(status, "notice.html", &view)
}

/// Answers with a page that has one sentence.
pub(super) fn notice(state: &AdminState, status: StatusCode, text: &str, query: &PageQuery) -> Answered {
    let view = NoticeView {
        frame: frame(state, "hotplate", DashboardTab::None, query),
        text: text.to_owned(),
        to: String::new(),
        login: false,
        wrong: false,
    };
    state.pages.page(status, "notice.html", &view)
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
