//! [`Mode`]: the way in which a loader learns of changes at this moment.
//!
//! ```text
//!                 watch()                  no watch left, or none to be had
//!  Unwatched ───────────────▶ PerDirectory ──────────────────────────▶ Polling
//!                             WholeTrees   ◀──────────────────────────
//!                                             each `sweep_ms`: watches again
//! ```

use std::time::Instant;

use crate::health::WatchMode;
use crate::loader::directory::watches::Watches;

/// The way in which a loader learns of changes.
pub(in super::super) enum Mode {
    /// Nothing is watched: `watch` was not called.
    Unwatched,
    /// inotify with one watch for each directory. All events are in one queue, so a mark in it proves that every earlier event was
    /// received.
    PerDirectory,
    /// Watches of whole trees, as macOS and Windows have them. Events may be late or coalesced, and there is no mark.
    WholeTrees,
    /// All files are compared each `poll_ms`.
    Polling {
        /// The reason, in a sentence.
        why: String,
        /// The native watches, given back because there were not enough of them, and the time at which to try them again.
        spare: Option<(Box<dyn Watches>, Instant)>,
    },
}

impl Mode {
    /// Returns the mode in which a loader watches natively with these watches.
    pub(in super::super) fn of(watches: &dyn Watches) -> Self {
        match watches.is_exact() {
            true => Self::PerDirectory,
            false => Self::WholeTrees,
        }
    }

    /// Polling because the configuration asks for it.
    pub(in super::super) fn configured_polling() -> Self {
        let why = "polling is configured".to_owned();
        Self::Polling { why, spare: None }
    }

    pub(super) fn is_watched(&self) -> bool {
        !matches!(self, Self::Unwatched)
    }

    /// Returns true if the kernel reports changes.
    pub(super) fn is_native(&self) -> bool {
        matches!(self, Self::PerDirectory | Self::WholeTrees)
    }

    /// Returns true if events report every change, and a mark proves that all of them were received.
    pub(super) fn is_exact(&self) -> bool {
        matches!(self, Self::PerDirectory)
    }

    /// Takes the native watches that were given back, if it is time to try them again.
    pub(super) fn take_spare(&mut self, now: Instant) -> Option<Box<dyn Watches>> {
        match self {
            Self::Polling { spare, .. } => spare.take_if(|(_, at)| *at <= now).map(|(watches, _)| watches),
            _ => None,
        }
    }

    /// Returns the mode and its reason for health and metrics. `silent` is the name of a file system without reliable events.
    pub(super) fn report(&self, silent: Option<&str>) -> (WatchMode, String) {
        match (self, silent) {
            (Self::Unwatched, _) => (WatchMode::Unwatched, "watching is off".to_owned()),
            (Self::Polling { why, .. }, _) => (WatchMode::Poll, why.clone()),
            (_, Some(silent)) => (
                WatchMode::NativeAndPoll,
                format!("the file system is {silent}, whose native file events do not report every change"),
            ),
            (_, None) => (WatchMode::Native, "native file events report every change".to_owned()),
        }
    }
}
