//! The version that is served, earlier ones, and their differences.

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::header::{ETAG, HeaderValue};
use actix_web::web::Data;
use hotplate_actors::Version;
use hotplate_actors::snapshot::Compared;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Answered, answer};
use crate::admin::model::{
    ChangedTemplate, DiffAnswer, LeaksAnswer, PublicationAnswer, VersionAnswer, VersionsAnswer, WaitingAnswer,
};
use crate::admin::problem::Problem;
use crate::admin::state::AdminState;
use crate::admin::{body, operator};

/// Returns the version that is served
///
/// Its `ETag` can be sent as `If-Match` with a command, which is then carried out only if the same version is still served.
#[utoipa::path(get, path = "/admin/v1/version", tag = "versions", security(("token" = [])),
    responses((status = 200, description = "The version that is served", body = VersionAnswer), (status = "default", response = Problem)))]
pub(super) async fn version(state: Data<AdminState>) -> HttpResponse {
    let version = state.version();
    let mut response = answer(&version);
    if let Ok(tag) = HeaderValue::try_from(operator::tag(version.version)) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Lists the last versions, newest first
#[utoipa::path(get, path = "/admin/v1/versions", tag = "versions", security(("token" = [])),
    responses((status = 200, description = "The last versions", body = VersionsAnswer), (status = "default", response = Problem)))]
pub(super) async fn versions(state: Data<AdminState>) -> Answered {
    Ok(answer(&history(&state).await?))
}

/// Returns the last versions, newest first.
pub(in crate::admin) async fn history(state: &AdminState) -> Result<VersionsAnswer, Problem> {
    let kept = state.ask(state.hotplate.history()).await?;
    let publications = state.hotplate.publications();
    let newest_first = publications.iter().rev();
    let versions = newest_first
        .map(|publication| PublicationAnswer::of(publication, kept.versions.contains(&publication.published.version)));
    let mut versions: Vec<PublicationAnswer> = versions.collect();
    // Those of earlier processes, which the store has.
    let first = versions.last().map_or(u64::MAX, |version| version.version);
    let stored = kept
        .stored
        .iter()
        .rev()
        .filter(|stored| stored.version.number() < first);
    versions.extend(stored.map(PublicationAnswer::of_stored));
    Ok(VersionsAnswer {
        current: kept.versions.last().map_or(0, |version| version.number()),
        held: !kept.waiting.is_empty(),
        waiting: WaitingAnswer::of(&kept.waiting),
        versions,
    })
}

/// Lists the versions that are in memory, and what holds them
///
/// A version is freed with its last reader. One that stays is held by a render that does not end, or by a program that pinned it.
#[utoipa::path(get, path = "/admin/v1/leaks", tag = "versions", security(("token" = [])),
    responses((status = 200, description = "The versions in memory", body = LeaksAnswer), (status = "default", response = Problem)))]
pub(super) async fn leaks(state: Data<AdminState>) -> HttpResponse {
    answer(&LeaksAnswer::of(&state.hotplate))
}

/// The query that selects two versions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct CompareQuery {
    /// The first version.
    from: u64,
    /// The second version; the current one by default. `source` stands for the sources as they are now.
    #[param(pattern = "^([0-9]{1,19}|source)$")]
    to: Option<String>,
    /// Returns the lines that differ.
    #[serde(default)]
    content: bool,
}

/// Compares two versions, or a version and the sources as they are now
///
/// The sources also have what an operator rolled back and texts that do not compile.
#[utoipa::path(get, path = "/admin/v1/diff", tag = "versions", security(("token" = [])), params(CompareQuery),
    responses(
        (status = 200, description = "The templates that the two versions serve differently", body = DiffAnswer),
        (status = 404, description = "One of them is not kept", body = Problem, content_type = "application/problem+json"),
        (status = "default", response = Problem),
    ))]
pub(super) async fn diff(request: HttpRequest, state: Data<AdminState>) -> Answered {
    let CompareQuery { from, to, content } = body::query(&request)?;
    let to = match to.as_deref() {
        None => CompareTo::Current,
        Some("source") => CompareTo::Source,
        Some(number) => CompareTo::Version(number.parse().map_err(|_| {
            Problem::bad_request("the query is not valid: `to` has to be the number of a version, or `source`")
        })?),
    };
    Ok(answer(&differences(&state, from, to, content).await?))
}

/// The second side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) enum CompareTo {
    /// The version that is served.
    Current,
    /// A kept version.
    Version(u64),
    /// The sources as they are now.
    Source,
}

/// Compares a version with another one or with the sources.
pub(in crate::admin) async fn comparison(state: &AdminState, from: u64, to: CompareTo) -> Result<Compared, Problem> {
    let (hotplate, first) = (&state.hotplate, Version::from_number(from));
    Ok(match to {
        CompareTo::Source => state.ask(hotplate.compare_with_source(first)).await?,
        CompareTo::Current => {
            state
                .ask(hotplate.compare(first, hotplate.snapshot().version()))
                .await?
        }
        CompareTo::Version(number) => state.ask(hotplate.compare(first, Version::from_number(number))).await?,
    })
}

/// Returns the differences of a comparison, as many as fit into an answer.
async fn differences(state: &AdminState, from: u64, to: CompareTo, content: bool) -> Result<DiffAnswer, Problem> {
    let compared = comparison(state, from, to).await?;
    let (_, to) = compared.versions();
    let (max, mut bytes_left) = (state.limits.page_templates, state.limits.page_bytes);
    state
        .work(move || {
            let differences = compared.differences();
            let mut templates = Vec::new();
            for difference in differences.iter().take(max) {
                let changed = ChangedTemplate::of(difference, content);
                let Some(left) = bytes_left.checked_sub(changed.unified.as_ref().map_or(0, String::len)) else {
                    break;
                };
                bytes_left = left;
                templates.push(changed);
            }
            let truncated = templates.len() < differences.len();
            DiffAnswer {
                from,
                to: to.map(Version::number),
                templates,
                truncated,
            }
        })
        .await
}
