//! The whole protocol, in the order of the flow.
//!
//! Commands are imperative or name what is handed on, have one receiver and a typed reply. The reply of `SourcesChanged`,
//! `Compiled` and `PublishBatch` is the outcome of the rest of the line, so a Watcher has one batch in flight. Events are past
//! tense and have no reply; queries are the noun asked for.

use std::sync::Arc;
use std::time::Instant;

use actix::Message;

use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::snapshot::{Compared, Snapshot};
use crate::supervision::{Fault, TakenSlot, Unavailable};
use crate::template::{Digest, Source, TemplateName};
use crate::version::{Revision, Version};

use super::batch::CompiledBatch;
use super::load::LoaderError;
use super::plan::Plan;
use super::render::{RenderFailure, RenderOptions, Rendered};
use super::report::Report;

// --- to the Watcher ---------------------------------------------------------------------------------------------------------

/// A loader has a hint that something changed: look. Several hints are one look.
#[derive(Debug, Message)]
#[rtype(result = "SyncOutcome")]
pub struct SyncSources {
    /// The one place that hints have in the mailbox.
    pub place: TakenSlot,
    /// Of the batch, from the hint on.
    pub batch: tracing::Span,
}

/// Answers when everything that was written before the call is live, or named in the diagnostics.
#[derive(Debug, Clone, Copy, Default, Message)]
#[rtype(result = "SyncOutcome")]
pub struct Reload {
    /// Reads every byte again, for what no event and no time stamp can show.
    pub full: bool,
}

/// The last message to a Watcher: it is answered once the batch in hand is decided, and no hint is followed any more.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Drained")]
pub struct Drain;

/// No batch is in flight.
#[derive(Debug, Clone, Copy)]
pub struct Drained;

impl From<Fault> for Drained {
    fn from(_: Fault) -> Self {
        Self
    }
}

/// What came of a look.
#[derive(Debug)]
#[non_exhaustive]
pub enum SyncOutcome {
    /// Nothing differed from what was handed on before.
    Unchanged,
    /// Something differed, and this came of it.
    Decided(BatchOutcome),
    /// The loader could not look; what was served goes on.
    LoadFailed(LoaderError),
    /// The Watcher failed.
    Failed(Fault),
}

impl From<Fault> for SyncOutcome {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

// --- Watcher → Compiler → Graph → Registry ----------------------------------------------------------------------------------

/// Sources whose content really differs.
#[derive(Debug, Message)]
#[rtype(result = "BatchOutcome")]
pub struct SourcesChanged {
    /// Whose, and which.
    pub revision: Revision,
    /// Whether these are all sources of the loader.
    pub complete: bool,
    /// New or with other content.
    pub changed: Vec<Source>,
    /// There, but they cannot be read, with the reason.
    pub unreadable: Vec<(TemplateName, Arc<[Diagnostic]>)>,
    /// No longer there.
    pub removed: Vec<TemplateName>,
    /// When the first of these changes was noticed.
    pub noticed: Instant,
}

/// The same sources as units, or with what is wrong with them.
#[derive(Debug, Message)]
#[rtype(result = "BatchOutcome")]
pub struct Compiled {
    /// What became of each text.
    pub batch: CompiledBatch,
    /// When the first change of the batch was noticed.
    pub noticed: Instant,
}

/// What the next version is to be.
#[derive(Debug, Message)]
#[rtype(result = "BatchOutcome")]
pub struct PublishBatch<G> {
    /// What changes.
    pub plan: Plan,
    /// What the Registry keeps for the Graph, together with the version, and does not look into.
    pub graph: G,
    /// When the first change of the batch was noticed.
    pub noticed: Instant,
}

/// What became of a batch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum BatchOutcome {
    /// It is a new version.
    Published(Arc<Report>),
    /// It is what is served already.
    Unchanged(Version),
    /// It is accepted, and waits until a roll-back is ended.
    Held(Version),
    /// It is not accepted; what was served goes on.
    Refused(String),
    /// The Registry has something else than the plan was made for.
    Conflict,
    /// It is unknown what became of it: send everything again.
    Lost(String),
}

