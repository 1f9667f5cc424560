//! [`Problem`]: the answer to a request that failed (RFC 9457).

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, ResponseError};
use hotplate_actors::{CompareError, PreviewError, RenderFailure, Unavailable};
use serde::Serialize;
use utoipa::{ToResponse, ToSchema};

use super::subjects::Permission;

/// The result of a handler.
pub(crate) type Answered = Result<HttpResponse, Problem>;

/// A failure, as `application/problem+json`.
#[derive(Debug, Clone, Serialize, ToSchema, ToResponse)]
#[response(description = "The request failed", content_type = "application/problem+json")]
pub(crate) struct Problem {
    /// A stable identifier for programs: `urn:hotplate:problem:` and a word that the documentation lists.
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    kind: String,
    /// The kind of problem in words.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// The details of this occurrence, and what to do.
    detail: String,
    #[serde(skip)]
    header: Option<(&'static str, String)>,
}

impl Problem {
    fn new(status: StatusCode, kind: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:hotplate:problem:{kind}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            header: None,
        }
    }

    fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.header = Some((header, value.into()));
        self
    }

    /// Returns the status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad-request",
            "The request is not valid",
            detail,
        )
    }

    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "A valid token is needed",
            detail,
        )
        .with("www-authenticate", "Bearer realm=\"hotplate\"")
    }

    pub(super) fn host_not_known(host: &str) -> Self {
        let shown: String = host.chars().take(100).collect();
        let detail = format!(
            "this listener is not known by the name `{}`: use its address or localhost, or allow the name with `host`",
            shown.escape_debug()
        );
        Self::new(StatusCode::FORBIDDEN, "host-not-known", "The host is not known", detail)
    }

    pub(super) fn another_site() -> Self {
        let detail = "a page of another site sent this request, so it was not carried out; if the page is of this site, let the proxy in front \
                      pass on `Host`, and `X-Forwarded-Proto` if browsers reach it by https";
        Self::new(
            StatusCode::FORBIDDEN,
            "another-site",
            "The request comes from another site",
            detail,
        )
    }

    pub(super) fn forbidden(subject: Option<&str>, permission: Permission) -> Self {
        let (subject, permission) = (subject.unwrap_or("this caller"), permission.as_str());
        let detail = format!(
            "`{subject}` may not do this: it needs `{permission}` for all tenants that it concerns, in `may` and `tenants` of its `[[admin.subject]]`"
        );
        Self::new(StatusCode::FORBIDDEN, "forbidden", "The caller may not do this", detail)
    }

    pub(super) fn nothing_here(path: &str) -> Self {
        let shown: String = path.chars().take(200).collect();
        Self::not_found(format!(
            "there is nothing at `{}`; /admin/v1/openapi.json lists all paths",
            shown.escape_debug()
        ))
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is nothing here", detail)
    }

    pub(crate) fn no_template(name: &str) -> Self {
        let shown: String = name.chars().take(200).collect();
        let detail = format!("there is no template `{}`", shown.escape_debug());
        Self::new(
            StatusCode::NOT_FOUND,
            "no-such-template",
            "There is no such template",
            detail,
        )
    }

    pub(super) fn not_kept(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "version-not-kept",
            "The version is not kept",
            detail,
        )
    }

    pub(super) fn already_served(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "already-served",
            "The version is already served",
            detail,
        )
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "conflict",
            "Another version is served",
            detail,
        )
    }

    pub(super) fn no_preview() -> Self {
        let detail = "there is no such preview, or it is no longer kept (the limits `previews`, `previews_bytes` and `preview_ms`)";
        Self::new(
            StatusCode::NOT_FOUND,
            "no-such-preview",
            "There is no such preview",
            detail,
        )
    }

    /// Returns the problem of an entry of a preview that is not rendered.
    pub(crate) fn not_rendered(failure: RenderFailure) -> Self {
        match failure {
            RenderFailure::NotFound { name, .. } => Self::no_template(&name),
            RenderFailure::Unavailable(unavailable) => unavailable.into(),
            failure => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "not-rendered",
                "The entry cannot be rendered",
                failure.to_string(),
            ),
        }
    }

    #[cfg(feature = "sidecar")]
    pub(crate) fn unserved(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "broken",
            "There is no good version of the template",
            detail,
        )
    }

    pub(super) fn no_log() -> Self {
        let detail = "this program does not allow the filter of its log to be changed at run time";
        Self::new(
            StatusCode::NOT_FOUND,
            "no-log-level",
            "The filter of the log cannot be changed",
            detail,
        )
    }

    pub(super) fn no_hooks() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no-hooks",
            "Webhooks are disabled",
            "no secret is set: set `admin.hook_secret_file` to a file with a secret that the sender knows too",
        )
    }

    pub(super) fn no_loader(name: &str, count: usize) -> Self {
        let shown: String = name.chars().take(200).collect();
        let detail = format!(
            "there is no loader `{}`: loaders have the numbers 0 to {}, and `/admin/v1/health` lists them",
            shown.escape_debug(),
            count.saturating_sub(1)
        );
        Self::new(
            StatusCode::NOT_FOUND,
            "no-such-loader",
            "There is no such loader",
            detail,
        )
    }

    pub(crate) fn method(allowed: &'static str) -> Self {
        let detail = format!("this path allows {allowed}");
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "The method is not allowed",
            detail,
        )
        .with("allow", allowed)
    }

    pub(super) fn too_slow(ms: u64) -> Self {
        let detail = format!("the body did not arrive within {ms} ms");
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "too-slow",
            "The request took too long",
            detail,
        )
    }

    pub(super) fn too_large(bytes: usize) -> Self {
        let detail = format!("the body may have {bytes} bytes at most");
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "The body is too large",
            detail,
        )
    }

    pub(crate) fn not_json() -> Self {
        let detail = "the body must be JSON, with `content-type: application/json`";
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not-json",
            "The body is not JSON",
            detail,
        )
    }

    pub(super) fn refused(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "refused",
            "The value is not accepted",
            detail,
        )
    }

    pub(super) fn too_many(wait: Duration) -> Self {
        let seconds = wait.as_secs() + 1;
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-requests",
            "There are too many requests",
            format!("try again in {seconds} s"),
        )
        .with("retry-after", seconds.to_string())
    }

    /// Returns the answer for a connection while answers that nobody reads use up the memory for them.
    pub(crate) fn unread_answers() -> HttpResponse {
        Self::busy(
            "answers that wait for their clients use up the limit `buffered_bytes`: try again later, or raise it",
        )
        .error_response()
    }

    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "Too many requests are in flight",
            detail,
        )
        .with("retry-after", "1")
    }

    pub(super) fn engine_timeout(ms: u64) -> Self {
        let detail = format!("the engine did not answer within {ms} ms; it may still carry out the request");
        Self::timed_out(detail)
    }

    fn timed_out(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            "engine-timeout",
            "The engine took too long",
            detail,
        )
    }

    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The listener failed",
            detail,
        )
    }
}

