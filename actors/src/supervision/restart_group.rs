//! The consequences of the end of one member for its whole group, as Erlang/OTP defines them. Pure: time and jitter are arguments.
//!
//! A restart of several members is an order with a new generation for each. Except with one-for-one, a member
//! starts only when no member before it is still starting, because it may depend on them. A report of an older generation is ignored, so a member that ends twice, or late, is restarted once.

use std::ops::Range;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::policy::{Policy, Restart};
use super::restarts::{EndReason, RestartDecision, Restarts};

/// The members that are restarted together with a failed member. Members are in the order in which they were added; a member may depend on
/// earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Only the member itself.
    #[default]
    OneForOne,
    /// The member and all members after it.
    RestForOne,
    /// All members.
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

/// The present duty of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberDuty {
    /// Serve.
    Up,
    /// Start, not before this time, and not before the members that it depends on.
    Starting(Instant),
    /// Nothing, until an operator resets it: it has reached its restart limit.
    Down,
    /// Nothing: it has finished, and its policy wants no restart.
    Ended,
}

/// The duty of a member and the generation that it applies to. A behaviour of an older generation has to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberOrders {
    /// Number of starts that were ordered.
    pub generation: u64,
    /// Duty of this generation.
    pub duty: MemberDuty,
}

/// Members with one strategy, each with a policy of its own, and one policy for the group.
#[derive(Debug)]
pub struct RestartGroup {
    strategy: Strategy,
    /// Decides about a member that has reached the limit of its own policy.
    whole: Restarts,
    members: Vec<GroupMember>,
}

#[derive(Debug)]
struct GroupMember {
    restarts: Restarts,
    orders: MemberOrders,
}

/// The consequence of the end of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndConsequence {
    /// It is restarted, together with the members that the strategy names.
    Restarted,
    /// It is not restarted, as its policy says.
    Ended,
    /// It has reached its limit. It and the members that the strategy names stay down.
    GivenUp,
    /// A newer generation was ordered before, so this end changes nothing.
    Overtaken,
}

impl RestartGroup {
    /// Creates a group without members.
    #[must_use]
    pub fn new(strategy: Strategy, whole: Policy) -> Self {
        Self {
            strategy,
            whole: Restarts::new(whole),
            members: Vec::new(),
        }
    }

    /// Adds a member, which has to start. Returns its index.
    pub fn add(&mut self, policy: Policy, now: Instant) -> usize {
        self.members.push(GroupMember {
            restarts: Restarts::new(policy),
            orders: MemberOrders {
                generation: 0,
                duty: MemberDuty::Starting(now),
            },
        });
        self.members.len() - 1
    }

    /// Returns the orders of all members.
    pub fn orders(&self) -> impl Iterator<Item = MemberOrders> {
        self.members.iter().map(|member| member.orders)
    }

    /// Returns the policy of a member.
    #[must_use]
    pub fn policy(&self, member: usize) -> &Policy {
        self.members[member].restarts.policy()
    }

    /// Returns true if no other member keeps this one from starting: in a strategy with dependences, members before it start first.
    #[must_use]
    pub fn may_start(&self, member: usize) -> bool {
        let before = &self.members[..member];
        self.strategy == Strategy::OneForOne
            || !before
                .iter()
                .any(|member| matches!(member.orders.duty, MemberDuty::Starting(_)))
    }

    /// Records that this generation of a member is up. Returns false if that was known or a newer generation was ordered meanwhile.
    pub fn up(&mut self, member: usize, generation: u64, now: Instant) -> bool {
        let member = &mut self.members[member];
        let is_new = member.orders.generation == generation && matches!(member.orders.duty, MemberDuty::Starting(_));
        if is_new {
            member.orders.duty = MemberDuty::Up;
            member.restarts.up(now);
        }
        is_new
    }

