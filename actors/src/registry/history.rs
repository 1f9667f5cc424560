//! Rolling back to a kept version, and resuming.

use super::state::{HeadContent, RegistryState};
use crate::limits::Limits;
use crate::protocol::messages::VersionNotKept;
use crate::protocol::report::{Effects, Report};
use crate::snapshot::Compared;
use crate::version::Version;

/// Returns the versions that can be rolled back to, oldest first, the current one last.
#[must_use]
pub fn kept(state: &RegistryState) -> Vec<Version> {
    let earlier = state.history.iter().map(|kept| kept.generation.version);
    let current = Some(state.snapshot().version()).filter(|version| *version != Version::NONE);
    earlier.chain(current).collect()
}

/// Returns two kept versions, to be compared.
///
/// # Errors
/// [`VersionNotKept`] if one of them is not kept.
pub fn compare(state: &RegistryState, from: Version, to: Version) -> Result<Compared, VersionNotKept> {
    let find = |wanted: Version| {
        let current = Some(state.snapshot().generation()).filter(|current| current.version != Version::NONE);
        let earlier = state.history.iter().map(|kept| &kept.generation);
        let found = earlier.chain(current).find(|generation| generation.version == wanted);
        found.cloned().ok_or_else(|| VersionNotKept {
            wanted,
            kept: kept(state),
        })
    };
    Ok(Compared {
        from: find(from)?,
        to: find(to)?,
        names: state.names.clone(),
    })
}

/// Makes a new version with the content of an earlier one, and holds it: plans are accepted and wait until [`resume`]. Renders that fail
/// in it are answered only from versions before the one that was chosen.
///
/// # Errors
/// [`VersionNotKept`] if the version is not kept.
pub fn roll_back(
    state: &RegistryState,
    to: Version,
    limits: &Limits,
) -> Result<(RegistryState, Report, Effects), VersionNotKept> {
    let kept_version = state.history.iter().find(|kept| kept.generation.version == to);
    let content = match kept_version {
        Some(kept) => HeadContent {
            content: kept.generation.content.clone(),
            version: kept.generation.version,
        },
        None if to == state.snapshot().version() && to != Version::NONE => state.served().clone(),
        None => {
            return Err(VersionNotKept {
                wanted: to,
                kept: kept(state),
            });
        }
    };
    let mut next = state.clone();
    next.held = Some(content);
    Ok(next.publish(state, None, Some(to), limits))
}

/// Ends a hold that [`roll_back`] began, and makes a new version of the newest accepted plan. Returns `None` if no version is held.
#[must_use]
pub fn resume(state: &RegistryState, limits: &Limits) -> Option<(RegistryState, Report, Effects)> {
    state.held.as_ref()?;
    let mut next = state.clone();
    next.held = None;
    Some(next.publish(state, None, None, limits))
}
