//! Timers: one thread that runs short actions at given times. It needs no async runtime, and works while all other threads hang.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::contain;

type Action = Box<dyn FnOnce() + Send>;

/// Schedules actions on a thread of its own, which ends with the last clone.
#[derive(Clone)]
pub struct Timers(Arc<TimersOwner>);

/// A scheduled action. Dropping this cancels it.
#[must_use]
pub struct Timer {
    key: (Instant, u64),
    shared: Arc<TimersShared>,
}

struct TimersOwner(Arc<TimersShared>);

#[derive(Default)]
struct TimersShared {
    due: Mutex<PendingActions>,
    changed: Condvar,
}

#[derive(Default)]
struct PendingActions {
    /// The actions, ordered by time. The thread sleeps until the first one, and is woken if an earlier one is added.
    actions: BTreeMap<(Instant, u64), Action>,
    /// Distinguishes actions of the same time.
    next_number: u64,
    stopped: bool,
}

impl Timers {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start(name: &str) -> std::io::Result<Self> {
        let shared = Arc::new(TimersShared::default());
        let owner = TimersOwner(Arc::clone(&shared));
        std::thread::Builder::new()
            .name(name.into())
            .spawn(move || shared.run())?;
        Ok(Self(Arc::new(owner)))
    }

    /// Runs a short action after a pause.
    pub fn after(&self, pause: Duration, action: impl FnOnce() + Send + 'static) -> Timer {
        let now = Instant::now();
        // A pause that overflows is cut to 68 years.
        let at = now.checked_add(pause).unwrap_or(now + Duration::from_secs(1 << 31));
        self.at(at, action)
    }

    /// Runs a short action at a time.
    pub fn at(&self, at: Instant, action: impl FnOnce() + Send + 'static) -> Timer {
        let shared = &self.0.0;
        let mut due = shared.due();
        let key = (at, due.next_number);
        due.next_number += 1;
        due.actions.insert(key, Box::new(action));
        let first = due.actions.first_key_value().is_some_and(|(first, _)| *first == key);
        drop(due);
        if first {
            shared.changed.notify_one();
        }
        Timer {
            key,
            shared: Arc::clone(shared),
        }
    }
}

impl TimersShared {
    fn due(&self) -> MutexGuard<'_, PendingActions> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut due = self.due();
        while !due.stopped {
            let now = Instant::now();
            let first = due.actions.first_key_value().map(|((at, _), _)| *at);
            due = match first {
                Some(at) if at <= now => {
                    let action = due.actions.pop_first();
                    drop(due);
                    let _ = contain(|| action.map(|(_, action)| action()));
                    self.due()
                }
                Some(at) => {
                    let waited = self.changed.wait_timeout(due, at - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(due).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Drop for TimersOwner {
    fn drop(&mut self) {
        self.0.due().stopped = true;
        self.0.changed.notify_one();
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let action = self.shared.due().actions.remove(&self.key);
        // After the lock is released, because the action is code of the caller's.
        let _ = contain(move || drop(action));
    }
}

impl std::fmt::Debug for Timers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Alarms(..)")
    }
}

impl std::fmt::Debug for Timer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Alarm").field(&self.key.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_run_in_order_unless_cancelled() {
        let timers = Timers::start("test").expect("a thread");
        let (sender, receiver) = crossbeam_channel::unbounded();
        let at = |ms, what: &'static str| {
            let sender = sender.clone();
            timers.after(Duration::from_millis(ms), move || {
                let _ = sender.send(what);
                assert!(what != "panics", "the next action runs all the same");
            })
        };
        let _far = at(u64::MAX, "never");
        let _later = at(30, "later");
        let _panics = at(20, "panics");
        let cancelled = at(10, "cancelled");
        let _soon = at(1, "soon");
        drop(cancelled);
        assert_eq!(receiver.iter().take(3).collect::<Vec<_>>(), ["soon", "panics", "later"]);
        drop(timers);
    }
}
