//! [`StagesState`]: what was decided about the stages, as data. The Registry commits it together with what is served.

use std::sync::Arc;

use super::status::Halt;
use crate::cause::Cause;
use crate::judge::{Action, Evidence, Input, Plan, Refusal, Rollout, RolloutState, Stopped};
use crate::protocol::stage::StageAction;
use crate::snapshot::scopes::LATER_STAGES;
use crate::template::Stage;

/// The decisions about the stages other than stable. A clone is cheap.
#[derive(Debug, Clone)]
pub(crate) struct StagesState {
    rollout: Rollout,
    later: [StageDecision; LATER_STAGES],
}

/// The decisions about one stage.
#[derive(Debug, Clone, Default)]
struct StageDecision {
    /// The number of stops by the judge that are recorded.
    noted: u64,
    halt: Option<Arc<Halt>>,
}

/// The task of the Registry after a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StageEffect {
    /// Nothing has changed.
    Nothing,
    /// Commit the decision and apply it.
    Apply,
    /// Likewise, and let the stage begin with nothing known of it.
    Begin,
    /// Publish its texts as those of stable.
    Publish,
}

impl Default for StagesState {
    fn default() -> Self {
        Self::new(Plan::default())
    }
}

impl StagesState {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            rollout: Rollout::new(plan),
            later: std::array::from_fn(|_| StageDecision::default()),
        }
    }

    pub(crate) fn rollout(&self) -> &Rollout {
        &self.rollout
    }

    pub(crate) fn noted_stops(&self, stage: Stage) -> u64 {
        self.later[at(stage)].noted
    }

    pub(crate) fn halt(&self, stage: Stage) -> Option<&Arc<Halt>> {
        self.later[at(stage)].halt.as_ref()
    }

    /// Decides a command of a person.
    ///
    /// # Errors
    /// The reason why it is refused. Then nothing changes.
    pub(crate) fn command(
        &mut self,
        stage: Stage,
        action: &StageAction,
        cause: &Cause,
        evidence: &Evidence,
        now_ms: u64,
    ) -> Result<StageEffect, Refusal> {
        let is_halted = self.halt(stage).is_some();
        let force = |is_forced: bool| is_forced.then(|| cause.clone());
        let with_rollout = stage == Stage::Canary;
        match action {
            StageAction::Start | StageAction::Advance { .. } | StageAction::Promote { .. } if !with_rollout => {
                Err(Refusal::NotNow {
                    state: "is the only stage that is rolled out and promoted",
                })
            }
            StageAction::Start => {
                let is_stopped = matches!(self.halt(stage).map(|halt| &**halt), Some(Halt::Judge(_)));
                if is_stopped || (evidence.is_stopped && !is_halted) {
                    return Err(Refusal::Stopped);
                }
                self.rollout.apply(&Input::Start, evidence, now_ms)?;
                self.later[at(stage)].halt = None;
                Ok(StageEffect::Begin)
            }
            StageAction::Advance { is_forced } => {
                let advance = Input::Advance {
                    force: force(*is_forced),
                };
                self.rollout.apply(&advance, evidence, now_ms)?;
                Ok(StageEffect::Apply)
            }
            StageAction::Promote { is_forced, .. } => {
                let mut rollout = self.rollout.clone();
                // A canary may be promoted without a rollout.
                if !matches!(
                    rollout.state(),
                    RolloutState::Step { .. } | RolloutState::Promoting { .. }
                ) {
                    rollout = Rollout::new(rollout.plan().clone());
                    rollout.apply(&Input::Start, evidence, now_ms)?;
                }
                let promote = Input::Promote {
                    force: force(*is_forced),
                };
                rollout.apply(&promote, evidence, now_ms)?;
                self.rollout = rollout;
                Ok(StageEffect::Publish)
            }
            StageAction::Abort => {
                if let Some(Halt::Aborted { .. }) = self.halt(stage).map(|halt| &**halt) {
                    return Ok(StageEffect::Nothing);
                }
                let is_under_way = matches!(
                    self.rollout.state(),
                    RolloutState::Step { .. } | RolloutState::Stopped { .. } | RolloutState::Promoting { .. }
                );
                if with_rollout && is_under_way {
                    self.rollout.apply(&Input::Abort, evidence, now_ms)?;
                }
                self.later[at(stage)].halt = Some(Arc::new(Halt::Aborted {
                    cause: cause.clone(),
                    at_ms: now_ms,
                }));
                Ok(StageEffect::Apply)
            }
            StageAction::Resume => {
                if !is_halted && !evidence.is_stopped {
                    return Err(Refusal::NotNow {
                        state: "is not stopped, so there is nothing to resume",
                    });
                }
                if with_rollout && matches!(self.rollout.state(), RolloutState::Stopped { .. }) {
                    self.rollout.apply(&Input::Resume, evidence, now_ms)?;
                }
                self.later[at(stage)].halt = None;
                Ok(StageEffect::Begin)
            }
        }
    }

    /// Records a stop by the judge, which is the `number`-th of its stage.
    pub(crate) fn stopped(&mut self, number: u64, stopped: &Arc<Stopped>, evidence: &Evidence, now_ms: u64) {
        let decision = &mut self.later[at(stopped.stage)];
        decision.noted = number;
        // A stage that was aborted or resumed meanwhile is as the person said.
        if decision.halt.is_none() && evidence.is_stopped {
            decision.halt = Some(Arc::new(Halt::Judge(Arc::clone(stopped))));
        }
        if stopped.stage == Stage::Canary && evidence.is_stopped {
            // A stop is never refused.
            let _ = self.rollout.apply(&Input::Stop, evidence, now_ms);
        }
    }

    /// Notes that time has passed. Returns what an automatic rollout does then.
    pub(crate) fn tick(&mut self, evidence: &Evidence, now_ms: u64) -> StageEffect {
        match self.rollout.apply(&Input::Tick, evidence, now_ms) {
            Ok(Action::Publish) => StageEffect::Publish,
            Ok(Action::Widen) => StageEffect::Apply,
            Ok(_) | Err(_) => StageEffect::Nothing,
        }
    }

    /// Notes that an automatic promotion was refused: the last step begins again.
    pub(crate) fn postpone(&mut self, evidence: &Evidence, now_ms: u64) {
        if self.tick(evidence, now_ms) == StageEffect::Publish {
            let _ = self.rollout.apply(&Input::Conflict, evidence, now_ms);
        }
    }

    /// Notes that the canary was published as stable, which lifts its stop.
    pub(crate) fn published(&mut self, evidence: &Evidence, now_ms: u64) {
        let _ = self.rollout.apply(&Input::Published, evidence, now_ms);
        self.later[at(Stage::Canary)].halt = None;
    }
}

