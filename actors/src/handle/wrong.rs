//! The faults of now: templates that do not compile, and templates that failed when they were rendered.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
use crate::registry::causes;
use crate::snapshot::{Serving, Standing};
use crate::template::TemplateName;

/// A template that is not served as its newest text has it.
///
/// Serialized it is `{template, serving, since}`, with `serving` as [`Serving::as_str`] writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCurrent {
    /// Its name.
    pub template: TemplateName,
    /// The answer to requests for it.
    pub serving: Serving,
}

impl Serialize for NotCurrent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("NotCurrent", 3)?;
        fields.serialize_field("template", &self.template)?;
        fields.serialize_field("serving", self.serving.as_str())?;
        fields.serialize_field("since", &self.serving.since())?;
        fields.end()
    }
}

/// Returns each finding once.
pub(super) fn diagnostics(engine: &Engine) -> Vec<Diagnostic> {
    let snapshot = engine.reader.current();
    let whys = snapshot.entries().filter_map(|(_, _, standing)| match standing {
        Standing::Stale { why, .. } | Standing::Broken { why } => Some(why),
        Standing::Current(_) | Standing::Gone => None,
    });
    let mut diagnostics = causes(whys);
    // Those whose template was rendered well since, with other data, are not counted.
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
