//! The rules of a site, tested by the library.

use hotplate::site::{Site, SiteData};
use hotplate::{Freshness, Hotplate, RenderFailure, Rendered};

use crate::files::{Files, shop};

fn open(files: &Files) -> (Site, Hotplate) {
    let site = Site::open(files.path()).expect("a site");
    let hotplate = site.builder().watch(false).start().expect("starts");
    (site, hotplate)
}

fn render(hotplate: &Hotplate, name: &str) -> Result<Rendered, RenderFailure> {
    hotplate.request(name).with_source(SiteData).render()
}

fn body(hotplate: &Hotplate, name: &str) -> String {
    render(hotplate, name).expect("renders").body
}

#[test]
fn paths_lead_to_entries_only() {
    let files = Files::new(&[
        ("templates/index.html", ""),
        ("templates/a/b.html", ""),
        ("templates/a/index.html", ""),
        ("templates/feed.xml", ""),
        ("templates/mail/order.txt", ""),
        ("templates/_layout/head.html", ""),
        ("templates/a/partials/row.html", ""),
        ("templates/_start.html", ""),
        ("templates/mit leer.html", ""),
        ("data/index.json", "{}"),
        ("static/site.css", ""),
    ]);
    let (site, hotplate) = open(&files);
    let pinned = hotplate.snapshot();
    for (path, expected) in [
        ("/", Some("index.html")),
        ("/index.html", Some("index.html")),
        ("/index", Some("index.html")),
        ("/a/b", Some("a/b.html")),
        ("/a/b.html", Some("a/b.html")),
        ("/a/", Some("a/index.html")),
        ("/feed.xml", Some("feed.xml")),
        ("/mail/order.txt", Some("mail/order.txt")),
        ("/_start", Some("_start.html")),
        ("/mit leer", Some("mit leer.html")),
        ("/mail/order", None),
        ("/feed", None),
        ("/b", None),
        ("/a/b/", None),
        ("/_layout/head", None),
        ("/_layout/head.html", None),
        ("/a/partials/row", None),
        ("/data:index.json", None),
        ("/data/index.json", None),
        ("/site.css", None),
        ("/../templates/index.html", None),
        ("/a/../index", None),
    ] {
        let found = site.entry_at(pinned.snapshot(), path);
        assert_eq!(found.as_ref().map(|name| name.as_str()), expected, "{path}");
    }
}

