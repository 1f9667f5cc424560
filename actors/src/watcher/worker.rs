//! [`LoaderWorker`]: a loader on a thread of its own, which is replaced if it hangs or panics.
//!
//! A thread cannot be killed, and a future that blocks cannot be dropped. So a loader that exceeds its deadline is abandoned with its
//! thread, and its factory makes another one, with a new thread. If its future waits, it is dropped and the thread ends; if it blocks, the
//! thread ends with the call. The number of threads that have not ended is bounded; beyond it, no loader is replaced. One without a factory
//! is never replaced: its next sync waits for the end of the last one, as long as the deadline allows.

use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::health::{LoaderHealth, LoaderState, LoaderStatus};
use crate::loader::{Changes, Depth, Hints, Loader, LoaderError, LoaderFactory, RegisteredLoader, Supports};
use crate::supervision::contained::Contained;
use crate::supervision::{contain, runtime};
use crate::template::TemplateKey;
use crate::version::LoaderId;
use crate::without_subscriber::warn_without_subscriber;

/// The jobs that wait for the thread of a loader. More than one waits only after a deadline.
const JOBS_MAX: usize = 8;

/// The limits on loaders that hang.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoaderLimits {
    /// The time that a sync may take.
    pub(crate) deadline: Duration,
    /// The threads of one loader that may hang at once.
    pub(crate) quarantined: usize,
}

/// A sync without a result that the loader knows of.
#[derive(Debug)]
pub(crate) enum SyncFailure {
    /// The loader has answered with an error, and will report later what it has not reported now.
    Answered(LoaderError),
    /// It has panicked or hangs, so nobody knows what it has reported.
    Lost(LoaderError),
}

/// A loader on its thread.
#[derive(Clone)]
pub(crate) struct LoaderWorker(Arc<WorkerShared>);

struct WorkerShared {
    id: LoaderId,
    name: &'static str,
    description: String,
    priority: i32,
    supports: Supports,
    factory: Option<LoaderFactory>,
    limits: LoaderLimits,
    /// The hints that were given to the loader, if it watches.
    hints: Mutex<Option<Hints>>,
    instance: Mutex<Instance>,
    /// Threads of loaders that were replaced and have not ended.
    hung: Arc<AtomicUsize>,
    replaced: AtomicU64,
    /// The status as of the last job.
    status: Arc<ArcSwap<LoaderStatus>>,
    synced: Mutex<Synced>,
}

/// One loader and its thread.
struct Instance {
    jobs: mpsc::Sender<Job>,
    hints: Option<Hints>,
    /// Cancelled when the loader is replaced, or the engine stops.
    over: CancellationToken,
    /// [`RUNNING`], [`ENDED`] or [`ABANDONED`].
    thread: Arc<AtomicU8>,
}

/// The thread of a loader runs.
const RUNNING: u8 = 0;
/// It has ended.
const ENDED: u8 = 1;
/// Its loader was replaced before it has ended.
const ABANDONED: u8 = 2;

/// The outcome of the last sync.
#[derive(Debug, Clone, Default)]
struct Synced {
    state: LoaderState,
    tag: Option<Arc<str>>,
    error: Option<String>,
    succeeded: Option<Instant>,
}

enum Job {
    Restored(Vec<TemplateKey>),
    Watch(Hints, oneshot::Sender<Result<(), LoaderError>>),
    Sync(Depth, tracing::Span, oneshot::Sender<Result<Changes, SyncFailure>>),
}

impl LoaderWorker {
    /// Starts a thread for a loader. If `is_restored`, an earlier process has stored its templates.
    ///
    /// # Errors
    /// An error if the system has no thread or no file descriptor left.
    pub(crate) fn new(
        registered: RegisteredLoader,
        id: LoaderId,
        limits: LoaderLimits,
        is_restored: bool,
    ) -> std::io::Result<Self> {
        let RegisteredLoader { loader, factory } = registered;
        let (name, description) = (loader.name(), loader.describe());
        let (priority, supports) = (loader.priority(), loader.supports());
        let status = Arc::new(ArcSwap::from_pointee(contain(|| loader.status()).unwrap_or_default()));
        let hung = Arc::<AtomicUsize>::default();
        let instance = Instance::start(loader, id, Arc::clone(&status), Arc::clone(&hung))?;
        Ok(Self(Arc::new(WorkerShared {
            id,
            name,
            description,
            priority,
            supports,
            factory,
            limits,
            hints: Mutex::default(),
            instance: Mutex::new(instance),
            hung,
            replaced: AtomicU64::new(0),
            status,
            synced: Mutex::new(Synced {
                state: if is_restored {
                    LoaderState::Stored
                } else {
                    LoaderState::Loading
                },
                ..Synced::default()
            }),
        })))
    }

    /// Returns what the loader loads, and from where.
    pub(crate) fn description(&self) -> &str {
        &self.0.description
    }

    /// Returns the names that the loader may have.
    pub(crate) fn supports(&self) -> &Supports {
        &self.0.supports
    }

