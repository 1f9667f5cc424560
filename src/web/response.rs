//! Builds HTTP responses from the results of renders.

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, RETRY_AFTER};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use hotplate_actors::{Freshness, RenderFailure, TemplateName, Version};

use super::Faults;
use super::escaped::escaped;
use super::etag::ETag;
use super::live::PageScript;

const PLAIN: &str = "text/plain; charset=utf-8";
/// The content type of HTML pages.
pub(super) const HTML: &str = "text/html; charset=utf-8";
/// `Cache-Control` for pages: a cache may store them, and has to revalidate them before each use.
pub(super) const NO_CACHE: &str = "no-cache";
/// `Vary` in development, where a script that fetches a page gets it without the script of live reload.
pub(super) const VARIES: &str = "sec-fetch-dest, x-hotplate-live";

/// Returns the status and the word for a freshness.
pub(super) fn status(freshness: &Freshness) -> (StatusCode, &'static str) {
    let status = match freshness {
        Freshness::Current | Freshness::Stable { .. } | Freshness::Stale { .. } => StatusCode::OK,
        Freshness::Fallback { .. } => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, freshness.as_str())
}

/// Adds the headers for version and freshness.
pub(super) fn describe<'b>(
    answer: &'b mut HttpResponseBuilder,
    version: Version,
    freshness: &'static str,
) -> &'b mut HttpResponseBuilder {
    answer.insert_header(("x-hotplate-version", version.number()));
    answer.insert_header(("x-hotplate-freshness", HeaderValue::from_static(freshness)))
}

/// Removes the headers that [`describe`] adds.
pub(super) fn remove_headers(headers: &mut HeaderMap) {
    for name in ["x-hotplate-version", "x-hotplate-freshness"] {
        headers.remove(name);
    }
}

/// Answers 304: the browser already has the page.
pub(super) fn unchanged(etag: &ETag, version: Version, freshness: &'static str) -> HttpResponse {
    let mut answer = HttpResponse::NotModified();
    answer.insert_header((ETAG, etag.value()));
    answer.insert_header((CACHE_CONTROL, HeaderValue::from_static(NO_CACHE)));
    describe(&mut answer, version, freshness).finish()
}

/// Answers 404 for a site without a `404.html`; to its author with a page that lists its pages.
pub(super) fn not_found(request: &HttpRequest, pages: Option<String>, script: Option<PageScript>) -> HttpResponse {
    match (pages, script) {
        (Some(page), Some(script)) if accepts_html(request) => {
            let page = script.inject(request, page, &HeaderMap::new());
            answer(StatusCode::NOT_FOUND, HTML, page)
        }
        (_, script) => error_page(request, StatusCode::NOT_FOUND, script),
    }
}

/// Answers with an error whose own page cannot be shown: a built-in sentence, with the status that the page would have had.
pub(super) fn error_page(request: &HttpRequest, status: StatusCode, script: Option<PageScript>) -> HttpResponse {
    text_answer(request, status, sentence(status), script)
}

/// Answers with the built-in sentence of a status.
pub(super) fn plain(status: StatusCode) -> HttpResponse {
    answer(status, PLAIN, format!("{}\n", sentence(status)).into())
}

fn sentence(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => "There is no page here.",
        StatusCode::FORBIDDEN => "You may not see this page.",
        _ => "This page cannot be shown at the moment.",
    }
}

/// Answers 503 for a site whose templates do not exist yet.
pub(super) fn no_pages_yet(request: &HttpRequest, script: Option<PageScript>) -> HttpResponse {
    let text = "This site has no pages yet.";
    let mut answer = text_answer(request, StatusCode::SERVICE_UNAVAILABLE, text, script);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    answer
}

/// Answers a failed render. `error` is the status of a page that itself reports an error; this status is kept.
pub(super) fn failed(
    request: &HttpRequest,
    entry: &str,
    error: Option<StatusCode>,
    failure: &RenderFailure,
    faults: Faults,
    script: Option<PageScript>,
) -> HttpResponse {
    let status = error.unwrap_or(match failure {
        // A handler that names an unknown template is a defect of the program, so the status is 500; 404 would blame the address.
        RenderFailure::NotFound { .. } | RenderFailure::Failed(_) | RenderFailure::Context(_) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ => StatusCode::SERVICE_UNAVAILABLE,
    });
    match faults {
        Faults::Shown => text_answer(request, status, &failure.to_string(), script),
        Faults::Hidden => {
            match failure {
                RenderFailure::NotFound { .. } => {
                    tracing::error!(entry, %failure, "a page cannot be shown");
                    hotplate_actors::warn_without_subscriber(format_args!("{entry} cannot be shown: {failure}"));
                }
                // The engine logs the fault once, and once more when it is fixed, so it is not logged for each visitor.
                _ => tracing::debug!(entry, %failure, "a page cannot be shown"),
            }
            error_page(request, status, None)
        }
    }
}

/// Answers with a sentence: plain text, or in development an HTML page with live reload.
fn text_answer(request: &HttpRequest, status: StatusCode, text: &str, script: Option<PageScript>) -> HttpResponse {
    let html = script.filter(|_| accepts_html(request)).map(|script| {
        let text = escaped(text);
        let page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{}</title></head>\n\
             <body><pre>{text}</pre></body>\n</html>\n",
            status.canonical_reason().unwrap_or("Not now"),
        );
        script.inject(request, page, &HeaderMap::new())
    });
    let (kind, body) = match html {
        Some(page) => (HTML, page),
        None => (PLAIN, format!("{text}\n").into()),
    };
    answer(status, kind, body)
}

fn answer(status: StatusCode, kind: &'static str, body: Bytes) -> HttpResponse {
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

/// Returns the content type by the extension of an entry. `page.html.j2` is HTML.
pub(super) fn content_type(entry: &str) -> &'static str {
    let name = TemplateName::new(entry);
    let output = name.as_ref().map_or(entry, TemplateName::output_name);
    match output.rsplit_once('.').map(|(_, extension)| extension) {
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
