//! The health of an engine, computed from the records that its parts keep. No message is sent, so it works while actors hang.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::Engine;
use crate::health::{ActorHealth, ActorState, Health, LoaderState, MailboxHealth};
use crate::loader::Hints;
use crate::policies::ActorKind;
use crate::snapshot::{EntryStatus, Snapshot};
use crate::supervision::{BoundedRecipient, Child, Escalation, MemberDuty, Pool, Supervisor};
use crate::template::TemplateName;
use crate::version::Version;
use crate::watcher::worker::LoaderWorker;

/// The largest number of scopes in trouble that are named.
const SCOPES_NAMED: usize = 10;

/// Selects the templates that visitors request, as opposed to partials.
#[derive(Clone)]
pub(crate) struct Entries(Arc<dyn Fn(&TemplateName) -> bool + Send + Sync>);

impl Default for Entries {
    fn default() -> Self {
        Self::new(|_| true)
    }
}

impl Entries {
    pub(crate) fn new(is_entry: impl Fn(&TemplateName) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_entry))
    }

    /// Returns true if visitors request the template.
    pub(crate) fn has(&self, name: &TemplateName) -> bool {
        (self.0)(name)
    }

    /// Returns a sentence if there are entries and all are broken. Mostly the first entry settles it.
    fn none_served(&self, snapshot: &Snapshot) -> Option<String> {
        let mut broken = 0_usize;
        for (_, name, status) in snapshot.entries() {
            match status {
                EntryStatus::Gone => {}
                _ if !(self.0)(name) => {}
                EntryStatus::Broken => broken += 1,
                EntryStatus::Current(_) | EntryStatus::Stale { .. } => return None,
            }
        }
        (broken > 0).then(|| format!("no page can be served: all {broken} are broken; the diagnostics say why"))
    }
}

impl Engine {
    /// Returns the health of the engine.
    pub(crate) fn health(&self) -> Health {
        let ended = self.control.is_closed();
        let children = self.children();
        let mut actors: Vec<_> = children.iter().map(|child| actor(child, ended)).collect();
        for (kind, pool) in self.pools() {
            let of_kind = actors.iter_mut().find(|actor| actor.actor == kind.name());
            of_kind
                .into_iter()
                .for_each(|actor| actor.quarantined = pool.quarantined());
        }
        let loaders: Vec<_> = self.actors.loader_workers.iter().map(LoaderWorker::health).collect();
        let mut reasons = Vec::new();
        if ended {
            reasons.push("the engine has stopped; its last version is still rendered".to_owned());
        } else if self.mailboxes.renders.is_closed() {
            reasons.push("the engine is shutting down".to_owned());
        }
        let mut degraded = Vec::new();
        let custom = self.renderer.custom.load_full();
        let custom = custom.as_ref().and_then(|custom| custom.child.as_ref());
        for child in children.iter().filter(|child| !child.is_available()) {
            let reason = format!("{}; `reset` starts it again", child.down_fault());
            match child.escalation() {
                // No render by message is answered, whatever its policy says.
                _ if custom.is_some_and(|custom| Arc::ptr_eq(custom, child)) => {
                    reasons.push(format!("{reason}; it renders in place of the Renderer"));
                }
                Escalation::NotReady | Escalation::Auto => reasons.push(reason),
                Escalation::Degraded => degraded.push(reason),
                Escalation::EventOnly => {}
            }
        }
        for (kind, pool) in self.pools() {
            let threads = pool.quarantined();
            let reason = format!("{threads} threads of the {kind} hang (the limit `quarantined_threads`)");
            match threads {
                _ if pool.is_exhausted() => reasons.push(reason),
                0 => {}
                _ => degraded.push(format!("{reason}; others have replaced them")),
            }
        }
        reasons.extend(self.entries.none_served(&self.reader.current()));
        let allowed = Duration::from_millis(self.limits.reload_ms);
        reasons.extend(actors.iter().filter_map(|actor| late(actor, allowed)));
        degraded.extend(self.fault_log.stand_in_gone());
        degraded.extend(self.stages.sentences());
        degraded.extend(scopes_in_trouble(&self.reader.current()));
        let version = self.reader.current().version();
        for loader in &loaders {
            // Pages that were loaded before are still served, so no traffic has to be kept away.
            match version == Version::NONE || loader.status.awaited {
                true => reasons.extend(loader.status.missing.clone()),
                false => degraded.extend(loader.status.missing.clone()),
            }
        }
        for loader in &loaders {
            let hung = loader.hung;
            let name = &loader.loader;
            if hung > 0 {
                degraded.push(format!(
                    "{hung} threads of the loader of {name} hang (the limit `quarantined_threads`)"
                ));
            }
            let is_told = !loader.status.missing.is_empty();
            let problem = match loader.state {
                LoaderState::Unavailable => Some("is unavailable"),
                LoaderState::Refused if !is_told => Some("is not accepted, and what was served before still is"),
                _ => None,
            };
            if let (Some(error), Some(problem)) = (&loader.error, problem) {
                let reason = format!("{name} {problem} ({error})");
                match loader.lag_ms.is_none() && version == Version::NONE {
                    true => reasons.push(reason),
                    false => degraded.push(reason),
                }
            }
        }
        let storing = self.actors.store.as_ref().map(|(storing, _)| storing);
        let store = storing.and_then(|storing| storing.store.as_ref());
        let store = store.map(|(_, state)| state.health(version));
        let audit = storing.and_then(|storing| storing.audit.as_ref());
        let audit = audit.map(|(_, progress)| progress.health());
        if let Some(error) = audit.as_ref().and_then(|audit| audit.error.as_ref()) {
            degraded.push(format!("the audit log is not written: {error}"));
        }
        if let Some(store) = &store {
            degraded.extend(store.not_loaded.iter().cloned());
            let not_stored = store.error.as_ref();
            degraded.extend(not_stored.map(|error| format!("the newest version is not stored: {error}")));
        }
        Health {
            ready: reasons.is_empty(),
            reasons,
            degraded,
            version,
            actors,
            loaders,
            mailboxes: self.mailboxes.all().map(mailbox).into(),
            store,
            audit,
        }
    }

