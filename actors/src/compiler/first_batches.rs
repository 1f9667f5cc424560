//! [`FirstBatches`]: collects the first batches of all loaders, so that they become the first version together.

use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::protocol::messages::{BatchOutcome, Compiled};

/// The first batch of each loader, until all of them are there.
#[derive(Debug)]
pub(crate) struct FirstBatches(Mutex<Collected>);

#[derive(Debug)]
struct Collected {
    /// The number of loaders whose first batch is not there yet.
    missing: usize,
    batches: Vec<Compiled>,
    waiting: Vec<oneshot::Sender<BatchOutcome>>,
}

/// The way of a batch after it has been compiled.
#[derive(Debug)]
pub(super) enum Joined {
    /// It goes on by itself, because the first version is on its way.
    Alone(Compiled),
    /// Another loader will complete the first version. Its outcome arrives here.
    Waits(oneshot::Receiver<BatchOutcome>),
    /// It completes the first version. These are the batches of all loaders, and the others that wait for the outcome.
    Completes(Vec<Compiled>, Vec<oneshot::Sender<BatchOutcome>>),
}

impl FirstBatches {
    /// Creates a collection for a number of loaders. The batch of a single one goes on by itself.
    pub(crate) fn of(loaders: usize) -> Self {
        Self(Mutex::new(Collected {
            missing: if loaders > 1 { loaders } else { 0 },
            batches: Vec::new(),
            waiting: Vec::new(),
        }))
    }

    /// Adds a batch, if the first version is still being collected.
    pub(super) fn join(&self, compiled: Compiled) -> Joined {
        let mut collected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if collected.missing == 0 {
            return Joined::Alone(compiled);
        }
        collected.missing -= 1;
        collected.batches.push(compiled);
        if collected.missing == 0 {
            let batches = std::mem::take(&mut collected.batches);
            return Joined::Completes(batches, std::mem::take(&mut collected.waiting));
        }
        let (outcome, decided) = oneshot::channel();
        collected.waiting.push(outcome);
        Joined::Waits(decided)
    }
}
