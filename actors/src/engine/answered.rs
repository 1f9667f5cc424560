//! [`Answered`]: reloads that are done once for each key.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::protocol::messages::Key;
use crate::protocol::reload::ReloadReport;

/// What reloads were answered, by their keys.
#[derive(Debug, Default)]
pub(crate) struct Answered(Mutex<VecDeque<(Key, Gate, Option<ReloadReport>)>>);

type Gate = Arc<tokio::sync::Mutex<()>>;

impl Answered {
    pub(crate) fn answered(&self, key: Key) -> Option<ReloadReport> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|(known, ..)| *known == key)?.2.clone()
    }

    /// Through which those with the same key go one after the other. No more of them than the door lets in.
    pub(crate) fn gate(&self, key: Key) -> Gate {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, gate, _)) = all.iter().find(|(known, ..)| *known == key) {
            return Arc::clone(gate);
        }
        let gate = Gate::default();
        all.push_back((key, Arc::clone(&gate), None));
        gate
    }

    pub(crate) fn answer(&self, key: Key, report: &ReloadReport, most: usize) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = all.iter_mut().find(|(known, ..)| *known == key) {
            entry.2 = Some(report.clone());
        }
        while all.len() > most {
            all.pop_front();
        }
    }
}
