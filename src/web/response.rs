//! What an outcome looks like over HTTP.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use hotplate_actors::{Freshness, RenderFailure, Rendered};

use super::Faults;

const PLAIN: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// An answer of the engine.
pub(super) fn rendered(entry: &str, rendered: Rendered) -> HttpResponse {
    let (status, freshness) = match rendered.freshness {
        Freshness::Current => (StatusCode::OK, "current"),
        Freshness::Stale { .. } => (StatusCode::OK, "stale"),
        Freshness::Fallback { .. } => (StatusCode::SERVICE_UNAVAILABLE, "fallback"),
    };
    HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, content_type(entry)))
        .insert_header(("cache-control", "no-cache"))
        .insert_header(("x-hotplate-version", rendered.version.number()))
        .insert_header(("x-hotplate-freshness", freshness))
        .body(rendered.body)
}

/// The site's own page for unknown paths. A page that failed says that it did.
pub(super) fn not_found(mut page: HttpResponse) -> HttpResponse {
    if page.status() == StatusCode::OK {
        *page.status_mut() = StatusCode::NOT_FOUND;
    }
    page
}

/// For a site that has no page for unknown paths.
pub(super) fn nothing_there() -> HttpResponse {
    HttpResponse::NotFound()
        .insert_header((CONTENT_TYPE, PLAIN))
        .body("There is no page here.\n")
}

/// No answer of the engine.
pub(super) fn failed(entry: &str, failure: &RenderFailure, faults: Faults) -> HttpResponse {
    let status = match failure {
        RenderFailure::NotFound { .. } => StatusCode::NOT_FOUND,
        RenderFailure::Failed(_) | RenderFailure::Context(_) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let text = match faults {
        Faults::Shown => format!("{failure}\n"),
        Faults::Hidden => "This page cannot be shown at the moment.\n".to_owned(),
    };
    if faults == Faults::Hidden {
        tracing::error!(entry, %failure, "a page cannot be shown");
    }
    HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, PLAIN))
        .insert_header(("cache-control", "no-cache"))
        .body(text)
}

fn content_type(entry: &str) -> &'static str {
    match entry.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html" | "htm") => HTML,
        Some("xml") => "application/xml; charset=utf-8",
        Some("svg") => "image/svg+xml; charset=utf-8",
        Some("md") => "text/markdown; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        _ => PLAIN,
    }
}
