//! Health in answers.

use hotplate_actors::Health;
use serde::Serialize;
use utoipa::ToSchema;

use super::diagnostic::Finding;

/// How the engine is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct HealthAnswer {
    /// Whether edits come through and pages are served: not every one is broken. Rendering goes on even where this is `false`.
    pub(in super::super) ready: bool,
    /// What keeps it from being ready, a sentence each.
    pub(in super::super) reasons: Vec<String>,
    /// What does not work although it is ready, a sentence each.
    pub(in super::super) degraded: Vec<String>,
    /// What is served now.
    pub(in super::super) version: u64,
    /// Each actor, in the order of the flow.
    pub(in super::super) actors: Vec<ActorHealth>,
    /// Each loader, in the order of precedence.
    pub(in super::super) loaders: Vec<LoaderHealth>,
    /// What users send to.
    pub(in super::super) doors: Vec<DoorHealth>,
}

/// How an actor is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct ActorHealth {
    /// `watcher`, `compiler`, `graph`, `registry` or `renderer`.
    pub(in super::super) actor: &'static str,
    /// Which of several.
    pub(in super::super) number: u16,
    /// `up`, `backing-off`, `down` or `stopped`.
    pub(in super::super) state: &'static str,
    /// How often it was started again.
    pub(in super::super) restarts: u64,
    /// What it said when it failed last.
    pub(in super::super) last_fault: Option<String>,
    /// Messages that wait for it.
    pub(in super::super) backlog: usize,
    /// How long the oldest of them has waited, in milliseconds.
    pub(in super::super) oldest_ms: u64,
    /// Threads of it that hang and were replaced.
    pub(in super::super) quarantined: usize,
}

/// How a loader sees.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct LoaderHealth {
    /// What and where it is.
    pub(in super::super) loader: String,
    /// `unwatched`, `native`, `native-and-poll` or `poll`.
    pub(in super::super) watch_mode: &'static str,
    /// Why by these means.
    pub(in super::super) why: String,
    /// Files that it knows.
    pub(in super::super) files: u64,
    /// Directories that the kernel watches for it.
    pub(in super::super) directories: u64,
    /// How often a queue of events overflowed.
    pub(in super::super) overflows: u64,
    /// How often it looked at everything.
    pub(in super::super) reconciles: u64,
    /// What such a look found that no event had told.
    pub(in super::super) missed_by_events: u64,
    /// How often a file was still being written after it had been waited for; `remarks` say which.
    pub(in super::super) still_written: u64,
    /// Files that are there and cannot be read now.
    pub(in super::super) unreadable: u64,
    /// Whether its root is missing now; what was served goes on.
    pub(in super::super) root_missing: bool,
    /// What is remarkable about its files: names that no template can have, directories and links that are left out, and the like.
    pub(in super::super) remarks: Vec<Finding>,
}

/// How a door is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct DoorHealth {
    /// `reloads`, `renders` or `queries`.
    pub(in super::super) door: &'static str,
    /// How many are inside, waiting or under way.
    pub(in super::super) inside: usize,
    /// How many may be.
    pub(in super::super) capacity: usize,
    /// How many were turned away because it was full.
    pub(in super::super) busy: u64,
    /// How many had no answer in time.
    pub(in super::super) timeouts: u64,
    /// How many an actor failed with.
    pub(in super::super) lost: u64,
}

/// The answer to a probe, which needs no token.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Probe {
    /// `live`, `ready` or `not-ready`.
    pub(in super::super) status: &'static str,
    /// Why it is not ready, a sentence each. Without the token, where there is one, the sentences are not told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in super::super) reasons: Vec<String>,
}

impl From<Health> for HealthAnswer {
    fn from(health: Health) -> Self {
        let actors = health.actors.into_iter().map(|actor| ActorHealth {
            actor: actor.actor,
            number: actor.number,
            state: actor.state.as_str(),
            restarts: actor.restarts,
            last_fault: actor.last_fault,
            backlog: actor.backlog,
            oldest_ms: actor.oldest_ms,
            quarantined: actor.quarantined,
        });
        let loaders = health.loaders.into_iter().map(|loader| LoaderHealth {
            loader: loader.loader,
            watch_mode: loader.status.watch_mode.as_str(),
            why: loader.status.why,
            files: loader.status.files,
            directories: loader.status.directories,
            overflows: loader.status.overflows,
            reconciles: loader.status.reconciles,
            missed_by_events: loader.status.missed_by_events,
            still_written: loader.status.still_written,
            unreadable: loader.status.unreadable,
            root_missing: loader.status.root_missing,
            remarks: loader.status.remarks.iter().map(Finding::of).collect(),
        });
        let doors = health.doors.into_iter().map(|door| DoorHealth {
            door: door.door,
            inside: door.inside,
            capacity: door.capacity,
            busy: door.busy,
            timeouts: door.timeouts,
            lost: door.lost,
        });
        Self {
            ready: health.ready,
            reasons: health.reasons,
            degraded: health.degraded,
            version: health.version.number(),
            actors: actors.collect(),
            loaders: loaders.collect(),
            doors: doors.collect(),
        }
    }
}
