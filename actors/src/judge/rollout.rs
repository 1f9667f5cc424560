//! [`Rollout`]: widens the share of a canary in steps and promotes it, as a state machine without a clock.

use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, Refusal, Requirements};
use super::switch::BUCKETS;
use crate::cause::Cause;

/// The largest number of steps of a plan.
pub const STEPS_MAX: usize = 20;

/// One step of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The number of the [`BUCKETS`] that get canary.
    pub buckets: u32,
    /// The time that the step lasts at least, in milliseconds.
    pub bake_ms: u64,
}

/// The steps by which a canary gets more visitors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    steps: Vec<Step>,
    /// True if a step begins by itself once the one before has lasted long enough and the canary meets the requirements; otherwise a person
    /// begins each.
    pub is_automatic: bool,
    /// The requirements for the next step and for the promotion.
    pub requirements: Requirements,
}

/// The error for steps that are not a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a plan has 1 to {STEPS_MAX} steps, each with more buckets than the one before and at most {BUCKETS}, and the last with {BUCKETS}"
)]
pub struct PlanError;

impl Plan {
    /// Creates a plan that a person carries out.
    ///
    /// # Errors
    /// [`PlanError`] unless each step has more buckets than the one before and the last has all.
    pub fn new(steps: Vec<Step>) -> Result<Self, PlanError> {
        let is_growing = steps.windows(2).all(|pair| pair[0].buckets < pair[1].buckets);
        let is_whole = steps.last().is_some_and(|last| last.buckets == BUCKETS);
        let has_first = steps.first().is_some_and(|first| first.buckets > 0);
        match is_growing && is_whole && has_first && steps.len() <= STEPS_MAX {
            true => Ok(Self {
                steps,
                is_automatic: false,
                requirements: Requirements::default(),
            }),
            false => Err(PlanError),
        }
    }

    /// Returns the steps.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

impl Default for Plan {
    /// Returns a plan of 5, 25, 50 and 100 %, each for ten minutes.
    fn default() -> Self {
        let step = |buckets| Step {
            buckets,
            bake_ms: 600_000,
        };
        Self {
            steps: [500, 2_500, 5_000, BUCKETS].map(step).to_vec(),
            is_automatic: false,
            requirements: Requirements::default(),
        }
    }
}

/// The state of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RolloutState {
    /// No canary.
    Idle,
    /// A step is under way.
    Step {
        /// Its index in the plan.
        index: usize,
        /// The time at which it began.
        since_ms: u64,
    },
    /// The judge has stopped the canary. A person resumes or aborts it.
    Stopped {
        /// The index of the step in which it was stopped.
        index: usize,
    },
    /// The canary is being published as stable.
    Promoting {
        /// The index of the step to which it returns if another publication came first.
        index: usize,
        /// The time at which that step began.
        since_ms: u64,
    },
    /// The canary is stable.
    Promoted,
    /// A person has ended the canary.
    Aborted,
}

/// Something that happens to a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Input {
    /// A person begins a canary.
    Start,
    /// Time has passed.
    Tick,
    /// A person begins the next step, by force if there is a cause, which needs a reason.
    Advance {
        /// The cause of a forced step.
        force: Option<Cause>,
    },
    /// A person publishes the canary as stable, by force if there is a cause, which needs a reason.
    Promote {
        /// The cause of a forced promotion.
        force: Option<Cause>,
    },
    /// The canary was published as stable.
    Published,
    /// Another version was published first, so the canary was not published.
    Conflict,
    /// The judge stopped the canary.
    Stop,
    /// A person lets a stopped canary go on, from its first step.
    Resume,
    /// A person ends the canary.
    Abort,
}

