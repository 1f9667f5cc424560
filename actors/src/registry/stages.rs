//! Commands about stages, and what the judge and the clock do to them. The decisions are in [`StagesState`](crate::stages::state::StagesState).

use std::sync::Arc;
use std::time::Instant;

use super::publish::{Decision, publish};
use super::{AnsweredState, Note, Registry};
use crate::accepted::{AcceptedState, TextGraph};
use crate::audit::record::AuditAction;
use crate::cause::Cause;
use crate::events::{Event, StageChanged};
use crate::protocol::hold::HoldOrigin;
use crate::protocol::messages::{
    CommandOptions, CommandStage, IdempotencyKey, ReviewStages, RolledBack, StageAction, StagesReviewed,
};
use crate::stages::state::{StageEffect, StagesState};
use crate::supervision::{Fenced, Serve, Unavailable};
use crate::template::{Layer, Scope, Stage, Tenant};
use crate::wall_clock::now_ms;

/// A decision that is not committed yet.
struct Decided<'a> {
    stage: Stage,
    action: &'a StageAction,
    cause: Cause,
    key: Option<IdempotencyKey>,
    stages: StagesState,
}

impl Decided<'_> {
    fn tenant(&self) -> Option<&Tenant> {
        match self.action {
            StageAction::Promote { tenant, .. } => tenant.as_ref(),
            _ => None,
        }
    }

    fn note<'r>(&self) -> Note<'r> {
        Note {
            action: AuditAction::Stage(self.action.as_str()),
            cause: self.cause.clone(),
            stage: Some(layer(self.stage, self.tenant())),
            ..Note::default()
        }
    }
}

impl<G: TextGraph + Clone + Unpin + 'static> Serve<CommandStage> for Registry<G> {
    async fn serve(&mut self, command: CommandStage) -> Result<RolledBack, Unavailable> {
        let answer = self.command_stage(command);
        answer.map_err(|fenced| Unavailable::Lost(fenced.to_string()))
    }
}

impl<G: TextGraph + Clone + Unpin + 'static> Serve<ReviewStages> for Registry<G> {
    async fn serve(&mut self, _: ReviewStages) -> StagesReviewed {
        if let Err(fenced) = self.review_stages() {
            tracing::debug!(%fenced, "the stages are reviewed again");
        }
        StagesReviewed
    }
}

impl<G: TextGraph + Clone> Registry<G> {
    /// Carries out a command once for each idempotency key.
    fn command_stage(&self, command: CommandStage) -> Result<RolledBack, Fenced> {
        let CommandStage { stage, action, command } = command;
        let CommandOptions { key, expected, cause } = command;
        let accepted = self.0.accepted.draft();
        if let Some(answered) = key.and_then(|key| accepted.registry.answered(key)) {
            return Ok(answered);
        }
        let mut decided = Decided {
            stage,
            action: &action,
            cause,
            key,
            stages: StagesState::clone(&accepted.stages),
        };
        if let Some(conflict) = self.conflict(&accepted.registry.state, expected) {
            return self.refuse_stage(&accepted, &decided, RolledBack::Conflict(conflict));
        }
        if stage == Stage::Stable {
            let reason = "stable is the stage that all others are compared with: name `canary` or `experimental`";
            return self.refuse_stage(&accepted, &decided, RolledBack::Refused(reason.into()));
        }
        let (evidence, now_ms) = (self.0.stages.evidence(stage), now_ms());
        match decided
            .stages
            .command(stage, &action, &decided.cause, &evidence, now_ms)
        {
            Ok(effect) => self.carry_out(accepted, decided, effect),
            Err(refusal) => self.refuse_stage(&accepted, &decided, RolledBack::Refused(refusal.to_string())),
        }
    }

