//! [`UnprovenThreads`]: the threads of the pool that renders of one unproven template may hold.
//!
//! A template that loops holds a thread for its whole budget with each render, until its breaker opens. If its renders held all threads
//! meanwhile, all other renders would wait for that. So, from the moment that a closure exceeds the limits of a render in place until a
//! render of it succeeds or its breaker opens, the template may hold only some of the threads (the limit `unproven_threads`), and its
//! further renders wait for one of these. Each such template has a semaphore, which is created on demand and dropped with its last permit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::dialect::TemplateId;

/// The threads for unproven templates.
#[derive(Debug)]
pub(super) struct UnprovenThreads {
    /// Threads for one template.
    threads: usize,
    by_template: Mutex<HashMap<TemplateId, Weak<Semaphore>>>,
}

/// A permit to hold a thread of the pool, or a marker that none is needed. The permit is released with its last clone at the latest.
#[derive(Debug, Clone, Default)]
pub(super) struct ThreadPermit(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl ThreadPermit {
    /// Releases the permit, because the thread hangs and was replaced.
    pub(super) fn end(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl UnprovenThreads {
    /// Allows one template at most `limit` threads of a pool, and at least one. 0 is half of the threads.
    pub(super) fn new(limit: usize, pool: usize) -> Self {
        let threads = if limit == 0 { pool / 2 } else { limit };
        Self {
            threads: threads.max(1),
            by_template: Mutex::default(),
        }
    }

    /// Waits until a template holds fewer threads than it may. Dropping the future gives up the place in the queue.
    pub(super) async fn next(&self, id: TemplateId) -> ThreadPermit {
        let semaphore = self.semaphore(id);
        // The semaphore is never closed.
        let permit = semaphore.acquire_owned().await.ok();
        ThreadPermit(Arc::new(Mutex::new(permit)))
    }

    fn semaphore(&self, id: TemplateId) -> Arc<Semaphore> {
        let mut by_template = self.by_template.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = by_template.get(&id).and_then(Weak::upgrade) {
            return known;
        }
        by_template.retain(|_, semaphore| semaphore.strong_count() > 0);
        let new = Arc::new(Semaphore::new(self.threads));
        by_template.insert(id, Arc::downgrade(&new));
        new
    }

    /// Returns the number of threads that a template holds.
    #[cfg(test)]
    pub(super) fn held(&self, id: TemplateId) -> usize {
        let by_template = self.by_template.lock().unwrap_or_else(PoisonError::into_inner);
        let known = by_template.get(&id).and_then(Weak::upgrade);
        known.map_or(0, |semaphore| self.threads - semaphore.available_permits())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// Polls a future once.
    fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ready) => Some(ready),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_template_holds_no_more_threads_than_the_limit_says() {
        let id = TemplateId::new;
        for (limit, pool, most) in [(0, 1, 1), (0, 2, 1), (0, 5, 2), (1, 8, 1), (3, 8, 3)] {
            let unproven = UnprovenThreads::new(limit, pool);
            let mut held: Vec<ThreadPermit> = (0..most)
                .map(|_| poll(pin!(unproven.next(id(1)))).expect("a thread is free"))
                .collect();
            let mut waiting = pin!(unproven.next(id(1)));
            assert!(poll(waiting.as_mut()).is_none(), "{limit} of {pool}");
            assert_eq!(unproven.held(id(1)), most);
            assert!(poll(pin!(unproven.next(id(2)))).is_some(), "another template");
            // One render has ended, and another one hangs.
            drop(held.pop());
            let next = poll(waiting.as_mut()).expect("one has ended");
            assert_eq!(unproven.held(id(1)), most);
            next.clone().end();
            assert_eq!(unproven.held(id(1)), most - 1);
            drop((held, next));
            assert_eq!(unproven.held(id(1)), 0);
        }
    }

    #[test]
    fn templates_without_renders_are_forgotten() {
        let unproven = UnprovenThreads::new(1, 2);
        for number in 0..100 {
            drop(poll(pin!(unproven.next(TemplateId::new(number)))));
        }
        assert_eq!(unproven.by_template.lock().expect("no panic").len(), 1);
    }
}