/// Returns the place of a stage among the later ones. Stable has none, and commands about it are refused before.
fn at(stage: Stage) -> usize {
    stage.number().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::StopReason;

    const GOOD: Evidence = Evidence {
        renders: 5_000,
        failed: 0,
        p99_us: Some(1_000),
        stable_p99_us: Some(1_000),
        is_stopped: false,
    };
    const STOPPED: Evidence = Evidence {
        is_stopped: true,
        ..GOOD
    };
    const PROMOTE: StageAction = StageAction::Promote {
        tenant: None,
        is_forced: false,
    };
    const FORCE: StageAction = StageAction::Promote {
        tenant: None,
        is_forced: true,
    };

    fn stop() -> Arc<Stopped> {
        Arc::new(Stopped {
            stage: Stage::Canary,
            reason: StopReason::Failures,
            at_ms: 1,
            renders: 4,
            failed: 4,
        })
    }

    fn command(
        state: &mut StagesState,
        action: &StageAction,
        evidence: &Evidence,
        ms: u64,
    ) -> Result<StageEffect, Refusal> {
        state.command(
            Stage::Canary,
            action,
            &Cause::by("alice").reason("a drill"),
            evidence,
            ms,
        )
    }

    #[test]
    fn a_stop_waits_for_a_person() {
        let mut state = StagesState::default();
        assert_eq!(
            command(&mut state, &StageAction::Start, &GOOD, 0),
            Ok(StageEffect::Begin)
        );
        assert_eq!(state.rollout().buckets(), 500);
        state.stopped(1, &stop(), &STOPPED, 1);
        assert!(matches!(
            state.halt(Stage::Canary).map(|halt| &**halt),
            Some(Halt::Judge(_))
        ));
        assert_eq!((state.rollout().buckets(), state.noted_stops(Stage::Canary)), (0, 1));
        assert_eq!(
            command(&mut state, &StageAction::Start, &STOPPED, 2),
            Err(Refusal::Stopped)
        );
        assert_eq!(command(&mut state, &PROMOTE, &STOPPED, 2), Err(Refusal::Stopped));
        assert_eq!(
            command(&mut state, &StageAction::Resume, &STOPPED, 3),
            Ok(StageEffect::Begin)
        );
        assert!(state.halt(Stage::Canary).is_none());
        assert_eq!(state.rollout().buckets(), 500, "it goes on from its first step");
        let refused = command(&mut state, &StageAction::Resume, &GOOD, 4).expect_err("it goes on");
        assert!(refused.to_string().contains("is not stopped"), "{refused}");
    }

    #[test]
    fn an_abort_stops_whatever_runs_and_a_promotion_lifts_it() {
        let mut state = StagesState::default();
        assert_eq!(
            command(&mut state, &StageAction::Abort, &GOOD, 0),
            Ok(StageEffect::Apply)
        );
        assert_eq!(
            command(&mut state, &StageAction::Abort, &STOPPED, 0),
            Ok(StageEffect::Nothing)
        );
        assert_eq!(command(&mut state, &PROMOTE, &STOPPED, 0), Err(Refusal::Stopped));
        assert_eq!(command(&mut state, &FORCE, &STOPPED, 0), Ok(StageEffect::Publish));
        state.published(&STOPPED, 0);
        assert!(state.halt(Stage::Canary).is_none());
        assert_eq!(*state.rollout().state(), RolloutState::Promoted);
        let anonymous = state.command(Stage::Canary, &FORCE, &Cause::by("alice"), &GOOD, 0);
        assert_eq!(anonymous, Err(Refusal::NoReason));
    }

    #[test]
    fn an_automatic_rollout_widens_and_publishes_by_itself() {
        let mut plan = Plan::default();
        plan.is_automatic = true;
        let mut state = StagesState::new(plan);
        assert_eq!(state.tick(&GOOD, 0), StageEffect::Nothing, "nothing has begun");
        command(&mut state, &StageAction::Start, &GOOD, 0).expect("begins");
        let bake_ms = state.rollout().plan().steps()[0].bake_ms;
        for (number, buckets) in (1..).zip([2_500, 5_000, 10_000]) {
            assert_eq!(state.tick(&GOOD, number * bake_ms - 1), StageEffect::Nothing);
            assert_eq!(state.tick(&GOOD, number * bake_ms), StageEffect::Apply);
            assert_eq!(state.rollout().buckets(), buckets);
        }
        assert_eq!(state.clone().tick(&GOOD, 4 * bake_ms), StageEffect::Publish);
        state.postpone(&GOOD, 4 * bake_ms);
        assert_eq!(
            state.tick(&GOOD, 5 * bake_ms - 1),
            StageEffect::Nothing,
            "it was refused"
        );
        assert_eq!(state.tick(&GOOD, 5 * bake_ms), StageEffect::Publish);
    }

    #[test]
    fn only_canary_is_promoted() {
        let mut state = StagesState::default();
        let cause = Cause::default();
        let refused = state.command(Stage::Experimental, &FORCE, &cause, &GOOD, 0);
        assert!(matches!(refused, Err(Refusal::NotNow { .. })));
        let aborted = state.command(Stage::Experimental, &StageAction::Abort, &cause, &GOOD, 0);
        assert_eq!(aborted, Ok(StageEffect::Apply));
        assert!(state.halt(Stage::Canary).is_none());
    }
}
