//! [`Vault`]: what an actor has acknowledged, kept where its faults do not reach.

use std::sync::{Arc, Mutex, PoisonError};

/// State that outlives the behaviour that works on it. Reading and committing are O(1) for persistent states.
///
/// A lock is enough: it is held for one clone or one move, and never while anything of the state runs or is dropped.
#[derive(Debug)]
pub struct Vault<S>(Arc<Mutex<S>>);

impl<S> Clone for Vault<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Clone> Vault<S> {
    /// A vault that holds a first state.
    pub fn new(state: S) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// A draft of the state to work on.
    #[must_use]
    pub fn draft(&self) -> S {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a draft in place. Do this before the reply leaves.
    pub fn commit(&self, state: S) {
        let old = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), state);
        drop(old);
    }
}
