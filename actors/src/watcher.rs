//! The Watcher: makes its loader look, and hands on what really differs.
//!
//! One batch is in flight: while its outcome is awaited, hints wait as one message in the mailbox. What was handed on and not
//! answered is handed on again, as everything that there is.

pub(crate) mod known;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tracing::Instrument;

use crate::counters::Recorder;
use crate::health::LoaderHealth;
use crate::loader::{Changes, Depth, Hints, Loader};
use crate::protocol::messages::{BatchOutcome, Drain, Drained, Reload, SourcesChanged, SyncOutcome, SyncSources};
use crate::supervision::{Behavior, MeteredRecipient, Pool, Serve, Started, contain};
use crate::unheard::unheard;
use crate::version::{LoaderId, Revision};

use known::KnownSources;

/// How long to wait before a batch whose outcome is unknown is sent again.
const RETRY: Duration = Duration::from_millis(100);
/// How often that time doubles with each further loss: up to 13 seconds.
const RETRY_DOUBLINGS: u32 = 7;

/// What a Watcher is started from.
pub(crate) struct WatcherConfig {
    /// Which loader this is.
    pub(crate) loader: LoaderId,
    /// The loader's own thread.
    pub(crate) eyes: LoaderWorker,
    /// Counts batches; outside the behaviour, so that a restart does not begin anew.
    pub(crate) revisions: Arc<AtomicU64>,
    /// Where sources go.
    pub(crate) compiler: MeteredRecipient<SourcesChanged>,
    /// Hints to this very Watcher.
    pub(crate) hints: Hints,
    pub(crate) tally: Arc<Recorder>,
}

/// A loader on its thread.
#[derive(Clone)]
pub(crate) struct LoaderWorker {
    loader: Arc<std::sync::Mutex<Box<dyn Loader>>>,
    thread: Pool,
    /// As of the last time that it ran.
    health: Arc<ArcSwap<LoaderHealth>>,
}

impl LoaderWorker {
    /// Gives a loader a thread of its own.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(crate) fn new(loader: Box<dyn Loader>, id: LoaderId) -> std::io::Result<Self> {
        let thread = Pool::start(&format!("hotplate-loader-{}", id.0), 1, 64, None)?;
        let health = Arc::new(ArcSwap::from_pointee(
            contain(|| health_of(&*loader)).unwrap_or_default(),
        ));
        Ok(Self {
            loader: Arc::new(std::sync::Mutex::new(loader)),
            thread,
            health,
        })
    }

    /// Its thread.
    pub(crate) fn pool(&self) -> &Pool {
        &self.thread
    }

    /// How the loader is.
    pub(crate) fn health(&self) -> LoaderHealth {
        LoaderHealth::clone(&self.health.load())
    }

    /// Runs something with the loader, on its thread.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut dyn Loader) -> T + Send + 'static,
    ) -> Result<T, String> {
        let (loader, health) = (Arc::clone(&self.loader), Arc::clone(&self.health));
        let span = tracing::Span::current();
        let job = move || {
            let _batch = span.entered();
            let mut loader = loader.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let answer = run(&mut **loader);
            // It may be a loader of the user's.
            if let Ok(seen) = contain(|| health_of(&**loader))
                && seen != **health.load()
            {
                health.store(Arc::new(seen));
            }
            answer
        };
        self.thread.run(job).await.map_err(|lost| lost.to_string())
    }
}

fn health_of(loader: &dyn Loader) -> LoaderHealth {
    LoaderHealth {
        loader: loader.describe(),
        status: loader.status(),
    }
}

/// The span of a batch, from the hint to the answer. It has its number once something really differs.
pub(crate) fn batch(loader: LoaderId) -> tracing::Span {
    tracing::info_span!("batch", loader = loader.0, batch = tracing::field::Empty)
}

/// The behaviour of a Watcher.
pub(crate) struct Watcher {
    loader: LoaderId,
    eyes: LoaderWorker,
    revisions: Arc<AtomicU64>,
    compiler: MeteredRecipient<SourcesChanged>,
    hints: Hints,
    tally: Arc<Recorder>,
    /// What was handed on and accepted. Absent after a start and after a loss: then everything is handed on.
    known: Option<KnownSources>,
    drained: bool,
    /// Batches lost one after the other.
    losses: u32,
    /// Why the last look that a hint made could not be.
    unreadable: Option<String>,
}

