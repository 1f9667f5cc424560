//! Server-sent events as a server writes them (HTML Standard, section 9.2).

use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, HttpResponseBuilder};

/// A comment, which is sent when there is nothing else to send, because a server notices only by writing that a client has disconnected.
pub(crate) const KEEP_ALIVE: Bytes = Bytes::from_static(b":\n\n");

/// Returns the beginning of an answer whose body is a stream of events. Its headers keep caches, nginx and the compression of the app from
/// buffering the stream.
pub(crate) fn response() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header(("x-accel-buffering", "no"))
        .insert_header((CONTENT_ENCODING, "identity"));
    response
}

/// Encodes an event. An event without an `id` does not change where its client resumes. JSON escapes line breaks, so the data is one line.
pub(crate) fn event(id: Option<&str>, name: &str, json: &str) -> Bytes {
    let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    Bytes::from(format!("{id}event: {name}\ndata: {json}\n\n"))
}
