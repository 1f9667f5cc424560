//! One thread of a pool, and what becomes of it when its job hangs.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::super::alarm::Alarm;
use super::super::child::Child;
use super::super::contain;
use super::Shared;

/// Something to do.
pub(super) struct Job {
    /// When it hangs, if that is before the patience of the pool ends.
    pub(super) until: Option<Instant>,
    pub(super) run: Box<dyn FnOnce() -> Rest + Send>,
    pub(super) abandoned: Box<dyn FnOnce(Abandoned) + Send>,
}

/// Whether the thread pauses after a job.
#[derive(Debug)]
pub enum Rest {
    /// It takes the next.
    No,
    /// What it did has failed: it waits as long as the policy of the actor wants, which is then up again.
    Of(Arc<Child>),
}

/// Why a job was not done, or nobody waits for it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Abandoned {
    /// It hangs.
    #[error("it takes longer than {0} ms and is left alone")]
    Hangs(u64),
    /// There is no room in the queue.
    #[error("no room in the queue of the pool")]
    NoRoom,
    /// All threads hang.
    #[error("all threads of the pool hang")]
    NobodyLeft,
}

impl Job {
    pub(super) fn abandon(self, why: Abandoned) {
        let Self { run, abandoned, .. } = self;
        let _ = contain(move || abandoned(why));
        let _ = contain(move || drop(run));
    }
}

/// A thread of a pool.
pub(super) struct Worker(Arc<Shared>);

impl Worker {
    pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<()> {
        let number = shared.started.fetch_add(1, Ordering::Relaxed);
        let worker = Self(Arc::clone(shared));
        shared.at_work.fetch_add(1, Ordering::SeqCst);
        shared.alive.fetch_add(1, Ordering::Release);
        let thread = std::thread::Builder::new().name(format!("{}-{number}", shared.name));
        let started = thread.spawn(move || worker.work());
        if started.is_err() {
            shared.at_work.fetch_sub(1, Ordering::SeqCst);
            shared.alive.fetch_sub(1, Ordering::Release);
        }
        started.map(drop)
    }

    fn work(self) {
        let shared = &self.0;
        loop {
            let job = crossbeam_channel::select_biased! {
                recv(shared.queued) -> job => job.ok(),
                recv(shared.stop) -> _ => None,
            };
            let Some(job) = job else {
                shared.at_work.fetch_sub(1, Ordering::SeqCst);
                break;
            };
            if !self.serve(job) {
                break;
            }
        }
        shared.alive.fetch_sub(1, Ordering::Release);
    }

    /// Does one job. Answers whether this thread takes another.
    fn serve(&self, job: Job) -> bool {
        let Job { run, abandoned, until } = job;
        let watched = self.0.patience.as_ref().map(|patience| {
            let hang = Hang::new(&self.0);
            let now = Instant::now();
            let longest = until.map_or(patience.hang, |until| {
                until.saturating_duration_since(now).min(patience.hang)
            });
            let (left, millis) = (Arc::clone(&hang), u64::try_from(longest.as_millis()));
            let alarm = patience.alarms.after(longest, move || {
                if left.leave() {
                    abandoned(Abandoned::Hangs(millis.unwrap_or(u64::MAX)));
                }
            });
            (hang, alarm)
        });
        let rest = contain(run).unwrap_or(Rest::No);
        let goes_on = watched.is_none_or(|(hang, alarm): (Arc<Hang>, Alarm)| {
            drop(alarm);
            hang.ended()
        });
        if let (Rest::Of(child), true) = (rest, goes_on) {
            self.rest(&child);
        }
        goes_on
    }

    /// Waits out the pause of an actor that failed in this thread.
    fn rest(&self, child: &Child) {
        while let Ok(Some(left)) = child.pause() {
            if left.is_zero() || self.0.stop.recv_timeout(left) != Err(crossbeam_channel::RecvTimeoutError::Timeout) {
                break;
            }
        }
        // Unless it is down: then the next job is told.
        let _ = child.ready();
    }
}

/// A job that may hang: it ends, or it is left alone, whichever comes first.
struct Hang {
    pool: Arc<Shared>,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
enum State {
    Runs,
    Ended,
    Left { replaced: bool },
}

impl Hang {
    fn new(pool: &Arc<Shared>) -> Arc<Self> {
        Arc::new(Self {
            pool: Arc::clone(pool),
            state: Mutex::new(State::Runs),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The job hangs. Answers whether it had not ended.
    fn leave(&self) -> bool {
        let mut state = self.state();
        if matches!(*state, State::Ended) {
            return false;
        }
        let pool = &self.pool;
        let most = pool.patience.as_ref().map_or(0, |patience| patience.quarantined);
        let hanging = pool.quarantined.fetch_add(1, Ordering::AcqRel) + 1;
        let replaced = hanging <= most && Worker::start(pool).is_ok();
        *state = State::Left { replaced };
        drop(state);
        let at_work = pool.at_work.fetch_sub(1, Ordering::SeqCst) - 1;
        let name = &pool.name;
        tracing::error!(
            pool = name,
            hanging,
            at_work,
            replaced,
            "a thread hangs and is left alone"
        );
        crate::unheard::unheard(format_args!("a thread of {name} hangs and is left alone"));
        if at_work == 0 {
            pool.abandon_queued();
        }
        true
    }

    /// The job has ended. Answers whether its thread is still needed.
    fn ended(&self) -> bool {
        let mut state = self.state();
        let State::Left { replaced } = *state else {
            *state = State::Ended;
            return true;
        };
        drop(state);
        if !replaced {
            self.pool.at_work.fetch_add(1, Ordering::SeqCst);
        }
        self.pool.quarantined.fetch_sub(1, Ordering::AcqRel);
        !replaced
    }
}
