//! [`Faults`]: counts the faults of an actor, and orders one for a drill.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// When an ordered fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum Moment {
    /// Before the message is served.
    Before = 1,
    /// After it is served, and before it is answered.
    After = 2,
    /// While it is answered.
    Reply = 3,
    /// When its behaviour is dropped, which is after another fault.
    Drop = 4,
    /// When its behaviour is started, which is after another fault.
    Start = 5,
}

/// The faults of one kind of actor.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    count: Arc<AtomicU64>,
    /// 0 for none, else a [`Moment`].
    ordered: Arc<AtomicU8>,
}

impl Faults {
    /// Makes the next message of this actor fail, to see in a drill that nothing comes of it. One at a time: an order that was not
    /// struck yet is replaced.
    pub fn order(&self, moment: Moment) {
        self.ordered.store(moment as u8, Ordering::Relaxed);
    }

    pub(crate) fn strike(&self, moment: Moment) {
        let due = self
            .ordered
            .compare_exchange(moment as u8, 0, Ordering::Relaxed, Ordering::Relaxed);
        assert!(due.is_err(), "a fault was ordered");
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn note(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}
