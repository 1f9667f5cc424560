//! [`restore`]: the state of a Registry that continues from a stored version.

use super::report::Comparison;
use super::state::RegistryState;
use crate::limits::Limits;
use crate::protocol::plan::Plan;
use crate::protocol::report::{Effects, Report};
use crate::snapshot::{Content, StoredStale};
use crate::version::Version;

/// Returns the state that serves the texts of a plan as a version that was published by an earlier process, with the templates that were stale
/// in it. `empty` is the state of an engine that has published nothing. The report lists all templates, as that of any first version.
pub(crate) fn restore(
    empty: &RegistryState,
    plan: &Plan,
    stale: &[StoredStale],
    version: Version,
    limits: &Limits,
) -> (RegistryState, Report, Effects) {
    let content = Content::restored(&plan.newest, stale, &plan.names);
    let state = empty.serving(plan.names.clone(), content, version);
    let texts = state.content().view.differences(&empty.content().view);
    let compared = Comparison {
        before: empty.content(),
        after: state.content(),
        texts: &texts,
        reviewed: None,
    };
    let (report, effects) = Report::of(state.snapshot(), &compared, &plan.names, limits.event_names);
    (state, report, effects)
}
