//! [`Templates`]: the extractor that renders entries for a request.

use std::future::{Ready, ready};
use std::time::Instant;

use actix_web::dev::Payload;
use actix_web::error::ErrorInternalServerError;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use hotplate_actors::dialect::Missing;
use hotplate_actors::reader::Serialized;
use hotplate_actors::snapshot::EntryStatus;
use hotplate_actors::template::Scope;
use hotplate_actors::{
    Context, ContextSource, Freshness, Hotplate, Pinned, Render, RenderFailure, RenderOptions, Rendered,
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::etag::{self, ETag};
use super::page::{NotModified, Page, PageOutcome, Validator};
use super::{Faults, Web, digests, scopes};

/// The deadline of a request. A middleware may put it into the extensions of a request, for example from a header of a gateway. It
/// takes precedence over [`Web::deadline`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(pub Instant);

/// An extractor that renders entries for one request.
///
/// ```
/// use actix_web::{Responder, get};
/// use hotplate::web::Templates;
///
/// #[get("/")]
/// async fn index(templates: Templates) -> impl Responder {
///     templates.page("index.html", &serde_json::json!({ "title": "Hello" }))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Templates {
    web: Data<Web>,
    request: HttpRequest,
    deadline: Option<Instant>,
    missing: Missing,
    tag: Option<String>,
    /// The scope of the request.
    scope: Scope,
}

impl Templates {
    /// Renders an entry in the current thread and returns it as a page with content type, status and `ETag`. The data is any type
    /// that implements `Serialize`.
    ///
    /// Other requests of this worker wait meanwhile:
    ///
    /// - A template that loops occupies the worker until an attempt has used up [`render_ms`](hotplate_actors::Limits::render_ms) or
    ///   `render_steps`, and then for as long as its last good version takes: usually `render_ms` once, and five times at most. After
    ///   `breaker_failures` such answers the last good version is answered at once, and the newest is tried only occasionally.
    /// - A formatter that blocks occupies the worker for as long as it blocks; no limit ends that.
    ///
    /// For slow pages, for templates of untrusted authors and for formatters that may block, use [`Templates::page_on_pool`], which
    /// does not occupy the worker.
    pub fn page<T: Serialize + ?Sized>(&self, name: &str, data: &T) -> Page {
        self.render_here(name, &Serialized(data), self.tag.as_deref())
    }

