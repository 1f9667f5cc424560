//! Commands that change something.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use hotplate_actors::{Commands, Reload, Version};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::{Answered, answer};
use crate::admin::idempotency::StoredAnswer;
use crate::admin::model::{
    ACTOR_BYTES_MAX, CauseRequest, FILTER_BYTES_MAX, LogLevelAnswer, ReloadAnswer, ResetAnswer, ResetRequest,
    RollBackRequest, RolledBackAnswer,
};
use crate::admin::operator::within;
use crate::admin::problem::Problem;
use crate::admin::state::{AdminState, json};
use crate::admin::{LogLevel, body, operator};

/// The name of a caller that gives none.
const LISTENER: &str = "admin API";

/// The query of a reload.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ReloadQuery {
    /// Reads every byte again, for changes that no time stamp shows.
    #[serde(default)]
    full: bool,
}

/// Reloads the templates and returns the result
///
/// The call is a barrier: it is answered when everything that was written before it is served or named in the diagnostics. A call that
/// repeats an `Idempotency-Key` gets the first answer again.
#[utoipa::path(post, path = "/admin/v1/reload", tag = "commands", security(("token" = [])), request_body = Option<CauseRequest>,
    params(ReloadQuery, ("Idempotency-Key" = Option<String>, Header, description = "Names this call, so that it can be repeated", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    responses((status = 200, description = "The reload is complete", body = ReloadAnswer), (status = "default", response = Problem)))]
pub(super) async fn reload(request: HttpRequest, payload: Payload, state: Data<AdminState>) -> Answered {
    let ReloadQuery { full } = body::query(&request)?;
    let body = body::read(payload, &state.limits).await?;
    let CauseRequest { by, reason } = body::json_or_default(&request, &body)?;
    let cause = operator::cause(&request, LISTENER, by.as_deref(), reason.as_deref())?;
    let engine = state.clone();
    let run = async move {
        let reload = Reload { full, cause };
        let report = engine.ask(engine.hotplate.reloader().send(reload)).await?;
        Ok(stored(&ReloadAnswer::from(report)))
    };
    Ok(respond(state.idempotency.answer(&request, &body, run).await?))
}

/// Serves an earlier version again
///
/// It gets a new number. What was rolled back waits, template by template, until its source has another text or until `resume`; all other
/// templates go forward. Without a store a restart forgets what waits, and the process then serves the content of its sources.
#[utoipa::path(post, path = "/admin/v1/rollback", tag = "commands", security(("token" = [])), request_body = RollBackRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this call, so that it can be repeated", min_length = 1, max_length = 255, pattern = "^[!-~]+$"), ("If-Match" = Option<String>, Header, description = "The `ETag` of `/admin/v1/version`: the command is carried out only if this version is served", pattern = "^(\\*|\"[0-9]{1,19}\"|[0-9]{1,19})$")),
    responses(
        (status = 200, description = "The version is served", body = RolledBackAnswer),
        (status = 404, description = "The version is not kept", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The version is the one that is served", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "Another version is served than `If-Match` names", body = Problem, content_type = "application/problem+json"),
        (status = "default", response = Problem),
    ))]
pub(super) async fn roll_back(request: HttpRequest, payload: Payload, state: Data<AdminState>) -> Answered {
    let body = body::read(payload, &state.limits).await?;
    let RollBackRequest { to, by, reason } = body::json(&request, &body)?;
    let command = command(&request, &state, by.as_deref(), reason.as_deref())?;
    let engine = state.clone();
    let run = async move {
        let rolled_back = engine.ask(command.roll_back(Version::from_number(to))).await?;
        Ok(stored(&RolledBackAnswer::held(&rolled_back)?))
    };
    Ok(respond(state.idempotency.answer(&request, &body, run).await?))
}

/// Applies everything that waits since a rollback
#[utoipa::path(post, path = "/admin/v1/resume", tag = "commands", security(("token" = [])), request_body = Option<CauseRequest>,
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this call, so that it can be repeated", min_length = 1, max_length = 255, pattern = "^[!-~]+$"), ("If-Match" = Option<String>, Header, description = "The `ETag` of `/admin/v1/version`: the command is carried out only if this version is served", pattern = "^(\\*|\"[0-9]{1,19}\"|[0-9]{1,19})$")),
    responses(
        (status = 200, description = "The version is served", body = RolledBackAnswer),
        (status = 412, description = "Another version is served than `If-Match` names", body = Problem, content_type = "application/problem+json"),
        (status = "default", response = Problem),
    ))]
