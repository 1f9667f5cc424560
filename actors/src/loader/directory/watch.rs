//! [`Watching`]: the kernel's events as hints, and the thread that waits until they are due.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{Config, Event, EventKindMask, RecommendedWatcher, RecursiveMode, Watcher};

use super::settle::{Hint, Settle};
use crate::loader::{Hints, LoaderError};

/// Watches until it is dropped.
pub(super) struct Watching {
    _watcher: RecommendedWatcher,
    /// Dropped with this: that ends the thread.
    _ends: Sender<()>,
}

impl Watching {
    /// Watches some directories.
    pub(super) fn start(
        roots: &[PathBuf],
        settle: Arc<Mutex<Settle>>,
        sweep: Duration,
        hints: Hints,
    ) -> Result<Self, LoaderError> {
        let (wake, woken) = crossbeam_channel::bounded(1);
        let (ends, ended) = crossbeam_channel::bounded(0);
        let noting = Arc::clone(&settle);
        let mut watcher = RecommendedWatcher::new(
            move |event: notify::Result<Event>| {
                note(
                    &mut noting.lock().unwrap_or_else(PoisonError::into_inner),
                    event,
                    Instant::now(),
                );
                // A wake-up that waits already is as good as two.
                let _ = wake.try_send(());
            },
            Config::default().with_event_kinds(EventKindMask::CORE | EventKindMask::ACCESS_CLOSE),
        )
        .map_err(|error| LoaderError(format!("the system does not let us watch files: {error}")))?;
        for root in roots.iter().filter(|root| root.exists()) {
            watcher
                .watch(root, RecursiveMode::Recursive)
                .map_err(|error| LoaderError(format!("{} cannot be watched: {error}", root.display())))?;
        }
        std::thread::Builder::new()
            .name("hotplate-settle".into())
            .spawn(move || wait(&settle, sweep, &hints, &woken, &ended))
            .map_err(|error| LoaderError(format!("no thread to wait for changes: {error}")))?;
        Ok(Self {
            _watcher: watcher,
            _ends: ends,
        })
    }
}

/// Hints when something is due, until the other end is dropped.
fn wait(settle: &Mutex<Settle>, sweep: Duration, hints: &Hints, woken: &Receiver<()>, ended: &Receiver<()>) {
    let mut last = Instant::now();
    loop {
        let now = Instant::now();
        let next = settle.lock().unwrap_or_else(PoisonError::into_inner).next(now);
        if next.is_some_and(|next| next <= now) {
            last = now;
            hints.hint();
        } else if now >= last + sweep {
            last = now;
            settle.lock().unwrap_or_else(PoisonError::into_inner).note_doubt();
            hints.hint();
        }
        // What is due stays in the queue until it is looked at: a hint that got lost on its way is given again.
        let until = match next {
            Some(next) => next.max(now + Duration::from_millis(5)),
            None => last + sweep,
        };
        crossbeam_channel::select! {
            recv(ended) -> _ => return,
            recv(woken) -> word => if word.is_err() { return },
            default(until.saturating_duration_since(now)) => {}
        }
    }
}

/// Takes an event as hints. Anything that is not clear is a doubt.
fn note(settle: &mut Settle, event: notify::Result<Event>, now: Instant) {
    let Ok(event) = event else { return settle.note_doubt() };
    if event.need_rescan() || event.paths.is_empty() {
        return settle.note_doubt();
    }
    let hint = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Hint::Whole,
        EventKind::Access(_) => return,
        // A new directory too: what came into it before it was watched is found when it is looked at after a while.
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_)) => Hint::Writing,
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)) => Hint::Gone,
        _ => Hint::Whole,
    };
    for path in event.paths {
        settle.note(path, hint, now);
    }
}
