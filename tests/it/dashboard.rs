//! The dashboard: without scripts over HTTP, and in a real browser.

use std::fs;
use std::path::Path;
use std::thread::park_timeout;
use std::time::Duration;

use serde_json::json;

use crate::admin::{SHOP, Served};
use crate::browser::{Browser, browser};
use crate::files::{copy, shop};
use crate::reload::serve_with_admin;
use crate::wire;

fn url(served: &Served, path: &str) -> String {
    format!("http://{}/_hotplate/{path}", served.address())
}

#[test]
fn pages_work_without_scripts_and_other_servers() {
    let served = Served::start(&SHOP);
    served.edit("alone.txt", "one\ntwo\n");
    served.edit("alone.txt", "one\nthree\n");
    served.edit("part/foot.html", "{{ if x }}");
    for (path, status, shown) in [
        ("", 200, "unclosed-block"),
        ("versions", 200, "Roll back"),
        ("versions/3", 200, "+three"),
        ("versions/3?with=1", 200, "-alone"),
        ("versions/99", 404, "Version 99 is not known or no longer kept"),
        ("versions/x", 404, "is not known"),
        ("templates", 200, "4 templates"),
        ("templates?at=index.html", 200, "because of"),
        ("templates?q=FOOT", 200, "1 match"),
        ("templates?at=nobody&q=nothing", 404, "0 matches"),
        ("nothing", 404, "There is no such page"),
    ] {
        let answer = served.get(&format!("/_hotplate/{path}"));
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.body.contains(shown), "{path}: no `{shown}` in {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert!(
            !answer.body.contains("://") && !answer.body.contains("style="),
            "{path}"
        );
    }
    for asset in ["dashboard.css", "dashboard.js", "icon.svg"] {
        assert_eq!(served.get(&format!("/_hotplate/{asset}")).status, 200);
    }
    assert_eq!(served.get("/").header("location"), Some("/_hotplate/"));
}

#[test]
fn names_and_messages_are_escaped() {
    let evil = "<img src=x onerror=alert(1)>.html";
    let served = Served::start(&[
        (evil, "{{ if \"<script>alert(2)</script>\" }}"),
        ("ok.html", "<script>alert(3)</script>{x}"),
    ]);
    served.hotplate.render("ok.html", &json!({})).expect_err("no x");
    let encoded = "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E.html";
    for path in [
        "",
        "versions",
        "versions/1",
        "templates",
        &format!("templates?at={encoded}"),
        "templates?at=ok.html",
        "templates?q=%22%3E%3Cscript%3E",
        "?done=%3Cscript%3E",
    ] {
        let answer = served.get(&format!("/_hotplate/{path}"));
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            !answer.body.contains("<img src=x") && !answer.body.contains("<script>"),
            "{path}: {}",
            answer.body
        );
    }
}

#[test]
fn a_large_graph_is_drawn_in_part() {
    let texts: Vec<_> = (0..1_000)
        .map(|number| {
            (
                format!("page{number:04}.html"),
                format!("{{{{ call part{:02}.html with x }}}}", number / 50),
            )
        })
        .chain((0..20).map(|number| (format!("part{number:02}.html"), "part".to_owned())))
        .collect();
    let texts: Vec<_> = texts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let served = Served::start(&texts);
    let boxes = |path: &str| {
        served
            .get(&format!("/_hotplate/{path}"))
            .body
            .matches("class=\"node ")
            .count()
    };
    assert_eq!(boxes("templates?at=part07.html"), 51);
    assert_eq!(boxes("templates?at=page0351.html"), 2);
    assert_eq!(boxes("templates"), 51, "the one with most calls");
}

