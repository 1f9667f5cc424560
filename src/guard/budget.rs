//! [`Budget`]: the bytes of all answers that wait in this process for their clients.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

/// Time for which a client must have delayed its answer before its connection is reset in favour of others.
const GRACE: Duration = Duration::from_secs(1);

/// The bytes of all answers that wait in this process for their clients, and the answers that wait.
#[derive(Debug)]
pub(super) struct Budget {
    bytes_max: usize,
    held: AtomicUsize,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, StalledAnswer>>,
}

/// An answer that its client does not read at present.
#[derive(Debug)]
struct StalledAnswer {
    since: Instant,
    hold: Arc<BudgetHold>,
    waker: Waker,
}

/// The bytes that one answer takes from the budget. They are released when this is dropped or revoked.
#[derive(Debug)]
pub(super) struct BudgetHold {
    budget: Arc<Budget>,
    id: u64,
    bytes: usize,
    revoked: AtomicBool,
}

impl Budget {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            held: AtomicUsize::new(0),
            next: AtomicU64::new(0),
            waiting: Mutex::default(),
        }
    }

    /// Takes bytes from the budget, if necessary by revoking the bytes of the answers that have waited longest for their clients. Returns
    /// `None` if there is no room.
    pub(super) fn take(self: &Arc<Self>, bytes: usize, now: Instant) -> Option<Arc<BudgetHold>> {
        if !self.try_take(bytes) {
            self.reclaim(bytes, now);
            if !self.try_take(bytes) {
                return None;
            }
        }
        Some(Arc::new(BudgetHold {
            budget: Arc::clone(self),
            id: self.next.fetch_add(1, Ordering::Relaxed),
            bytes,
            revoked: AtomicBool::new(false),
        }))
    }

    fn try_take(&self, bytes: usize) -> bool {
        let fits = |held: usize| {
            let after = held.saturating_add(bytes);
            // If nothing is held, any size is accepted, because otherwise an answer larger than the whole budget could never be sent.
            (after <= self.bytes_max || held == 0).then_some(after)
        };
        self.held.try_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn reclaim(&self, bytes: usize, now: Instant) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut longest: Vec<(Instant, u64)> = waiting.iter().map(|(id, waiting)| (waiting.since, *id)).collect();
        longest.sort_unstable();
        let excess = || {
            let held = self.held.load(Ordering::Relaxed);
            held.saturating_add(bytes) > self.bytes_max && held > 0
        };
        for (since, id) in longest {
            if !excess() || now.saturating_duration_since(since) < GRACE {
                break;
            }
            if let Some(waiting) = waiting.remove(&id) {
                waiting.hold.revoke();
                waiting.waker.wake();
            }
        }
    }

    /// Records that an answer waits for its client, and since when. Returns the id of the record.
    pub(super) fn add_waiting(&self, hold: Arc<BudgetHold>, since: Instant, waker: &Waker) -> u64 {
        let id = hold.id;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waker = waker.clone();
        waiting.insert(id, StalledAnswer { since, hold, waker });
        id
    }

    /// Records that an answer no longer waits.
    pub(super) fn remove_waiting(&self, id: u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(&id);
    }
}

impl BudgetHold {
    /// Returns true if the connection of the answer must end.
    pub(super) fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Acquire)
    }

    /// Releases the bytes at once. The connection ends when its thread polls it the next time.
    fn revoke(&self) {
        if !self.revoked.swap(true, Ordering::AcqRel) {
            self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for BudgetHold {
    fn drop(&mut self) {
        self.revoke();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(budget: &Budget) -> usize {
        budget.held.load(Ordering::Relaxed)
    }

    #[test]
    fn the_answers_that_wait_longest_are_revoked() {
        let budget = Arc::new(Budget::new(100));
        let start = Instant::now();
        let first = budget.take(60, start).expect("there is room");
        let second = budget.take(40, start).expect("there is room");
        assert!(budget.take(1, start).is_none(), "no answer waits for its client");
        budget.add_waiting(Arc::clone(&first), start + Duration::from_millis(1), Waker::noop());
        budget.add_waiting(Arc::clone(&second), start, Waker::noop());
        assert!(
            budget.take(1, start + GRACE / 2).is_none(),
            "they have not waited long enough"
        );
        let third = budget.take(30, start + GRACE * 2).expect("one is revoked");
        assert_eq!((first.is_revoked(), second.is_revoked()), (false, true));
        assert_eq!(held(&budget), 90);
        drop(second);
        assert_eq!(held(&budget), 90, "its bytes were released before");
        drop((first, third));
        assert_eq!(held(&budget), 60, "the first one still waits");
        budget.remove_waiting(0);
        assert_eq!(held(&budget), 0);
    }

    #[test]
    fn a_single_answer_is_always_accepted() {
        let budget = Arc::new(Budget::new(10));
        let start = Instant::now();
        let large = budget.take(1_000, start).expect("it is the only one");
        assert!(budget.take(1, start).is_none());
        drop(large);
        assert!(budget.take(10, start).is_some());
    }
}