/// The task of the caller after an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Set the share of canary to that of [`Rollout::buckets`], because another step has begun, and record it.
    Widen,
    /// Forget what the judge knows ([`Judge::begin`](super::Judge::begin)), set the share, and record it: a canary begins.
    Begin,
    /// Publish the canary as stable if the version is still the one expected, and then report `Published` or `Conflict`.
    Publish,
    /// Set the share to zero and record it: all visitors get stable.
    Withdraw,
}

/// A canary on its way to all visitors. Its share never falls, except when it is aborted or stopped.
///
/// ```
/// use hotplate_actors::judge::{Action, Evidence, Input, Plan, Rollout};
///
/// let mut rollout = Rollout::new(Plan::default());
/// assert_eq!(rollout.apply(&Input::Start, &Evidence::default(), 0), Ok(Action::Begin));
/// assert_eq!(rollout.buckets(), 500);
/// let refused = rollout.apply(&Input::Promote { force: None }, &Evidence::default(), 1);
/// assert!(refused.unwrap_err().to_string().contains("1000 are required"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rollout {
    plan: Plan,
    state: RolloutState,
}

impl Rollout {
    /// Creates a rollout in which no canary has begun.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            state: RolloutState::Idle,
        }
    }

    /// Returns the plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns the state.
    #[must_use]
    pub fn state(&self) -> &RolloutState {
        &self.state
    }

    /// Returns the number of the [`BUCKETS`] that get canary.
    #[must_use]
    pub fn buckets(&self) -> u32 {
        match self.state {
            RolloutState::Step { index, .. } | RolloutState::Promoting { index, .. } => self.share_of(index),
            // What was canary is stable now, so nobody gets another text when the share returns to zero.
            RolloutState::Idle | RolloutState::Stopped { .. } | RolloutState::Promoted | RolloutState::Aborted => 0,
        }
    }

    /// Takes an input at a time, with what the judge knows then. Returns what the caller has to do.
    ///
    /// # Errors
    /// The reason why a command is refused. Then nothing changes.
    pub fn apply(&mut self, input: &Input, evidence: &Evidence, now_ms: u64) -> Result<Action, Refusal> {
        let (state, action) = self.next(input, evidence, now_ms)?;
        self.state = state;
        Ok(action)
    }

    fn next(&self, input: &Input, evidence: &Evidence, now_ms: u64) -> Result<(RolloutState, Action), Refusal> {
        use RolloutState::{Aborted, Idle, Promoted, Promoting, Step, Stopped};
        let at = |index| Step {
            index,
            since_ms: now_ms,
        };
        let same = || Ok((self.state.clone(), Action::Nothing));
        match (&self.state, input) {
            (Idle | Promoted | Aborted, Input::Start) => Ok((at(0), Action::Begin)),
            (Stopped { .. }, Input::Resume) => Ok((at(0), Action::Begin)),
            (Step { index, .. }, Input::Stop) => Ok((Stopped { index: *index }, Action::Withdraw)),
            // What is being published is the canary that was stopped. Its publication decides, and `Published` would end the matter.
            (Promoting { index, .. }, Input::Stop) => Ok((Stopped { index: *index }, Action::Withdraw)),
            (Step { .. } | Stopped { .. } | Promoting { .. }, Input::Abort) => Ok((Aborted, Action::Withdraw)),
            (Step { index, since_ms }, Input::Tick) => {
                let is_due = self.plan.is_automatic && self.may_leave(*index, *since_ms, evidence, now_ms).is_ok();
                match is_due {
                    false => same(),
                    true => Ok(self.after(*index, *since_ms, now_ms)),
                }
            }
            (Step { index, since_ms }, Input::Advance { force }) if index + 1 < self.plan.steps.len() => {
                self.permit(*index, *since_ms, force.as_ref(), evidence, now_ms)?;
                Ok(self.after(*index, *since_ms, now_ms))
            }
            (Step { index, since_ms }, Input::Promote { force }) => {
                match force {
                    Some(cause) => has_reason(cause)?,
                    // A person may promote from any step: the requirements are those of the last one.
                    None => self.plan.requirements.check(evidence)?,
                }
                Ok((promoting(*index, *since_ms), Action::Publish))
            }
            // The canary may have been stopped or aborted while it was being published.
            (Promoting { .. } | Stopped { .. } | Aborted, Input::Published) => Ok((Promoted, Action::Withdraw)),
            (Promoting { index, .. }, Input::Conflict) => Ok((at(*index), Action::Nothing)),
            // The judge may report a stop, the clock a tick, and a publication its conflict after the matter has ended.
            (_, Input::Tick | Input::Stop | Input::Published | Input::Conflict) => same(),
            (state, _) => Err(Refusal::NotNow { state: words(state) }),
        }
    }

    /// Checks a command to leave a step.
    fn permit(
        &self,
        index: usize,
        since_ms: u64,
        force: Option<&Cause>,
        evidence: &Evidence,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        match force {
            Some(cause) => has_reason(cause),
            None => self.may_leave(index, since_ms, evidence, now_ms),
        }
    }

    /// Checks that a step has lasted long enough and that the canary meets the requirements.
    fn may_leave(&self, index: usize, since_ms: u64, evidence: &Evidence, now_ms: u64) -> Result<(), Refusal> {
        self.plan.requirements.check(evidence)?;
        let bake_ms = self.plan.steps.get(index).map_or(0, |step| step.bake_ms);
        // A clock that goes back makes a step last longer, and never shorter.
        match bake_ms.saturating_sub(now_ms.saturating_sub(since_ms)) {
            0 => Ok(()),
            left_ms => Err(Refusal::Baking { left_ms }),
        }
    }

    /// Returns what comes after a step: the next one, or the promotion.
    fn after(&self, index: usize, since_ms: u64, now_ms: u64) -> (RolloutState, Action) {
        match index + 1 < self.plan.steps.len() {
            true => {
                let next = RolloutState::Step {
                    index: index + 1,
                    since_ms: now_ms,
                };
                (next, Action::Widen)
            }
            false => (promoting(index, since_ms), Action::Publish),
        }
    }

    fn share_of(&self, index: usize) -> u32 {
        self.plan.steps.get(index).map_or(0, |step| step.buckets)
    }
}

