//! The faults of now: templates that do not compile, and templates that failed when they were rendered.

use crate::diagnostic::Diagnostic;
use crate::dialect::TemplateId;
use crate::engine::Engine;
use crate::protocol::reload::NotCurrent;
use crate::protocol::report::causes;
use crate::snapshot::{LateFault, Snapshot, Standing};

/// Returns each finding once.
pub(super) fn diagnostics(engine: &Engine) -> Vec<Diagnostic> {
    let snapshot = engine.reader.current();
    let whys = snapshot.entries().filter_map(|(_, _, standing)| match standing {
        Standing::Stale { why, .. } | Standing::Broken { why } => Some(why),
        Standing::Current(_) | Standing::Gone => None,
    });
    let mut diagnostics = causes(whys);
    for (_, late) in late(engine, &snapshot) {
        for diagnostic in late.diagnostics() {
            if !diagnostics.iter().any(|known| known.is_same_fault(diagnostic)) {
                diagnostics.push(diagnostic.clone());
            }
        }
    }
    diagnostics
}

/// Returns the templates whose newest text is not served, sorted by name.
pub(super) fn not_current(engine: &Engine) -> Vec<NotCurrent> {
    let snapshot = engine.reader.current();
    let all = snapshot.entries().filter_map(|(id, name, _)| {
        let serving = engine.tally.serving(&snapshot, id)?;
        let template = name.clone();
        Some(NotCurrent { template, serving })
    });
    let mut all: Vec<_> = all.collect();
    all.sort_unstable_by(|a, b| a.template.cmp(&b.template));
    all
}

/// Returns the faults of renders whose template has not been rendered well since.
fn late(engine: &Engine, snapshot: &Snapshot) -> Vec<(TemplateId, LateFault)> {
    let all = snapshot.late_faults().into_iter();
    let all = all.filter_map(|late| Some((snapshot.id(late.template.as_str())?, late)));
    all.filter(|(id, late)| engine.tally.still_fails(*id, late.last))
        .collect()
}
