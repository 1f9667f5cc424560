//! [`Restarts`]: what a [`Policy`] says to each end. Pure: time and chance are arguments.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::policy::{Policy, Restart};

/// How something came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It has done its work.
    Finished,
    /// It failed.
    Failed,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is started again after this pause.
    After(Duration),
    /// It is not started again, as its policy wants it.
    Ended,
    /// It failed too often.
    GivenUp,
}

/// The restarts of one policy that are remembered.
#[derive(Debug, Clone)]
pub struct Restarts {
    policy: Policy,
    /// Restarts granted within the last period, oldest first.
    granted: VecDeque<Instant>,
    /// Faults one after the other, without a calm time between them.
    streak: u32,
    up_since: Option<Instant>,
}

impl Restarts {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            granted: VecDeque::new(),
            streak: 0,
            up_since: None,
        }
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// It is up.
    pub fn up(&mut self, now: Instant) {
        self.up_since = Some(now);
    }

    /// It came to an end. `chance` is a random number in [0, 1).
    pub fn ended(&mut self, ending: Ending, now: Instant, chance: f64) -> Verdict {
        let wanted = match self.policy.restart {
            Restart::Permanent => true,
            Restart::Transient => ending == Ending::Failed,
            Restart::Temporary => false,
        };
        let up_since = self.up_since.take();
        if !wanted {
            return Verdict::Ended;
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
            return Verdict::GivenUp;
        }
        self.granted.push_back(now);
        let calm = Duration::from_millis(self.policy.calm_ms);
        if up_since.is_some_and(|since| now.saturating_duration_since(since) >= calm) {
            self.streak = 0;
        }
        let cap = self.cap();
        self.streak = self.streak.saturating_add(1);
        Verdict::After(cap.mul_f64(chance.clamp(0.0, 1.0)))
    }

    /// The longest that the next pause can be.
    fn cap(&self) -> Duration {
        let doubled = 1_u64.checked_shl(self.streak).unwrap_or(u64::MAX);
        let cap_ms = self.policy.backoff_min_ms.saturating_mul(doubled);
        Duration::from_millis(cap_ms.min(self.policy.backoff_max_ms))
    }

    /// Forgets what happened, as an operator wants it.
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
        /// Against a naive recount: a restart is granted exactly where fewer than the limit were granted within the period before.
        #[test]
        fn never_more_than_the_limit_within_any_period_and_never_fewer(
            policy in policy(),
            gaps in prop::collection::vec((0_u64..1_000, 0.0..1.0), 1..60),
        ) {
            prop_assert!(policy.check().is_ok());
            let mut restarts = Restarts::new(policy.clone());
            let begin = Instant::now();
            let (mut at_ms, mut granted) = (0, Vec::<u64>::new());
            for (gap_ms, chance) in gaps {
                at_ms += gap_ms;
                let within = granted.iter().filter(|then| at_ms - **then < policy.period_ms).count();
                match restarts.ended(Ending::Failed, begin + Duration::from_millis(at_ms), chance) {
                    Verdict::After(pause) => {
                        prop_assert!(within < policy.restarts as usize);
                        prop_assert!(pause <= Duration::from_millis(policy.backoff_max_ms));
                        granted.push(at_ms);
                    }
                    Verdict::GivenUp => prop_assert_eq!(within, policy.restarts as usize),
                    Verdict::Ended => prop_assert!(false, "permanent"),
                }
                prop_assert!(restarts.granted.len() <= policy.restarts as usize, "bounded");
            }
        }

        /// The cap doubles with each fault of a streak up to the most, and a calm time begins anew.
        #[test]
        fn pauses_double_within_a_streak_and_begin_anew_after_a_calm_time(
            policy in policy(),
            ups in prop::collection::vec(0_u64..1_000, 1..40),
            chance in 0.0..1.0,
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
                let expected = Duration::from_millis(u64::try_from(cap_ms).expect("fits")).mul_f64(chance);
                prop_assert_eq!(restarts.ended(Ending::Failed, now, chance), Verdict::After(expected));
                streak += 1;
            }
        }
    }

    #[test]
    fn the_kind_of_restart_decides_on_each_kind_of_end() {
        let now = Instant::now();
        let again = Verdict::After(Duration::ZERO);
        for (restart, finished, failed) in [
            (Restart::Permanent, again, again),
            (Restart::Transient, Verdict::Ended, again),
            (Restart::Temporary, Verdict::Ended, Verdict::Ended),
        ] {
            let policy = Policy {
                restart,
                ..Policy::default()
            };
            let verdict = |ending| Restarts::new(policy.clone()).ended(ending, now, 0.0);
            assert_eq!(
                (verdict(Ending::Finished), verdict(Ending::Failed)),
                (finished, failed),
                "{restart:?}"
            );
        }
    }

    #[test]
    fn a_reset_forgets_what_was_granted() {
        let now = Instant::now();
        let mut restarts = Restarts::new(Policy {
            restarts: 1,
            ..Policy::default()
        });
        assert!(matches!(restarts.ended(Ending::Failed, now, 0.5), Verdict::After(_)));
        assert_eq!(restarts.ended(Ending::Failed, now, 0.5), Verdict::GivenUp);
        restarts.reset();
        assert!(matches!(restarts.ended(Ending::Failed, now, 0.5), Verdict::After(_)));
    }
}
