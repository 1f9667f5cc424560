//! All messages, in the order of the pipeline.
//!
//! Commands are imperative or name what is handed on, have one receiver and a typed reply. The reply of `SourcesChanged`,
//! `Compiled` and `PublishBatch` is the outcome of the rest of the pipeline, so a Watcher has one batch in flight. Events are past tense and
//! have no reply; a query is named after what it returns.

use std::sync::Arc;
use std::time::Instant;

use actix::Message;

use crate::cause::Cause;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::snapshot::index::Index;
use crate::snapshot::{Compared, Content, Snapshot, StoredStale};
use crate::supervision::{Fault, TakenSlot, Unavailable};
use crate::template::{Digest, Source, Stage, TemplateKey, TemplateName};
use crate::version::{Revision, Version};

use super::batch::CompiledBatch;
use super::hold::WaitingTemplates;
pub use super::kept::{StoredVersionInfo, VersionNotKept, VersionOrigin};
use super::load::LoaderError;
use super::plan::Plan;
use super::render::{RenderFailure, RenderOptions, Rendered};
use super::report::Report;
pub use super::stage::StageAction;

// --- to the Watcher ---------------------------------------------------------------------------------------------------------

/// Sync after a hint that something may have changed. Several hints lead to one sync.
#[derive(Debug, Message)]
#[rtype(result = "SyncOutcome")]
pub struct SyncSources {
    /// The single slot that hints have in the mailbox.
    pub place: TakenSlot,
    /// The span of the batch, from the hint on.
    pub batch: tracing::Span,
}

/// Sync everything. It is answered when everything that was written before is live, or named in the diagnostics.
#[derive(Debug, Clone, Default, Message)]
#[rtype(result = "SyncOutcome")]
pub struct Reload {
    /// True to read every byte again, for changes that neither an event nor a time stamp shows.
    pub full: bool,
    /// The cause: a name, a reason and a trace. Without a name it is the loader.
    pub cause: Cause,
}

/// The last message to a Watcher. It is answered once the batch in flight is decided; later hints are ignored.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Drained")]
pub struct Drain;

/// The answer to [`Drain`]: no batch is in flight.
#[derive(Debug, Clone, Copy)]
pub struct Drained;

impl From<Fault> for Drained {
    fn from(_: Fault) -> Self {
        Self
    }
}

/// The outcome of a sync.
#[derive(Debug)]
#[non_exhaustive]
pub enum SyncOutcome {
    /// Nothing differs from what was handed on before.
    Unchanged,
    /// Something differs, and the rest of the pipeline has decided about it.
    Decided(BatchOutcome),
    /// The loader failed; the previous version is still served.
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

/// Sources whose content differs from what was handed on before.
#[derive(Debug, Message)]
#[rtype(result = "BatchOutcome")]
pub struct SourcesChanged {
    /// The loader and the number of the batch.
    pub revision: Revision,
    /// True if these are all sources of the loader.
    pub complete: bool,
    /// New and changed sources.
    pub changed: Vec<Source>,
    /// Sources that exist and cannot be read, with the reasons.
    pub unreadable: Vec<(TemplateKey, Arc<[Diagnostic]>)>,
    /// Removed texts.
    pub removed: Vec<TemplateKey>,
    /// The time at which the first of these changes was noticed.
    pub noticed: Instant,
    /// The cause of the sync that found them: a name, a reason and a trace; the loader, if nobody asked for it.
    pub cause: Cause,
}

/// A compiled batch of sources.
#[derive(Debug, Message)]
#[rtype(result = "BatchOutcome")]
pub struct Compiled {
    /// The result for each text.
    pub batch: CompiledBatch,
    /// The time at which the first change of the batch was noticed.
    pub noticed: Instant,
    /// The cause: a name, a reason and a trace.
    pub cause: Cause,
}

/// The first batches of all loaders, which become one version.
#[derive(Debug, Message)]
#[rtype(result = "BatchOutcome")]
pub struct CompiledTogether(pub Vec<Compiled>);

/// Publish the next version.
#[derive(Debug, Message)]
#[rtype(result = "BatchOutcome")]
pub struct PublishBatch<G> {
    /// The number of the accepted state that the plan was made for. If another one was accepted since, the answer is `Conflict`.
    pub base: u64,
    /// The content of the version.
    pub plan: Plan,
    /// The state of the Graph, which the Registry commits together with the version and does not look into.
    pub graph: G,
    /// The time at which the first change of the batch was noticed.
    pub noticed: Instant,
    /// The cause: a name, a reason and a trace.
    pub cause: Cause,
}

/// The outcome of a batch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum BatchOutcome {
    /// It was published as a new version.
    Published(Arc<Report>),
    /// It changes nothing.
    Unchanged(Version),
    /// It was rejected; the previous version is still served.
    Refused(String),
    /// The plan was made for another state than the one that the Registry has. The Graph makes a new one, so nothing has to be sent again.
    Conflict,
    /// The outcome is unknown: everything has to be sent again.
    Lost(String),
}

