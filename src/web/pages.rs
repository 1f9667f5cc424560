//! [`Pages`]: serves a whole site over HTTP.

use std::sync::Arc;

use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderValue, LOCATION, SET_COOKIE};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use hotplate_actors::{Hotplate, Pinned};
use tracing::Instrument;

use super::files::Files;
use super::live::PageScript;
use super::missing::SitePages;
use super::pin::VersionPin;
use super::templates::Templates;
use super::{Faults, Web, response, scopes};
use crate::site::{Site, SiteData};

/// A site served over HTTP: entries by their path, `static/**` under `/static/`.
///
/// Each answer contains the version of its text (`x-hotplate-version`) and its freshness (`x-hotplate-freshness`: `current`,
/// `stale` or `fallback`). Current and stale pages are answered with 200, or 304 if the browser already has the page; a stand-in
/// with 503; an unknown path with 404 and the site's `404.html`, or a built-in sentence if that page has no good version.
///
/// ```no_run
/// use actix_web::{App, HttpServer};
/// use hotplate::site::Site;
/// use hotplate::web::{Faults, Pages};
///
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let site = Site::open("examples/site")?;
/// let pages = Pages::new(site.builder().start()?, site, Faults::Hidden);
/// HttpServer::new(move || App::new().configure(|app| pages.configure(app)))
///     .bind("127.0.0.1:7878")?
///     .run()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Pages {
    web: Web,
    site: Site,
    static_cache_control: Option<HeaderValue>,
    version_headers: bool,
    /// The flows whose visitors stay on one version, if there are any.
    flows: Option<Flows>,
}

/// Pages that visitors see in one version: those below some paths.
#[derive(Debug, Clone)]
struct Flows {
    pin: VersionPin,
    paths: Arc<[String]>,
}

impl Pages {
    /// Creates the pages of a site from the engine that was started for it.
    #[must_use]
    pub fn new(hotplate: Hotplate, site: Site, faults: Faults) -> Self {
        Self::of(Web::new(hotplate).faults(faults), site)
    }

    /// Creates the pages of a site with a given configuration, such as for development. The links in the overlay and the stylesheets are
    /// set to the files of the site.
    #[must_use]
    pub fn of(web: Web, site: Site) -> Self {
        let (names, place) = (site.clone(), site.clone());
        let web = web.with_sources(
            move |name| names.shown(name),
            move |name| std::path::absolute(place.file(name)).ok(),
        );
        let web = match site.static_place() {
            Some(directory) => web.styles("/static", directory),
            None => web,
        };
        Self {
            web,
            site,
            static_cache_control: Some(HeaderValue::from_static(response::NO_CACHE)),
            version_headers: true,
            flows: None,
        }
    }

    /// Keeps each visitor of the pages below these paths on the version in which the flow began, as long as it is kept. A path is the
    /// beginning of an address, such as `/checkout/`. Their answers have a cookie, and shared caches do not keep them.
    #[must_use]
    pub fn pin(mut self, pin: VersionPin, paths: impl IntoIterator<Item = String>) -> Self {
        let paths = paths.into_iter().collect();
        self.flows = Some(Flows { pin, paths });
        self
    }

    /// Sets `Cache-Control` of static files; with `None` the browser decides how long it keeps a file without asking. The default
    /// is `no-cache`: a browser keeps a file and revalidates it at each use, which does not send an unchanged file again. In
    /// development it is always `no-cache`.
    ///
    /// ```
    /// # fn of(pages: hotplate::web::Pages) -> hotplate::web::Pages {
    /// use actix_web::http::header::HeaderValue;
    ///
    /// pages.static_cache_control(Some(HeaderValue::from_static("public, max-age=3600")))
    /// # }
    /// ```
    #[must_use]
    pub fn static_cache_control(mut self, value: Option<HeaderValue>) -> Self {
        self.static_cache_control = value;
        self
    }

    /// Enables or disables the headers `x-hotplate-version` and `x-hotplate-freshness`. They are enabled by default.
    #[must_use]
    pub fn version_headers(mut self, on: bool) -> Self {
        self.version_headers = on;
        self
    }

    /// Returns the files under `static/`; `None` for a kind of site that has none.
    fn files(&self) -> Option<Files> {
        let cache_control = match self.web.setting {
            Some(_) => Some(HeaderValue::from_static(response::NO_CACHE)),
            None => self.static_cache_control.clone(),
        };
        Some(Files {
            directory: self.site.static_place()?,
            links: self.site.links(),
            cache_control,
        })
    }

