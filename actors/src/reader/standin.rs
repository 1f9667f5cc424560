//! The stand-in: what visitors see of an entry that has no good version.

use serde::Serialize;

use super::nearest;
use crate::dialect::Escape;
use crate::snapshot::{Snapshot, Standing};
use crate::template::TemplateName;

/// Kept versions of a stand-in that are tried when the newest fails. A visitor waits for them, who waited for the page before.
pub(super) const TRIED_MAX: usize = 4;

/// Which template stands in, if one does.
#[derive(Debug, Clone, Default)]
pub struct StandIn {
    /// Rendered with `{name, version, status}` and never with the page's own data. It stands in for entries that escape as it does.
    pub template: Option<TemplateName>,
    /// True if it may come later, or never.
    pub optional: bool,
}

impl StandIn {
    /// Checks that the template is there in the first version. A broken one is: it can be repaired while the engine runs.
    ///
    /// # Errors
    /// Its name, and the reason with a similar name and what to do.
    pub(crate) fn check(&self, first: &Snapshot) -> Result<(), (String, String)> {
        let Some(template) = self.template.as_ref().filter(|_| !self.optional) else {
            return Ok(());
        };
        let name = template.as_str();
        match first.id(name).map(|id| first.standing(id)) {
            Some(Standing::Current(_) | Standing::Stale { .. } | Standing::Broken { .. }) => Ok(()),
            Some(Standing::Gone) | None => {
                let meant = nearest(first, name).map(|nearest| format!(" (did you mean `{nearest}`?)"));
                let meant = meant.unwrap_or_default();
                let reason = format!(
                    "the first version has no such template{meant}; create it, name another, or make it optional where it may come \
                     later (`Builder::optional_fallback`)"
                );
                Err((name.to_owned(), reason))
            }
        }
    }
}

/// The context of a stand-in.
#[derive(Debug, Serialize)]
pub(super) struct About<'n> {
    pub(super) name: &'n str,
    pub(super) version: u64,
    pub(super) status: u16,
}

/// When there is no template that stands in, or it fails too.
pub(super) fn last_resort(entry: &TemplateName) -> &'static str {
    match (Escape::of(entry), entry.extension()) {
        (Escape::Html, Some("html" | "htm")) => concat!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Back soon</title>\n",
            "<h1>Back soon</h1>\n<p>This page cannot be shown right now. Please try again in a while.</p>\n</html>\n",
        ),
        (Escape::Html, _) => "<?xml version=\"1.0\"?>\n<unavailable/>\n",
        _ => "This cannot be shown right now. Please try again in a while.\n",
    }
}
