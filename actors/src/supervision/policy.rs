//! [`Policy`]: the restart policy of an actor. Plain data.

use serde::{Deserialize, Serialize};

/// Restart types, as in Erlang/OTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Restart {
    /// Restart always, also after the actor has finished.
    #[default]
    Permanent,
    /// Restart after a failure, and not after the actor has finished.
    Transient,
    /// Never restart, also not together with other members of the group.
    Temporary,
}

/// Effects of an actor that has reached its restart limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Escalation {
    /// [`NotReady`](Escalation::NotReady) for an actor of the engine, and [`Degraded`](Escalation::Degraded) for your own actors.
    #[default]
    Auto,
    /// The engine is not ready until an operator resets it.
    NotReady,
    /// The engine is ready, and [degraded](crate::Health::degraded) until an operator resets it.
    Degraded,
    /// The engine stays ready and sends an event.
    EventOnly,
}

impl Escalation {
    /// Returns this escalation, or `default` if it is [`Auto`](Escalation::Auto).
    #[must_use]
    pub fn or(self, default: Self) -> Self {
        match self {
            Self::Auto => default,
            explicit => explicit,
        }
    }
}

/// The restart policy of an actor.
///
/// The pause before a restart is a random time between 0 and an upper bound (full jitter, so that actors that failed together do not
/// return together). The bound is `backoff_min_ms` after the first failure of a streak and doubles with each further one, up to
/// `backoff_max_ms`. An actor that was up for `calm_ms` begins a new streak. One that fails more than `restarts` times within
/// `period_ms` has reached its restart limit and stays down until an operator resets it.
///
/// ```
/// use hotplate_actors::supervision::{Policy, Restart};
///
/// let policy = Policy { restart: Restart::Transient, restarts: 3, ..Policy::default() };
/// assert!(policy.check().is_ok());
/// let never = Policy { restarts: 0, period_ms: 0, ..policy };
/// assert_eq!(never.check().expect_err("invalid").field, "period_ms");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Restart type.
    pub restart: Restart,
    /// Restarts allowed within `period_ms`.
    pub restarts: u32,
    /// Period in which restarts are counted, in milliseconds.
    pub period_ms: u64,
    /// Upper bound of the first pause, in milliseconds. 0 is no pause at all.
    pub backoff_min_ms: u64,
    /// Upper bound of all pauses, in milliseconds.
    pub backoff_max_ms: u64,
    /// Time that the actor must be up until an earlier streak of failures is forgotten, in milliseconds.
    pub calm_ms: u64,
    /// Effect of reaching the restart limit.
    pub escalation: Escalation,
}

/// Maximum of `restarts`. It bounds memory, because each restart is remembered for a period.
pub const RESTARTS_MAX: u32 = 100_000;
/// Maximum of every time in a policy, in milliseconds: a week. A longer time is most likely a mistaken unit.
pub const TIME_MAX_MS: u64 = 7 * 24 * 3600 * 1000;

impl Default for Policy {
    fn default() -> Self {
        Self {
            restart: Restart::Permanent,
            restarts: 10,
            period_ms: 60_000,
            backoff_min_ms: 50,
            backoff_max_ms: 5_000,
            calm_ms: 30_000,
            escalation: Escalation::Auto,
        }
    }
}

/// An invalid policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is {given}, {problem}: {help}")]
pub struct PolicyError {
    /// Name of the field.
    pub field: &'static str,
    /// Value of the field.
    pub given: u64,
    /// Reason why it is invalid.
    pub problem: String,
    /// Value to write instead.
    pub help: String,
}

impl Policy {
    /// Returns a policy without restarts.
    #[must_use]
    pub fn never() -> Self {
        Self {
            restart: Restart::Temporary,
            ..Self::default()
        }
    }