pub(super) async fn resume(request: HttpRequest, payload: Payload, state: Data<AdminState>) -> Answered {
    let body = body::read(payload, &state.limits).await?;
    let CauseRequest { by, reason } = body::json_or_default(&request, &body)?;
    let command = command(&request, &state, by.as_deref(), reason.as_deref())?;
    let engine = state.clone();
    let run = async move {
        let resumed = engine.ask(command.resume()).await?;
        Ok(stored(&RolledBackAnswer::of(&resumed)?))
    };
    Ok(respond(state.idempotency.answer(&request, &body, run).await?))
}

/// Restarts actors that have reached their restart limit
///
/// An actor that fails too often in a short time stays down until an operator resets it.
#[utoipa::path(post, path = "/admin/v1/reset", tag = "commands", security(("token" = [])), request_body = ResetRequest,
    responses(
        (status = 200, description = "The actors are restarted", body = ResetAnswer),
        (status = 422, description = "There is no such actor", body = Problem, content_type = "application/problem+json"),
        (status = "default", response = Problem),
    ))]
pub(super) async fn reset(request: HttpRequest, payload: Payload, state: Data<AdminState>) -> Answered {
    let body = body::read(payload, &state.limits).await?;
    let ResetRequest { actor } = body::json(&request, &body)?;
    within("actor", &actor, ACTOR_BYTES_MAX)?;
    if actor != "engine" && !state.health().actors.iter().any(|known| known.actor == actor) {
        return Err(Problem::refused(
            "there is no such actor; `/admin/v1/health` lists them, and `engine` means all",
        ));
    }
    Ok(answer(&ResetAnswer {
        started: state.hotplate.reset_named(&actor),
    }))
}

/// Returns the filter of the log
#[utoipa::path(get, path = "/admin/v1/log-level", tag = "listener", security(("token" = [])),
    responses(
        (status = 200, description = "The filter that is in force", body = LogLevelAnswer),
        (status = 404, description = "This program does not allow its log to be changed", body = Problem, content_type = "application/problem+json"),
        (status = "default", response = Problem),
    ))]
pub(super) async fn log_level(state: Data<AdminState>) -> Answered {
    let filter = log(&state)?.filter();
    Ok(answer(&LogLevelAnswer { filter }))
}

/// Changes the filter of the log
#[utoipa::path(put, path = "/admin/v1/log-level", tag = "listener", security(("token" = [])), request_body = LogLevelAnswer,
    responses(
        (status = 200, description = "The filter that is in force now", body = LogLevelAnswer),
        (status = 404, description = "This program does not allow its log to be changed", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The filter is not valid", body = Problem, content_type = "application/problem+json"),
        (status = "default", response = Problem),
    ))]
pub(super) async fn set_log_level(request: HttpRequest, payload: Payload, state: Data<AdminState>) -> Answered {
    let body = body::read(payload, &state.limits).await?;
    let log = log(&state)?;
    let LogLevelAnswer { filter } = body::json(&request, &body)?;
    within("filter", &filter, FILTER_BYTES_MAX)?;
    log.set_filter(&filter).map_err(Problem::refused)?;
    Ok(answer(&LogLevelAnswer { filter: log.filter() }))
}

/// Returns the commands of a request: with its cause, and the version that it expects.
pub(super) fn command(
    request: &HttpRequest,
    state: &AdminState,
    by: Option<&str>,
    reason: Option<&str>,
) -> Result<Commands, Problem> {
    let cause = operator::cause(request, LISTENER, by, reason)?;
    let command = state.hotplate.commands().cause(cause);
    let expected = operator::expected(request)?;
    Ok(expected.into_iter().fold(command, Commands::expecting))
}

fn log(state: &AdminState) -> Result<&dyn LogLevel, Problem> {
    state.log.as_deref().ok_or_else(Problem::no_log)
}

pub(super) fn stored(value: &impl Serialize) -> StoredAnswer {
    StoredAnswer {
        status: StatusCode::OK,
        json: json(value).into(),
    }
}

pub(super) fn respond(answer: StoredAnswer) -> HttpResponse {
    HttpResponse::build(answer.status)
        .content_type("application/json")
        .body(answer.json)
}
