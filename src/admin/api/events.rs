//! The stream of events.

use actix_web::HttpRequest;
use actix_web::web::Data;

use super::Answered;
use crate::admin::problem::Problem;
use crate::admin::state::{AdminState, json};
use crate::admin::stream;
use crate::metrics::now_ms;

/// Streams events as Server-Sent Events
///
/// `current` (CurrentAnswer) comes first, `published` (PublicationAnswer) for each version, `fallback` (FallbackEvent) for
/// templates for which something other than their newest text is served, the first hundred of a version, `actor-failed`
/// (ActorFailedEvent), and `lagged` before the end for a client that is too slow. A client that reconnects with `Last-Event-ID`
/// gets the events that it missed, or `current` if they are no longer kept.
#[utoipa::path(get, path = "/admin/v1/events", tag = "versions", security(("token" = [])),
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that the client got")),
    responses(
        (status = 200, description = "A stream of events without end", body = String, content_type = "text/event-stream"),
        (status = "default", response = Problem),
    ))]
pub(super) async fn events(request: HttpRequest, state: Data<AdminState>) -> Answered {
    let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok());
    stream::answer(
        &state.client_slots,
        state.access.reader(request.method(), request.headers(), now_ms())?,
        state.events.start(last),
        || ("current", json(&state.current())),
    )
}
