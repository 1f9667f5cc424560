//! The answer to `POST /render/{name}`.

use std::time::{Duration, Instant};

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use hotplate_actors::{
    Context, ContextSource, Freshness, Hotplate, RenderFailure, RenderOptions, Rendered, TemplateName,
};
use tokio_util::sync::CancellationToken;

use super::SidecarState;
use crate::admin::body;
use crate::admin::problem::{Answered, Problem};
use crate::site::{SiteData, parse};
use crate::web::Page;

/// The header with which a request asks for a shorter deadline.
const DEADLINE: &str = "x-hotplate-deadline-ms";

/// Renders a template with the data in the body; without a body, with its data of the site.
pub(super) async fn render(
    request: HttpRequest,
    name: Path<String>,
    payload: Payload,
    state: Data<SidecarState>,
) -> Answered {
    state.access.program(request.headers())?;
    let until = Instant::now() + deadline(&request, state.limits.deadline_ms)?;
    let limits = &state.limits;
    let body = body::read_at_most(payload, limits.body_bytes, limits.connection.request_ms).await?;
    let name = TemplateName::new(&name).map_err(|_| Problem::no_template(&name))?;
    if state.site.as_ref().is_some_and(|site| !site.is_template(&name)) {
        return Err(Problem::no_template(name.as_str()));
    }
    // A caller that has disconnected needs no answer.
    let cancel = CancellationToken::new();
    let _gone = cancel.clone().drop_guard();
    let options = RenderOptions {
        deadline: Some(until),
        cancel: Some(cancel),
        ..RenderOptions::default()
    };
    let rendered = match body.is_empty() {
        true => rendered(&state.hotplate, name.as_str(), SiteData, &options).await,
        false => {
            let data = data(&request, &body, &state)?;
            rendered(&state.hotplate, name.as_str(), data, &options).await
        }
    };
    match rendered {
        // A stand-in is a page for visitors; a service needs to know.
        Ok(Rendered {
            freshness: Freshness::Fallback { why },
            ..
        })
        | Err(RenderFailure::Broken { why, .. }) => {
            let errors: Vec<String> = why.diagnostics.iter().map(ToString::to_string).collect();
            Err(Problem::unserved(format!(
                "`{name}` cannot be served: {}",
                errors.join("\n")
            )))
        }
        Ok(rendered) => Ok(Page::of(name.as_str(), rendered).into_response(&request)),
        Err(failure) => Err(Problem::not_rendered(failure)),
    }
}

async fn rendered(
    hotplate: &Hotplate,
    name: &str,
    source: impl ContextSource + Send + 'static,
    options: &RenderOptions,
) -> Result<Rendered, RenderFailure> {
    let request = hotplate.request(name).with_source(source).options(options);
    hotplate.renderer().render(request).await
}

/// Parses the body as the data of a page.
fn data(request: &HttpRequest, body: &[u8], state: &SidecarState) -> Result<Context, Problem> {
    if !body::media_type(request).eq_ignore_ascii_case("application/json") {
        return Err(Problem::not_json());
    }
    let text = std::str::from_utf8(body)
        .map_err(|error| Problem::bad_request(format!("the body is not UTF-8 text: {error}")))?;
    let parsed = parse(text, state.hotplate.limits())
        .map_err(|diagnostic| Problem::bad_request(format!("the body is not valid: {diagnostic}")))?;
    Ok(Context::new(parsed.data))
}

/// Returns the time that the render may take: the setting, or less if the request asks for less.
fn deadline(request: &HttpRequest, most: u64) -> Result<Duration, Problem> {
    let Some(value) = request.headers().get(DEADLINE) else {
        return Ok(Duration::from_millis(most));
    };
    let asked = value.to_str().ok().and_then(|value| value.trim().parse::<u64>().ok());
    let asked = asked
        .ok_or_else(|| Problem::bad_request(format!("`{DEADLINE}` is a whole number of milliseconds, such as 500")))?;
    Ok(Duration::from_millis(asked.min(most)))
}

/// Answers every other path.
pub(super) async fn nothing_here(request: HttpRequest, state: Data<SidecarState>) -> Result<HttpResponse, Problem> {
    state.access.program(request.headers())?;
    let shown: String = request.path().chars().take(200).collect();
    Err(Problem::not_found(format!(
        "there is nothing at `{}`: send `POST /render/` and the name of a template",
        shown.escape_debug()
    )))
}

/// Answers other methods.
pub(super) async fn other_method(request: HttpRequest, state: Data<SidecarState>) -> Result<HttpResponse, Problem> {
    state.access.program(request.headers())?;
    Err(Problem::method("POST"))
}
