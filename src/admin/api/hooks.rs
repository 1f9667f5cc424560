//! Webhooks: a sender says that a source has changed.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::Answered;
use crate::admin::model::HookAnswer;
use crate::admin::problem::Problem;
use crate::admin::state::{AdminState, json};
use crate::admin::{body, operator};

/// The name of the caller in the cause of a reload.
const SENDER: &str = "webhook";

/// Says that the source of a loader may have changed
///
/// The request is a hint: the loader compares its source with what it has, so a request that is sent again, late or for nothing changes
/// nothing. It needs no token, but a proof that its sender knows the secret `admin.hook_secret`: the HMAC-SHA256 of the body as GitHub
/// sends it (`X-Hub-Signature-256`) or as `X-Hotplate-Signature: sha256=…`, or the secret itself as GitLab sends it (`X-Gitlab-Token`).
/// The answer does not wait for the reload.
#[utoipa::path(post, path = "/admin/v1/hooks/{loader}", tag = "commands", security(("signature" = [])),
    request_body(content = String, description = "Whatever the sender sends; only its signature is read", content_type = "application/octet-stream"),
    params(("loader" = String, Path, description = "The number of the loader, as in the metrics, or its description in `/admin/v1/health`", example = "0"),
        ("X-Hotplate-Signature" = Option<String>, Header, description = "`sha256=` and the HMAC-SHA256 of the body in hexadecimal digits"),
        ("X-Hub-Signature-256" = Option<String>, Header, description = "The same, as GitHub sends it"),
        ("X-Gitlab-Token" = Option<String>, Header, description = "The secret, as GitLab sends it")),
    responses(
        (status = 202, description = "The hint is given", body = HookAnswer),
        (status = 404, description = "There is no such loader, or no secret is set", body = Problem, content_type = "application/problem+json"),
        (status = "default", response = Problem),
    ))]
pub(super) async fn hook(
    request: HttpRequest,
    loader: Path<String>,
    payload: Payload,
    state: Data<AdminState>,
) -> Answered {
    let secret = state.hook_secret.as_ref().ok_or_else(Problem::no_hooks)?;
    let body = body::read(payload, &state.limits.for_path(request.path(), false)).await?;
    secret.check(request.headers(), &body)?;
    let loaders = state.hotplate.health().loaders;
    let named = loaders
        .iter()
        .enumerate()
        .find(|(number, known)| number.to_string() == *loader || known.loader == *loader);
    let Some((_, named)) = named else {
        return Err(Problem::no_loader(&loader, loaders.len()));
    };
    let cause = operator::cause(&request, SENDER, None, None)?;
    state.hook_hints.hint(&state.hotplate, cause);
    let answer = HookAnswer {
        loader: named.loader.clone(),
    };
    Ok(HttpResponse::build(StatusCode::ACCEPTED)
        .content_type("application/json")
        .body(json(&answer)))
}
