//! [`Budget`]: the bytes of all answers that wait in this process for their clients.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

/// A client that has kept its answer waiting for less is not given up for others.
const GRACE: Duration = Duration::from_secs(1);

/// The bytes of all answers that wait in this process for their clients, and those connections that wait.
#[derive(Debug)]
pub(super) struct Budget {
    most: usize,
    held: AtomicUsize,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, StalledAnswer>>,
}

/// An answer that its client does not read at the moment.
#[derive(Debug)]
struct StalledAnswer {
    since: Instant,
    hold: Arc<BudgetHold>,
    waker: Waker,
}

/// What one answer holds; it is given back when this is dropped, or given up.
#[derive(Debug)]
pub(super) struct BudgetHold {
    budget: Arc<Budget>,
    id: u64,
    bytes: usize,
    given_up: AtomicBool,
}

impl Budget {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            held: AtomicUsize::new(0),
            next: AtomicU64::new(0),
            waiting: Mutex::default(),
        }
    }

    /// Takes so many bytes, if need be from those who have waited longest for their clients. `None`: there is no room.
    pub(super) fn take(self: &Arc<Self>, bytes: usize, now: Instant) -> Option<Arc<BudgetHold>> {
        if !self.try_take(bytes) {
            self.make_room(bytes, now);
            if !self.try_take(bytes) {
                return None;
            }
        }
        Some(Arc::new(BudgetHold {
            budget: Arc::clone(self),
            id: self.next.fetch_add(1, Ordering::Relaxed),
            bytes,
            given_up: AtomicBool::new(false),
        }))
    }

    fn try_take(&self, bytes: usize) -> bool {
        let fits = |held: usize| {
            let after = held.saturating_add(bytes);
            // Else an answer that is larger than all of it could never be sent.
            (after <= self.most || held == 0).then_some(after)
        };
        self.held.try_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn make_room(&self, bytes: usize, now: Instant) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut longest: Vec<(Instant, u64)> = waiting.iter().map(|(id, waiting)| (waiting.since, *id)).collect();
        longest.sort_unstable();
        let excess = || {
            let held = self.held.load(Ordering::Relaxed);
            held.saturating_add(bytes) > self.most && held > 0
        };
        for (since, id) in longest {
            if !excess() || now.saturating_duration_since(since) < GRACE {
                break;
            }
            if let Some(waiting) = waiting.remove(&id) {
                waiting.hold.give_up();
                waiting.waker.wake();
            }
        }
    }

    /// An answer waits for its client since then.
    pub(super) fn list(&self, hold: Arc<BudgetHold>, since: Instant, waker: &Waker) -> u64 {
        let id = hold.id;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waker = waker.clone();
        waiting.insert(id, StalledAnswer { since, hold, waker });
        id
    }

    /// It does not wait any more.
    pub(super) fn unlist(&self, id: u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(&id);
    }
}

impl BudgetHold {
    /// Whether its connection is to end.
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }

    /// Its connection ends when its thread comes to it; the bytes are counted as free at once.
    fn give_up(&self) {
        if !self.given_up.swap(true, Ordering::AcqRel) {
            self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for BudgetHold {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(budget: &Budget) -> usize {
        budget.held.load(Ordering::Relaxed)
    }

    #[test]
    fn it_is_never_exceeded_and_those_who_wait_longest_make_room() {
        let budget = Arc::new(Budget::new(100));
        let start = Instant::now();
        let first = budget.take(60, start).expect("there is room");
        let second = budget.take(40, start).expect("there is room");
        assert!(budget.take(1, start).is_none(), "nobody waits for a client");
        budget.list(Arc::clone(&first), start + Duration::from_millis(1), Waker::noop());
        budget.list(Arc::clone(&second), start, Waker::noop());
        assert!(
            budget.take(1, start + GRACE / 2).is_none(),
            "they have waited too short a time"
        );
        let third = budget.take(30, start + GRACE * 2).expect("one makes room");
        assert_eq!((first.is_given_up(), second.is_given_up()), (false, true));
        assert_eq!(held(&budget), 90);
        drop(second);
        assert_eq!(held(&budget), 90, "it was counted as free already");
        drop((first, third));
        assert_eq!(held(&budget), 60, "the first one is still listed");
        budget.unlist(0);
        assert_eq!(held(&budget), 0);
    }

    #[test]
    fn one_answer_is_always_let_in() {
        let budget = Arc::new(Budget::new(10));
        let start = Instant::now();
        let large = budget.take(1_000, start).expect("it is the only one");
        assert!(budget.take(1, start).is_none());
        drop(large);
        assert!(budget.take(10, start).is_some());
    }
}