#[test]
fn signing_in_is_for_people_only() {
    let served = Served::with(&SHOP, Some("right-token"), |admin| admin);
    let ask = |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        wire::ask(served.address(), method, path, headers, body)
    };
    for path in [
        "/_hotplate/versions",
        "/_hotplate/versions/1",
        "/_hotplate/templates?at=index.html",
        "/_hotplate/nothing",
    ] {
        let answer = ask("GET", path, &[], "");
        let to = path.replace('?', "%3F").replace('=', "%3D");
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some(&*format!("/_hotplate/login?to={to}"))),
            "{path}"
        );
    }
    assert_eq!(
        ask("GET", "/_hotplate/", &[], "").header("location"),
        Some("/_hotplate/login")
    );
    // Signing in leads back to the page that was asked for, and to no other site.
    for (back, to) in [
        (
            "/_hotplate/templates?at=index.html",
            "/_hotplate/templates?at=index.html",
        ),
        ("https://evil.example/", "/_hotplate/"),
        ("//evil.example/_hotplate/", "/_hotplate/"),
        ("/_hotplate/login", "/_hotplate/"),
        ("/_hotplate/\\evil", "/_hotplate/"),
        ("/admin/v1/version", "/_hotplate/"),
    ] {
        let form = ask(
            "GET",
            &format!("/_hotplate/login?to={}", back.replace('?', "%3F").replace('\\', "%5C")),
            &[],
            "",
        );
        assert!(
            form.body.contains(&format!("name=\"back\" value=\"{to}\"")),
            "{back}: {}",
            form.body
        );
        let body = format!("token=right-token&back={}", back.replace('?', "%3F"));
        assert_eq!(
            ask("POST", "/_hotplate/login", &[], &body).header("location"),
            Some(to),
            "{back}"
        );
    }
    assert_eq!(ask("GET", "/_hotplate/live", &[], "").status, 401);
    assert_eq!(ask("POST", "/_hotplate/do/reload", &[], "").status, 401);
    let wrong = ask("POST", "/_hotplate/login", &[], "token=wrong");
    assert_eq!(wrong.status, 401);
    assert!(wrong.body.contains("The token is wrong") && wrong.header("set-cookie").is_none());
    let right = ask("POST", "/_hotplate/login", &[], "token=right-token");
    let cookie = right.header("set-cookie").expect("a session").to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains("right-token"),
        "{cookie}"
    );
    let session = cookie.split(';').next().expect("a pair");
    assert_eq!(ask("GET", "/_hotplate/", &[("cookie", session)], "").status, 200);
    // The links to the API and to the metrics work; a session changes nothing through the API.
    for (method, path, status) in [
        ("GET", "/admin/v1/version", 200),
        ("GET", "/admin/v1/metrics", 200),
        ("GET", "/admin/v1/openapi.json", 200),
        ("POST", "/admin/v1/reload", 401),
        ("POST", "/admin/v1/rollback", 401),
        ("PUT", "/admin/v1/log-level", 401),
    ] {
        let answer = ask(method, path, &[("cookie", session)], "");
        assert_eq!(answer.status, status, "{method} {path}");
    }
    assert!(
        right.head.contains("Path=/admin/v1;"),
        "the browser sends it there: {}",
        right.head
    );
    for (referer, to) in [
        (
            "http://x/_hotplate/templates?at=a.html",
            "/_hotplate/templates?at=a.html&done=unchanged",
        ),
        ("http://x/elsewhere", "/_hotplate/?done=unchanged"),
    ] {
        let headers = [("cookie", session), ("referer", referer)];
        let reloaded = ask("POST", "/_hotplate/do/reload", &headers, "");
        assert_eq!(reloaded.header("location"), Some(to), "{reloaded:?}");
    }
    let other = [("cookie", session), ("origin", "https://evil.example")];
    assert_eq!(ask("POST", "/_hotplate/do/reload", &other, "").status, 403);
    assert_eq!(
        ask("POST", "/_hotplate/do/reload", &[("cookie", session)], "").status,
        303
    );
}

#[test]
fn a_break_of_many_pages_reaches_the_dashboard_over_one_connection() {
    let texts: Vec<_> = (0..60)
        .map(|number| (format!("page{number}.html"), "{{ call part.html with x }}".to_owned()))
        .collect();
    let mut texts: Vec<_> = texts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    texts.push(("part.html", "part"));
    let served = Served::start(&texts);
    let data = json!({"x": {"a": 1}});
    for (name, _) in &texts[..60] {
        served.hotplate.render(name, &data).expect("renders");
    }
    let mut events = wire::Events::listen(served.address(), "/_hotplate/live", &[]);
    events.next_of("vitals");
    served.edit("part.html", "{b}");
    for (name, _) in &texts[..60] {
        served.hotplate.render(name, &data).expect("the last good one");
    }
    served.edit("page0.html", "last");
    let mut changes = 0;
    let until = loop {
        let event = events.next().expect("the connection stays").event;
        assert_ne!(event, "lagged");
        if event == "changed" {
            changes += 1;
        }
        if served
            .get("/_hotplate/")
            .body
            .contains("<b>59</b> serving the last good version")
            && changes > 0
        {
            break changes;
        }
    };
    assert!(until < 30, "{until} changes for 62 events");
}

