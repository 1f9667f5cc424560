//! Previews: the effect of texts that are not published.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use hotplate_actors::dialect::Escape;
use hotplate_actors::reader::Serialized;
use hotplate_actors::text::decode;
use hotplate_actors::{PreviewRequest, RenderOptions, TemplateName};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::{Answered, answer};
use crate::admin::access::random_name;
use crate::admin::body;
use crate::admin::limits::PREVIEWS;
use crate::admin::model::{
    PreviewAnswer, PreviewOrder, PreviewReportAnswer, PreviewSummary, PreviewsAnswer, RenderOrder,
};
use crate::admin::problem::Problem;
use crate::admin::state::{AdminState, json};
use crate::archive::{self, ArchiveBounds};
use crate::metrics::now_ms;

/// The content type of an archive.
const TAR: &str = "application/x-tar";

/// The content security policy of a rendered preview. Its scripts do not run, and it has no origin: it must not act for the operator.
const POLICY: &str =
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; frame-ancestors 'self'";

/// The query of a preview that is sent as an archive.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PreviewQuery {
    /// For an archive: true if it has all templates, so that all others are removed.
    #[serde(default)]
    complete: bool,
}

/// The data of a render.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RenderQuery {
    /// The context, a JSON object; by default the sample of the entry.
    data: Option<String>,
}

/// Computes the effect of texts without publishing them
///
/// Nothing that visitors get is changed. The body has the changed texts as JSON, or is a tar archive without compression whose files are
/// templates by their relative paths. The preview is kept for a while and can be rendered from.
#[utoipa::path(post, path = "/admin/v1/previews", tag = "previews", security(("token" = [])), params(PreviewQuery),
    request_body(content((PreviewOrder = "application/json"), (Vec<u8> = "application/x-tar"))),
    responses(
        (status = 201, description = "The preview is made", body = PreviewAnswer, headers(("location" = String, description = "The path of the preview"))),
        (status = "default", response = Problem),
    ))]
pub(super) async fn make(request: HttpRequest, payload: Payload, state: Data<AdminState>) -> Answered {
    let PreviewQuery { complete } = body::query(&request)?;
    let limits = state.limits.for_path(request.path(), true);
    let body = body::read(payload, &limits).await?;
    let order = if body::media_type(&request).eq_ignore_ascii_case(TAR) {
        let bounds = ArchiveBounds {
            files: state.limits.page_templates.saturating_mul(100),
            bytes: limits.body_bytes,
        };
        state.work(move || unpacked(&body, bounds, complete)).await??
    } else {
        let order: PreviewOrder = body::json(&request, &body)?;
        let edits = order.edits.into_iter();
        let named = edits.map(|(name, text)| Ok((valid(&name)?, text.map(Into::into))));
        PreviewRequest {
            edits: named.collect::<Result<_, Problem>>()?,
            complete: order.complete || complete,
            render: order.render,
        }
    };
    // The name only distinguishes previews; the token protects them.
    let mut id = random_name()?;
    id.truncate(16);
    let preview = state.ask(state.hotplate.preview(order)).await?;
    let described = preview.clone();
    let report = state.work(move || PreviewReportAnswer::of(&described)).await?;
    let kept = state.previews.keep(id, preview, report, now_ms());
    Ok(HttpResponse::Created()
        .content_type("application/json")
        .insert_header((LOCATION, format!("{PREVIEWS}/{}", kept.answer.id)))
        .body(json(&kept.answer)))
}

/// Returns the texts of an archive.
fn unpacked(archive: &[u8], bounds: ArchiveBounds, complete: bool) -> Result<PreviewRequest, Problem> {
    let files = archive::files(archive, bounds, |_| true).map_err(|error| Problem::refused(error.to_string()))?;
    let mut edits = BTreeMap::new();
    for (path, bytes) in files {
        let text = decode(bytes).map_err(|fault| Problem::refused(format!("`{path}`: {}", fault.message)))?;
        edits.insert(valid(&path)?, Some(text.into()));
    }
    Ok(PreviewRequest {
        edits,
        complete,
        render: true,
    })
}

fn valid(name: &str) -> Result<TemplateName, Problem> {
    TemplateName::new(name).map_err(|error| Problem::refused(error.to_string()))
}

/// Lists the previews that are kept, newest first
#[utoipa::path(get, path = "/admin/v1/previews", tag = "previews", security(("token" = [])),
    responses((status = 200, description = "The previews", body = PreviewsAnswer), (status = "default", response = Problem)))]
pub(super) async fn list(state: Data<AdminState>) -> HttpResponse {
    let kept = state.previews.all(now_ms());
    answer(&PreviewsAnswer {
        previews: kept.iter().rev().map(|kept| kept.answer.summary()).collect(),
    })
}

