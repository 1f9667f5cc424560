//! [`Door`]: how many may be inside at once. actix's mailbox capacity holds nobody back; this does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets in a fixed number at once, and nobody once it is closed.
#[derive(Debug, Clone)]
pub struct Door {
    name: &'static str,
    size: usize,
    places: Arc<Semaphore>,
    closed: Arc<AtomicBool>,
    told: Arc<Told>,
}

/// What those were told who did not get what they came for.
#[derive(Debug, Default)]
struct Told {
    busy: AtomicU64,
    timeout: AtomicU64,
    lost: AtomicU64,
}

/// One place inside, given back when this is dropped.
#[derive(Debug)]
pub struct Admitted(#[expect(dead_code, reason = "held for its Drop")] OwnedSemaphorePermit);

/// Why nobody is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    /// All places are taken.
    Busy,
    /// The door is closed for good.
    Closed,
}

impl Door {
    /// A door with room for `places` at once.
    #[must_use]
    pub fn new(name: &'static str, places: usize) -> Self {
        // What `emptied` can wait for.
        let size = places.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Self {
            name,
            size,
            places: Arc::new(Semaphore::new(size)),
            closed: Arc::default(),
            told: Arc::default(),
        }
    }

    /// Takes a place, without waiting.
    ///
    /// # Errors
    /// [`Turned`] when there is none.
    pub fn enter(&self) -> Result<Admitted, Turned> {
        if self.is_closed() {
            return Err(Turned::Closed);
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map(Admitted).map_err(|_| {
            self.told.busy.fetch_add(1, Ordering::Relaxed);
            Turned::Busy
        })
    }

    /// Lets nobody in any more. Those inside stay until they are done.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether nobody is let in any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Waits until everybody is out.
    pub async fn emptied(&self) {
        let all = u32::try_from(self.size).unwrap_or(u32::MAX);
        let _ = self.places.acquire_many(all).await;
    }

    /// Somebody inside got no answer in time.
    pub fn timed_out(&self) {
        self.told.timeout.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody inside was told that it is unknown what became of it.
    pub fn lost(&self) {
        self.told.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Which it is.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How many may be inside.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.size
    }

    /// How many are inside.
    #[must_use]
    pub fn inside(&self) -> usize {
        self.size.saturating_sub(self.places.available_permits())
    }

    /// How many were told that it is full, that time is over, and that their message was lost.
    #[must_use]
    pub fn told(&self) -> [u64; 3] {
        [&self.told.busy, &self.told.timeout, &self.told.lost].map(|count| count.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_door_turns_people_away_and_a_closed_one_everybody() {
        let door = Door::new("test", 2);
        let (first, second) = (door.enter().expect("room"), door.enter().expect("room"));
        assert_eq!(door.enter().expect_err("full"), Turned::Busy);
        drop(first);
        assert!(door.enter().is_ok());
        door.close();
        assert_eq!(door.enter().expect_err("closed"), Turned::Closed);
        assert_eq!(door.inside(), 1);
        drop(second);
        assert_eq!((door.inside(), door.told()), (0, [1, 0, 0]));
    }
}
