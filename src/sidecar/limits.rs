//! The limits of the render endpoint, with their units and defaults.

use serde::{Deserialize, Serialize};

use crate::ConnectionLimits;

/// The limits of the render endpoint. Each field has a default; set the fields that you want to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidecarLimits {
    /// Threads that answer requests, at least one.
    pub workers: usize,
    /// Bytes of the body of a request: the data of the template.
    pub body_bytes: usize,
    /// The time that a render may take, in milliseconds. A request may ask for less with `x-hotplate-deadline-ms`.
    pub deadline_ms: u64,
    /// The time and memory that connections may use. `connections` is the limit of the whole listener. A Unix socket uses `connections`,
    /// `keep_alive_ms` and `request_ms`.
    #[serde(flatten)]
    pub connection: ConnectionLimits,
}

impl Default for SidecarLimits {
    fn default() -> Self {
        Self {
            workers: 2,
            body_bytes: 1024 * 1024,
            deadline_ms: 10_000,
            connection: ConnectionLimits {
                connections: 512,
                keep_alive_ms: 75_000,
                buffered_bytes: 64 * 1024 * 1024,
                ..ConnectionLimits::default()
            },
        }
    }
}
