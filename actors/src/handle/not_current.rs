//! The current faults: templates that do not compile, and templates whose renders fail.

use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
use crate::protocol::reload::NotCurrent;
use crate::protocol::report::causes;
use crate::snapshot::Standing;

/// Returns all current diagnostics, each once.
pub(super) fn diagnostics(engine: &Engine) -> Vec<Diagnostic> {
    let snapshot = engine.reader.current();
    let whys = snapshot.entries().filter_map(|(_, _, standing)| match standing {
        Standing::Stale { why, .. } | Standing::Broken { why } => Some(why),
        Standing::Current(_) | Standing::Gone => None,
    });
    let mut diagnostics = causes(whys);
    // A template that has been rendered successfully since, with other data, is not counted.
    for late in snapshot.late_faults().iter().filter(|late| late.still_fails) {
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
        let serving = snapshot.serving(id)?;
        let template = name.clone();
        Some(NotCurrent { template, serving })
    });
    let mut all: Vec<_> = all.collect();
    all.sort_unstable_by(|a, b| a.template.cmp(&b.template));
    all
}