    /// Returns the health of the loader.
    pub(crate) fn health(&self) -> LoaderHealth {
        let synced = lock(&self.0.synced).clone();
        let lag = synced.succeeded.map(|at| at.elapsed().as_millis());
        LoaderHealth {
            loader: self.0.description.clone(),
            name: self.0.name,
            priority: self.0.priority,
            state: synced.state,
            tag: synced.tag.map(|tag| tag.to_string()),
            error: synced.error,
            lag_ms: lag.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)),
            replaced: self.0.replaced.load(Ordering::Relaxed),
            hung: self.0.hung.load(Ordering::Acquire),
            status: LoaderStatus::clone(&self.0.status.load()),
        }
    }

    /// Tells the loader which templates are served already.
    pub(crate) fn restored(&self, keys: Vec<TemplateKey>) {
        // The queue of a loader that has just been started is empty.
        let _ = lock(&self.0.instance).jobs.try_send(Job::Restored(keys));
    }

    /// Has the loader watch.
    ///
    /// # Errors
    /// That of the loader, or its fault.
    pub(crate) async fn watch(&self, hints: Hints) -> Result<(), LoaderError> {
        *lock(&self.0.hints) = Some(hints.clone());
        let answered = lock(&self.0.instance).watch(&hints);
        let Some(answered) = answered else {
            return Err(self.busy());
        };
        match actix::clock::timeout(self.0.limits.deadline, answered).await {
            Ok(Ok(watching)) => watching,
            Ok(Err(_)) => Err(LoaderError::unavailable(format!(
                "the loader of {} has panicked",
                self.description()
            ))),
            Err(_) => Err(self.too_slow()),
        }
    }

    /// Has the loader sync. It is replaced if it panics or hangs; `delivered` returns the templates that it has delivered.
    pub(crate) async fn sync(
        &self,
        depth: Depth,
        delivered: impl FnOnce() -> Vec<TemplateKey>,
    ) -> Result<Changes, SyncFailure> {
        let (answer, answered) = oneshot::channel();
        let job = Job::Sync(depth, tracing::Span::current(), answer);
        if lock(&self.0.instance).jobs.try_send(job).is_err() {
            return Err(SyncFailure::Lost(self.busy()));
        }
        let failure = match actix::clock::timeout(self.0.limits.deadline, answered).await {
            Ok(Ok(Err(SyncFailure::Lost(panicked)))) => panicked,
            Ok(Ok(answer)) => return answer,
            Ok(Err(_)) => LoaderError::unavailable("the engine has stopped"),
            Err(_) => self.too_slow(),
        };
        self.replace(delivered());
        Err(SyncFailure::Lost(failure))
    }

    /// Notes the outcome of a sync, for the health.
    pub(crate) fn note(&self, state: LoaderState, tag: Option<&Arc<str>>, error: Option<&LoaderError>) {
        let mut synced = lock(&self.0.synced);
        synced.state = state;
        synced.error = error.map(ToString::to_string);
        if error.is_none() {
            synced.tag = tag.cloned().or(synced.tag.take());
            synced.succeeded = Some(Instant::now());
        }
    }

    /// Lets the thread end when its queue is empty.
    pub(crate) fn close(&self) {
        lock(&self.0.instance).over.cancel();
    }

    /// Returns true if the thread has ended. Threads that were replaced do not count.
    pub(crate) fn has_ended(&self) -> bool {
        lock(&self.0.instance).thread.load(Ordering::Acquire) == ENDED
    }

    fn busy(&self) -> LoaderError {
        LoaderError::unavailable(format!("{} has not answered earlier calls yet", self.description()))
    }

    fn too_slow(&self) -> LoaderError {
        let ms = self.0.limits.deadline.as_millis();
        LoaderError::unavailable(format!(
            "{} has not answered within {ms} ms (the limit `sync_ms`)",
            self.description()
        ))
    }

    /// Starts another loader in place of the present one, if that is possible.
    fn replace(&self, delivered: Vec<TemplateKey>) {
        let shared = &*self.0;
        let Some(factory) = &shared.factory else {
            return;
        };
        let mut instance = lock(&shared.instance);
        if instance.over.is_cancelled() {
            return;
        }
        let loader = shared.description.as_str();
        let hung = shared.hung.load(Ordering::Acquire);
        if hung >= shared.limits.quarantined {
            tracing::error!(
                loader,
                hung,
                "the loader is not replaced, because too many of its threads hang (the limit `quarantined_threads`)"
            );
            return;
        }
        let created = contain(|| factory()).map_err(|panic| format!("its factory has panicked: {panic}"));
        let started = created.and_then(|loader| {
            let (status, hung) = (Arc::clone(&shared.status), Arc::clone(&shared.hung));
            Instance::start(loader, shared.id, status, hung).map_err(|error| error.to_string())
        });
        let started = match started {
            Ok(started) => started,
            Err(error) => {
                tracing::error!(
                    loader,
                    error,
                    "the loader hangs or has panicked, and cannot be replaced"
                );
                return;
            }
        };
        let former = std::mem::replace(&mut *instance, started);
        former.abandon(&shared.hung);
        let replaced = shared.replaced.fetch_add(1, Ordering::Relaxed) + 1;
        let _ = instance.jobs.try_send(Job::Restored(delivered));
        let watching = lock(&shared.hints).clone().map(|hints| instance.watch(&hints));
        tracing::warn!(loader, replaced, "the loader has hung or panicked, and was replaced");
        warn_without_subscriber(format_args!(
            "the loader of {loader} has hung or panicked, and was replaced"
        ));
        if let Some(Some(watching)) = watching {
            let loader = loader.to_owned();
            actix::spawn(async move {
                if let Ok(Err(error)) = watching.await {
                    tracing::error!(loader, %error, "the loader that replaces another one cannot watch");
                }
            });
        }
    }
}

