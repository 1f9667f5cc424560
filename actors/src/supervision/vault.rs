//! [`Vault`]: what an actor has acknowledged, kept where its faults do not reach.

use std::sync::PoisonError;

// The same source is tried under every interleaving of its threads (`interleavings.rs`), with other locks.
use super::sync::{Arc, Mutex};

/// State that outlives the behaviour that works on it. Reading and committing are O(1) for persistent states.
///
/// Each behaviour opens the vault when it starts, which fences every earlier one: an incarnation that was overtaken, and goes on
/// because its thread hung, gets [`Fenced`] instead of writing over what its successor has acknowledged.
///
/// A lock is enough: it is held for one clone or one move, and never while anything of the state runs or is dropped.
#[derive(Debug)]
pub struct Vault<S> {
    stored: Arc<Mutex<Stored<S>>>,
    epoch: u64,
}

#[derive(Debug)]
struct Stored<S> {
    epoch: u64,
    state: S,
}

/// Somebody else has opened the vault since: nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a later incarnation has taken over")]
pub struct Fenced;

impl<S> Clone for Vault<S> {
    /// The same incarnation.
    fn clone(&self) -> Self {
        Self {
            stored: Arc::clone(&self.stored),
            epoch: self.epoch,
        }
    }
}

impl<S: Clone> Vault<S> {
    /// A vault that holds a first state.
    pub fn new(state: S) -> Self {
        Self {
            stored: Arc::new(Mutex::new(Stored { epoch: 0, state })),
            epoch: 0,
        }
    }

    /// The same vault for a new incarnation. Every earlier one is fenced from now on.
    #[must_use]
    pub fn open(&self) -> Self {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.epoch += 1;
        Self {
            stored: Arc::clone(&self.stored),
            epoch: stored.epoch,
        }
    }

    /// A draft of the state to work on.
    #[must_use]
    pub fn draft(&self) -> S {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).state.clone()
    }

    /// Puts a draft in place. Do this before the reply leaves.
    ///
    /// # Errors
    /// [`Fenced`] where a later incarnation has opened the vault.
    pub fn commit(&self, state: S) -> Result<(), Fenced> {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        if stored.epoch != self.epoch {
            drop(stored);
            return Err(Fenced);
        }
        let old = std::mem::replace(&mut stored.state, state);
        drop(stored);
        drop(old);
        Ok(())
    }
}