#[test]
fn a_plain_folder_has_entries_without_data() {
    let files = Files::new(&[
        ("index.html", "{{ if @root }}whole{{ endif }}"),
        ("_part.html", "part"),
        ("partials/x.txt", "x"),
        ("data/index.json", r#"{"a": 1}"#),
    ]);
    let site = Site::folder(files.path()).expect("a folder");
    let hotplate = site.builder().watch(false).start().expect("starts");
    let pinned = hotplate.snapshot();
    assert_eq!(site.entry_at(pinned.snapshot(), "/partials/x.txt"), None);
    for path in ["/", "/_part"] {
        let entry = site.entry_at(pinned.snapshot(), path).expect("an entry");
        assert!(!site.has_data(pinned.snapshot(), &entry), "{path}");
    }
    assert_eq!(body(&hotplate, "index.html"), "whole");
}

#[test]
fn data_is_merged() {
    let files = Files::new(&[
        ("templates/index.html", "{brand.name} {brand.city} {title}"),
        ("templates/mail/order.html", "{brand.name} {title}"),
        ("templates/mail/order.txt", "{brand.name} {title}"),
        ("templates/bare.html", "{title}"),
        (
            "data/_all.json",
            r#"{"brand": {"name": "all", "city": "Ulm"}, "title": "all"}"#,
        ),
        ("data/index.json", r#"{"brand": {"name": "index"}}"#),
        ("data/mail/order.json", r#"{"title": "both"}"#),
        ("data/mail/order.txt.json", r#"{"title": "text"}"#),
    ]);
    let (_, hotplate) = open(&files);
    for (name, expected) in [
        ("index.html", "index Ulm all"),
        ("mail/order.html", "all both"),
        ("mail/order.txt", "all text"),
        ("bare.html", "all"),
    ] {
        assert_eq!(body(&hotplate, name), expected, "{name}");
    }
}

#[tokio::test]
async fn data_and_templates_of_one_batch_are_swapped_together() {
    let files = Files::new(&[
        ("templates/index.html", "template 0, data {n}"),
        ("data/index.json", r#"{"n": 0}"#),
    ]);
    let (_, hotplate) = open(&files);
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let hotplate = hotplate.clone();
            std::thread::spawn(move || {
                let mut last = String::new();
                while last != "template 20, data 20" {
                    last = body(&hotplate, "index.html");
                    let (template, data) = last.split_once(", data ").expect("two numbers");
                    assert_eq!(template, format!("template {data}"));
                }
            })
        })
        .collect();
    for n in 1..=20 {
        files.write("templates/index.html", &format!("template {n}, data {{n}}"));
        files.write("data/index.json", &format!("{{\"n\": {n}}}"));
        let report = hotplate.reload().await.expect("reloads");
        assert_eq!(report.changed.len(), 2, "{report:?}");
        assert_eq!(body(&hotplate, "index.html"), format!("template {n}, data {n}"));
    }
    for reader in readers {
        reader.join().expect("saw whole versions only");
    }
}

#[tokio::test]
async fn a_stale_page_keeps_its_data() {
    let files = Files::new(&[
        ("templates/index.html", "{title}, {{ call _parts/a.html with page }}"),
        ("templates/_parts/a.html", "part"),
        ("templates/other.html", "other {title}"),
        ("data/_all.json", r#"{"title": "old", "page": {}}"#),
    ]);
    let (_, hotplate) = open(&files);
    files.write("templates/_parts/a.html", "{{ if }}");
    files.write("data/_all.json", r#"{"title": "new", "page": {}}"#);
    hotplate.reload().await.expect("reloads");
    let page = render(&hotplate, "index.html").expect("renders");
    assert_eq!(page.body, "old, part");
    assert!(matches!(page.freshness, Freshness::Stale { .. }), "{page:?}");
    assert_eq!(body(&hotplate, "other.html"), "other new");

    files.write("templates/_parts/a.html", "fixed");
    hotplate.reload().await.expect("reloads");
    assert_eq!(body(&hotplate, "index.html"), "new, fixed");
}

#[tokio::test]
async fn invalid_data_affects_only_its_pages() {
    let files = Files::new(&[
        ("templates/index.html", "{title}"),
        ("templates/other.html", "other {title}"),
        ("data/index.json", r#"{"title": "one"}"#),
        ("data/other.json", r#"{"title": "one"}"#),
    ]);
    let (_, hotplate) = open(&files);
    files.write("data/index.json", "{\n  \"title\": two\n}");
    files.write("data/other.json", r#"{"title": "two"}"#);
    files.write("templates/index.html", "new {title}");
    let report = hotplate.reload().await.expect("reloads");
    assert_eq!(body(&hotplate, "index.html"), "one");
    assert_eq!(body(&hotplate, "other.html"), "other two");
    let fault = &report.diagnostics[0];
    assert_eq!(
        (fault.code, fault.span.map(|span| span.line)),
        ("bad-json", Some(2)),
        "{fault}"
    );
}

#[tokio::test]
async fn data_may_be_added_and_removed() {
    let files = Files::new(&[
        ("templates/index.html", "{title}"),
        ("data/_all.json", r#"{"title": "all"}"#),
    ]);
    let (_, hotplate) = open(&files);
    assert_eq!(body(&hotplate, "index.html"), "all");
    files.write("data/index.json", r#"{"title": "own"}"#);
    hotplate.reload().await.expect("reloads");
    assert_eq!(body(&hotplate, "index.html"), "own");
    files.remove("data/index.json");
    hotplate.reload().await.expect("reloads");
    assert_eq!(body(&hotplate, "index.html"), "all");
}

#[test]
fn data_cannot_be_called() {
    let files = Files::new(&[
        ("templates/index.html", "{{ call data:index.json with page }}"),
        ("data/index.json", r#"{"page": {}}"#),
    ]);
    let (_, hotplate) = open(&files);
    let error = match render(&hotplate, "index.html") {
        Ok(rendered) => panic!("{rendered:?}"),
        Err(failure) => failure.to_string(),
    };
    assert!(error.contains("data"), "{error}");
}

#[test]
fn the_shop_renders_with_its_data() {
    let site = Site::open(shop()).expect("a site");
    let hotplate = site.builder().watch(false).start().expect("starts");
    assert_eq!(hotplate.diagnostics(), []);
    let page = body(&hotplate, "index.html");
    assert!(
        page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"),
        "{page}"
    );
}

#[test]
fn a_missing_directory_is_an_error() {
    let files = Files::new(&[("file", "")]);
    for path in ["file", "nowhere"] {
        let error = Site::open(files.path().join(path)).expect_err("no site");
        assert!(error.to_string().contains(path), "{error}");
    }
}

#[test]
fn data_is_found_by_any_unicode_form() {
    let files = Files::new(&[
        ("templates/nai\u{308}ve.html", "{x}"),
        ("data/na\u{ef}ve.json", r#"{"x": "composed"}"#),
    ]);
    let (site, hotplate) = open(&files);
    assert_eq!(body(&hotplate, "nai\u{308}ve.html"), "composed");
    assert!(site.unused_data(hotplate.snapshot().snapshot()).is_empty());
    files.write("data/nai\u{308}ve.json", r#"{"x": "own"}"#);
    let (_, hotplate) = open(&files);
    assert_eq!(body(&hotplate, "nai\u{308}ve.html"), "own");
}
