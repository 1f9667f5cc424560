//! [`AnsweredState`]: the state that the Registry commits, with the answers to the commands of operators.

use std::sync::Arc;

use super::state::RegistryState;
use crate::idempotency::AnswerStore;
use crate::limits::Limits;
use crate::protocol::messages::{IdempotencyKey, RolledBack};

/// The state of the Registry, and the latest command outcomes by idempotency key. A clone is O(1).
#[derive(Debug, Clone)]
pub(crate) struct AnsweredState {
    pub(crate) state: RegistryState,
    answered: Arc<AnswerStore<IdempotencyKey, RolledBack>>,
}

impl AnsweredState {
    pub(crate) fn new(state: RegistryState) -> Self {
        Self {
            state,
            answered: Arc::default(),
        }
    }

    /// Returns another state with the same answers.
    pub(super) fn with(&self, state: RegistryState) -> Self {
        Self {
            state,
            answered: Arc::clone(&self.answered),
        }
    }

    /// Returns the earlier outcome of a command with this key.
    pub(super) fn answered(&self, key: IdempotencyKey) -> Option<RolledBack> {
        self.answered.get(&key).cloned()
    }

    /// Stores an outcome, and drops the oldest ones that exceed the limits.
    pub(super) fn answer(mut self, key: Option<IdempotencyKey>, answer: &RolledBack, limits: &Limits) -> Self {
        if let Some(key) = key {
            let answered = Arc::make_mut(&mut self.answered);
            answered.insert(key, answer.clone(), limits.into());
            answered.trim(&key, limits.into(), bytes_of);
        }
        self
    }
}

/// Returns the approximate size of an outcome in bytes.
fn bytes_of(answer: &RolledBack) -> usize {
    match answer {
        RolledBack::Published(report) => report.bytes(),
        RolledBack::NotKept(not_kept) => size_of_val(&*not_kept.kept),
        RolledBack::Conflict(conflict) => size_of::<RolledBack>() + conflict.cause.bytes(),
        RolledBack::Refused(reason) => size_of::<RolledBack>() + reason.len(),
        RolledBack::AlreadyServed(_) | RolledBack::Unchanged(_) => size_of::<RolledBack>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::report::{NameSample, Report};
    use crate::testing::key;
    use crate::version::Version;

    #[test]
    fn answers_are_bounded_by_bytes() {
        let published = |names: usize| {
            let names = (0..names).map(|number| key(&format!("{number:04}.html")));
            RolledBack::Published(Arc::new(Report {
                version: Version::NONE,
                digest: crate::Digest::over([&b""[..]]),
                cause: crate::Cause::default(),
                changed: names.collect(),
                removed: Vec::new(),
                stale: NameSample::default(),
                broken: NameSample::default(),
                recovered: NameSample::default(),
                diagnostics: Vec::new(),
                faults: 0,
                scopes: Vec::new(),
            }))
        };
        let limits = Limits {
            idempotency_bytes: 2 * bytes_of(&published(100)),
            ..Limits::default()
        };
        let keys = ["a", "b", "c", "d"].map(|text| IdempotencyKey::new("test", text));
        let known = |accepted: &AnsweredState| keys.map(|key| accepted.answered(key).is_some());
        let mut accepted = AnsweredState::new(RegistryState::new());
        for (key, names, expected) in [
            (0, 100, [true, false, false, false]),
            (1, 100, [true, true, false, false]),
            (2, 1, [false, true, true, false]),
            (3, 1_000, [false, false, false, true]),
        ] {
            accepted = accepted.answer(Some(keys[key]), &published(names), &limits);
            assert_eq!(known(&accepted), expected);
        }
    }

    #[test]
    fn answers_are_bounded_by_number() {
        let limits = Limits {
            idempotency_keys: 2,
            ..Limits::default()
        };
        let keys = ["a", "b", "c"].map(|text| IdempotencyKey::new("test", text));
        let mut accepted = AnsweredState::new(RegistryState::new());
        for key in keys {
            accepted = accepted.answer(Some(key), &RolledBack::Unchanged(Version::NONE), &limits);
        }
        let known = keys.map(|key| accepted.answered(key).is_some());
        assert_eq!(known, [false, true, true]);
        assert_ne!(
            IdempotencyKey::new("test", "a"),
            IdempotencyKey::new("other", "a"),
            "a key belongs to one command"
        );
    }
}
