//! The overlay in a real browser: everything that keeps a page from its newest text, and nothing in the way of somebody who types.

use serde_json::json;

use crate::browser::{Browser, browser};
use crate::files::Files;
use crate::http::Server;

const OVERLAY: &str = "document.querySelector('hotplate-overlay')?.shadowRoot";
const OPEN: &str = "document.querySelector('hotplate-overlay')?.shadowRoot.querySelector('dialog').open";

/// A page that calls two partials.
fn site() -> Files {
    Files::new(&[
        (
            "templates/index.html",
            "<!doctype html><html lang=en><head><title>shop</title></head><body><main><h1>shop</h1><label>name <input id=name></label>\
             {{ call _parts/a.html with page }}{{ call _parts/b.html with page }}<div style='height: 3000px'>tall</div></main></body></html>",
        ),
        ("templates/_parts/a.html", "<p>a</p>"),
        ("templates/_parts/b.html", "<p>b</p>"),
        ("data/_all.json", r#"{"page": {"title": "one"}}"#),
    ])
}

fn open(browser: &Browser, server: &Server, path: &str) {
    browser.open(&format!("http://{}{path}", server.address));
}

/// Returns the text of the overlay.
fn shown(browser: &Browser) -> String {
    let text = browser.run(&format!("return {OVERLAY}.querySelector('dialog').innerText"));
    text.as_str().expect("text").to_owned()
}

#[test]
fn every_broken_file_of_the_page_is_shown_in_order_with_its_context() {
    let browser = browser!();
    let files = site();
    let server = Server::start(&files);
    open(&browser, &server, "/");
    files.write(
        "templates/_parts/b.html",
        "one\ntwo\n{{ if c == d }}{{ endif }}\nfour\nfive\nsix\n",
    );
    browser.wait_for(OPEN);
    files.write(
        "templates/_parts/a.html",
        "{{ if a == b }}{{ endif }}\n{{ if x == y }}{{ endif }}",
    );
    browser.wait_for(&format!(
        "{OVERLAY}.querySelector('#title').textContent === '3 problems in 2 files'"
    ));
    let places = browser.run(&format!(
        "return [...{OVERLAY}.querySelectorAll('.place')].map(place => place.textContent.replace(/:\\d+$/, ''))"
    ));
    assert_eq!(places, json!(["_parts/a.html:1", "_parts/a.html:2", "_parts/b.html:3"]));
    let lines = browser.run(&format!(
        "return [...[...{OVERLAY}.querySelectorAll('pre')].at(-1).querySelectorAll('.around')].map(line => line.textContent)"
    ));
    assert_eq!(lines, json!(["1one", "2two", "4four", "5five"]));
    // The alert describes the first fault, and "Fixed" is shown when all are fixed.
    let described = browser.run(&format!(
        "return {OVERLAY}.querySelector('dialog').getAttribute('aria-describedby').split(' ').map(id => {OVERLAY}.getElementById(id).textContent).join(' ')"
    ));
    assert!(
        described.as_str().is_some_and(|text| text.contains("comparison")),
        "{described}"
    );
    browser.run("window.toasts = []; new MutationObserver(() => { const fixed = document.querySelector('hotplate-overlay')?.shadowRoot.querySelector('.fixed'); \
         if (fixed) window.toasts.push(fixed.textContent) }).observe(document.querySelector('hotplate-overlay').shadowRoot, { childList: true })");
    files.write("templates/_parts/a.html", "<p>a</p>");
    browser.wait_for(&format!(
        "{OVERLAY}.querySelector('#title').textContent === '1 problem in _parts/b.html'"
    ));
    files.write("templates/_parts/b.html", "<p>b</p>");
    browser.wait_for("window.toasts.includes('Fixed')");
    browser.wait_for("!document.querySelector('hotplate-overlay')");
}

/// Of one text a limited number of errors is kept, so the title does not give a number that is too small.
#[test]
fn the_title_does_not_count_too_few() {
    let browser = browser!();
    let files = site();
    let server = Server::start(&files);
    open(&browser, &server, "/");
    files.write("templates/_parts/a.html", &"{{ if a == b }}{{ endif }}\n".repeat(30));
    browser.wait_for(OPEN);
    assert!(
        shown(&browser).starts_with("20 or more problems"),
        "{}",
        shown(&browser)
    );
}

#[test]
fn the_overlay_leaves_the_focus_to_somebody_who_types() {
    let browser = browser!();
    let files = site();
    let server = Server::start(&files);
    open(&browser, &server, "/");
    browser.run("document.querySelector('#name').focus()");
    browser.press("my na");
    files.write("templates/_parts/a.html", "{{ if a == b }}{{ endif }}");
    browser.wait_for(&format!(
        "{OVERLAY}?.querySelector('.alert').textContent.includes('_parts/a.html:1')"
    ));
    browser.press("me");
    let found = browser.run(&format!(
        "return [document.activeElement.id, document.querySelector('#name').value, {OPEN}, {OVERLAY}.querySelector('.reopen').textContent]"
    ));
    assert_eq!(found, json!(["name", "my name", false, "1 problem: show"]));
    browser.run(&format!("{OVERLAY}.querySelector('.reopen').click()"));
    browser.wait_for(OPEN);
}

#[test]
fn keys_scroll_the_findings_and_not_the_page() {
    let browser = browser!();
    let files = site();
    let server = Server::start(&files);
    open(&browser, &server, "/");
    files.write("templates/_parts/a.html", &"{{ if a == b }}{{ endif }}\n\n\n".repeat(9));
    browser.wait_for(OPEN);
    // PageDown.
    let focus = browser.run(&format!("return {OVERLAY}.activeElement.className"));
    assert_eq!(focus, "faults");
    browser.press_in_page("\u{e00f}");
    browser.wait_for(&format!("{OVERLAY}.querySelector('.faults').scrollTop > 0"));
    assert_eq!(browser.run("return scrollY"), json!(0));
}

#[test]
fn the_overlay_can_be_switched_off() {
    let browser = browser!();
    let files = site();
    files.write("templates/_parts/a.html", "{{ if a == b }}{{ endif }}");
    let server = Server::start(&files);
    let reopen = format!("{OVERLAY}?.querySelector('.reopen')?.hidden === false");
    open(&browser, &server, "/");
    browser.wait_for(OPEN);
    open(&browser, &server, "/?hotplate-overlay=off");
    browser.wait_for(&reopen);
    // The browser remembers it, also without the parameter.
    open(&browser, &server, "/");
    browser.wait_for(&reopen);
    assert_eq!(browser.run(&format!("return {OPEN}")), json!(false));
    open(&browser, &server, "/?hotplate-overlay=on");
    browser.wait_for(OPEN);
    // The button in the overlay does the same.
    browser.run(&format!("{OVERLAY}.querySelector('footer button').click()"));
    open(&browser, &server, "/");
    browser.wait_for(&reopen);
    // A setting decides for browsers that remember nothing.
    browser.run("localStorage.clear()");
    drop(server);
    let running = crate::command::Running::start(&[
        "dev",
        crate::command::text(files.path()),
        "--bind",
        "127.0.0.1:0",
        "--set",
        "dev.overlay=false",
    ]);
    let server = Server::run(running);
    open(&browser, &server, "/");
    browser.wait_for(&reopen);
    assert_eq!(browser.run(&format!("return {OPEN}")), json!(false));
}

#[test]
fn a_missing_page_lists_the_pages_of_the_site_to_its_author() {
    let files = site();
    files.write("templates/about.html", "about");
    files.write("templates/blog/index.html", "blog");
    files.write("templates/<b>.html", "b");
    let server = Server::start(&files);
    let ask = |accept: &str| {
        let headers = [("accept", accept)];
        crate::wire::ask(
            server.address.parse().expect("an address"),
            "GET",
            "/abuot",
            &headers,
            "",
        )
    };
    let page = ask("text/html");
    assert_eq!(page.status, 404);
    for part in [
        "Did you mean <a href=\"/about\">/about</a>?",
        "<li><a href=\"/\">/</a></li>",
        "<a href=\"/blog/\">/blog/</a>",
        "&lt;b&gt;",
    ] {
        assert!(page.body.contains(part), "no {part} in {}", page.body);
    }
    assert!(
        !page.body.contains("_parts") && !page.body.contains("<b>"),
        "{}",
        page.body
    );
    assert_eq!(ask("*/*").body, "There is no page here.\n");
}
