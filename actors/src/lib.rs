//! The engine of hotplate: actors that reload templates inside a running program with no downtime.
//!
//! ```text
//!  hints    ┌─────────┐ SourcesChanged ┌──────────┐ Compiled ┌───────┐ PublishBatch ┌──────────┐ Snapshot ┌──────────┐
//!  Loader ─▶│ Watcher │───────────────▶│ Compiler │─────────▶│ Graph │─────────────▶│ Registry │─────────▶│ Renderer │
//!           └─────────┘◀───────────────└──────────┘◀─────────└───────┘◀─────────────└──────────┘          └──────────┘
//!             ▲ Reload        the outcome travels back along the same line            │ Published, Fallback   ▲ Render
//! ```
//!
//! The modules stand in reading order: names and texts, values and budgets, the languages, the snapshot that is served, supervision, the
//! protocol, the actors along the pipeline, and the handle. There is no HTTP server here and no command.

#![cfg_attr(docsrs, feature(doc_cfg))]

/// Compiles the program in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod template;
pub mod text;
pub mod version;
mod wall_clock;
pub mod cause;
pub mod diagnostic;
pub mod limits;
pub mod value;
pub mod context;
pub mod budget;
mod suggestion;
#[doc(hidden)]
pub mod idempotency;
pub mod dialect;
pub mod snapshot;
pub mod supervision;
mod policies;
pub mod health;
pub mod counters;
pub mod loader;
pub mod protocol;
pub mod events;
pub mod judge;
pub mod stages;
mod accepted;
pub mod store;
pub mod audit;
mod without_subscriber;
mod fault_log;
mod watcher;
mod compiler;
#[doc(hidden)]
pub mod graph;
#[doc(hidden)]
pub mod registry;
#[doc(hidden)]
pub mod reader;
mod renderer;
mod store_writer;
pub mod samples;
mod contract;
mod engine;
mod handle;
pub mod conformance;
#[cfg(test)]
mod testing;

pub use audit::AuditOptions;
pub use cause::Cause;
pub use context::{Context, Prepared};
pub use contract::ContractPolicy;
pub use counters::Counters;
pub use diagnostic::{Diagnostic, Severity};
pub use engine::StartError;
pub use events::{Event, Fallback, Fixed, Published, Serving, Subscription};
pub use fault_log::{FAULTS_TARGET, RENDERS_TARGET};
pub use handle::{
    Builder, Commands, ExplainedLayer, Explanation, Hotplate, Pinned, Preview, Reloader, RenderRequest, Renders,
    ScopeHandle, TemplateHandle,
};
pub use health::{
    ActorHealth, ActorState, AuditHealth, Health, LoaderHealth, LoaderState, LoaderStatus, MailboxHealth, StoreHealth,
    WatchMode,
};
#[cfg(feature = "embed")]
#[doc(hidden)]
pub use include_dir;
pub use limits::Limits;
pub use loader::{
    BlockingLoader, DirectoryLoader, EmbeddedLoader, Links, Loader, MemoryHandle, MemoryLoader, Mount, RuleError,
    Rules, WatchBy,
};
pub use policies::ActorKind;
pub use protocol::messages::{self, CompareError, Reload, Render, VersionNotKept};
pub use protocol::preview::{PreviewError, PreviewReport, PreviewRequest, RenderComparison, SampleRender};
pub use protocol::reload::{NotCurrent, ReloadOutcome, ReloadReport};
pub use protocol::render::{Freshness, OnFailure, RenderFailure, RenderOptions, Rendered};
pub use protocol::report::{NameSample, ScopeReport};
pub use reader::ContextSource;
pub use snapshot::Status;
pub use store::{StoreError, StoreOptions};
#[doc(hidden)]
pub use suggestion::suggestion;
pub use supervision::{Policy, Restart, Strategy, Timeout, Unavailable};
pub use template::{Digest, NameError, Source, TemplateKey, TemplateName};
pub use value::Value;
pub use version::Version;
#[doc(hidden)]
pub use without_subscriber::warn_without_subscriber;