impl From<Fault> for BatchOutcome {
    fn from(fault: Fault) -> Self {
        Self::Lost(fault.to_string())
    }
}

/// Continue from a version that an earlier process has published and stored. Sent once, before anything is loaded.
#[derive(Debug, Message)]
#[rtype(result = "BatchOutcome")]
pub struct RestoreVersion<G> {
    /// The content of the version.
    pub plan: Plan,
    /// The templates that were stale.
    pub(crate) stale: Vec<StoredStale>,
    /// The number of the version.
    pub version: Version,
    /// The state of the Graph.
    pub graph: G,
    /// The store that it comes from.
    pub cause: Cause,
    /// The time and the cause with which it was published, if they were stored.
    pub origin: Option<VersionOrigin>,
}

/// Keep a version that an earlier process has published, as one of the history. It was read from the store.
#[derive(Debug, Message)]
#[rtype(result = "BatchOutcome")]
pub struct KeepVersion<G> {
    /// The number of the accepted state that the ids of `names` and `graph` continue. If there is another one, the answer is
    /// [`BatchOutcome::Conflict`].
    pub base: u64,
    /// The number of the version.
    pub version: Version,
    /// All names, also those that only this version has.
    pub(crate) names: Index,
    /// The content of the version.
    pub(crate) content: Content,
    /// The state of the Graph, with the same names.
    pub graph: G,
}

// --- to the StoreWriter -----------------------------------------------------------------------------------------------------

/// Store what was accepted and is not stored yet. The newest version counts, so several requests lead to one write.
#[derive(Debug, Message)]
#[rtype(result = "StoreOutcome")]
pub struct StoreAccepted {
    /// The single slot that requests have in the mailbox; absent for a caller who waits for the outcome.
    pub place: Option<TakenSlot>,
}

/// The outcome of storing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreOutcome {
    /// Everything that was accepted is durable.
    Stored,
    /// It is not, for this reason. It is tried again.
    Failed(String),
}

impl From<Fault> for StoreOutcome {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault.to_string())
    }
}

// --- to the Registry --------------------------------------------------------------------------------------------------------

/// An idempotency key. A command that is sent again with the same key is not done again, and receives the first answer.
///
/// It is a digest, so that a key of any length costs the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Digest);

impl IdempotencyKey {
    /// Creates the key that a caller chose for this kind of command.
    #[must_use]
    pub fn new(command: &str, text: &str) -> Self {
        Self(Digest::over([command.as_bytes(), &[0], text.as_bytes()]))
    }
}

/// Serve an earlier version again, under a new number. What the sources have instead waits, template by template, until it changes or until
/// [`Resume`].
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<RolledBack, Unavailable>")]
pub struct RollBack {
    /// The version, one of [`History`].
    pub to: Version,
    /// The options of the command.
    pub command: CommandOptions,
}

/// End all rollbacks: apply everything that waits.
#[derive(Debug, Clone, Default, Message)]
#[rtype(result = "Result<RolledBack, Unavailable>")]
pub struct Resume {
    /// The options of the command.
    pub command: CommandOptions,
}

/// Do something about a stage other than stable.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<RolledBack, Unavailable>")]
pub struct CommandStage {
    /// The stage.
    pub stage: Stage,
    /// The action.
    pub action: StageAction,
    /// The options of the command.
    pub command: CommandOptions,
}

/// Record what the judge has stopped, and begin the next step of an automatic rollout if it is due.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "StagesReviewed")]
pub struct ReviewStages;

/// The answer to [`ReviewStages`].
#[derive(Debug, Clone, Copy)]
pub struct StagesReviewed;