impl From<CompareError> for Problem {
    fn from(error: CompareError) -> Self {
        match error {
            CompareError::NotKept(not_kept) => Self::not_kept(not_kept.to_string()),
            CompareError::Unreadable(reason) => Self::refused(reason),
            CompareError::Unavailable(unavailable) => unavailable.into(),
            _ => Self::internal(error.to_string()),
        }
    }
}

impl From<PreviewError> for Problem {
    fn from(error: PreviewError) -> Self {
        match error {
            PreviewError::Unavailable(unavailable) => unavailable.into(),
            error => Self::refused(error.to_string()),
        }
    }
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        match error {
            Unavailable::Busy { .. } => Self::busy(error.to_string()),
            Unavailable::Timeout(_) => Self::timed_out(error.to_string()),
            Unavailable::Down(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "down",
                "The engine has ended",
                error.to_string(),
            ),
            Unavailable::Lost(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "lost",
                "The call was lost",
                error.to_string(),
            )
            .with("retry-after", "1"),
            _ => Self::internal(error.to_string()),
        }
    }
}

impl From<actix_web::error::BlockingError> for Problem {
    fn from(error: actix_web::error::BlockingError) -> Self {
        Self::busy(error.to_string())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        response.insert_header((CONTENT_TYPE, "application/problem+json"));
        if let Some((name, value)) = &self.header {
            response.insert_header((*name, value.as_str()));
        }
        if matches!(
            self.status(),
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT
        ) {
            // Otherwise the server would read the rest of the body only to discard it.
            response.force_close();
        }
        // Strings and numbers always serialize.
        response.body(serde_json::to_string(self).unwrap_or_default())
    }
}