impl From<Fault> for BatchOutcome {
    fn from(fault: Fault) -> Self {
        Self::Lost(fault.to_string())
    }
}

// --- to the Registry --------------------------------------------------------------------------------------------------------

/// Under which a command is done once: sent again with the same key, it is answered as it was, and not done again.
///
/// A digest, so that a key of any length costs the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Digest);

impl IdempotencyKey {
    /// The key that a caller chose for this kind of command.
    #[must_use]
    pub fn new(command: &str, text: &str) -> Self {
        Self(Digest::over([command.as_bytes(), &[0], text.as_bytes()]))
    }
}

/// Serve an earlier version again, under a new number, and hold it until [`Resume`].
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<RolledBack, Unavailable>")]
pub struct RollBack {
    /// One of [`History`].
    pub to: Version,
    /// Under which it is done once.
    pub key: Option<IdempotencyKey>,
}

/// End what [`RollBack`] began: serve the newest again.
#[derive(Debug, Clone, Copy, Default, Message)]
#[rtype(result = "Result<RolledBack, Unavailable>")]
pub struct Resume {
    /// Under which it is done once.
    pub key: Option<IdempotencyKey>,
}

/// What came of a [`RollBack`] or [`Resume`].
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RolledBack {
    /// This is served now.
    Published(Arc<Report>),
    /// Nothing was held.
    Unchanged(Version),
    /// There is no such version, or no more.
    NotKept(VersionNotKept),
}

/// A version that is not, or no longer, kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error("version {wanted} is not kept; kept are: {}", listed(kept))]
pub struct VersionNotKept {
    /// Which.
    pub wanted: Version,
    /// Those that are, oldest first, the current one last.
    pub kept: Vec<Version>,
}

fn listed(versions: &[Version]) -> String {
    let versions: Vec<String> = versions.iter().map(Version::to_string).collect();
    versions.join(", ")
}

/// What is served now.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Arc<Snapshot>, Unavailable>")]
pub struct CurrentSnapshot;

/// What can be gone back to.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<KeptVersions, Unavailable>")]
pub struct History;

/// What can be gone back to, and whether somebody did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct KeptVersions {
    /// Oldest first, the current one last.
    pub versions: Vec<Version>,
    /// Whether what is served was chosen by a [`RollBack`], so that edits wait.
    pub held: bool,
}

/// Two versions of [`History`], to be compared.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Compared, CompareError>")]
pub struct Compare {
    /// The first.
    pub from: Version,
    /// The second.
    pub to: Version,
}

/// Errors of comparing two versions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// One of the versions is not, or no longer, kept.
    #[error(transparent)]
    NotKept(#[from] VersionNotKept),
    /// There is no answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<Fault> for CompareError {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(fault.into())
    }
}

// --- to the Graph -----------------------------------------------------------------------------------------------------------

/// Everything that reaches a template by calls, itself not included.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Vec<TemplateName>, Unavailable>")]
pub struct Dependents(pub TemplateName);

/// Who calls whom.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Vec<Edge>, Unavailable>")]
pub struct Edges;

/// One template calls another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Edge {
    /// Who calls.
    pub caller: TemplateName,
    /// Who is called.
    pub callee: TemplateName,
    /// Whether the called template is there.
    pub exists: bool,
}

// --- to the Renderer --------------------------------------------------------------------------------------------------------

/// Render one entry with data of its own.
#[derive(Debug, Message)]
#[rtype(result = "Result<Rendered, RenderFailure>")]
pub struct Render {
    /// Which entry.
    pub name: String,
    /// With what.
    pub context: Context,
    /// How.
    pub options: RenderOptions,
}

impl Render {
    /// A render with the default options.
    #[must_use]
    pub fn new(name: impl Into<String>, context: Context) -> Self {
        Self {
            name: name.into(),
            context,
            options: RenderOptions::default(),
        }
    }
}
