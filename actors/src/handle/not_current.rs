//! The current faults: templates that do not compile, and templates whose renders fail.

use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
use crate::protocol::reload::NotCurrent;

/// Returns all current diagnostics, each once.
pub(super) fn diagnostics(engine: &Engine) -> Vec<Diagnostic> {
    let snapshot = engine.reader.current();
    let of_texts = snapshot.faults_of_texts().into_iter();
    let mut diagnostics: Vec<Diagnostic> = of_texts.flat_map(|(_, faults)| faults.to_vec()).collect();
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
