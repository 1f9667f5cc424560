//! [`Hub`]: how the entries stand that browsers follow.
//!
//! A thread listens to the engine, and writes down how each followed entry stands after each publish. Streams are woken and read
//! what differs from what they sent last: a slow one skips to the newest, so there is no queue that could grow.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use actix_web::web::Bytes;
use hotplate_actors::snapshot::{Snapshot, Standing};
use hotplate_actors::{Diagnostic, Event, Hotplate, Serving, Subscription, TemplateName, Version};
use serde::Serialize;
use tokio::sync::watch;

use super::editor::Editor;
use super::fault::FaultReport;
use super::labels::{Setting, Sources};
use super::styles::Stylesheets;
use crate::sse;
use crate::web::digests::{self, Digests};

/// Followed entries, and who is told of them.
pub(super) struct Hub {
    /// Which start of the server this is: what was rendered by another may look otherwise although its templates are the same.
    run: Arc<str>,
    sources: Sources,
    editor: Editor,
    faults_max: usize,
    clients_max: usize,
    digests: Arc<Digests>,
    followed: Mutex<Followed>,
    sheets: RwLock<Arc<Stylesheets>>,
    /// Wakes the streams; `None` once the engine has ended.
    changes: watch::Sender<Option<u64>>,
}

#[derive(Default)]
struct Followed {
    clients: usize,
    entries: HashMap<TemplateName, Followee>,
    /// Counts what was written down.
    serial: u64,
}

/// An entry that somebody follows.
struct Followee {
    followers: usize,
    /// The version in which a render of it failed late, if one did.
    failed_in: Option<Version>,
    event: Bytes,
    serial: u64,
}

/// How an entry stands, as it is sent. What is the same is not sent again, so the version is no part of it.
#[derive(Serialize)]
struct SentStatus<'s> {
    entry: &'s TemplateName,
    run: &'s str,
    /// What it is made from.
    page: &'s str,
    /// What is wrong with its newest text, if that is not what is served.
    findings: Option<FaultReport>,
    /// In this version its newest text could not be rendered with some data.
    failed_in: Option<u64>,
}

impl Hub {
    /// Begins to listen to an engine, until that ends or nobody holds the hub.
    pub(super) fn start(hotplate: &Hotplate, setting: &Setting, digests: &Arc<Digests>) -> Arc<Self> {
        let hub = Arc::new(Self {
            run: format!("{:016x}", RandomState::new().build_hasher().finish()).into(),
            sources: setting.sources.clone(),
            editor: setting.editor.clone(),
            faults_max: setting.limits.live_faults,
            clients_max: setting.limits.live_clients,
            digests: Arc::clone(digests),
            followed: Mutex::default(),
            sheets: RwLock::default(),
            changes: watch::Sender::new(Some(0)),
        });
        let (weak, subscription) = (Arc::downgrade(&hub), hotplate.subscribe());
        let thread = std::thread::Builder::new().name("hotplate-live".into());
        if let Err(error) = thread.spawn(move || listen(&weak, subscription)) {
            tracing::error!(%error, "browsers will not follow edits: there is no thread for it");
        }
        hub
    }

    pub(super) fn run(&self) -> Arc<str> {
        Arc::clone(&self.run)
    }

    /// A word for what the stylesheets are.
    pub(super) fn styles(&self) -> Arc<str> {
        Arc::clone(&self.sheets().digest)
    }

