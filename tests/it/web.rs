//! Templates in an actix app: the extractor, the responder, and the answers in production and in development.

use std::time::{Duration, Instant};

use actix_web::body::{MessageBody, to_bytes};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderName};
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{Data, Query, get, scope};
use actix_web::{App, HttpMessage, HttpRequest, Responder};
use hotplate::site::Site;
use hotplate::web::{Deadline, Editor, Faults, Nonce, Pages, Templates, Web};
use hotplate::{Diagnostic, Hotplate, Limits, LiveLimits};
use serde_json::{Value, json};

use crate::files::Files;

const PAGE: &str = "<!doctype html><html><body><p>{name}</p></body></html>";

fn templates() -> Files {
    Files::new(&[
        ("page.html", PAGE),
        ("piece.html", "<li>{name}</li>"),
        ("note.txt", "{name}"),
        ("feed.xml", "<name>{name}</name>"),
        ("never.html", "<p>secret {{ if }}</p>"),
        (
            "slow.html",
            "{{ for a in many }}{{ for b in many }}{{ for c in many }}{{ endfor }}{{ endfor }}{{ endfor }}",
        ),
    ])
}

fn engine(files: &Files) -> Hotplate {
    Hotplate::builder()
        .root(files.path())
        .watch(false)
        .start()
        .expect("starts")
}

/// A handler that renders as the query of the request says.
async fn handler(templates: Templates, request: HttpRequest, Query(query): Query<Value>) -> impl Responder {
    let word = |name: &str| query[name].as_str().map(str::to_owned);
    if let Some(nonce) = word("nonce") {
        request.extensions_mut().insert(Nonce(nonce));
    }
    let templates = match word("tag") {
        Some(tag) => templates.tag(tag),
        None => templates,
    };
    let data = match word("data").as_deref() {
        Some("none") => json!({}),
        Some("much") => json!({ "many": vec![0; 1000] }),
        _ => json!({ "name": "<you>" }),
    };
    let page = match word("apart") {
        Some(_) => templates.page_on_pool(&word("page").unwrap_or_default(), data).await,
        None => templates.page(&word("page").unwrap_or_default(), &data),
    };
    let page = match word("policy") {
        Some(policy) => page.header((CONTENT_SECURITY_POLICY, policy)),
        None => page,
    };
    let page = match word("status").and_then(|status| status.parse().ok()) {
        Some(status) => page.status(status),
        None => page,
    };
    match word("encoding") {
        Some(encoding) => page.header(("content-encoding", encoding)),
        None => page,
    }
}

/// A complete answer.
struct Answer {
    status: StatusCode,
    headers: actix_web::http::header::HeaderMap,
    body: String,
}

