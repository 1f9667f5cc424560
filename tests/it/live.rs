//! Live reload in a real browser.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

use actix_web::dev::ServerHandle;
use actix_web::rt::System;
use actix_web::web::{ServiceConfig, get, post, scope};
use actix_web::{App, HttpServer, Responder};
use hotplate::Hotplate;
use hotplate::web::{Templates, Web};
use serde_json::json;

use crate::browser::{Browser, browser};
use crate::files::{Files, blog, copy};
use crate::http::Server;

/// A script that returns the content of the overlay, if it is open.
const OVERLAY: &str = "document.querySelector('hotplate-overlay')?.shadowRoot";
const OPEN: &str = "document.querySelector('hotplate-overlay')?.shadowRoot.querySelector('dialog').open";

fn site() -> Files {
    Files::new(&[
        (
            "templates/index.html",
            "<!doctype html><html lang=en><head><title>{page.title}</title><link rel=stylesheet href=/static/site.css></head><body>\
             {{ call _parts/head.html with page }}<form><input id=name name=name value=server><input type=checkbox id=agree>\
             <select id=size><option>S<option>M</select><textarea id=note>server</textarea></form>\
             <details id=more><summary>More</summary>text</details>\
             <div style='height: 3000px'>tall</div></body></html>",
        ),
        (
            "templates/other.html",
            "<!doctype html><html lang=en><head><title>other</title></head><body><p id=text>other</p></body></html>",
        ),
        ("templates/_parts/head.html", "<h1 id=head>{title}</h1>"),
        ("data/_all.json", r#"{"page": {"title": "one"}}"#),
        ("static/site.css", "h1 { color: rgb(1, 2, 3) }"),
    ])
}

/// Opens a page and sets a mark in it, by which a reload is detected.
fn open(browser: &Browser, server: &Server, path: &str) {
    browser.open(&format!("http://{}{path}", server.address));
    browser.run("window.same = true");
}

#[test]
fn an_edit_is_applied_in_place() {
    let browser = browser!();
    let files = site();
    let server = Server::start(&files);
    open(&browser, &server, "/");
    browser.run(
        "document.querySelector('#name').focus(); document.querySelector('#agree').click(); \
         document.querySelector('#name').focus({ preventScroll: true }); \
         document.querySelector('#size').value = 'M'; document.querySelector('#more').open = true; \
         document.querySelector('#note').value = 'mine'; scrollTo(0, 700)",
    );
    browser.press("mine and ");
    browser.run("scrollTo(0, 700)");
    files.write("templates/_parts/head.html", "<h1 id=head>{title} edited</h1>");
    browser.wait_for("document.querySelector('#head').textContent === 'one edited'");
    // An edit of the data changes the page as well.
    files.write("data/_all.json", r#"{"page": {"title": "two"}}"#);
    browser.wait_for("document.querySelector('#head').textContent === 'two edited' && document.title === 'two'");
    let found = browser.run(
        "return [window.same, scrollY, document.activeElement.id, document.querySelector('#name').value, \
         document.querySelector('#agree').checked, document.querySelector('#size').value, \
         document.querySelector('#note').value, document.querySelector('#more').open]",
    );
    assert_eq!(
        found,
        json!([true, 700, "name", "mine and server", true, "M", "mine", true])
    );
    // An untouched field gets the new default value.
    browser.run("document.querySelector('#name').value = 'server'");
    let page = fs::read_to_string(files.path().join("templates/index.html")).expect("a page");
    files.write("templates/index.html", &page.replace("value=server", "value=changed"));
    browser.wait_for("document.querySelector('#name').value === 'changed'");
}

#[test]
fn a_new_script_runs() {
    let browser = browser!();
    let files = site();
    let server = Server::start(&files);
    open(&browser, &server, "/other");
    files.write(
        "templates/other.html",
        "<html><body><p id=text>loaded</p><script>window.ran = true</script></body></html>",
    );
    browser.wait_for("window.ran && document.querySelector('#text').textContent === 'loaded'");
    assert_eq!(browser.run("return window.same === undefined"), json!(true));
}

#[test]
fn a_broken_edit_opens_the_overlay_until_it_is_fixed() {
    let browser = browser!();
    let files = site();
    let server = Server::start(&files);
    open(&browser, &server, "/");
    browser.run("document.querySelector('#agree').focus()");
    files.write(
        "templates/_parts/head.html",
        "<h1 id=head>{title}</h1>\n\t<p>{{ if a == b }}{{ endif }}</p>",
    );
    browser.wait_for(OPEN);
    let text = browser.run(&format!("return {OVERLAY}.querySelector('dialog').innerText"));
    let text = text.as_str().expect("text");
    for part in [
        "1 problem in _parts/head.html",
        "Still serving version 1 of index.html.",
        "comparison",
        "_parts/head.html:2:",
        "{{ if a == b }}{{ endif }}",
        "called from index.html:1:",
        "Help: ",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    // The caret is below the marked range.
    let lines = browser.run(&format!(
        "return [...{OVERLAY}.querySelectorAll('pre span:not(.around)')].map(line => line.textContent)"
    ));
    let (source, caret) = (lines[0].as_str().expect("a line"), lines[1].as_str().expect("a line"));
    let place = caret.find('^').expect("a caret");
    let numbered = source.strip_prefix('2').expect("the number of the line");
    assert_eq!(&numbered[place..place + 6], "a == b", "{source}\n{caret}");
    assert!(caret.starts_with("\t"), "{caret:?}");
    let links = browser.run(&format!(
        "return [...{OVERLAY}.querySelectorAll('a')].map(link => link.href)"
    ));
    let file = files.path().join("templates/_parts/head.html");
    let expected = format!("vscode://file{}:2:", file.display());
    assert!(
        links[0].as_str().is_some_and(|link| link.starts_with(&expected)),
        "{links} is not {expected}"
    );
    let dialog = browser.run(&format!(
        "const dialog = {OVERLAY}.querySelector('dialog'); return [dialog.getAttribute('role'), dialog.ariaModal, \
         dialog.matches(':modal'), dialog.contains({OVERLAY}.activeElement), window.same]"
    ));
    assert_eq!(dialog, json!(["alertdialog", "true", true, true, true]));

    // Escape hides the overlay and restores the focus; a button opens it again.
    browser.press("\u{e00c}");
    browser.wait_for(&format!("!({OPEN})"));
    assert_eq!(browser.run("return document.activeElement.id"), json!("agree"));
    browser.run(&format!("{OVERLAY}.querySelector('.reopen').click()"));
    browser.wait_for(OPEN);

    // A page that is loaded meanwhile shows the overlay too.
    open(&browser, &server, "/");
    browser.wait_for(OPEN);
    files.write("templates/_parts/head.html", "<h1 id=head>{title} fixed</h1>");
    browser.wait_for("!document.querySelector('hotplate-overlay')");
    browser.wait_for("document.querySelector('#head').textContent === 'one fixed'");
    assert_eq!(browser.run("return window.same"), json!(true));
}

#[test]
fn a_failing_edit_opens_the_overlay() {
    let browser = browser!();
    let files = site();
    let server = Server::start(&files);
    open(&browser, &server, "/");
    files.write("templates/_parts/head.html", "<h1 id=head>{titel}</h1>");
    browser.wait_for(OPEN);
    let text = browser.run(&format!("return {OVERLAY}.querySelector('dialog').innerText"));
    let text = text.as_str().expect("text");
    for part in [
        "missing-path",
        "_parts/head.html:1:",
        "Still serving version 1",
        "did you mean title",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert_eq!(
        browser.run("return document.querySelector('#head').textContent"),
        json!("one")
    );
    files.write("templates/_parts/head.html", "<h1 id=head>{title}!</h1>");
    browser.wait_for(
        "!document.querySelector('hotplate-overlay') && document.querySelector('#head').textContent === 'one!'",
    );
    assert_eq!(browser.run("return window.same"), json!(true));
}

#[test]
fn faults_are_listed_and_escaped() {
    let browser = browser!();
    let files = site();
    let server = Server::start(&files);
    open(&browser, &server, "/");
    let bad =
        "<img src=x onerror='window.harm = 1'>{{ if }}<b>\n<script>window.harm = 2</script>{a|nothing}\n{{ endfor }}";
    files.write("templates/_parts/head.html", bad);
    browser.wait_for(OPEN);
    let found = browser.run(&format!(
        "return [{OVERLAY}.querySelectorAll('article').length, {OVERLAY}.querySelectorAll('img, script').length, window.harm]"
    ));
    assert!(found[0].as_u64() > Some(1), "{found}");
    assert_eq!((&found[1], &found[2]), (&json!(0), &json!(null)));
}

#[test]
fn stand_ins_and_missing_pages_follow() {
    let browser = browser!();
    let files = site();
    files.write("templates/broken.html", "<p id=text>{{ if }}</p>");
    let server = Server::start(&files);
    open(&browser, &server, "/broken");
    browser.wait_for(OPEN);
    let text = browser.run(&format!("return {OVERLAY}.querySelector('dialog').innerText"));
    assert!(
        text.as_str()
            .is_some_and(|text| text.contains("There is no good version of broken.html yet")),
        "{text}"
    );
    files.write("templates/broken.html", "<p id=text>fixed</p>");
    browser.wait_for(
        "document.querySelector('#text')?.textContent === 'fixed' && !document.querySelector('hotplate-overlay')",
    );
    // A page that cannot be rendered at all.
    files.write("templates/bad.html", "<p id=text>{none}</p>");
    open(&browser, &server, "/bad");
    browser.wait_for(OPEN);
    files.write("templates/bad.html", "<p id=text>{page.title}</p>");
    browser.wait_for(
        "document.querySelector('#text')?.textContent === 'one' && !document.querySelector('hotplate-overlay')",
    );
    open(&browser, &server, "/new");
    files.write("templates/new.html", "<p id=text>new</p>");
    browser.wait_for("document.querySelector('#text')?.textContent === 'new'");
}

#[test]
fn only_a_changed_stylesheet_is_exchanged() {
    let browser = browser!();
    let files = site();
    let server = Server::start(&files);
    open(&browser, &server, "/");
    let color = "getComputedStyle(document.querySelector('#head')).color";
    browser.wait_for(&format!("{color} === 'rgb(1, 2, 3)'"));
    browser.run("new MutationObserver(() => window.touched = true).observe(document.body, { subtree: true, childList: true, attributes: true })");
    files.write("static/site.css", "h1 { color: rgb(4, 5, 6) }");
    browser.wait_for(&format!("{color} === 'rgb(4, 5, 6)'"));
    browser.wait_for("document.querySelectorAll('link[rel=stylesheet]').length === 1");
    assert_eq!(browser.run("return [window.same, window.touched]"), json!([true, null]));
    // The new stylesheet stays when the page is updated too.
    files.write("templates/_parts/head.html", "<h1 id=head>edited</h1>");
    browser.wait_for("document.querySelector('#head').textContent === 'edited'");
    assert_eq!(browser.run(&format!("return {color}")), json!("rgb(4, 5, 6)"));
}

#[test]
fn an_unaffected_page_is_left_alone() {
    let browser = browser!();
    let files = site();
    let server = Server::start(&files);
    open(&browser, &server, "/other");
    browser.run(
        "new MutationObserver(() => window.touched = true).observe(document, \
         { subtree: true, childList: true, attributes: true, characterData: true })",
    );
    browser.new_tab(&format!("http://{}/", server.address));
    for number in 0..3 {
        files.write("templates/_parts/head.html", &format!("<h1 id=head>{number}</h1>"));
        browser.wait_for(&format!("document.querySelector('#head').textContent === '{number}'"));
    }
    files.write("templates/_parts/head.html", "{{ if }}");
    browser.wait_for(OPEN);
    browser.tab(0);
    // The page has requested its own text after the load, and nothing since.
    let asked = "performance.getEntriesByType('resource').filter(entry => entry.initiatorType === 'fetch' \
                 && !entry.name.includes('/_hotplate/text/')).length";
    assert_eq!(
        browser.run(&format!("return [window.same, window.touched, {asked}]")),
        json!([true, null, 0])
    );
    files.write(
        "templates/other.html",
        "<html><body><p id=text>edited</p></body></html>",
    );
    browser.wait_for("document.querySelector('#text').textContent === 'edited'");
}

#[test]
fn more_tabs_follow_than_a_browser_has_connections() {
    let browser = browser!();
    let files = site();
    let server = Server::start(&files);
    open(&browser, &server, "/");
    for _ in 1..8 {
        browser.new_tab(&format!("http://{}/", server.address));
    }
    for text in ["first", "second"] {
        files.write("templates/_parts/head.html", &format!("<h1 id=head>{text}</h1>"));
        for tab in 0..8 {
            browser.tab(tab);
            browser.wait_for(&format!("document.querySelector('#head').textContent === '{text}'"));
        }
        // The tab that holds the stream may be closed.
        browser.tab(0);
        browser.open("about:blank");
        browser.open(&format!("http://{}/", server.address));
    }
}

#[test]
fn a_page_catches_up_after_a_restart() {
    let browser = browser!();
    let files = site();
    let server = Server::start(&files);
    open(&browser, &server, "/");
    browser.wait_for("performance.getEntriesByType('resource').some(entry => entry.name.includes('live.js'))");
    let address = server.address.clone();
    server.running.end("TERM");
    files.write("templates/_parts/head.html", "<h1 id=head>meanwhile</h1>");
    let server = Server::at(&files, &address);
    browser.wait_for("document.querySelector('#head').textContent === 'meanwhile'");
    assert_eq!(browser.run("return window.same"), json!(true));
    files.write("templates/_parts/head.html", "<h1 id=head>after</h1>");
    browser.wait_for("document.querySelector('#head').textContent === 'after'");
    drop(server);
}

#[test]
fn a_page_with_a_base_element_follows() {
    let browser = browser!();
    let page = |base: &str, text: &str| {
        format!("<!doctype html><html><head>{base}</head><body><h1 id=head>{text}</h1></body></html>")
    };
    for base in [
        "<base href='https://elsewhere.test/'>",
        "<BASE HREF=/some/where/ target=_blank>",
    ] {
        let files = Files::new(&[("templates/index.html", &page(base, "one"))]);
        let server = Server::start(&files);
        open(&browser, &server, "/");
        files.write("templates/index.html", &page(base, "two"));
        browser.wait_for("document.querySelector('#head').textContent === 'two'");
        files.write("templates/index.html", &page(base, "{{ if }}"));
        browser.wait_for(OPEN);
        let asked = browser.run(&format!(
            "return [window.same, {OVERLAY}.querySelector('a').target, performance.getEntriesByType('resource').every(entry => \
             new URL(entry.name).origin === location.origin)]"
        ));
        assert_eq!(asked, json!([true, "_self", true]), "{base}");
    }
}

/// The ways in which scripts change the address without a load.
const SOFT: &[(&str, &str)] = &[
    (
        "the address first, as Turbo",
        "history.pushState(null, '', url); document.documentElement.replaceChild(document.adoptNode((await load(url)).body), document.body)",
    ),
    (
        "the page first, as htmx",
        "document.body.innerHTML = (await load(url)).body.innerHTML; history.pushState(null, '', url)",
    ),
    (
        "by the navigation API, with a view transition",
        "await navigation.navigate(url, { history: 'push' }).finished",
    ),
];

const INTERCEPT: &str = "navigation.addEventListener('navigate', event => event.navigationType === 'push' && event.intercept({ \
     handler: async () => { const next = await load(event.destination.url); \
     await document.startViewTransition(() => { document.body.replaceWith(document.adoptNode(next.body)) }).finished } }))";

#[test]
fn a_single_page_app_follows() {
    let browser = browser!();
    let page = |text: &str| {
        format!(
            "<!doctype html><html><head><title>t</title><script src=/static/soft.js></script></head><body><p id=text>{text}</p></body></html>"
        )
    };
    let text = |text: &str| format!("document.querySelector('#text')?.textContent === '{text}'");
    for (name, way) in SOFT {
        let load =
            "const load = async url => new DOMParser().parseFromString(await (await fetch(url)).text(), 'text/html');";
        let soft = format!(
            "{load} window.go = async url => {{ {way} }}; {}",
            if way.contains("navigate") { INTERCEPT } else { "" }
        );
        let files = Files::new(&[
            ("templates/index.html", &page("index one")),
            ("templates/other.html", &page("other one")),
            ("static/soft.js", &soft),
        ]);
        let server = Server::start(&files);
        open(&browser, &server, "/");
        browser.run("go('/other')");
        browser.wait_for(&text("other one"));
        // The script of the page has fetched it, and then live reload has.
        browser.wait_for(
            "performance.getEntriesByType('resource').filter(entry => entry.name.endsWith('/other')).length === 2",
        );
        files.write("templates/other.html", &page("other two"));
        browser.wait_for(&text("other two"));
        // An edit of the previous page no longer has an effect.
        files.write("templates/index.html", &page("index two"));
        files.write("templates/other.html", &page("other three"));
        browser.wait_for(&text("other three"));
        assert_eq!(browser.run("return window.same"), json!(true), "{name}");
        // The overlay shows a fault of the current page, and not one of the former page.
        files.write("templates/index.html", "{{ if }}");
        files.write("templates/other.html", "{{ if }}");
        browser.wait_for(OPEN);
        let overlay = browser.run(&format!("return {OVERLAY}.querySelector('dialog').innerText"));
        assert!(
            overlay
                .as_str()
                .is_some_and(|overlay| overlay.contains("other.html") && !overlay.contains("index.html")),
            "{name}: {overlay}"
        );
        // A page that a script has cached is outdated after an edit.
        files.write("templates/index.html", &page("index three"));
        files.write("templates/other.html", &page("other three"));
        browser.wait_for("!document.querySelector('hotplate-overlay')");
        browser.run("history.pushState(null, '', '/'); document.querySelector('#text').textContent = 'index one'");
        browser.wait_for(&text("index three"));
    }
}

#[test]
fn an_edit_between_two_fetches_is_not_missed() {
    let browser = browser!();
    let page = |text: &str| format!("<!doctype html><html><body><p id=text>{text}</p></body></html>");
    let files = Files::new(&[
        ("templates/index.html", &page("index")),
        ("templates/other.html", &page("one")),
    ]);
    let server = Server::start(&files);
    open(&browser, &server, "/");
    browser.wait_for("performance.getEntriesByType('resource').some(entry => entry.name.includes('/_hotplate/text/'))");
    browser.run(
        "const was = window.fetch; window.fetch = (...given) => new Promise(answered => { window.held = () => answered(was(...given)) }); \
         const asked = new XMLHttpRequest(); asked.open('GET', '/other'); asked.send(); asked.onload = () => { \
         document.querySelector('#text').textContent = 'one'; history.pushState(null, '', '/other') }",
    );
    browser.wait_for("window.held");
    files.write("templates/other.html", &page("two"));
    server.running.wait_for("version 2");
    browser.run("window.held()");
    browser.wait_for("document.querySelector('#text').textContent === 'two'");
}

#[test]
fn a_browser_without_shadow_root_parsing_follows() {
    let browser = browser!();
    let root = |text: &str| format!("<!doctype html><div><template shadowrootmode=open>{text}</template></div>");
    let files = Files::new(&[
        ("templates/index.html", "<!doctype html><p id=text>one</p>"),
        ("templates/root.html", &root("one")),
    ]);
    let server = Server::start(&files);
    open(&browser, &server, "/");
    browser.run("delete Document.parseHTMLUnsafe");
    files.write("templates/index.html", "<!doctype html><p id=text>two</p>");
    browser.wait_for("document.querySelector('#text').textContent === 'two'");
    assert_eq!(browser.run("return window.same"), json!(true));
    open(&browser, &server, "/root");
    browser.run("delete Document.parseHTMLUnsafe");
    files.write("templates/root.html", &root("two"));
    browser.wait_for("document.querySelector('div')?.shadowRoot?.textContent === 'two'");
    assert_eq!(browser.run("return window.same"), json!(null));
}

#[test]
fn reloads_are_limited() {
    let browser = browser!();
    let page =
        |text: &str| format!("<!doctype html><meta http-equiv=content-language content={text}><p id=text>{text}</p>");
    let files = Files::new(&[("templates/index.html", &page("a"))]);
    let server = Server::start(&files);
    for (reloads, reloaded) in [(9, true), (10, false)] {
        open(&browser, &server, "/");
        // No further loads have occurred.
        browser.run(&format!(
            "const state = {{ fields: [], details: [], scrolled: [], scroll: [0, 0] }};
             sessionStorage.setItem('hotplate /', JSON.stringify({{ reloads: Array({reloads}).fill(Date.now() + 1e6), state }}))"
        ));
        open(&browser, &server, "/");
        browser.wait_for("sessionStorage.length === 0");
        browser.run("console.warn = () => { window.warned = true }");
        files.write("templates/index.html", &page(&format!("b{reloads}")));
        browser.wait_for(&format!(
            "window.warned || document.querySelector('#text').textContent === 'b{reloads}'"
        ));
        assert_eq!(
            browser.run("return window.same === undefined"),
            json!(reloaded),
            "{reloads}"
        );
    }
}

/// Answers a form, and shows the page with the form.
async fn answer(templates: Templates, request: actix_web::HttpRequest) -> impl Responder {
    templates.page("index.html", &json!({ "title": request.method().as_str() }))
}

#[test]
fn the_answer_to_a_form_is_not_fetched_again() {
    let browser = browser!();
    let files = Files::new(&[(
        "index.html",
        "<!doctype html><form method=post><p id=text>{title}</p></form>",
    )]);
    let app = Own::start(&files, |app| {
        app.route("/form", get().to(answer)).route("/form", post().to(answer));
    });
    browser.open(&format!("http://{}/shop/form", app.address));
    browser.run("document.querySelector('form').submit()");
    browser.wait_for("document.querySelector('#text')?.textContent === 'POST'");
    browser.run("window.same = true");
    files.write(
        "index.html",
        "<!doctype html><form method=post><p id=text>{title}, edited</p></form>",
    );
    files.write("index.html", "{{ if }}");
    browser.wait_for(OPEN);
    let found = browser.run("return [window.same, document.querySelector('#text').textContent]");
    assert_eq!(found, json!([true, "POST"]));
}

/// An actix app that mounts templates.
struct Own {
    address: SocketAddr,
    handle: ServerHandle,
    serving: Option<JoinHandle<()>>,
}

impl Own {
    fn start(files: &Files, routes: fn(&mut ServiceConfig)) -> Self {
        let hotplate = Hotplate::builder().root(files.path()).start().expect("starts");
        let web = Web::new(hotplate).development(true);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (ready, is_ready) = channel();
        let serving = std::thread::spawn(move || {
            System::new().block_on(async move {
                // Mounted in a scope.
                let app = move || App::new().service(scope("/shop").configure(web.mount()).configure(routes));
                let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(0);
                let server = server.listen(listener).expect("listens").run();
                ready.send(server.handle()).expect("heard");
                server.await.expect("serves");
            });
        });
        let handle = is_ready.recv().expect("a server");
        Self {
            address,
            handle,
            serving: Some(serving),
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

/// Answers with a content security policy that allows only scripts with its nonce.
async fn strict(templates: Templates) -> impl Responder {
    let policy = "default-src 'none'; script-src 'nonce-MjAyNg'; connect-src 'self'";
    templates
        .page("index.html", &json!({ "title": "own app" }))
        .header(("content-security-policy", policy))
}

#[test]
fn an_app_with_a_strict_policy_follows() {
    let browser = browser!();
    let files = Files::new(&[(
        "index.html",
        "<!doctype html><html><body><h1 id=head>{title}</h1></body></html>",
    )]);
    let app = Own::start(&files, |app| {
        app.route("/", get().to(strict));
    });
    browser.open(&format!("http://{}/shop/", app.address));
    browser.run("window.same = true");
    files.write(
        "index.html",
        "<!doctype html><html><body><h1 id=head>{title}, edited</h1></body></html>",
    );
    browser.wait_for("document.querySelector('#head').textContent === 'own app, edited'");
    files.write("index.html", "<h1 id=head>{titel}</h1>");
    browser.wait_for(OPEN);
    // The overlay has its style, which is not an inline style.
    let width = browser.run(&format!(
        "return getComputedStyle({OVERLAY}.querySelector('dialog')).borderTopWidth"
    ));
    assert_eq!((width, browser.run("return window.same")), (json!("4px"), json!(true)));
}

/// `HOTPLATE_PICTURES=docs cargo test --test it -- --ignored the_overlay_for_the_readme`
#[test]
#[ignore = "writes pictures"]
fn the_overlay_for_the_readme() {
    let Some(directory) = std::env::var_os("HOTPLATE_PICTURES") else {
        return;
    };
    for (file, flags) in [
        ("overlay.png", &["--blink-settings=preferredColorScheme=1"][..]),
        ("overlay-dark.png", &["--blink-settings=preferredColorScheme=0"]),
    ] {
        let Some(browser) = Browser::start(flags) else {
            return;
        };
        let files = Files::new(&[]);
        copy(&blog(), files.path());
        let server = Server::start(&files);
        open(&browser, &server, "/");
        let path = "templates/_layout/base.html.j2";
        let base = fs::read_to_string(files.path().join(path)).expect("a template");
        let at = base.rfind("{%- endfor %}").expect("a loop");
        files.write(path, &format!("{}{}", &base[..at], &base[at + "{%- endfor %}".len()..]));
        browser.wait_for(OPEN);
        fs::write(Path::new(&directory).join(file), browser.screenshot()).expect("written");
    }
}
