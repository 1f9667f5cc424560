//! [`Family`]: what the end of one member means for all of them. Pure: time and chance are arguments.

use std::ops::Range;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::policy::{Policy, Restart};
use super::restarts::{Ending, Restarts, Verdict};

/// Who is started again together with a member that failed. Members are in the order in which they were added; a later one may
/// depend on an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Nobody else.
    #[default]
    OneForOne,
    /// Those after it.
    RestForOne,
    /// Everybody.
    OneForAll,
}

impl Strategy {
    fn affected(self, failed: usize, members: usize) -> Range<usize> {
        match self {
            Self::OneForOne => failed..failed + 1,
            Self::RestForOne => failed..members,
            Self::OneForAll => 0..members,
        }
    }
}

/// What a member has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Serve.
    Up,
    /// Start, not before this, and not before those that it depends on.
    Starting(Instant),
    /// Nothing: it was given up, and an operator has to reset it.
    Down,
    /// Nothing: it came to its end, as its policy wants it.
    Ended,
}

/// What a member has to do, and which start of it that is about: whoever works in an older generation has to begin anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orders {
    /// Counts the starts that were ordered.
    pub generation: u64,
    /// What to do.
    pub standing: Standing,
}

/// Members with one strategy, each with a policy of its own, and one policy for the whole.
#[derive(Debug)]
pub struct Family {
    strategy: Strategy,
    /// What happens when a member's own policy has given it up.
    whole: Restarts,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    restarts: Restarts,
    orders: Orders,
}

/// What became of an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It, and with it the others that its strategy names, are started again.
    Restarted,
    /// It is not started again, as its policy wants it.
    Ended,
    /// It and the others that its strategy names are given up.
    GivenUp,
    /// It was ordered to begin anew before, so this end changes nothing.
    Overtaken,
}

impl Family {
    /// Nobody yet.
    #[must_use]
    pub fn new(strategy: Strategy, whole: Policy) -> Self {
        Self {
            strategy,
            whole: Restarts::new(whole),
            members: Vec::new(),
        }
    }

    /// A further member, which is to start.
    pub fn add(&mut self, policy: Policy, now: Instant) -> usize {
        self.members.push(Member {
            restarts: Restarts::new(policy),
            orders: Orders {
                generation: 0,
                standing: Standing::Starting(now),
            },
        });
        self.members.len() - 1
    }

    /// What each member has to do, in their order.
    pub fn orders(&self) -> impl Iterator<Item = Orders> {
        self.members.iter().map(|member| member.orders)
    }

    /// The policy of a member.
    #[must_use]
    pub fn policy(&self, member: usize) -> &Policy {
        self.members[member].restarts.policy()
    }

    /// Whether a member may start now, as far as the others are concerned: in a strategy that knows dependence, those before it
    /// are up first.
    #[must_use]
    pub fn may_start(&self, member: usize) -> bool {
        let before = &self.members[..member];
        self.strategy == Strategy::OneForOne
            || !before
                .iter()
                .any(|member| matches!(member.orders.standing, Standing::Starting(_)))
    }

    /// A member is up, in this generation. One that was ordered to begin anew meanwhile is not: answers whether it is, newly.
    pub fn up(&mut self, member: usize, generation: u64, now: Instant) -> bool {
        let member = &mut self.members[member];
        let is_new = member.orders.generation == generation && matches!(member.orders.standing, Standing::Starting(_));
        if is_new {
            member.orders.standing = Standing::Up;
            member.restarts.up(now);
        }
        is_new
    }

