//! What a browser gets while templates are written: pages that follow each edit by themselves, and an overlay that shows what is
//! wrong with one. In development only ([`Web::development`](super::Web::development)).
//!
//! A page says in a script tag which entry it is and what that was made from. The script follows the entry by server-sent events.
//! What is sent is always how the entry stands now, never what happened to it, so nothing can be missed: a page that was away, or
//! that comes from a server since restarted, compares and fetches itself anew if it differs. What the edit changed is then changed
//! in the page that is shown, where that is certain to be what a fresh load shows; else the page is reloaded. Either way scroll
//! position, focus and what was typed stay. `docs/live.md` says what is kept and what reloads.
//!
//! It shows lines of templates, so it answers pages of the same origin only, and browsers that know the server by an address, by
//! `localhost` or by a [name that was given](super::Web::host).

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
use hotplate_actors::snapshot::Standing;
use hotplate_actors::{Freshness, Hotplate, Pinned, RenderFailure, Rendered, TemplateName};
use serde::Serialize;

use super::digests::Digests;
use crate::LiveLimits;
use crate::hosts::{ForeignRequest, HostGuard};
use crate::sse;
use fault::FaultReport;
use feed::FollowerStream;
use hub::Hub;
use labels::Setting;
use styles::StylesheetFollower;
use texts::TextCache;

const SCRIPT: &str = "/_hotplate/live.js";
const FEED: &str = "/_hotplate/live";
const TEXT: &str = "/_hotplate/text/{digest}";
/// Bytes that the system keeps for a browser that does not read. A page of that size is sent in one go.
const SEND_BUFFER_BYTES: usize = 256 * 1024;
/// How routes find the script, wherever they are mounted.
const SCRIPT_NAME: &str = "hotplate-live-script";

/// Development, as long as it goes on.
#[derive(Clone)]
pub(super) struct Live(Arc<LiveInner>);

struct LiveInner {
    hotplate: Hotplate,
    hub: Arc<Hub>,
    hosts: HostGuard,
    limits: LiveLimits,
    /// The pages that were answered last.
    texts: TextCache,
    script: Bytes,
    /// Of the script, so that a browser keeps one for ever and takes the next at once.
    script_digest: String,
    /// Where it is mounted.
    script_path: OnceLock<String>,
    _styles: Option<StylesheetFollower>,
}

impl Live {
    /// Follows an engine until it ends.
    pub(super) fn start(hotplate: &Hotplate, setting: &Setting, digests: &Arc<Digests>) -> Self {
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

    /// Ends every stream, and each that begins from now on.
    pub(super) fn end(&self) {
        self.0.hub.end();
    }

    /// Bounds what the system keeps for a browser that does not read, and for how long: what we keep is bounded anyway.
    pub(super) fn bound(&self, connection: &dyn Any) {
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

    /// Whether the sender of a request may see what is wrong with templates.
    pub(super) fn trusts(&self, request: &HttpRequest) -> bool {
        self.0.hosts.check_host(request).is_ok()
    }

    /// What a browser has to know of the page of an entry that was rendered, or failed, in a version.
    pub(super) fn shown(
        &self,
        entry: &str,
        page: Arc<str>,
        pinned: &Pinned,
        rendered: &Result<Rendered, RenderFailure>,
    ) -> PageScript {
        let snapshot = pinned.snapshot();
        let standing = snapshot.id(entry).map(|id| snapshot.standing(id));
        // How an entry stands is told to whoever follows it; what came out in this very render is known here only.
        let late = match (rendered, standing) {
            (Ok(rendered), Some(Standing::Current(_))) => match &rendered.freshness {
                Freshness::Current => None,
                Freshness::Stale { since, why } => Some(self.findings("stale", Some(since.number()), &why.diagnostics)),
                Freshness::Fallback { why } => Some(self.findings("broken", None, &why.diagnostics)),
            },
            (Err(RenderFailure::Failed(error)), _) => {
                Some(self.findings("failed", None, std::slice::from_ref(&*error.diagnostic)))
            }
            (Err(RenderFailure::Broken { .. }), _) | (Ok(_), _) => None,
            (Err(failure), _) => Some(FaultReport::said("failed", &failure.to_string())),
        };
        self.page(entry, page, pinned, late)
    }

    /// The same for an entry that is not there, and may be written.
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
                text: String::new(),
                posted: false,
            },
        }
    }

    fn findings(
        &self,
        standing: &'static str,
        since: Option<u64>,
        diagnostics: &[hotplate_actors::Diagnostic],
    ) -> FaultReport {
        self.0.hub.findings(standing, since, diagnostics)
    }

    /// The address of the script in a page, for the app or the scope that the request went to. A path is right behind any proxy; but
    /// where the page says with `<base>` what paths are relative to, only a whole address is one of its own origin.
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

