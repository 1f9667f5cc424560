//! [`ScopeCounters`]: the numbers of requests of which a part did not count.

use std::sync::atomic::{AtomicU64, Ordering};

/// The number of requests since the start for which a part of the request did not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ScopeCounters {
    /// They named a tenant that does not exist.
    pub unknown_tenants: u64,
    /// They asked for a stage that does not exist, and got stable.
    pub unknown_stages: u64,
    /// They had a stage cookie that is not valid, or no longer.
    pub invalid_pins: u64,
    /// They asked for a stage or a tenant by a header, and did not come from a trusted proxy.
    pub not_trusted: u64,
    /// They asked for experimental pages from elsewhere.
    pub elsewhere: u64,
}

/// Counts the requests of [`ScopeCounters`], which are rare: others write nothing.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    pub(super) unknown_tenants: AtomicU64,
    pub(super) unknown_stages: AtomicU64,
    pub(super) invalid_pins: AtomicU64,
    pub(super) not_trusted: AtomicU64,
    pub(super) elsewhere: AtomicU64,
}

impl Recorder {
    pub(super) fn read(&self) -> ScopeCounters {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ScopeCounters {
            unknown_tenants: read(&self.unknown_tenants),
            unknown_stages: read(&self.unknown_stages),
            invalid_pins: read(&self.invalid_pins),
            not_trusted: read(&self.not_trusted),
            elsewhere: read(&self.elsewhere),
        }
    }
}

/// Counts one request.
pub(super) fn count(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}
