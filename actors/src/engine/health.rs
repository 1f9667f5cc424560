//! How an engine is, read from what its parts write down as they go.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::Engine;
use crate::health::{ActorHealth, ActorState, DoorHealth, Health};
use crate::loader::Hints;
use crate::policies::ActorKind;
use crate::snapshot::{Snapshot, Standing as EntryStanding};
use crate::supervision::{Child, Door, Escalation, Pool, Standing, Supervisor};
use crate::template::TemplateName;
use crate::version::Version;
use crate::watcher::Eyes;

/// Which templates visitors ask for.
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

    /// A sentence if there are some and each is broken. Mostly the first one answers it.
    fn none_served(&self, snapshot: &Snapshot) -> Option<String> {
        let mut broken = 0_usize;
        for (_, name, standing) in snapshot.entries() {
            match standing {
                EntryStanding::Gone => {}
                _ if !(self.0)(name) => {}
                EntryStanding::Broken { .. } => broken += 1,
                EntryStanding::Current(_) | EntryStanding::Stale { .. } => return None,
            }
        }
        (broken > 0).then(|| format!("no page can be served: all {broken} are broken; the diagnostics say why"))
    }
}

impl Engine {
    /// How it is.
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
        let loaders: Vec<_> = self.actors.eyes.iter().map(Eyes::health).collect();
        let mut reasons = Vec::new();
        if ended {
            reasons.push("the engine has ended; its last version is rendered on".to_owned());
        } else if self.doors.renders.is_closed() {
            reasons.push("the engine is shutting down".to_owned());
        }
        let mut degraded = Vec::new();
        let instead = self.renderer.instead.load_full();
        let instead = instead.as_ref().and_then(|instead| instead.child.as_ref());
        for child in children.iter().filter(|child| !child.is_coming()) {
            let said = format!("{}; `reset` starts it again", child.down());
            match child.escalation() {
                // Nobody answers renders by message, whatever its policy says.
                _ if instead.is_some_and(|instead| Arc::ptr_eq(instead, child)) => {
                    reasons.push(format!("{said}; it takes the place of the Renderer"));
                }
                Escalation::NotReady | Escalation::Auto => reasons.push(said),
                Escalation::Degraded => degraded.push(said),
                Escalation::Tell => {}
            }
        }
        for (kind, pool) in self.pools() {
            let threads = pool.quarantined();
            let said = format!("{threads} threads of the {kind} hang (the limit `quarantined_threads`)");
            match threads {
                _ if pool.is_exhausted() => reasons.push(said),
                0 => {}
                _ => degraded.push(format!("{said}; others take their place")),
            }
        }
        reasons.extend(self.entries.none_served(&self.reader.current()));
        let patience = Duration::from_millis(self.limits.reload_ms);
        reasons.extend(actors.iter().filter_map(|actor| late(actor, patience)));
        degraded.extend(self.fault_log.stand_in_gone());
        let version = self.reader.current().version();
        for loader in &loaders {
            // Pages that were there are served on, so no traffic has to be turned away.
            match version == Version::NONE || loader.status.awaited {
                true => reasons.extend(loader.status.missing.clone()),
                false => degraded.extend(loader.status.missing.clone()),
            }
        }
        Health {
            ready: reasons.is_empty(),
            reasons,
            degraded,
            version,
            actors,
            loaders,
            doors: self.doors.all().map(door).into(),
        }
    }

    /// Starts those of this name again that are down. Answers how many were.
    pub(crate) fn reset(&self, actor: &str) -> usize {
        let all = actor == ActorKind::Engine.name();
        let children = self.children();
        let meant = children.iter().filter(|child| all || child.actor() == actor);
        let count = meant.filter(|child| child.reset()).count();
        // It has nothing to start from, so nothing else would notice.
        let _ = self.renderer.desk.child.ready();
        // What was edited meanwhile is still to be seen.
        let hints = self.look_again.lock().unwrap_or_else(PoisonError::into_inner);
        hints.iter().for_each(Hints::hint);
        count
    }

    /// The engine's actors in the order of the flow, then those of users.
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
    let state = match child.orders().standing {
        _ if ended => ActorState::Stopped,
        Standing::Starting(_) if last_fault.is_some() => ActorState::BackingOff,
        Standing::Up | Standing::Starting(_) => ActorState::Up,
        Standing::Down => ActorState::Down,
        Standing::Ended => ActorState::Stopped,
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

fn late(actor: &ActorHealth, patience: Duration) -> Option<String> {
    let ActorHealth {
        actor,
        number,
        oldest_ms,
        ..
    } = actor;
    let late = Duration::from_millis(*oldest_ms) > patience;
    late.then(|| format!("the {actor} {number} has not answered for {} s", oldest_ms / 1000))
}

fn door(door: &Door) -> DoorHealth {
    let [busy, timeouts, lost] = door.told();
    DoorHealth {
        door: door.name(),
        inside: door.inside(),
        capacity: door.capacity(),
        busy,
        timeouts,
        lost,
    }
}
