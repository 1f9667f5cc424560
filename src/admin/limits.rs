//! Every limit of the admin listener: its name, unit, default, and why it is what it is.

/// The edges of the admin listener. Each field has a default; set those that you need otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminLimits {
    /// Bytes of the body of a request. Nothing that is asked for needs more than a line.
    pub body_bytes: usize,
    /// How long a request may take to arrive, in milliseconds: its head, and again its body.
    pub request_ms: u64,
    /// How long the engine may take for what it is asked, in milliseconds.
    pub call_ms: u64,
    /// How long a client may read nothing of what is written for it, in milliseconds. Then its connection is ended, on
    /// Linux; elsewhere it keeps its place, and its memory stays bounded.
    pub stalled_ms: u64,
    /// Connections at once.
    pub connections: usize,
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
    /// How long they are kept, in milliseconds.
    pub idempotency_ms: u64,
    /// How long somebody who signed in to the dashboard is known, in milliseconds.
    pub session_ms: u64,
}

impl Default for AdminLimits {
    fn default() -> Self {
        Self {
            body_bytes: 64 * 1024,
            request_ms: 5_000,
            call_ms: 60_000,
            stalled_ms: 30_000,
            connections: 4_096,
            event_clients: 2_048,
            events: 1_024,
            events_bytes: 8 * 1024 * 1024,
            requests_per_second: 1_000,
            requests_burst: 4_096,
            changes_per_second: 10,
            changes_burst: 30,
            page_templates: 1_000,
            page_bytes: 4 * 1024 * 1024,
            graph_nodes: 20_000,
            idempotency_keys: 256,
            idempotency_ms: 600_000,
            session_ms: 12 * 60 * 60 * 1000,
        }
    }
}