fn promoting(index: usize, since_ms: u64) -> RolloutState {
    RolloutState::Promoting { index, since_ms }
}

fn has_reason(cause: &Cause) -> Result<(), Refusal> {
    match cause.why().is_some_and(|reason| !reason.trim().is_empty()) {
        true => Ok(()),
        false => Err(Refusal::NoReason),
    }
}

fn words(state: &RolloutState) -> &'static str {
    match state {
        RolloutState::Idle => "has not begun: start it first",
        RolloutState::Step { .. } => "is under way: advance, promote or abort it",
        RolloutState::Stopped { .. } => "is stopped: resume or abort it",
        RolloutState::Promoting { .. } => "is being published: wait for the result",
        RolloutState::Promoted => "is stable already: start another one",
        RolloutState::Aborted => "is aborted: start another one",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: Evidence = Evidence {
        renders: 5_000,
        failed: 0,
        p99_us: Some(1_000),
        stable_p99_us: Some(1_000),
        is_stopped: false,
    };
    const FEW: Evidence = Evidence { renders: 9, ..GOOD };
    const STOPPED: Evidence = Evidence {
        is_stopped: true,
        ..GOOD
    };
    const BAKE_MS: u64 = 600_000;

    fn forced(reason: &str) -> Option<Cause> {
        Some(Cause::by("alice").reason(reason))
    }

    /// A rollout of the default plan, and a clock.
    struct Run(Rollout, u64);

    impl Run {
        fn new(is_automatic: bool) -> Self {
            let plan = Plan {
                is_automatic,
                ..Plan::default()
            };
            Self(Rollout::new(plan), 0)
        }

        fn at(&mut self, ms: u64, input: &Input, evidence: &Evidence) -> Result<(Action, u32), Refusal> {
            self.1 += ms;
            let action = self.0.apply(input, evidence, self.1)?;
            Ok((action, self.0.buckets()))
        }
    }

    #[test]
    fn an_automatic_canary_goes_all_the_way() {
        let mut run = Run::new(true);
        assert_eq!(run.at(0, &Input::Start, &FEW), Ok((Action::Begin, 500)));
        assert_eq!(
            run.at(BAKE_MS, &Input::Tick, &FEW),
            Ok((Action::Nothing, 500)),
            "it is not known yet"
        );
        for buckets in [2_500, 5_000, 10_000] {
            assert_eq!(run.at(BAKE_MS, &Input::Tick, &GOOD), Ok((Action::Widen, buckets)));
            let (action, _) = run.at(BAKE_MS - 1, &Input::Tick, &GOOD).expect("a tick");
            assert_eq!(action, Action::Nothing, "the step is not over");
        }
        assert_eq!(run.at(1, &Input::Tick, &GOOD), Ok((Action::Publish, 10_000)));
        assert_eq!(run.at(1, &Input::Conflict, &GOOD), Ok((Action::Nothing, 10_000)));
        assert_eq!(run.at(BAKE_MS, &Input::Tick, &GOOD), Ok((Action::Publish, 10_000)));
        assert_eq!(run.at(1, &Input::Published, &GOOD), Ok((Action::Withdraw, 0)));
        assert_eq!(run.at(1, &Input::Start, &GOOD), Ok((Action::Begin, 500)));
    }

    #[test]
    fn a_person_decides_each_step() {
        let mut run = Run::new(false);
        let advance = Input::Advance { force: None };
        assert!(matches!(run.at(0, &advance, &GOOD), Err(Refusal::NotNow { .. })));
        assert_eq!(run.at(0, &Input::Start, &FEW), Ok((Action::Begin, 500)));
        assert_eq!(run.at(BAKE_MS * 9, &Input::Tick, &GOOD), Ok((Action::Nothing, 500)));
        let too_few = Refusal::TooFew {
            renders: 9,
            required: 1_000,
        };
        assert_eq!(run.at(0, &advance, &FEW), Err(too_few));
        assert_eq!(run.at(0, &advance, &GOOD), Ok((Action::Widen, 2_500)));
        assert_eq!(
            run.at(1, &advance, &GOOD),
            Err(Refusal::Baking { left_ms: BAKE_MS - 1 })
        );
        let by_force = |reason| Input::Advance { force: forced(reason) };
        assert_eq!(run.at(0, &by_force("  "), &FEW), Err(Refusal::NoReason));
        assert_eq!(run.at(0, &by_force("a fix"), &FEW), Ok((Action::Widen, 5_000)));
        assert_eq!(
            run.at(
                0,
                &Input::Promote {
                    force: forced("urgent")
                },
                &FEW
            ),
            Ok((Action::Publish, 5_000))
        );
        assert!(matches!(
            run.at(0, &by_force("again"), &FEW),
            Err(Refusal::NotNow { .. })
        ));
    }

    #[test]
    fn a_stop_waits_for_a_person() {
        let mut run = Run::new(true);
        run.at(0, &Input::Start, &FEW).expect("starts");
        assert_eq!(run.at(BAKE_MS, &Input::Tick, &GOOD), Ok((Action::Widen, 2_500)));
        assert_eq!(run.at(1, &Input::Stop, &STOPPED), Ok((Action::Withdraw, 0)));
        assert_eq!(run.at(BAKE_MS * 9, &Input::Tick, &STOPPED), Ok((Action::Nothing, 0)));
        let promote = Input::Promote { force: forced("no") };
        assert!(matches!(run.at(0, &promote, &STOPPED), Err(Refusal::NotNow { .. })));
        assert_eq!(run.at(0, &Input::Resume, &STOPPED), Ok((Action::Begin, 500)));
        assert_eq!(run.at(0, &Input::Abort, &GOOD), Ok((Action::Withdraw, 0)));
        assert!(matches!(run.at(0, &Input::Resume, &GOOD), Err(Refusal::NotNow { .. })));
    }

    #[test]
    fn steps_that_do_not_grow_are_refused() {
        let of = |buckets: &[u32]| {
            let step = |buckets: &u32| Step {
                buckets: *buckets,
                bake_ms: 0,
            };
            Plan::new(buckets.iter().map(step).collect())
        };
        for bad in [
            &[][..],
            &[0, BUCKETS],
            &[500, 500, BUCKETS],
            &[500, 400, BUCKETS],
            &[500],
            &[BUCKETS + 1],
        ] {
            assert_eq!(of(bad), Err(PlanError), "{bad:?}");
        }
        let most: Vec<u32> = (1..u32::try_from(STEPS_MAX).expect("small")).chain([BUCKETS]).collect();
        assert!(
            of(&most).is_ok()
                && of(&[
                    &[1][..],
                    &most[1..].iter().map(|step| step + 1).collect::<Vec<_>>()[..most.len() - 2],
                    &[9_999, BUCKETS]
                ]
                .concat())
                .is_err()
        );
    }

    fn inputs() -> impl Strategy<Value = Input> {
        let force = prop_oneof![Just(None), Just(forced("")), Just(forced("a reason"))];
        prop_oneof![
            1 => Just(Input::Start),
            6 => Just(Input::Tick),
            3 => force.clone().prop_map(|force| Input::Advance { force }),
            2 => force.prop_map(|force| Input::Promote { force }),
            1 => Just(Input::Published),
            1 => Just(Input::Conflict),
            1 => Just(Input::Stop),
            1 => Just(Input::Resume),
            1 => Just(Input::Abort),
        ]
    }

    fn evidences() -> impl Strategy<Value = Evidence> {
        (0..3_000_u64, 0..40_u64, 900..1_400_u64, any::<bool>()).prop_map(|(renders, failed, p99, is_compared)| {
            Evidence {
                renders,
                failed: failed.min(renders),
                p99_us: Some(p99),
                stable_p99_us: is_compared.then_some(1_000),
                is_stopped: false,
            }
        })
    }

    proptest! {
        #[test]
        fn the_share_falls_only_by_an_end_and_grows_only_as_permitted(
            is_automatic in any::<bool>(),
            history in prop::collection::vec((inputs(), evidences(), 0..2 * BAKE_MS), 1..60),
        ) {
            let mut run = Run::new(is_automatic);
            for (input, evidence, ms) in history {
                let (before, share) = (run.0.clone(), run.0.buckets());
                let result = run.at(ms, &input, &evidence);
                let now = run.0.buckets();
                let is_end = matches!(input, Input::Abort | Input::Stop | Input::Published);
                prop_assert!(now >= share || is_end, "{share} → {now} by {input:?}");
                if result.is_err() {
                    prop_assert_eq!(&run.0, &before, "a refused input changes nothing");
                }
                let is_forced = match &input {
                    Input::Advance { force } | Input::Promote { force } => {
                        force.as_ref().is_some_and(|cause| cause.why().is_some())
                    }
                    _ => false,
                };
                let has_grown = share > 0 && now > share;
                let is_promoted = matches!(result, Ok((Action::Publish, _)));
                if (has_grown || is_promoted) && !is_forced {
                    prop_assert_eq!(run.0.plan.requirements.check(&evidence), Ok(()), "by {:?}", input);
                }
                if has_grown {
                    let steps = run.0.plan.steps();
                    let index = |share| steps.iter().position(|step| step.buckets == share);
                    prop_assert_eq!(index(now), index(share).map(|index| index + 1), "one step at a time");
                }
            }
        }
    }
}
