//! [`Restarts`]: decides by a [`Policy`] whether and when an actor that has ended is restarted. Pure: time and jitter are arguments.
//!
//! The limit is a sliding window, as in Erlang/OTP: it is reached when `restarts` restarts lie within the last `period_ms`. The pause
//! is `jitter · min(backoff_max, backoff_min · 2^streak)`, full jitter on a capped exponential backoff.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::policy::{Policy, Restart};

/// Ways in which an actor ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// It has finished its work.
    Finished,
    /// It failed.
    Failed,
}

/// Decision about an actor that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartDecision {
    /// Restart it after this pause.
    After(Duration),
    /// Do not restart it, as its policy says.
    Ended,
    /// Do not restart it: the restart limit is reached.
    GivenUp,
}

/// A policy and the recent restarts that it counts.
#[derive(Debug, Clone)]
pub struct Restarts {
    policy: Policy,
    /// Restarts granted within the last period, oldest first. At most `restarts` of them.
    granted: VecDeque<Instant>,
    /// Failures in a row, without a calm time between them.
    streak: u32,
    up_since: Option<Instant>,
}

impl Restarts {
    /// Creates a record without restarts.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            granted: VecDeque::new(),
            streak: 0,
            up_since: None,
        }
    }

    /// Returns the policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Records that the actor is up.
    pub fn up(&mut self, now: Instant) {
        self.up_since = Some(now);
    }

    /// Records that the actor has ended, and decides if and when it is restarted. `jitter` is a random number in [0, 1).
    pub fn ended(&mut self, ending: EndReason, now: Instant, jitter: f64) -> RestartDecision {
        let wanted = match self.policy.restart {
            Restart::Permanent => true,
            Restart::Transient => ending == EndReason::Failed,
            Restart::Temporary => false,
        };
        let up_since = self.up_since.take();
        if !wanted {
            return RestartDecision::Ended;
        }
        let period = Duration::from_millis(self.policy.period_ms);
        while self
            .granted
            .front()
            .is_some_and(|granted| now.saturating_duration_since(*granted) >= period)
        {
            self.granted.pop_front();
        }
        if self.granted.len() >= self.policy.restarts as usize {
            return RestartDecision::GivenUp;
        }
        self.granted.push_back(now);
        let calm = Duration::from_millis(self.policy.calm_ms);
        if up_since.is_some_and(|since| now.saturating_duration_since(since) >= calm) {
            self.streak = 0;
        }
        let cap = self.cap();
        self.streak = self.streak.saturating_add(1);
        RestartDecision::After(cap.mul_f64(jitter.clamp(0.0, 1.0)))
    }

    /// Returns the upper bound of the next pause.
    fn cap(&self) -> Duration {
        let doubled = 1_u64.checked_shl(self.streak).unwrap_or(u64::MAX);
        let cap_ms = self.policy.backoff_min_ms.saturating_mul(doubled);
        Duration::from_millis(cap_ms.min(self.policy.backoff_max_ms))
    }

    /// Forgets all restarts, on behalf of an operator.
    pub fn reset(&mut self) {
        *self = Self::new(self.policy.clone());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn policy() -> impl Strategy<Value = Policy> {
        (1_u32..8, 1_u64..2_000, 0_u64..100, 0_u64..1_000, 1_u64..500).prop_map(
            |(restarts, period_ms, backoff_min_ms, more, calm_ms)| Policy {
                restarts,
                period_ms,
                backoff_min_ms,
                backoff_max_ms: backoff_min_ms + more,
                calm_ms,
                ..Policy::default()
            },
        )
    }

    proptest! {
        /// Compares with a naive count: a restart is granted exactly if fewer than the limit were granted within the period before.
        #[test]
        fn the_limit_is_exact(
            policy in policy(),
            gaps in prop::collection::vec((0_u64..1_000, 0.0..1.0), 1..60),
        ) {
            prop_assert!(policy.check().is_ok());
            let mut restarts = Restarts::new(policy.clone());
            let begin = Instant::now();
            let (mut at_ms, mut granted) = (0, Vec::<u64>::new());
            for (gap_ms, jitter) in gaps {
                at_ms += gap_ms;
                let within = granted.iter().filter(|then| at_ms - **then < policy.period_ms).count();
                match restarts.ended(EndReason::Failed, begin + Duration::from_millis(at_ms), jitter) {
                    RestartDecision::After(pause) => {
                        prop_assert!(within < policy.restarts as usize);
                        prop_assert!(pause <= Duration::from_millis(policy.backoff_max_ms));
                        granted.push(at_ms);
                    }
                    RestartDecision::GivenUp => prop_assert_eq!(within, policy.restarts as usize),
                    RestartDecision::Ended => prop_assert!(false, "permanent"),
                }
                prop_assert!(restarts.granted.len() <= policy.restarts as usize, "bounded");
            }
        }

        /// The upper bound doubles with each failure of a streak, up to the maximum, and a calm time ends the streak.
        #[test]
        fn pauses_double_until_a_calm_time(
            policy in policy(),
            ups in prop::collection::vec(0_u64..1_000, 1..40),
            jitter in 0.0..1.0,
        ) {
            let policy = Policy { restarts: 1_000, ..policy };
            let mut restarts = Restarts::new(policy.clone());
            let (mut now, mut streak) = (Instant::now(), 0_u32);
            for up_ms in ups {
                restarts.up(now);
                now += Duration::from_millis(up_ms);
                if up_ms >= policy.calm_ms {
                    streak = 0;
                }
                let cap_ms = (u128::from(policy.backoff_min_ms) << streak.min(60)).min(policy.backoff_max_ms.into());
                let expected = Duration::from_millis(u64::try_from(cap_ms).expect("fits")).mul_f64(jitter);
                prop_assert_eq!(restarts.ended(EndReason::Failed, now, jitter), RestartDecision::After(expected));
                streak += 1;
            }
        }
    }

    #[test]
    fn restart_types_and_ends() {
        let now = Instant::now();
        let again = RestartDecision::After(Duration::ZERO);
        for (restart, finished, failed) in [
            (Restart::Permanent, again, again),
            (Restart::Transient, RestartDecision::Ended, again),
            (Restart::Temporary, RestartDecision::Ended, RestartDecision::Ended),
        ] {
            let policy = Policy {
                restart,
                ..Policy::default()
            };
            let decision = |ending| Restarts::new(policy.clone()).ended(ending, now, 0.0);
            assert_eq!(
                (decision(EndReason::Finished), decision(EndReason::Failed)),
                (finished, failed),
                "{restart:?}"
            );
        }
    }

    #[test]
    fn a_reset_forgets_restarts() {
        let now = Instant::now();
        let mut restarts = Restarts::new(Policy {
            restarts: 1,
            ..Policy::default()
        });
        assert!(matches!(
            restarts.ended(EndReason::Failed, now, 0.5),
            RestartDecision::After(_)
        ));
        assert_eq!(restarts.ended(EndReason::Failed, now, 0.5), RestartDecision::GivenUp);
        restarts.reset();
        assert!(matches!(
            restarts.ended(EndReason::Failed, now, 0.5),
            RestartDecision::After(_)
        ));
    }
}
