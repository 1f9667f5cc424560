//! Actors that share a restart strategy: the pure decisions behind a lock, and a signal that wakes the members after each of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::child::Child;
use super::contain;
use super::incident::Incident;
use super::policy::Policy;
use super::restart_group::{RestartGroup, Strategy};

type IncidentHandler = Arc<dyn Fn(&Incident) + Send + Sync>;

/// Actors that share a restart strategy.
pub struct StrategyGroup {
    /// A std mutex suffices: it is held for one decision, never across an await point.
    group: Mutex<RestartGroup>,
    /// Notified after each change of orders of any member.
    pub(super) changed: watch::Sender<()>,
    on_incident: IncidentHandler,
}

impl StrategyGroup {
    /// Creates a group without members. `on_incident` is called in the threads of the actors.
    pub fn new(
        strategy: Strategy,
        whole: Policy,
        on_incident: impl Fn(&Incident) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            group: Mutex::new(RestartGroup::new(strategy, whole)),
            changed: watch::Sender::new(()),
            on_incident: Arc::new(on_incident),
        })
    }

    /// Adds an actor after those that were added before.
    pub fn add(self: &Arc<Self>, actor: &'static str, number: u16, policy: Policy) -> Arc<Child> {
        let index = self.lock().add(policy, Instant::now());
        Arc::new(Child::new(actor, number, index, Arc::clone(self)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, RestartGroup> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn report(&self, incident: &Incident) {
        let _ = contain(|| (self.on_incident)(incident));
    }
}

impl std::fmt::Debug for StrategyGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("StrategyGroup").field(&self.lock()).finish()
    }
}
