//! Fault injection: counts the faults of an actor, and makes one happen on request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Points at which an injected fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum FaultMoment {
    /// Before the message is served.
    Before = 1,
    /// After the message is served, and before the reply is sent.
    After = 2,
    /// While the reply is sent.
    Reply = 3,
    /// While the behaviour is dropped, which happens after another fault.
    Drop = 4,
    /// While the behaviour is started, which happens after another fault.
    Start = 5,
}

/// Count and injection of faults for one kind of actor.
#[derive(Debug, Clone, Default)]
pub struct InjectedFaults {
    count: Arc<AtomicU64>,
    /// 0 for none, else the point at which the next fault happens.
    pending: Arc<AtomicU8>,
}

impl InjectedFaults {
    /// Makes the next message of this actor fail, for example to test alerts. A fault that was injected earlier and has not happened yet is
    /// replaced.
    pub fn inject(&self, moment: FaultMoment) {
        self.pending.store(moment as u8, Ordering::Relaxed);
    }

    /// Panics if a fault is pending for this point.
    pub(crate) fn trigger(&self, moment: FaultMoment) {
        let pending = self
            .pending
            .compare_exchange(moment as u8, 0, Ordering::Relaxed, Ordering::Relaxed);
        assert!(pending.is_err(), "an injected fault");
    }

    /// Returns the number of faults so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn increment(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}