    /// Adds the pages and the static files to an app. Routes that were added before keep their paths.
    pub fn configure(&self, app: &mut ServiceConfig) {
        self.web.mount()(app);
        app.app_data(Data::new(self.clone()));
        app.service(web::resource("/{path:.*}").to(page));
    }

    /// Returns the configuration of the answers.
    #[must_use]
    pub fn web(&self) -> &Web {
        &self.web
    }

    /// Answers a path, decoded and without its query.
    async fn answer(&self, templates: &Templates, request: &HttpRequest, path: &str) -> HttpResponse {
        let hotplate = &self.web.hotplate;
        let flow = self
            .flows
            .as_ref()
            .filter(|flows| flows.has(path))
            .map(|flows| &flows.pin);
        let pinned = flow.map_or_else(|| hotplate.snapshot(), |pin| pin.snapshot(request, hotplate));
        let scope = scopes::scope_of(request);
        let Some(scoped) = pinned.snapshot().scoped(&scope) else {
            // Its tenant has no text, and the program did not ask for that before.
            return response::not_found(request, None, None);
        };
        if let Some(entry) = self.site.entry_in(scoped, path) {
            let page = templates.render_pinned(&pinned, entry.as_str(), SiteData).await;
            let page = match flow {
                Some(pin) => page
                    .header((SET_COOKIE, pin.cookie(hotplate, pinned.version())))
                    .header((CACHE_CONTROL, HeaderValue::from_static("private, no-cache"))),
                None => page,
            };
            return page.into_response(request);
        }
        // Relative links in `a/index.html` resolve below `a/` only if the address ends with a slash.
        let folder = format!("{path}/");
        if !path.ends_with('/') && self.site.entry_in(scoped, &folder).is_some() {
            return redirect_to_folder(request);
        }
        if self.site.is_awaited(&self.web.hotplate) {
            return response::no_pages_yet(request, self.awaited(request, &pinned, path));
        }
        match self.site.entry_in(scoped, "/404.html") {
            Some(entry) => {
                let page = templates.render_pinned(&pinned, entry.as_str(), SiteData).await;
                page.status(StatusCode::NOT_FOUND).into_response(request)
            }
            None => {
                let script = self.awaited(request, &pinned, path);
                // Only the author of the site is shown its pages.
                let pages = script
                    .is_some()
                    .then(|| SitePages::of(&self.site, pinned.snapshot(), path).html(path));
                response::not_found(request, pages, script)
            }
        }
    }

    /// Returns the script of live reload for a page that does not exist yet, in development.
    fn awaited(&self, request: &HttpRequest, pinned: &Pinned, path: &str) -> Option<PageScript> {
        let waits = self.web.live_for(request).zip(Site::page_for(path));
        waits.map(|(live, entry)| live.awaited(entry.as_str(), pinned))
    }
}

impl Flows {
    fn has(&self, path: &str) -> bool {
        self.paths.iter().any(|beginning| path.starts_with(beginning.as_str()))
    }
}

async fn page(request: HttpRequest, path: web::Path<String>, pages: Data<Pages>, web: Data<Web>) -> HttpResponse {
    let span = tracing::info_span!("request", method = request.method().as_str(), path = request.path());
    let quiet = !pages.version_headers;
    let mut response = answer(request, path, pages, web).instrument(span).await;
    if quiet {
        response::remove_headers(response.headers_mut());
    }
    response
}

async fn answer(request: HttpRequest, path: web::Path<String>, pages: Data<Pages>, web: Data<Web>) -> HttpResponse {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return HttpResponse::MethodNotAllowed()
            .insert_header((ALLOW, HeaderValue::from_static("GET, HEAD")))
            .finish();
    }
    if let Some(files) = pages.files()
        && let Some(file) = files.answer(&request, &path).await
    {
        return file;
    }
    let templates = Templates::new(web, &request);
    pages.answer(&templates, &request, &format!("/{path}")).await
}

/// Redirects to the same path with a slash at its end, and keeps the query.
fn redirect_to_folder(request: &HttpRequest) -> HttpResponse {
    let uri = request.uri();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = scopes::with_prefix(request, uri.path());
    HttpResponse::PermanentRedirect()
        .insert_header((LOCATION, format!("{path}/{query}")))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static(response::NO_CACHE)))
        .finish()
}
