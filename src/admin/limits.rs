//! Every limit of the admin listener: its name, unit, default, and why it is what it is.

use serde::{Deserialize, Serialize};

use crate::ConnectionLimits;

/// The edges of the admin listener. Each field has a default; set those that you need otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminLimits {
    /// Bytes of the body of a request. Nothing that is asked for needs more than a line.
    pub body_bytes: usize,
    /// How long the engine may take for what it is asked, in milliseconds.
    pub call_ms: u64,
    /// The time and memory that connections may use. `connections` counts those of the whole listener.
    #[serde(flatten)]
    pub connection: ConnectionLimits,
    /// Clients that listen to events at once; one more is answered 503.
    pub event_clients: usize,
    /// Events that are kept, for clients that come back and for those that are slow. A client that is further behind is told
    /// `lagged`, and its connection is ended.
    pub events: usize,
    /// Bytes of events that are kept.
    pub events_bytes: usize,
    /// Requests in a second, on average; more are answered 429.
    pub requests_per_second: u32,
    /// Requests that may come at once before the average counts.
    pub requests_burst: u32,
    /// Requests in a second, on average, of those who do not have the token, signing in included. They do not count among the
    /// others, so that nobody can use up what operators need.
    pub unauthenticated_per_second: u32,
    /// Requests without the token that may come at once.
    pub unauthenticated_burst: u32,
    /// Requests in a second, on average, that change something.
    pub changes_per_second: u32,
    /// Requests that may come at once and change something.
    pub changes_burst: u32,
    /// Templates in one answer; the rest is asked for with `after`.
    pub page_templates: usize,
    /// Bytes of texts in one answer.
    pub page_bytes: usize,
    /// Nodes of the graph in one answer.
    pub graph_nodes: usize,
    /// Answers that are kept for an `Idempotency-Key`.
    pub idempotency_keys: usize,
    /// Bytes of these answers: when they are more, the oldest are forgotten, and what is asked again with their key is done again. The
    /// newest stays.
    pub idempotency_bytes: usize,
    /// How long they are kept, in milliseconds.
    pub idempotency_ms: u64,
    /// Sessions of the dashboard at once; one more ends the oldest.
    pub sessions: usize,
    /// How long somebody who signed in to the dashboard is known, in milliseconds.
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
            sessions: 1_024,
            session_ms: 12 * 60 * 60 * 1000,
        }
    }
}
