//! `Stages`: the stages other than stable, while they are served. Renders, the Registry and those who choose scopes share it.
//!
//! Renders report to the [`Judge`] and read the [`StageSwitch`], without a lock. The Registry decides commands, which are part of its
//! accepted state (`StagesState`), and applies them here after the commit. A stop by the judge works the other way round: it takes effect
//! here at once, and the Registry records it soon after.

pub(crate) mod settings;
pub(crate) mod state;
mod shadow;
mod normalized;
mod status;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::Notify;

use crate::events::{Event, EventBus, WeakEventBus};
use crate::judge::{Evidence, Judge, JudgeError, Observation, Rollout, RolloutState, StageSwitch, Stopped};
use crate::snapshot::Snapshot;
use crate::snapshot::scopes::LATER_STAGES;
use crate::template::Stage;
use crate::without_subscriber::warn_without_subscriber;

pub use settings::StageSettings;
pub use shadow::{ShadowDifference, ShadowReport, ShadowSettings};
pub use status::{Halt, RolloutStatus, StageStatus};

pub(crate) use shadow::Shadow;
use state::StagesState;

/// The pause between two ticks of an automatic rollout, and between two attempts to record a stop.
const TICK: Duration = Duration::from_secs(1);

/// The stages other than stable.
const LATER: [Stage; LATER_STAGES] = [Stage::Canary, Stage::Experimental];

