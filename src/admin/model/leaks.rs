//! Versions in memory, in answers of the API.

use hotplate_actors::Hotplate;
use serde::Serialize;
use utoipa::ToSchema;

use super::CauseAnswer;
use crate::metrics::now_ms;

/// The versions that are in memory.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct LeaksAnswer {
    /// Versions in memory, the one that is served included.
    pub(in super::super) alive: usize,
    /// The most versions that were in memory at once.
    pub(in super::super) high_water: usize,
    /// Versions that are held for too long.
    pub(in super::super) leaked: usize,
    /// The time after which a version that is two or more behind counts as held for too long, in milliseconds.
    pub(in super::super) leaked_after_ms: u64,
    /// The versions that are no longer served and still in memory, oldest first.
    pub(in super::super) versions: Vec<SupersededAnswer>,
}

/// A version that is no longer served and still in memory.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct SupersededAnswer {
    /// The number of the version.
    pub(in super::super) version: u64,
    /// The time at which it was superseded, in milliseconds since 1970.
    pub(in super::super) superseded_ms: u64,
    /// The number of references to it.
    pub(in super::super) references: usize,
    /// True if it is held for too long.
    pub(in super::super) is_leaked: bool,
    /// The holders that gave a name or a trace id. Others are not known.
    pub(in super::super) holders: Vec<HolderAnswer>,
}

/// A holder of a version.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct HolderAnswer {
    /// `pin` for a pinned version, or `render`.
    pub(in super::super) kind: &'static str,
    /// Its name: that of a pinned version, or the template that is rendered.
    pub(in super::super) name: Option<String>,
    /// Its trace id.
    pub(in super::super) trace: Option<String>,
}

impl LeaksAnswer {
    pub(in super::super) fn of(hotplate: &Hotplate) -> Self {
        let (counters, leaks, now_ms) = (hotplate.counters(), hotplate.leaks(), now_ms());
        let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let versions = leaks.iter().map(|leak| SupersededAnswer {
            version: leak.version.number(),
            superseded_ms: now_ms.saturating_sub(ms(leak.superseded)),
            references: leak.references,
            is_leaked: leak.is_leaked,
            holders: leak
                .holders
                .iter()
                .map(|holder| {
                    let CauseAnswer { by, trace, .. } = CauseAnswer::of(&holder.cause);
                    HolderAnswer {
                        kind: holder.kind.as_str(),
                        name: by,
                        trace,
                    }
                })
                .collect(),
        });
        Self {
            alive: counters.snapshots_live,
            high_water: counters.snapshots_high_water,
            leaked: leaks.iter().filter(|leak| leak.is_leaked).count(),
            leaked_after_ms: ms(hotplate.limits().leaked_after()),
            versions: versions.collect(),
        }
    }
}
