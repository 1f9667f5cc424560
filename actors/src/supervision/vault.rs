//! [`Vault`]: acknowledged state of an actor, outside the actor.

use std::sync::PoisonError;

// `interleavings.rs` compiles this file again with the locks of loom, and tests every interleaving of its threads.
use super::sync::{Arc, Mutex};

/// State that outlives the behaviour that works on it. Reading and committing take constant time if the state is a persistent data
/// structure.
///
/// Each behaviour opens the vault when it starts, which fences every earlier one. An incarnation that hung, was replaced and wakes up
/// gets [`Fenced`] instead of overwriting what its successor has acknowledged.
///
/// A mutex suffices: it is held for one clone or one move, and never while a part of the state is dropped.
#[derive(Debug)]
pub struct Vault<S> {
    stored: Arc<Mutex<VaultState<S>>>,
    epoch: u64,
}

#[derive(Debug)]
struct VaultState<S> {
    epoch: u64,
    state: S,
}

/// The error of an incarnation that a later one has fenced: nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a later incarnation has taken over")]
pub struct Fenced;

impl<S> Clone for Vault<S> {
    /// Returns another handle of this incarnation.
    fn clone(&self) -> Self {
        Self {
            stored: Arc::clone(&self.stored),
            epoch: self.epoch,
        }
    }
}

impl<S: Clone> Vault<S> {
    /// Creates a vault with a first state.
    pub fn new(state: S) -> Self {
        Self {
            stored: Arc::new(Mutex::new(VaultState { epoch: 0, state })),
            epoch: 0,
        }
    }

    /// Opens the vault for a new incarnation. Every earlier one is fenced from now on.
    #[must_use]
    pub fn open(&self) -> Self {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.epoch += 1;
        Self {
            stored: Arc::clone(&self.stored),
            epoch: stored.epoch,
        }
    }

    /// Returns a copy of the state to work on.
    #[must_use]
    pub fn draft(&self) -> S {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).state.clone()
    }

    /// Replaces the state. Must be called before the reply is sent.
    ///
    /// # Errors
    /// [`Fenced`] if a later incarnation has opened the vault.
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