    fn carry_out(
        &self,
        accepted: AcceptedState<AnsweredState, G>,
        decided: Decided<'_>,
        effect: StageEffect,
    ) -> Result<RolledBack, Fenced> {
        let unchanged = RolledBack::Unchanged(accepted.registry.state.snapshot().version());
        match effect {
            StageEffect::Publish => self.promote(accepted, decided),
            StageEffect::Nothing => self.accept_stages(accepted, decided, unchanged, false),
            StageEffect::Apply => self.accept_stages(accepted, decided, unchanged, true),
            StageEffect::Begin => {
                let stage = decided.stage;
                let answer = self.accept_stages(accepted, decided, unchanged, true)?;
                self.0.stages.begin(stage);
                Ok(answer)
            }
        }
    }

    /// Publishes the texts of a stage as those of stable.
    fn promote(
        &self,
        accepted: AcceptedState<AnsweredState, G>,
        mut decided: Decided<'_>,
    ) -> Result<RolledBack, Fenced> {
        let registry = accepted.registry.clone();
        let before = registry.state.snapshot().version();
        let origin = HoldOrigin {
            version: before.next(),
            cause: decided.cause.clone(),
            is_promotion: true,
        };
        let Some((graph, plan)) = accepted.graph.promote(decided.stage, decided.tenant(), origin) else {
            let reason = format!(
                "{} has no text that differs from that of stable, so there is nothing to promote",
                layer(decided.stage, decided.tenant())
            );
            return self.refuse_stage(&accepted, &decided, RolledBack::Refused(reason));
        };
        let (evidence, now_ms) = (self.0.stages.evidence(decided.stage), now_ms());
        match publish(&registry.state, &plan, &self.0.limits) {
            Decision::Published { state, report, effects } => {
                // The canary of one tenant ends nobody else's.
                match decided.tenant() {
                    None => decided.stages.published(&evidence, now_ms),
                    Some(_) => decided.stages = StagesState::clone(&accepted.stages),
                }
                let is_whole = decided.tenant().is_none();
                let report = Arc::new(report.caused_by(decided.cause.clone()));
                let answer = RolledBack::Published(Arc::clone(&report));
                let registry = registry.with(state).answer(decided.key, &answer, &self.0.limits);
                let mut next = accepted.next(registry, graph);
                next.stages = Arc::new(decided.stages.clone());
                let note = Note {
                    report: Some(&report),
                    before,
                    ..decided.note()
                };
                let next = Self::made(self.noted(next, note), &report.cause, false);
                let stages = Arc::clone(&next.stages);
                self.swap(next, &report, &effects, Instant::now(), false)?;
                self.0.stages.apply(&stages);
                if is_whole {
                    self.0.stages.begin(decided.stage);
                }
                self.changed(&decided, report.version);
                Ok(answer)
            }
            // The texts waited already, so that only what waits has changed.
            Decision::Unchanged => {
                match decided.tenant() {
                    None => decided.stages.published(&evidence, now_ms),
                    Some(_) => decided.stages = StagesState::clone(&accepted.stages),
                }
                let accepted = AcceptedState { graph, ..accepted };
                let (stage, is_whole) = (decided.stage, decided.tenant().is_none());
                let answer = self.accept_stages(accepted, decided, RolledBack::Unchanged(before), true)?;
                if is_whole {
                    self.0.stages.begin(stage);
                }
                Ok(answer)
            }
            Decision::Refused { reason } => {
                self.refuse_stage(&accepted, &decided, RolledBack::Refused(reason.to_string()))
            }
        }
    }

    /// Commits a decision that publishes nothing, and applies it.
    fn accept_stages(
        &self,
        accepted: AcceptedState<AnsweredState, G>,
        decided: Decided<'_>,
        answer: RolledBack,
        is_noted: bool,
    ) -> Result<RolledBack, Fenced> {
        let before = accepted.registry.state.snapshot().version();
        let registry = accepted.registry.clone().answer(decided.key, &answer, &self.0.limits);
        let mut next = accepted.next(registry, accepted.graph.clone());
        next.stages = Arc::new(decided.stages.clone());
        if is_noted {
            let note = Note {
                before,
                ..decided.note()
            };
            next = self.noted(next, note);
        }
        let stages = Arc::clone(&next.stages);
        self.commit(next)?;
        self.0.stages.apply(&stages);
        if is_noted {
            self.changed(&decided, before);
        }
        Ok(answer)
    }

