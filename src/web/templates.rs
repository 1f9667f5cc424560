//! [`Templates`]: what a handler asks for to render with.

use std::future::{Ready, ready};
use std::time::Instant;

use actix_web::dev::Payload;
use actix_web::error::ErrorInternalServerError;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use hotplate_actors::dialect::Missing;
use hotplate_actors::reader::Serialized;
use hotplate_actors::snapshot::Standing;
use hotplate_actors::{
    Context, ContextSource, Freshness, Hotplate, Pinned, Render, RenderFailure, RenderOptions, Rendered,
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::etag::{self, ETag};
use super::page::{NotModified, Page, PageOutcome, Validator};
use super::{Faults, Web, digests};

/// Until when the answer to a request is of use. A middleware may put it into the extensions of a request, such as from what a
/// gateway says; it goes before [`Web::deadline`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(pub Instant);

/// Renders for one request: an extractor.
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
}

impl Templates {
    /// Renders an entry in this thread, and answers with it: content type by its extension, status by its freshness, `ETag`.
    /// Data is anything that serializes.
    ///
    /// Other requests of this worker wait meanwhile, for the data is borrowed and the answer has to be whole when this returns:
    ///
    /// - a template that loops holds the worker until an attempt has used up [`render_ms`](hotplate_actors::Limits::render_ms) or
    ///   `render_steps`, and then for as long as its last good version takes: once `render_ms` mostly, and five times at most. After
    ///   `breaker_failures` such answers the last good version is answered at once, and the newest is tried only now and then.
    /// - A formatter that blocks holds the worker for as long as it blocks, and no limit ends that.
    ///
    /// For pages that take long, whose texts are written by others, or with formatters that may block, use
    /// [`Templates::page_apart`], which holds up nobody.
    pub fn page<T: Serialize + ?Sized>(&self, name: &str, data: &T) -> Page {
        self.supplied(name, &Serialized(data), self.tag.as_deref())
    }

    /// Renders an entry by a message to the Renderer, in a thread of its own: for pages that take long. The render ends when the
    /// handler's future is dropped.
    ///
    /// actix-web drops it at once when the connection breaks. But a visitor who leaves closes the connection properly, and that
    /// alone may also mean that nothing more will be asked. Say that it means leaving, and the render ends then too:
    ///
    /// ```no_run
    /// # use actix_web::{App, HttpServer};
    /// # fn set() {
    /// HttpServer::new(|| App::new()).h1_allow_half_closed(false)
    /// # ;}
    /// ```
    ///
    /// Then a client that closes its half of the connection right after its request may not be answered. Without it, a render that
    /// nobody waits for ends with its own limits.
    pub async fn page_on_pool<T: Serialize + Send + 'static>(&self, name: &str, data: T) -> Page {
        let pinned = self.web.hotplate.snapshot();
        let validator = match self.before(&pinned, name, self.tag.as_deref()) {
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
        // What was rendered may be newer than what was looked at.
        let newer = rendered
            .as_ref()
            .is_ok_and(|rendered| rendered.version != pinned.version());
        let validator = if newer { Validator::Body } else { validator };
        self.after(&pinned, name, rendered, validator)
    }

    /// Says in a word on what the data depends, such as a revision, a date or a user: then the `ETag` is made of this word and of
    /// the texts of the entry, and a browser that has the page already is answered 304 without rendering it.
    ///
    /// Whatever the page shows and the templates do not say has to be in the word.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// Prints nothing for a path that leads nowhere, rather than failing.
    #[must_use]
    pub fn lenient(mut self) -> Self {
        self.missing = Missing::Lenient;
        self
    }

    /// The engine.
    #[must_use]
    pub fn hotplate(&self) -> &Hotplate {
        &self.web.hotplate
    }

    /// Renders an entry of one version, in this thread as far as that holds up nobody, else by the Renderer.
    pub(super) async fn in_turn(
        &self,
        pinned: &Pinned,
        name: &str,
        supply: impl ContextSource + Send + 'static,
    ) -> Page {
        let renderer = self.web.hotplate.renderer();
        let rendered = renderer.in_turn(pinned, name, supply, self.options()).await;
        self.after(pinned, name, rendered, Validator::Body)
    }

    /// Renders an entry in this thread.
    fn supplied(&self, name: &str, supply: &(impl ContextSource + ?Sized), tag: Option<&str>) -> Page {
        let options = self.options();
        // A snapshot is only looked into where it is needed: a plain page in production needs none.
        if tag.is_none() && self.web.setting.is_none() {
            let rendered = self.web.hotplate.render_supplied(name, supply, &options);
            return self.answer(name, rendered, Validator::Body);
        }
        let pinned = self.web.hotplate.snapshot();
        match self.before(&pinned, name, tag) {
            Ok(validator) => {
                let rendered = pinned.render_supplied(name, supply, &options);
                self.after(&pinned, name, rendered, validator)
            }
            Err(unchanged) => Page::new(name, PageOutcome::Unchanged(unchanged)),
        }
    }

    /// What the `ETag` will be made of, or the answer if the browser has that page already.
    fn before(&self, pinned: &Pinned, name: &str, tag: Option<&str>) -> Result<Validator, NotModified> {
        let snapshot = pinned.snapshot();
        // In development the page is more than its texts.
        let tag = tag.filter(|_| self.web.setting.is_none());
        let Some((tag, id)) = tag.zip(snapshot.id(name)) else {
            return Ok(Validator::Body);
        };
        let Some(digest) = self.web.digests.of(snapshot, id) else {
            return Ok(Validator::Body);
        };
        let etag = ETag::of_closure(&digest, tag);
        if etag::is_known(&self.request, &etag) {
            let (version, freshness) = match snapshot.standing(id) {
                Standing::Stale { since, .. } => (since, "stale"),
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

    /// A page, with what a browser has to know of it in development.
    fn after(
        &self,
        pinned: &Pinned,
        name: &str,
        rendered: Result<Rendered, RenderFailure>,
        validator: Validator,
    ) -> Page {
        let standing = pinned.snapshot().id(name).map(|id| pinned.snapshot().standing(id));
        let validator = match (&rendered, standing) {
            // What the validator is of failed with this data: that says nothing about what other data would come to.
            (Ok(rendered), Some(standing)) if !is_as_it_stands(rendered, &standing) => Validator::Body,
            _ => validator,
        };
        let shown = self.web.live_for(&self.request).map(|live| {
            let page = digests::page(&self.web.digests, pinned.snapshot(), name);
            live.shown(name, page, pinned, &rendered)
        });
        self.answer(name, rendered, validator).shown(shown)
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
            // Visitors see a page, and in development its author sees what is wrong.
            stand_in: self.web.faults == Faults::Hidden,
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
        }
    }
}

/// Returns true if an answer is from the very closure that its entry stands for, and not from an older one because that failed.
fn is_as_it_stands(rendered: &Rendered, standing: &Standing<'_>) -> bool {
    match (&rendered.freshness, standing) {
        (Freshness::Current, _) => true,
        (Freshness::Stale { since: from, .. }, Standing::Stale { since, .. }) => from == since,
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
