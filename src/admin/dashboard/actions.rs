//! What can be done from the dashboard: forms, that work without a script.

use actix_web::http::StatusCode;
use actix_web::http::header::{LOCATION, SET_COOKIE};
use actix_web::web::{Data, Path, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use hotplate_actors::messages::RolledBack;
use hotplate_actors::{ReloadOutcome, Version};
use serde::Deserialize;

use super::pages;
use crate::admin::access::Access;
use crate::admin::body;
use crate::admin::problem::Problem;
use crate::admin::state::{AdminState, now_ms};

type Answered = Result<HttpResponse, Problem>;

/// What a form sends.
#[derive(Debug, Default, Deserialize)]
struct ActionForm {
    token: Option<String>,
    to: Option<u64>,
    actor: Option<String>,
}

async fn form(payload: Payload, state: &AdminState) -> Result<ActionForm, Problem> {
    let body = body::read(payload, &state.limits).await?;
    let text = std::str::from_utf8(&body).map_err(|_| Problem::bad_request("a form is text"))?;
    let form = Query::<ActionForm>::from_query(text).map_err(|error| Problem::bad_request(error.to_string()))?;
    Ok(form.into_inner())
}

/// What was done, in words; the address of the page has the key of it only.
pub(super) fn said(did: &str) -> Option<&'static str> {
    Some(match did {
        "reloaded" => "Reloaded: what was edited is served now.",
        "unchanged" => "Reloaded: everything was served already.",
        "held" => "Reloaded: edits wait until the version that is held is let go.",
        "refused" => "Reloaded: what is on the disk is not accepted; what was served goes on.",
        "back" => {
            "An earlier version is served and held. Edits are taken in and wait. A restart forgets that: it serves the newest."
        }
        "resumed" => "The newest is served again.",
        "reset" => "Started again.",
        "not-kept" => "That version is not kept any more.",
        "failed" => "That did not work. Try it again in a moment.",
        _ => return None,
    })
}

fn back(did: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, format!("/_hotplate/?did={did}")))
        .finish()
}

pub(super) async fn act(
    request: HttpRequest,
    action: Path<String>,
    payload: Payload,
    state: Data<AdminState>,
) -> Answered {
    if !state.access.is_known(request.headers(), now_ms()) {
        return pages::ask_for_token(&state, StatusCode::UNAUTHORIZED, false);
    }
    let form = form(payload, &state).await?;
    let hotplate = &state.hotplate;
    let did = match action.as_str() {
        "reload" => match state.ask(hotplate.reload()).await.map(|report| report.outcome) {
            Ok(ReloadOutcome::Published) => "reloaded",
            Ok(ReloadOutcome::Unchanged) => "unchanged",
            Ok(ReloadOutcome::Held) => "held",
            Ok(_) => "refused",
            Err(_) => "failed",
        },
        "rollback" => {
            let to = Version::from_number(form.to.unwrap_or_default());
            match state.ask(hotplate.roll_back(to)).await {
                Ok(RolledBack::Published(_)) => "back",
                Ok(RolledBack::NotKept(_)) => "not-kept",
                _ => "failed",
            }
        }
        "resume" => match state.ask(hotplate.resume()).await {
            Ok(RolledBack::Published(_) | RolledBack::Unchanged(_)) => "resumed",
            _ => "failed",
        },
        "reset" => {
            hotplate.reset(form.actor.as_deref().unwrap_or("engine"));
            "reset"
        }
        _ => return Err(Problem::nothing_here(request.path())),
    };
    Ok(back(did))
}

pub(super) async fn login(payload: Payload, state: Data<AdminState>) -> Answered {
    let token = form(payload, &state).await?.token.unwrap_or_default();
    if !state.access.is_token(&token) {
        return pages::ask_for_token(&state, StatusCode::UNAUTHORIZED, true);
    }
    let now_ms = now_ms();
    let cookie = state
        .access
        .begin_session(now_ms.saturating_add(state.limits.session_ms), now_ms)?;
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, "/_hotplate/"))
        .insert_header((SET_COOKIE, cookie))
        .finish())
}

pub(super) async fn logout(request: HttpRequest, state: Data<AdminState>) -> HttpResponse {
    state.access.end_session(request.headers());
    HttpResponse::SeeOther()
        .insert_header((LOCATION, "/_hotplate/login"))
        .insert_header((SET_COOKIE, Access::no_session()))
        .finish()
}
