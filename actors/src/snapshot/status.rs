//! [`Status`]: the status of a template. Everything else that tells about it is a view of this: [`EntryStatus`](super::EntryStatus) with the
//! closure to render, [`Serving`] with the answer to requests, [`Freshness`](crate::Freshness) for one answer, and counts by status.

use serde::Serialize;

use super::{EntryStatus, Serving};

/// The status of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Its newest text is served, with the newest text of everything that it calls.
    Current,
    /// Its newest text is not good; its last good version is still served.
    Stale,
    /// Its newest text is not good, and there is no good version of it.
    Broken,
}

impl Status {
    /// Returns the name in JSON and in headers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Stale => "stale",
            Self::Broken => "broken",
        }
    }

    /// Returns the status by what visitors get: `serving` is the answer in place of the newest text, if there is one.
    #[must_use]
    pub fn of(serving: Option<Serving>) -> Self {
        match serving {
            None => Self::Current,
            Some(Serving::LastGood(_)) => Self::Stale,
            Some(Serving::StandIn | Serving::Failure) => Self::Broken,
        }
    }
}

impl EntryStatus<'_> {
    /// Returns the status by what was found when the template was compiled; `None` if there is no such template.
    #[must_use]
    pub fn status(self) -> Option<Status> {
        match self {
            Self::Current(_) => Some(Status::Current),
            Self::Stale { .. } => Some(Status::Stale),
            Self::Broken => Some(Status::Broken),
            Self::Gone => None,
        }
    }
}
