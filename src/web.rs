//! hotplate over HTTP with actix-web: one call mounts it, an extractor renders, a responder answers.
//!
//! - [`Web`] is the configuration; `App::new().configure(web.mount())` mounts it.
//! - [`Templates`] is the extractor that renders, [`Page`] the responder that it returns.
//! - [`Scopes`] is the middleware that chooses the tenant and the stage of a request.
//! - [`Pages`] serves a whole [site](crate::site) with the same code.
//! - [`live`] is the live reload of development: it is never active in production.
//!
//! ```no_run
//! use actix_web::{App, HttpServer, Responder, get, web::Path};
//! use hotplate::{Hotplate, web::{Templates, Web}};
//!
//! #[get("/hello/{name}")]
//! async fn hello(templates: Templates, name: Path<String>) -> impl Responder {
//!     templates.page("hello.html", &serde_json::json!({ "name": name.as_str() }))
//! }
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let web = Web::new(Hotplate::builder().root("templates").start()?).development(cfg!(debug_assertions));
//! HttpServer::new(move || App::new().configure(web.mount()).service(hello)).bind("127.0.0.1:8080")?.run().await?;
//! # Ok(())
//! # }
//! ```

mod templates;
mod page;
mod etag;
mod escaped;
mod response;
mod digests;
mod pages;
mod pin;
mod scopes;
mod missing;
mod files;
pub mod live;

use std::any::Any;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use actix_web::web::{Data, ServiceConfig};
use hotplate_actors::{Hotplate, TemplateName};

use crate::LiveLimits;
use digests::Digests;
use live::Live;
use live::labels::LiveSettings;

pub use live::editor::{Editor, EditorError};
pub use live::inject::Nonce;
pub use page::Page;
pub use pages::Pages;
pub use pin::{PIN_KEY_BYTES_MIN, VersionPin, WeakPinKey};
pub use scopes::{Scopes, ScopesService};
pub use templates::{Deadline, Templates};

/// The amount of detail about a rendering error that a visitor sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Faults {
    /// The diagnostic with the source line of the template, for authors.
    Shown,
    /// A neutral sentence, for everybody else. The diagnostic is in the log.
    Hidden,
}

/// The configuration of hotplate over HTTP. Clones share one state, so a single `Web` serves all workers.
///
/// Settings that are changed after the first [`mount`](Web::mount) have no effect.
#[derive(Debug, Clone)]
pub struct Web {
    hotplate: Hotplate,
    faults: Faults,
    deadline: Option<Duration>,
    /// The settings of development; `None` in production.
    setting: Option<LiveSettings>,
    live: Arc<OnceLock<Live>>,
    digests: Arc<Digests>,
}

impl Web {
    /// Creates the configuration for production: errors are hidden, and nothing is added to a page.
    #[must_use]
    pub fn new(hotplate: Hotplate) -> Self {
        Self {
            hotplate,
            faults: Faults::Hidden,
            deadline: None,
            setting: None,
            live: Arc::default(),
            digests: Arc::default(),
        }
    }

    /// Switches to development: browsers follow each edit automatically and show its errors with source lines ([`live`]).
    #[must_use]
    pub fn development(mut self, on: bool) -> Self {
        self.faults = if on { Faults::Shown } else { Faults::Hidden };
        self.setting = on.then(LiveSettings::default);
        self
    }

    /// Sets how much of a rendering error visitors see.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Sets how long a request may take until its page is rendered, counted from the extraction of [`Templates`]. A
    /// [`Deadline`] in the extensions of a request takes precedence.
    #[must_use]
    pub fn deadline(mut self, within: Duration) -> Self {
        self.deadline = Some(within);
        self
    }

    /// Sets the editor that links in the overlay open. This and all settings below have no effect in production.
    #[must_use]
    pub fn editor(self, editor: Editor) -> Self {
        self.set(|setting| setting.editor = editor)
    }

