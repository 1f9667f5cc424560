//! The limits of the admin listener, with their units and defaults.

use serde::{Deserialize, Serialize};

use crate::ConnectionLimits;

/// The path of previews.
pub(super) const PREVIEWS: &str = "/admin/v1/previews";
/// The path of webhooks.
const HOOKS: &str = "/admin/v1/hooks/";

/// The limits of the admin listener. Each field has a default; set the fields that you want to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminLimits {
    /// Bytes of the body of a request. No request needs more than a line.
    pub body_bytes: usize,
    /// The time for the engine to answer a call, in milliseconds.
    pub call_ms: u64,
    /// The time and memory that connections may use. `connections` is the limit of the whole listener.
    #[serde(flatten)]
    pub connection: ConnectionLimits,
    /// Clients of events at once; one more is answered 503.
    pub event_clients: usize,
    /// Events that are kept for clients that reconnect and for slow clients. A client that is further behind is sent `lagged` and
    /// disconnected.
    pub events: usize,
    /// Bytes of events that are kept.
    pub events_bytes: usize,
    /// Requests in a second, on average; more are answered 429.
    pub requests_per_second: u32,
    /// Requests that may arrive at once before the average applies.
    pub requests_burst: u32,
    /// Requests without the token in a second, on average, signing in included. They are counted separately, so that they do not use up the
    /// rate of operators.
    pub unauthenticated_per_second: u32,
    /// Requests without the token that may come at once.
    pub unauthenticated_burst: u32,
    /// Requests that change something in a second, on average.
    pub changes_per_second: u32,
    /// Requests that change something and may come at once.
    pub changes_burst: u32,
    /// Templates in one answer; the next ones are listed with `after`.
    pub page_templates: usize,
    /// Bytes of texts in one answer.
    pub page_bytes: usize,
    /// Nodes of the graph in one answer.
    pub graph_nodes: usize,
    /// Answers that are kept for an `Idempotency-Key`.
    pub idempotency_keys: usize,
    /// Bytes of these answers. When they exceed it, the oldest are forgotten, and a request that repeats their key is carried out again.
    /// The newest stays.
    pub idempotency_bytes: usize,
    /// The time that these answers are kept, in milliseconds.
    pub idempotency_ms: u64,
    /// Bytes of the body of a request for a preview: its texts. `limits.preview_bytes` bounds the texts as well.
    pub preview_body_bytes: usize,
    /// Bytes of the body of a webhook.
    pub hook_body_bytes: usize,
    /// Previews that are kept; one more drops the oldest.
    pub previews: usize,
    /// Bytes of memory that these previews take: compiled texts and outputs. Beyond it, the oldest are dropped. The newest stays.
    pub previews_bytes: usize,
    /// The time that a preview is kept, in milliseconds.
    pub preview_ms: u64,
    /// Sessions of the dashboard at once; one more ends the oldest.
    pub sessions: usize,
    /// The time that a session of the dashboard lasts, in milliseconds.
    pub session_ms: u64,
}

impl Default for AdminLimits {
    fn default() -> Self {
        Self {
            body_bytes: 64 * 1024,
            call_ms: 60_000,
            connection: ConnectionLimits {
                connections: 4_096,
                keep_alive_ms: 0,
                buffered_bytes: 64 * 1024 * 1024,
                ..ConnectionLimits::default()
            },
            event_clients: 2_048,
            events: 1_024,
            events_bytes: 8 * 1024 * 1024,
            requests_per_second: 1_000,
            requests_burst: 4_096,
            unauthenticated_per_second: 20,
            unauthenticated_burst: 200,
            changes_per_second: 10,
            changes_burst: 30,
            page_templates: 1_000,
            page_bytes: 4 * 1024 * 1024,
            graph_nodes: 20_000,
            idempotency_keys: 256,
            idempotency_bytes: 16 * 1024 * 1024,
            idempotency_ms: 600_000,
            preview_body_bytes: 16 * 1024 * 1024,
            hook_body_bytes: 1024 * 1024,
            previews: 16,
            previews_bytes: 256 * 1024 * 1024,
            preview_ms: 30 * 60 * 1000,
            sessions: 1_024,
            session_ms: 12 * 60 * 60 * 1000,
        }
    }
}

impl AdminLimits {
    /// Returns the limits for a request to a path. The body of a webhook may be larger than that of other requests, and also the body of
    /// a preview if its caller is known.
    pub(super) fn for_path(&self, path: &str, is_known: bool) -> Self {
        let body_bytes = if path.starts_with(HOOKS) {
            self.hook_body_bytes
        } else if is_known && path.starts_with(PREVIEWS) {
            self.preview_body_bytes
        } else {
            self.body_bytes
        };
        Self {
            body_bytes,
            ..self.clone()
        }
    }
}