    /// Records the end of this generation of a member, and orders the consequence. `jitter` is a random number in [0, 1).
    pub fn ended(
        &mut self,
        failed: usize,
        generation: u64,
        ending: EndReason,
        now: Instant,
        jitter: f64,
    ) -> EndConsequence {
        let over = matches!(self.members[failed].orders.duty, MemberDuty::Down | MemberDuty::Ended);
        if over || self.members[failed].orders.generation != generation {
            return EndConsequence::Overtaken;
        }
        let affected = self.strategy.affected(failed, self.members.len());
        let pause = match self.members[failed].restarts.ended(ending, now, jitter) {
            RestartDecision::After(pause) => pause,
            RestartDecision::Ended => {
                self.members[failed].orders.duty = match ending {
                    EndReason::Finished => MemberDuty::Ended,
                    EndReason::Failed => MemberDuty::Down,
                };
                return EndConsequence::Ended;
            }
            RestartDecision::GivenUp => match self.whole.ended(EndReason::Failed, now, jitter) {
                // The group begins a new round, in which earlier restarts of its members do not count.
                RestartDecision::After(pause) => {
                    self.members[affected.clone()]
                        .iter_mut()
                        .for_each(|member| member.restarts.reset());
                    pause
                }
                RestartDecision::Ended | RestartDecision::GivenUp => {
                    self.members[affected]
                        .iter_mut()
                        .filter(|member| member.orders.duty != MemberDuty::Ended)
                        .for_each(|member| member.order(MemberDuty::Down));
                    return EndConsequence::GivenUp;
                }
            },
        };
        for number in affected {
            let member = &mut self.members[number];
            let duty = match (member.orders.duty, member.restarts.policy().restart) {
                (over @ (MemberDuty::Down | MemberDuty::Ended), _) => over,
                (_, Restart::Temporary) if number != failed => MemberDuty::Ended,
                _ => MemberDuty::Starting(now + pause),
            };
            member.order(duty);
        }
        EndConsequence::Restarted
    }

    /// Orders a member that is down or has finished to start again. Returns true if the member was down or had finished.
    pub fn reset(&mut self, member: usize, now: Instant) -> bool {
        let member = &mut self.members[member];
        let over = matches!(member.orders.duty, MemberDuty::Down | MemberDuty::Ended);
        if over {
            member.restarts.reset();
            member.order(MemberDuty::Starting(now));
            self.whole.reset();
        }
        over
    }
}

