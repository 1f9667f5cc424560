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
//! From here on, saving `hello.html` changes what `render` answers. Every answer comes from one whole version, the old one or
//! the new one. An edit that is broken, or that only fails when it is rendered, is answered from the last good version, and
//! the answer says so: [`Rendered::freshness`].
//!
//! [`Hotplate`] is a handle: clone it, send it, use it from an Actix app, from tokio or from a plain thread. [`site`] is the
//! layout of a directory that the command `hotplate` serves.
//!
//! Features, none on by default: `web` (serve a site with actix-web), `guard` (a server that bounds what slow clients hold), `config` (read `hotplate.toml`), `metrics` (what is counted,
//! for prometheus-client), `admin` (dashboard, admin API and metrics on a listener of their own), `cli` (the command, and what makes a program of yours one).

#![cfg_attr(docsrs, feature(doc_cfg))]

/// The programs in the README are compiled.
#[cfg(all(doctest, feature = "web"))]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod site;
#[cfg(any(feature = "web", feature = "config"))]
mod live_limits;
#[cfg(any(feature = "guard", feature = "config"))]
mod connection_limits;
#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "web")]
pub mod web;
#[cfg(feature = "guard")]
pub mod guard;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "admin")]
pub mod admin;
#[cfg(feature = "cli")]
pub mod cli;

// The command is written as any other user of this crate would write it.
#[cfg(feature = "cli")]
extern crate self as hotplate;

#[cfg(any(feature = "guard", feature = "config"))]
pub use connection_limits::ConnectionLimits;
#[cfg(any(feature = "web", feature = "config"))]
pub use live_limits::LiveLimits;

pub use hotplate_actors::dialect::Missing;
pub use hotplate_actors::{
    ActorHealth, ActorKind, ActorState, Builder, CallError, Context, ContextSource, Counters, Diagnostic, Digest,
    DirectoryLoader, Event, FAULTS_TARGET, Fallback, Fixed, Freshness, Health, Hotplate, Keyed, Limits, Links, Loader,
    MemoryHandle, MemoryLoader, Mount, NameError, NotCurrent, OnFailure, Pinned, Policy, Published, RENDERS_TARGET,
    Reload, ReloadOutcome, ReloadReport, Reloader, Render, RenderFailure, RenderOptions, Rendered, Renders, Restart,
    Rules, Serving, Severity, Source, StartError, Strategy, Subscription, TemplateHandle, TemplateName, Value, Version,
    WatchBy,
};
/// For those who bring a dialect, a loader or formatters of their own, or look inside what is served.
pub use hotplate_actors::{
    budget, counters, diagnostic, dialect, loader, messages, snapshot, supervision, text, value,
};

// The examples of the guides compile and run.
#[cfg(all(doctest, feature = "cli"))]
#[doc = include_str!("../docs/testing.md")]
#[doc = include_str!("../docs/embedding.md")]
struct Guides;
