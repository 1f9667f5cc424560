//! The Watcher: syncs its loader, and sends what really differs to the Compiler.
//!
//! One batch is in flight. While its outcome is awaited, hints collect as one message in the mailbox. After changes of many templates the
//! next batch waits until hints pause ([`burst`]). A `Reload` waits for no pause. The Watcher knows by digest which sources were accepted
//! ([`known`]), so a touch is no change. A source that is unavailable is synced again after a pause that doubles; until it has been loaded
//! once, no loader of lower priority provides its names ([`precedence`]). A loader that hangs or panics is replaced ([`worker`]). If a
//! batch is lost (an actor on the way failed), the Watcher forgets what it knows, and the next sync sends everything; it comes by itself
//! after a pause that doubles with each loss.

pub(crate) mod burst;
pub(crate) mod known;
pub(crate) mod precedence;
pub(crate) mod worker;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::Instrument;

use crate::cause::Cause;
use crate::counters::Recorder;
use crate::health::LoaderState;
use crate::limits::Limits;
use crate::loader::{Changes, Depth, Hints, LoaderError};
use crate::protocol::messages::{BatchOutcome, Drain, Drained, Reload, SourcesChanged, SyncOutcome, SyncSources};
use crate::supervision::{Behavior, MeteredRecipient, Serve, Started};
use crate::version::{LoaderId, Revision};
use crate::without_subscriber::warn_without_subscriber;

use burst::{BurstGate, SyncDue};
use known::KnownSources;
use precedence::{Hidden, Precedence};
use worker::{LoaderWorker, SyncFailure};

/// The pause before everything is sent again after a batch was lost.
const RETRY: Duration = Duration::from_millis(100);
/// The number of times that the pause doubles with further losses: up to 13 seconds.
const RETRY_DOUBLINGS: u32 = 7;

/// The shortest and the longest pause before a source that is unavailable is synced again.
const RETRY_UNAVAILABLE: Duration = Duration::from_secs(1);
const RETRY_UNAVAILABLE_MAX: Duration = Duration::from_secs(30);
/// The longest pause that a source can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// The configuration of a Watcher.
pub(crate) struct WatcherConfig {
    /// The number of the loader.
    pub(crate) loader: LoaderId,
    /// The loader on its thread.
    pub(crate) worker: LoaderWorker,
    /// The number of the last batch. It is outside the behaviour, so that a restart continues it.
    pub(crate) revisions: Arc<AtomicU64>,
    /// The recipient of sources.
    pub(crate) compiler: MeteredRecipient<SourcesChanged>,
    /// Gives hints to this Watcher.
    pub(crate) hints: Hints,
    /// The gate that the hints come through.
    pub(crate) gate: HintGate,
    /// The loaders of the engine.
    pub(crate) precedence: Precedence,
    pub(crate) recorder: Arc<Recorder>,
}

/// The gate between the hints of a loader and the syncs of its Watcher. It outlives a fault of the Watcher, as the hints do.
#[derive(Clone)]
pub(crate) struct HintGate {
    gate: Arc<Mutex<BurstGate>>,
    /// Asks the Watcher to sync.
    ask: Arc<dyn Fn() + Send + Sync>,
}

impl HintGate {
    /// Creates a gate. `ask` sends [`SyncSources`] to the Watcher.
    pub(crate) fn new(limits: &Limits, ask: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            gate: Arc::new(Mutex::new(BurstGate::new(limits))),
            ask: Arc::new(ask),
        }
    }

    /// Returns the receiver of hints in front of this gate.
    pub(crate) fn hints(&self) -> Hints {
        let receive = |note: fn(&mut BurstGate, Instant) -> bool| {
            let gate = self.clone();
            move || {
                let must_ask = note(&mut gate.lock(), Instant::now());
                if must_ask {
                    (gate.ask)();
                }
            }
        };
        Hints::with_reminders(receive(BurstGate::hinted), receive(BurstGate::reminded))
    }

    /// Returns true if it is time to sync. Otherwise the Watcher is asked again when it is.
    fn is_open(&self) -> bool {
        let due = self.lock().ask(Instant::now());
        if let SyncDue::At(at) = due {
            let gate = self.clone();
            actix::spawn(async move {
                actix::clock::sleep_until(at.into()).await;
                gate.lock().woke_up();
                (gate.ask)();
            });
        }
        due == SyncDue::Now
    }

    fn lock(&self) -> MutexGuard<'_, BurstGate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the span of a batch, from the hint to the outcome. It gets its number once something really differs.
