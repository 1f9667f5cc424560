//! Every page of the dashboard and the overlay under axe-core, light and dark. Without a browser or npm, the tests report that they are
//! skipped.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::admin::{SHOP, Served};
use crate::browser::Browser;
use crate::files::Files;
use crate::http::Server;

/// The version whose rules the pages follow. It is a tool of the tests and no part of the product.
const PACKAGE: &str = "axe-core@4.10.3";
/// Both schemes, and the narrow and the zoomed window of a phone or of 400 %.
const VIEWS: [(&str, &[&str]); 3] = [
    ("light", &["--blink-settings=preferredColorScheme=1"]),
    ("dark", &["--blink-settings=preferredColorScheme=0"]),
    (
        "narrow",
        &["--blink-settings=preferredColorScheme=1", "--window-size=500,400"],
    ),
];

/// Returns the script of axe-core, which npm installs below `target/` once.
fn axe() -> Option<String> {
    // The tests install it once, and not at the same time.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("axe");
    let script = directory.join("node_modules/axe-core/axe.min.js");
    if !script.exists() {
        fs::create_dir_all(&directory).expect("a directory");
        let npm = Command::new("npm")
            .args([
                "install",
                "--no-save",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                PACKAGE,
                "--prefix",
            ])
            .arg(&directory)
            .output();
        if !npm.is_ok_and(|npm| npm.status.success()) {
            crate::browser::skip("npm cannot install axe-core");
            return None;
        }
    }
    Some(fs::read_to_string(script).expect("axe-core"))
}

/// Returns the violations of the shown page, with the elements.
fn violations(browser: &Browser, axe: &str) -> Value {
    // The content security policy of a page does not apply to scripts of WebDriver.
    browser.run(&format!("{axe}; window.found = null; axe.run(document, {{ resultTypes: ['violations'] }}).then(found => {{ \
         window.found = found.violations.map(rule => [rule.id, ...rule.nodes.slice(0, 4).map(node => [String(node.target), node.html.slice(0, 160), node.any.map(check => check.message).join(' ').slice(0, 160)])]) }}); return 0"));
    browser.wait_for("window.found");
    browser.run("return window.found")
}

#[test]
fn the_dashboard_has_no_violations() {
    let Some(axe) = axe() else { return };
    for (view, flags) in VIEWS {
        let Some(browser) = Browser::start(flags) else { return };
        let served = Served::with(&SHOP, None, |admin| admin);
        let signed_out = Served::with(&SHOP, Some("token"), |admin| admin);
        served.edit("alone.txt", "one\ntwo\n");
        let mut found = Vec::new();
        let mut look = |served: &Served, state: &str, path: &str| {
            browser.open(&format!("http://{}/_hotplate/{path}", served.address()));
            let violations = violations(&browser, &axe);
            if violations != json!([]) {
                found.push((state.to_owned(), path.to_owned(), violations));
            }
        };
        look(&signed_out, "signed out", "login");
        for state in ["good", "failing", "rolled back"] {
            match state {
                "failing" => {
                    served.edit("part/foot.html", "<p>\n{{ if x }}");
                    served.edit("never.html", "{{ call nobody.html with x }}");
                    served.edit("warned.html", "<a href={x}>");
                    served.hotplate.render("never.html", &json!({})).expect("the stand-in");
                    served.hotplate.render("index.html", &json!({})).expect_err("no title");
                }
                "rolled back" => {
                    let answer = served.ask(
                        "POST",
                        "/admin/v1/rollback",
                        &[("content-type", "application/json")],
                        r#"{"to":1}"#,
                    );
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
                _ => {}
            }
            for path in [
                "",
                "versions",
                "stages",
                "versions/2",
                "templates",
                "templates?at=index.html",
                "templates?q=foot",
                "nothing",
            ] {
                look(&served, state, path);
            }
        }
        assert!(
            found.is_empty(),
            "{view}: {}",
            serde_json::to_string_pretty(&found).expect("text")
        );
    }
}

#[test]
fn the_overlay_and_the_missing_page_have_no_violations() {
    let Some(axe) = axe() else { return };
    for (view, flags) in VIEWS {
        let Some(browser) = Browser::start(flags) else { return };
        let files = Files::new(&[
            (
                "templates/index.html",
                "<!doctype html><html lang=en><head><title>shop</title></head><body><main><h1>shop</h1>{{ call _a.html with page }}</main></body></html>",
            ),
            ("templates/_a.html", "<p>a</p>"),
            ("data/_all.json", r#"{"page": {"title": "one"}}"#),
        ]);
        let server = Server::start(&files);
        let url = |path: &str| format!("http://{}{path}", server.address);
        browser.open(&url("/nothing"));
        assert_eq!(violations(&browser, &axe), json!([]), "{view}: the missing page");
        browser.open(&url("/"));
        files.write(
            "templates/_a.html",
            &"one\n{{ if a == b }}{{ endif }}\nthree\n".repeat(4),
        );
        browser.wait_for("document.querySelector('hotplate-overlay')?.shadowRoot.querySelector('dialog').open");
        assert_eq!(violations(&browser, &axe), json!([]), "{view}: the overlay");
        let height = browser
            .run("return document.querySelector('hotplate-overlay').shadowRoot.querySelector('.faults').clientHeight");
        assert!(height.as_u64().is_some_and(|height| height > 100), "{view}: {height}");
    }
}
