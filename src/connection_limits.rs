//! [`ConnectionLimits`]: the limits of one connection, and of all connections of a listener together.

use serde::{Deserialize, Serialize};

/// The time and memory that one connection, and all connections of a listener together, may use. Each field has a default; set the fields
/// for which your service needs other values.
///
/// The configuration has these settings twice: as `server.*` for visitors and as `admin.limits.*` for the admin listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionLimits {
    /// Connections at once: of each worker of a `GuardedServer`, or of the whole admin listener. Further ones wait in the kernel.
    pub connections: usize,
    /// Time that a connection may be idle between two requests, in milliseconds; 0 closes it after each answer.
    pub keep_alive_ms: u64,
    /// Time that each request may take to arrive, in milliseconds: its head, and then its body. If the first head of a connection
    /// takes longer, it is answered 408; in every other case the connection is closed.
    pub request_ms: u64,
    /// Time in which a client must read [`progress_bytes`](Self::progress_bytes) of an answer that waits for it, in milliseconds.
    /// Otherwise its connection is reset.
    pub stalled_ms: u64,
    /// Bytes of an answer that a client must read within [`stalled_ms`](Self::stalled_ms).
    pub progress_bytes: usize,
    /// Bytes of an answer that wait in the system for one client. Linux counts only bytes that are not sent yet, so fast transfers need no
    /// large value; elsewhere it is the size of the send buffer.
    pub send_buffer_bytes: usize,
    /// Bytes of all answers that wait in this process for their clients. If a further answer exceeds it, the connections that have
    /// waited longest for their clients are reset; if there are none, the new answer is 503. A single answer of any size is always
    /// accepted, and answers of up to 64 KiB (`guard::UNCOUNTED_BYTES`) are not counted.
    pub buffered_bytes: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            keep_alive_ms: 5_000,
            request_ms: 5_000,
            stalled_ms: 30_000,
            progress_bytes: 16 * 1024,
            send_buffer_bytes: 128 * 1024,
            buffered_bytes: 256 * 1024 * 1024,
        }
    }
}
