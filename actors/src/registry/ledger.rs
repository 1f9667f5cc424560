//! [`Ledger`]: what the Registry commits: the truth, and what it has answered to which command.

use std::collections::VecDeque;
use std::sync::Arc;

use super::truth::Truth;
use crate::limits::Limits;
use crate::protocol::messages::{Key, RolledBack};

/// The truth, and the last outcomes by their keys. A clone is O(1).
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    pub(crate) truth: Truth,
    /// Oldest first; at most `idempotency_keys`.
    answered: Arc<VecDeque<(Key, RolledBack)>>,
}

impl Ledger {
    pub(crate) fn new(truth: Truth) -> Self {
        Self {
            truth,
            answered: Arc::default(),
        }
    }

    /// Another truth, with the same answers.
    pub(super) fn with(&self, truth: Truth) -> Self {
        Self {
            truth,
            answered: Arc::clone(&self.answered),
        }
    }

    /// What a command with this key came to before.
    pub(super) fn answered(&self, key: Key) -> Option<RolledBack> {
        let mut answered = self.answered.iter().rev();
        answered
            .find(|(known, _)| *known == key)
            .map(|(_, answer)| answer.clone())
    }

    /// Remembers an answer.
    pub(super) fn answer(mut self, key: Option<Key>, answer: &RolledBack, limits: &Limits) -> Self {
        if let Some(key) = key {
            let answered = Arc::make_mut(&mut self.answered);
            answered.push_back((key, answer.clone()));
            while answered.len() > limits.idempotency_keys {
                answered.pop_front();
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Version;

    #[test]
    fn as_many_answers_as_the_limit_says_are_remembered() {
        let limits = Limits {
            idempotency_keys: 2,
            ..Limits::default()
        };
        let keys = ["a", "b", "c"].map(|text| Key::new("test", text));
        let mut ledger = Ledger::new(Truth::new());
        for key in keys {
            ledger = ledger.answer(Some(key), &RolledBack::Unchanged(Version::NONE), &limits);
        }
        let known = keys.map(|key| ledger.answered(key).is_some());
        assert_eq!(known, [false, true, true]);
        assert_ne!(Key::new("test", "a"), Key::new("other", "a"), "a key is of one command");
    }
}
