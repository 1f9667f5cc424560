//! [`VersionNotKept`]: the answer to a request for a version that is not in the history.

use crate::version::Version;

/// A version that is not, or no longer, kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error("version {wanted} is not kept; kept are: {}", listed(kept))]
pub struct VersionNotKept {
    /// The version that was asked for.
    pub wanted: Version,
    /// The versions that are kept, oldest first, the current one last.
    pub kept: Vec<Version>,
}

fn listed(versions: &[Version]) -> String {
    let versions: Vec<String> = versions.iter().map(Version::to_string).collect();
    versions.join(", ")
}
