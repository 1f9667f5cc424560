//! [`Circle`]: actors that share a strategy.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::child::Child;
use super::contain;
use super::family::{Family, Strategy};
use super::incident::Incident;
use super::policy::Policy;

type Tell = Arc<dyn Fn(&Incident) + Send + Sync>;

/// Actors that share a strategy, while they live.
pub struct Circle {
    family: Mutex<Family>,
    /// Sent to with every change of anybody's orders.
    pub(super) changed: watch::Sender<()>,
    tell: Tell,
}

impl Circle {
    /// Nobody yet. `tell` is called in the threads of the actors.
    pub fn new(strategy: Strategy, whole: Policy, tell: impl Fn(&Incident) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            family: Mutex::new(Family::new(strategy, whole)),
            changed: watch::Sender::new(()),
            tell: Arc::new(tell),
        })
    }

    /// A further actor.
    pub fn add(self: &Arc<Self>, actor: &'static str, number: u16, policy: Policy) -> Arc<Child> {
        let member = self.family().add(policy, Instant::now());
        Arc::new(Child::new(actor, number, member, Arc::clone(self)))
    }

    pub(super) fn family(&self) -> MutexGuard<'_, Family> {
        self.family.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, incident: &Incident) {
        let _ = contain(|| (self.tell)(incident));
    }
}

impl std::fmt::Debug for Circle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Circle").field(&self.family()).finish()
    }
}
