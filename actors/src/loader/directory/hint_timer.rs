//! [`HintTimer`]: the thread that waits until something is due, and hints then. It also polls the paths that have no reliable events.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::disk::System;
use super::inbox::Inbox;
use super::tree::PolledPath;
use crate::loader::Hints;

/// The time between polls of roots, links and the like.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// The share of the time that polls may take, one part in so many: with very many links they are made less often.
const POLL_SHARE: u32 = 20;
/// The time after which something that is due and was not checked yet is hinted at again.
const REPEAT: Duration = Duration::from_millis(100);

/// Gives hints until it is dropped.
pub(super) struct HintTimer(Arc<TimerState>);

/// The state that the thread shares with those that wake it.
pub(super) struct TimerState {
    inbox: Arc<Inbox>,
    hints: Hints,
    entry: Mutex<TimerEntry>,
    changed: Condvar,
}

struct TimerEntry {
    next: Option<Instant>,
    polled: Arc<[PolledPath]>,
    /// The time until which the thread sleeps.
    until: Instant,
    ended: bool,
}

impl TimerState {
    pub(super) fn new(inbox: Arc<Inbox>, hints: Hints) -> Arc<Self> {
        let entry = TimerEntry {
            next: None,
            polled: Arc::new([]),
            until: Instant::now(),
            ended: false,
        };
        Arc::new(Self {
            inbox,
            hints,
            entry: Mutex::new(entry),
            changed: Condvar::new(),
        })
    }

    /// Hints at once if something is due by a new event; otherwise makes sure that the thread wakes in time.
    pub(super) fn wake(&self) {
        let now = Instant::now();
        let next = self.inbox.settle().next(now);
        match next {
            Some(next) if next <= now => self.hints.hint(),
            Some(next) if next < self.entry().until => self.changed.notify_one(),
            _ => {}
        }
    }

    fn entry(&self) -> MutexGuard<'_, TimerEntry> {
        self.entry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut poll_at = Instant::now() + POLL_INTERVAL;
        let mut entry = self.entry();
        while !entry.ended {
            let now = Instant::now();
            if poll_at <= now {
                let polled = Arc::clone(&entry.polled);
                drop(entry);
                self.poll(&polled, now);
                poll_at = now + POLL_INTERVAL.max(now.elapsed().saturating_mul(POLL_SHARE));
                entry = self.entry();
                continue;
            }
            let next = [entry.next, self.inbox.settle().next(now)].into_iter().flatten().min();
            let due = next.is_some_and(|next| next <= now);
            // It stays due until it is checked, so a lost hint is repeated.
            let until = next.map_or(poll_at, |next| poll_at.min(if due { now + REPEAT } else { next }));
            entry.until = until;
            if due {
                self.hints.remind();
            }
            let left = until.saturating_duration_since(now);
            (entry, _) = self
                .changed
                .wait_timeout(entry, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn poll(&self, polled: &[PolledPath], now: Instant) {
        for each in polled.iter().filter(|each| each.differs(&System)) {
            self.inbox.settle().note_seen(each.path.clone(), each.hint(), now);
        }
    }
}

impl HintTimer {
    /// Starts the thread.
    ///
    /// # Errors
    /// An error if the system has no thread left.
    pub(super) fn start(state: Arc<TimerState>) -> std::io::Result<Self> {
        let waits = Arc::clone(&state);
        std::thread::Builder::new()
            .name("hotplate-timer".into())
            .spawn(move || waits.run())?;
        Ok(Self(state))
    }

    /// Sets the time of the next hint, apart from what the inbox waits for, and the paths to poll, if they changed.
    pub(super) fn set(&self, next: Option<Instant>, polled: Option<Vec<PolledPath>>) {
        let mut entry = self.0.entry();
        entry.next = next;
        if let Some(polled) = polled {
            entry.polled = polled.into();
        }
        let sooner = [next, self.0.inbox.settle().next(Instant::now())]
            .into_iter()
            .flatten()
            .min();
        if sooner.is_some_and(|sooner| sooner < entry.until) {
            self.0.changed.notify_one();
        }
    }
}

impl Drop for HintTimer {
    fn drop(&mut self) {
        self.0.entry().ended = true;
        self.0.changed.notify_one();
    }
}
