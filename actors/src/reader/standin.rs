//! The stand-in: the page that visitors see if an entry has no good version.

use std::sync::Arc;

use serde::Serialize;

use super::attempt::AttemptBudget;
use super::failure::{nearest, not_found};
use super::fallback::FailedAttempt;
use super::{Reader, Serialized, stale};
use crate::dialect::{Closure, Escape, TemplateId};
use crate::protocol::render::{Freshness, OnFailure, RenderFailure, RenderOptions, Rendered};
use crate::snapshot::{EntryStatus, Scoped, Serving, Snapshot, Why};
use crate::template::{JINJA_EXTENSIONS, TemplateName};

/// Maximum number of kept versions of a stand-in that are tried when the newest fails, because a visitor waits for them.
const TRIED_MAX: usize = 4;

/// The template that stands in for entries without a good version.
#[derive(Debug, Clone, Default)]
pub struct StandIn {
    /// The name. It is rendered with `{name, version, status}`, never with the page's own data, and is used only for entries that escape in
    /// the same way.
    pub template: Option<TemplateName>,
    /// True if the template need not exist.
    pub optional: bool,
}

impl StandIn {
    /// Checks that the template exists in the first version. It may be broken, because it can be repaired while the engine runs.
    ///
    /// # Errors
    /// Its name, and the reason with a similar name and what to do.
    pub(crate) fn check(&self, first: &Snapshot) -> Result<(), (String, String)> {
        let Some(template) = self.template.as_ref().filter(|_| !self.optional) else {
            return Ok(());
        };
        let name = template.as_str();
        match find(first.everyone(), template) {
            Some(_) => Ok(()),
            None => {
                let meant = nearest(first.everyone(), name).map(|nearest| format!(" (did you mean `{nearest}`?)"));
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

impl Reader {
    /// Returns the answer for an entry without a good version: the stand-in of the user, or the built-in one.
    pub(super) fn stand_in(&self, place: Scoped<'_>, name: &str, why: Arc<Why>) -> Result<Rendered, RenderFailure> {
        let entry = TemplateName::new(name).map_err(|_| not_found(place, name))?;
        if self.shared.on_failure == OnFailure::Return {
            return Err(RenderFailure::Broken { name: entry, why });
        }
        let version = place.snapshot().version();
        let context = StandInContext {
            name,
            version: version.number(),
            status: 503,
        };
        let configured = self
            .shared
            .stand_in
            .template
            .as_ref()
            .filter(|template| Escape::of(template) == Escape::of(&entry));
        let body = configured
            .and_then(|template| self.stand_in_body(place, template, &context))
            .unwrap_or_else(|| last_resort(&entry).to_owned());
        Ok(Rendered {
            body,
            version,
            freshness: Freshness::Fallback { why },
        })
    }

    /// Renders the stand-in template. Like any template, it has a last good version, and its faults are reported.
    fn stand_in_body(&self, place: Scoped<'_>, template: &TemplateName, about: &StandInContext<'_>) -> Option<String> {
        let id = find(place, template)?;
        let (closure, freshness) = match place.status(id) {
            EntryStatus::Current(closure) => (closure, Freshness::Current),
            EntryStatus::Stale { closure, since } => (closure, stale(place, id, since)),
            EntryStatus::Broken | EntryStatus::Gone => return None,
        };
        let options = RenderOptions::default();
        let render = |closure: &Closure<'_>| self.attempt(closure, &Serialized(about), &options, AttemptBudget::Part);
        let failure = match render(&closure) {
            Ok(body) => {
                if place.watching(id).is_some() {
                    self.record_success(place, id, &closure, &freshness, false);
                }
                return Some(body);
            }
            Err(failure) => failure,
        };
        let failed = FailedAttempt {
            place,
            id,
            closure,
            freshness,
            failure,
            refused: None,
        };
        let kept = place.earlier(id).chain(place.former(id));
        let better = kept
            .take(TRIED_MAX)
            .find_map(|(since, closure)| Some((since, render(&closure).ok()?)));
        if let Some(why) = failed.why() {
            let serving = better
                .as_ref()
                .map_or(Serving::StandIn, |(since, _)| Serving::LastGood(*since));
            self.report(place, id, &failed.closure, serving, why);
        }
        better.map(|(_, body)| body)
    }
}

/// Returns the template of a name that exists, or the one in Jinja that produces it: `down.html`, or else `down.html.j2`.
fn find(place: Scoped<'_>, template: &TemplateName) -> Option<TemplateId> {
    let exists = |name: &str| {
        let id = place.id(name)?;
        (!matches!(place.status(id), EntryStatus::Gone)).then_some(id)
    };
    let in_jinja = || {
        let names = JINJA_EXTENSIONS.map(|extension| format!("{template}.{extension}"));
        names.iter().find_map(|name| exists(name))
    };
    exists(template.as_str()).or_else(in_jinja)
}

/// The context of a stand-in.
#[derive(Debug, Serialize)]
struct StandInContext<'n> {
    name: &'n str,
    version: u64,
    status: u16,
}

/// The built-in stand-in, used if there is no stand-in template, or if it fails too.
fn last_resort(entry: &TemplateName) -> &'static str {
    let extension = entry.output_name().rsplit_once('.').map(|(_, extension)| extension);
    match (Escape::of(entry), extension) {
        (Escape::Html, Some("html" | "htm")) => concat!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Back soon</title>\n",
            "<h1>Back soon</h1>\n<p>This page cannot be shown right now. Please try again in a while.</p>\n</html>\n",
        ),
        (Escape::Html, _) => "<?xml version=\"1.0\"?>\n<unavailable/>\n",
        _ => "This cannot be shown right now. Please try again in a while.\n",
    }
}