    /// Renders an entry in a thread of the Renderer's pool, by a message. The render is cancelled when the handler's future is dropped.
    ///
    /// actix-web drops the future at once when the connection breaks. A visitor who leaves closes the connection properly, which
    /// HTTP/1.1 also permits to a client that sends no further requests. With this setting it counts as leaving:
    ///
    /// ```no_run
    /// # use actix_web::{App, HttpServer};
    /// # fn set() {
    /// HttpServer::new(|| App::new()).h1_allow_half_closed(false)
    /// # ;}
    /// ```
    ///
    /// A client that closes its half of the connection right after its request may then get no answer. Without this setting an
    /// abandoned render ends with its own limits.
    pub async fn page_on_pool<T: Serialize + Send + 'static>(&self, name: &str, data: T) -> Page {
        let pinned = self.web.hotplate.snapshot();
        let validator = match self.validator(&pinned, name, self.tag.as_deref()) {
            Ok(validator) => validator,
            Err(unchanged) => return Page::new(name, PageOutcome::Unchanged(unchanged)),
        };
        let cancel = CancellationToken::new();
        let _gone = cancel.clone().drop_guard();
        let options = RenderOptions {
            cancel: Some(cancel),
            ..self.options()
        };
        let mut render = Render::new(name, Context::new(data));
        render.options = options;
        let rendered = self.web.hotplate.renderer().pooled().send(render).await;
        // The pool may have rendered a newer version than the one that the validator was made from.
        let newer = rendered
            .as_ref()
            .is_ok_and(|rendered| rendered.version != pinned.version());
        let validator = if newer { Validator::Body } else { validator };
        self.after(&pinned, name, rendered, validator)
    }

    /// Sets a cache key for the data, such as a revision, a date or a user. The `ETag` is then computed from this key and the
    /// templates of the entry, so a browser that already has the page is answered with 304 without a render.
    ///
    /// The key has to change whenever the data changes in a way that the page shows.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// Prints nothing for a missing path instead of failing.
    #[must_use]
    pub fn lenient(mut self) -> Self {
        self.missing = Missing::Lenient;
        self
    }

    /// Returns the handle of the engine.
    #[must_use]
    pub fn hotplate(&self) -> &Hotplate {
        &self.web.hotplate
    }

    /// Renders an entry of a pinned version: in the current thread if the render does not block other requests, otherwise in the Renderer's
    /// pool.
    pub(super) async fn render_pinned(
        &self,
        pinned: &Pinned,
        name: &str,
        source: impl ContextSource + Send + 'static,
    ) -> Page {
        let options = self.options();
        let request = pinned.request(name).with_source(source).options(&options);
        let rendered = self.web.hotplate.renderer().render(request).await;
        self.after(pinned, name, rendered, Validator::Body)
    }

    /// Renders an entry in the current thread.
    fn render_here(&self, name: &str, source: &(impl ContextSource + ?Sized), tag: Option<&str>) -> Page {
        let options = self.options();
        // A plain page in production needs neither a validator of its closure nor a script, so no snapshot is pinned for it.
        if tag.is_none() && self.web.setting.is_none() {
            let rendered = self
                .web
                .hotplate
                .request(name)
                .with_source(source)
                .options(&options)
                .render();
            return self.answer(name, rendered, Validator::Body);
        }
        let pinned = self.web.hotplate.snapshot();
        match self.validator(&pinned, name, tag) {
            Ok(validator) => {
                let rendered = pinned.request(name).with_source(source).options(&options).render();
                self.after(&pinned, name, rendered, validator)
            }
            Err(unchanged) => Page::new(name, PageOutcome::Unchanged(unchanged)),
        }
    }

    /// Returns the source of the `ETag`, or the answer if the browser already has the page.
    fn validator(&self, pinned: &Pinned, name: &str, tag: Option<&str>) -> Result<Validator, NotModified> {
        // In development the page also contains the script of live reload.
        let Some(tag) = tag.filter(|_| self.web.setting.is_none()) else {
            return Ok(Validator::Body);
        };
        let scoped = pinned.snapshot().scoped(&self.scope);
        let Some((scoped, id)) = scoped.and_then(|scoped| Some((scoped, scoped.id(name)?))) else {
            return Ok(Validator::Body);
        };
        let Some(digest) = self.web.digests.of(scoped, id) else {
            return Ok(Validator::Body);
        };
        let etag = ETag::of_closure(&digest, tag).in_scope(&self.scope);
        if etag::is_known(&self.request, &etag) {
            let (version, freshness) = match scoped.status(id) {
                EntryStatus::Stale { since, .. } => (since, "stale"),
                _ => (pinned.version(), "current"),
            };
            return Err(NotModified {
                etag,
                version,
                freshness,
            });
        }
        Ok(Validator::Closure(etag))
    }

    /// Builds the page; in development, with the script of live reload.
    fn after(
        &self,
        pinned: &Pinned,
        name: &str,
        rendered: Result<Rendered, RenderFailure>,
        validator: Validator,
    ) -> Page {
        let scoped = pinned.snapshot().scoped(&self.scope);
        let status = scoped.and_then(|scoped| Some(scoped.status(scoped.id(name)?)));
        let validator = match (&rendered, status) {
            // The closure that the validator describes failed with this data, and an older one was rendered.
            (Ok(rendered), Some(status)) if !is_published_closure(rendered, &status) => Validator::Body,
            _ => validator,
        };
        let script = self.web.live_for(&self.request).map(|live| {
            // The stream of events is about the pages of everyone, so the script compares with that.
            let page = digests::page(&self.web.digests, pinned.snapshot(), name);
            live.page_script(name, page, pinned, &rendered)
        });
        self.answer(name, rendered, validator).script(script)
    }

    fn answer(&self, name: &str, rendered: Result<Rendered, RenderFailure>, validator: Validator) -> Page {
        Page::new(
            name,
            match rendered {
                Ok(rendered) => PageOutcome::Rendered(rendered, validator),
                Err(failure) => PageOutcome::Failed(failure, self.web.faults_for(&self.request)),
            },
        )
    }

    fn options(&self) -> RenderOptions {
        RenderOptions {
            deadline: self.deadline,
            cancel: None,
            missing: self.missing,
            // Visitors get a page in any case; in development the author gets the error instead.
            stand_in: self.web.faults == Faults::Hidden,
            scope: self.scope.clone(),
            ..RenderOptions::default()
        }
    }

    pub(super) fn new(web: Data<Web>, request: &HttpRequest) -> Self {
        let deadline = request.extensions().get::<Deadline>().map(|deadline| deadline.0);
        let within = web.deadline.and_then(|within| Instant::now().checked_add(within));
        Self {
            web,
            request: request.clone(),
            deadline: deadline.or(within),
            missing: Missing::default(),
            tag: None,
            scope: scopes::scope_of(request),
        }
    }
}

/// Returns true if the text comes from the closure that is published for its entry, not from an older one after a failure.
fn is_published_closure(rendered: &Rendered, status: &EntryStatus<'_>) -> bool {
    match (&rendered.freshness, status) {
        (Freshness::Current, _) => true,
        (Freshness::Stale { since: from, .. }, EntryStatus::Stale { since, .. }) => from == since,
        _ => false,
    }
}

impl FromRequest for Templates {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match request.app_data::<Data<Web>>() {
            Some(web) => Ok(Self::new(web.clone(), request)),
            None => {
                tracing::error!("hotplate is not mounted here: add `.configure(web.mount())` to the app or the scope");
                Err(ErrorInternalServerError("This page cannot be shown at the moment.\n"))
            }
        })
    }
}