    pub(super) fn sheets(&self) -> Arc<Stylesheets> {
        Arc::clone(&self.sheets.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stylesheets are others now.
    pub(super) fn restyle(&self, sheets: Stylesheets) {
        *self.sheets.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(sheets);
        let serial = self.followed().next();
        self.wake(serial);
    }

    pub(super) fn findings(
        &self,
        standing: &'static str,
        since: Option<u64>,
        diagnostics: &[Diagnostic],
    ) -> FaultReport {
        FaultReport::new(
            standing,
            since,
            diagnostics,
            self.faults_max,
            &self.sources,
            &self.editor,
        )
    }

    /// Takes one more client that follows some entries, unless there are as many as may be.
    pub(super) fn join(&self, hotplate: &Hotplate, entries: &[TemplateName]) -> bool {
        let mut followed = self.followed();
        if followed.clients >= self.clients_max {
            return false;
        }
        followed.clients += 1;
        // Looked at under the lock: what is published after this finds the entry among those that are followed.
        let pinned = hotplate.snapshot();
        let serial = followed.next();
        for entry in entries {
            let followee = followed.entries.entry(entry.clone()).or_insert_with(|| Followee {
                followers: 0,
                failed_in: None,
                event: self.event(entry, None, pinned.snapshot()),
                serial,
            });
            followee.followers += 1;
        }
        true
    }

    /// A client has gone.
    pub(super) fn leave(&self, entries: impl Iterator<Item = TemplateName>) {
        let mut followed = self.followed();
        followed.clients = followed.clients.saturating_sub(1);
        for entry in entries {
            if let Some(followee) = followed.entries.get_mut(&entry) {
                followee.followers -= 1;
                if followee.followers == 0 {
                    followed.entries.remove(&entry);
                }
            }
        }
    }

    /// The events of those entries that are others than when they were seen, and from now on count as seen.
    pub(super) fn news(&self, entries: &mut [(TemplateName, u64)], into: &mut Vec<u8>) {
        let followed = self.followed();
        for (entry, seen) in entries {
            if let Some(followee) = followed.entries.get(entry).filter(|followee| followee.serial > *seen) {
                *seen = followee.serial;
                into.extend_from_slice(&followee.event);
            }
        }
    }

    /// Ends every stream, and each that begins from now on.
    pub(super) fn end(&self) {
        self.changes.send_replace(None);
    }

    /// What wakes a stream.
    pub(super) fn changes(&self) -> watch::Receiver<Option<u64>> {
        self.changes.subscribe()
    }

    /// Writes down how every followed entry stands now, and wakes the streams if that is otherwise than before.
    fn look(&self, snapshot: &Snapshot) {
        let mut followed = self.followed();
        let serial = followed.next();
        let mut differs = false;
        for (entry, followee) in &mut followed.entries {
            let event = self.event(entry, None, snapshot);
            followee.failed_in = None;
            if event != followee.event {
                (followee.event, followee.serial, differs) = (event, serial, true);
            }
        }
        drop(followed);
        if differs {
            self.wake(serial);
        }
    }

    /// The newest text of an entry could not be rendered with some data. Pages of it that show other data look for themselves.
    fn failed(&self, entry: &TemplateName, version: Version, snapshot: &Snapshot) {
        let mut followed = self.followed();
        let serial = followed.next();
        let current = snapshot.id(entry.as_str()).map(|id| snapshot.standing(id));
        let Some(followee) = followed.entries.get_mut(entry) else {
            return;
        };
        let event = match current {
            Some(Standing::Current(_)) if snapshot.version() == version && followee.failed_in.is_none() => {
                followee.failed_in = Some(version);
                self.event(entry, Some(version), snapshot)
            }
            // Something still older than what it went on with is served from now on.
            Some(Standing::Stale { .. }) => self.event(entry, None, snapshot),
            _ => return,
        };
        if event == followee.event {
            return;
        }
        (followee.event, followee.serial) = (event, serial);
        drop(followed);
        self.wake(serial);
    }

    /// How an entry stands, as it is sent.
    fn event(&self, entry: &TemplateName, failed_in: Option<Version>, snapshot: &Snapshot) -> Bytes {
        let id = snapshot.id(entry.as_str());
        let standing = id.map(|id| snapshot.standing(id));
        let findings = match standing {
            Some(Standing::Stale { why, .. }) => {
                let (stands, since) = match id.and_then(|id| snapshot.serving(id)) {
                    Some(Serving::LastGood(since)) => ("stale", Some(since.number())),
                    Some(Serving::Failure) => ("failed", None),
                    Some(Serving::StandIn) | None => ("broken", None),
                };
                Some(self.findings(stands, since, &why.diagnostics))
            }
            Some(Standing::Broken { why }) => Some(self.findings("broken", None, &why.diagnostics)),
            Some(Standing::Current(_) | Standing::Gone) | None => None,
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
        // An ended hub stays ended.
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
            Event::Published(_) | Event::Lagged { .. } => hub.look(&subscription.current()),
            Event::Fallback(fallback) => hub.failed(&fallback.template, fallback.version, &subscription.current()),
            _ => {}
        }
    }
    if let Some(hub) = hub.upgrade() {
        hub.end();
    }
}