impl Drop for WorkerShared {
    fn drop(&mut self) {
        lock(&self.instance).over.cancel();
    }
}

impl Instance {
    /// Starts a thread.
    fn start(
        loader: Box<dyn Loader>,
        id: LoaderId,
        status: Arc<ArcSwap<LoaderStatus>>,
        hung: Arc<AtomicUsize>,
    ) -> std::io::Result<Self> {
        let runtime = runtime()?;
        let (jobs, mut queue) = mpsc::channel(JOBS_MAX);
        let over = CancellationToken::new();
        let thread = Arc::new(AtomicU8::new(RUNNING));
        let end = ThreadEnd {
            thread: Arc::clone(&thread),
            hung,
        };
        let is_over = over.clone();
        let run = move || {
            let mut loader = loader;
            runtime.block_on(async {
                while let Some(job) = next(&mut queue, &is_over).await {
                    let served = Contained::new(job.serve(&mut *loader, &status));
                    tokio::select! {
                        biased;
                        () = is_over.cancelled() => break,
                        _ = served => {}
                    }
                }
                let _ = contain(move || drop(loader));
            });
            runtime.shutdown_background();
            drop(end);
        };
        std::thread::Builder::new()
            .name(format!("hotplate-loader-{}", id.0))
            .spawn(run)?;
        Ok(Self {
            jobs,
            hints: None,
            over,
            thread,
        })
    }

    /// Has the loader watch; `None` if its queue is full.
    fn watch(&mut self, hints: &Hints) -> Option<oneshot::Receiver<Result<(), LoaderError>>> {
        let hints = hints.of_instance();
        self.hints = Some(hints.clone());
        let (answer, answered) = oneshot::channel();
        self.jobs
            .try_send(Job::Watch(hints, answer))
            .is_ok()
            .then_some(answered)
    }

    /// Leaves the loader to itself. Its thread is counted until it ends.
    fn abandon(self, hung: &AtomicUsize) {
        hung.fetch_add(1, Ordering::AcqRel);
        let order = Ordering::AcqRel;
        if self
            .thread
            .compare_exchange(RUNNING, ABANDONED, order, Ordering::Acquire)
            .is_err()
        {
            hung.fetch_sub(1, order);
            return;
        }
        self.hints.iter().for_each(Hints::replace);
        self.over.cancel();
        drop(self.jobs);
    }
}

/// Notes the end of a thread when it is dropped.
struct ThreadEnd {
    thread: Arc<AtomicU8>,
    hung: Arc<AtomicUsize>,
}

impl Drop for ThreadEnd {
    fn drop(&mut self) {
        if self.thread.swap(ENDED, Ordering::AcqRel) == ABANDONED {
            self.hung.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Returns the next job, or nothing if there will be none.
async fn next(queue: &mut mpsc::Receiver<Job>, over: &CancellationToken) -> Option<Job> {
    tokio::select! {
        biased;
        () = over.cancelled() => None,
        job = queue.recv() => job,
    }
}

impl Job {
    /// Does the job. The status is noted before the answer, so whoever waits for that sees the status of the same time.
    async fn serve(self, loader: &mut dyn Loader, status: &ArcSwap<LoaderStatus>) {
        match self {
            Self::Restored(keys) => loader.restored(&keys),
            Self::Watch(hints, answer) => {
                let watched = loader.watch(hints).await;
                note_status(loader, status);
                let _ = answer.send(watched);
            }
            // Nobody waits for it any more.
            Self::Sync(_, _, answer) if answer.is_closed() => {}
            Self::Sync(depth, span, answer) => {
                let synced = Contained::new(async { loader.sync(depth).await }.instrument(span)).await;
                note_status(loader, status);
                let _ = answer.send(match synced {
                    Ok(Ok(changes)) => Ok(changes),
                    Ok(Err(error)) => Err(SyncFailure::Answered(error)),
                    Err(panic) => Err(SyncFailure::Lost(LoaderError::unavailable(format!(
                        "the loader has panicked: {panic}"
                    )))),
                });
            }
        }
    }
}

/// Notes the status of a loader.
fn note_status(loader: &dyn Loader, status: &ArcSwap<LoaderStatus>) {
    // The loader may be code of the embedding program, and panic.
    if let Ok(seen) = contain(|| loader.status())
        && seen != **status.load()
    {
        status.store(Arc::new(seen));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
