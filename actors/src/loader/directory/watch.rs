//! [`Watching`]: the kernel's events as hints, and the thread that waits until they are due.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender};
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{Config, Event, EventKindMask, RecommendedWatcher, RecursiveMode, Watcher};

use super::read::signature;
use super::settle::{Hint, Settle};
use crate::loader::{Hints, LoaderError};

/// How often the roots themselves are looked at: one that is replaced sends no events.
const ROOTS: Duration = Duration::from_millis(250);
/// What is due and not yet looked at is hinted at again after this time.
const AGAIN: Duration = Duration::from_millis(100);

/// Watches until it is dropped.
pub(super) struct Watching {
    /// Dropped with this: that ends the thread.
    _ends: Sender<()>,
}

impl Watching {
    /// Watches some directories. Those that are missing are watched once they are there.
    pub(super) fn start(
        roots: &[PathBuf],
        settle: Arc<Mutex<Settle>>,
        sweep: Duration,
        hints: Hints,
    ) -> Result<Self, LoaderError> {
        let (wake, woken) = crossbeam_channel::bounded(1);
        let (ends, ended) = crossbeam_channel::bounded(0);
        let noting = Arc::clone(&settle);
        let went = Arc::new(AtomicBool::new(false));
        let (notes_went, named) = (Arc::clone(&went), roots.to_vec());
        let watcher = RecommendedWatcher::new(
            move |event: notify::Result<Event>| {
                let of_root = |event: &Event| event.paths.iter().any(|path| named.contains(path));
                if event
                    .as_ref()
                    .is_ok_and(|event| event.kind.is_remove() && of_root(event))
                {
                    notes_went.store(true, Ordering::Release);
                }
                note(&mut lock(&noting), event, Instant::now());
                // A wake-up that waits already is as good as two.
                let _ = wake.try_send(());
            },
            Config::default().with_event_kinds(EventKindMask::CORE | EventKindMask::ACCESS_CLOSE),
        );
        let watcher =
            watcher.map_err(|error| LoaderError(format!("the system does not let us watch files: {error}")))?;
        let mut roots = Roots {
            watcher,
            went,
            watched: roots.iter().map(|root| (root.clone(), None)).collect(),
        };
        roots.follow()?;
        std::thread::Builder::new()
            .name("hotplate-settle".into())
            .spawn(move || wait(&settle, sweep, &hints, &woken, &ended, roots))
            .map_err(|error| LoaderError(format!("no thread to wait for changes: {error}")))?;
        Ok(Self { _ends: ends })
    }
}

/// The roots with the directory that each was when it was last watched.
struct Roots {
    watcher: RecommendedWatcher,
    /// Set when one of them was removed: its watch went with it, even if it looks the same again.
    went: Arc<AtomicBool>,
    watched: Vec<(PathBuf, Option<Identity>)>,
}

/// Device, inode, and when it was made: an inode number is given again soon.
type Identity = ([u64; 2], Option<SystemTime>);

impl Roots {
    /// Watches roots that came, came back or are another directory now. Answers whether there were any, or some went.
    fn follow(&mut self) -> Result<bool, LoaderError> {
        let (mut differs, mut failed) = (false, Ok(()));
        let went = self.went.swap(false, Ordering::AcqRel);
        for (root, watched) in &mut self.watched {
            let now = identity(root);
            if now == *watched && !went {
                continue;
            }
            differs = true;
            if watched.take().is_some() {
                // The watch of a directory that is gone may be gone with it.
                let _ = self.watcher.unwatch(root);
            }
            *watched = now;
            if now.is_some()
                && let Err(error) = self.watcher.watch(root, RecursiveMode::Recursive)
            {
                failed = Err(LoaderError(format!("{} cannot be watched: {error}", root.display())));
            }
        }
        failed.map(|()| differs)
    }
}

fn identity(root: &Path) -> Option<Identity> {
    let metadata = fs::metadata(root).ok()?;
    Some((signature(&metadata).identity, metadata.created().ok()))
}

/// Hints when something is due, until the other end is dropped.
fn wait(
    settle: &Mutex<Settle>,
    sweep: Duration,
    hints: &Hints,
    woken: &Receiver<()>,
    ended: &Receiver<()>,
    mut roots: Roots,
) {
    let mut swept = Instant::now();
    let mut looked_at_roots = swept;
    loop {
        let now = Instant::now();
        if now >= looked_at_roots + ROOTS {
            looked_at_roots = now;
            match roots.follow() {
                Ok(false) => {}
                Ok(true) => lock(settle).note_doubt(),
                Err(error) => {
                    tracing::warn!(%error, "changes are seen by looking at everything from time to time");
                    lock(settle).note_doubt();
                }
            }
        }
        if now >= swept + sweep {
            swept = now;
            lock(settle).note_doubt();
        }
        let next = lock(settle).next(now);
        if next.is_some_and(|next| next <= now) {
            hints.hint();
        }
        // What is due stays due until it is looked at: a hint that got lost on its way is given again.
        let timers = (looked_at_roots + ROOTS).min(swept + sweep);
        let until = next.map_or(timers, |next| timers.min(if next <= now { now + AGAIN } else { next }));
        crossbeam_channel::select! {
            recv(ended) -> _ => return,
            recv(woken) -> word => if word.is_err() { return },
            default(until.saturating_duration_since(now)) => {}
        }
    }
}

fn lock(settle: &Mutex<Settle>) -> std::sync::MutexGuard<'_, Settle> {
    settle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes an event as hints. Anything that is not clear is a doubt.
fn note(settle: &mut Settle, event: notify::Result<Event>, now: Instant) {
    let Ok(event) = event else {
        return settle.note_doubt();
    };
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
    let last = event.paths.len() - 1;
    for (place, path) in event.paths.into_iter().enumerate() {
        // A rename that names both ends says that the first is gone, which may be the first half of a save.
        let hint = if place < last { Hint::Gone } else { hint };
        settle.note(path, hint, now);
    }
}
