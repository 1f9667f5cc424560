//! [`Health`]: how an engine is, for whoever answers for it at 3 a.m.

use serde::Serialize;

use crate::diagnostic::Diagnostic;
use crate::version::Version;

/// How an engine is. Asking costs no message and waits for nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whether edits come through and pages are served: not every one is broken. Rendering goes on even where this is `false`.
    pub ready: bool,
    /// What keeps it from being ready, a sentence each.
    pub reasons: Vec<String>,
    /// Faults that do not keep it from being ready, a sentence each: an actor of yours that was given up, threads that hang. Somebody
    /// should look at them; no traffic has to be turned away for them.
    pub degraded: Vec<String>,
    /// What is served now.
    pub version: Version,
    /// Each actor, in the order of the flow.
    pub actors: Vec<ActorHealth>,
    /// Each loader, in the order of precedence.
    pub loaders: Vec<LoaderHealth>,
    /// What users send to.
    pub mailboxes: Vec<MailboxHealth>,
}

/// How an actor is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActorHealth {
    /// Which: `watcher`, `compiler`, `graph`, `registry`, `renderer`, or one of yours.
    pub actor: &'static str,
    /// Which of several.
    pub number: u16,
    /// What it is doing.
    pub state: ActorState,
    /// How often it was started again.
    pub restarts: u64,
    /// What it said when it failed last.
    pub last_fault: Option<String>,
    /// Messages that wait for it or are in hand.
    pub backlog: usize,
    /// How long ago the oldest of them was sent, in milliseconds.
    pub oldest_ms: u64,
    /// Threads of it that hang and were replaced.
    pub quarantined: usize,
}

/// What an actor is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ActorState {
    /// It serves.
    Up,
    /// It failed and waits before it is started again; its messages are kept.
    BackingOff,
    /// It failed too often, and an operator has to reset it.
    Down,
    /// It has come to its end, or the engine has.
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

/// How a loader sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LoaderHealth {
    /// What and where it is.
    pub loader: String,
    /// How it learns of changes.
    #[serde(flatten)]
    pub status: LoaderStatus,
}

/// How a loader learns of changes, and what it noticed about that.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LoaderStatus {
    /// By what means.
    pub watch_mode: WatchMode,
    /// Why by these.
    pub why: String,
    /// Files that it knows.
    pub files: u64,
    /// Directories that the kernel watches for it.
    pub directories: u64,
    /// How often the kernel's queue, or ours, overflowed.
    pub overflows: u64,
    /// How often it looked at everything.
    pub reconciles: u64,
    /// What such a look found that no event had told.
    pub missed_by_events: u64,
    /// How often a file was still being written after it had been waited for: what was whole last goes on, or a new file is taken as
    /// it is. It also counts batches that were handed on although their directories were exchanged without end. `remarks` say which.
    pub still_written: u64,
    /// Files that are there and cannot be read now.
    pub unreadable: u64,
    /// True if a directory never was there, and nothing is served without it.
    pub awaited: bool,
    /// A sentence for each directory that is missing now, with what that means. Its templates are still served; if it never was there,
    /// nothing is until it comes.
    pub missing: Vec<String>,
    /// What is remarkable about files that are no template, or about names: not UTF-8, not portable, a link that is not followed.
    pub remarks: Vec<Diagnostic>,
}

/// By what means a loader learns of changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WatchMode {
    /// Not at all: by `Reload` only.
    #[default]
    Unwatched,
    /// The kernel tells.
    Native,
    /// The kernel tells, and it looks for itself as well, for it does not trust the kernel there.
    NativeAndPoll,
    /// It looks for itself.
    Poll,
}

impl WatchMode {
    /// All of them.
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

/// How a door is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MailboxHealth {
    /// Which: `reloads`, `renders`, `queries`.
    pub mailbox: &'static str,
    /// How many are inside, waiting or under way.
    pub in_flight: usize,
    /// How many may be.
    pub capacity: usize,
    /// How many were turned away because it was full.
    pub busy: u64,
    /// How many were answered `Timeout`.
    pub timeouts: u64,
    /// How many were answered `Lost`.
    pub lost: u64,
}
