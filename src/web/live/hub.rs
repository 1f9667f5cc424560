//! [`Hub`]: the current state of the entries that browsers follow.
//!
//! A thread subscribes to the engine and records the state of each followed entry after each publish, with a serial number that
//! grows with each change. Event streams are woken by a `watch` channel and send the states whose serial is newer than the one
//! they sent last. A slow stream therefore skips intermediate states, and no queue can grow. The states are recorded once for
//! all streams, so the cost of a publish depends on the number of followed entries, not on the number of browsers.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use actix_web::web::Bytes;
use hotplate_actors::snapshot::{EntryStatus, Snapshot};
use hotplate_actors::{Diagnostic, Event, Hotplate, Serving, Subscription, TemplateName, Version};
use serde::Serialize;
use tokio::sync::watch;

use super::editor::Editor;
use super::fault::FaultReport;
use super::labels::{LiveSettings, Sources};
use super::styles::Stylesheets;
use crate::sse;
use crate::web::digests::{self, Digests};

/// The texts with errors that an event reports of one page.
const TEXTS_MAX: usize = 100;

/// The followed entries, and the channel that wakes the streams.
pub(super) struct Hub {
    /// Identifies this run of the server: another run may render the same templates differently.
    run: Arc<str>,
    sources: Sources,
    editor: Editor,
    faults_max: usize,
    /// Errors that are kept of one text.
    faults_kept: usize,
    clients_max: usize,
    digests: Arc<Digests>,
    followed: Mutex<Followed>,
    sheets: RwLock<Arc<Stylesheets>>,
    /// Wakes the streams; `None` once the engine has stopped.
    changes: watch::Sender<Option<u64>>,
}

#[derive(Default)]
struct Followed {
    clients: usize,
    entries: HashMap<TemplateName, FollowedEntry>,
    /// The serial number of the last recorded change.
    serial: u64,
}

/// An entry with at least one follower.
struct FollowedEntry {
    followers: usize,
    /// The version in which a render failed with the data of some request, if one did.
    failed_in: Option<Version>,
    event: Bytes,
    serial: u64,
}

/// The state of an entry as it is sent. Equal states are not sent again, so it does not contain the version.
#[derive(Serialize)]
struct SentStatus<'s> {
    entry: &'s TemplateName,
    run: &'s str,
    /// Identifies the templates that the entry is rendered from.
    page: &'s str,
    /// The errors of its newest text, if that is not served.
    findings: Option<FaultReport>,
    /// The version whose newest text could not be rendered with the data of some request.
    failed_in: Option<u64>,
}

impl Hub {
    /// Starts a thread that listens to an engine until it stops or the hub is dropped.
    pub(super) fn start(hotplate: &Hotplate, setting: &LiveSettings, digests: &Arc<Digests>) -> Arc<Self> {
        let hub = Arc::new(Self {
            run: format!("{:016x}", RandomState::new().build_hasher().finish()).into(),
            sources: setting.sources.clone(),
            editor: setting.editor.clone(),
            faults_max: setting.limits.live_faults,
            faults_kept: hotplate.limits().source_diagnostics,
            clients_max: setting.limits.live_clients,
            digests: Arc::clone(digests),
            followed: Mutex::default(),
            sheets: RwLock::default(),
            changes: watch::Sender::new(Some(0)),
        });
        let (weak, subscription) = (Arc::downgrade(&hub), hotplate.subscribe());
        let thread = std::thread::Builder::new().name("hotplate-live".into());
        if let Err(error) = thread.spawn(move || listen(&weak, subscription)) {
            tracing::error!(%error, "live reload is unavailable: its thread cannot be started; pages are served without updates");
        }
        hub
    }

    pub(super) fn run(&self) -> Arc<str> {
        Arc::clone(&self.run)
    }

    /// Returns a text that identifies the current stylesheets.
    pub(super) fn styles(&self) -> Arc<str> {
        Arc::clone(&self.sheets().digest)
    }

