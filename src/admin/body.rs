//! Reading what a client sends: bounded in bytes and in time.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BodyStream, BoxBody, MessageBody};
use actix_web::dev::{Payload as Incoming, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_TYPE, TRANSFER_ENCODING};
use actix_web::web::{Bytes, BytesMut, Payload};
use actix_web::{HttpMessage, HttpRequest};
use serde::de::DeserializeOwned;

use super::limits::AdminLimits;
use super::problem::Problem;

type Unread = Pin<Box<BodyStream<Incoming>>>;

/// A request that is not answered otherwise than by a problem.
pub(super) struct RefusedRequest {
    pub(super) problem: Problem,
    /// What its client would still send.
    pub(super) unread: Option<Unread>,
}

impl From<Problem> for RefusedRequest {
    fn from(problem: Problem) -> Self {
        Self { problem, unread: None }
    }
}

/// Waits for a body of which nobody said how long it is. Once nobody holds such a body any more, the server would read it to its
/// end, and it may have none.
pub(super) async fn arrive(request: &mut ServiceRequest, limits: &AdminLimits) -> Result<(), RefusedRequest> {
    if !request.headers().contains_key(TRANSFER_ENCODING) {
        return Ok(());
    }
    let mut unread: Unread = Box::pin(BodyStream::new(request.take_payload()));
    let reading = async {
        let mut body = BytesMut::new();
        while let Some(part) = poll_fn(|context| unread.as_mut().poll_next(context)).await {
            let part = part.map_err(|error| broken_off(&error, limits))?;
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

/// The body of an answer to a request of which something is unread: it is held until the answer is sent, so that the server
/// ends the connection instead of reading on.
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

/// The whole body.
pub(super) async fn read(payload: Payload, limits: &AdminLimits) -> Result<Bytes, Problem> {
    match payload.to_bytes_limited(limits.body_bytes).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) => Err(match error.as_error() {
            Some(error) => broken_off(error, limits),
            None => Problem::bad_request(format!("the body breaks off: {error}")),
        }),
        Err(_) => Err(Problem::too_large(limits.body_bytes)),
    }
}

/// A body that does not come to its end: the server gives each the time `request_ms`.
fn broken_off(error: &PayloadError, limits: &AdminLimits) -> Problem {
    match error {
        PayloadError::Io(error) if error.kind() == ErrorKind::TimedOut => {
            Problem::too_slow(limits.connection.request_ms)
        }
        error => Problem::bad_request(format!("the body breaks off: {error}")),
    }
}

/// The body as JSON.
pub(super) fn json<T: DeserializeOwned>(request: &HttpRequest, body: &[u8]) -> Result<T, Problem> {
    let media_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Problem::not_json());
    }
    serde_json::from_slice(body).map_err(|error| Problem::bad_request(format!("the body does not fit: {error}")))
}

/// The query of a request.
pub(super) fn query<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Problem> {
    let parsed = actix_web::web::Query::<T>::from_query(request.query_string());
    parsed
        .map(actix_web::web::Query::into_inner)
        .map_err(|error| Problem::bad_request(format!("the query does not fit: {error}")))
}
