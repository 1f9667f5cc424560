//! Watches by inotify(7) on Linux, one for each directory.

use std::ffi::OsStr;
use std::io::{PipeReader, PipeWriter};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, Event, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::loader::directory::failure::{self, platform::descriptors_exhausted};
use crate::loader::directory::inbox::{Inbox, WatchEvent};
use crate::loader::directory::settle::Hint;
use crate::loader::directory::watches::{WatchError, WatchId, Watches};

/// The size of the buffer for events: about a thousand.
const BUFFER_BYTES: usize = 64 * 1024;
/// Files that always exist, never change and are no directories: see [`Watches::mark`].
const MARKS: [&str; 2] = ["/dev/null", "/proc/version"];

/// A queue of events, and the thread that reads it until this is dropped.
pub(in super::super) struct Inotify {
    queue: Arc<OwnedFd>,
    /// Closed when this is dropped, which ends the thread.
    _ends: PipeWriter,
}

impl Inotify {
    /// Starts to listen. `wake` is called when there is something to check.
    ///
    /// # Errors
    /// [`WatchError::Exhausted`] with the limit that was reached.
    pub(in super::super) fn listen(inbox: Arc<Inbox>, wake: impl Fn() + Send + 'static) -> Result<Self, WatchError> {
        let refused = |error: &dyn std::fmt::Display| WatchError::Exhausted(format!("inotify cannot be used: {error}"));
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(|error| match error {
            // `EMFILE` stands for both limits.
            Errno::MFILE if std::io::pipe().is_err() => WatchError::Exhausted(descriptors_exhausted()),
            Errno::MFILE => WatchError::Exhausted(instances_exhausted()),
            other => refused(&other),
        })?;
        let queue = Arc::new(queue);
        let (ended, ends) = std::io::pipe().map_err(|error| refused(&error))?;
        let listened = Arc::clone(&queue);
        std::thread::Builder::new()
            .name("hotplate-listen".into())
            .spawn(move || listen(&listened, &ended, &inbox, &wake))
            .map_err(|error| refused(&error))?;
        Ok(Self { queue, _ends: ends })
    }
}

impl Watches for Inotify {
    fn watch(&mut self, directory: &Path) -> Result<WatchId, WatchError> {
        let changes = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF;
        // Writes to a file after its name is gone are of no interest (`IN_EXCL_UNLINK`).
        let flags = changes | WatchFlags::ONLYDIR | WatchFlags::EXCL_UNLINK;
        match inotify::add_watch(&*self.queue, directory, flags) {
            Ok(watch) => Ok(watch.into()),
            Err(Errno::NOSPC) => Err(WatchError::Exhausted(watches_exhausted())),
            Err(error) if failure::passes(&error.into()) => {
                let message = format!("the directory {} cannot be watched: {error}", directory.display());
                Err(WatchError::Exhausted(message))
            }
            Err(_) => Err(WatchError::NotThere),
        }
    }

    fn unwatch(&mut self, watch: WatchId) {
        if let Ok(watch) = i32::try_from(watch) {
            // A watch that has ended by itself does not exist any more.
            let _ = inotify::remove_watch(&*self.queue, watch);
        }
    }

    /// Adds a watch and ends it at once. The kernel puts `IN_IGNORED` into the queue behind all earlier events, which is the mark. Nothing
    /// is written to the disk, so this works in read-only directories and leaves nothing behind. `IN_MASK_CREATE` makes sure that no
    /// other watch of the file is ended.
    fn mark(&mut self) -> Option<WatchId> {
        let flags = WatchFlags::DELETE_SELF | WatchFlags::MASK_CREATE;
        let put = |path| inotify::add_watch(&*self.queue, path, flags).ok();
        let mark = MARKS.into_iter().find_map(put)?;
        inotify::remove_watch(&*self.queue, mark).ok()?;
        Some(mark.into())
    }

    fn is_exact(&self) -> bool {
        true
    }
}

fn listen(queue: &OwnedFd, ended: &PipeReader, inbox: &Inbox, wake: &dyn Fn()) {
    let mut buffer = vec![MaybeUninit::uninit(); BUFFER_BYTES];
    let mut reader = Reader::new(queue, &mut buffer);
    let mut concerns = false;
    loop {
        if reader.is_buffer_empty() {
            if std::mem::take(&mut concerns) {
                wake();
            }
            let mut ready = [PollFd::new(queue, PollFlags::IN), PollFd::new(ended, PollFlags::IN)];
            if poll(&mut ready, None).is_ok() && !ready[1].revents().is_empty() {
                return;
            }
        }
        match reader.next() {
            Ok(event) => concerns |= receive(&event, inbox),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => {
                tracing::error!(%error, "file events cannot be read any more; files are compared from time to time");
                crate::without_subscriber::warn_without_subscriber(format_args!(
                    "file events cannot be read any more: {error}"
                ));
                inbox.settle().note_lost_events();
                return wake();
            }
        }
    }
}

fn receive(event: &Event<'_>, inbox: &Inbox) -> bool {
    let (watch, what, now) = (event.wd().into(), event.events(), Instant::now());
    let event = if what.contains(ReadFlags::QUEUE_OVERFLOW) {
        WatchEvent::Overflow
    } else if what.contains(ReadFlags::IGNORED) {
        WatchEvent::Ended(watch)
    } else if let Some(name) = event.file_name() {
        WatchEvent::Named(watch, OsStr::from_bytes(name.to_bytes()), hint(what))
    } else {
        WatchEvent::Itself(watch)
    };
    inbox.receive(event, now)
}

fn hint(what: ReadFlags) -> Hint {
    if what.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
        Hint::Gone
    } else if what.intersects(ReadFlags::ISDIR | ReadFlags::MOVED_TO) {
        Hint::Whole
    } else if what.contains(ReadFlags::CLOSE_WRITE) {
        Hint::Closed
    } else if what.contains(ReadFlags::CREATE) {
        Hint::Created
    } else if what.contains(ReadFlags::MODIFY) {
        Hint::Writing
    } else {
        Hint::Attributes
    }
}

fn watches_exhausted() -> String {
    exhausted("watches", "max_user_watches", 1_048_576)
}

fn instances_exhausted() -> String {
    exhausted("queues", "max_user_instances", 1024)
}

fn exhausted(what: &str, limit: &str, more: u32) -> String {
    let now = std::fs::read_to_string(format!("/proc/sys/fs/inotify/{limit}")).unwrap_or_default();
    format!(
        "the kernel has no inotify {what} left for this user (fs.inotify.{limit} is {}): allow more with `sysctl fs.inotify.{limit}={more}`",
        now.trim()
    )
}
