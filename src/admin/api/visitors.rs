//! The answers that visitors get, and the process that gives them.

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::{Answered, answer};
use crate::admin::instance::{self, InstanceAnswer};
use crate::admin::model::{FAILURES_MAX, FailureAnswer, VisitorsAnswer};
use crate::admin::problem::Problem;
use crate::admin::state::AdminState;

/// Returns the answers of the last ten seconds by kind, and the pages that failed last
///
/// `state` is `bad` if a visitor got an error, the stand-in page or a rejection within these seconds, and `warn` if one got an older version.
#[utoipa::path(get, path = "/admin/v1/visitors", tag = "health", security(("token" = [])),
    responses(
        (status = 200, description = "The answers that visitors get", body = VisitorsAnswer),
        (status = "default", response = Problem),
    ))]
pub(super) async fn visitors(state: Data<AdminState>) -> Answered {
    let visitors = state.visitors();
    let hotplate = state.hotplate.clone();
    let failures = state.work(move || hotplate.recent_failures(FAILURES_MAX)).await?;
    let failures = failures.iter().map(FailureAnswer::of);
    Ok(answer(&VisitorsAnswer::of(visitors, failures.collect())))
}

/// Returns the process, where it runs, and its use of resources
#[utoipa::path(get, path = "/admin/v1/instance", tag = "health", security(("token" = [])),
    responses(
        (status = 200, description = "The process that this listener belongs to", body = InstanceAnswer),
        (status = "default", response = Problem),
    ))]
pub(super) async fn instance(state: Data<AdminState>) -> Result<HttpResponse, Problem> {
    let shared = state.clone();
    Ok(answer(&state.work(move || instance::instance(&shared)).await?))
}