    /// Sets whether the overlay opens by itself when a page has errors. Otherwise, a button at the edge of the page opens it. An author can
    /// switch it in the browser too, with `?hotplate-overlay=off` or `on` in the address, which the browser remembers.
    #[must_use]
    pub fn overlay(self, on: bool) -> Self {
        self.set(|setting| setting.no_overlay = !on)
    }

    /// Sets the directory that template names are relative to, so that the overlay can link to the files.
    #[must_use]
    pub fn sources(self, directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        let directory = std::path::absolute(&directory).unwrap_or(directory);
        self.set(|setting| setting.sources.file = Arc::new(move |name| Some(directory.join(name.as_str()))))
    }

    /// Follows a directory of stylesheets that are served under `path`: open pages replace the ones that change.
    #[must_use]
    pub fn styles(self, path: impl Into<String>, directory: impl Into<PathBuf>) -> Self {
        self.set(|setting| setting.styles = Some((path.into(), directory.into())))
    }

    /// Allows one more host name for this server. IP addresses and `localhost` are always allowed. Any other name could belong to a
    /// foreign page that resolves its own name to this machine in order to read your sources (DNS rebinding).
    #[must_use]
    pub fn host(self, name: impl Into<String>) -> Self {
        self.set(|setting| setting.hosts.push(name.into()))
    }

    /// Sets the limits of browsers that follow edits.
    #[must_use]
    pub fn live_limits(self, limits: LiveLimits) -> Self {
        self.set(|setting| setting.limits = limits)
    }

    /// Sets how template names are displayed, and where their files are.
    pub(crate) fn with_sources(
        self,
        shown: impl Fn(&TemplateName) -> TemplateName + Send + Sync + 'static,
        file: impl Fn(&TemplateName) -> Option<PathBuf> + Send + Sync + 'static,
    ) -> Self {
        self.set(|setting| {
            setting.sources.shown = Arc::new(shown);
            setting.sources.file = Arc::new(file);
        })
    }

    fn set(mut self, set: impl FnOnce(&mut LiveSettings)) -> Self {
        self.setting.as_mut().map(set);
        self
    }

    /// Returns the function for [`App::configure`](actix_web::App::configure), or for the `configure` of a scope. In development it
    /// has to come before any route that takes every path.
    pub fn mount(&self) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
        let web = self.clone();
        move |app| {
            if let Some(live) = web.live() {
                live.routes(app);
            }
            app.app_data(Data::new(web));
        }
    }

    /// Returns the callback for [`HttpServer::on_connect`](actix_web::HttpServer::on_connect). In development it limits the socket
    /// buffer of each connection and, on Linux, closes connections of browsers that stop reading. Without it the system's own limits
    /// apply.
    pub fn connected(&self) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + Clone + use<> {
        let web = self.clone();
        move |connection, _| {
            if let Some(live) = web.live() {
                live.limit_connection(connection);
            }
        }
    }

    /// Ends all event streams of browsers that follow edits, and each one that is opened later. An open stream would delay the shutdown of
    /// the server until its `shutdown_timeout`. On Linux the streams end automatically on SIGTERM and SIGINT. Call this before
    /// [`ServerHandle::stop`](actix_web::dev::ServerHandle::stop), and on other systems where you handle these signals.
    pub fn end_streams(&self) {
        if let Some(live) = self.live.get() {
            live.end();
        }
    }

    /// Returns the handle of the engine.
    #[must_use]
    pub fn hotplate(&self) -> &Hotplate {
        &self.hotplate
    }

    fn live(&self) -> Option<&Live> {
        let setting = self.setting.as_ref()?;
        Some(
            self.live
                .get_or_init(|| Live::start(&self.hotplate, setting, &self.digests)),
        )
    }

    /// Returns the live reload for a request, if its sender may use it.
    fn live_for(&self, request: &HttpRequest) -> Option<&Live> {
        self.live().filter(|live| live.trusts(request))
    }

    /// Returns how much of a rendering error the sender of a request may see.
    fn faults_for(&self, request: &HttpRequest) -> Faults {
        match self.live() {
            Some(live) if !live.trusts(request) => Faults::Hidden,
            _ => self.faults,
        }
    }
}
