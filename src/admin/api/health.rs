//! How it is.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::Answered;
use crate::admin::model::{HealthAnswer, Probe};
use crate::admin::problem::Problem;
use crate::admin::state::{AdminState, json, now_ms};
use crate::metrics::CONTENT_TYPE;

/// Whether the process answers
///
/// Needs no token. Restart the process if this has no answer.
#[utoipa::path(get, path = "/admin/v1/health/live", tag = "health",
    responses((status = 200, description = "It answers", body = Probe), (status = "default", response = Problem)))]
pub(super) async fn live() -> HttpResponse {
    super::answer(&Probe {
        status: "live",
        reasons: Vec::new(),
    })
}

/// Whether edits come through, and pages are served
///
/// Needs no token. It is not ready while every page is broken, either. Rendering goes on from the last version even where this says no.
#[utoipa::path(get, path = "/admin/v1/health/ready", tag = "health",
    responses(
        (status = 200, description = "It is ready", body = Probe),
        (status = 503, description = "It is not: `/admin/v1/health` says why", body = Probe),
        (status = "default", response = Problem),
    ))]
pub(super) async fn ready(request: HttpRequest, state: Data<AdminState>) -> HttpResponse {
    let HealthAnswer { ready, reasons, .. } = state.health();
    let status = if ready { "ready" } else { "not-ready" };
    let reasons = match state.access.is_known(request.headers(), now_ms()) {
        true => reasons,
        false if ready => Vec::new(),
        false => vec!["ask `/admin/v1/health` with the token".to_owned()],
    };
    HttpResponse::build(status_of(ready))
        .content_type("application/json")
        .body(json(&Probe { status, reasons }))
}

/// How the engine is
#[utoipa::path(get, path = "/admin/v1/health", tag = "health", security(("token" = [])),
    responses(
        (status = 200, description = "It is ready", body = HealthAnswer),
        (status = 503, description = "It is not ready, for these reasons", body = HealthAnswer),
        (status = "default", response = Problem),
    ))]
pub(super) async fn health(state: Data<AdminState>) -> HttpResponse {
    let health = state.health();
    HttpResponse::build(status_of(health.ready))
        .content_type("application/json")
        .body(json(&health))
}

/// What it counts
#[utoipa::path(get, path = "/admin/v1/metrics", tag = "health", security(("token" = [])),
    responses(
        (status = 200, description = "Metrics as OpenMetrics text", body = String, content_type = "application/openmetrics-text"),
        (status = "default", response = Problem),
    ))]
pub(super) async fn metrics(state: Data<AdminState>) -> Answered {
    let metrics = state.metrics.clone();
    let text = state.work(move || metrics.text()).await?;
    Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(text))
}

fn status_of(ready: bool) -> actix_web::http::StatusCode {
    match ready {
        true => actix_web::http::StatusCode::OK,
        false => actix_web::http::StatusCode::SERVICE_UNAVAILABLE,
    }
}
