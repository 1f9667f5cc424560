//! [`ActorKind`]: the actors of the engine, and the restart policy of each.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::supervision::{Escalation, Policy, PolicyError};

/// The actors of the engine, in the order of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ActorKind {
    /// Detects changed sources.
    Watcher,
    /// Compiles changed texts.
    Compiler,
    /// Decides which templates are current, stale or broken.
    Graph,
    /// Publishes versions.
    Registry,
    /// Renders on request by message.
    Renderer,
    /// Stores published versions, if there is a store.
    Store,
    /// The engine as a whole. Its policy applies to an actor that has reached the limit of its own, and may grant further rounds; by
    /// default it grants none.
    Engine,
}

impl ActorKind {
    /// All kinds, in the order of the pipeline.
    pub const ALL: [Self; 7] = [
        Self::Watcher,
        Self::Compiler,
        Self::Graph,
        Self::Registry,
        Self::Renderer,
        Self::Store,
        Self::Engine,
    ];

    /// Returns the name in health, logs and configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Watcher => "watcher",
            Self::Compiler => "compiler",
            Self::Graph => "graph",
            Self::Registry => "registry",
            Self::Renderer => "renderer",
            Self::Store => "store",
            Self::Engine => "engine",
        }
    }

    /// Returns the default policy.
    #[must_use]
    pub fn default_policy(self) -> Policy {
        let policy = Policy {
            escalation: Escalation::NotReady,
            ..Policy::default()
        };
        match self {
            // The source may be unavailable for a while.
            Self::Watcher => Policy {
                backoff_min_ms: 100,
                backoff_max_ms: 10_000,
                ..policy
            },
            // A restart costs next to nothing, because all state is in vaults, and every edit waits for it.
            Self::Compiler | Self::Graph | Self::Registry => Policy {
                backoff_min_ms: 10,
                ..policy
            },
            // Visitors wait, and a page whose renders fail must not stop those of other pages.
            Self::Renderer => Policy {
                restarts: 1_000,
                backoff_min_ms: 1,
                backoff_max_ms: 1_000,
                ..policy
            },
            // Nobody waits for it, and visitors are served without it.
            Self::Store => Policy {
                backoff_min_ms: 100,
                backoff_max_ms: 10_000,
                escalation: Escalation::Degraded,
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

/// The policies of all actors.
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
    fn defaults_are_valid_and_policies_are_kept_by_actor() {
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
