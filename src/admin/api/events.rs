//! What happens, as it happens.

use actix_web::HttpRequest;
use actix_web::web::Data;

use super::Answered;
use crate::admin::access::Admission;
use crate::admin::problem::Problem;
use crate::admin::state::{AdminState, json};
use crate::admin::stream;

/// What happens, as Server-Sent Events
///
/// `current` (CurrentAnswer) comes first, `published` (PublicationAnswer) for each version, `fallback` (FallbackEvent) for
/// templates of which something else than the newest text is served, the first hundred of a version, `actor-failed`
/// (ActorFailedEvent), and `lagged` before the end for a client that is too slow. A client that comes back with `Last-Event-ID`
/// gets what it missed, or `current` where that is not known any more.
#[utoipa::path(get, path = "/admin/v1/events", tag = "versions", security(("token" = [])),
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the event that was seen last")),
    responses(
        (status = 200, description = "Events without end", body = String, content_type = "text/event-stream"),
        (status = "default", response = Problem),
    ))]
pub(super) async fn events(request: HttpRequest, state: Data<AdminState>) -> Answered {
    let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok());
    stream::answer(&state.places, Admission::LASTING, state.events.start(last), || {
        ("current", json(&state.current()))
    })
}
