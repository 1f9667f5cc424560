//! Pages of the dashboard on a phone, and at 400 % zoom, where a window of 1280 by 1024 pixels has 320 by 256.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::admin::{SHOP, Served};
use crate::browser::Browser;

/// The width and the height of each view.
const VIEWS: [(u32, u32); 4] = [(320, 640), (320, 256), (500, 700), (1280, 800)];

const PATHS: [(&str, &str); 10] = [
    ("overview", ""),
    ("versions", "versions"),
    ("version", "versions/3"),
    ("templates", "templates"),
    ("template", "templates?at=index.html"),
    ("unknown-template", "templates?at=nobody.html"),
    ("previews", "previews"),
    ("stages", "stages"),
    ("missing", "nothing"),
    ("unknown-version", "versions/99"),
];

/// Starts an instance in trouble, so that every part of the pages is shown, with long names and messages.
fn troubled() -> Served {
    let served = Served::with(&SHOP, None, |admin| admin);
    let long = format!("a/{}/page.html", "very-long-directory-name-".repeat(4));
    served.edit(&long, &format!("<p>{}</p>", "longwordwithoutablank".repeat(20)));
    served.edit(
        "part/foot.html",
        &format!("{}{{{{ if {} }}}}", " ".repeat(300), "x".repeat(120)),
    );
    served.edit("never.html", "{{ call nobody.html with x }}");
    served.hotplate.render("never.html", &json!({})).expect("the stand-in");
    served.hotplate.render("index.html", &json!({})).expect_err("no title");
    served
}

/// With HOTPLATE_PICTURES, a picture of each page in each view is written to that directory.
#[test]
fn no_page_is_wider_than_its_window() {
    let served = troubled();
    let pictures = std::env::var_os("HOTPLATE_PICTURES").map(PathBuf::from);
    let mut wrong = Vec::new();
    for (width, height) in VIEWS {
        let Some(browser) = Browser::with_view(width, height) else {
            return;
        };
        for (name, path) in PATHS {
            browser.open(&format!("http://{}/_hotplate/{path}", served.address()));
            browser.wait_for("document.readyState === 'complete'");
            let found = browser.run(
                "const width = document.documentElement.scrollWidth; \
                 scrollTo(0, 1e6); \
                 const head = scrollY > 60 ? document.querySelector('.top').getBoundingClientRect().bottom : 0; \
                 return [innerWidth, width, Math.max(0, Math.round(head)), innerHeight]",
            );
            let number = |at: usize| found[at].as_u64().unwrap_or_default();
            if let Some(pictures) = &pictures {
                browser.run("scrollTo(0, 0)");
                let file = pictures.join(format!("{name}-{width}x{height}.png"));
                fs::write(file, browser.screenshot()).expect("written");
            }
            assert_eq!(number(0), u64::from(width), "the view is emulated");
            // What sticks of the header is small.
            if number(1) > number(0) || number(2) > 56 || number(2) * 5 > number(3) {
                wrong.push(format!("{name} {width}x{height}: {found}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
