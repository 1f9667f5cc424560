//! Health, probes and metrics.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::Answered;
use crate::admin::model::{HealthAnswer, Probe};
use crate::admin::problem::Problem;
use crate::admin::state::{AdminState, json};
use crate::metrics::{CONTENT_TYPE, now_ms};

/// Answers while the process runs
///
/// This needs no token. Restart the process if there is no answer.
#[utoipa::path(get, path = "/admin/v1/health/live", tag = "health",
    responses((status = 200, description = "The process runs", body = Probe), (status = "default", response = Problem)))]
pub(super) async fn live() -> HttpResponse {
    super::answer(&Probe {
        status: "live",
        reasons: Vec::new(),
    })
}

/// Returns whether edits are published and pages are served
///
/// This needs no token. The engine is also not ready while every page is broken. The last version is still rendered while it is not ready.
#[utoipa::path(get, path = "/admin/v1/health/ready", tag = "health",
    responses(
        (status = 200, description = "The engine is ready", body = Probe),
        (status = 503, description = "The engine is not ready; `/admin/v1/health` has the reasons", body = Probe),
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

/// Returns the health of the engine
#[utoipa::path(get, path = "/admin/v1/health", tag = "health", security(("token" = [])),
    responses(
        (status = 200, description = "The engine is ready", body = HealthAnswer),
        (status = 503, description = "The engine is not ready, for these reasons", body = HealthAnswer),
        (status = "default", response = Problem),
    ))]
pub(super) async fn health(state: Data<AdminState>) -> HttpResponse {
    let health = state.health();
    HttpResponse::build(status_of(health.ready))
        .content_type("application/json")
        .body(json(&health))
}

/// Returns the metrics
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
