//! hotplate over HTTP with actix-web: one call mounts it, an extractor renders, a responder answers.
//!
//! - [`Web`] is the one call: `App::new().configure(web.mount())`.
//! - [`Templates`] is the extractor, [`Page`] what it answers with.
//! - [`Pages`] serves a whole [site](crate::site) by the same path.
//! - [`live`] is what a browser gets while templates are written, and never in production.
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
use live::labels::Setting;

pub use live::editor::{Editor, EditorError};
pub use live::inject::Nonce;
pub use page::Page;
pub use pages::Pages;
pub use templates::{Deadline, Templates};

/// What a visitor sees of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Faults {
    /// The diagnostic, with the line of the template: for authors.
    Shown,
    /// That there is one: for everybody else. The log has the diagnostic.
    Hidden,
}

/// How hotplate answers over HTTP. A clone is the same; one serves all workers.
///
/// What is set after the first [`mount`](Web::mount) has no effect on it.
#[derive(Debug, Clone)]
pub struct Web {
    hotplate: Hotplate,
    faults: Faults,
    deadline: Option<Duration>,
    /// For development, if it is that.
    setting: Option<Setting>,
    live: Arc<OnceLock<Live>>,
    digests: Arc<Digests>,
}

impl Web {
    /// For production: faults are hidden, and nothing is added to a page.
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

    /// Whether this is for the author of the templates: then browsers follow each edit by themselves and show what is wrong with
    /// it, source lines included ([`live`]).
    #[must_use]
    pub fn development(mut self, on: bool) -> Self {
        self.faults = if on { Faults::Shown } else { Faults::Hidden };
        self.setting = on.then(Setting::default);
        self
    }

    /// What visitors see of a fault.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// How long a request may take until its page is rendered, counted from when its handler asks for [`Templates`]. A
    /// [`Deadline`] in the extensions of a request goes before this.
    #[must_use]
    pub fn deadline(mut self, within: Duration) -> Self {
        self.deadline = Some(within);
        self
    }

    /// The editor that links in the overlay open. Without effect in production, like everything below.
    #[must_use]
    pub fn editor(self, editor: Editor) -> Self {
        self.set(|setting| setting.editor = editor)
    }

    /// The directory that the names of templates are relative to, so that the overlay can link to them.
    #[must_use]
    pub fn sources(self, directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        let directory = std::path::absolute(&directory).unwrap_or(directory);
        self.set(|setting| setting.sources.file = Arc::new(move |name| Some(directory.join(name.as_str()))))
    }

    /// A directory of stylesheets, and the path that they are served under: pages exchange those that change.
    #[must_use]
    pub fn styles(self, path: impl Into<String>, directory: impl Into<PathBuf>) -> Self {
        self.set(|setting| setting.styles = Some((path.into(), directory.into())))
    }

    /// One more name that browsers may know this server by. Addresses and `localhost` need none; any other name could be that of
    /// a stranger's page, which has had itself resolved to this machine in order to read your sources.
    #[must_use]
    pub fn host(self, name: impl Into<String>) -> Self {
        self.set(|setting| setting.hosts.push(name.into()))
    }

    /// Sets the limits of browsers that follow edits.
    #[must_use]
    pub fn live_limits(self, limits: LiveLimits) -> Self {
        self.set(|setting| setting.limits = limits)
    }

    /// How names are shown, and where their files are.
    pub(crate) fn shown(
        self,
        shown: impl Fn(&TemplateName) -> TemplateName + Send + Sync + 'static,
        file: impl Fn(&TemplateName) -> Option<PathBuf> + Send + Sync + 'static,
    ) -> Self {
        self.set(|setting| {
            setting.sources.shown = Arc::new(shown);
            setting.sources.file = Arc::new(file);
        })
    }

    fn set(mut self, set: impl FnOnce(&mut Setting)) -> Self {
        self.setting.as_mut().map(set);
        self
    }

    /// For [`App::configure`](actix_web::App::configure), or the `configure` of a scope. In development it has to come before
    /// anything that takes every path.
    pub fn mount(&self) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
        let web = self.clone();
        move |app| {
            if let Some(live) = web.live() {
                live.routes(app);
            }
            app.app_data(Data::new(web));
        }
    }

    /// For [`HttpServer::on_connect`](actix_web::HttpServer::on_connect), in development: ends the connections of browsers that follow
    /// edits and never read. Without it they are left to the system.
    pub fn connected(&self) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + Clone + use<> {
        let web = self.clone();
        move |connection, _| {
            if let Some(live) = web.live() {
                live.bound(connection);
            }
        }
    }

    /// Ends the streams of browsers that follow edits, and each that begins from now on: they would hold up a server that ends
    /// until its `shutdown_timeout`. On Linux they end by themselves with SIGTERM and SIGINT. Call this before
    /// [`ServerHandle::stop`](actix_web::dev::ServerHandle::stop), and elsewhere where you handle these signals.
    pub fn end_streams(&self) {
        if let Some(live) = self.live.get() {
            live.end();
        }
    }

    /// The engine.
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

    /// What a browser gets besides the page, if this one may.
    fn live_for(&self, request: &HttpRequest) -> Option<&Live> {
        self.live().filter(|live| live.trusts(request))
    }

    /// What the sender of a request may see of a fault.
    fn faults_for(&self, request: &HttpRequest) -> Faults {
        match self.live() {
            Some(live) if !live.trusts(request) => Faults::Hidden,
            _ => self.faults,
        }
    }
}
