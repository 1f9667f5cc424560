//! Serving a site over HTTP with actix-web.

mod response;

use actix_files::Files;
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use hotplate_actors::{Hotplate, Pinned, RenderOptions};

use crate::site::{Site, SiteData};

/// What a visitor sees of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faults {
    /// The diagnostic, with the line of the template: for authors.
    Shown,
    /// That there is one: for everybody else. The log has the diagnostic.
    Hidden,
}

/// A site over HTTP: entries by their path, `static/**` under `/static/`.
///
/// Each answer says its version (`x-hotplate-version`) and how fresh it is (`x-hotplate-freshness`: `current`, `stale` or
/// `fallback`). Current and stale are 200, a stand-in is 503, an unknown path is 404 with the site's `404.html`.
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
    hotplate: Hotplate,
    site: Site,
    faults: Faults,
}

impl Pages {
    /// The pages of a site, from the engine that was started for it.
    #[must_use]
    pub fn new(hotplate: Hotplate, site: Site, faults: Faults) -> Self {
        Self { hotplate, site, faults }
    }

    /// Adds the pages and the static files to an app. Routes that were added before keep their paths.
    pub fn configure(&self, app: &mut ServiceConfig) {
        if let Some(directory) = self.site.static_directory() {
            app.service(Files::new("/static", directory).default_handler(web::to(nothing)));
        }
        app.app_data(Data::new(self.clone()));
        app.service(web::resource("/{path:.*}").to(page));
    }

    /// Answers a path, decoded and without its query.
    #[must_use]
    pub fn answer(&self, path: &str) -> HttpResponse {
        let pinned = self.hotplate.snapshot();
        if let Some(entry) = self.site.entry_at(pinned.snapshot(), path) {
            return self.render(&pinned, entry.as_str());
        }
        self.nothing_there(&pinned)
    }

    /// The answer to a path that leads nowhere.
    fn nothing_there(&self, pinned: &Pinned) -> HttpResponse {
        match self.site.entry_at(pinned.snapshot(), "/404.html") {
            Some(entry) => response::not_found(self.render(pinned, entry.as_str())),
            None => response::nothing_there(),
        }
    }

    fn render(&self, pinned: &Pinned, entry: &str) -> HttpResponse {
        match pinned.render_supplied(entry, &SiteData, &RenderOptions::default()) {
            Ok(rendered) => response::rendered(entry, rendered),
            Err(failure) => response::failed(entry, &failure, self.faults),
        }
    }
}

async fn page(request: HttpRequest, path: web::Path<String>, pages: Data<Pages>) -> HttpResponse {
    let _span = tracing::info_span!("request", method = request.method().as_str(), path = request.path()).entered();
    match *request.method() {
        Method::GET | Method::HEAD => pages.answer(&format!("/{path}")),
        _ => HttpResponse::MethodNotAllowed()
            .insert_header((ALLOW, HeaderValue::from_static("GET, HEAD")))
            .finish(),
    }
}

async fn nothing(pages: Data<Pages>) -> HttpResponse {
    pages.nothing_there(&pages.hotplate.snapshot())
}
