//! [`Pages`]: a whole site over HTTP.

use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderValue, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use hotplate_actors::{Hotplate, Pinned};
use tracing::Instrument;

use super::files::Files;
use super::live::PageScript;
use super::templates::Templates;
use super::{Faults, Web, response};
use crate::site::{Site, SiteData};

/// A site over HTTP: entries by their path, `static/**` under `/static/`.
///
/// Each answer says the version that its text is from (`x-hotplate-version`) and how fresh it is (`x-hotplate-freshness`: `current`,
/// `stale` or `fallback`). Current and stale are 200, or 304 where the browser has the page already; a stand-in is 503, an unknown path is
/// 404 with the site's `404.html`, or with a built-in sentence where that has no good version.
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
}

impl Pages {
    /// The pages of a site, from the engine that was started for it.
    #[must_use]
    pub fn new(hotplate: Hotplate, site: Site, faults: Faults) -> Self {
        Self::of(Web::new(hotplate).faults(faults), site)
    }

    /// The same, answered as `web` says, such as in development. Links in the overlay and stylesheets are those of the site.
    #[must_use]
    pub fn of(web: Web, site: Site) -> Self {
        let (names, place) = (site.clone(), site.clone());
        let web = web.shown(
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
        }
    }

    /// Sets `Cache-Control` of static files; with `None` the browser decides how long it keeps a file without asking. The default
    /// is `no-cache`: a browser keeps a file and asks each time whether it is still the same, which it is told without
    /// being sent the file again. In development it is that in any case.
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

    /// Sets whether each answer says which version it is from and how fresh it is (`x-hotplate-version`, `x-hotplate-freshness`). The
    /// default is that it does.
    #[must_use]
    pub fn version_headers(mut self, on: bool) -> Self {
        self.version_headers = on;
        self
    }

    /// The files under `static/`, if this is a site that may have some.
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

    /// How they are answered.
    #[must_use]
    pub fn web(&self) -> &Web {
        &self.web
    }

    /// Answers a path, decoded and without its query.
    async fn answer(&self, templates: &Templates, request: &HttpRequest, path: &str) -> HttpResponse {
        let pinned = self.web.hotplate.snapshot();
        if let Some(entry) = self.site.entry_at(pinned.snapshot(), path) {
            let page = templates.in_turn(&pinned, entry.as_str(), SiteData).await;
            return page.into_response(request);
        }
        // What `a/index.html` links to is meant to be below `a/`.
        let folder = format!("{path}/");
        if !path.ends_with('/') && self.site.entry_at(pinned.snapshot(), &folder).is_some() {
            return elsewhere(request);
        }
        if self.site.is_awaited(&self.web.hotplate) {
            return response::not_there_yet(request, self.awaited(request, &pinned, path));
        }
        match self.site.entry_at(pinned.snapshot(), "/404.html") {
            Some(entry) => {
                let page = templates.in_turn(&pinned, entry.as_str(), SiteData).await;
                page.status(StatusCode::NOT_FOUND).into_response(request)
            }
            None => response::nothing_there(request, self.awaited(request, &pinned, path)),
        }
    }

    /// What a browser has to know, in development, of a page that may be written.
    fn awaited(&self, request: &HttpRequest, pinned: &Pinned, path: &str) -> Option<PageScript> {
        let waits = self.web.live_for(request).zip(Site::page_for(path));
        waits.map(|(live, entry)| live.awaited(entry.as_str(), pinned))
    }
}

async fn page(request: HttpRequest, path: web::Path<String>, pages: Data<Pages>, web: Data<Web>) -> HttpResponse {
    let span = tracing::info_span!("request", method = request.method().as_str(), path = request.path());
    let quiet = !pages.version_headers;
    let mut response = answer(request, path, pages, web).instrument(span).await;
    if quiet {
        response::undescribe(response.headers_mut());
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

/// The same path with a slash, its query kept.
fn elsewhere(request: &HttpRequest) -> HttpResponse {
    let uri = request.uri();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    HttpResponse::PermanentRedirect()
        .insert_header((LOCATION, format!("{}/{query}", uri.path())))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static(response::NO_CACHE)))
        .finish()
}