pub(crate) fn batch(loader: LoaderId) -> tracing::Span {
    tracing::info_span!("batch", loader = loader.0, batch = tracing::field::Empty)
}

/// The behaviour of a Watcher.
pub(crate) struct Watcher {
    loader: LoaderId,
    worker: LoaderWorker,
    revisions: Arc<AtomicU64>,
    compiler: MeteredRecipient<SourcesChanged>,
    hints: Hints,
    gate: HintGate,
    recorder: Arc<Recorder>,
    /// The sources that were accepted.
    known: KnownSources,
    /// True after a start and after a loss: then everything is sent.
    sends_all: bool,
    precedence: Precedence,
    /// The loaders that have hidden texts of this one at the last sync.
    hidden: Hidden,
    drained: bool,
    /// The number of consecutive lost batches.
    losses: u32,
    /// The reason why the last sync by a hint failed, if it did.
    last_failure: Option<String>,
    /// The number of consecutive syncs for which the source was unavailable.
    outages: u32,
    /// True if the source did not exist at the last sync.
    was_absent: bool,
    /// True if a batch was sent.
    has_sent: bool,
    /// Set while a sync after an outage is scheduled.
    retry_is_set: Arc<AtomicBool>,
}

impl Behavior for Watcher {
    type Config = WatcherConfig;

    fn start(setup: &WatcherConfig) -> Started<Self> {
        Ok(Self {
            loader: setup.loader,
            worker: setup.worker.clone(),
            revisions: Arc::clone(&setup.revisions),
            compiler: setup.compiler.clone(),
            hints: setup.hints.clone(),
            gate: setup.gate.clone(),
            recorder: Arc::clone(&setup.recorder),
            known: KnownSources::default(),
            sends_all: true,
            precedence: setup.precedence.clone(),
            hidden: Hidden::default(),
            drained: false,
            losses: 0,
            last_failure: None,
            outages: 0,
            was_absent: false,
            has_sent: false,
            retry_is_set: Arc::default(),
        })
    }
}

impl Serve<SyncSources> for Watcher {
    async fn serve(&mut self, sync: SyncSources) -> SyncOutcome {
        // A hint from here on leads to a sync of its own.
        let SyncSources { place, batch } = sync;
        drop(place);
        if self.drained || !self.gate.is_open() {
            return SyncOutcome::Unchanged;
        }
        let outcome = self.sync(Depth::Hinted, Cause::default()).instrument(batch).await;
        self.recorder.reloads.synced(&outcome, false);
        // No caller gets this outcome.
        self.log_failure(&outcome);
        outcome
    }
}

impl Serve<Reload> for Watcher {
    async fn serve(&mut self, reload: Reload) -> SyncOutcome {
        let batch = batch(self.loader);
        let depth = if reload.full { Depth::Bytes } else { Depth::Everything };
        let outcome = self.sync(depth, reload.cause).instrument(batch).await;
        self.recorder.reloads.synced(&outcome, true);
        outcome
    }
}

impl Serve<Drain> for Watcher {
    async fn serve(&mut self, _: Drain) -> Drained {
        self.drained = true;
        Drained
    }
}

impl Watcher {
    /// Syncs, and waits for the outcome of the pipeline.
    async fn sync(&mut self, depth: Depth, cause: Cause) -> SyncOutcome {
        self.gate.lock().sync_begins();
        let outcome = self.sync_through_pipeline(depth, cause).await;
        self.gate.lock().sync_ended();
        outcome
    }

