//! [`Unwritten`]: the records that are not written yet, which are part of the accepted state. [`AuditProgress`]: the progress of writing them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::record::AuditRecord;
use crate::health::AuditHealth;

/// The records that wait at most. Beyond it the oldest are dropped.
pub(crate) const WAITING_MAX: usize = 4096;

/// The records that are not written yet. A clone is cheap, so the Registry commits them together with the state that they are about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unwritten {
    records: im::Vector<Arc<AuditRecord>>,
    /// The number of the last record.
    last: u64,
}

impl Unwritten {
    /// Returns these and one more, which gets the next number, without those that are written.
    pub(crate) fn with(&self, record: AuditRecord, written: u64) -> Self {
        let mut next = self.clone();
        while next.records.front().is_some_and(|first| first.number <= written) || next.records.len() >= WAITING_MAX {
            next.records.pop_front();
        }
        next.last += 1;
        let number = next.last;
        next.records.push_back(Arc::new(AuditRecord { number, ..record }));
        next
    }

    /// Returns the records after a number, and how many between were dropped.
    pub(crate) fn after(&self, written: u64) -> (Vec<Arc<AuditRecord>>, u64) {
        let records = self.records.iter().filter(|record| record.number > written).cloned();
        let records: Vec<Arc<AuditRecord>> = records.collect();
        let lost = records.first().map_or(0, |first| first.number - written - 1);
        (records, lost)
    }
}

/// The progress of writing the records. Reading it never waits for a write.
#[derive(Debug, Default)]
pub(crate) struct AuditProgress {
    directory: String,
    written: AtomicU64,
    lost: AtomicU64,
    failures: AtomicU64,
    error: Mutex<Option<String>>,
}

impl AuditProgress {
    pub(crate) fn new(directory: String) -> Arc<Self> {
        Arc::new(Self {
            directory,
            ..Self::default()
        })
    }

    /// Returns the number of the last record that is written or lost.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Notes that the records up to a number are written, but for some that were dropped. Returns true if the last attempt failed.
    pub(crate) fn wrote(&self, last: u64, lost: u64) -> bool {
        self.written.store(last, Ordering::Release);
        self.lost.fetch_add(lost, Ordering::Relaxed);
        self.error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .is_some()
    }

    /// Notes that an attempt failed. Returns true if the one before did not fail for the same reason.
    pub(crate) fn failed(&self, error: String) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut before = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = before.as_ref() != Some(&error);
        *before = Some(error);
        is_new
    }

    pub(crate) fn health(&self) -> AuditHealth {
        let lost = self.lost.load(Ordering::Relaxed);
        AuditHealth {
            directory: self.directory.clone(),
            written: self.written().saturating_sub(lost),
            lost,
            failures: self.failures.load(Ordering::Relaxed),
            error: self.error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