/// Returns a preview
#[utoipa::path(get, path = "/admin/v1/previews/{id}", tag = "previews", security(("token" = [])),
    params(("id" = String, Path, description = "The identifier of the preview")),
    responses(
        (status = 200, description = "The preview", body = PreviewAnswer),
        (status = 404, description = "It is not, or no longer, kept", body = Problem, content_type = "application/problem+json"),
        (status = "default", response = Problem),
    ))]
pub(super) async fn preview(id: Path<String>, state: Data<AdminState>) -> Answered {
    let kept = state.previews.find(&id, now_ms()).ok_or_else(Problem::no_preview)?;
    Ok(answer(&kept.answer))
}

/// Drops a preview
#[utoipa::path(delete, path = "/admin/v1/previews/{id}", tag = "previews", security(("token" = [])),
    params(("id" = String, Path, description = "The identifier of the preview")),
    responses(
        (status = 200, description = "The preview is dropped", body = PreviewSummary),
        (status = 404, description = "It is not, or no longer, kept", body = Problem, content_type = "application/problem+json"),
        (status = "default", response = Problem),
    ))]
pub(super) async fn remove(id: Path<String>, state: Data<AdminState>) -> Answered {
    let removed = state.previews.remove(&id).ok_or_else(Problem::no_preview)?;
    Ok(answer(&removed.answer.summary()))
}

/// Renders an entry of a preview
///
/// The answer is the page itself. A browser runs no script in it and loads nothing for it.
#[utoipa::path(get, path = "/admin/v1/previews/{id}/render/{name}", tag = "previews", security(("token" = [])), params(RenderQuery,
        ("id" = String, Path, description = "The identifier of the preview"),
        ("name" = String, Path, description = "The name of the entry, slashes included", example = "shop/item.html")),
    responses(
        (status = 200, description = "The page", content((String = "text/html"), (String = "text/plain"))),
        (status = 404, description = "The preview is not, or no longer, kept, or it has no such template", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The entry cannot be rendered with this data", body = Problem, content_type = "application/problem+json"),
        (status = "default", response = Problem),
    ))]
pub(super) async fn render(request: HttpRequest, path: Path<(String, String)>, state: Data<AdminState>) -> Answered {
    let RenderQuery { data } = body::query(&request)?;
    let data = data.map(|data| context(data.as_bytes())).transpose()?;
    let (id, name) = path.into_inner();
    rendered(&state, &id, &name, data).await
}

/// Renders an entry of a preview with the data in the body
#[utoipa::path(post, path = "/admin/v1/previews/{id}/render/{name}", tag = "previews", security(("token" = [])), request_body = RenderOrder, params(
        ("id" = String, Path, description = "The identifier of the preview"),
        ("name" = String, Path, description = "The name of the entry, slashes included", example = "shop/item.html")),
    responses(
        (status = 200, description = "The page", content((String = "text/html"), (String = "text/plain"))),
        (status = 404, description = "The preview is not, or no longer, kept, or it has no such template", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The entry cannot be rendered with this data", body = Problem, content_type = "application/problem+json"),
        (status = "default", response = Problem),
    ))]
pub(super) async fn render_with(
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
    state: Data<AdminState>,
) -> Answered {
    let body = body::read(payload, &state.limits.for_path(request.path(), true)).await?;
    let RenderOrder { data } = body::json(&request, &body)?;
    let (id, name) = path.into_inner();
    rendered(&state, &id, &name, data).await
}

fn context(data: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(data).map_err(|error| Problem::refused(format!("`data` is not JSON: {error}")))
}

/// Renders an entry of a preview, on a thread for blocking work.
pub(in crate::admin) async fn rendered(state: &AdminState, id: &str, name: &str, data: Option<Value>) -> Answered {
    let kept = state.previews.find(id, now_ms()).ok_or_else(Problem::no_preview)?;
    let entry = valid(name).map_err(|_| Problem::no_template(name))?;
    let deadline = Instant::now() + Duration::from_millis(state.limits.call_ms);
    let is_html = Escape::of(&entry) == Escape::Html && entry.output_name().ends_with("html");
    let body = state
        .work(move || {
            let options = RenderOptions {
                deadline: Some(deadline),
                ..RenderOptions::default()
            };
            let name = entry.as_str();
            match data {
                Some(data) => kept.preview.render_with(name, &Serialized(&data), &options),
                None => kept.preview.render_sample(name, &options),
            }
        })
        .await?
        .map_err(Problem::not_rendered)?
        .body;
    let content_type = match is_html {
        true => "text/html; charset=utf-8",
        false => "text/plain; charset=utf-8",
    };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, content_type))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(body))
}
