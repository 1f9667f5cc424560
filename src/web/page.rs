//! [`Page`]: the responder for a rendered entry.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, TryIntoHeaderPair, VARY,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, Responder};
use hotplate_actors::{Freshness, RenderFailure, Rendered, Version};

use super::etag::{self, ETag};
use super::live::PageScript;
use super::{Faults, response, scopes};

/// The source of the `ETag` of a page.
#[derive(Debug, Clone)]
pub(super) enum Validator {
    /// The body as it is sent.
    Body,
    /// The templates of its entry and a cache key chosen by the caller.
    Closure(ETag),
}

/// A page that the browser already has.
#[derive(Debug)]
pub(super) struct NotModified {
    pub(super) etag: ETag,
    pub(super) version: Version,
    pub(super) freshness: &'static str,
}

/// The result of a request for an entry.
#[derive(Debug)]
pub(super) enum PageOutcome {
    /// The rendered text.
    Rendered(Rendered, Validator),
    /// The browser already has the current text.
    Unchanged(NotModified),
    /// The render failed; with how much of the error the visitor may see.
    Failed(RenderFailure, Faults),
}

/// The answer with a rendered entry. The content type follows from the extension. The status is 200 for a current or stale text and
/// 503 for a stand-in. A text with status 200 has an `ETag`, and is answered with 304 if the browser already has it. The header
/// `x-hotplate-version` contains the version of the text, `x-hotplate-freshness` its freshness.
///
/// An entry that fails and has no good version is answered with the stand-in and 503; in development, with the errors.
#[derive(Debug)]
#[must_use]
pub struct Page {
    entry: String,
    outcome: PageOutcome,
    status: Option<StatusCode>,
    headers: HeaderMap,
    script: Option<PageScript>,
}

impl Page {
    /// Creates the page of a rendered text.
    #[cfg(feature = "sidecar")]
    pub(crate) fn of(entry: &str, rendered: Rendered) -> Self {
        Self::new(entry, PageOutcome::Rendered(rendered, Validator::Body))
    }

    pub(super) fn new(entry: &str, outcome: PageOutcome) -> Self {
        Self {
            entry: entry.to_owned(),
            outcome,
            status: None,
            headers: HeaderMap::new(),
            script: None,
        }
    }

    /// Sets the script of live reload for this page.
    pub(super) fn script(mut self, script: Option<PageScript>) -> Self {
        self.script = script;
        self
    }

    /// Sets a status other than 200, such as 404 for a "not found" page. A stand-in is answered with 503 instead, unless the given
    /// status is an error (4xx or 5xx): then that status stays, and the body is a built-in sentence.
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// Adds a header, or replaces one that the page would have by default. An invalid header is ignored.
    pub fn header(mut self, header: impl TryIntoHeaderPair) -> Self {
        if let Ok((name, value)) = header.try_into_pair() {
            self.headers.append(name, value);
        }
        self
    }

    /// Returns the freshness of the text, if the page was rendered.
    #[must_use]
    pub fn freshness(&self) -> Option<&Freshness> {
        match &self.outcome {
            PageOutcome::Rendered(rendered, _) => Some(&rendered.freshness),
            PageOutcome::Unchanged(_) | PageOutcome::Failed(..) => None,
        }
    }

    /// Returns the failure, if the render failed.
    #[must_use]
    pub fn failure(&self) -> Option<&RenderFailure> {
        match &self.outcome {
            PageOutcome::Failed(failure, _) => Some(failure),
            PageOutcome::Rendered(..) | PageOutcome::Unchanged(_) => None,
        }
    }

    /// Builds the HTTP response.
    #[must_use]
    pub fn into_response(self, request: &HttpRequest) -> HttpResponse {
        let Self {
            entry,
            outcome,
            status,
            headers,
            script,
        } = self;
        // An error page reports something that does not depend on its own template, so its status stays when the template fails.
        let error = status.filter(|status| status.is_client_error() || status.is_server_error());
        let mut answer = match (outcome, error) {
            (PageOutcome::Rendered(rendered, _), Some(status)) if is_stand_in(&rendered) => {
                response::error_page(request, status, script)
            }
            (PageOutcome::Rendered(rendered, validator), _) => {
                let kind = response::content_type(&entry);
                let script = script.filter(|_| is_html(kind, &headers) && !headers.contains_key(CONTENT_ENCODING));
                text(request, rendered, validator, status, kind, script, &headers)
            }
            (
                PageOutcome::Unchanged(NotModified {
                    etag,
                    version,
                    freshness,
                }),
                _,
            ) => response::unchanged(&etag, version, freshness),
            (PageOutcome::Failed(failure, faults), error) => {
                response::failed(request, &entry, error, &failure, faults, script)
            }
        };
        let named: Vec<HeaderName> = headers.keys().cloned().collect();
        for name in named {
            answer.headers_mut().remove(&name);
        }
        for (name, value) in headers {
            answer.headers_mut().append(name, value);
        }
        answer
    }
}

/// Returns true if the text is the stand-in for a template without a good version.
fn is_stand_in(rendered: &Rendered) -> bool {
    matches!(rendered.freshness, Freshness::Fallback { .. })
}

/// Returns true if a browser interprets the answer as HTML.
fn is_html(kind: &str, headers: &HeaderMap) -> bool {
    match headers.get(CONTENT_TYPE) {
        Some(chosen) => chosen.as_bytes().to_ascii_lowercase().starts_with(b"text/html"),
        None => kind == response::HTML,
    }
}

/// Builds the response for a rendered text.
fn text(
    request: &HttpRequest,
    rendered: Rendered,
    validator: Validator,
    status: Option<StatusCode>,
    kind: &'static str,
    script: Option<PageScript>,
    headers: &HeaderMap,
) -> HttpResponse {
    let (default_status, freshness) = response::status(&rendered.freshness);
    let status = status
        .filter(|_| default_status == StatusCode::OK)
        .unwrap_or(default_status);
    let version = rendered.text_version();
    let timing = script.as_ref().map(PageScript::timing);
    let body = match script {
        Some(script) => script.inject(request, rendered.body, headers),
        // The buffer that the page was rendered into is sent without a copy.
        None => Bytes::from(rendered.body),
    };
    let etag = (status == StatusCode::OK).then(|| match validator {
        Validator::Closure(etag) => etag,
        Validator::Body => ETag::of_body(&body).in_scope(&scopes::scope_of(request)),
    });
    let mut answer = match &etag {
        Some(etag) if etag::is_known(request, etag) => return response::unchanged(etag, version, freshness),
        _ => HttpResponse::build(status),
    };
    answer.insert_header((CONTENT_TYPE, HeaderValue::from_static(kind)));
    answer.insert_header((CACHE_CONTROL, HeaderValue::from_static(response::NO_CACHE)));
    if let Some(etag) = &etag {
        answer.insert_header((ETAG, etag.value()));
    }
    if let Some(timing) = timing {
        answer.insert_header(timing);
        answer.insert_header((VARY, HeaderValue::from_static(response::VARIES)));
    }
    response::describe(&mut answer, version, freshness).body(body)
}

impl Responder for Page {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        self.into_response(request)
    }
}
