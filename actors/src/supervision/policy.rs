//! [`Policy`]: how often, and after how long, something that failed is started again. Plain data.

use serde::{Deserialize, Serialize};

/// What is started again at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Restart {
    /// Always, also when it says that it has finished.
    #[default]
    Permanent,
    /// After a fault, and not when it has finished.
    Transient,
    /// Never. It is not started again with its group either.
    Temporary,
}

/// What it means for the engine that something is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Escalation {
    /// [`NotReady`](Escalation::NotReady) for an actor of the engine, and [`Degraded`](Escalation::Degraded) for one of yours.
    #[default]
    Auto,
    /// The engine is not ready until an operator resets it.
    NotReady,
    /// The engine is ready, and [degraded](crate::Health::degraded) until an operator resets it.
    Degraded,
    /// It is told, and that is all.
    Tell,
}

impl Escalation {
    /// This, with another meaning of [`Auto`](Escalation::Auto).
    #[must_use]
    pub fn or(self, usual: Self) -> Self {
        match self {
            Self::Auto => usual,
            said => said,
        }
    }
}

/// How something that failed is started again.
///
/// The pause before a restart is a random time between 0 and a cap (full jitter, so that what failed together does not come back
/// together). The cap is `backoff_min_ms` after the first fault of a streak and doubles with each further one, up to
/// `backoff_max_ms`. What was up for `calm_ms` begins a new streak. More than `restarts` within `period_ms`, and it is given up.
///
/// ```
/// use hotplate_actors::supervision::{Policy, Restart};
///
/// let policy = Policy { restart: Restart::Transient, restarts: 3, ..Policy::default() };
/// assert!(policy.check().is_ok());
/// let never = Policy { restarts: 0, period_ms: 0, ..policy };
/// assert_eq!(never.check().expect_err("makes no sense").field, "period_ms");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// What is started again.
    pub restart: Restart,
    /// How often within `period_ms`; beyond that it is given up.
    pub restarts: u32,
    /// The period in which restarts are counted, in milliseconds.
    pub period_ms: u64,
    /// The cap of the first pause, in milliseconds. 0 is no pause at all.
    pub backoff_min_ms: u64,
    /// The cap of all pauses, in milliseconds.
    pub backoff_max_ms: u64,
    /// How long something must be up until an earlier streak of faults is forgotten, in milliseconds.
    pub calm_ms: u64,
    /// What its giving up means.
    pub escalation: Escalation,
}

/// The most that `restarts` can be: each is remembered for a period.
pub const RESTARTS_MAX: u32 = 100_000;
/// The most that any time in a policy can be, in milliseconds: a week. Beyond that somebody mistook the unit.
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

/// A policy that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is {given}, {problem}: {help}")]
pub struct PolicyError {
    /// Which field.
    pub field: &'static str,
    /// What stands there.
    pub given: u64,
    /// Why that makes no sense.
    pub problem: String,
    /// What to write instead.
    pub help: String,
}

impl Policy {
    /// Nothing is started again.
    #[must_use]
    pub fn never() -> Self {
        Self {
            restart: Restart::Temporary,
            ..Self::default()
        }
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// [`PolicyError`] with the first field that does not.
    pub fn check(&self) -> Result<(), PolicyError> {
        let wrong = |field, given, problem: &str, help: String| {
            Err(PolicyError {
                field,
                given,
                problem: problem.into(),
                help,
            })
        };
        if self.period_ms == 0 {
            let help = "write the milliseconds in which restarts are counted, such as 60000".into();
            return wrong("period_ms", 0, "so nothing can be counted within it", help);
        }
        if self.restarts == 0 && self.restart != Restart::Temporary {
            let help = "write how many are allowed within `period_ms`, or `restart = \"temporary\"` for none".into();
            return wrong("restarts", 0, "which contradicts `restart`", help);
        }
        if self.restarts > RESTARTS_MAX {
            let help = format!("write at most {RESTARTS_MAX}");
            return wrong("restarts", self.restarts.into(), "more than can be remembered", help);
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
                return wrong(field, given, "more than a week", help);
            }
        }
        if self.backoff_min_ms > self.backoff_max_ms {
            let problem = format!("more than `backoff_max_ms` ({})", self.backoff_max_ms);
            let help = format!(
                "write at most {}, or raise `backoff_max_ms` to {} or more",
                self.backoff_max_ms, self.backoff_min_ms
            );
            return wrong("backoff_min_ms", self.backoff_min_ms, &problem, help);
        }
        if self.calm_ms == 0 && self.backoff_max_ms > self.backoff_min_ms {
            let help =
                "write how long it must be up, such as 30000, or make `backoff_max_ms` equal to `backoff_min_ms`"
                    .into();
            return wrong(
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
    fn what_makes_no_sense_is_refused_with_its_field_and_what_to_write() {
        let good = Policy::default();
        assert_eq!(good.check(), Ok(()));
        let temporary = Policy {
            restart: Restart::Temporary,
            restarts: 0,
            ..good.clone()
        };
        assert_eq!(temporary.check(), Ok(()), "a limit that is never asked for");
        let at_the_edge = Policy {
            restarts: RESTARTS_MAX,
            calm_ms: TIME_MAX_MS,
            ..good.clone()
        };
        assert_eq!(at_the_edge.check(), Ok(()));
        type Spoil = fn(&mut Policy);
        let cases: [(&str, Spoil); 8] = [
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
    fn a_policy_is_read_from_plain_data_and_a_misspelt_field_is_named() {
        let policy: Policy =
            serde_json::from_str(r#"{"restart":"transient","restarts":3,"escalation":"tell"}"#).expect("reads");
        assert_eq!((policy.restart, policy.restarts), (Restart::Transient, 3));
        assert_eq!(policy.period_ms, Policy::default().period_ms);
        let error = serde_json::from_str::<Policy>(r#"{"max_restarts":3}"#).expect_err("no such field");
        assert!(error.to_string().contains("max_restarts"));
    }
}
