//! Reading what a client sends: bounded in bytes and in time.

use std::time::Duration;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, Payload};
use actix_web::{HttpRequest, rt};
use serde::de::DeserializeOwned;

use super::limits::AdminLimits;
use super::problem::Problem;

/// The whole body.
pub(super) async fn read(payload: Payload, limits: &AdminLimits) -> Result<Bytes, Problem> {
    let reading = payload.to_bytes_limited(limits.body_bytes);
    match rt::time::timeout(Duration::from_millis(limits.request_ms), reading).await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(error))) => Err(Problem::bad_request(format!("the body breaks off: {error}"))),
        Ok(Err(_)) => Err(Problem::too_large(limits.body_bytes)),
        Err(_) => Err(Problem::too_slow(limits.request_ms)),
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