    /// Commits the answer to a command that is refused. Nothing else changes.
    fn refuse_stage(
        &self,
        accepted: &AcceptedState<AnsweredState, G>,
        decided: &Decided<'_>,
        answer: RolledBack,
    ) -> Result<RolledBack, Fenced> {
        let before = accepted.registry.state.snapshot().version();
        let registry = accepted.registry.clone().answer(decided.key, &answer, &self.0.limits);
        let next = accepted.next(registry, accepted.graph.clone());
        let note = Note {
            action: AuditAction::Refuse,
            before,
            refused: answer.refusal(),
            ..decided.note()
        };
        self.commit(self.noted(next, note))?;
        Ok(answer)
    }

    /// Records the stops by the judge, and lets time pass for an automatic rollout.
    fn review_stages(&self) -> Result<(), Fenced> {
        let mut accepted = self.0.accepted.draft();
        let version = accepted.registry.state.snapshot().version();
        let now_ms = now_ms();
        for (stage, number, stopped) in self.0.stages.unnoted(&accepted.stages) {
            let mut stages = StagesState::clone(&accepted.stages);
            stages.stopped(number, &stopped, &self.0.stages.evidence(stage), now_ms);
            let mut next = accepted.next(accepted.registry.clone(), accepted.graph.clone());
            next.stages = Arc::new(stages);
            let note = Note {
                action: AuditAction::Stop,
                before: version,
                cause: Cause::by("judge").reason(&stopped.to_string()),
                stage: Some(layer(stage, None)),
                ..Note::default()
            };
            self.commit(self.noted(next, note))?;
            accepted = self.0.accepted.draft();
            self.0.stages.apply(&accepted.stages);
        }
        let mut stages = StagesState::clone(&accepted.stages);
        let effect = stages.tick(&self.0.stages.evidence(Stage::Canary), now_ms);
        if effect == StageEffect::Nothing {
            return Ok(());
        }
        let action = match effect {
            StageEffect::Publish => StageAction::Promote {
                tenant: None,
                is_forced: false,
            },
            _ => StageAction::Advance { is_forced: false },
        };
        let decided = Decided {
            stage: Stage::Canary,
            action: &action,
            cause: Cause::by("rollout").reason("the step lasted long enough, and the canary meets the requirements"),
            key: None,
            stages,
        };
        let answer = self.carry_out(accepted, decided, effect)?;
        let Some(reason) = answer.refusal() else {
            return Ok(());
        };
        // The last step begins again, so that this is not repeated with each tick.
        tracing::warn!("the canary was not promoted: {reason}");
        let accepted = self.0.accepted.draft();
        let mut stages = StagesState::clone(&accepted.stages);
        stages.postpone(&self.0.stages.evidence(Stage::Canary), now_ms);
        let mut next = accepted.next(accepted.registry.clone(), accepted.graph.clone());
        next.stages = Arc::new(stages);
        self.commit(next)
    }

    /// Logs a decision and sends it.
    fn changed(&self, decided: &Decided<'_>, version: crate::version::Version) {
        let (stage, action) = (decided.stage.as_str(), decided.action.as_str());
        tracing::info!(stage, action, cause = %decided.cause, "a stage was changed");
        self.0.events.send(Event::StageChanged(Arc::new(StageChanged {
            stage,
            action,
            cause: decided.cause.clone(),
            version,
        })));
    }
}

/// Returns the layer of a stage.
fn layer(stage: Stage, tenant: Option<&Tenant>) -> Layer {
    Layer::of(Scope {
        tenant: tenant.cloned(),
        stage,
    })
}
