//! Bounded admission: a limit on the messages in flight to an actor. The capacity of an actix mailbox is none, because each clone of an
//! address may exceed it by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Admits a fixed number of messages at once, and none after it is closed.
#[derive(Debug, Clone)]
pub struct Door {
    name: &'static str,
    capacity: usize,
    permits: Arc<Semaphore>,
    closed: Arc<AtomicBool>,
    counts: Arc<Told>,
}

/// Counts of messages without a result, by reason.
#[derive(Debug, Default)]
struct Told {
    busy: AtomicU64,
    timeout: AtomicU64,
    lost: AtomicU64,
}

/// A permit for one message in flight, returned when it is dropped.
#[derive(Debug)]
pub struct Admitted(#[expect(dead_code, reason = "held for its Drop")] OwnedSemaphorePermit);

/// Reasons to reject a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    /// The allowed number of messages is in flight.
    Busy,
    /// No further messages are accepted.
    Closed,
}

impl Door {
    /// Creates a limit of `capacity` messages in flight.
    #[must_use]
    pub fn new(name: &'static str, capacity: usize) -> Self {
        // `emptied` acquires all permits at once, and their number is a u32.
        let capacity = capacity.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Self {
            name,
            capacity,
            permits: Arc::new(Semaphore::new(capacity)),
            closed: Arc::default(),
            counts: Arc::default(),
        }
    }

    /// Admits a message, without waiting.
    ///
    /// # Errors
    /// The reason, if there is no permit or it is closed.
    pub fn enter(&self) -> Result<Admitted, Turned> {
        if self.is_closed() {
            return Err(Turned::Closed);
        }
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        permit.map(Admitted).map_err(|_| {
            self.counts.busy.fetch_add(1, Ordering::Relaxed);
            Turned::Busy
        })
    }

    /// Rejects all further messages. Those in flight are finished.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Returns true if all further messages are rejected.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Waits until no message is in flight.
    pub async fn emptied(&self) {
        let all = u32::try_from(self.capacity).unwrap_or(u32::MAX);
        let _ = self.permits.acquire_many(all).await;
    }

    /// Counts a message that was not answered in time.
    pub fn timed_out(&self) {
        self.counts.timeout.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a message that was answered as lost: it is unknown whether it was handled.
    pub fn lost(&self) {
        self.counts.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns its name in health and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the number of messages that may be in flight.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns the number of messages in flight.
    #[must_use]
    pub fn inside(&self) -> usize {
        self.capacity.saturating_sub(self.permits.available_permits())
    }

    /// Returns the numbers of messages that were rejected as busy, timed out and lost.
    #[must_use]
    pub fn told(&self) -> [u64; 3] {
        [&self.counts.busy, &self.counts.timeout, &self.counts.lost].map(|count| count.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_when_full_or_closed() {
        let bounded = Door::new("test", 2);
        let (first, second) = (bounded.enter().expect("room"), bounded.enter().expect("room"));
        assert_eq!(bounded.enter().expect_err("full"), Turned::Busy);
        drop(first);
        assert!(bounded.enter().is_ok());
        bounded.close();
        assert_eq!(bounded.enter().expect_err("closed"), Turned::Closed);
        assert_eq!(bounded.inside(), 1);
        drop(second);
        assert_eq!((bounded.inside(), bounded.told()), (0, [1, 0, 0]));
    }
}
