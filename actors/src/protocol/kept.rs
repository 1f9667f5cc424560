//! [`StoredVersionInfo`]: a version that only the store has. [`VersionNotKept`]: the answer to a request for a version that nothing keeps.

use crate::cause::Cause;
use crate::version::Version;

/// The time and the cause of a version.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct VersionOrigin {
    /// The time of the swap, in milliseconds since 1970.
    pub at_ms: u64,
    /// The cause: a name, a reason and a trace.
    pub cause: Cause,
    /// True if an operator made it by rolling back.
    pub is_roll_back: bool,
}

impl VersionOrigin {
    pub(crate) fn new(at_ms: u64, cause: Cause, is_roll_back: bool) -> Self {
        Self {
            at_ms,
            cause,
            is_roll_back,
        }
    }
}

/// A version that was published by an earlier process. It is read from the store when it is compared or rolled back to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct StoredVersionInfo {
    /// The number of the version.
    pub version: Version,
    /// The digest of everything that it served, the first 16 hexadecimal digits.
    pub digest: String,
    /// The time and the cause, if they were stored.
    pub origin: Option<VersionOrigin>,
}

impl StoredVersionInfo {
    pub(crate) fn new(version: Version, digest: &str, origin: Option<VersionOrigin>) -> Self {
        Self {
            version,
            digest: digest.chars().take(16).collect(),
            origin,
        }
    }
}

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