/// Errors of settings of stages.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StagesError {
    #[error(transparent)]
    Judge(#[from] JudgeError),
    #[error(transparent)]
    Thread(#[from] std::io::Error),
}

/// The stages other than stable, as all parts of an engine share them.
pub(crate) struct Stages {
    judge: Judge,
    switch: Arc<StageSwitch>,
    later: [LaterStage; LATER_STAGES],
    rollout: ArcSwap<Rollout>,
    shadow: Arc<Shadow>,
    /// Notified when the Registry has to look at the stages.
    review: Notify,
    /// A weak reference, because handles own the stages and must not keep the event bus alive.
    events: WeakEventBus,
}

/// A stage other than stable.
#[derive(Debug, Default)]
struct LaterStage {
    /// Renders that failed and were answered by stable.
    rescued: AtomicU64,
    /// Renders that were answered by stable because the stage is stopped.
    diverted: AtomicU64,
    /// The number of stops by the judge.
    stops: AtomicU64,
    /// The number of stops that the Registry has recorded.
    noted: AtomicU64,
    last_stop: ArcSwapOption<Stopped>,
    /// The reason why the stage is stopped now.
    halt: ArcSwapOption<Halt>,
}

impl Stages {
    pub(crate) fn new(settings: &StageSettings, events: &EventBus) -> Result<Arc<Self>, StagesError> {
        let switch = Arc::new(StageSwitch::new(settings.canary_buckets));
        Ok(Arc::new(Self {
            judge: Judge::new(&settings.judge, Arc::clone(&switch))?,
            switch,
            later: std::array::from_fn(|_| LaterStage::default()),
            rollout: ArcSwap::from_pointee(Rollout::new(settings.rollout.clone())),
            shadow: Shadow::start(&settings.shadow)?,
            review: Notify::new(),
            events: events.weak(),
        }))
    }

    /// Returns the shadow renders.
    pub(crate) fn shadow(&self) -> &Arc<Shadow> {
        &self.shadow
    }

    /// Returns the switch, which says how many visitors get canary.
    pub(crate) fn switch(&self) -> &Arc<StageSwitch> {
        &self.switch
    }

    /// Returns true unless the stage is stopped.
    #[inline]
    pub(crate) fn is_on(&self, stage: Stage) -> bool {
        self.switch.is_on(stage)
    }

    /// Counts a render of stable, which stands for several.
    pub(crate) fn observe_stable(&self, took: Duration, bytes: usize, stands_for: u64) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let weight = u32::try_from(stands_for).unwrap_or(u32::MAX);
        self.judge.observe_stable(took, bytes, weight);
    }

    /// Counts a render of a later stage. If it is the one that stops the stage, the stop is logged and sent at once.
    pub(crate) fn observe(&self, render: &Observation, now_ms: u64) {
        if let Some(stopped) = self.judge.observe(render, now_ms) {
            self.stopped(stopped);
        }
    }

    /// Counts a render that failed and was answered by stable.
    pub(crate) fn rescued(&self, stage: Stage) {
        if let Some(later) = self.later(stage) {
            later.rescued.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a render that was answered by stable because its stage is stopped.
    pub(crate) fn diverted(&self, stage: Stage) {
        if let Some(later) = self.later(stage) {
            later.diverted.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[cold]
    fn stopped(&self, stopped: Stopped) {
        let Some(later) = self.later(stopped.stage) else { return };
        tracing::warn!(
            stage = stopped.stage.as_str(),
            renders = stopped.renders,
            failed = stopped.failed,
            "{stopped}"
        );
        warn_without_subscriber(&stopped);
        let stopped = Arc::new(stopped);
        later.last_stop.store(Some(Arc::clone(&stopped)));
        later.halt.store(Some(Arc::new(Halt::Judge(Arc::clone(&stopped)))));
        later.stops.fetch_add(1, Ordering::Release);
        self.events.send(Event::StageStopped(stopped));
        self.review.notify_one();
    }

    /// Returns what the judge knows of a stage.
    pub(crate) fn evidence(&self, stage: Stage) -> Evidence {
        self.judge.evidence(stage)
    }

    /// Forgets what is known of a stage, because its texts changed.
    pub(crate) fn texts_changed(&self, stage: Stage) {
        self.judge.forget(stage);
        if stage == Stage::Canary {
            self.shadow.forget();
        }
    }

    /// Lets a stage go on, with nothing known of it.
    pub(crate) fn begin(&self, stage: Stage) {
        self.judge.begin(stage);
    }

    /// Returns the stops by the judge that a state does not have yet: the stage, the number of its stops and the last of them.
    pub(crate) fn unnoted(&self, state: &StagesState) -> Vec<(Stage, u64, Arc<Stopped>)> {
        let stops = LATER.into_iter().zip(&self.later).filter_map(|(stage, later)| {
            let number = later.stops.load(Ordering::Acquire);
            let stopped = later.last_stop.load_full()?;
            (number > state.noted_stops(stage)).then_some((stage, number, stopped))
        });
        stops.collect()
    }

    /// Applies a state that was committed. A stage that is stopped goes on only by [`begin`](Self::begin).
    pub(crate) fn apply(&self, state: &StagesState) {
        if *state.rollout().state() != RolloutState::Idle {
            self.switch.set_canary(state.rollout().buckets());
        }
        self.rollout.store(Arc::new(state.rollout().clone()));
        for (stage, later) in LATER.into_iter().zip(&self.later) {
            later.noted.store(state.noted_stops(stage), Ordering::Relaxed);
            if later.stops.load(Ordering::Acquire) > state.noted_stops(stage) {
                continue;
            }
            let halt = state.halt(stage).cloned();
            if halt.is_some() {
                self.switch.stop(stage);
            }
            later.halt.store(halt);
        }
        self.review.notify_one();
    }

    /// Waits until the Registry has to look at the stages: the judge has stopped one, or a tick of an automatic rollout is due.
    pub(crate) async fn review_is_due(&self) {
        let is_late = |later: &LaterStage| later.stops.load(Ordering::Acquire) > later.noted.load(Ordering::Relaxed);
        let rollout = self.rollout.load();
        let has_ticks = rollout.plan().is_automatic && matches!(rollout.state(), RolloutState::Step { .. });
        drop(rollout);
        match has_ticks || self.later.iter().any(is_late) {
            true => _ = tokio::time::timeout(TICK, self.review.notified()).await,
            false => self.review.notified().await,
        }
    }

    /// Returns a sentence for each stage that is stopped.
    pub(crate) fn sentences(&self) -> impl Iterator<Item = String> {
        let halts = LATER.into_iter().zip(&self.later);
        halts.filter_map(|(stage, later)| Some(later.halt.load_full()?.sentence(stage)))
    }

    /// Returns the state of each stage other than stable.
    pub(crate) fn status(&self, snapshot: &Snapshot) -> Vec<StageStatus> {
        let with_texts = snapshot.later_stages();
        let stages = LATER.into_iter().zip(&self.later).map(|(stage, later)| {
            let evidence = self.evidence(stage);
            StageStatus {
                stage,
                has_texts: with_texts.contains(&stage),
                is_on: self.is_on(stage),
                halt: later.halt.load_full(),
                evidence,
                rescued: later.rescued.load(Ordering::Relaxed),
                diverted: later.diverted.load(Ordering::Relaxed),
                stops: self.judge.stops(stage).into(),
                rollout: (stage == Stage::Canary)
                    .then(|| RolloutStatus::of(&self.rollout.load(), self.switch.canary(), &evidence)),
            }
        });
        stages.collect()
    }

    fn later(&self, stage: Stage) -> Option<&LaterStage> {
        self.later.get(stage.number().checked_sub(1)?)
    }
}
