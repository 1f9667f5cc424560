//! A thread of a pool, and its replacement while its job hangs.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::super::child::Child;
use super::super::contain;
use super::super::timers::Timer;
use super::super::unavailable::Unavailable;
use super::PoolShared;

/// A queued job.
pub(super) struct Job {
    /// Time at which the job counts as hanging, if that is earlier than by the hang policy of the pool.
    pub(super) until: Option<Instant>,
    pub(super) run: Box<dyn FnOnce() -> AfterJob + Send>,
    pub(super) on_abandoned: Box<dyn FnOnce(Unavailable) + Send>,
}

/// Next step of a thread after a job.
#[derive(Debug)]
pub enum AfterJob {
    /// Take the next job.
    Continue,
    /// Wait out the pause of an actor that failed in this thread, and report it as up.
    BackOff(Arc<Child>),
}

impl Job {
    pub(super) fn abandon(self, why: Unavailable) {
        let Self { run, on_abandoned, .. } = self;
        let _ = contain(move || on_abandoned(why));
        let _ = contain(move || drop(run));
    }
}

/// A thread of a pool.
pub(super) struct Worker(Arc<PoolShared>);

impl Worker {
    pub(super) fn start(shared: &Arc<PoolShared>) -> std::io::Result<()> {
        let number = shared.started.fetch_add(1, Ordering::Relaxed);
        let worker = Self(Arc::clone(shared));
        shared.active.fetch_add(1, Ordering::SeqCst);
        shared.alive.fetch_add(1, Ordering::Release);
        let thread = std::thread::Builder::new().name(format!("{}-{number}", shared.name));
        let started = thread.spawn(move || worker.work());
        if started.is_err() {
            shared.active.fetch_sub(1, Ordering::SeqCst);
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
                shared.active.fetch_sub(1, Ordering::SeqCst);
                break;
            };
            if !self.run_job(job) {
                break;
            }
        }
        shared.alive.fetch_sub(1, Ordering::Release);
    }

    /// Runs one job. Returns true if this thread takes another.
    fn run_job(&self, job: Job) -> bool {
        let Job {
            run,
            on_abandoned,
            until,
        } = job;
        let watched = self.0.hang_policy.as_ref().map(|policy| {
            let hang = HangWatch::new(&self.0);
            let now = Instant::now();
            let longest = until.map_or(policy.hang, |until| {
                until.saturating_duration_since(now).min(policy.hang)
            });
            let (hanging, limit) = (Arc::clone(&hang), policy.limit);
            let timer = policy.timers.after(longest, move || {
                if hanging.quarantine() {
                    on_abandoned(Unavailable::waited(longest, limit));
                }
            });
            (hang, timer)
        });
        let next = contain(run).unwrap_or(AfterJob::Continue);
        let is_needed = watched.is_none_or(|(hang, timer): (Arc<HangWatch>, Timer)| {
            drop(timer);
            hang.job_ended()
        });
        if let (AfterJob::BackOff(child), true) = (next, is_needed) {
            self.back_off(&child);
        }
        is_needed
    }

    /// Waits out the pause of an actor that failed in this thread, unless the pool is closed meanwhile.
    fn back_off(&self, child: &Child) {
        while let Ok(Some(left)) = child.remaining_pause() {
            if left.is_zero() || self.0.stop.recv_timeout(left) != Err(crossbeam_channel::RecvTimeoutError::Timeout) {
                break;
            }
        }
        // An error means that the actor is down, which the next job reports.
        let _ = child.ensure_up();
    }
}

/// Decides, under a lock, which comes first for a job: its end, or the time after which it counts as hanging.
struct HangWatch {
    pool: Arc<PoolShared>,
    state: Mutex<JobState>,
}

#[derive(Clone, Copy)]
enum JobState {
    Running,
    Ended,
    Quarantined { replaced: bool },
}

impl HangWatch {
    fn new(pool: &Arc<PoolShared>) -> Arc<Self> {
        Arc::new(Self {
            pool: Arc::clone(pool),
            state: Mutex::new(JobState::Running),
        })
    }

    fn state(&self) -> MutexGuard<'_, JobState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Quarantines the thread and starts another, up to the limit. Returns false if the job has ended.
    fn quarantine(&self) -> bool {
        let mut state = self.state();
        if matches!(*state, JobState::Ended) {
            return false;
        }
        let pool = &self.pool;
        let most = pool.hang_policy.as_ref().map_or(0, |policy| policy.quarantined);
        let hanging = pool.quarantined.fetch_add(1, Ordering::AcqRel) + 1;
        let replaced = hanging <= most && Worker::start(pool).is_ok();
        *state = JobState::Quarantined { replaced };
        drop(state);
        let active = pool.active.fetch_sub(1, Ordering::SeqCst) - 1;
        let name = &pool.name;
        tracing::error!(
            pool = name,
            hanging,
            at_work = active,
            replaced,
            "a thread hangs and is quarantined"
        );
        crate::without_subscriber::warn_without_subscriber(format_args!("a thread of {name} hangs and is quarantined"));
        if active == 0 {
            pool.abandon_queued();
        }
        true
    }

    /// Records that the job has ended. Returns true if its thread is still needed, because no other has replaced it.
    fn job_ended(&self) -> bool {
        let mut state = self.state();
        let JobState::Quarantined { replaced } = *state else {
            *state = JobState::Ended;
            return true;
        };
        drop(state);
        if !replaced {
            self.pool.active.fetch_add(1, Ordering::SeqCst);
        }
        self.pool.quarantined.fetch_sub(1, Ordering::AcqRel);
        !replaced
    }
}