    /// A member came to an end in this generation.
    pub fn ended(&mut self, failed: usize, generation: u64, ending: Ending, now: Instant, chance: f64) -> Fate {
        let over = matches!(self.members[failed].orders.standing, Standing::Down | Standing::Ended);
        if over || self.members[failed].orders.generation != generation {
            return Fate::Overtaken;
        }
        let affected = self.strategy.affected(failed, self.members.len());
        let pause = match self.members[failed].restarts.ended(ending, now, chance) {
            Verdict::After(pause) => pause,
            Verdict::Ended => {
                self.members[failed].orders.standing = match ending {
                    Ending::Finished => Standing::Ended,
                    Ending::Failed => Standing::Down,
                };
                return Fate::Ended;
            }
            Verdict::GivenUp => match self.whole.ended(Ending::Failed, now, chance) {
                // The whole begins anew, so what its members did before counts no more.
                Verdict::After(pause) => {
                    self.members[affected.clone()]
                        .iter_mut()
                        .for_each(|member| member.restarts.reset());
                    pause
                }
                Verdict::Ended | Verdict::GivenUp => {
                    self.members[affected]
                        .iter_mut()
                        .filter(|member| member.orders.standing != Standing::Ended)
                        .for_each(|member| member.order(Standing::Down));
                    return Fate::GivenUp;
                }
            },
        };
        for number in affected {
            let member = &mut self.members[number];
            let standing = match (member.orders.standing, member.restarts.policy().restart) {
                (over @ (Standing::Down | Standing::Ended), _) => over,
                (_, Restart::Temporary) if number != failed => Standing::Ended,
                _ => Standing::Starting(now + pause),
            };
            member.order(standing);
        }
        Fate::Restarted
    }

    /// An operator wants a member that is down, or came to its end, to start again. Answers whether it was.
    pub fn reset(&mut self, member: usize, now: Instant) -> bool {
        let member = &mut self.members[member];
        let over = matches!(member.orders.standing, Standing::Down | Standing::Ended);
        if over {
            member.restarts.reset();
            member.order(Standing::Starting(now));
            self.whole.reset();
        }
        over
    }
}

