//! [`Health`]: the state of an engine and its parts, for the operator who is on call.

use serde::Serialize;

use crate::diagnostic::Diagnostic;
use crate::version::Version;

/// The health of an engine. Reading it sends no message and never waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// True if edits are published and at least one page is served. Rendering continues even if this is false.
    pub ready: bool,
    /// The reasons why it is not ready, a sentence each.
    pub reasons: Vec<String>,
    /// Faults that do not keep it from being ready, a sentence each: one of your actors that has reached its restart limit, or threads that
    /// hang. They need attention, but the service can still receive traffic.
    pub degraded: Vec<String>,
    /// The version that is served now.
    pub version: Version,
    /// Each actor, in the order of the pipeline.
    pub actors: Vec<ActorHealth>,
    /// Each loader, in the order of precedence.
    pub loaders: Vec<LoaderHealth>,
    /// The mailboxes that callers send to.
    pub mailboxes: Vec<MailboxHealth>,
    /// The store of published versions, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreHealth>,
    /// The audit log, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditHealth>,
}

/// The state of the audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AuditHealth {
    /// Its directory.
    pub directory: String,
    /// Records that this process has written.
    pub written: u64,
    /// Records that were dropped, because too many waited for a disk that could not be written.
    pub lost: u64,
    /// Attempts to write that failed.
    pub failures: u64,
    /// The reason why the last attempt failed; `None` if it succeeded.
    pub error: Option<String>,
}

/// The state of the store of published versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StoreHealth {
    /// Its directory.
    pub directory: String,
    /// The stored version that was served at the start; `None` if there was none.
    pub opened: Option<Version>,
    /// The last version that is durable on disk.
    pub durable: Option<Version>,
    /// The number of versions that were published since.
    pub lag: u64,
    /// Versions that were never stored by themselves, because a later one was published before the writer came to them.
    pub skipped: u64,
    /// Versions that were written.
    pub writes: u64,
    /// Attempts to write a version that failed.
    pub failures: u64,
    /// Stored texts that were changed or removed while the process ran, and were written again.
    pub repaired: u64,
    /// The reason why the last attempt failed; `None` if it succeeded.
    pub error: Option<String>,
    /// A sentence for each file that was found damaged at the start, and for the last ones that were found since.
    pub problems: Vec<String>,
    /// The reason for each loader that could not be loaded since the start, so that its stored templates are served.
    pub not_loaded: Vec<String>,
}

/// The health of an actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActorHealth {
    /// Its name: `watcher`, `compiler`, `graph`, `registry`, `renderer`, or the name of an actor of your own.
    pub actor: &'static str,
    /// Its number among the actors of this name, from 0.
    pub number: u16,
    /// Its state.
    pub state: ActorState,
    /// Restarts so far.
    pub restarts: u64,
    /// The message of its last failure.
    pub last_fault: Option<String>,
    /// Messages that wait or are being served.
    pub backlog: usize,
    /// The age of the oldest of them, in milliseconds.
    pub oldest_ms: u64,
    /// Its threads that hang and were replaced.
    pub quarantined: usize,
}

/// The state of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ActorState {
    /// It serves messages.
    Up,
    /// It has failed, and is restarted after a pause; its messages wait.
    BackingOff,
    /// It has reached its restart limit, and stays down until an operator resets it.
    Down,
    /// It has finished, or the engine has stopped.
    Stopped,
}

impl ActorState {
    /// Returns its name, as it is written in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::BackingOff => "backing-off",
            Self::Down => "down",
            Self::Stopped => "stopped",
        }
    }
}

/// The health of a loader.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LoaderHealth {
    /// A description: its kind and its source.
    pub loader: String,
    /// Its kind in a word: `directory`, `postgres`.
    pub name: &'static str,
    /// Its priority. A loader with a higher one provides the names that both have.
    pub priority: i32,
    /// The outcome of its last sync.
    pub state: LoaderState,
    /// The state of its source in the terms of that, such as a commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The reason why its last sync failed; `None` if it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The time since its last sync that succeeded, in milliseconds; `None` if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<u64>,
    /// The number of times that it was replaced, because it hung or panicked.
    pub replaced: u64,
    /// Its threads that hang and were replaced.
    pub hung: usize,
    /// The way in which it learns of changes.
    #[serde(flatten)]
    pub status: LoaderStatus,
}

/// The outcome of the last sync of a loader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LoaderState {
    /// There was none yet.
    #[default]
    Loading,
    /// There was none yet. What an earlier process has stored is served.
    Stored,
    /// Everything is loaded.
    Loaded,
    /// There is no such source, so it has no templates.
    Absent,
    /// The source cannot be reached. What it had before is still served.
    Unavailable,
    /// The source cannot be loaded as it is configured, or its content is not acceptable. What it had before is still served.
    Refused,
}

impl LoaderState {
    /// Returns its name, as it is written in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Stored => "stored",
            Self::Loaded => "loaded",
            Self::Absent => "absent",
            Self::Unavailable => "unavailable",
            Self::Refused => "refused",
        }
    }
}

/// The way in which a loader learns of changes, and counts of the changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LoaderStatus {
    /// The watch mode.
    pub watch_mode: WatchMode,
    /// The reason for this mode.
    pub why: String,
    /// Files that it knows.
    pub files: u64,
    /// Directories that the kernel watches for it.
    pub directories: u64,
    /// Overflows of the kernel's queue of events, or of ours.
    pub overflows: u64,
    /// Full scans.
    pub reconciles: u64,
    /// Changes that a full scan found and no event had reported.
    pub missed_by_events: u64,
    /// Files that were still being written when the time to wait for them was over: the last whole content stays in use, or a new file is
    /// used as it is. Batches that were sent while their directories were still being exchanged count as well. `remarks` name them.
    pub still_written: u64,
    /// Files that exist and cannot be read at present.
    pub unreadable: u64,
    /// True if a directory has never existed, and nothing is served without it.
    pub awaited: bool,
    /// A sentence for each directory that is missing now, which explains the consequence. Its last templates are still served. If it has
    /// never existed, nothing is served until it appears.
    pub missing: Vec<String>,
    /// Remarks about files that are not templates, and about names: not UTF-8, not portable, a link that is not followed.
    pub remarks: Vec<Diagnostic>,
}

/// The way in which a loader learns of changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WatchMode {
    /// None: changes are found by `Reload` only.
    #[default]
    Unwatched,
    /// Native file events of the kernel.
    Native,
    /// Native file events and polling, where events are not reliable.
    NativeAndPoll,
    /// Polling.
    Poll,
}

impl WatchMode {
    /// All modes.
    pub const ALL: [Self; 4] = [Self::Unwatched, Self::Native, Self::NativeAndPoll, Self::Poll];

    /// Returns its name, as it is written in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unwatched => "unwatched",
            Self::Native => "native",
            Self::NativeAndPoll => "native-and-poll",
            Self::Poll => "poll",
        }
    }
}

/// The state of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MailboxHealth {
    /// Its name: `reloads`, `renders` or `queries`.
    pub mailbox: &'static str,
    /// Messages in flight.
    pub in_flight: usize,
    /// Maximum number of messages in flight.
    pub capacity: usize,
    /// Messages that were rejected because it was full.
    pub busy: u64,
    /// Messages that were answered `Timeout`.
    pub timeouts: u64,
    /// Messages that were answered `Lost`.
    pub lost: u64,
}
