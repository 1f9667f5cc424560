//! [`CanaryControl`]: keeps the judge, the rollout and the switch in agreement.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::rollout::{Action, Input, Plan, Rollout};
use super::{Evidence, Judge, JudgeError, JudgeSettings, Observation, Refusal, StageSwitch, Stopped};
use crate::template::Stage;

/// The canary of a process: its judge, its rollout and the switch that choosing a scope reads. All threads share one.
///
/// Renders take no lock, except for the one that stops the canary. It is the caller's part to tell people of a [`Stopped`] and of each command, and
/// to publish when a command says so.
///
/// ```
/// use std::sync::Arc;
/// use hotplate_actors::judge::{Action, CanaryControl, Input, JudgeSettings, Plan, StageSwitch};
/// use hotplate_actors::template::Stage;
///
/// let switch = Arc::new(StageSwitch::default());
/// let control = CanaryControl::new(&JudgeSettings::default(), Plan::default(), Arc::clone(&switch))?;
/// assert_eq!(control.command(&Input::Start, 0)?, Action::Begin);
/// assert_eq!(switch.canary(), 500);
/// control.command(&Input::Abort, 1)?;
/// assert!(!switch.is_on(Stage::Canary));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CanaryControl {
    judge: Judge,
    rollout: Mutex<Rollout>,
    switch: Arc<StageSwitch>,
}

impl CanaryControl {
    /// Creates the control of a process in which no canary has begun.
    ///
    /// # Errors
    /// [`JudgeError`] if the thresholds contradict each other.
    pub fn new(settings: &JudgeSettings, plan: Plan, switch: Arc<StageSwitch>) -> Result<Self, JudgeError> {
        Ok(Self {
            judge: Judge::new(settings, Arc::clone(&switch))?,
            rollout: Mutex::new(Rollout::new(plan)),
            switch,
        })
    }

    /// Returns the judge, for renders of stable and for what operators are shown.
    #[must_use]
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// Returns the rollout as it is now.
    #[must_use]
    pub fn rollout(&self) -> Rollout {
        self.lock().clone()
    }

    /// Counts a render like [`Judge::observe`]. If it stops the canary, the rollout is stopped too.
    pub fn observe(&self, render: &Observation, now_ms: u64) -> Option<Stopped> {
        let stopped = self.judge.observe(render, now_ms)?;
        if stopped.stage == Stage::Canary {
            // A stop is never refused.
            let _ = self.command(&Input::Stop, now_ms);
        }
        Some(stopped)
    }

    /// Carries out a command, or lets time pass. Sets the share of canary, and tells the judge when a canary begins. The caller does the rest of
    /// the [`Action`]: it records it, and publishes on [`Action::Publish`].
    ///
    /// # Errors
    /// The reason why a command is refused. Then nothing changes.
    pub fn command(&self, input: &Input, now_ms: u64) -> Result<Action, Refusal> {
        let mut rollout = self.lock();
        // Between the stop and this lock, a person may have begun another canary, which the stop does not concern.
        if *input == Input::Stop && self.switch.is_on(Stage::Canary) {
            return Ok(Action::Nothing);
        }
        let action = rollout.apply(input, &self.evidence(), now_ms)?;
        match action {
            Action::Begin => self.judge.begin(Stage::Canary),
            // Nobody gets what a person has ended, also not those who ask for it.
            Action::Withdraw if *input == Input::Abort => {
                self.switch.stop(Stage::Canary);
            }
            Action::Withdraw | Action::Widen | Action::Publish | Action::Nothing => {}
        }
        if action != Action::Nothing {
            self.switch.set_canary(rollout.buckets());
        }
        Ok(action)
    }

    /// Returns what the judge knows of the canary.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        self.judge.evidence(Stage::Canary)
    }

    fn lock(&self) -> MutexGuard<'_, Rollout> {
        self.rollout.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Outcome, RolloutState};
    use super::*;

    fn control() -> (CanaryControl, Arc<StageSwitch>) {
        let switch = Arc::new(StageSwitch::default());
        let mut plan = Plan::default();
        plan.is_automatic = true;
        let control = CanaryControl::new(&JudgeSettings::default(), plan, Arc::clone(&switch)).expect("valid");
        (control, switch)
    }

    fn render(outcome: Outcome) -> Observation {
        Observation {
            stage: Stage::Canary,
            outcome,
            took: Duration::from_micros(100),
            bytes: 1_000,
        }
    }

    #[test]
    fn a_healthy_canary_is_widened_and_published() {
        let (control, switch) = control();
        control.command(&Input::Start, 0).expect("starts");
        for _ in 0..1_000 {
            control.judge().observe_stable(Duration::from_micros(100), 1_000, 1);
            assert_eq!(control.observe(&render(Outcome::Good), 1), None);
        }
        let shares: Vec<u32> = (1..=3)
            .map(|step| {
                assert_eq!(control.command(&Input::Tick, step * 600_000), Ok(Action::Widen));
                switch.canary()
            })
            .collect();
        assert_eq!(shares, [2_500, 5_000, 10_000]);
        assert_eq!(control.command(&Input::Tick, 4 * 600_000), Ok(Action::Publish));
        assert_eq!(switch.canary(), 10_000, "until it is published");
        assert_eq!(control.command(&Input::Published, 4 * 600_000), Ok(Action::Withdraw));
        assert_eq!((switch.canary(), switch.is_on(Stage::Canary)), (0, true));
        assert_eq!(control.rollout().state(), &RolloutState::Promoted);
    }

    #[test]
    fn a_failing_canary_is_stopped_everywhere() {
        let (control, switch) = control();
        control.command(&Input::Start, 0).expect("starts");
        let stops = (0..10).filter_map(|ms| control.observe(&render(Outcome::Failed), ms));
        assert_eq!(stops.count(), 1);
        assert_eq!(control.rollout().state(), &RolloutState::Stopped { index: 0 });
        assert_eq!((switch.canary(), switch.is_on(Stage::Canary)), (0, false));
        assert_eq!(control.command(&Input::Resume, 20), Ok(Action::Begin));
        assert_eq!((switch.canary(), switch.is_on(Stage::Canary)), (500, true));
        assert_eq!(control.evidence().renders, 0, "it is judged anew");
        assert_eq!(control.command(&Input::Abort, 30), Ok(Action::Withdraw));
        assert_eq!((switch.canary(), switch.is_on(Stage::Canary)), (0, false));
    }
}
