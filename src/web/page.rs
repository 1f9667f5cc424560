//! [`Page`]: the answer to a request, a responder.

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
use super::{Faults, response};

/// What a page is recognised by.
#[derive(Debug, Clone)]
pub(super) enum Validator {
    /// What is sent.
    Body,
    /// The texts of its entry, and a word of the caller.
    Closure(ETag),
}

/// A page that the browser has already.
#[derive(Debug)]
pub(super) struct NotModified {
    pub(super) etag: ETag,
    pub(super) version: Version,
    pub(super) freshness: &'static str,
}

/// What became of a request for an entry.
#[derive(Debug)]
pub(super) enum PageOutcome {
    /// A text.
    Rendered(Rendered, Validator),
    /// The text that the browser has already.
    Unchanged(NotModified),
    /// None, and what of that may be seen.
    Failed(RenderFailure, Faults),
}

/// An entry as an answer: content type by its extension; status 200 where it is current or stale, 503 for a stand-in; `ETag`, and
/// 304 where the browser has it already. `x-hotplate-version` says which version its text is from, `x-hotplate-freshness` what it is.
///
/// What fails and has no good version is answered with the stand-in and 503; for its author, in development, with what is wrong.
#[derive(Debug)]
#[must_use]
pub struct Page {
    entry: String,
    outcome: PageOutcome,
    status: Option<StatusCode>,
    headers: HeaderMap,
    shown: Option<PageScript>,
}

impl Page {
    pub(super) fn new(entry: &str, outcome: PageOutcome) -> Self {
        Self {
            entry: entry.to_owned(),
            outcome,
            status: None,
            headers: HeaderMap::new(),
            shown: None,
        }
    }

    /// The same with what a browser has to know of it in development.
    pub(super) fn shown(mut self, shown: Option<PageScript>) -> Self {
        self.shown = shown;
        self
    }

    /// Another status than 200, such as 404 for a page that says so. A stand-in is 503 instead, unless the status is itself one of an
    /// error (4xx or 5xx): then it stays, and where the template has no good version the answer is a built-in sentence.
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// One more header, or another value of one that it would have. One that is not valid is left out.
    pub fn header(mut self, header: impl TryIntoHeaderPair) -> Self {
        if let Ok((name, value)) = header.try_into_pair() {
            self.headers.append(name, value);
        }
        self
    }

    /// How fresh it is, if it was rendered.
    #[must_use]
    pub fn freshness(&self) -> Option<&Freshness> {
        match &self.outcome {
            PageOutcome::Rendered(rendered, _) => Some(&rendered.freshness),
            PageOutcome::Unchanged(_) | PageOutcome::Failed(..) => None,
        }
    }

    /// Why there is none, if it failed.
    #[must_use]
    pub fn failure(&self) -> Option<&RenderFailure> {
        match &self.outcome {
            PageOutcome::Failed(failure, _) => Some(failure),
            PageOutcome::Rendered(..) | PageOutcome::Unchanged(_) => None,
        }
    }

    /// The answer.
    #[must_use]
    pub fn into_response(self, request: &HttpRequest) -> HttpResponse {
        let Self {
            entry,
            outcome,
            status,
            headers,
            shown,
        } = self;
        // What such a page is about does not depend on its template.
        let error = status.filter(|status| status.is_client_error() || status.is_server_error());
        let mut answer = match (outcome, error) {
            (PageOutcome::Rendered(rendered, _), Some(status)) if is_stand_in(&rendered) => {
                response::error_page(request, status, shown)
            }
            (PageOutcome::Rendered(rendered, validator), _) => {
                let kind = response::content_type(&entry);
                let shown = shown.filter(|_| is_html(kind, &headers) && !headers.contains_key(CONTENT_ENCODING));
                text(request, rendered, validator, status, kind, shown, &headers)
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
                response::failed(request, &entry, error, &failure, faults, shown)
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

/// Returns true for the text of another template, in place of one that has no good version.
fn is_stand_in(rendered: &Rendered) -> bool {
    matches!(rendered.freshness, Freshness::Fallback { .. })
}

/// Whether a browser will take it as HTML.
fn is_html(kind: &str, headers: &HeaderMap) -> bool {
    match headers.get(CONTENT_TYPE) {
        Some(chosen) => chosen.as_bytes().to_ascii_lowercase().starts_with(b"text/html"),
        None => kind == response::HTML,
    }
}

/// The answer with a text.
fn text(
    request: &HttpRequest,
    rendered: Rendered,
    validator: Validator,
    status: Option<StatusCode>,
    kind: &'static str,
    shown: Option<PageScript>,
    headers: &HeaderMap,
) -> HttpResponse {
    let (ours, freshness) = response::status(&rendered.freshness);
    let status = status.filter(|_| ours == StatusCode::OK).unwrap_or(ours);
    let version = rendered.text_version();
    let timing = shown.as_ref().map(PageScript::timing);
    let body = match shown {
        Some(shown) => shown.inject(request, rendered.body, headers),
        // The very memory that it was rendered into.
        None => Bytes::from(rendered.body),
    };
    let etag = (status == StatusCode::OK).then(|| match validator {
        Validator::Closure(etag) => etag,
        Validator::Body => ETag::of_body(&body),
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