#[test]
fn rows_do_not_move_under_the_pointer() {
    let browser = browser!();
    let served = Served::start(&SHOP);
    served.edit("alone.txt", "two");
    browser.open(&url(&served, "versions"));
    browser.point_at("#v1 .number");
    browser.wait_for("document.querySelector('#versions:hover')");
    let place = "JSON.stringify(document.querySelector('#v1').getBoundingClientRect())";
    browser.run(&format!("window.before = {place}"));
    served.edit("alone.txt", "three");
    browser.wait_for("document.querySelector('#status').textContent.includes('v3')");
    assert_eq!(
        browser.run(&format!(
            "return window.before === {place} && !document.querySelector('#v3')"
        )),
        json!(true)
    );
    // The new row appears when the pointer has left the list.
    browser.point_at(".brand");
    browser.wait_for("document.querySelector('#v3')");
}

/// Returns the addresses of other servers from which the page has loaded something.
fn loaded_from_elsewhere(browser: &Browser) -> serde_json::Value {
    browser.run("return performance.getEntriesByType('resource').map(r => r.name).filter(name => !name.startsWith(location.origin))")
}

#[test]
fn the_dashboard_is_live() {
    let browser = browser!();
    let served = Served::start(&SHOP);
    browser.open(&url(&served, ""));
    browser.run("window.same = true");
    browser.wait_for("document.querySelector('.big .figure').textContent === '1'");
    served.edit("alone.txt", "two");
    browser.wait_for("document.querySelector('.big .figure').textContent === '2'");
    served.edit("part/foot.html", "a\n  {{ if x }}");
    browser.wait_for("document.querySelector('#findings pre')?.textContent.includes('^^^^')");
    browser.wait_for("document.querySelector('#status').textContent.includes('3 serving last good')");
    served.edit("part/foot.html", "mended");
    browser.wait_for("document.querySelector('#findings .empty') && document.title.startsWith('Overview') && document.querySelector('#status').textContent.includes('all current')");
    for _ in 0..50 {
        served.hotplate.render("alone.txt", &json!({})).expect("renders");
    }
    browser.wait_for("document.querySelector('[data-vital=p50]').textContent.endsWith('s')");
    assert_eq!(browser.run("return window.same"), json!(true), "it was not loaded anew");
    assert_eq!(loaded_from_elsewhere(&browser), json!([]));

    // History: the differences of two versions, rolling back, and resuming.
    browser.open(&url(&served, "versions/2"));
    browser.wait_for("document.querySelector('.diff .add')?.textContent.includes('+two')");
    browser.open(&url(&served, "versions"));
    browser
        .run("window.confirm = () => true; document.querySelector('[aria-label=\"Roll back to version 1\"]').click()");
    browser.wait_for("document.querySelector('.done')?.textContent.includes('earlier version')");
    browser.wait_for("document.querySelector('.waiting')?.textContent.includes('alone.txt')");
    assert_eq!(served.get_json("/admin/v1/versions")["held"], true);
    browser.run("document.querySelector('#resume').click()");
    browser.wait_for("document.querySelector('.done')?.textContent.includes('waited')");
    assert_eq!(served.get_json("/admin/v1/versions")["held"], false);
}

/// The overview is not green while visitors get anything but the newest text, whatever the status of the templates says.
#[test]
fn the_overview_shows_what_visitors_get() {
    let served = Served::start(&SHOP);
    let page = || served.get("/_hotplate/").body;
    let state = || served.get_json("/admin/v1/visitors")["state"].clone();
    let render = |data| served.hotplate.render("index.html", &data);
    render(json!({"title": "t"})).expect("renders");
    assert_eq!(state(), "good");
    assert!(page().contains("all current") && !page().contains("<title>("));
    // An edit that compiles and fails with the data of some visitors.
    served.edit("part/foot.html", "<p>\n{titel}</p>");
    for _ in 0..50 {
        assert_eq!(
            render(json!({"title": "t"})).expect("the last good one").body,
            "<h1>t</h1><p>foot</p>"
        );
    }
    let visitors = served.get_json("/admin/v1/visitors");
    assert_eq!(visitors["state"], "warn", "{visitors}");
    assert_eq!(
        (&visitors["answers"]["stale"], &visitors["answers"]["current"]),
        (&json!(50), &json!(1))
    );
    let failure = &visitors["failures"][0];
    assert_eq!(failure["template"], "index.html", "{visitors}");
    assert_eq!(
        (&failure["diagnostic"]["template"], &failure["diagnostic"]["line"]),
        (&json!("part/foot.html"), &json!(2))
    );
    assert!(page().contains("icon-warn.svg"));
    render(json!({})).expect_err("no title");
    assert_eq!(state(), "bad");
    for words in [
        "1 error, 50 pages in their last good version",
        "51 failed",
        "Pages that failed last",
        "icon-bad.svg",
        "<title>(",
    ] {
        assert!(page().contains(words), "no `{words}` in {}", page());
    }
}

