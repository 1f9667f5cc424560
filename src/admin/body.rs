//! Reads the bodies and queries of requests. A body is bounded in bytes and in time.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BodyStream, BoxBody, MessageBody};
use actix_web::dev::{Payload as Incoming, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_TYPE, TRANSFER_ENCODING};
use actix_web::web::{Bytes, BytesMut, Payload};
use actix_web::{HttpMessage, HttpRequest, rt};
use serde::de::DeserializeOwned;

use super::limits::AdminLimits;
use super::problem::Problem;

type Unread = Pin<Box<BodyStream<Incoming>>>;

/// A request that is answered with a problem.
pub(super) struct RefusedRequest {
    pub(super) problem: Problem,
    /// The rest of its body, which the client may still send.
    pub(super) unread: Option<Unread>,
}

impl From<Problem> for RefusedRequest {
    fn from(problem: Problem) -> Self {
        Self { problem, unread: None }
    }
}

/// Reads a body of unknown length before the request is handled. When a body is dropped, the server reads the rest of it, and a body of
/// unknown length may have no end.
pub(super) async fn arrive(request: &mut ServiceRequest, limits: &AdminLimits) -> Result<(), RefusedRequest> {
    if !request.headers().contains_key(TRANSFER_ENCODING) {
        return Ok(());
    }
    let mut unread: Unread = Box::pin(BodyStream::new(request.take_payload()));
    let reading = async {
        let mut body = BytesMut::new();
        while let Some(part) = poll_fn(|context| unread.as_mut().poll_next(context)).await {
            let part = part.map_err(|error| broken_off(&error, limits.connection.request_ms))?;
            if body.len() + part.len() > limits.body_bytes {
                return Err(Problem::too_large(limits.body_bytes));
            }
            body.extend_from_slice(&part);
        }
        Ok(body.freeze())
    };
    match reading.await {
        Ok(body) => {
            request.set_payload(Incoming::from(body));
            Ok(())
        }
        Err(problem) => Err(RefusedRequest {
            problem,
            unread: Some(unread),
        }),
    }
}

/// The body of an answer to a request that was not read to its end. It holds the rest until the answer is sent, so that the server closes
/// the connection instead of reading on.
pub(super) struct WithUnread {
    body: BoxBody,
    _unread: Option<Unread>,
}

impl WithUnread {
    pub(super) fn new(body: BoxBody, unread: Option<Unread>) -> Self {
        Self { body, _unread: unread }
    }
}

impl MessageBody for WithUnread {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

/// Reads the whole body.
pub(super) async fn read(payload: Payload, limits: &AdminLimits) -> Result<Bytes, Problem> {
    read_at_most(payload, limits.body_bytes, limits.connection.request_ms).await
}

/// Reads the whole body, of a number of bytes and within a time at most.
pub(crate) async fn read_at_most(payload: Payload, bytes_max: usize, within_ms: u64) -> Result<Bytes, Problem> {
    let reading = rt::time::timeout(Duration::from_millis(within_ms), payload.to_bytes_limited(bytes_max));
    match reading.await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(error))) => Err(match error.as_error() {
            Some(error) => broken_off(error, within_ms),
            None => Problem::bad_request(format!("the body ends early: {error}")),
        }),
        Ok(Err(_)) => Err(Problem::too_large(bytes_max)),
        Err(_) => Err(Problem::too_slow(within_ms)),
    }
}

/// Returns the problem of a body that ends early or takes longer than a time.
fn broken_off(error: &PayloadError, within_ms: u64) -> Problem {
    match error {
        PayloadError::Io(error) if error.kind() == ErrorKind::TimedOut => Problem::too_slow(within_ms),
        error => Problem::bad_request(format!("the body ends early: {error}")),
    }
}

/// Returns the media type of the body, without parameters.
pub(crate) fn media_type(request: &HttpRequest) -> &str {
    let value = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    value.unwrap_or_default().split(';').next().unwrap_or_default().trim()
}

/// Parses the body as JSON.
pub(super) fn json<T: DeserializeOwned>(request: &HttpRequest, body: &[u8]) -> Result<T, Problem> {
    if !media_type(request).eq_ignore_ascii_case("application/json") {
        return Err(Problem::not_json());
    }
    serde_json::from_slice(body).map_err(|error| Problem::bad_request(format!("the body is not valid: {error}")))
}

/// Parses the body as JSON; a request without a body, or with `null`, has the default.
pub(super) fn json_or_default<T: DeserializeOwned + Default>(request: &HttpRequest, body: &[u8]) -> Result<T, Problem> {
    match body.is_empty() {
        true => Ok(T::default()),
        false => Ok(json::<Option<T>>(request, body)?.unwrap_or_default()),
    }
}

/// Parses the query of a request.
pub(super) fn query<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Problem> {
    let parsed = actix_web::web::Query::<T>::from_query(request.query_string());
    parsed
        .map(actix_web::web::Query::into_inner)
        .map_err(|error| Problem::bad_request(format!("the query is not valid: {error}")))
}
