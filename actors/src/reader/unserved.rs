//! Renders of snapshots that are not served, for previews and for samples: nothing is counted, logged or remembered, and no earlier version
//! answers in place of a failure.

use super::attempt::render_closure;
use super::failure::no_tenant;
use super::{ContextSource, find, not_found, place, stale};
use crate::budget::Budget;
use crate::dialect::Closure;
use crate::limits::Limits;
use crate::protocol::render::{Freshness, RenderFailure, RenderOptions, Rendered};
use crate::snapshot::{EntryStatus, Snapshot};
use crate::template::TemplateName;

/// Renders a closure with a whole budget.
pub(crate) fn render_once(
    limits: &Limits,
    closure: &Closure<'_>,
    source: &(impl ContextSource + ?Sized),
    options: &RenderOptions,
) -> Result<String, RenderFailure> {
    let mut budget = Budget::new(limits, options.deadline, options.cancel.clone());
    render_closure(limits, &mut budget, closure, source, options)
}

/// Renders an entry of a snapshot as it would be served.
pub(crate) fn render_entry(
    limits: &Limits,
    snapshot: &Snapshot,
    name: &str,
    source: &(impl ContextSource + ?Sized),
    options: &RenderOptions,
) -> Result<Rendered, RenderFailure> {
    let place = place(snapshot, &options.scope).ok_or_else(|| no_tenant(name))?;
    let id = find(place, name).ok_or_else(|| not_found(place, name))?;
    let (closure, freshness) = match place.status(id) {
        EntryStatus::Current(closure) => (closure, Freshness::Current),
        EntryStatus::Stale { closure, since } => (closure, stale(place, id, since)),
        EntryStatus::Broken => {
            let why = place.why(id).ok_or_else(|| not_found(place, name))?;
            let name = TemplateName::new(name).map_err(|_| not_found(place, name))?;
            return Err(RenderFailure::Broken { name, why });
        }
        EntryStatus::Gone => return Err(not_found(place, name)),
    };
    let body = render_once(limits, &closure, source, options)?;
    Ok(Rendered {
        body,
        version: snapshot.version(),
        freshness,
    })
}
