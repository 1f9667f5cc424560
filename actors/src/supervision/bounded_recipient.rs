//! Bounded admission: a limit on the messages in flight to an actor. The capacity of an actix mailbox is no limit, because each clone of an
//! address may exceed it by one message.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::unavailable::Unavailable;

/// Admits a fixed number of messages at once, and none after it is closed.
#[derive(Debug, Clone)]
pub struct BoundedRecipient {
    name: &'static str,
    /// Limit that sets the capacity.
    limit: &'static str,
    capacity: usize,
    permits: Arc<Semaphore>,
    closed: Arc<AtomicBool>,
    counts: Arc<RejectionCounts>,
}

/// Counts of messages without a result, by reason.
#[derive(Debug, Default)]
struct RejectionCounts {
    busy: AtomicU64,
    timeout: AtomicU64,
    lost: AtomicU64,
}

/// A permit for one message in flight, returned when it is dropped.
#[derive(Debug)]
pub struct Permit(#[expect(dead_code, reason = "held for its Drop")] OwnedSemaphorePermit);

impl BoundedRecipient {
    /// Creates a limit of `capacity` messages in flight. `limit` is the setting that the error names, so that the operator can raise it.
    #[must_use]
    pub fn new(name: &'static str, capacity: usize, limit: &'static str) -> Self {
        // `drained` acquires all permits at once, and their number is a u32.
        let capacity = capacity.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Self {
            name,
            limit,
            capacity,
            permits: Arc::new(Semaphore::new(capacity)),
            closed: Arc::default(),
            counts: Arc::default(),
        }
    }

    /// Admits a message, without waiting.
    ///
    /// # Errors
    /// [`Unavailable::Busy`] if there is no permit, [`Unavailable::Down`] if it is closed.
    pub fn admit(&self) -> Result<Permit, Unavailable> {
        if self.is_closed() {
            return Err(Unavailable::stopped());
        }
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        permit.map(Permit).map_err(|_| {
            self.counts.busy.fetch_add(1, Ordering::Relaxed);
            self.busy()
        })
    }

    /// Returns the error for a message that exceeds the capacity.
    #[must_use]
    pub fn busy(&self) -> Unavailable {
        Unavailable::Busy {
            mailbox: self.name,
            limit: Some(self.limit),
        }
    }

    /// Rejects all further messages. Messages in flight are finished.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Returns true if all further messages are rejected.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Waits until no message is in flight.
    pub async fn drained(&self) {
        let all = u32::try_from(self.capacity).unwrap_or(u32::MAX);
        let _ = self.permits.acquire_many(all).await;
    }

    /// Counts a message that was admitted and timed out or was lost.
    pub fn count(&self, unavailable: &Unavailable) {
        match unavailable {
            Unavailable::Timeout(_) => self.counts.timeout.fetch_add(1, Ordering::Relaxed),
            Unavailable::Lost(_) => self.counts.lost.fetch_add(1, Ordering::Relaxed),
            Unavailable::Busy { .. } | Unavailable::Down(_) => 0,
        };
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
    pub fn in_flight(&self) -> usize {
        self.capacity.saturating_sub(self.permits.available_permits())
    }

    /// Returns the numbers of messages that were rejected as busy, timed out and lost.
    #[must_use]
    pub fn rejections(&self) -> [u64; 3] {
        [&self.counts.busy, &self.counts.timeout, &self.counts.lost].map(|count| count.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_when_full_or_closed() {
        let bounded = BoundedRecipient::new("test", 2, "its capacity");
        let (first, second) = (bounded.admit().expect("room"), bounded.admit().expect("room"));
        assert_eq!(bounded.admit().expect_err("full"), bounded.busy());
        let said = bounded.busy().to_string();
        assert_eq!(
            said,
            "the mailbox `test` is full; try again later, or raise its capacity"
        );
        drop(first);
        assert!(bounded.admit().is_ok());
        bounded.close();
        assert_eq!(bounded.admit().expect_err("closed"), Unavailable::stopped());
        assert_eq!(bounded.in_flight(), 1);
        drop(second);
        assert_eq!((bounded.in_flight(), bounded.rejections()), (0, [1, 0, 0]));
        bounded.count(&Unavailable::Lost("lost".into()));
        bounded.count(&Unavailable::waited(std::time::Duration::ZERO, "none"));
        assert_eq!(bounded.rejections(), [1, 1, 1]);
    }
}
