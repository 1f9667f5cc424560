//! Stamps: [`Version`] of what is served, [`Revision`] of what a loader saw.

use std::fmt;

use serde::Serialize;

/// The number of a snapshot: strictly increasing, never reused within the life of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Default)]
#[serde(transparent)]
pub struct Version(u64);

impl Version {
    /// Nothing was published yet.
    pub const NONE: Self = Self(0);

    /// The version after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// As a number, for logs and wire formats.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// A version that somebody named, such as an operator who rolls back.
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

/// Which loader: its place in the order of roots. The first loader that has a name wins it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Default)]
#[serde(transparent)]
pub struct LoaderId(pub u16);

/// The `number`-th batch of a loader. Counted outside the Watcher, so that a restart does not reset it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Revision {
    /// Whose batch.
    pub loader: LoaderId,
    /// Counted from 1.
    pub number: u64,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.loader.0, self.number)
    }
}