impl From<Fault> for StagesReviewed {
    fn from(_: Fault) -> Self {
        Self
    }
}

/// The options of a command of an operator.
#[derive(Debug, Clone, Default)]
pub struct CommandOptions {
    /// The idempotency key.
    pub key: Option<IdempotencyKey>,
    /// The version that the operator has seen. If another one is served, nothing is done and the answer is [`RolledBack::Conflict`].
    pub expected: Option<Version>,
    /// The cause: a name, a reason and a trace.
    pub cause: Cause,
}

/// The outcome of a [`RollBack`], [`Resume`] or [`CommandStage`].
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RolledBack {
    /// A new version was published.
    Published(Arc<Report>),
    /// Nothing waited, or it changes nothing that is served. A command about a stage was carried out.
    Unchanged(Version),
    /// The command is refused, for this reason. Texts that wait still wait.
    Refused(String),
    /// The version is not kept, or no longer.
    NotKept(VersionNotKept),
    /// The version is the one that is served, so there is nothing to roll back.
    AlreadyServed(Version),
    /// Another version is served than the operator expected, so nothing was done.
    Conflict(VersionConflict),
}

impl RolledBack {
    /// Returns the reason why the command was refused, if it was.
    pub(crate) fn refusal(&self) -> Option<String> {
        match self {
            Self::Published(_) | Self::Unchanged(_) => None,
            Self::NotKept(not_kept) => Some(not_kept.to_string()),
            Self::AlreadyServed(version) => Some(format!("version {version} is served already")),
            Self::Conflict(conflict) => Some(conflict.to_string()),
            Self::Refused(reason) => Some(reason.clone()),
        }
    }
}

/// Another version is served than a caller expected: somebody else changed something meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error(
    "version {served} is served and not {expected}, so nothing was done: it was made by {cause}; compare the two and decide again"
)]
pub struct VersionConflict {
    /// The version that the caller expected.
    pub expected: Version,
    /// The version that is served.
    pub served: Version,
    /// The cause of that version: a name, a reason and a trace.
    pub cause: Cause,
}

/// Query for the current snapshot.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Arc<Snapshot>, Unavailable>")]
pub struct CurrentSnapshot;

/// Query for the versions that can be rolled back to.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<KeptVersions, Unavailable>")]
pub struct History;

/// The versions that can be rolled back to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct KeptVersions {
    /// The versions, oldest first, the current one last.
    pub versions: Vec<Version>,
    /// The versions of earlier processes that the store has, oldest first. They can be compared and rolled back to as well, which puts them
    /// into `versions`.
    pub stored: Vec<StoredVersionInfo>,
    /// The templates whose newest text waits because of a [`RollBack`].
    pub waiting: WaitingTemplates,
}

/// Query for the differences between two versions of [`History`], or between one and the sources.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Compared, CompareError>")]
pub struct Compare {
    /// The first version.
    pub from: Version,
    /// The second version; the sources as they are now, if it is absent.
    pub to: Option<Version>,
}

/// Errors of comparing two versions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// One of the versions is not, or no longer, kept.
    #[error(transparent)]
    NotKept(#[from] VersionNotKept),
    /// One of the versions is stored, and cannot be read.
    #[error("{0}")]
    Unreadable(String),
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

/// Query for the templates that reach a template by calls, itself not included.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Vec<TemplateName>, Unavailable>")]
pub struct Dependents(pub TemplateName);

/// Query for all calls between templates.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Vec<Edge>, Unavailable>")]
pub struct Edges;

/// One template calls another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Edge {
    /// The caller.
    pub caller: TemplateName,
    /// The template that is called.
    pub callee: TemplateName,
    /// True if the called template exists.
    pub exists: bool,
}

// --- to the Renderer --------------------------------------------------------------------------------------------------------

/// Render one entry with data of its own.
#[derive(Debug, Message)]
#[rtype(result = "Result<Rendered, RenderFailure>")]
pub struct Render {
    /// The name of the entry.
    pub name: String,
    /// The data.
    pub context: Context,
    /// The options.
    pub options: RenderOptions,
}

impl Render {
    /// Creates a render with the default options.
    #[must_use]
    pub fn new(name: impl Into<String>, context: Context) -> Self {
        Self {
            name: name.into(),
            context,
            options: RenderOptions::default(),
        }
    }
}
