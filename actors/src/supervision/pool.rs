//! [`Pool`]: threads for work that blocks or takes long, so that no actor ever does.
//!
//! A job that panics hurts itself only. A thread cannot be killed, so one whose job hangs is left alone: it is counted as
//! quarantined, its job is answered, and another thread takes its place. With too many of those at once no more threads are
//! started, and each comes back to work when its job ends after all.

mod worker;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use tokio::sync::oneshot;

use super::alarm::Alarms;
use super::contain;

pub use worker::{Abandoned, Rest};
use worker::{Job, Worker};

/// The job panicked or hung, or there was nobody to do it: it is unknown whether the work was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the work was lost: {0}")]
pub struct Lost(pub String);

/// When a job counts as hanging, and what that may cost.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Goes off where a job hangs.
    pub alarms: Alarms,
    /// A job that takes longer hangs.
    pub hang: Duration,
    /// As many threads may hang at once before none is started in their place.
    pub quarantined: usize,
}

/// Named threads that take jobs in turn. Ends when the last clone is dropped, after the jobs in hand.
#[derive(Clone, Debug)]
pub struct Pool {
    jobs: Sender<Job>,
    shared: Arc<Shared>,
    stops: Arc<Mutex<Option<Sender<()>>>>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    threads: usize,
    queued: Receiver<Job>,
    /// Closed when the pool ends.
    stop: Receiver<()>,
    patience: Option<Patience>,
    /// Threads that take jobs.
    at_work: AtomicUsize,
    /// Threads whose job hangs.
    quarantined: AtomicUsize,
    /// Threads that were ever started, for their names.
    started: AtomicUsize,
    /// Threads that have not ended.
    alive: AtomicUsize,
}

impl Pool {
    /// Starts `threads` threads (0 is one per processor) with room for `queue` waiting jobs. Without patience a job may take as
    /// long as it likes.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(name: &str, threads: usize, queue: usize, patience: Option<Patience>) -> std::io::Result<Self> {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            given => given,
        };
        let (jobs, queued) = crossbeam_channel::bounded(queue);
        let (stops, stop) = crossbeam_channel::bounded(0);
        let shared = Arc::new(Shared {
            name: name.into(),
            threads,
            queued,
            stop,
            patience,
            at_work: AtomicUsize::new(0),
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

    /// How many threads work when none hangs.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shared.threads
    }

    /// How many threads hang.
    #[must_use]
    pub fn quarantined(&self) -> usize {
        self.shared.quarantined.load(Ordering::Acquire)
    }

    /// Whether so many hang that no more are started in their place.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        let most = self.shared.patience.as_ref().map(|patience| patience.quarantined);
        most.is_some_and(|most| self.quarantined() >= most.max(1))
    }

    /// Runs a job on one of the threads. Whoever calls keeps fewer jobs under way than the queue has room for; a job beyond
    /// that is lost at once, rather than making its caller wait.
    ///
    /// # Errors
    /// [`Lost`] when the job panicked or hung, or there was nobody to do it.
    pub fn run<T, J>(&self, job: J) -> impl Future<Output = Result<T, Lost>> + use<T, J>
    where
        T: Send + 'static,
        J: FnOnce() -> T + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let (answer, instead) = Once::pair(answer);
        self.submit(
            move || {
                answer.give(contain(job).map_err(Lost));
                Rest::No
            },
            move |abandoned| instead.give(Err(Lost(abandoned.to_string()))),
        );
        async move {
            answered
                .await
                .unwrap_or_else(|_| Err(Lost("the pool has ended".into())))
        }
    }

    /// Puts a job into the queue. It answers for its own panics and results; `abandoned` is called in its place, or beside it,
    /// where it cannot be done or hangs.
    pub fn submit(
        &self,
        run: impl FnOnce() -> Rest + Send + 'static,
        abandoned: impl FnOnce(Abandoned) + Send + 'static,
    ) {
        self.submit_until(None, run, abandoned);
    }

    /// Puts a job into the queue that hangs at a time of its own, where that comes before the patience of the pool is at its end: nobody
    /// waits for it any longer.
    pub fn submit_until(
        &self,
        until: Option<Instant>,
        run: impl FnOnce() -> Rest + Send + 'static,
        abandoned: impl FnOnce(Abandoned) + Send + 'static,
    ) {
        let job = Job {
            until,
            run: Box::new(run),
            abandoned: Box::new(abandoned),
        };
        if let Err(job) = self.jobs.try_send(job) {
            job.into_inner().abandon(Abandoned::NoRoom);
        }
        // After the job is in the queue: the last thread that hangs empties it the other way round.
        if self.shared.at_work.load(Ordering::SeqCst) == 0 {
            self.shared.abandon_queued();
        }
    }

    /// Lets the threads end once the queue is empty. Whoever comes later is turned away.
    pub fn close(&self) {
        let stops = self.stops.lock();
        drop(stops.unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Whether all threads have ended, but for those that hang.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.shared.alive.load(Ordering::Acquire) <= self.quarantined()
    }
}

impl Shared {
    /// Nobody is left to do what is queued.
    fn abandon_queued(&self) {
        for job in self.queued.try_iter() {
            job.abandon(Abandoned::NobodyLeft);
        }
    }
}

/// An answer that is given once, by whoever is first.
pub struct Once<T>(Arc<Mutex<Option<oneshot::Sender<T>>>>);

impl<T> Once<T> {
    /// Two who may answer.
    pub fn pair(answer: oneshot::Sender<T>) -> (Self, Self) {
        let shared = Arc::new(Mutex::new(Some(answer)));
        (Self(Arc::clone(&shared)), Self(shared))
    }

    /// A further one who may answer.
    #[must_use]
    pub fn another(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Answers, unless that was done. What is too late is dropped here, and its `Drop` may panic.
    pub fn give(&self, answer: T) {
        let to = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = contain(move || to.map(|to| drop(to.send(answer))));
    }

    /// Whether there is still somebody to answer to.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        let answer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answer.as_ref().is_some_and(|answer| !answer.is_closed())
    }
}

impl<T> std::fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Once(..)")
    }
}

#[cfg(test)]
mod tests;