/// A page without a good version: each stand-in answer counts as a failure of that page.
#[test]
fn stand_in_answers_are_failures_of_their_page() {
    let served = Served::start(&[("good.html", "good"), ("never.html", "\n{{ if x }}")]);
    for _ in 0..3 {
        served.hotplate.render("never.html", &json!({})).expect("the stand-in");
    }
    let visitors = served.get_json("/admin/v1/visitors");
    assert_eq!(
        (&visitors["state"], &visitors["answers"]["stand_in"]),
        (&json!("bad"), &json!(3))
    );
    let failure = &visitors["failures"][0];
    assert_eq!(
        (&failure["template"], &failure["failures"]),
        (&json!("never.html"), &json!(3)),
        "{visitors}"
    );
    assert_eq!(
        (&failure["serving"], &failure["diagnostic"]["line"]),
        (&json!("stand-in"), &json!(2))
    );
    let page = served.get("/_hotplate/").body;
    for words in [
        "1 unavailable",
        "3 stand-in pages",
        "never.html:2",
        "stand-in page (503)",
    ] {
        assert!(page.contains(words), "no `{words}` in {page}");
    }
    assert_eq!(served.get_json("/admin/v1/template/never.html")["stats"]["failures"], 3);
}

#[test]
fn an_engine_without_templates_is_not_good() {
    let served = Served::start(&[]);
    let page = served.get("/_hotplate/").body;
    assert!(
        page.contains("No template was found in") && page.contains("(no template) Overview"),
        "{page}"
    );
}

#[test]
fn the_overview_says_which_instance_it_shows() {
    let served = Served::with(&SHOP, None, |admin| admin.configuration("/etc/shop.toml"));
    let instance = served.get_json("/admin/v1/instance");
    assert_eq!(instance["process"], std::process::id());
    assert_eq!(instance["configuration"], "/etc/shop.toml");
    let near = |name: &str| {
        let limits = instance["limits"].as_array().expect("limits");
        let limit = limits.iter().find(|limit| limit["name"] == name).expect(name);
        limit["is_near"].clone()
    };
    assert_eq!(
        (near("templates"), near("renders in flight")),
        (json!(false), json!(false))
    );
    let page = served.get("/_hotplate/").body;
    for words in ["/etc/shop.toml", env!("CARGO_PKG_VERSION"), "This instance", "memory"] {
        assert!(page.contains(words), "no `{words}` in {page}");
    }
}

