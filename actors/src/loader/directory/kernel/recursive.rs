//! Watches of whole trees by the crate `notify`, as macOS (FSEvents) and Windows (`ReadDirectoryChangesW`) have them. The system adds
//! watches of new directories by itself, at a time that is unknown here.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RemoveKind, RenameMode};
use notify::{Config, Event, EventKindMask, RecommendedWatcher, RecursiveMode, Watcher};

use crate::loader::directory::disk::{Disk, FileId, System};
use crate::loader::directory::inbox::Inbox;
use crate::loader::directory::settle::Hint;
use crate::loader::directory::watches::{WatchError, WatchId, Watches};

/// Watches the trees of some roots, and single directories outside of them.
pub(in super::super) struct Recursive {
    watcher: RecommendedWatcher,
    roots: Vec<PathBuf>,
    watched: HashMap<PathBuf, Watch>,
    next: WatchId,
}

struct Watch {
    number: WatchId,
    id: Option<FileId>,
    /// Set if it has a watch of its own, and is no part of a watched tree.
    own: bool,
}

impl Recursive {
    /// Starts to listen. `wake` is called when there is something to check.
    ///
    /// # Errors
    /// [`WatchError::Exhausted`] with the reason of the system.
    pub(in super::super) fn listen(
        roots: Vec<PathBuf>,
        inbox: Arc<Inbox>,
        wake: impl Fn() + Send + 'static,
    ) -> Result<Self, WatchError> {
        let handler = move |event| {
            if receive(event, &inbox, Instant::now()) {
                wake();
            }
        };
        let config = Config::default()
            .with_event_kinds(EventKindMask::CORE | EventKindMask::ACCESS_CLOSE)
            .with_follow_symlinks(false);
        let watcher = RecommendedWatcher::new(handler, config)
            .map_err(|error| WatchError::Exhausted(format!("native file events cannot be used: {error}")))?;
        Ok(Self {
            watcher,
            roots,
            watched: HashMap::new(),
            next: 0,
        })
    }

    fn is_root(&self, directory: &Path) -> bool {
        let mut reals = self.roots.iter().filter_map(|root| fs::canonicalize(root).ok());
        reals.any(|real| real == directory)
    }
}

impl Watches for Recursive {
    fn watch(&mut self, directory: &Path) -> Result<WatchId, WatchError> {
        let id = System.stat(directory).ok().map(|stat| stat.id);
        if id.is_none() {
            return Err(WatchError::NotThere);
        }
        if let Some(watch) = self.watched.get(directory) {
            if watch.id == id {
                return Ok(watch.number);
            }
            let number = watch.number;
            self.unwatch(number);
        }
        let is_root = self.is_root(directory);
        let mut above = directory.ancestors().skip(1);
        let in_a_tree = above.any(|above| self.watched.contains_key(above) && self.is_root(above));
        let own = is_root || !in_a_tree;
        if own {
            let mode = match is_root {
                true => RecursiveMode::Recursive,
                false => RecursiveMode::NonRecursive,
            };
            self.watcher.watch(directory, mode).map_err(failure)?;
        }
        self.next += 1;
        let number = self.next;
        self.watched.insert(directory.to_owned(), Watch { number, id, own });
        Ok(number)
    }

    fn unwatch(&mut self, number: WatchId) {
        let of_number = self.watched.extract_if(|_, watch| watch.number == number);
        let directories: Vec<(PathBuf, Watch)> = of_number.collect();
        for (directory, watch) in directories {
            if watch.own {
                // The watch of a directory that is gone may be gone with it.
                let _ = self.watcher.unwatch(&directory);
            }
        }
    }

    /// Returns none: events have no reliable order.
    fn mark(&mut self) -> Option<WatchId> {
        None
    }

    fn is_exact(&self) -> bool {
        false
    }
}

fn failure(error: notify::Error) -> WatchError {
    match error.kind {
        notify::ErrorKind::MaxFilesWatch => WatchError::Exhausted(
            "the kernel has no inotify watches left for this user: allow more with `sysctl fs.inotify.max_user_watches=1048576`"
                .into(),
        ),
        _ => WatchError::NotThere,
    }
}

/// Notes an event as hints. An unclear one counts as lost events. Returns true if there is something to check.
fn receive(event: notify::Result<Event>, inbox: &Inbox, now: Instant) -> bool {
    // `notify` reports errors also while it adds a watch, and whoever asked for that holds the lock of the watched directories.
    let Some(event) = event
        .ok()
        .filter(|event| !event.need_rescan() && !event.paths.is_empty())
    else {
        inbox.lose_events();
        return true;
    };
    let hint = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Hint::Closed,
        EventKind::Access(_) => return false,
        EventKind::Create(CreateKind::Folder) | EventKind::Remove(RemoveKind::Folder) => Hint::Whole,
        EventKind::Create(_) => Hint::Created,
        EventKind::Modify(ModifyKind::Data(_)) => Hint::Writing,
        EventKind::Modify(ModifyKind::Metadata(_)) => Hint::Attributes,
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)) => Hint::Gone,
        _ => Hint::Whole,
    };
    let last = event.paths.len() - 1;
    let mut concerns = false;
    for (place, path) in event.paths.into_iter().enumerate() {
        // A rename with both paths means that the first is gone, which may be the first half of a save.
        let hint = if place < last { Hint::Gone } else { hint };
        concerns |= inbox.note(vec![path], hint, now);
    }
    concerns
}
