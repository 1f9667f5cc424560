//! What an outcome looks like over HTTP.

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use hotplate_actors::{Freshness, RenderFailure, Version};

use super::Faults;
use super::escaped::escaped;
use super::etag::ETag;
use super::live::PageScript;

const PLAIN: &str = "text/plain; charset=utf-8";
/// What pages are.
pub(super) const HTML: &str = "text/html; charset=utf-8";
/// Keep it, and ask before you show it.
pub(super) const NO_CACHE: &str = "no-cache";
/// In development the answer to a script is another one.
pub(super) const VARIES: &str = "sec-fetch-dest, x-hotplate-live";

/// Status and word for a freshness.
pub(super) fn status(freshness: &Freshness) -> (StatusCode, &'static str) {
    match freshness {
        Freshness::Current => (StatusCode::OK, "current"),
        Freshness::Stale { .. } => (StatusCode::OK, "stale"),
        Freshness::Fallback { .. } => (StatusCode::SERVICE_UNAVAILABLE, "fallback"),
    }
}

/// Says which version it is, and how fresh.
pub(super) fn describe<'b>(
    answer: &'b mut HttpResponseBuilder,
    version: Version,
    freshness: &'static str,
) -> &'b mut HttpResponseBuilder {
    answer.insert_header(("x-hotplate-version", version.number()));
    answer.insert_header(("x-hotplate-freshness", HeaderValue::from_static(freshness)))
}

/// Takes back what [`describe`] says.
pub(super) fn undescribe(headers: &mut HeaderMap) {
    for name in ["x-hotplate-version", "x-hotplate-freshness"] {
        headers.remove(name);
    }
}

/// The browser has it already.
pub(super) fn unchanged(etag: &ETag, version: Version, freshness: &'static str) -> HttpResponse {
    let mut answer = HttpResponse::NotModified();
    answer.insert_header((ETAG, etag.value()));
    answer.insert_header((CACHE_CONTROL, HeaderValue::from_static(NO_CACHE)));
    describe(&mut answer, version, freshness).finish()
}

/// For a site that has no page for unknown paths.
pub(super) fn nothing_there(request: &HttpRequest, shown: Option<PageScript>) -> HttpResponse {
    error_page(request, StatusCode::NOT_FOUND, shown)
}

/// Answers with an error whose own page cannot be shown: a built-in sentence, with the status that the page would have had.
pub(super) fn error_page(request: &HttpRequest, status: StatusCode, shown: Option<PageScript>) -> HttpResponse {
    told(request, status, sentence(status), shown)
}

fn sentence(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => "There is no page here.",
        _ => "This page cannot be shown at the moment.",
    }
}

/// For a site whose templates are not there yet.
pub(super) fn not_there_yet(request: &HttpRequest, shown: Option<PageScript>) -> HttpResponse {
    let text = "This site has no pages yet.";
    let mut answer = told(request, StatusCode::SERVICE_UNAVAILABLE, text, shown);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    answer
}

/// No answer of the engine. With `error` the page was to say that something else went wrong, and that is still so.
pub(super) fn failed(
    request: &HttpRequest,
    entry: &str,
    error: Option<StatusCode>,
    failure: &RenderFailure,
    faults: Faults,
    shown: Option<PageScript>,
) -> HttpResponse {
    let status = error.unwrap_or(match failure {
        // Who names a template that is not there has made a mistake; that the address is wrong would be another thing to say.
        RenderFailure::NotFound { .. } | RenderFailure::Failed(_) | RenderFailure::Context(_) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ => StatusCode::SERVICE_UNAVAILABLE,
    });
    match faults {
        Faults::Shown => told(request, status, &failure.to_string(), shown),
        Faults::Hidden => {
            match failure {
                RenderFailure::NotFound { .. } => {
                    tracing::error!(entry, %failure, "a page cannot be shown");
                    hotplate_actors::unheard(format_args!("{entry} cannot be shown: {failure}"));
                }
                // The engine has said so once, and says it again when it goes on: not for each visitor.
                _ => tracing::debug!(entry, %failure, "a page cannot be shown"),
            }
            error_page(request, status, None)
        }
    }
}

/// An answer in words: plain text, or in development a page that can follow what becomes of it.
fn told(request: &HttpRequest, status: StatusCode, text: &str, shown: Option<PageScript>) -> HttpResponse {
    let html = shown.filter(|_| accepts_html(request)).map(|shown| {
        let text = escaped(text);
        let page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{}</title></head>\n\
             <body><pre>{text}</pre></body>\n</html>\n",
            status.canonical_reason().unwrap_or("Not now"),
        );
        shown.inject(request, page, &HeaderMap::new())
    });
    let (kind, body) = match html {
        Some(page) => (HTML, page),
        None => (PLAIN, format!("{text}\n").into()),
    };
    HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, HeaderValue::from_static(kind)))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static(NO_CACHE)))
        .body(body)
}

fn accepts_html(request: &HttpRequest) -> bool {
    let mut accepted = request
        .headers()
        .get_all(ACCEPT)
        .filter_map(|value| value.to_str().ok());
    accepted.any(|value| value.contains("text/html"))
}

/// By the extension of an entry.
pub(super) fn content_type(entry: &str) -> &'static str {
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
