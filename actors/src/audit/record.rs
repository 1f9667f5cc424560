//! [`AuditRecord`]: one change of what is served, or one that was refused.

use std::sync::Arc;

use crate::cause::Cause;
use crate::protocol::report::Report;
use crate::template::{Digest, Layer};
use crate::version::Version;

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum AuditAction {
    /// A batch of a loader was published.
    #[default]
    Publish,
    /// An operator rolled back.
    RollBack,
    /// An operator resumed what waits.
    Resume,
    /// A batch changed what waits because of a rollback, and nothing that is served.
    Hold,
    /// A batch or a command was refused, and nothing has changed.
    Refuse,
    /// The process began with a stored version.
    Restore,
    /// The judge stopped a stage.
    Stop,
    /// A decision about a stage, by its name.
    Stage(&'static str),
}

impl AuditAction {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::RollBack => "rollback",
            Self::Resume => "resume",
            Self::Hold => "hold",
            Self::Refuse => "refuse",
            Self::Restore => "restore",
            Self::Stop => "stop",
            Self::Stage(decision) => decision,
        }
    }
}

/// A record that is not written yet.
#[derive(Debug)]
pub(crate) struct AuditRecord {
    /// Its number among the records of this process, from 1.
    pub(crate) number: u64,
    /// The time in milliseconds since 1970. The clock may jump; the order of records is that of their numbers.
    pub(crate) at_ms: u64,
    pub(crate) action: AuditAction,
    pub(crate) cause: Cause,
    /// The version that was served before.
    pub(crate) before: Version,
    /// The version that is served now.
    pub(crate) version: Version,
    /// The digest of what is served now.
    pub(crate) digest: Digest,
    /// The number of templates that wait because of a rollback.
    pub(crate) waiting: usize,
    /// The differences, if another version is served.
    pub(crate) report: Option<Arc<Report>>,
    /// The reason of a refusal.
    pub(crate) refused: Option<String>,
    /// The layer of the stage that it is about.
    pub(crate) stage: Option<Layer>,
}