    async fn sync_through_pipeline(&mut self, depth: Depth, cause: Cause) -> SyncOutcome {
        let noticed = Instant::now();
        let (mut changes, mut state) = match self.load(depth).await {
            Ok(loaded) => loaded,
            Err(error) => return self.not_loaded(error, noticed).await,
        };
        self.precedence.found(self.loader);
        let hidden = self.precedence.hidden_for(self.loader).await;
        if hidden != self.hidden {
            self.hidden = hidden;
            // What is no longer hidden was reported before.
            if !changes.complete {
                self.sends_all = true;
                (changes, state) = match self.load(depth).await {
                    Ok(loaded) => loaded,
                    Err(error) => return self.not_loaded(error, noticed).await,
                };
            }
        }
        self.precedence.hide(&self.hidden, &mut changes);
        if let Err(error) = changes.check_names(self.worker.supports()) {
            // For the loader these changes are reported, so the next sync has to send everything.
            self.sends_all = true;
            return self.not_loaded(error, noticed).await;
        }
        if state == LoaderState::Absent && self.was_absent {
            return SyncOutcome::Unchanged;
        }
        let known = match self.sends_all {
            true => KnownSources::default(),
            false => std::mem::take(&mut self.known),
        };
        let tag = changes.tag.clone();
        let (changes, known) = known.compare(changes);
        self.known = known;
        if changes.is_empty() {
            self.accepted(state, tag.as_ref());
            return SyncOutcome::Unchanged;
        }
        self.gate.lock().found(changes.present().chain(&changes.removed));
        let outcome = self.send_batch(changes, noticed, cause).await;
        match &outcome {
            BatchOutcome::Lost(_) | BatchOutcome::Conflict => self.schedule_resend(),
            // The same batch would be refused again, so everything is sent with the next change.
            BatchOutcome::Refused(reason) => {
                self.sends_all = true;
                let error = LoaderError::new(reason.clone());
                self.worker.note(LoaderState::Refused, None, Some(&error));
                tracing::error!(
                    reason,
                    "the templates are not accepted; the previous version is still served"
                );
                warn_without_subscriber(format_args!(
                    "the templates are not accepted: {reason}; the previous version is still served"
                ));
            }
            BatchOutcome::Published(_) | BatchOutcome::Unchanged(_) => {
                self.losses = 0;
                self.accepted(state, tag.as_ref());
            }
        }
        SyncOutcome::Decided(outcome)
    }

    /// Returns what the loader has found. A source that does not exist has no templates.
    async fn load(&mut self, depth: Depth) -> Result<(Changes, LoaderState), LoaderError> {
        let depth = if self.sends_all { Depth::Afresh } else { depth };
        match self.worker.sync(depth, || self.known.keys()).await {
            Ok(changes) => {
                self.outages = 0;
                Ok((changes, LoaderState::Loaded))
            }
            Err(SyncFailure::Answered(LoaderError::Absent(_))) => {
                self.schedule_retry(None);
                let complete = true;
                let changes = Changes {
                    complete,
                    ..Changes::default()
                };
                Ok((changes, LoaderState::Absent))
            }
            Err(SyncFailure::Answered(error)) => {
                if let LoaderError::Unavailable { retry_after, .. } = &error {
                    self.schedule_retry(*retry_after);
                }
                Err(error)
            }
            Err(SyncFailure::Lost(error)) => {
                self.schedule_resend();
                Err(error)
            }
        }
    }

    /// Notes that everything that the loader has reported is accepted.
    fn accepted(&mut self, state: LoaderState, tag: Option<&Arc<str>>) {
        self.was_absent = state == LoaderState::Absent;
        // Once the source exists, its loader has to report what was removed because it did not.
        self.sends_all = self.was_absent;
        self.worker.note(state, tag, None);
        self.precedence.loaded(self.loader);
    }

