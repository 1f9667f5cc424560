//! [`Answered`]: reloads that are done once for each key.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::limits::Limits;
use crate::protocol::messages::IdempotencyKey;
use crate::protocol::reload::ReloadReport;

/// What reloads were answered, by their keys.
#[derive(Debug, Default)]
pub(crate) struct AnsweredReloads(Mutex<VecDeque<(IdempotencyKey, Gate, Option<ReloadReport>)>>);

type Gate = Arc<tokio::sync::Mutex<()>>;

impl AnsweredReloads {
    pub(crate) fn answered(&self, key: IdempotencyKey) -> Option<ReloadReport> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|(known, ..)| *known == key)?.2.clone()
    }

    /// Through which those with the same key go one after the other. No more of them than the door lets in.
    pub(crate) fn gate(&self, key: IdempotencyKey) -> Gate {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, gate, _)) = all.iter().find(|(known, ..)| *known == key) {
            return Arc::clone(gate);
        }
        let gate = Gate::default();
        all.push_back((key, Arc::clone(&gate), None));
        gate
    }

    /// Remembers a report, and as many of those before as the limits say; the newest stays, however large it is.
    pub(crate) fn answer(&self, key: IdempotencyKey, report: &ReloadReport, limits: &Limits) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = all.iter_mut().find(|(known, ..)| *known == key) {
            entry.2 = Some(report.clone());
        }
        while all.len() > limits.idempotency_keys {
            all.pop_front();
        }
        let bytes = |report: &Option<ReloadReport>| report.as_ref().map_or(0, ReloadReport::bytes);
        let mut sum: usize = all.iter().map(|(_, _, report)| bytes(report)).sum();
        while sum > limits.idempotency_bytes {
            let oldest = all
                .iter()
                .position(|(known, _, report)| *known != key && report.is_some());
            let Some((_, _, oldest)) = oldest.and_then(|oldest| all.remove(oldest)) else {
                break;
            };
            sum -= bytes(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::reload::ReloadOutcome;
    use crate::testing::name;
    use crate::version::Version;

    #[test]
    fn reports_are_bounded_by_their_bytes_and_the_newest_stays() {
        let report = |names: usize| {
            let names = (0..names).map(|number| name(&format!("{number:04}.html")));
            ReloadReport {
                version: Version::NONE,
                outcome: ReloadOutcome::Published,
                changed: names.collect(),
                removed: Vec::new(),
                not_current: Vec::new(),
                diagnostics: Vec::new(),
            }
        };
        let limits = Limits {
            idempotency_bytes: 2 * report(100).bytes(),
            ..Limits::default()
        };
        let keys = ["a", "b", "c", "d"].map(|text| IdempotencyKey::new("test", text));
        let remembered = AnsweredReloads::default();
        for (key, names, expected) in [
            (0, 100, [true, false, false, false]),
            (1, 100, [true, true, false, false]),
            (2, 1, [false, true, true, false]),
            (3, 1_000, [false, false, false, true]),
        ] {
            remembered.gate(keys[key]);
            remembered.answer(keys[key], &report(names), &limits);
            assert_eq!(keys.map(|key| remembered.answered(key).is_some()), expected);
        }
    }
}
