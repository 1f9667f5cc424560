//! [`RecentFailure`]: the pages of which visitors did not get the newest text, the latest first.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Recorder;
use crate::diagnostic::Diagnostic;
use crate::dialect::TemplateId;
use crate::snapshot::{EntryStatus, Serving, Snapshot};
use crate::template::TemplateName;

/// A template of which visitors got something else than its newest text.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecentFailure {
    /// The template that was requested.
    pub template: TemplateName,
    /// The time of the last such answer in milliseconds since 1970, to the second.
    pub at_ms: u64,
    /// The number of failed renders since the engine started, stand-in answers included.
    pub failures: u64,
    /// The number of answers from an older version since the engine started.
    pub stale: u64,
    /// The answer to requests now; `None` if the newest text is served again.
    pub serving: Option<Serving>,
    /// The error, which may be in a template that this one calls.
    pub diagnostic: Option<Diagnostic>,
}

impl Recorder {
    /// Returns the templates of which visitors got something else than the newest text, at most `max`, the latest first. Costs a pass over
    /// all entries while one of them does not compile.
    pub(crate) fn recent_failures(&self, snapshot: &Snapshot, max: usize) -> Vec<RecentFailure> {
        let mut last: BTreeMap<TemplateId, u64> = BTreeMap::new();
        for (id, at) in snapshot.faults().failures() {
            last.insert(id, self.clock.ms(at));
        }
        // Renders of texts that do not compile are not remembered one by one, but each answer is one of these.
        if snapshot.not_current() != (0, 0) {
            let entries = snapshot.entries();
            for (id, _, _) in
                entries.filter(|(_, _, now)| matches!(now, EntryStatus::Stale { .. } | EntryStatus::Broken))
            {
                let usage = self.usages.read(id, self.clock);
                if let Some(at_ms) = usage.last_render_ms.filter(|_| usage.stale + usage.failures > 0) {
                    let known = last.entry(id).or_default();
                    *known = at_ms.max(*known);
                }
            }
        }
        let mut newest: Vec<_> = last.into_iter().collect();
        newest.sort_unstable_by_key(|(id, at_ms)| (std::cmp::Reverse(*at_ms), *id));
        let failures = newest.into_iter().take(max).filter_map(|(id, at_ms)| {
            let usage = self.usage(snapshot, id);
            let of_text = || snapshot.why(id)?.diagnostics.first().cloned();
            Some(RecentFailure {
                template: snapshot.name(id)?.clone(),
                at_ms,
                failures: usage.failures,
                stale: usage.stale,
                serving: snapshot.serving(id),
                diagnostic: of_text().or_else(|| usage.last_failure?.diagnostic),
            })
        });
        failures.collect()
    }
}
