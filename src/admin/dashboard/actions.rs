//! The actions of the dashboard: forms that work without a script.

use actix_web::http::StatusCode;
use actix_web::http::header::{LOCATION, REFERER, SET_COOKIE};
use actix_web::web::{Data, Path, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use hotplate_actors::messages::RolledBack;
use hotplate_actors::template::Stage;
use hotplate_actors::{Commands, Reload, ReloadOutcome, Version};
use serde::Deserialize;

use super::pages;
use crate::admin::access::Access;
use crate::admin::problem::{Answered, Problem};
use crate::admin::state::AdminState;
use crate::admin::{api, body, operator};
use crate::metrics::now_ms;

/// The fields of all forms.
#[derive(Debug, Default, Deserialize)]
struct ActionForm {
    token: Option<String>,
    to: Option<u64>,
    expected: Option<u64>,
    by: Option<String>,
    reason: Option<String>,
    actor: Option<String>,
    stage: Option<String>,
    /// The action on the stage.
    does: Option<String>,
    /// Present to promote or advance although a requirement is not met.
    force: Option<String>,
    /// The page to which signing in leads back.
    back: Option<String>,
}

async fn form(payload: Payload, state: &AdminState) -> Result<ActionForm, Problem> {
    let body = body::read(payload, &state.limits).await?;
    let text = std::str::from_utf8(&body).map_err(|_| Problem::bad_request("a form has to be UTF-8 text"))?;
    let form = Query::<ActionForm>::from_query(text).map_err(|error| Problem::bad_request(error.to_string()))?;
    Ok(form.into_inner())
}

/// Returns the result of an action in words. The address of the page has only its key, so that no link can show other words.
pub(super) fn result(key: &str) -> Option<&'static str> {
    Some(match key {
        "reloaded" => "Reloaded: the edits are served.",
        "unchanged" => "Reloaded: nothing had changed.",
        "held" => "Reloaded: nothing differs but what waits since the rollback.",
        "refused" => "The reload was rejected. The previous version is still served.",
        "back" => {
            "An earlier version is served. What was rolled back waits until its source changes or until you serve it; without a store a restart forgets that."
        }
        "resumed" => "Everything that waited is served.",
        "reset" => "Restarted.",
        "promoted" => "The texts of canary are served to all visitors.",
        "stage" => "Done.",
        "stage-refused" => {
            "Nothing was done: a requirement is not met, a reason is missing, or it does not fit the state of the stage."
        }
        "conflict" => "Nothing was done: another version is served than this page showed. Look again and decide.",
        "not-kept" => "That version is no longer kept.",
        "failed" => "The action failed. Try again in a moment.",
        _ => return None,
    })
}

/// Redirects to a page of the dashboard that shows the result of an action.
fn to_page(page: &str, result: &str) -> HttpResponse {
    let page = page.split('#').next().unwrap_or_default();
    let separator = if page.contains('?') { '&' } else { '?' };
    HttpResponse::SeeOther()
        .insert_header((LOCATION, format!("{page}{separator}done={result}")))
        .finish()
}

pub(super) async fn act(
    request: HttpRequest,
    action: Path<String>,
    payload: Payload,
    state: Data<AdminState>,
) -> Answered {
    if !state.access.is_known(request.headers(), now_ms()) {
        return pages::ask_for_token(&state, StatusCode::UNAUTHORIZED, false, None);
    }
    let form = form(payload, &state).await?;
    let hotplate = &state.hotplate;
    let cause = operator::cause(&request, "dashboard", form.by.as_deref(), form.reason.as_deref())?;
    let command = hotplate.commands().cause(cause);
    // The version that the page showed, so that nobody undoes a change that they have not seen.
    let expected = form.expected.map(Version::from_number);
    let command = expected.into_iter().fold(command, Commands::expecting);
    let result = match action.as_str() {
        "reload" => match state
            .ask(command.reload(Reload::default()))
            .await
            .map(|report| report.outcome)
        {
            Ok(ReloadOutcome::Published) => "reloaded",
            Ok(ReloadOutcome::Unchanged) => "unchanged",
            Ok(ReloadOutcome::Held) => "held",
            Ok(_) => "refused",
            Err(_) => "failed",
        },
        "rollback" => {
            let to = Version::from_number(form.to.unwrap_or_default());
            match state.ask(command.roll_back(to)).await {
                Ok(RolledBack::Published(_)) => "back",
                Ok(RolledBack::NotKept(_)) => "not-kept",
                Ok(RolledBack::Conflict(_) | RolledBack::AlreadyServed(_)) => "conflict",
                _ => "failed",
            }
        }
        "resume" => match state.ask(command.resume()).await {
            Ok(RolledBack::Published(_) | RolledBack::Unchanged(_)) => "resumed",
            Ok(RolledBack::Conflict(_)) => "conflict",
            _ => "failed",
        },
        "stage" => {
            let stage = form.stage.as_deref().and_then(Stage::of);
            let does = form.does.as_deref().unwrap_or_default();
            let Some((stage, does)) = stage.zip(api::stage_action(does, form.force.is_some())) else {
                return Err(Problem::bad_request("the form names no stage or no action"));
            };
            match state.ask(command.stage(stage, does)).await {
                Ok(RolledBack::Published(_)) => "promoted",
                Ok(RolledBack::Unchanged(_)) => "stage",
                Ok(RolledBack::Conflict(_)) => "conflict",
                Ok(_) => "stage-refused",
                Err(_) => "failed",
            }
        }
        "reset" => {
            hotplate.reset_named(form.actor.as_deref().unwrap_or("engine"));
            "reset"
        }
        _ => return Err(Problem::nothing_here(request.path())),
    };
    // A reload leaves the reader where they are; every other action shows on the overview.
    let page = match action.as_str() {
        "stage" => Some("/_hotplate/stages"),
        "reload" => request.headers().get(REFERER).and_then(|page| page.to_str().ok()),
        _ => None,
    };
    let page = page.and_then(|page| page.find("/_hotplate/").map(|at| &page[at..]));
    Ok(to_page(pages::return_to(page), result))
}

pub(super) async fn login(payload: Payload, state: Data<AdminState>) -> Answered {
    let form = form(payload, &state).await?;
    let (token, back) = (form.token.unwrap_or_default(), form.back);
    let Some(caller) = state.access.holder(&token) else {
        return pages::ask_for_token(&state, StatusCode::UNAUTHORIZED, true, back.as_deref());
    };
    let now_ms = now_ms();
    let [dashboard, api] =
        state
            .access
            .begin_session(caller, now_ms.saturating_add(state.limits.session_ms), now_ms)?;
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, pages::return_to(back.as_deref())))
        .append_header((SET_COOKIE, dashboard))
        .append_header((SET_COOKIE, api))
        .finish())
}

pub(super) async fn logout(request: HttpRequest, state: Data<AdminState>) -> HttpResponse {
    state.access.end_session(request.headers());
    let [dashboard, api] = Access::no_session();
    HttpResponse::SeeOther()
        .insert_header((LOCATION, "/_hotplate/login"))
        .append_header((SET_COOKIE, dashboard))
        .append_header((SET_COOKIE, api))
        .finish()
}