impl Member {
    fn order(&mut self, standing: Standing) {
        self.orders = Orders {
            generation: self.orders.generation + 1,
            standing,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn once() -> Policy {
        Policy {
            restarts: 1,
            ..Policy::default()
        }
    }

    fn temporary() -> Policy {
        Policy {
            restart: Restart::Temporary,
            ..Policy::default()
        }
    }

    fn family(strategy: Strategy, policies: &[Policy]) -> (Family, Instant) {
        let now = Instant::now();
        let mut family = Family::new(strategy, temporary());
        for policy in policies {
            let member = family.add(policy.clone(), now);
            family.up(member, 0, now);
        }
        (family, now)
    }

    /// One letter for each member: `u`p, `s`tarting, `d`own, `e`nded.
    fn shown(family: &Family) -> String {
        let letter = |orders: Orders| match orders.standing {
            Standing::Up => 'u',
            Standing::Starting(_) => 's',
            Standing::Down => 'd',
            Standing::Ended => 'e',
        };
        family.orders().map(letter).collect()
    }

    #[test]
    fn each_strategy_restarts_and_gives_up_whom_it_names() {
        let cases = [
            (Strategy::OneForOne, "usuu", "uduu"),
            (Strategy::RestForOne, "usse", "udde"),
            (Strategy::OneForAll, "ssse", "ddde"),
        ];
        for (strategy, restarted, given_up) in cases {
            let (mut family, now) = family(strategy, &[once(), once(), once(), temporary()]);
            assert_eq!(family.ended(1, 0, Ending::Failed, now, 0.0), Fate::Restarted);
            assert_eq!(shown(&family), restarted, "{strategy:?}");
            let orders: Vec<Orders> = family.orders().collect();
            for (member, orders) in orders.into_iter().enumerate() {
                let waits = matches!(orders.standing, Standing::Starting(_));
                let first = shown(&family).find('s') == Some(member);
                assert_eq!(family.may_start(member) && waits, first, "{strategy:?}: in order");
                family.up(member, orders.generation, now);
            }
            let again = family.orders().nth(1).expect("is there").generation;
            assert_eq!(family.ended(1, again, Ending::Failed, now, 0.0), Fate::GivenUp);
            assert_eq!(shown(&family), given_up, "{strategy:?}");
        }
    }

    #[test]
    fn each_kind_of_restart_and_of_end() {
        let with = |restart| Policy {
            restart,
            ..Policy::default()
        };
        let cases = [
            (Restart::Permanent, Ending::Failed, Fate::Restarted, "s"),
            (Restart::Permanent, Ending::Finished, Fate::Restarted, "s"),
            (Restart::Transient, Ending::Failed, Fate::Restarted, "s"),
            (Restart::Transient, Ending::Finished, Fate::Ended, "e"),
            (Restart::Temporary, Ending::Failed, Fate::Ended, "d"),
            (Restart::Temporary, Ending::Finished, Fate::Ended, "e"),
        ];
        for (restart, ending, fate, after) in cases {
            let (mut family, now) = family(Strategy::OneForOne, &[with(restart)]);
            assert_eq!(family.ended(0, 0, ending, now, 0.0), fate, "{restart:?} {ending:?}");
            assert_eq!(shown(&family), after, "{restart:?} {ending:?}");
        }
    }

    #[test]
    fn the_policy_of_the_whole_gives_members_another_round() {
        let now = Instant::now();
        let mut family = Family::new(Strategy::OneForAll, once());
        for _ in 0..2 {
            family.add(once(), now);
        }
        let mut fates = Vec::new();
        for _ in 0..4 {
            let orders: Vec<Orders> = family.orders().collect();
            orders
                .iter()
                .enumerate()
                .for_each(|(member, orders)| assert!(family.up(member, orders.generation, now)));
            fates.push(family.ended(0, orders[0].generation, Ending::Failed, now, 0.0));
        }
        use Fate::{GivenUp, Restarted};
        assert_eq!(fates, [Restarted, Restarted, Restarted, GivenUp]);
        assert_eq!(shown(&family), "dd");
        assert!(family.reset(0, now) && family.reset(1, now) && !family.reset(1, now));
        assert_eq!(shown(&family), "ss");
    }

    proptest! {
        /// Whatever happens in whatever order: a generation is never reused, an end of an older one changes nothing, and when all
        /// that waits is let start, in order, everybody is up, down or ended.
        #[test]
        fn no_order_of_events_leaves_a_member_waiting_for_ever(
            strategy in prop::sample::select(vec![Strategy::OneForOne, Strategy::RestForOne, Strategy::OneForAll]),
            members in 1_usize..6,
            events in prop::collection::vec((0_usize..6, 0_u8..4, 0_u64..2), 0..80),
        ) {
            let mut now = Instant::now();
            let mut family = Family::new(strategy, once());
            for _ in 0..members {
                family.add(Policy { restarts: 3, period_ms: 500, ..Policy::default() }, now);
            }
            for (member, event, behind) in events {
                now += Duration::from_millis(20);
                let member = member % members;
                let before: Vec<Orders> = family.orders().collect();
                let generation = before[member].generation.saturating_sub(behind);
                match event {
                    0 => { family.up(member, generation, now); }
                    1 => { family.reset(member, now); }
                    _ => {
                        let fate = family.ended(member, generation, Ending::Failed, now, 0.3);
                        if generation != before[member].generation {
                            prop_assert_eq!(fate, Fate::Overtaken);
                        }
                        if fate == Fate::Overtaken {
                            prop_assert!(family.orders().eq(before.iter().copied()));
                        }
                    }
                }
                for (after, before) in family.orders().zip(&before) {
                    prop_assert!(after.generation >= before.generation);
                }
            }
            for _ in 0..members {
                let orders: Vec<Orders> = family.orders().collect();
                for (member, orders) in orders.into_iter().enumerate() {
                    if family.may_start(member) {
                        family.up(member, orders.generation, now);
                    }
                }
            }
            prop_assert!(!shown(&family).contains('s'), "{}", shown(&family));
        }
    }
}
