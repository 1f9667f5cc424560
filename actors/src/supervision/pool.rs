//! [`Pool`]: threads for work that blocks or takes long, so that actors neither block nor take long.
//!
//! A panic affects only its job. A thread cannot be killed, so a job that hangs is abandoned: it is answered, its thread is counted as
//! quarantined, and a new thread replaces it. At the limit of quarantined threads no more are started. If the job of a quarantined thread
//! ends after all, the thread exits if it was replaced, and otherwise takes jobs again.

mod worker;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use tokio::sync::oneshot;

use super::contain;
use super::timers::Timers;
use super::unavailable::Unavailable;

pub use worker::AfterJob;
use worker::{Job, Worker};

/// Limits on jobs that hang.
#[derive(Debug, Clone)]
pub struct HangPolicy {
    /// Timers that detect a hanging job.
    pub timers: Timers,
    /// Time after which a job counts as hanging.
    pub hang: Duration,
    /// Name of the limit that sets this time, for errors.
    pub limit: &'static str,
    /// Number of hanging threads that are replaced at once.
    pub quarantined: usize,
}

/// Named threads that take jobs from one queue. They end after the last clone is dropped and the queue is empty.
#[derive(Clone, Debug)]
pub struct Pool {
    jobs: Sender<Job>,
    shared: Arc<PoolShared>,
    stops: Arc<Mutex<Option<Sender<()>>>>,
}

#[derive(Debug)]
struct PoolShared {
    name: String,
    threads: usize,
    queued: Receiver<Job>,
    /// Disconnected when the pool is closed.
    stop: Receiver<()>,
    hang_policy: Option<HangPolicy>,
    /// Threads that take jobs.
    active: AtomicUsize,
    /// Threads with a job that hangs.
    quarantined: AtomicUsize,
    /// Threads started so far, for their names.
    started: AtomicUsize,
    /// Threads that have not ended.
    alive: AtomicUsize,
}

impl Pool {
    /// Starts `threads` threads (0 is one per processor) with room for `queue` waiting jobs. Without a hang policy a job may take any
    /// time.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start(name: &str, threads: usize, queue: usize, hang_policy: Option<HangPolicy>) -> std::io::Result<Self> {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            given => given,
        };
        let (jobs, queued) = crossbeam_channel::bounded(queue);
        let (stops, stop) = crossbeam_channel::bounded(0);
        let shared = Arc::new(PoolShared {
            name: name.into(),
            threads,
            queued,
            stop,
            hang_policy,
            active: AtomicUsize::new(0),
            quarantined: AtomicUsize::new(0),
            started: AtomicUsize::new(0),
            alive: AtomicUsize::new(0),
        });
        for _ in 0..threads {
            Worker::start(&shared)?;
        }
        Ok(Self {
            jobs,
            shared,
            stops: Arc::new(Mutex::new(Some(stops))),
        })
    }

    /// Returns the number of threads that work if none hangs.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shared.threads
    }

    /// Returns the number of threads that hang.
    #[must_use]
    pub fn quarantined(&self) -> usize {
        self.shared.quarantined.load(Ordering::Acquire)
    }

    /// Returns true if so many threads hang that no more are replaced.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        let policy = self.shared.hang_policy.as_ref();
        policy.is_some_and(|policy| self.quarantined() >= policy.quarantined.max(1))
    }

    /// Runs a job on one of the threads. A job that finds the queue full is lost at once, so callers have to limit their jobs in flight.
    ///
    /// # Errors
    /// [`Unavailable`]: `Lost` if the job panicked, `Timeout` if it hangs, `Busy` or `Down` if no thread took it.
    pub fn run<T, J>(&self, job: J) -> impl Future<Output = Result<T, Unavailable>> + use<T, J>
    where
        T: Send + 'static,
        J: FnOnce() -> T + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let answer = OneShotAnswer::new(answer);
        let on_abandoned = answer.clone();
        self.submit(
            move || {
                answer.send(contain(job).map_err(Unavailable::Lost));
                AfterJob::Continue
            },
            move |why| on_abandoned.send(Err(why)),
        );
        async move { answered.await.unwrap_or_else(|_| Err(Unavailable::stopped())) }
    }

    /// Queues a job, which catches its own panics and sends its own result. `on_abandoned` is called if no thread is left, or when the job
    /// hangs.
    pub fn submit(
        &self,
        run: impl FnOnce() -> AfterJob + Send + 'static,
        on_abandoned: impl FnOnce(Unavailable) + Send + 'static,
    ) {
        self.submit_until(None, run, on_abandoned);
    }

    /// Queues a job that counts as hanging at `until`, if that is earlier than by the hang policy, because no caller waits for it any
    /// longer.
    pub fn submit_until(
        &self,
        until: Option<Instant>,
        run: impl FnOnce() -> AfterJob + Send + 'static,
        on_abandoned: impl FnOnce(Unavailable) + Send + 'static,
    ) {
        let job = Job {
            until,
            run: Box::new(run),
            on_abandoned: Box::new(on_abandoned),
        };
        if let Err(job) = self.jobs.try_send(job) {
            job.into_inner().abandon(Unavailable::Busy {
                mailbox: "thread pool",
                limit: None,
            });
        }
        // This check comes after the job is queued. The last thread that hangs works in the opposite order: it leaves the pool, then
        // empties the queue. So one of the two sides finds the job.
        if self.shared.active.load(Ordering::SeqCst) == 0 {
            self.shared.abandon_queued();
        }
    }

    /// Ends the threads once the queue is empty. Later jobs are lost.
    pub fn close(&self) {
        let stops = self.stops.lock();
        drop(stops.unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Returns true if all threads have ended, except threads that hang.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.shared.alive.load(Ordering::Acquire) <= self.quarantined()
    }
}

impl PoolShared {
    /// Abandons all queued jobs, because every thread hangs.
    fn abandon_queued(&self) {
        for job in self.queued.try_iter() {
            let name = &self.name;
            job.abandon(Unavailable::Lost(format!(
                "all threads of {name} hang (the limit `quarantined_threads`)"
            )));
        }
    }
}

/// The sender of one answer, shared by several that may answer. The first one does.
pub struct OneShotAnswer<T>(Arc<Mutex<Option<oneshot::Sender<T>>>>);

impl<T> OneShotAnswer<T> {
    /// Shares a sender.
    pub fn new(answer: oneshot::Sender<T>) -> Self {
        Self(Arc::new(Mutex::new(Some(answer))))
    }

    /// Sends an answer, unless one was sent. A late answer is dropped here, and a panic of its `Drop` is caught.
    pub fn send(&self, answer: T) {
        let to = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = contain(move || to.map(|to| drop(to.send(answer))));
    }

    /// Returns true if no answer was sent and the receiver still waits.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        let answer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answer.as_ref().is_some_and(|answer| !answer.is_closed())
    }
}

impl<T> Clone for OneShotAnswer<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> std::fmt::Debug for OneShotAnswer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Once(..)")
    }
}

#[cfg(test)]
mod tests;
