//! [`Door`]: how many may be inside at once. actix's mailbox capacity holds nobody back; this does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets in a fixed number at once, and nobody once it is closed.
#[derive(Debug, Clone)]
pub struct Door {
    places: Arc<Semaphore>,
    closed: Arc<AtomicBool>,
    size: usize,
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
    pub fn new(places: usize) -> Self {
        let size = places.min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(size)),
            closed: Arc::default(),
            size,
        }
    }

    /// Takes a place, without waiting.
    ///
    /// # Errors
    /// [`Turned`] when there is none.
    pub fn enter(&self) -> Result<Admitted, Turned> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Turned::Closed);
        }
        Arc::clone(&self.places)
            .try_acquire_owned()
            .map(Admitted)
            .map_err(|_| Turned::Busy)
    }

    /// Lets nobody in any more. Those inside stay until they are done.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Waits until everybody is out.
    pub async fn emptied(&self) {
        let all = u32::try_from(self.size).unwrap_or(u32::MAX);
        let _ = self.places.acquire_many(all).await;
    }

    /// How many are inside.
    #[must_use]
    pub fn inside(&self) -> usize {
        self.size - self.places.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_door_turns_people_away_and_a_closed_one_everybody() {
        let door = Door::new(2);
        let (first, second) = (door.enter().expect("room"), door.enter().expect("room"));
        assert_eq!(door.enter().expect_err("full"), Turned::Busy);
        drop(first);
        assert!(door.enter().is_ok());
        door.close();
        assert_eq!(door.enter().expect_err("closed"), Turned::Closed);
        assert_eq!(door.inside(), 1);
        drop(second);
        assert_eq!(door.inside(), 0);
    }
}