    /// Checks that the fields are valid and agree with each other.
    ///
    /// # Errors
    /// [`PolicyError`] with the first field that is wrong.
    pub fn check(&self) -> Result<(), PolicyError> {
        let invalid = |field, given, problem: &str, help: String| {
            Err(PolicyError {
                field,
                given,
                problem: problem.into(),
                help,
            })
        };
        if self.period_ms == 0 {
            let help = "write the milliseconds in which restarts are counted, such as 60000".into();
            return invalid("period_ms", 0, "so nothing can be counted within it", help);
        }
        if self.restarts == 0 && self.restart != Restart::Temporary {
            let help = "write how many are allowed within `period_ms`, or `restart = \"temporary\"` for none".into();
            return invalid("restarts", 0, "which contradicts `restart`", help);
        }
        if self.restarts > RESTARTS_MAX {
            let help = format!("write at most {RESTARTS_MAX}");
            return invalid("restarts", self.restarts.into(), "more than can be remembered", help);
        }
        let times = [
            ("period_ms", self.period_ms),
            ("backoff_max_ms", self.backoff_max_ms),
            ("backoff_min_ms", self.backoff_min_ms),
            ("calm_ms", self.calm_ms),
        ];
        for (field, given) in times {
            if given > TIME_MAX_MS {
                let help = format!("write milliseconds, at most {TIME_MAX_MS}");
                return invalid(field, given, "more than a week", help);
            }
        }
        if self.backoff_min_ms > self.backoff_max_ms {
            let problem = format!("more than `backoff_max_ms` ({})", self.backoff_max_ms);
            let help = format!(
                "write at most {}, or raise `backoff_max_ms` to {} or more",
                self.backoff_max_ms, self.backoff_min_ms
            );
            return invalid("backoff_min_ms", self.backoff_min_ms, &problem, help);
        }
        if self.calm_ms == 0 && self.backoff_max_ms > self.backoff_min_ms {
            let help =
                "write how long it must be up, such as 30000, or make `backoff_max_ms` equal to `backoff_min_ms`"
                    .into();
            return invalid(
                "calm_ms",
                0,
                "so every streak of faults ends at once and no pause grows",
                help,
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_policies_are_rejected() {
        let good = Policy::default();
        assert_eq!(good.check(), Ok(()));
        let temporary = Policy {
            restart: Restart::Temporary,
            restarts: 0,
            ..good.clone()
        };
        assert_eq!(
            temporary.check(),
            Ok(()),
            "the limit of a temporary actor does not matter"
        );
        let at_the_limits = Policy {
            restarts: RESTARTS_MAX,
            calm_ms: TIME_MAX_MS,
            ..good.clone()
        };
        assert_eq!(at_the_limits.check(), Ok(()));
        type InvalidPolicyExample = fn(&mut Policy);
        let cases: [(&str, InvalidPolicyExample); 8] = [
            ("period_ms", |policy| policy.period_ms = 0),
            ("period_ms", |policy| (policy.restarts, policy.period_ms) = (0, 0)),
            ("restarts", |policy| policy.restarts = 0),
            ("restarts", |policy| policy.restarts = RESTARTS_MAX + 1),
            ("backoff_min_ms", |policy| {
                policy.backoff_min_ms = policy.backoff_max_ms + 1
            }),
            ("backoff_max_ms", |policy| policy.backoff_max_ms = u64::MAX),
            ("calm_ms", |policy| policy.calm_ms = 0),
            ("calm_ms", |policy| policy.calm_ms = TIME_MAX_MS + 1),
        ];
        for (field, spoil) in cases {
            let mut policy = good.clone();
            spoil(&mut policy);
            let error = policy.check().expect_err(field);
            assert_eq!(error.field, field, "{error}");
            assert!(error.to_string().contains("write"), "{error}");
        }
    }

    #[test]
    fn deserializes_and_names_unknown_fields() {
        let policy: Policy =
            serde_json::from_str(r#"{"restart":"transient","restarts":3,"escalation":"event-only"}"#).expect("reads");
        assert_eq!((policy.restart, policy.restarts), (Restart::Transient, 3));
        assert_eq!(policy.period_ms, Policy::default().period_ms);
        let error = serde_json::from_str::<Policy>(r#"{"max_restarts":3}"#).expect_err("no such field");
        assert!(error.to_string().contains("max_restarts"));
    }
}