    /// Returns the outcome of a sync that has failed.
    async fn not_loaded(&mut self, error: LoaderError, noticed: Instant) -> SyncOutcome {
        let is_unavailable = error.is_unavailable();
        let state = if is_unavailable {
            LoaderState::Unavailable
        } else {
            LoaderState::Refused
        };
        self.worker.note(state, None, Some(&error));
        let is_hiding = is_unavailable && self.precedence.unavailable(self.loader);
        let outcome = SyncOutcome::LoadFailed(error);
        if is_hiding {
            self.log_failure(&outcome);
        }
        // The first batches of the others wait for one of this loader, unless its failure ends the start.
        if !self.has_sent && (is_hiding || self.precedence.are_restored()) {
            self.send_batch(Changes::default(), noticed, Cause::default()).await;
        }
        outcome
    }

    /// Logs that syncing has failed, once, and its end.
    fn log_failure(&mut self, outcome: &SyncOutcome) {
        let failure = match outcome {
            SyncOutcome::LoadFailed(error) => Some(error.to_string()),
            _ => None,
        };
        if failure != self.last_failure {
            match &failure {
                Some(reason) => {
                    tracing::warn!(
                        reason,
                        "the templates cannot be read; the previous version is still served"
                    );
                    warn_without_subscriber(format_args!(
                        "the templates cannot be read: {reason}; the previous version is still served"
                    ));
                }
                // At the same level, so that a log of warnings also shows the end.
                None => tracing::warn!("the templates can be read again"),
            }
            self.last_failure = failure;
        }
    }

    async fn send_batch(&mut self, changes: Changes, noticed: Instant, cause: Cause) -> BatchOutcome {
        let number = self.revisions.fetch_add(1, Ordering::Relaxed) + 1;
        let Changes {
            complete,
            changed,
            unreadable,
            removed,
            tag,
        } = changes;
        self.has_sent = true;
        let revision = Revision {
            loader: self.loader,
            number,
        };
        tracing::Span::current().record("batch", tracing::field::display(revision));
        tracing::debug!(changed = changed.len(), removed = removed.len(), complete, "batch sent");
        let batch = SourcesChanged {
            revision,
            complete,
            changed,
            unreadable,
            removed,
            noticed,
            cause: cause
                .or_by(|| Cause::of_loader(self.worker.description()))
                .or_reason(|| tag.map(|tag| format!("at {tag}"))),
        };
        self.compiler
            .send(batch)
            .await
            .unwrap_or_else(|gone| BatchOutcome::Lost(gone.to_string()))
    }

    /// Makes the next sync send everything, and gives a hint for it after a pause that doubles with each further loss.
    fn schedule_resend(&mut self) {
        self.sends_all = true;
        let pause = RETRY * (1 << self.losses.min(RETRY_DOUBLINGS));
        self.losses = self.losses.saturating_add(1);
        let hints = self.hints.clone();
        actix::spawn(async move {
            actix::clock::sleep(pause).await;
            hints.hint();
        });
    }

    /// Gives a hint after the pause that the source has asked for, or one that doubles with each further outage.
    fn schedule_retry(&mut self, retry_after: Option<Duration>) {
        let doubled = RETRY_UNAVAILABLE.saturating_mul(1 << self.outages.min(RETRY_DOUBLINGS));
        self.outages = self.outages.saturating_add(1);
        let pause = retry_after.unwrap_or(doubled.min(RETRY_UNAVAILABLE_MAX));
        let pause = pause.clamp(RETRY, RETRY_AFTER_MAX);
        if self.retry_is_set.swap(true, Ordering::AcqRel) {
            return;
        }
        let (hints, is_set) = (self.hints.clone(), Arc::clone(&self.retry_is_set));
        actix::spawn(async move {
            actix::clock::sleep(pause).await;
            is_set.store(false, Ordering::Release);
            hints.hint();
        });
    }
}
