//! [`Late`]: faults that only show in renders, told once for each entry and version.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::dialect::TemplateId;
use crate::events::{Event, Fallback, Serving, Teller, WeakTeller};
use crate::snapshot::Why;
use crate::template::TemplateName;
use crate::version::Version;

/// Entries that are remembered as told; with more than that, some are told twice.
const TOLD_MAX: usize = 4096;

/// Remembers what was told. Its lock is taken by renders that failed, and by no writer.
#[derive(Debug)]
pub(super) struct Late {
    told: Mutex<(Version, HashSet<TemplateId>)>,
    teller: WeakTeller,
}

impl Late {
    pub(super) fn new(teller: &Teller) -> Self {
        Self {
            told: Mutex::new((Version::NONE, HashSet::new())),
            teller: teller.weak(),
        }
    }

    /// Tells that an entry of `version` failed in a render and was answered as it was in `since`.
    pub(super) fn report(&self, name: &TemplateName, id: TemplateId, version: Version, since: Version, why: &Arc<Why>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if version > told.0 || told.1.len() >= TOLD_MAX {
            *told = (version, HashSet::new());
        }
        if version < told.0 || !told.1.insert(id) {
            return;
        }
        drop(told);
        let why = Arc::clone(why);
        let serving = Serving::LastGood(since);
        self.teller.tell(Event::Fallback(Arc::new(Fallback {
            template: name.clone(),
            version,
            serving,
            why,
        })));
    }
}
