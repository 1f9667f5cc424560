//! Pages that follow each edit by themselves, in a real browser.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::channel;

use actix_web::rt::System;
use actix_web::web::{get, scope};
use actix_web::{App, HttpServer, Responder};
use hotplate::Hotplate;
use hotplate::web::{Templates, Web};
use serde_json::json;

use crate::browser::{Browser, browser};
use crate::files::{Files, copy_of_the_shop};
use crate::http::Server;

/// Whether the overlay is open, and what is in it.
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

/// Opens a page, and remembers in it that it is this one.
fn open(browser: &Browser, server: &Server, path: &str) {
    browser.open(&format!("http://{}{path}", server.address));
    browser.run("window.same = true");
}

#[test]
fn an_edit_is_laid_into_the_page() {
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
    // What a page is made from is its data too.
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
    // What nobody touched is what the server says.
    browser.run("document.querySelector('#name').value = 'server'");
    let page = fs::read_to_string(files.path().join("templates/index.html")).expect("a page");
    files.write("templates/index.html", &page.replace("value=server", "value=changed"));
    browser.wait_for("document.querySelector('#name').value === 'changed'");
}

#[test]
fn a_new_script_is_run() {
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
fn a_broken_edit_is_shown_over_the_page_until_it_is_mended() {
    let browser = browser!();
    let files = site();
    let server = Server::start(&files);
    open(&browser, &server, "/");
    browser.run("document.querySelector('#name').focus()");
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
    // The caret stands below the place.
    let lines = browser.run(&format!(
        "return [...{OVERLAY}.querySelectorAll('pre span')].map(line => line.textContent)"
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

    // Escape hides it and gives the focus back, and it can be had again.
    browser.press("\u{e00c}");
    browser.wait_for(&format!("!({OPEN})"));
    assert_eq!(browser.run("return document.activeElement.id"), json!("name"));
    browser.run(&format!("{OVERLAY}.querySelector('.reopen').click()"));
    browser.wait_for(OPEN);

    // A page that is loaded meanwhile says it too.
    open(&browser, &server, "/");
    browser.wait_for(OPEN);
    files.write("templates/_parts/head.html", "<h1 id=head>{title} mended</h1>");
    browser.wait_for("!document.querySelector('hotplate-overlay')");
    browser.wait_for("document.querySelector('#head').textContent === 'one mended'");
    assert_eq!(browser.run("return window.same"), json!(true));
}

#[test]
fn an_edit_that_fails_when_it_is_rendered_is_shown_too() {
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
fn several_faults_are_listed_and_none_is_markup() {
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
fn the_stand_in_and_what_is_not_there_follow_too() {
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
    files.write("templates/broken.html", "<p id=text>mended</p>");
    browser.wait_for(
        "document.querySelector('#text')?.textContent === 'mended' && !document.querySelector('hotplate-overlay')",
    );
    // One that cannot be rendered at all.
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
fn a_stylesheet_is_exchanged_and_nothing_else() {
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
    // It stays the new one when the page is exchanged too.
    files.write("templates/_parts/head.html", "<h1 id=head>edited</h1>");
    browser.wait_for("document.querySelector('#head').textContent === 'edited'");
    assert_eq!(browser.run(&format!("return {color}")), json!("rgb(4, 5, 6)"));
}

#[test]
fn a_page_that_an_edit_does_not_concern_is_left_alone() {
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
    let asked = "performance.getEntriesByType('resource').filter(entry => entry.initiatorType === 'fetch').length";
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
fn all_tabs_follow_and_more_than_a_browser_has_connections() {
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
        // Whichever tab listens for the others may go.
        browser.tab(0);
        browser.open("about:blank");
        browser.open(&format!("http://{}/", server.address));
    }
}

#[test]
fn a_page_catches_up_with_a_server_that_was_away() {
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

/// A page whose content security policy allows nothing but what carries its nonce.
async fn strict(templates: Templates) -> impl Responder {
    let policy = "default-src 'none'; script-src 'nonce-MjAyNg'; connect-src 'self'";
    templates
        .page("index.html", &json!({ "title": "own app" }))
        .header(("content-security-policy", policy))
}

#[test]
fn an_app_of_its_own_with_a_strict_policy_follows_too() {
    let browser = browser!();
    let files = Files::new(&[(
        "index.html",
        "<!doctype html><html><body><h1 id=head>{title}</h1></body></html>",
    )]);
    let hotplate = Hotplate::builder().root(files.path()).start().expect("starts");
    let web = Web::new(hotplate).development(true);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (ready, is_ready) = channel();
    let serving = std::thread::spawn(move || {
        System::new().block_on(async move {
            // Below a scope, as an app may have it.
            let app = move || App::new().service(scope("/shop").configure(web.mount()).route("/", get().to(strict)));
            let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(0);
            let server = server.listen(listener).expect("listens").run();
            ready.send(server.handle()).expect("heard");
            server.await.expect("serves");
        });
    });
    let handle = is_ready.recv().expect("a server");
    browser.open(&format!("http://{address}/shop/"));
    browser.run("window.same = true");
    files.write(
        "index.html",
        "<!doctype html><html><body><h1 id=head>{title}, edited</h1></body></html>",
    );
    browser.wait_for("document.querySelector('#head').textContent === 'own app, edited'");
    files.write("index.html", "<h1 id=head>{titel}</h1>");
    browser.wait_for(OPEN);
    // It looks as it should: its style is no inline style.
    let width = browser.run(&format!(
        "return getComputedStyle({OVERLAY}.querySelector('dialog')).borderTopWidth"
    ));
    assert_eq!((width, browser.run("return window.same")), (json!("4px"), json!(true)));
    drop(browser);
    drop(handle.stop(false));
    serving.join().expect("ended");
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
        let files = copy_of_the_shop();
        let server = Server::start(&files);
        open(&browser, &server, "/");
        let path = "templates/_layout/foot.html";
        let foot = fs::read_to_string(files.path().join(path)).expect("a template");
        let at = foot.rfind("{{- endfor }}").expect("a loop");
        files.write(path, &format!("{}{}", &foot[..at], &foot[at + "{{- endfor }}".len()..]));
        browser.wait_for(OPEN);
        fs::write(Path::new(&directory).join(file), browser.screenshot()).expect("written");
    }
}
