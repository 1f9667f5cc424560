//! Health in answers.

use hotplate_actors::Health;
use hotplate_actors::counters::OpenBreaker;
use serde::Serialize;
use utoipa::ToSchema;

use super::NAMES_MAX;
use super::diagnostic::Finding;
use crate::guard::{Connections, EndReason};

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
    /// How many templates have an open circuit breaker.
    pub(in super::super) breakers_open: usize,
    /// These templates, sorted by name, the first hundred.
    pub(in super::super) breakers: Vec<BreakerAnswer>,
    /// Each listener, this one included.
    pub(in super::super) listeners: Vec<ListenerHealth>,
}

/// A template whose circuit breaker is open: it failed so often, at such a cost, that its last good version is rendered in its place.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct BreakerAnswer {
    /// Its name.
    pub(in super::super) template: String,
    /// When the breaker opened, in milliseconds since 1970. Trials that failed since leave it open.
    pub(in super::super) since_ms: u64,
    /// When a render will try the template again, in milliseconds since 1970. It may be over: nobody has asked for it since.
    pub(in super::super) next_try_ms: u64,
    /// Whether a render is trying it now.
    pub(in super::super) trying: bool,
    /// What the last render failed with.
    pub(in super::super) diagnostic: Option<Finding>,
}

/// The connections of a listener, since it began to listen.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct ListenerHealth {
    /// `pages`, `admin`, or what a program calls its own.
    pub(in super::super) listener: &'static str,
    /// Connections that are open now.
    pub(in super::super) open: usize,
    /// Connections that may be open at once; more wait in the kernel.
    pub(in super::super) capacity: usize,
    /// Connections that the server ended, by the reason.
    pub(in super::super) ended: EndedConnections,
    /// Requests that were answered 503 because answers that wait for their clients used up `buffered_bytes`.
    pub(in super::super) refused: u64,
}

/// Connections that a server ended, by the reason.
#[derive(Debug, Clone, PartialEq, Default, Serialize, ToSchema)]
pub(in super::super) struct EndedConnections {
    /// The head of a request took longer than `request_ms`, or none came.
    pub(in super::super) slow_head: u64,
    /// The body of a request took longer than `request_ms`.
    pub(in super::super) slow_body: u64,
    /// The client read less than `progress_bytes` of an answer within `stalled_ms`.
    pub(in super::super) no_progress: u64,
    /// The answer waited longest for its client when `buffered_bytes` was used up.
    pub(in super::super) buffered: u64,
    /// The client went on sending a body after the answer.
    pub(in super::super) unread_body: u64,
}

impl BreakerAnswer {
    pub(in super::super) fn of(open: &OpenBreaker) -> Self {
        Self {
            template: open.template.to_string(),
            since_ms: open.since_ms,
            next_try_ms: open.next_try_ms,
            trying: open.is_tried,
            diagnostic: open.diagnostic.as_ref().map(Finding::of),
        }
    }
}

impl ListenerHealth {
    fn of((listener, connections): (&'static str, Connections)) -> Self {
        let mut ended = EndedConnections::default();
        for (reason, count) in connections.ended {
            let field = match reason {
                EndReason::SlowHead => &mut ended.slow_head,
                EndReason::SlowBody => &mut ended.slow_body,
                EndReason::NoProgress => &mut ended.no_progress,
                EndReason::Buffered => &mut ended.buffered,
                EndReason::UnreadBody => &mut ended.unread_body,
            };
            *field = count;
        }
        Self {
            listener,
            open: connections.open,
            capacity: connections.capacity,
            ended,
            refused: connections.refused,
        }
    }
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

impl HealthAnswer {
    pub(in super::super) fn of(
        health: Health,
        breakers: &[OpenBreaker],
        listeners: impl Iterator<Item = (&'static str, Connections)>,
    ) -> Self {
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
            root_missing: !loader.status.missing.is_empty(),
            remarks: loader.status.remarks.iter().map(Finding::of).collect(),
        });
        let doors = health.mailboxes.into_iter().map(|door| DoorHealth {
            door: door.mailbox,
            inside: door.in_flight,
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
            breakers_open: breakers.len(),
            breakers: breakers.iter().take(NAMES_MAX).map(BreakerAnswer::of).collect(),
            listeners: listeners.map(ListenerHealth::of).collect(),
        }
    }
}
