//! [`AnswerStore`]: the answers to commands that are carried out once for each idempotency key.
//!
//! A caller that received no answer sends its command again under the same key, and receives the first answer. The oldest answers are
//! forgotten first, so memory is bounded by the number of keys and by the bytes of the answers. The store has no lock: the Registry commits
//! it together with the effect of the command, others put it behind a mutex.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::limits::Limits;

/// An answer that the first caller with a key prepares while the others wait. If the first one fails, the next one tries.
pub type PendingAnswer<V> = Arc<OnceCell<V>>;

/// Answers by key, in the order in which the keys were first used.
#[derive(Debug, Clone)]
pub struct AnswerStore<K, V>(VecDeque<(K, V)>);

/// Bounds of a store.
#[derive(Debug, Clone, Copy)]
pub struct AnswerLimits {
    /// Maximum number of keys.
    pub keys: usize,
    /// Maximum size of all answers in bytes, if there is more than one.
    pub bytes: usize,
}

impl From<&Limits> for AnswerLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            keys: limits.idempotency_keys,
            bytes: limits.idempotency_bytes,
        }
    }
}

impl<K, V> Default for AnswerStore<K, V> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<K: PartialEq, V> AnswerStore<K, V> {
    /// Returns the answer of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let mut entries = self.0.iter();
        entries.find(|(known, _)| known == key).map(|(_, answer)| answer)
    }

    /// Adds a key, which must be new, and forgets the oldest keys beyond the limit.
    pub fn insert(&mut self, key: K, answer: V, limits: AnswerLimits) {
        self.0.push_back((key, answer));
        while self.0.len() > limits.keys {
            self.0.pop_front();
        }
    }

    /// Forgets the oldest answers until the rest fits into the limit of bytes. The answer of `newest` stays, however large it is, and so do
    /// answers that have no size because they are still being prepared.
    pub fn trim(&mut self, newest: &K, limits: AnswerLimits, bytes: impl Fn(&V) -> usize) {
        let mut sum: usize = self.0.iter().map(|(_, answer)| bytes(answer)).sum();
        self.0.retain(|(key, answer)| {
            let size = bytes(answer);
            let keep = sum <= limits.bytes || size == 0 || key == newest;
            sum -= if keep { 0 } else { size };
            keep
        });
    }

    /// Keeps only the answers for which `keep` returns true.
    pub fn retain(&mut self, mut keep: impl FnMut(&V) -> bool) {
        self.0.retain(|(_, answer)| keep(answer));
    }

    /// Returns the number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_answers_are_forgotten_first() {
        let limits = AnswerLimits { keys: 3, bytes: 200 };
        let mut store = AnswerStore::default();
        for (key, size, expected) in [
            (0, 100, [true, false, false, false, false, false]),
            (1, 100, [true, true, false, false, false, false]),
            // One byte too many.
            (2, 1, [false, true, true, false, false, false]),
            // No answer yet.
            (3, 0, [false, true, true, true, false, false]),
            // One key too many.
            (4, 0, [false, false, true, true, true, false]),
            // The newest answer stays, however large it is, and so do answers without a size.
            (5, 1_000, [false, false, false, true, true, true]),
        ] {
            store.insert(key, size, limits);
            store.trim(&key, limits, |size| *size);
            assert_eq!(std::array::from_fn(|key| store.get(&key).is_some()), expected, "{key}");
        }
    }
}