/// What the script in a page has to know of it.
#[derive(Debug)]
pub(super) struct PageScript {
    live: Live,
    state: LiveState,
}

#[derive(Debug, Serialize)]
struct LiveState {
    entry: String,
    /// What the entry was made from.
    page: Arc<str>,
    version: u64,
    /// Which start of the server.
    run: Arc<str>,
    /// What the stylesheets were.
    styles: Arc<str>,
    /// What went wrong in this very render.
    late: Option<FaultReport>,
    /// Digest of the page without what is added to it, by which the script asks for its text.
    text: String,
    /// It answers a form: its address alone does not bring it again.
    posted: bool,
}

impl PageScript {
    /// What the page was made from, as a header that a browser hands on to scripts: one that exchanges a page by itself gets it without
    /// the script, which then can tell what it shows.
    pub(super) fn timing(&self) -> (HeaderName, String) {
        let name = HeaderName::from_static("server-timing");
        (name, format!("hotplate;desc=\"{}\"", self.state.page))
    }

    /// The page with the script, if it is one that a person looks at.
    pub(super) fn inject(mut self, request: &HttpRequest, body: String, headers: &HeaderMap) -> Bytes {
        let Some(at) = inject::place(&body, inject::asked_for(request.headers())) else {
            return body.into();
        };
        let digest = TextCache::digest(&body);
        self.state.text = format!("{digest:016x}");
        self.state.posted = !request.method().is_safe();
        // Serializing strings and numbers does not fail.
        let state = serde_json::to_string(&self.state).unwrap_or_default();
        let nonce = inject::nonce(request, headers);
        let address = self.live.script_address(request, &body);
        // The very memory that it was rendered into, which is sent and kept.
        let text = Bytes::from(inject::insert(
            body,
            at,
            &inject::tag(&address, &state, nonce.as_deref()),
        ));
        self.live.0.texts.keep(digest, text.clone());
        text
    }
}

/// The whole script: one file, which shares no name with the page. Without what is only for its readers, which is a quarter of it.
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

/// What a page was sent as, if that is still kept. Only for pages of the same origin: it may show what is meant for one visitor.
async fn answer_text(request: HttpRequest, live: Data<Live>, digest: web::Path<String>) -> HttpResponse {
    if let Err(foreign) = live.0.hosts.check(&request) {
        return refuse(&foreign);
    }
    let text = u64::from_str_radix(&digest, 16).ok();
    let Some(text) = text.and_then(|digest| live.0.texts.find(digest)) else {
        return HttpResponse::NotFound().body("This page is not kept any more (the limit `live_text_bytes`).\n");
    };
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .insert_header((X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        .body(text)
}

/// How the entries named in the query stand, now and whenever that changes.
async fn answer_feed(request: HttpRequest, live: Data<Live>) -> HttpResponse {
    if let Err(foreign) = live.0.hosts.check(&request) {
        return refuse(&foreign);
    }
    let Some(entries) = entries(request.query_string(), live.0.limits.live_entries) else {
        return HttpResponse::BadRequest()
            .body("Say which pages to follow: `?entry=index.html`, some of them at most.\n");
    };
    let Some(feed) = FollowerStream::join(&live.0.hub, &live.0.hotplate, entries) else {
        return HttpResponse::ServiceUnavailable()
            .insert_header((RETRY_AFTER, HeaderValue::from_static("5")))
            .body("As many browsers follow as may (the limit `live_clients`).\n");
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

/// The names in a query; none if there are no valid ones, or too many.
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
