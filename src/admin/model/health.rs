//! The health in answers of the API.

use hotplate_actors::counters::OpenBreaker;
use hotplate_actors::{Health, Version};
use serde::Serialize;
use utoipa::ToSchema;

use super::NAMES_MAX;
use super::diagnostic::Finding;
use crate::guard::{Connections, EndReason};

/// The health of the engine and of its listeners.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct HealthAnswer {
    /// True if edits are published and pages are served, that is, not every page is broken. Rendering continues even if this is `false`.
    pub(in super::super) ready: bool,
    /// The reasons why it is not ready, a sentence each.
    pub(in super::super) reasons: Vec<String>,
    /// Parts that do not work although it is ready, a sentence each.
    pub(in super::super) degraded: Vec<String>,
    /// The version that is served.
    pub(in super::super) version: u64,
    /// Each actor, in the order in which an edit passes through them.
    pub(in super::super) actors: Vec<ActorHealth>,
    /// Each loader, in the order of precedence.
    pub(in super::super) loaders: Vec<LoaderHealth>,
    /// Each mailbox of the engine.
    pub(in super::super) mailboxes: Vec<MailboxAnswer>,
    /// The number of templates whose circuit breaker is open.
    pub(in super::super) breakers_open: usize,
    /// These templates, sorted by name, the first hundred.
    pub(in super::super) breakers: Vec<BreakerAnswer>,
    /// Each listener, this one included.
    pub(in super::super) listeners: Vec<ListenerHealth>,
    /// The store of published versions, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) store: Option<StoreAnswer>,
    /// The audit log, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) audit: Option<AuditAnswer>,
}

/// The audit log.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct AuditAnswer {
    /// Its directory.
    pub(in super::super) directory: String,
    /// Records that this process has written.
    pub(in super::super) written: u64,
    /// Records that were dropped, because too many waited for a disk that could not be written.
    pub(in super::super) lost: u64,
    /// Attempts to write that failed.
    pub(in super::super) failures: u64,
    /// The reason why the last attempt failed; `null` if it succeeded.
    pub(in super::super) error: Option<String>,
}

/// The store of published versions.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct StoreAnswer {
    /// Its directory.
    pub(in super::super) directory: String,
    /// The stored version that was served at the start; `null` if there was none.
    pub(in super::super) opened: Option<u64>,
    /// The last version that is durable; `null` if there is none.
    pub(in super::super) durable: Option<u64>,
    /// Versions that were published since.
    pub(in super::super) lag: u64,
    /// Versions that were not stored by themselves, because a later one was published before.
    pub(in super::super) skipped: u64,
    /// Versions that were stored.
    pub(in super::super) writes: u64,
    /// Attempts to store a version that failed.
    pub(in super::super) failures: u64,
    /// Stored texts that were changed or removed while the process ran, and were written again.
    pub(in super::super) repaired: u64,
    /// The reason why the last attempt failed; `null` if it succeeded.
    pub(in super::super) error: Option<String>,
    /// A sentence for each file that was damaged at the start.
    pub(in super::super) problems: Vec<String>,
    /// The reason for each loader that could not be loaded since the start, so that its stored templates are served.
    pub(in super::super) not_loaded: Vec<String>,
}

/// A template whose circuit breaker is open: it failed repeatedly at a high cost, so its last good version is rendered instead.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct BreakerAnswer {
    /// The name of the template.
    pub(in super::super) template: String,
    /// The time at which the breaker opened, in milliseconds since 1970. Failed probes do not change it.
    pub(in super::super) since_ms: u64,
    /// The time from which the next render probes the template, in milliseconds since 1970. It is in the past if there was no request since.
    pub(in super::super) next_try_ms: u64,
    /// True if a render is probing it now.
    pub(in super::super) trying: bool,
    /// The error of its last render.
    pub(in super::super) diagnostic: Option<Finding>,
}

/// The connections of a listener, since it began to listen.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct ListenerHealth {
    /// `pages`, `admin`, or the name that a program gave to its own listener.
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
    /// The head of a request took longer than `request_ms`, or none arrived.
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

/// The health of an actor.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct ActorHealth {
    /// `watcher`, `compiler`, `graph`, `registry` or `renderer`.
    pub(in super::super) actor: &'static str,
    /// Its number among the actors of this name.
    pub(in super::super) number: u16,
    /// `up`, `backing-off`, `down` or `stopped`.
    pub(in super::super) state: &'static str,
    /// The number of restarts.
    pub(in super::super) restarts: u64,
    /// The message of its last fault.
    pub(in super::super) last_fault: Option<String>,
    /// Messages that wait in its mailbox.
    pub(in super::super) backlog: usize,
    /// The time that the oldest of them has waited, in milliseconds.
    pub(in super::super) oldest_ms: u64,
    /// Its threads that hang and were replaced.
    pub(in super::super) quarantined: usize,
}

