//! [`Alarm`]: the thread that waits until something is due, and hints then. It also keeps an eye on what no event tells of.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::disk::System;
use super::inbox::Inbox;
use super::tree::PolledPath;
use crate::loader::Hints;

/// How often roots, links and the like are looked at.
const WARY: Duration = Duration::from_millis(250);
/// That may take this share of the time, one in so many: with very many links it is done less often.
const WARY_SHARE: u32 = 20;
/// What is due and not yet looked at is hinted at again after this time.
const AGAIN: Duration = Duration::from_millis(100);

/// Hints until it is dropped.
pub(super) struct HintTimer(Arc<TimerState>);

/// What the thread and those who rouse it share.
pub(super) struct TimerState {
    inbox: Arc<Inbox>,
    hints: Hints,
    set: Mutex<TimerEntry>,
    changed: Condvar,
}

struct TimerEntry {
    next: Option<Instant>,
    polled: Arc<[PolledPath]>,
    /// Until when the thread sleeps.
    until: Instant,
    ended: bool,
}

impl TimerState {
    pub(super) fn new(inbox: Arc<Inbox>, hints: Hints) -> Arc<Self> {
        let set = TimerEntry {
            next: None,
            polled: Arc::new([]),
            until: Instant::now(),
            ended: false,
        };
        Arc::new(Self {
            inbox,
            hints,
            set: Mutex::new(set),
            changed: Condvar::new(),
        })
    }

    /// Something was noted: hints at once if it is due, else sees to it that it is not slept through.
    pub(super) fn wake(&self) {
        let now = Instant::now();
        let next = self.inbox.settle().next(now);
        match next {
            Some(next) if next <= now => self.hints.hint(),
            Some(next) if next < self.set().until => self.changed.notify_one(),
            _ => {}
        }
    }

    fn set(&self) -> MutexGuard<'_, TimerEntry> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut poll_at = Instant::now() + WARY;
        let mut set = self.set();
        while !set.ended {
            let now = Instant::now();
            if poll_at <= now {
                let polled = Arc::clone(&set.polled);
                drop(set);
                self.scan(&polled, now);
                poll_at = now + WARY.max(now.elapsed().saturating_mul(WARY_SHARE));
                set = self.set();
                continue;
            }
            let next = [set.next, self.inbox.settle().next(now)].into_iter().flatten().min();
            let due = next.is_some_and(|next| next <= now);
            // What is due stays due until it is looked at: a hint that got lost on its way is given again.
            let until = next.map_or(poll_at, |next| poll_at.min(if due { now + AGAIN } else { next }));
            set.until = until;
            if due {
                self.hints.hint();
            }
            let left = until.saturating_duration_since(now);
            (set, _) = self
                .changed
                .wait_timeout(set, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn scan(&self, polled: &[PolledPath], now: Instant) {
        for each in polled.iter().filter(|each| each.differs(&System)) {
            self.inbox.settle().note_seen(each.path.clone(), each.hint(), now);
        }
    }
}

impl HintTimer {
    /// Begins to wait.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn start(clock: Arc<TimerState>) -> std::io::Result<Self> {
        let waits = Arc::clone(&clock);
        std::thread::Builder::new()
            .name("hotplate-alarm".into())
            .spawn(move || waits.run())?;
        Ok(Self(clock))
    }

    /// Sets when to hint next, besides what the inbox waits for, and what to keep an eye on, if that changed.
    pub(super) fn set(&self, next: Option<Instant>, polled: Option<Vec<PolledPath>>) {
        let mut set = self.0.set();
        set.next = next;
        if let Some(polled) = polled {
            set.polled = polled.into();
        }
        let sooner = [next, self.0.inbox.settle().next(Instant::now())]
            .into_iter()
            .flatten()
            .min();
        if sooner.is_some_and(|sooner| sooner < set.until) {
            self.0.changed.notify_one();
        }
    }
}

impl Drop for HintTimer {
    fn drop(&mut self) {
        self.0.set().ended = true;
        self.0.changed.notify_one();
    }
}
