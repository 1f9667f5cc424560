//! [`ActorKind`]: the actors of the engine, and which policy each has.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::supervision::{Escalation, Policy, PolicyError};

/// The actors of the engine, in the order of the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ActorKind {
    /// Looks at what changed.
    Watcher,
    /// Compiles it.
    Compiler,
    /// Decides what becomes of each entry.
    Graph,
    /// Publishes.
    Registry,
    /// Renders by message.
    Renderer,
    /// The engine as a whole: what happens to an actor that its own policy has given up. Its policy grants it further rounds;
    /// by default there are none.
    Engine,
}

impl ActorKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Watcher,
        Self::Compiler,
        Self::Graph,
        Self::Registry,
        Self::Renderer,
        Self::Engine,
    ];

    /// Its name in health, logs and configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Watcher => "watcher",
            Self::Compiler => "compiler",
            Self::Graph => "graph",
            Self::Registry => "registry",
            Self::Renderer => "renderer",
            Self::Engine => "engine",
        }
    }

    /// What it has unless the user says otherwise.
    #[must_use]
    pub fn default_policy(self) -> Policy {
        let policy = Policy {
            escalation: Escalation::NotReady,
            ..Policy::default()
        };
        match self {
            // Where it loads from may be away for a while.
            Self::Watcher => Policy {
                backoff_min_ms: 100,
                backoff_max_ms: 10_000,
                ..policy
            },
            // All state is in the Vaults, so that a restart costs next to nothing, and every edit waits for it.
            Self::Compiler | Self::Graph | Self::Registry => Policy {
                backoff_min_ms: 10,
                ..policy
            },
            // Many of them, and visitors wait: a page that makes its render fail must not take the others down.
            Self::Renderer => Policy {
                restarts: 1_000,
                backoff_min_ms: 1,
                backoff_max_ms: 1_000,
                ..policy
            },
            Self::Engine => Policy {
                escalation: Escalation::NotReady,
                ..Policy::never()
            },
        }
    }
}

impl fmt::Display for ActorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which policy each has.
#[derive(Debug, Clone)]
pub(crate) struct Policies([Policy; ActorKind::ALL.len()]);

impl Default for Policies {
    fn default() -> Self {
        Self(ActorKind::ALL.map(ActorKind::default_policy))
    }
}

impl Policies {
    pub(crate) fn set(&mut self, actor: ActorKind, policy: Policy) {
        self.0[actor as usize] = policy;
    }

    pub(crate) fn of(&self, actor: ActorKind) -> Policy {
        let policy = self.0[actor as usize].clone();
        Policy {
            escalation: policy.escalation.or(Escalation::NotReady),
            ..policy
        }
    }

    pub(crate) fn check(&self) -> Result<(), (ActorKind, PolicyError)> {
        let mut all = ActorKind::ALL.into_iter().zip(&self.0);
        all.try_for_each(|(actor, policy)| policy.check().map_err(|error| (actor, error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_make_sense_and_each_actor_keeps_its_own() {
        let mut policies = Policies::default();
        assert_eq!(policies.check(), Ok(()));
        for actor in ActorKind::ALL {
            assert_eq!(policies.of(actor), actor.default_policy());
        }
        policies.set(
            ActorKind::Graph,
            Policy {
                restarts: 0,
                ..Policy::default()
            },
        );
        let (actor, error) = policies.check().expect_err("no restarts");
        assert_eq!((actor, error.field), (ActorKind::Graph, "restarts"));
    }
}
