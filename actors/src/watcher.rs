//! The Watcher: syncs its loader, and sends what really differs to the Compiler.
//!
//! One batch is in flight. While its outcome is awaited, hints collect as one message in the mailbox. After changes of many templates the
//! next batch waits until hints pause ([`burst`]). A `Reload` waits for no pause. The Watcher knows by digest which sources were accepted
//! ([`known`]), so a touch is no change. If a batch is lost (an actor on the way failed), the Watcher forgets what
//! it knows, and the next sync sends everything; it comes by itself after a pause that doubles with each loss.

pub(crate) mod burst;
pub(crate) mod known;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tracing::Instrument;

use crate::cause::Cause;
use crate::counters::Recorder;
use crate::health::LoaderHealth;
use crate::limits::Limits;
use crate::loader::{Changes, Depth, Hints, Loader, LoaderError};
use crate::protocol::messages::{BatchOutcome, Drain, Drained, Reload, SourcesChanged, SyncOutcome, SyncSources};
use crate::supervision::{Behavior, MeteredRecipient, Pool, Serve, Started, Unavailable, contain};
use crate::version::{LoaderId, Revision};
use crate::without_subscriber::warn_without_subscriber;

use burst::{BurstGate, SyncDue};
use known::KnownSources;

/// The pause before everything is sent again after a batch was lost.
const RETRY: Duration = Duration::from_millis(100);
/// The number of times that the pause doubles with further losses: up to 13 seconds.
const RETRY_DOUBLINGS: u32 = 7;

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
    pub(crate) recorder: Arc<Recorder>,
    /// True if versions are stored, which keeps texts of the shared stable layer only.
    pub(crate) has_store: bool,
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

/// A loader on its thread.
#[derive(Clone)]
pub(crate) struct LoaderWorker {
    loader: Arc<Mutex<Box<dyn Loader>>>,
    thread: Pool,
    /// The health as of its last run.
    health: Arc<ArcSwap<LoaderHealth>>,
}

impl LoaderWorker {
    /// Starts a thread for a loader.
    ///
    /// # Errors
    /// An error if the system has no thread left.
    pub(crate) fn new(loader: Box<dyn Loader>, id: LoaderId) -> std::io::Result<Self> {
        let thread = Pool::start(&format!("hotplate-loader-{}", id.0), 1, 64, None)?;
        let health = Arc::new(ArcSwap::from_pointee(
            contain(|| health_of(&*loader)).unwrap_or_default(),
        ));
        Ok(Self {
            loader: Arc::new(Mutex::new(loader)),
            thread,
            health,
        })
    }

    /// Returns its thread.
    pub(crate) fn pool(&self) -> &Pool {
        &self.thread
    }

    /// Returns the health of the loader.
    pub(crate) fn health(&self) -> LoaderHealth {
        LoaderHealth::clone(&self.health.load())
    }

    /// Runs a function with the loader, on its thread.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut dyn Loader) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (loader, health) = (Arc::clone(&self.loader), Arc::clone(&self.health));
        let span = tracing::Span::current();
        let job = move || {
            let _batch = span.entered();
            let mut loader = loader.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = run(&mut **loader);
            // The loader may be code of the embedding program, and panic.
            if let Ok(seen) = contain(|| health_of(&**loader))
                && seen != **health.load()
            {
                health.store(Arc::new(seen));
            }
            answer
        };
        self.thread.run(job).await
    }
}

fn health_of(loader: &dyn Loader) -> LoaderHealth {
    LoaderHealth {
        loader: loader.describe(),
        status: loader.status(),
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
    has_store: bool,
    /// The sources that were accepted. Absent after a start and after a loss: then everything is sent.
    known: Option<KnownSources>,
    drained: bool,
    /// The number of consecutive lost batches.
    losses: u32,
    /// The reason why the last sync by a hint failed, if it did.
    last_failure: Option<String>,
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
            has_store: setup.has_store,
            known: None,
            drained: false,
            losses: 0,
            last_failure: None,
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
        // No caller gets this outcome, so the log reports a failure, once, and its end.
        let failure = match &outcome {
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
        let depth = if self.known.is_some() { depth } else { Depth::Afresh };
        let changes = match self.worker.with(move |loader| loader.sync(depth)).await {
            Ok(Ok(changes)) => changes,
            Ok(Err(error)) => return SyncOutcome::LoadFailed(error),
            Err(lost) => {
                self.schedule_resend();
                return SyncOutcome::LoadFailed(LoaderError::new(lost.to_string()).caused_by(lost));
            }
        };
        let known = self.known.take().unwrap_or_default();
        // A store does not keep other layers. For the loader these changes are reported, so the next sync has to send everything.
        if self.has_store
            && let Err(error) = changes.check_layers()
        {
            return SyncOutcome::LoadFailed(error);
        }
        let (changes, known) = known.compare(changes);
        if changes.is_empty() {
            self.known = Some(known);
            return SyncOutcome::Unchanged;
        }
        self.gate.lock().found(changes.present().chain(&changes.removed));
        let outcome = self.send_batch(changes, noticed, cause).await;
        match &outcome {
            BatchOutcome::Lost(_) | BatchOutcome::Conflict => self.schedule_resend(),
            // The same batch would be refused again, so everything is sent with the next change.
            BatchOutcome::Refused(reason) => {
                tracing::error!(
                    reason,
                    "the templates are not accepted; the previous version is still served"
                );
                warn_without_subscriber(format_args!(
                    "the templates are not accepted: {reason}; the previous version is still served"
                ));
            }
            BatchOutcome::Published(_) | BatchOutcome::Unchanged(_) => {
                self.known = Some(known);
                self.losses = 0;
            }
        }
        SyncOutcome::Decided(outcome)
    }

    async fn send_batch(&self, changes: Changes, noticed: Instant, cause: Cause) -> BatchOutcome {
        let number = self.revisions.fetch_add(1, Ordering::Relaxed) + 1;
        let Changes {
            complete,
            changed,
            unreadable,
            removed,
        } = changes;
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
            cause: cause.or_by(|| Cause::of_loader(&self.worker.health().loader)),
        };
        self.compiler
            .send(batch)
            .await
            .unwrap_or_else(|gone| BatchOutcome::Lost(gone.to_string()))
    }

    /// Makes the next sync send everything, and gives a hint for it after a pause that doubles with each further loss.
    fn schedule_resend(&mut self) {
        self.known = None;
        let pause = RETRY * (1 << self.losses.min(RETRY_DOUBLINGS));
        self.losses = self.losses.saturating_add(1);
        let hints = self.hints.clone();
        actix::spawn(async move {
            actix::clock::sleep(pause).await;
            hints.hint();
        });
    }
}
