//! Going back to a version that is kept, and forward again.

use std::sync::Arc;

use super::state::{IndexedContent, RegistryState};
use crate::limits::Limits;
use crate::protocol::messages::VersionNotKept;
use crate::protocol::report::Report;
use crate::snapshot::{Compared, Snapshot};
use crate::version::Version;

/// The versions that can be gone back to, oldest first, the current one last.
#[must_use]
pub fn kept(truth: &RegistryState) -> Vec<Version> {
    let earlier = truth.history.iter().map(|kept| kept.generation.version);
    let current = Some(truth.snapshot().version()).filter(|version| *version != Version::NONE);
    earlier.chain(current).collect()
}

/// Takes two kept versions in hand.
///
/// # Errors
/// [`NotKept`] where one of them is not kept, or no more.
pub fn compare(truth: &RegistryState, from: Version, to: Version) -> Result<Compared, VersionNotKept> {
    let find = |wanted: Version| {
        let current = Some(truth.snapshot().generation()).filter(|current| current.version != Version::NONE);
        let earlier = truth.history.iter().map(|kept| &kept.generation);
        let found = earlier.chain(current).find(|generation| generation.version == wanted);
        found.cloned().ok_or_else(|| VersionNotKept {
            wanted,
            kept: kept(truth),
        })
    };
    Ok(Compared {
        from: find(from)?,
        to: find(to)?,
    })
}

/// Makes a new version with the content of an earlier one, and holds it: plans are accepted and wait until [`resume`]. Renders
/// that fail in it are answered from still earlier ones only.
///
/// # Errors
/// [`NotKept`] where there is no such version, or no more.
pub fn roll_back(
    truth: &RegistryState,
    to: Version,
    limits: &Limits,
) -> Result<(RegistryState, Arc<Snapshot>, Report), VersionNotKept> {
    let kept_version = truth.history.iter().find(|kept| kept.generation.version == to);
    let state = match kept_version {
        Some(kept) => IndexedContent {
            records: kept.records.clone(),
            content: kept.generation.content.clone(),
            version: kept.generation.version,
        },
        None if to == truth.snapshot().version() && to != Version::NONE => truth.served().clone(),
        None => {
            return Err(VersionNotKept {
                wanted: to,
                kept: kept(truth),
            });
        }
    };
    let mut next = truth.clone();
    next.held = Some(state.clone());
    let names = truth.served().records.keys().chain(state.records.keys());
    Ok(next.publish(truth, names, Some(to), limits))
}

/// Ends what [`roll_back`] began: a new version with what the newest plan says. `None` if nothing is held.
#[must_use]
pub fn resume(truth: &RegistryState, limits: &Limits) -> Option<(RegistryState, Arc<Snapshot>, Report)> {
    let held = truth.held.as_ref()?;
    let mut next = truth.clone();
    next.held = None;
    let names = held.records.keys().chain(truth.head.records.keys());
    Some(next.publish(truth, names, None, limits))
}