/// The health of a loader.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct LoaderHealth {
    /// The kind of loader and its place.
    pub(in super::super) loader: String,
    /// The kind of loader in a word: `directory`, `postgres`.
    pub(in super::super) kind: &'static str,
    /// Its priority. A loader with a higher one provides the names that both have.
    pub(in super::super) priority: i32,
    /// The outcome of its last sync: `loading`, `stored`, `loaded`, `absent`, `unavailable` or `refused`.
    pub(in super::super) state: &'static str,
    /// The state of its source in the terms of that, such as a commit.
    pub(in super::super) tag: Option<String>,
    /// The reason why its last sync failed.
    pub(in super::super) error: Option<String>,
    /// The time since its last sync that succeeded, in milliseconds.
    pub(in super::super) lag_ms: Option<u64>,
    /// The number of times that it was replaced, because it hung or panicked.
    pub(in super::super) replaced: u64,
    /// `unwatched`, `native`, `native-and-poll` or `poll`.
    pub(in super::super) watch_mode: &'static str,
    /// The reason for this mode.
    pub(in super::super) why: String,
    /// Files that it knows.
    pub(in super::super) files: u64,
    /// Directories that the kernel watches for it.
    pub(in super::super) directories: u64,
    /// The number of times that a queue of events overflowed.
    pub(in super::super) overflows: u64,
    /// The number of full scans.
    pub(in super::super) reconciles: u64,
    /// Changes that a full scan found and no event had reported.
    pub(in super::super) missed_by_events: u64,
    /// The number of times that a file was still being written after `settle_max_ms`; `remarks` names the files.
    pub(in super::super) still_written: u64,
    /// Files that exist and cannot be read.
    pub(in super::super) unreadable: u64,
    /// True if its root is missing. The previous version is still served.
    pub(in super::super) root_missing: bool,
    /// Remarks about its files, such as names that no template can have, and directories and links that are left out.
    pub(in super::super) remarks: Vec<Finding>,
}

/// A mailbox of the engine: its load, and the calls that failed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct MailboxAnswer {
    /// The name of the mailbox: `reloads`, `renders` or `queries`.
    pub(in super::super) name: &'static str,
    /// Messages in flight: messages that wait and messages that are being handled.
    pub(in super::super) in_flight: usize,
    /// The most messages in flight.
    pub(in super::super) capacity: usize,
    /// Messages that were rejected because the mailbox was full.
    pub(in super::super) busy: u64,
    /// Messages that timed out.
    pub(in super::super) timeouts: u64,
    /// Messages that were lost to a fault of an actor.
    pub(in super::super) lost: u64,
}

/// The answer to a probe, which needs no token.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Probe {
    /// `live`, `ready` or `not-ready`.
    pub(in super::super) status: &'static str,
    /// The reasons why it is not ready, a sentence each. They are left out without the token, if there is one.
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
            kind: loader.name,
            priority: loader.priority,
            state: loader.state.as_str(),
            tag: loader.tag,
            error: loader.error,
            lag_ms: loader.lag_ms,
            replaced: loader.replaced,
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
        // These fields keep the names that they have in version 1 of the API.
        let mailboxes = health.mailboxes.into_iter().map(|mailbox| MailboxAnswer {
            name: mailbox.mailbox,
            in_flight: mailbox.in_flight,
            capacity: mailbox.capacity,
            busy: mailbox.busy,
            timeouts: mailbox.timeouts,
            lost: mailbox.lost,
        });
        Self {
            ready: health.ready,
            reasons: health.reasons,
            degraded: health.degraded,
            version: health.version.number(),
            actors: actors.collect(),
            loaders: loaders.collect(),
            store: health.store.map(|store| StoreAnswer {
                directory: store.directory,
                opened: store.opened.map(Version::number),
                durable: store.durable.map(Version::number),
                lag: store.lag,
                skipped: store.skipped,
                writes: store.writes,
                failures: store.failures,
                repaired: store.repaired,
                error: store.error,
                problems: store.problems,
                not_loaded: store.not_loaded,
            }),
            audit: health.audit.map(|audit| AuditAnswer {
                directory: audit.directory,
                written: audit.written,
                lost: audit.lost,
                failures: audit.failures,
                error: audit.error,
            }),
            mailboxes: mailboxes.collect(),
            breakers_open: breakers.len(),
            breakers: breakers.iter().take(NAMES_MAX).map(BreakerAnswer::of).collect(),
            listeners: listeners.map(ListenerHealth::of).collect(),
        }
    }
}
