//! Live reload for the authors of templates: pages that follow each edit, and an overlay that shows its errors. It is active in
//! development only ([`Web::development`](super::Web::development)).
//!
//! Each page contains a script tag with the name of its entry and an identifier of the templates that it was rendered from. The script
//! follows the entry by server-sent events. An event always contains the current state of the entry, never a change, so no event can be
//! missed: a page that was disconnected, or whose server was restarted, compares the state with its own and fetches itself again if they
//! differ. The script then applies the differences to the page in place if the result is certain to equal a fresh load, and otherwise
//! reloads the page. Scroll position, focus and form input are kept in both cases. `docs/live.md` lists what is kept and what causes a
//! reload.
//!
//! The events contain source lines of templates, so they are sent only to pages of the same origin, and only to browsers that
//! address the server by an IP address, by `localhost` or by an [allowed host name](super::Web::host).

pub(super) mod editor;
pub(super) mod inject;
pub(super) mod labels;
mod shutdown;
mod fault;
mod feed;
mod hub;
mod styles;
mod texts;

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::rt::net::TcpStream;
use actix_web::web::{self, Bytes, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use hotplate_actors::snapshot::EntryStatus;
use hotplate_actors::{Freshness, Hotplate, Pinned, RenderFailure, Rendered, TemplateName};
use serde::Serialize;

use super::digests::Digests;
use crate::LiveLimits;
use crate::hosts::{ForeignRequest, HostGuard};
use crate::sse;
use fault::FaultReport;
use feed::FollowerStream;
use hub::Hub;
use labels::LiveSettings;
use styles::StylesheetFollower;
use texts::TextCache;

const SCRIPT: &str = "/_hotplate/live.js";
const FEED: &str = "/_hotplate/live";
const TEXT: &str = "/_hotplate/text/{digest}";
/// Size of the system's send buffer for each connection, which bounds the memory that a browser occupies when it does not read.
/// Pages up to this size are sent in one step.
const SEND_BUFFER_BYTES: usize = 256 * 1024;
/// The name of the script's route, by which its path is found wherever it is mounted.
const SCRIPT_NAME: &str = "hotplate-live-script";

/// The handle of the running live reload.
#[derive(Clone)]
pub(super) struct Live(Arc<LiveInner>);

struct LiveInner {
    hotplate: Hotplate,
    hub: Arc<Hub>,
    hosts: HostGuard,
    limits: LiveLimits,
    /// The pages that were sent last.
    texts: TextCache,
    script: Bytes,
    /// True if the overlay opens by itself.
    overlay: bool,
    /// The digest of the script. It is part of the script's address, so browsers may cache the script for ever.
    script_digest: String,
    /// The path at which the script is mounted.
    script_path: OnceLock<String>,
    _styles: Option<StylesheetFollower>,
}

impl Live {
    /// Starts to follow an engine until it stops.
    pub(super) fn start(hotplate: &Hotplate, setting: &LiveSettings, digests: &Arc<Digests>) -> Self {
        let hub = Hub::start(hotplate, setting, digests);
        let styles = setting.styles.as_ref();
        let styles = styles.and_then(|(path, directory)| StylesheetFollower::follow(path, directory, &hub));
        let script = script();
        Self(Arc::new(LiveInner {
            hotplate: hotplate.clone(),
            hub,
            hosts: HostGuard::network(&setting.hosts),
            limits: setting.limits.clone(),
            texts: TextCache::new(setting.limits.live_text_bytes),
            script_digest: format!("{:016x}", xxhash_rust::xxh3::xxh3_64(script.as_bytes())),
            script: script.into(),
            overlay: !setting.no_overlay,
            script_path: OnceLock::new(),
            _styles: styles,
        }))
    }

    pub(super) fn routes(&self, app: &mut ServiceConfig) {
        app.app_data(Data::new(self.clone()));
        let script = web::resource(SCRIPT).name(SCRIPT_NAME);
        app.service(script.route(web::get().to(answer_script)));
        app.service(web::resource(FEED).route(web::get().to(answer_feed)));
        app.service(web::resource(TEXT).route(web::get().to(answer_text)));
    }

    /// Ends all event streams, and each one that is opened later.
    pub(super) fn end(&self) {
        self.0.hub.end();
    }

    /// Limits how much the system buffers for a browser that does not read, and for how long. Our own buffers are bounded already.
    pub(super) fn limit_connection(&self, connection: &dyn Any) {
        let Some(stream) = connection.downcast_ref::<TcpStream>() else {
            return;
        };
        let socket = socket2::SockRef::from(stream);
        let _ = socket.set_send_buffer_size(SEND_BUFFER_BYTES);
        #[cfg(target_os = "linux")]
        {
            let stalled = Duration::from_millis(self.0.limits.live_stalled_ms);
            let _ = socket.set_tcp_user_timeout(Some(stalled));
        }
    }

    /// Returns true if the sender of a request may see errors in templates.
    pub(super) fn trusts(&self, request: &HttpRequest) -> bool {
        self.0.hosts.check_host(request).is_ok()
    }

    /// Builds the script for a page whose entry was rendered, or failed, in a version.
    pub(super) fn page_script(
        &self,
        entry: &str,
        page: Arc<str>,
        pinned: &Pinned,
        rendered: &Result<Rendered, RenderFailure>,
    ) -> PageScript {
        let snapshot = pinned.snapshot();
        let status = snapshot.id(entry).map(|id| snapshot.status(id));
        // The event stream reports the state of the entry. An error that depends on the data of this request is known only here.
        let late = match (rendered, status) {
            (Ok(rendered), Some(EntryStatus::Current(_))) => match &rendered.freshness {
                Freshness::Current | Freshness::Stable { .. } => None,
                Freshness::Stale { since, why } => Some(self.findings("stale", Some(since.number()), &why.diagnostics)),
                Freshness::Fallback { why } => Some(self.findings("broken", None, &why.diagnostics)),
            },
            (Err(RenderFailure::Failed(error)), _) => {
                Some(self.findings("failed", None, std::slice::from_ref(&*error.diagnostic)))
            }
            (Err(RenderFailure::Broken { .. }), _) | (Ok(_), _) => None,
            (Err(failure), _) => Some(FaultReport::of_message("failed", &failure.to_string())),
        };
        self.page(entry, page, pinned, late)
    }

    /// Builds the script for an entry that does not exist yet.
    pub(super) fn awaited(&self, entry: &str, pinned: &Pinned) -> PageScript {
        self.page(entry, "gone".into(), pinned, None)
    }

    fn page(&self, entry: &str, page: Arc<str>, pinned: &Pinned, late: Option<FaultReport>) -> PageScript {
        PageScript {
            live: self.clone(),
            state: LiveState {
                entry: entry.to_owned(),
                page,
                version: pinned.version().number(),
                run: self.0.hub.run(),
                styles: self.0.hub.styles(),
                late,
                quiet: !self.0.overlay,
                text: String::new(),
                posted: false,
            },
        }
    }

    fn findings(
        &self,
        status: &'static str,
        since: Option<u64>,
        diagnostics: &[hotplate_actors::Diagnostic],
    ) -> FaultReport {
        self.0.hub.findings(status, since, diagnostics)
    }

    /// Returns the address of the script for the app or scope that received the request. A path works behind any proxy; but in a page
    /// with `<base>` only an absolute address is certain to refer to the page's own origin.
    fn script_address(&self, request: &HttpRequest, body: &str) -> String {
        let path = self
            .0
            .script_path
            .get_or_init(|| match request.url_for_static(SCRIPT_NAME) {
                Ok(url) => url.path().to_owned(),
                Err(_) => SCRIPT.to_owned(),
            });
        let digest = &self.0.script_digest;
        match inject::has_base(body) {
            false => format!("{path}?{digest}"),
            true => {
                let connection = request.connection_info();
                format!("{}://{}{path}?{digest}", connection.scheme(), connection.host())
            }
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live(..)")
    }
}

/// The script of a page and the state that it needs.
#[derive(Debug)]
pub(super) struct PageScript {
    live: Live,
    state: LiveState,
}

#[derive(Debug, Serialize)]
struct LiveState {
    entry: String,
    /// Identifies the templates that the entry was rendered from.
    page: Arc<str>,
    version: u64,
    /// Identifies this run of the server.
    run: Arc<str>,
    /// Identifies the stylesheets.
    styles: Arc<str>,
    /// The error of this render, if it depends on the data of the request.
    late: Option<FaultReport>,
    /// True if the overlay does not open by itself.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    quiet: bool,
    /// The digest of the page without the script, by which the script requests the text of the page.
    text: String,
    /// True if the page answers a form, so that fetching its address does not return it again.
    posted: bool,
}

impl PageScript {
    /// Returns the `Server-Timing` header that identifies the templates of the page. Browsers expose this header to scripts, so the
    /// script of live reload learns which page another script has fetched and shows.
    pub(super) fn timing(&self) -> (HeaderName, String) {
        let name = HeaderName::from_static("server-timing");
        (name, format!("hotplate;desc=\"{}\"", self.state.page))
    }

    /// Adds the script to a page that is a whole document; fragments for scripts stay as they are.
    pub(super) fn inject(mut self, request: &HttpRequest, body: String, headers: &HeaderMap) -> Bytes {
        let Some(at) = inject::place(&body, inject::requested_kind(request.headers())) else {
            return body.into();
        };
        let digest = TextCache::digest(&body);
        self.state.text = format!("{digest:016x}");
        self.state.posted = !request.method().is_safe();
        // Serializing strings and numbers does not fail.
        let state = serde_json::to_string(&self.state).unwrap_or_default();
        let nonce = inject::nonce(request, headers);
        let address = self.live.script_address(request, &body);
        // The buffer that the page was rendered into is sent and cached without a copy.
        let text = Bytes::from(inject::insert(
            body,
            at,
            &inject::tag(&address, &state, nonce.as_deref()),
        ));
        self.live.0.texts.store(digest, text.clone());
        text
    }
}

/// Joins the parts of the script to one function, whose names do not conflict with the page, and removes comments and indentation.
fn script() -> String {
    let style = serde_json::to_string(include_str!("live/overlay.css")).unwrap_or_default();
    let style = format!("const OVERLAY_STYLE = {style};");
    let parts = [
        "(() => {",
        &style,
        include_str!("live/overlay.js"),
        include_str!("live/patch.js"),
        include_str!("live/visitor.js"),
        include_str!("live/styles.js"),
        include_str!("live/stream.js"),
        include_str!("live/live.js"),
        "})();",
    ];
    let lines = parts.iter().flat_map(|part| part.lines()).map(str::trim_start);
    let mut script = String::new();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with("//")) {
        script.push_str(line);
        script.push('\n');
    }
    script
}

async fn answer_script(live: Data<Live>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8")))
        .insert_header((
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        ))
        .insert_header((X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        .body(live.0.script.clone())
}

/// Answers with the text that a page was sent as, if it is still cached. Only pages of the same origin may read it, because it may
/// contain the data of one visitor.
async fn answer_text(request: HttpRequest, live: Data<Live>, digest: web::Path<String>) -> HttpResponse {
    if let Err(foreign) = live.0.hosts.check(&request) {
        return refuse(&foreign);
    }
    let text = u64::from_str_radix(&digest, 16).ok();
    let Some(text) = text.and_then(|digest| live.0.texts.find(digest)) else {
        return HttpResponse::NotFound().body("The text of this page is no longer cached (limit `live_text_bytes`).\n");
    };
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .insert_header((X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        .body(text)
}

/// Answers with a stream of the states of the entries in the query: now, and after each change.
async fn answer_feed(request: HttpRequest, live: Data<Live>) -> HttpResponse {
    if let Err(foreign) = live.0.hosts.check(&request) {
        return refuse(&foreign);
    }
    let Some(entries) = entries(request.query_string(), live.0.limits.live_entries) else {
        return HttpResponse::BadRequest()
            .body("Name the pages to follow, such as `?entry=index.html` (limit `live_entries`).\n");
    };
    let Some(feed) = FollowerStream::join(&live.0.hub, &live.0.hotplate, entries) else {
        return HttpResponse::ServiceUnavailable()
            .insert_header((RETRY_AFTER, HeaderValue::from_static("5")))
            .body("Too many browsers follow edits already (limit `live_clients`).\n");
    };
    sse::response().body(feed)
}

/// Answers a request that is not from a page of this server.
fn refuse(foreign: &ForeignRequest) -> HttpResponse {
    HttpResponse::Forbidden().body(match foreign {
        ForeignRequest::Host(_) => {
            "This server is not known by this name: use its address or `localhost`, or name it with `Web::host`.\n"
        }
        ForeignRequest::Origin => "Only pages of this server may follow it.\n",
    })
}

/// Returns the entries in a query; `None` if there are none, too many, or an invalid one.
fn entries(query: &str, max: usize) -> Option<Vec<TemplateName>> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(query)
        .ok()?
        .into_inner();
    let named = pairs.into_iter().filter(|(key, _)| key == "entry");
    let mut names: Vec<TemplateName> = named
        .map(|(_, name)| TemplateName::new(&name).ok())
        .collect::<Option<_>>()?;
    names.sort_unstable();
    names.dedup();
    (1..=max).contains(&names.len()).then_some(names)
}