impl GroupMember {
    fn order(&mut self, duty: MemberDuty) {
        self.orders = MemberOrders {
            generation: self.orders.generation + 1,
            duty,
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

    fn group(strategy: Strategy, policies: &[Policy]) -> (RestartGroup, Instant) {
        let now = Instant::now();
        let mut group = RestartGroup::new(strategy, temporary());
        for policy in policies {
            let member = group.add(policy.clone(), now);
            group.up(member, 0, now);
        }
        (group, now)
    }

    /// Returns one letter for each member: `u`p, `s`tarting, `d`own, `e`nded.
    fn shown(group: &RestartGroup) -> String {
        let letter = |orders: MemberOrders| match orders.duty {
            MemberDuty::Up => 'u',
            MemberDuty::Starting(_) => 's',
            MemberDuty::Down => 'd',
            MemberDuty::Ended => 'e',
        };
        group.orders().map(letter).collect()
    }

    #[test]
    fn each_strategy_affects_the_members_it_names() {
        let cases = [
            (Strategy::OneForOne, "usuu", "uduu"),
            (Strategy::RestForOne, "usse", "udde"),
            (Strategy::OneForAll, "ssse", "ddde"),
        ];
        for (strategy, restarted, given_up) in cases {
            let (mut group, now) = group(strategy, &[once(), once(), once(), temporary()]);
            assert_eq!(
                group.ended(1, 0, EndReason::Failed, now, 0.0),
                EndConsequence::Restarted
            );
            assert_eq!(shown(&group), restarted, "{strategy:?}");
            let orders: Vec<MemberOrders> = group.orders().collect();
            for (member, orders) in orders.into_iter().enumerate() {
                let waits = matches!(orders.duty, MemberDuty::Starting(_));
                let first = shown(&group).find('s') == Some(member);
                assert_eq!(group.may_start(member) && waits, first, "{strategy:?}: in order");
                group.up(member, orders.generation, now);
            }
            let again = group.orders().nth(1).expect("is there").generation;
            assert_eq!(
                group.ended(1, again, EndReason::Failed, now, 0.0),
                EndConsequence::GivenUp
            );
            assert_eq!(shown(&group), given_up, "{strategy:?}");
        }
    }

    #[test]
    fn restart_types_and_ends() {
        let with = |restart| Policy {
            restart,
            ..Policy::default()
        };
        let cases = [
            (Restart::Permanent, EndReason::Failed, EndConsequence::Restarted, "s"),
            (Restart::Permanent, EndReason::Finished, EndConsequence::Restarted, "s"),
            (Restart::Transient, EndReason::Failed, EndConsequence::Restarted, "s"),
            (Restart::Transient, EndReason::Finished, EndConsequence::Ended, "e"),
            (Restart::Temporary, EndReason::Failed, EndConsequence::Ended, "d"),
            (Restart::Temporary, EndReason::Finished, EndConsequence::Ended, "e"),
        ];
        for (restart, ending, expected, after) in cases {
            let (mut group, now) = group(Strategy::OneForOne, &[with(restart)]);
            assert_eq!(group.ended(0, 0, ending, now, 0.0), expected, "{restart:?} {ending:?}");
            assert_eq!(shown(&group), after, "{restart:?} {ending:?}");
        }
    }

    #[test]
    fn the_group_policy_grants_another_round() {
        let now = Instant::now();
        let mut group = RestartGroup::new(Strategy::OneForAll, once());
        for _ in 0..2 {
            group.add(once(), now);
        }
        let mut consequences = Vec::new();
        for _ in 0..4 {
            let orders: Vec<MemberOrders> = group.orders().collect();
            orders
                .iter()
                .enumerate()
                .for_each(|(member, orders)| assert!(group.up(member, orders.generation, now)));
            consequences.push(group.ended(0, orders[0].generation, EndReason::Failed, now, 0.0));
        }
        use EndConsequence::{GivenUp, Restarted};
        assert_eq!(consequences, [Restarted, Restarted, Restarted, GivenUp]);
        assert_eq!(shown(&group), "dd");
        assert!(group.reset(0, now) && group.reset(1, now) && !group.reset(1, now));
        assert_eq!(shown(&group), "ss");
    }

    proptest! {
        /// After any sequence of events: generations never decrease, the end of an older one changes nothing, and once waiting members have
        /// started in order, every member is up, down or finished.
        #[test]
        fn no_member_waits_forever(
            strategy in prop::sample::select(vec![Strategy::OneForOne, Strategy::RestForOne, Strategy::OneForAll]),
            members in 1_usize..6,
            events in prop::collection::vec((0_usize..6, 0_u8..4, 0_u64..2), 0..80),
        ) {
            let mut now = Instant::now();
            let mut group = RestartGroup::new(strategy, once());
            for _ in 0..members {
                group.add(Policy { restarts: 3, period_ms: 500, ..Policy::default() }, now);
            }
            for (member, event, behind) in events {
                now += Duration::from_millis(20);
                let member = member % members;
                let before: Vec<MemberOrders> = group.orders().collect();
                let generation = before[member].generation.saturating_sub(behind);
                match event {
                    0 => { group.up(member, generation, now); }
                    1 => { group.reset(member, now); }
                    _ => {
                        let consequence = group.ended(member, generation, EndReason::Failed, now, 0.3);
                        if generation != before[member].generation {
                            prop_assert_eq!(consequence, EndConsequence::Overtaken);
                        }
                        if consequence == EndConsequence::Overtaken {
                            prop_assert!(group.orders().eq(before.iter().copied()));
                        }
                    }
                }
                for (after, before) in group.orders().zip(&before) {
                    prop_assert!(after.generation >= before.generation);
                }
            }
            for _ in 0..members {
                let orders: Vec<MemberOrders> = group.orders().collect();
                for (member, orders) in orders.into_iter().enumerate() {
                    if group.may_start(member) {
                        group.up(member, orders.generation, now);
                    }
                }
            }
            prop_assert!(!shown(&group).contains('s'), "{}", shown(&group));
        }
    }
}
