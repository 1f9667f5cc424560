//! Numbers of states: the [`Version`] of a snapshot, and the [`Revision`] of what a loader delivered.

use std::fmt;

use serde::Serialize;

/// The number of a snapshot. It increases strictly and is never reused while an engine lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Default)]
#[serde(transparent)]
pub struct Version(u64);

impl Version {
    /// The version before the first publication.
    pub const NONE: Self = Self(0);

    /// Returns the version after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Returns the number, for logs and wire formats.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// Returns the version with a number, such as one that an operator enters to roll back.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The position of a loader in the order of precedence. Of several loaders that have a name, the first one provides the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Default)]
#[serde(transparent)]
pub struct LoaderId(pub u16);

/// The number of a batch of one loader. It is counted outside of the Watcher, so that a restart does not reset it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Revision {
    /// The loader that delivered the batch.
    pub loader: LoaderId,
    /// The number of the batch, counted from 1.
    pub number: u64,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.loader.0, self.number)
    }
}
