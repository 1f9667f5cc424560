//! [`Pool`]: threads for work that blocks or takes long, so that no actor ever does.

use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use tokio::sync::oneshot;

use super::contain;

type Job = Box<dyn FnOnce() + Send>;

/// The job panicked, or the pool has ended: it is unknown whether the work was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the work was lost: {0}")]
pub struct Lost(pub String);

/// Named threads that take jobs in turn. Ends when the last clone is dropped, after the jobs in hand.
#[derive(Clone, Debug)]
pub struct Pool {
    jobs: Sender<Job>,
    threads: Arc<Vec<JoinHandle<()>>>,
}

impl Pool {
    /// Starts `threads` threads (0 is one per processor) with room for `queue` waiting jobs.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(name: &str, threads: usize, queue: usize) -> std::io::Result<Self> {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            given => given,
        };
        let (jobs, queued) = crossbeam_channel::bounded::<Job>(queue);
        let threads = (0..threads)
            .map(|number| {
                let queued = queued.clone();
                std::thread::Builder::new()
                    .name(format!("{name}-{number}"))
                    .spawn(move || {
                        for job in queued {
                            // The job answers for its own panic; this guards what its answer may drop.
                            let _ = contain(job);
                        }
                    })
            })
            .collect::<std::io::Result<_>>()?;
        Ok(Self {
            jobs,
            threads: Arc::new(threads),
        })
    }

    /// How many threads work.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// Runs a job on one of the threads. Whoever calls keeps fewer jobs under way than the queue has room for; a job beyond
    /// that is lost at once, rather than making its caller wait.
    ///
    /// # Errors
    /// [`Lost`] when the job panicked or there was no room for it.
    pub fn run<T, J>(&self, job: J) -> impl Future<Output = Result<T, Lost>> + use<T, J>
    where
        T: Send + 'static,
        J: FnOnce() -> T + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let queued = self.jobs.try_send(Box::new(move || {
            let _ = answer.send(contain(job));
        }));
        let full = queued.is_err();
        async move {
            match answered.await {
                Ok(ran) => ran.map_err(Lost),
                Err(_) if full => Err(Lost("no room in the queue of the pool".into())),
                Err(_) => Err(Lost("the pool has ended".into())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_panics_is_lost_and_its_thread_works_on() {
        let pool = Pool::start("test", 1, 4).expect("threads");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        runtime.block_on(async {
            assert_eq!(pool.run(|| -> u8 { panic!("no") }).await, Err(Lost("no".into())));
            assert_eq!(pool.run(|| 7).await, Ok(7));
        });
    }

    #[test]
    fn a_job_beyond_the_queue_is_lost_at_once() {
        let pool = Pool::start("test", 1, 1).expect("threads");
        let (open, gate) = crossbeam_channel::bounded::<()>(0);
        let (started, has_started) = crossbeam_channel::bounded::<()>(0);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        runtime.block_on(async {
            let busy = pool.run(move || {
                let _ = started.send(());
                let _ = gate.recv();
            });
            has_started.recv().expect("the first job runs");
            let waits = pool.run(|| 1);
            assert!(pool.run(|| 2).await.is_err());
            drop(open);
            assert_eq!((busy.await, waits.await), (Ok(()), Ok(1)));
        });
    }
}