impl Answer {
    async fn read(answer: ServiceResponse<impl MessageBody + 'static>) -> Self {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = to_bytes(answer.into_body().boxed()).await.expect("a body");
        let body = String::from_utf8(body.to_vec()).expect("text");
        Self { status, headers, body }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

async fn ask(web: &Web, request: TestRequest) -> Answer {
    let app = App::new().configure(web.mount()).route("/", get().to(handler));
    let app = app.service(scope("/shop").configure(web.mount()).route("/", get().to(handler)));
    let app = init_service(app).await;
    Answer::read(app.call(request.to_request()).await.expect("an answer")).await
}

fn to(query: &str) -> TestRequest {
    TestRequest::get().uri(&format!("/?{query}"))
}

#[actix_web::test]
async fn pages_have_type_and_status_and_hide_faults() {
    let files = templates();
    let web = Web::new(engine(&files));
    for (query, status, kind, freshness, body) in [
        (
            "page=page.html",
            200,
            "text/html; charset=utf-8",
            "current",
            "<!doctype html><html><body><p>&lt;you&gt;</p></body></html>",
        ),
        ("page=note.txt", 200, "text/plain; charset=utf-8", "current", "<you>"),
        (
            "page=feed.xml",
            200,
            "application/xml; charset=utf-8",
            "current",
            "<name>&lt;you&gt;</name>",
        ),
        (
            "page=page.html&apart=1",
            200,
            "text/html; charset=utf-8",
            "current",
            "<!doctype html><html><body><p>&lt;you&gt;</p></body></html>",
        ),
        (
            "page=feed.xml&data=none",
            503,
            "application/xml; charset=utf-8",
            "fallback",
            "<?xml version=\"1.0\"?>\n<unavailable/>\n",
        ),
        (
            "page=nothing.html",
            500,
            "text/plain; charset=utf-8",
            "",
            "This page cannot be shown at the moment.\n",
        ),
    ] {
        let answer = ask(&web, to(query)).await;
        let found = (
            answer.status.as_u16(),
            answer.header("content-type"),
            answer.header("x-hotplate-freshness"),
            &*answer.body,
        );
        assert_eq!(found, (status, kind, freshness, body), "{query}");
    }
    // A template that does not compile, and one that compiles and has never been rendered without error.
    for query in [
        "page=never.html",
        "page=page.html&data=none",
        "page=page.html&data=none&apart=1",
    ] {
        let stand_in = ask(&web, to(query)).await;
        assert_eq!(
            (stand_in.status.as_u16(), stand_in.header("x-hotplate-freshness")),
            (503, "fallback"),
            "{query}"
        );
        assert!(
            stand_in.body.contains("Back soon")
                && !stand_in.body.contains("secret")
                && stand_in.header("etag").is_empty(),
            "{}",
            stand_in.body
        );
    }
    // In development the answer contains the error.
    let shown = ask(&web.clone().faults(Faults::Shown), to("page=page.html&data=none")).await;
    assert!(
        shown.body.contains("page.html:1:32") && shown.body.contains("missing-path"),
        "{}",
        shown.body
    );
}

#[actix_web::test]
async fn a_known_page_is_not_sent_again() {
    let files = templates();
    let web = Web::new(engine(&files));
    let first = ask(&web, to("page=page.html")).await;
    let etag = first.header("etag").to_owned();
    assert!(
        etag.starts_with("W/\"") && first.header("cache-control") == "no-cache",
        "{etag}"
    );
    let list = format!("\"other\", {}", etag.trim_start_matches("W/"));
    for (known, status) in [(etag.as_str(), 304), (&list, 304), ("*", 304), ("\"other\"", 200)] {
        let again = ask(&web, to("page=page.html").insert_header(("if-none-match", known))).await;
        let body = if status == 304 { "" } else { &*first.body };
        assert_eq!(
            (again.status.as_u16(), &*again.body, again.header("etag")),
            (status, body, &*etag),
            "{known}"
        );
        assert_eq!(again.header("x-hotplate-freshness"), "current");
    }
    // A new version with the same texts keeps the tag; new texts change it.
    files.write("piece.html", "<li>edited</li>");
    web.hotplate().reload().await.expect("reloads");
    let again = ask(
        &web,
        to("page=page.html").insert_header(("if-none-match", etag.as_str())),
    )
    .await;
    assert_eq!((again.status.as_u16(), again.header("x-hotplate-version")), (304, "2"));
    files.write("page.html", "<p>{name}!</p>");
    web.hotplate().reload().await.expect("reloads");
    let again = ask(
        &web,
        to("page=page.html").insert_header(("if-none-match", etag.as_str())),
    )
    .await;
    assert_eq!((again.status.as_u16(), &*again.body), (200, "<p>&lt;you&gt;!</p>"));
    assert_ne!(again.header("etag"), etag);
}

#[actix_web::test]
async fn with_a_tag_a_known_page_is_not_rendered() {
    let files = templates();
    let web = Web::new(engine(&files));
    for apart in ["", "&apart=1"] {
        let query = format!("page=page.html&tag=7{apart}");
        let etag = ask(&web, to(&query)).await.header("etag").to_owned();
        let known = |query: &str| to(query).insert_header(("if-none-match", etag.as_str()));
        // A render with this data would fail, so the answer proves that there was none.
        let again = ask(&web, known(&format!("{query}&data=none"))).await;
        assert_eq!((again.status.as_u16(), &*again.body), (304, ""));
        for other in ["page=page.html&tag=8", "page=piece.html&tag=7", "page=page.html"] {
            assert_eq!(ask(&web, known(other)).await.status.as_u16(), 200, "{other}");
        }
    }
    let etag = ask(&web, to("page=page.html&tag=7")).await.header("etag").to_owned();
    let known = || to("page=page.html&tag=7").insert_header(("if-none-match", etag.as_str()));
    // The last good version of a broken template is still served, with its tag.
    files.write("page.html", "{{ if }}");
    web.hotplate().reload().await.expect("reloads");
    let stale = ask(&web, known()).await;
    assert_eq!(
        (stale.status.as_u16(), stale.header("x-hotplate-freshness")),
        (304, "stale")
    );
    // A failure with this data does not affect the answers with other data.
    files.write("page.html", "<p>{nmae}</p>");
    web.hotplate().reload().await.expect("reloads");
    let late = ask(&web, known()).await;
    assert_eq!(
        (late.status.as_u16(), late.header("x-hotplate-freshness")),
        (200, "stale")
    );
    assert_ne!(late.header("etag"), etag);
}

#[actix_web::test]
async fn a_request_has_its_deadline() {
    let files = templates();
    let web = Web::new(engine(&files)).deadline(Duration::ZERO);
    let late = ask(&web, to("page=page.html")).await;
    assert_eq!(
        (late.status.as_u16(), &*late.body),
        (503, "This page cannot be shown at the moment.\n")
    );
    assert_eq!(ask(&web, to("page=page.html&apart=1")).await.status.as_u16(), 503);
    // The deadline of the request takes precedence.
    let later = to("page=page.html").to_request();
    later
        .extensions_mut()
        .insert(Deadline(Instant::now() + Duration::from_secs(3600)));
    let app = init_service(App::new().configure(web.mount()).route("/", get().to(handler))).await;
    assert_eq!(app.call(later).await.expect("an answer").status().as_u16(), 200);
}

#[actix_web::test]
async fn a_dropped_request_cancels_the_render() {
    let files = templates();
    let limits = Limits {
        render_ms: 600_000,
        render_steps: u64::MAX,
        render_threads: 1,
        ..Limits::default()
    };
    let hotplate = Hotplate::builder()
        .root(files.path())
        .watch(false)
        .limits(limits)
        .start()
        .expect("starts");
    let web = Web::new(hotplate);
    let app = init_service(App::new().configure(web.mount()).route("/", get().to(handler))).await;
    let asked = app.call(to("page=slow.html&data=much&apart=1").to_request());
    // The client disconnects.
    assert!(
        actix_web::rt::time::timeout(Duration::from_millis(50), asked)
            .await
            .is_err()
    );
    // The only render thread is free for the next request, a day before the first one would be complete.
    let next = app.call(to("page=page.html&apart=1").to_request());
    let next = actix_web::rt::time::timeout(Duration::from_secs(60), next).await;
    assert_eq!(next.expect("in time").expect("an answer").status().as_u16(), 200);
}

#[actix_web::test]
async fn a_missing_mount_is_reported() {
    let app = init_service(App::new().app_data(Data::new(())).route("/", get().to(handler))).await;
    let answer = match app.call(to("page=page.html").to_request()).await {
        Ok(answer) => answer.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    assert_eq!(answer, StatusCode::INTERNAL_SERVER_ERROR);
}

#[actix_web::test]
async fn production_has_no_live_reload() {
    let files = templates();
    let web = Web::new(engine(&files)).editor(Editor::default()).host("a.test");
    let page = ask(&web, to("page=page.html").insert_header(("x-hotplate-live", "1"))).await;
    assert!(
        !page.body.contains("script") && page.header("vary").is_empty(),
        "{}",
        page.body
    );
    for path in ["/_hotplate/live?entry=page.html", "/_hotplate/live.js"] {
        assert_eq!(
            ask(&web, TestRequest::get().uri(path)).await.status.as_u16(),
            404,
            "{path}"
        );
    }
}

#[actix_web::test]
async fn a_page_can_request_its_text() {
    let files = templates();
    let web = Web::new(engine(&files)).development(true);
    let app = init_service(App::new().configure(web.mount()).route("/", get().to(handler))).await;
    let page = app.call(to("page=page.html").to_request()).await.expect("an answer");
    let page = String::from_utf8(to_bytes(page.into_body()).await.expect("a body").to_vec()).expect("text");
    let digest = page.split("\"text\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let path = format!("/_hotplate/text/{}", digest.expect("a digest"));
    for (request, status) in [
        (TestRequest::get().uri(&path), 200),
        (
            TestRequest::get()
                .uri(&path)
                .insert_header(("sec-fetch-site", "same-origin")),
            200,
        ),
        (
            TestRequest::get()
                .uri(&path)
                .insert_header(("sec-fetch-site", "cross-site")),
            403,
        ),
        (
            TestRequest::get().uri(&path).insert_header(("host", "evil.example")),
            403,
        ),
        (TestRequest::get().uri("/_hotplate/text/0123456789abcdef"), 404),
        (TestRequest::get().uri("/_hotplate/text/no"), 404),
    ] {
        let answer = app.call(request.to_request()).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status);
        if status == 200 {
            assert_eq!(answer.headers().get("cache-control").expect("a header"), "no-store");
            assert_eq!(to_bytes(answer.into_body()).await.expect("a body"), page.as_bytes());
        }
    }
}

#[actix_web::test]
async fn only_pages_get_the_script() {
    let files = templates();
    let web = Web::new(engine(&files)).development(true);
    let document = ("sec-fetch-dest", "document");
    let page = ask(&web, to("page=page.html")).await;
    assert!(page.body.contains("/_hotplate/live.js?"), "{}", page.body);
    assert!(page.body.ends_with(" async></script></body></html>"), "{}", page.body);
    assert_eq!(page.body.matches("<script").count(), 1);
    for (query, headers, expected) in [
        ("page=page.html", vec![("sec-fetch-dest", "empty")], false),
        (
            "page=page.html",
            vec![("sec-fetch-dest", "empty"), ("x-hotplate-live", "1")],
            true,
        ),
        ("page=page.html", vec![("host", "evil.example")], false),
        ("page=page.html", vec![("host", "127.0.0.1:80")], true),
        ("page=page.html&encoding=gzip", vec![document], false),
        ("page=piece.html", vec![], false),
        ("page=piece.html", vec![document], true),
        ("page=note.txt", vec![document], false),
        ("page=feed.xml", vec![document], false),
        ("page=never.html", vec![document], true),
        (
            "page=page.html&data=none",
            vec![document, ("accept", "text/html,*/*")],
            true,
        ),
        ("page=page.html&data=none", vec![], false),
    ] {
        let request = headers
            .iter()
            .fold(to(query), |request, header| request.insert_header(*header));
        let answer = ask(&web, request).await;
        assert_eq!(
            answer.body.contains("live.js"),
            expected,
            "{query} {headers:?}: {}",
            answer.body
        );
    }
    // A client that uses an unknown host name sees no source.
    let stranger = to("page=page.html&data=none")
        .insert_header(("host", "evil.example"))
        .insert_header(("accept", "text/html"));
    let answer = ask(&web, stranger).await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.body),
        (500, "This page cannot be shown at the moment.\n")
    );
    let named = Web::new(engine(&files)).development(true).host("evil.example");
    let answer = ask(&named, to("page=page.html").insert_header(("host", "evil.example"))).await;
    assert!(answer.body.contains("live.js"), "{}", answer.body);
    // An unchanged page is answered with 304 also if it contains the script.
    let known = (HeaderName::from_static("if-none-match"), page.header("etag").to_owned());
    assert_eq!(
        ask(&web, to("page=page.html").insert_header(known))
            .await
            .status
            .as_u16(),
        304
    );
}

#[actix_web::test]
async fn the_script_has_address_and_nonce() {
    let files = templates();
    let web = Web::new(engine(&files)).development(true);
    let page = ask(&web, TestRequest::get().uri("/?page=page.html&nonce=a%22b")).await;
    assert!(page.body.contains(" nonce=\"a&quot;b\" async>"), "{}", page.body);
    let page = ask(&web, to("page=page.html&policy=script-src%20%27nonce-xyz%27")).await;
    assert!(page.body.contains(" nonce=\"xyz\" async>"), "{}", page.body);
    let address = page
        .body
        .split("src=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("an address");
    let script = ask(&web, TestRequest::get().uri(address)).await;
    assert_eq!(
        (script.status.as_u16(), script.header("content-type")),
        (200, "text/javascript; charset=utf-8")
    );
    assert!(script.header("cache-control").contains("immutable") && script.body.contains("data-hotplate-keep"));
}

#[actix_web::test]
async fn the_feed_rejects_other_origins() {
    let files = templates();
    let limits = LiveLimits {
        live_clients: 2,
        live_entries: 2,
        ..LiveLimits::default()
    };
    let hotplate = Hotplate::builder()
        .root(files.path())
        .watch(false)
        .start()
        .expect("starts");
    let web = Web::new(hotplate).development(true).live_limits(limits);
    let app = init_service(App::new().configure(web.mount())).await;
    let feed = |query: &str| TestRequest::get().uri(&format!("/_hotplate/live?{query}"));
    for (request, status) in [
        (feed("entry=page.html"), 200),
        (feed("entry=page.html&entry=not/there.html"), 200),
        (
            feed("entry=page.html").insert_header(("last-event-id", "99999999999999999999")),
            200,
        ),
        (
            feed("entry=page.html")
                .insert_header(("host", "localhost:1"))
                .insert_header(("origin", "http://localhost:1")),
            200,
        ),
        (feed(""), 400),
        (feed("entry=../secret"), 400),
        (feed("entry=a.html&entry=b.html&entry=c.html"), 400),
        (feed("entry=page.html").insert_header(("host", "evil.example")), 403),
        (
            feed("entry=page.html")
                .insert_header(("host", "localhost:1"))
                .insert_header(("origin", "http://localhost:2")),
            403,
        ),
        (
            feed("entry=page.html").insert_header(("sec-fetch-site", "cross-site")),
            403,
        ),
        (TestRequest::post().uri("/_hotplate/live?entry=page.html"), 405),
        (TestRequest::delete().uri("/_hotplate/live.js"), 405),
    ] {
        let request = request.to_request();
        let context = format!("{request:?}");
        assert_eq!(
            app.call(request).await.expect("an answer").status().as_u16(),
            status,
            "{context}"
        );
    }
    let one = app.call(feed("entry=page.html").to_request()).await.expect("an answer");
    assert_eq!(
        one.headers().get("content-type").map(|value| value.as_bytes()),
        Some(&b"text/event-stream"[..])
    );
    let two = app.call(feed("entry=page.html").to_request()).await.expect("an answer");
    let three = app.call(feed("entry=page.html").to_request()).await.expect("an answer");
    assert_eq!((two.status().as_u16(), three.status().as_u16()), (200, 503));
    drop(one);
    assert_eq!(
        app.call(feed("entry=page.html").to_request())
            .await
            .expect("an answer")
            .status()
            .as_u16(),
        200
    );
}

/// Waits for the next chunk of a body, up to a time.
async fn piece(body: &mut (impl MessageBody + Unpin)) -> Option<String> {
    let next = std::future::poll_fn(|context| std::pin::Pin::new(&mut *body).poll_next(context));
    let next = actix_web::rt::time::timeout(Duration::from_secs(60), next)
        .await
        .expect("in time");
    next.map(|piece| String::from_utf8(piece.ok().expect("a piece").to_vec()).expect("text"))
}

#[actix_web::test]
async fn the_feed_reports_followed_entries_only() {
    let files = templates();
    let hotplate = engine(&files);
    let web = Web::new(hotplate.clone())
        .development(true)
        .sources(files.path())
        .editor("x:{file}".parse().expect("an editor"));
    let app = init_service(App::new().configure(web.mount())).await;
    let request = TestRequest::get().uri("/_hotplate/live?entry=page.html").to_request();
    let mut body = app.call(request).await.expect("an answer").into_body();
    let data = |piece: &str| -> Value {
        let line = piece
            .split("event: page\ndata: ")
            .nth(1)
            .and_then(|rest| rest.lines().next());
        serde_json::from_str(line.unwrap_or_else(|| panic!("no event in {piece}"))).expect("JSON")
    };
    let first = data(&piece(&mut body).await.expect("an event"));
    assert_eq!(
        (&first["entry"], &first["findings"]),
        (&json!("page.html"), &json!(null))
    );

    // The first edit does not concern the entry and the second does, so the next event has to report the second.
    files.write("piece.html", "<li>edited</li>");
    hotplate.reload().await.expect("reloads");
    files.write("page.html", "<p>\n  {{ if }}");
    hotplate.reload().await.expect("reloads");
    let broken = data(&piece(&mut body).await.expect("an event"));
    assert_eq!(
        (&broken["page"], &broken["findings"]["since"]),
        (&first["page"], &json!(2)),
        "{broken}"
    );
    let fault = &broken["findings"]["faults"][0];
    let open = format!("x:{}", files.path().join("page.html").display());
    assert_eq!(
        (&fault["place"]["line"], &fault["place"]["open"]),
        (&json!(2), &json!(open)),
        "{broken}"
    );

    files.write("page.html", "<p>{nmae}</p>");
    hotplate.reload().await.expect("reloads");
    let fixed = data(&piece(&mut body).await.expect("an event"));
    assert_ne!(fixed["page"], first["page"]);
    assert_eq!((&fixed["findings"], &fixed["failed_in"]), (&json!(null), &json!(null)));
    // A render fails with the data of one request: pages of the entry have to check if they are affected.
    assert!(hotplate.render("page.html", &json!({ "name": "n" })).is_ok());
    let failed = data(&piece(&mut body).await.expect("an event"));
    assert_eq!((&failed["page"], &failed["failed_in"]), (&fixed["page"], &json!(4)));

    drop((web, app));
    hotplate.shutdown(Duration::from_secs(10)).await;
    drop(hotplate);
    assert_eq!(piece(&mut body).await, None, "the stream ends with the engine");
}

/// Sends one request to a site.
async fn visit(pages: &Pages, request: TestRequest) -> Answer {
    let app = init_service(App::new().configure(|app| pages.configure(app))).await;
    Answer::read(app.call(request.to_request()).await.expect("an answer")).await
}

fn pages(files: &Files) -> Pages {
    let site = Site::open(files.path()).expect("a site");
    let hotplate = site.builder().watch(false).start().expect("starts");
    Pages::new(hotplate, site, Faults::Hidden)
}

#[actix_web::test]
async fn a_site_redirects_folders_and_revalidates() {
    let files = Files::new(&[
        ("templates/index.html", "<p>home</p>"),
        ("templates/a/index.html", "<p>a</p>"),
        ("templates/404.html", "<p>not here</p>"),
    ]);
    let pages = pages(&files);
    let get = |path: &str| TestRequest::get().uri(path);
    for (path, status, location) in [
        ("/a/", 200, ""),
        ("/a", 308, "/a/"),
        ("/a?b=c&d=/e", 308, "/a/?b=c&d=/e"),
        ("/b", 404, ""),
        ("//a", 404, ""),
        ("/%2Fa", 404, ""),
        ("/a%2F", 200, ""),
    ] {
        let answer = visit(&pages, get(path)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("location")),
            (status, location),
            "{path}"
        );
    }
    let etag = visit(&pages, get("/")).await.header("etag").to_owned();
    let again = visit(&pages, get("/").insert_header(("if-none-match", etag))).await;
    assert_eq!((again.status.as_u16(), &*again.body), (304, ""));
    let missing = visit(&pages, get("/b").insert_header(("if-none-match", "*"))).await;
    assert_eq!(
        (missing.status.as_u16(), &*missing.body, missing.header("etag")),
        (404, "<p>not here</p>", "")
    );
    let posted = visit(&pages, TestRequest::post().uri("/a")).await;
    assert_eq!((posted.status.as_u16(), posted.header("allow")), (405, "GET, HEAD"));
}

/// A template that fails in each render: no data has this field.
const FAILS: &str = "<p>{no.such.path}</p>";

#[actix_web::test]
async fn error_pages_keep_their_status() {
    let builtin = "There is no page here.\n";
    let resort = |body: &str| body.contains("<!doctype html>") && !body.contains("<b>");
    for (first, then, shown) in [
        (None, None, None),
        (Some("<b>one</b>"), None, Some("<b>one</b>")),
        (Some("<b>{{ if }}</b>"), None, None),
        (Some("<b>one</b>"), Some("<b>{{ if }}</b>"), Some("<b>one</b>")),
        (Some(FAILS), None, None),
        (Some("<b>one</b>"), Some(FAILS), Some("<b>one</b>")),
        (Some("<b>{{ if }}</b>"), Some("<b>two</b>"), Some("<b>two</b>")),
    ] {
        let state = format!("{first:?} {then:?}");
        for error_page in ["templates/404.html", "templates/maintenance.html"] {
            let files = Files::new(&[("templates/never.html", "{{ if }}")]);
            first.into_iter().for_each(|text| files.write(error_page, text));
            let pages = pages(&files);
            // The last good version has been served, and the fault has occurred in a render.
            visit(&pages, TestRequest::get().uri("/nowhere")).await;
            then.into_iter().for_each(|text| files.write(error_page, text));
            pages.web().hotplate().reload().await.expect("reloads");
            for _ in 0..2 {
                let nowhere = visit(&pages, TestRequest::get().uri("/nowhere")).await;
                let never = visit(&pages, TestRequest::get().uri("/never")).await;
                let statuses = (nowhere.status.as_u16(), never.status.as_u16());
                assert_eq!(statuses, (404, 503), "{error_page} {state}");
                match (error_page, shown) {
                    ("templates/404.html", shown) => {
                        assert_eq!(nowhere.body, shown.unwrap_or(builtin), "{state}");
                        assert!(resort(&never.body), "{state}: {}", never.body);
                    }
                    (_, Some(shown)) => assert_eq!((&*nowhere.body, &*never.body), (builtin, shown), "{state}"),
                    (_, None) => {
                        assert_eq!(nowhere.body, builtin, "{state}");
                        assert!(resort(&never.body), "{state}: {}", never.body);
                    }
                }
            }
            // The engine reports the fault.
            let newest = then.or(first).unwrap_or_default();
            let faults = pages.web().hotplate().diagnostics();
            let is_about = |fault: &Diagnostic| {
                fault
                    .template
                    .as_ref()
                    .is_some_and(|name| error_page.ends_with(name.as_str()))
            };
            let is_bad = newest == FAILS || newest.contains("{{ if }}");
            assert_eq!(faults.iter().any(is_about), is_bad, "{error_page} {state}: {faults:?}");
        }
    }
}

#[actix_web::test]
async fn a_chosen_error_status_stays() {
    let files = templates();
    let hotplate = engine(&files);
    for (faults, page, status, expected, body) in [
        (Faults::Hidden, "page.html&data=some", 404, 404, "<p>"),
        (Faults::Hidden, "never.html", 404, 404, "There is no page here.\n"),
        (Faults::Hidden, "never.html", 410, 410, "There is no page here.\n"),
        (Faults::Hidden, "never.html", 500, 500, "cannot be shown"),
        (
            Faults::Hidden,
            "page.html&data=none",
            404,
            404,
            "There is no page here.\n",
        ),
        (
            Faults::Hidden,
            "page.html&data=none&apart=1",
            502,
            502,
            "cannot be shown",
        ),
        (Faults::Hidden, "never.html", 201, 503, ""),
        (Faults::Hidden, "page.html&data=none", 201, 503, ""),
        (Faults::Shown, "page.html&data=none", 404, 404, "`name`"),
        (Faults::Shown, "page.html&data=none", 201, 500, "`name`"),
    ] {
        let web = Web::new(hotplate.clone()).faults(faults);
        let answer = ask(&web, to(&format!("page={page}&status={status}"))).await;
        assert_eq!(answer.status.as_u16(), expected, "{page} {status}");
        assert!(answer.body.contains(body), "{page} {status}: {}", answer.body);
        assert!(!answer.body.contains("secret"));
    }
}

#[actix_web::test]
async fn static_files_may_appear_later() {
    let files = Files::new(&[("templates/static/kept.html", "<p>a page</p>")]);
    let pages = pages(&files);
    let get = |path: &str| TestRequest::get().uri(path);
    assert_eq!(visit(&pages, get("/static/a.css")).await.status.as_u16(), 404);
    files.write("static/a.css", "p {}");
    files.write("static/b c.txt", "text");
    files.write("secret.txt", "secret");
    for (path, status, body) in [
        ("/static/a.css", 200, "p {}"),
        ("/static/b%20c.txt", 200, "text"),
        ("/static/kept", 200, "<p>a page</p>"),
        ("/static/../secret.txt", 404, "There is no page here.\n"),
        ("/static/%2e%2e/secret.txt", 404, "There is no page here.\n"),
        ("/static/", 404, "There is no page here.\n"),
        ("/static", 404, "There is no page here.\n"),
    ] {
        let answer = visit(&pages, get(path)).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (status, body), "{path}");
    }
    let part = visit(&pages, get("/static/a.css").insert_header(("range", "bytes=0-0"))).await;
    assert_eq!((part.status.as_u16(), &*part.body), (206, "p"));
}