    /// Starts the actors of this name that are down; all of them for `engine`. Returns how many were.
    pub(crate) fn reset(&self, actor: &str) -> usize {
        let all = actor == ActorKind::Engine.name();
        let children = self.children();
        let selected = children.iter().filter(|child| all || child.actor() == actor);
        let count = selected.filter(|child| child.reset()).count();
        // The Renderer has no shell that would start it.
        let _ = self.renderer.worker.child.ensure_up();
        // Edits that were made meanwhile are still to be loaded.
        let hints = self.watcher_hints.lock().unwrap_or_else(PoisonError::into_inner);
        hints.iter().for_each(Hints::hint);
        count
    }

    /// Returns the engine's actors in the order of the pipeline, then those of users.
    fn children(&self) -> Vec<Arc<Child>> {
        let own = self.actors.children.iter().cloned();
        let of_users = self.supervisor.get().map(Supervisor::children);
        own.chain(of_users.into_iter().flatten()).collect()
    }

    fn pools(&self) -> [(ActorKind, &Pool); 2] {
        [
            (ActorKind::Compiler, &self.actors.compilers),
            (ActorKind::Renderer, &self.renderer.pool),
        ]
    }
}

fn actor(child: &Child, ended: bool) -> ActorHealth {
    let (backlog, oldest) = child.backlog();
    let last_fault = child.last_fault();
    let state = match child.orders().duty {
        _ if ended => ActorState::Stopped,
        MemberDuty::Starting(_) if last_fault.is_some() => ActorState::BackingOff,
        MemberDuty::Up | MemberDuty::Starting(_) => ActorState::Up,
        MemberDuty::Down => ActorState::Down,
        MemberDuty::Ended => ActorState::Stopped,
    };
    ActorHealth {
        actor: child.actor(),
        number: child.number(),
        state,
        restarts: child.restarts(),
        last_fault,
        backlog,
        oldest_ms: u64::try_from(oldest.as_millis()).unwrap_or(u64::MAX),
        quarantined: 0,
    }
}

fn late(actor: &ActorHealth, allowed: Duration) -> Option<String> {
    let ActorHealth {
        actor,
        number,
        oldest_ms,
        ..
    } = actor;
    let late = Duration::from_millis(*oldest_ms) > allowed;
    late.then(|| format!("the {actor} {number} has not answered for {} s", oldest_ms / 1000))
}

fn mailbox(recipient: &BoundedRecipient) -> MailboxHealth {
    let [busy, timeouts, lost] = recipient.rejections();
    MailboxHealth {
        mailbox: recipient.name(),
        in_flight: recipient.in_flight(),
        capacity: recipient.capacity(),
        busy,
        timeouts,
        lost,
    }
}

/// Returns a sentence for each scope with templates that are not current for it and are for everyone, and one for those that are not named.
fn scopes_in_trouble(snapshot: &Snapshot) -> Vec<String> {
    let scopes = snapshot.scopes_in_trouble();
    let named = scopes.iter().take(SCOPES_NAMED);
    let mut sentences: Vec<String> = named
        .map(|(layer, templates)| match templates {
            1 => format!("1 template of {layer} is not current"),
            _ => format!("{templates} templates of {layer} are not current"),
        })
        .collect();
    let more = scopes.len().saturating_sub(SCOPES_NAMED);
    if more > 0 {
        sentences.push(format!("{more} more scopes have templates that are not current"));
    }
    sentences
}