impl Behavior for Watcher {
    type Config = WatcherConfig;

    fn start(setup: &WatcherConfig) -> Started<Self> {
        Ok(Self {
            loader: setup.loader,
            eyes: setup.eyes.clone(),
            revisions: Arc::clone(&setup.revisions),
            compiler: setup.compiler.clone(),
            hints: setup.hints.clone(),
            tally: Arc::clone(&setup.tally),
            known: None,
            drained: false,
            losses: 0,
            unreadable: None,
        })
    }
}

impl Serve<SyncSources> for Watcher {
    async fn serve(&mut self, look: SyncSources) -> SyncOutcome {
        // From here on a hint is a look of its own.
        let SyncSources { place, batch } = look;
        drop(place);
        if self.drained {
            return SyncOutcome::Unchanged;
        }
        let looked = self.look(Depth::Hinted).instrument(batch).await;
        self.tally.reloads.synced(&looked, false);
        // Nobody waits for this answer, so the log says once what is the matter.
        let unreadable = match &looked {
            SyncOutcome::LoadFailed(reason) => Some(reason.clone()),
            _ => None,
        };
        if unreadable != self.unreadable {
            match &unreadable {
                Some(reason) => {
                    tracing::warn!(reason, "the templates cannot be read; what was served goes on");
                    unheard(format_args!(
                        "the templates cannot be read: {reason}; what was served goes on"
                    ));
                }
                // At the same level: whoever reads warnings only would be left with an alarm that is over.
                None => tracing::warn!("the templates can be read again"),
            }
            self.unreadable = unreadable;
        }
        looked
    }
}

impl Serve<Reload> for Watcher {
    async fn serve(&mut self, reload: Reload) -> SyncOutcome {
        let batch = batch(self.loader);
        let depth = if reload.full { Depth::Bytes } else { Depth::Everything };
        let looked = self.look(depth).instrument(batch).await;
        self.tally.reloads.synced(&looked, true);
        looked
    }
}

impl Serve<Drain> for Watcher {
    async fn serve(&mut self, _: Drain) -> Drained {
        self.drained = true;
        Drained
    }
}

impl Watcher {
    async fn look(&mut self, depth: Depth) -> SyncOutcome {
        let noticed = Instant::now();
        let depth = if self.known.is_some() { depth } else { Depth::Afresh };
        let changes = match self.eyes.with(move |loader| loader.sync(depth)).await {
            Ok(Ok(changes)) => changes,
            Ok(Err(error)) => return SyncOutcome::LoadFailed(error.to_string()),
            Err(lost) => {
                self.send_again();
                return SyncOutcome::LoadFailed(lost);
            }
        };
        let known = self.known.take().unwrap_or_default();
        let (changes, known) = known.compare(changes);
        if changes.is_empty() {
            self.known = Some(known);
            return SyncOutcome::Unchanged;
        }
        let outcome = self.hand_on(changes, noticed).await;
        match &outcome {
            BatchOutcome::Lost(_) | BatchOutcome::Conflict => self.send_again(),
            // The same would be refused again: everything is handed on with the next change.
            BatchOutcome::Refused(reason) => {
                tracing::error!(reason, "the templates are not accepted; what was served goes on");
                unheard(format_args!(
                    "the templates are not accepted: {reason}; what was served goes on"
                ));
            }
            BatchOutcome::Published(_) | BatchOutcome::Unchanged(_) | BatchOutcome::Held(_) => {
                self.known = Some(known);
                self.losses = 0;
            }
        }
        SyncOutcome::Decided(outcome)
    }

    async fn hand_on(&self, changes: Changes, noticed: Instant) -> BatchOutcome {
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
        tracing::debug!(changed = changed.len(), removed = removed.len(), complete, "handed on");
        let batch = SourcesChanged {
            revision,
            complete,
            changed,
            unreadable,
            removed,
            noticed,
        };
        self.compiler
            .send(batch)
            .await
            .unwrap_or_else(|gone| BatchOutcome::Lost(gone.to_string()))
    }

    /// Everything is handed on with the next look, which comes by itself: soon, and later after each further loss.
    fn send_again(&mut self) {
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
