//! [`ConnectionCounters`]: counts the connections of a listener, and why the server ended some of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The reason for which the server ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The head of a request took longer than `request_ms`, or none arrived.
    SlowHead,
    /// The body of a request took longer than `request_ms`.
    SlowBody,
    /// The client read less than `progress_bytes` of an answer within `stalled_ms`.
    NoProgress,
    /// Its answer had waited longest for its client when `buffered_bytes` was exceeded.
    Buffered,
    /// The client continued to send a body after the answer.
    UnreadBody,
}

impl EndReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::SlowHead,
        Self::SlowBody,
        Self::NoProgress,
        Self::Buffered,
        Self::UnreadBody,
    ];

    /// Returns the name that metrics use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SlowHead => "slow_head",
            Self::SlowBody => "slow_body",
            Self::NoProgress => "no_progress",
            Self::Buffered => "buffered",
            Self::UnreadBody => "unread_body",
        }
    }
}

/// Counts the connections of a listener. Clones share the counts.
#[derive(Debug, Clone, Default)]
pub struct ConnectionCounters(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    open: AtomicUsize,
    capacity: AtomicUsize,
    ended: [AtomicU64; EndReason::ALL.len()],
    refused: AtomicU64,
}

/// The counts of the connections of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connections {
    /// Connections that are open now.
    pub open: usize,
    /// Connections that may be open at once. More wait in the kernel.
    pub capacity: usize,
    /// Connections that the server ended, by reason. Every reason is present.
    pub ended: [(EndReason, u64); EndReason::ALL.len()],
    /// Requests that were answered 503 because `buffered_bytes` was exceeded.
    pub refused: u64,
}

impl ConnectionCounters {
    /// Returns the current counts. They are not read at one instant, so they may differ by a few events.
    #[must_use]
    pub fn read(&self) -> Connections {
        let ended = |reason: EndReason| (reason, self.0.ended[reason as usize].load(Ordering::Relaxed));
        Connections {
            open: self.0.open.load(Ordering::Relaxed),
            capacity: self.0.capacity.load(Ordering::Relaxed),
            ended: EndReason::ALL.map(ended),
            refused: self.0.refused.load(Ordering::Relaxed),
        }
    }

    pub(super) fn add_capacity(&self, connections: usize) {
        self.0.capacity.fetch_add(connections, Ordering::Relaxed);
    }

    pub(super) fn opened(&self) {
        self.0.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn ended(&self, reason: EndReason) {
        self.0.ended[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
    }
}
