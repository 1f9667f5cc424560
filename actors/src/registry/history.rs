//! The kept versions: comparing them, rolling back to one, and resuming.

use std::sync::Arc;

use super::publish::{self, Decision};
use super::state::{NextVersion, RegistryState};
use crate::accepted::TextGraph;
use crate::cause::Cause;
use crate::limits::Limits;
use crate::protocol::hold::HoldOrigin;
use crate::protocol::messages::{RolledBack, VersionNotKept};
use crate::protocol::report::{Effects, Report};
use crate::snapshot::{Compared, ComparedSide, Generation, SourceTexts};
use crate::version::Version;

/// The outcome of rolling back or resuming: the new state, and the differences.
pub(crate) struct Changed<G> {
    pub(crate) state: RegistryState,
    pub(crate) graph: G,
    pub(crate) report: Report,
    pub(crate) effects: Effects,
}

/// The outcome of resuming.
pub(crate) enum Resumed<G> {
    /// Nothing waited.
    Nothing,
    /// The texts that waited are applied, and make a new version.
    Published(Box<Changed<G>>),
    /// The texts that waited are applied, and change nothing that is served.
    Unchanged(G),
    /// The texts that wait are rejected, for this reason.
    Refused(String),
}

/// Returns the versions that can be rolled back to, oldest first, the current one last.
#[must_use]
pub fn kept(state: &RegistryState) -> Vec<Version> {
    generations(state).map(|generation| generation.version).collect()
}

fn generations(state: &RegistryState) -> impl Iterator<Item = &Arc<Generation>> {
    let current = Some(state.snapshot().generation()).filter(|current| current.version != Version::NONE);
    let earlier = state.history.iter().map(|entry| &entry.kept.generation);
    earlier.chain(current)
}

fn find(state: &RegistryState, wanted: Version) -> Result<&Arc<Generation>, VersionNotKept> {
    let found = generations(state).find(|generation| generation.version == wanted);
    found.ok_or_else(|| VersionNotKept {
        wanted,
        kept: kept(state),
    })
}

/// Returns two kept versions, to be compared. The second is the sources as they are now, if `to` is absent.
///
/// # Errors
/// [`VersionNotKept`] if one of them is not kept.
pub(crate) fn compare(
    state: &RegistryState,
    from: Version,
    to: Option<Version>,
    source: impl FnOnce() -> SourceTexts,
) -> Result<Compared, VersionNotKept> {
    let version = |wanted| find(state, wanted).cloned().map(ComparedSide::Version);
    Ok(Compared {
        from: version(from)?,
        to: match to {
            Some(to) => version(to)?,
            None => ComparedSide::Source(Arc::clone(state.snapshot().generation()), Arc::new(source())),
        },
        names: state.names.clone(),
    })
}

/// Makes a new version with the content of an earlier one. What the sources have instead waits, template by template. Renders that fail
/// are not answered from the versions after the one that was chosen.
///
/// # Errors
/// [`RolledBack`] says that the version is not kept, or is the one that is served.
pub(crate) fn roll_back<G: TextGraph>(
    state: &RegistryState,
    graph: &G,
    to: Version,
    cause: &Cause,
    limits: &Limits,
) -> Result<Changed<G>, RolledBack> {
    let generation = find(state, to).map_err(RolledBack::NotKept)?;
    let content = generation.content.clone();
    if to == state.snapshot().version() {
        return Err(RolledBack::AlreadyServed(to));
    }
    let origin = HoldOrigin {
        version: state.snapshot().version().next(),
        cause: cause.clone(),
        is_promotion: false,
    };
    let (graph, plan) = graph.roll_back(&content, &generation.scopes, origin);
    let next = NextVersion {
        names: plan.names.clone(),
        scopes: state.scopes_rolled_back(&plan, generation),
        news: &plan.news,
        content,
        reviewed: None,
        rolled_back_to: Some(to),
    };
    let (state, report, effects) = state.publish(next, limits);
    Ok(Changed {
        state,
        graph,
        report,
        effects,
    })
}

/// Applies everything that waits.
pub(crate) fn resume<G: TextGraph>(state: &RegistryState, graph: &G, limits: &Limits) -> Resumed<G> {
    let Some((graph, plan)) = graph.resume() else {
        return Resumed::Nothing;
    };
    let mut state = state.clone();
    state.leave_none();
    match publish::publish(&state, &plan, limits) {
        Decision::Published { state, report, effects } => Resumed::Published(Box::new(Changed {
            state,
            graph,
            report,
            effects,
        })),
        Decision::Unchanged => Resumed::Unchanged(graph),
        Decision::Refused { reason } => Resumed::Refused(reason.to_string()),
    }
}
