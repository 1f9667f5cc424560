//! Reload templates inside a running Rust service with no downtime.
//!
//! ```
//! use hotplate::Hotplate;
//! use serde::Serialize;
//!
//! #[derive(Serialize)]
//! struct Page { name: &'static str }
//!
//! # let directory = tempfile::tempdir()?;
//! # let templates = directory.path();
//! # std::fs::write(templates.join("hello.html"), "<p>Hello {name}!</p>")?;
//! let hotplate = Hotplate::builder().root(templates).start()?;
//! let page = hotplate.render("hello.html", &Page { name: "<you>" })?;
//! assert_eq!(page.body, "<p>Hello &lt;you&gt;!</p>");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! From then on, saving `hello.html` changes the result of `render`. Every answer comes from one whole version, the old one or
//! the new one. If an edit does not compile, or fails when it is rendered, the last good version is still served, and
//! [`Rendered::freshness`] says so.
//!
//! [`Hotplate`] is a handle: clone it, send it to other threads, and use it from an actix-web app, from tokio or from a plain
//! thread. [`site`] describes the directories that the command `hotplate` serves.
//!
//! Features, none of which is on by default:
//!
//! - `audit-signature`: signatures of the audit log.
//! - `contract`: contracts between templates and the types of the program.
//! - `jinja`: templates in the language of Jinja2 and minijinja.
//! - `scope`: chooses the tenant and the stage of a request.
//! - `web`: serves a site with actix-web.
//! - `guard`: a server that bounds the resources of slow clients.
//! - `config`: reads `hotplate.toml`.
//! - `metrics`: the counters of an engine for prometheus-client.
//! - `admin`: dashboard, admin API and metrics on a listener of their own.
//! - `sidecar`: a render endpoint for services in other languages.
//! - `cli`: the command `hotplate`, which your own program can extend.

#![cfg_attr(docsrs, feature(doc_cfg))]

/// Compiles the programs in the README.
#[cfg(all(doctest, feature = "web", feature = "jinja"))]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod site;
#[cfg(feature = "config")]
mod source_url;
#[cfg(any(feature = "web", feature = "config"))]
mod live_limits;
#[cfg(any(feature = "guard", feature = "config"))]
mod connection_limits;
#[cfg(feature = "scope")]
pub mod scope;
#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "web")]
pub mod web;
#[cfg(feature = "guard")]
pub mod guard;
#[cfg(any(feature = "web", feature = "admin"))]
mod hosts;
#[cfg(any(feature = "web", feature = "admin"))]
mod percent;
#[cfg(any(feature = "web", feature = "admin"))]
mod sse;
#[cfg(feature = "admin")]
mod archive;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "admin")]
pub mod admin;
#[cfg(feature = "sidecar")]
pub mod sidecar;
#[cfg(feature = "cli")]
pub mod cli;

// The command names this crate as any other program does.
#[cfg(feature = "cli")]
extern crate self as hotplate;

#[cfg(any(feature = "guard", feature = "config"))]
pub use connection_limits::ConnectionLimits;
#[cfg(any(feature = "web", feature = "config"))]
pub use live_limits::LiveLimits;

pub use hotplate_actors::dialect::Missing;
#[cfg(feature = "embed")]
pub use hotplate_actors::embed;
pub use hotplate_actors::{
    ActorHealth, ActorKind, ActorState, AuditHealth, AuditOptions, BlockingLoader, Builder, Cause, Commands,
    CompareError, Context, ContextSource, ContractPolicy, Counters, Diagnostic, Digest, DirectoryLoader,
    EmbeddedLoader, Event, Explanation, FAULTS_TARGET, Fallback, Fixed, Freshness, Health, Hotplate, Limits, Links,
    Loader, LoaderState, MemoryHandle, MemoryLoader, Mount, NameError, NameSample, NotCurrent, OnFailure, Pinned,
    Policy, Preview, PreviewError, PreviewReport, PreviewRequest, Published, RENDERS_TARGET, Reload, ReloadOutcome,
    ReloadReport, Reloader, Render, RenderComparison, RenderFailure, RenderOptions, Rendered, Renders, Restart, Rules,
    SampleRender, ScopeHandle, ScopeReport, Serving, Severity, Source, StartError, Status, StoreError, StoreHealth,
    StoreOptions, Strategy, Subscription, TemplateHandle, TemplateKey, TemplateName, Timeout, Unavailable, Value,
    Version, VersionNotKept, WatchBy,
};
/// Modules for programs with their own dialect, loader or formatters, and for inspecting the served templates.
pub use hotplate_actors::{
    audit, budget, conformance, counters, diagnostic, dialect, judge, loader, messages, samples, snapshot, stages,
    supervision, template, text, value,
};

// The examples in the guides compile and run.
#[cfg(all(doctest, feature = "cli"))]
#[doc = include_str!("../docs/testing.md")]
#[doc = include_str!("../docs/embedding.md")]
struct Guides;