    pub(super) fn sheets(&self) -> Arc<Stylesheets> {
        Arc::clone(&self.sheets.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the stylesheets and wakes the streams.
    pub(super) fn restyle(&self, sheets: Stylesheets) {
        *self.sheets.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(sheets);
        let serial = self.followed().next();
        self.wake(serial);
    }

    pub(super) fn findings(&self, status: &'static str, since: Option<u64>, diagnostics: &[Diagnostic]) -> FaultReport {
        FaultReport::new(
            status,
            since,
            diagnostics,
            self.faults_max,
            self.faults_kept,
            &self.sources,
            &self.editor,
        )
    }

    /// Adds a client that follows some entries. Returns false if the limit of clients is reached.
    pub(super) fn join(&self, hotplate: &Hotplate, entries: &[TemplateName]) -> bool {
        let mut followed = self.followed();
        if followed.clients >= self.clients_max {
            return false;
        }
        followed.clients += 1;
        // The snapshot is read under the lock: a version that is published later finds these entries among the followed ones.
        let pinned = hotplate.snapshot();
        let serial = followed.next();
        for entry in entries {
            let followed_entry = followed.entries.entry(entry.clone()).or_insert_with(|| FollowedEntry {
                followers: 0,
                failed_in: None,
                event: self.event(entry, None, pinned.snapshot()),
                serial,
            });
            followed_entry.followers += 1;
        }
        true
    }

    /// Removes a client and the entries that no other client follows.
    pub(super) fn leave(&self, entries: impl Iterator<Item = TemplateName>) {
        let mut followed = self.followed();
        followed.clients = followed.clients.saturating_sub(1);
        for entry in entries {
            if let Some(followed_entry) = followed.entries.get_mut(&entry) {
                followed_entry.followers -= 1;
                if followed_entry.followers == 0 {
                    followed.entries.remove(&entry);
                }
            }
        }
    }

    /// Appends the events of the entries that changed since they were seen, and marks them as seen.
    pub(super) fn news(&self, entries: &mut [(TemplateName, u64)], into: &mut Vec<u8>) {
        let followed = self.followed();
        for (entry, seen) in entries {
            if let Some(followed_entry) = followed
                .entries
                .get(entry)
                .filter(|followed_entry| followed_entry.serial > *seen)
            {
                *seen = followed_entry.serial;
                into.extend_from_slice(&followed_entry.event);
            }
        }
    }

    /// Ends all streams, and each one that is opened later.
    pub(super) fn end(&self) {
        self.changes.send_replace(None);
    }

    /// Returns the receiver that wakes a stream.
    pub(super) fn changes(&self) -> watch::Receiver<Option<u64>> {
        self.changes.subscribe()
    }

    /// Records the current state of every followed entry, and wakes the streams if one changed.
    fn refresh(&self, snapshot: &Snapshot) {
        let mut followed = self.followed();
        let serial = followed.next();
        let mut differs = false;
        for (entry, followed_entry) in &mut followed.entries {
            let event = self.event(entry, None, snapshot);
            followed_entry.failed_in = None;
            if event != followed_entry.event {
                (followed_entry.event, followed_entry.serial, differs) = (event, serial, true);
            }
        }
        drop(followed);
        if differs {
            self.wake(serial);
        }
    }

    /// Records that the newest text of an entry failed with the data of some request. A page with other data fetches itself to learn if
    /// it is affected too.
    fn record_failure(&self, entry: &TemplateName, version: Version, snapshot: &Snapshot) {
        let mut followed = self.followed();
        let serial = followed.next();
        let current = snapshot.id(entry.as_str()).map(|id| snapshot.status(id));
        let Some(followed_entry) = followed.entries.get_mut(entry) else {
            return;
        };
        let event = match current {
            Some(EntryStatus::Current(_)) if snapshot.version() == version && followed_entry.failed_in.is_none() => {
                followed_entry.failed_in = Some(version);
                self.event(entry, Some(version), snapshot)
            }
            // The last good version failed as well, so an older one is served from now on.
            Some(EntryStatus::Stale { .. }) => self.event(entry, None, snapshot),
            _ => return,
        };
        if event == followed_entry.event {
            return;
        }
        (followed_entry.event, followed_entry.serial) = (event, serial);
        drop(followed);
        self.wake(serial);
    }

    /// Builds the event with the state of an entry.
    fn event(&self, entry: &TemplateName, failed_in: Option<Version>, snapshot: &Snapshot) -> Bytes {
        let id = snapshot.id(entry.as_str());
        let status = id.map(|id| snapshot.status(id));
        let faults: Vec<Diagnostic> = match status {
            Some(EntryStatus::Stale { .. } | EntryStatus::Broken) => {
                let whys = id.map(|id| snapshot.whys(id, TEXTS_MAX)).unwrap_or_default();
                whys.iter().flat_map(|why| why.diagnostics.iter().cloned()).collect()
            }
            _ => Vec::new(),
        };
        let findings = match status {
            Some(EntryStatus::Stale { .. }) => {
                let (stands, since) = match id.and_then(|id| snapshot.serving(id)) {
                    Some(Serving::LastGood(since)) => ("stale", Some(since.number())),
                    Some(Serving::Failure) => ("failed", None),
                    Some(Serving::StandIn) | None => ("broken", None),
                };
                Some(self.findings(stands, since, &faults))
            }
            Some(EntryStatus::Broken) => Some(self.findings("broken", None, &faults)),
            Some(EntryStatus::Current(_) | EntryStatus::Gone) | None => None,
        };
        event(
            "page",
            &SentStatus {
                entry,
                run: &self.run,
                page: &digests::page(&self.digests, snapshot, entry.as_str()),
                findings,
                failed_in: failed_in.map(Version::number),
            },
        )
    }

    fn followed(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, serial: u64) {
        // A hub that has ended is not reopened.
        self.changes.send_if_modified(|state| match state {
            Some(last) => {
                *last = serial;
                true
            }
            None => false,
        });
    }
}

impl Followed {
    fn next(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

/// Encodes a server-sent event.
pub(super) fn event(name: &str, data: &impl Serialize) -> Bytes {
    sse::event(None, name, &serde_json::to_string(data).unwrap_or_default())
}

fn listen(hub: &Weak<Hub>, mut subscription: Subscription) {
    while let Some(event) = subscription.blocking_next() {
        let Some(hub) = hub.upgrade() else {
            return;
        };
        match event {
            Event::Published(_) | Event::Lagged { .. } => hub.refresh(&subscription.current()),
            // Other scopes have pages of their own.
            Event::Fallback(fallback) if fallback.scope.is_none() => {
                hub.record_failure(&fallback.template, fallback.version, &subscription.current())
            }
            _ => {}
        }
    }
    if let Some(hub) = hub.upgrade() {
        hub.end();
    }
}