#[test]
fn the_graph_works_by_mouse_and_keyboard() {
    let browser = browser!();
    let served = Served::start(&SHOP);
    served
        .hotplate
        .render("index.html", &json!({"title": "t"}))
        .expect("renders");
    browser.open(&url(&served, "templates"));
    assert_eq!(
        browser.run("return document.querySelectorAll('#graph .node').length"),
        3,
        "one calls nobody"
    );
    browser.run("document.querySelector('#graph .node[aria-label^=\"part/foot.html\"]').dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }))");
    browser.wait_for("document.querySelector('#detail h2')?.textContent === 'part/foot.html'");
    browser.wait_for("document.querySelector('#detail').textContent.includes('Dependents 2')");
    assert_eq!(
        browser.run("return document.querySelectorAll('#graph .lines .near').length"),
        2
    );
    // Arrow keys follow the edges, and Enter selects a node.
    browser.run("document.querySelector('#graph .here').focus()");
    browser.press("\u{E012}");
    browser.wait_for("document.activeElement.matches('#graph .node:not(.here)')");
    browser.press("\u{E007}");
    browser.wait_for("document.querySelector('#detail h2')?.textContent !== 'part/foot.html'");
    browser.run("document.querySelector('#q').focus()");
    browser.press("alone");
    browser.wait_for(
        "document.querySelectorAll('#list li').length === 1 && document.querySelector('#q').value === 'alone'",
    );
    // The drawing fits, zooms by a button and by a key, and only the chosen neighbourhood is in the order of the tab key.
    browser.open(&url(&served, "templates?at=index.html"));
    browser.run("document.querySelector('[data-by=\"1.25\"]').click()");
    let width = "document.querySelector('#graph').getAttribute('width') / document.querySelector('#graph').viewBox.baseVal.width";
    assert_eq!(browser.run(&format!("return {width}")), json!(1.25));
    browser.run("document.querySelector('#picture').focus()");
    browser.press("0");
    browser.wait_for(&format!("{width} <= 1"));
    browser.wait_for("document.querySelectorAll('#graph .node[tabindex=\"0\"]').length === 2");
    // A fault appears in the graph without a reload.
    browser.open(&url(&served, "templates?at=index.html"));
    served.edit("part/foot.html", "{{ if x }}");
    browser.wait_for("document.querySelector('#detail h2').classList.contains('stale') && document.querySelector('#detail pre').textContent.includes('^^^')");
    browser.wait_for("document.querySelectorAll('#graph .stale').length === 3");
    // On a narrow screen nothing overflows horizontally.
    assert_eq!(
        browser.run("return document.documentElement.scrollWidth <= innerWidth"),
        json!(true)
    );
}

#[test]
fn signing_in_does_not_store_the_token() {
    let browser = browser!();
    let served = Served::with(&SHOP, Some("right-token"), |admin| admin);
    browser.open(&url(&served, "templates"));
    browser.wait_for("location.pathname === '/_hotplate/login'");
    browser.run("document.querySelector('#token').value = 'wrong'; document.querySelector('.login button').click()");
    browser.wait_for("document.querySelector('#wrong')");
    browser
        .run("document.querySelector('#token').value = 'right-token'; document.querySelector('.login button').click()");
    browser.wait_for("document.querySelector('#list')");
    assert_eq!(
        browser.run("return [location.pathname, location.search, document.cookie]"),
        json!(["/_hotplate/templates", "", ""])
    );
    browser.open(&url(&served, ""));
    served.edit("alone.txt", "two");
    browser.wait_for("document.querySelector('.big .figure').textContent === '2'");
    browser.run("document.querySelector('#logout').click()");
    browser.wait_for("location.pathname === '/_hotplate/login'");
}

/// `HOTPLATE_PICTURES=docs cargo test --test it -- --ignored the_dashboard_for_the_readme`
#[test]
#[ignore = "writes a picture"]
fn the_dashboard_for_the_readme() {
    let Some(pictures) = std::env::var_os("HOTPLATE_PICTURES") else {
        return;
    };
    let flags = ["--window-size=1360,1143", "--blink-settings=preferredColorScheme=1"];
    let Some(browser) = Browser::start(&flags) else {
        return;
    };
    // The picture shows the path of the directory, so it has a fixed name.
    let directory = std::env::temp_dir().join("shop");
    let _ = fs::remove_dir_all(&directory);
    copy(&shop(), &directory);
    let (server, admin) = serve_with_admin(&directory, &[], &[]);
    browser.open(&format!("http://{admin}/_hotplate/"));
    // About a quarter of a minute of visits gives the diagrams their data.
    let visit = || {
        for round in 0..120 {
            for page in ["/", "/about", "/category/tea", "/cart"]
                .into_iter()
                .take(1 + round % 4)
            {
                assert_eq!(server.get(page).status, 200);
            }
            park_timeout(Duration::from_millis(40));
        }
    };
    visit();
    let foot = directory.join("templates/_layout/foot.html");
    let good = fs::read_to_string(&foot).expect("a template");
    let at = good.rfind("{{- endfor }}").expect("a loop");
    let bad = format!("{}{}", &good[..at], &good[at + "{{- endfor }}".len()..]);
    for (version, text) in [(2, &bad), (3, &good), (4, &bad)] {
        fs::write(&foot, text).expect("written");
        browser.wait_for(&format!(
            "document.querySelector('.big .figure').textContent === '{version}'"
        ));
        visit();
    }
    browser.wait_for("document.querySelector('#findings pre')?.textContent.includes('^^^^')");
    fs::write(Path::new(&pictures).join("dashboard.png"), browser.screenshot()).expect("written");
    fs::remove_dir_all(&directory).expect("removed");
}
