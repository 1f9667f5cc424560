//! The dashboard for operators. Its pages are rendered by hotplate itself, from built-in templates.
//!
//! Every page works without a script; a small script keeps it live. The content security policy allows nothing but the dashboard's own
//! files.

mod pages;
mod actions;
mod overview;
mod paging;
mod previews;
mod stages;
mod attention;
mod visitors;
mod versions;
mod differences;
mod templates;
mod drawing;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{self, ServiceConfig};
use serde::Serialize;

const STYLE: &str = include_str!("dashboard/assets/dashboard.css");
const SCRIPT: &str = include_str!("dashboard/assets/dashboard.js");
const ICON: &str = include_str!("dashboard/assets/icon.svg");

/// The digest of the style, the script and the icon. A browser that keeps them asks for others once they differ.
fn assets() -> &'static str {
    static DIGEST: OnceLock<String> = OnceLock::new();
    DIGEST.get_or_init(|| {
        let digest = blake3::Hasher::new()
            .update(STYLE.as_bytes())
            .update(SCRIPT.as_bytes())
            .update(ICON.as_bytes())
            .finalize();
        digest.to_hex()[..16].to_owned()
    })
}

/// Mounts the dashboard below `/_hotplate`.
pub(super) fn configure(app: &mut ServiceConfig) {
    app.service(web::redirect("/", "/_hotplate/").see_other());
    app.service(web::redirect("/_hotplate", "/_hotplate/").see_other());
    for (kind, colour) in [("warn", "#fbbf24"), ("bad", "#e11d48")] {
        let icon = ICON.replace(
            "</svg>",
            &format!(r##"<circle cx="24" cy="8" r="8" fill="{colour}" stroke="#fff" stroke-width="1.5"/></svg>"##),
        );
        let answer = move || {
            let icon = icon.clone();
            async move {
                HttpResponse::Ok()
                    .insert_header((CONTENT_TYPE, "image/svg+xml"))
                    .body(icon)
            }
        };
        app.route(&format!("/_hotplate/icon-{kind}.svg"), web::get().to(answer));
    }
    for (path, content_type, text) in [
        ("/_hotplate/dashboard.css", "text/css; charset=utf-8", STYLE),
        ("/_hotplate/dashboard.js", "text/javascript; charset=utf-8", SCRIPT),
        ("/_hotplate/icon.svg", "image/svg+xml", ICON),
    ] {
        let answer = move || async move {
            // The address has a digest, so a browser may keep the file.
            HttpResponse::Ok()
                .insert_header((CACHE_CONTROL, "private, max-age=31536000, immutable"))
                .insert_header((CONTENT_TYPE, content_type))
                .body(text)
        };
        app.route(path, web::get().to(answer));
    }
    app.route("/_hotplate/", web::get().to(pages::overview));
    app.route("/_hotplate/versions", web::get().to(pages::versions));
    app.route("/_hotplate/versions/{number}", web::get().to(pages::version));
    app.route("/_hotplate/previews", web::get().to(previews::list));
    app.route("/_hotplate/previews/{id}", web::get().to(previews::preview));
    app.route(
        "/_hotplate/previews/{id}/render/{name:.*}",
        web::get().to(previews::render),
    );
    app.route("/_hotplate/stages", web::get().to(stages::stages));
    app.route("/_hotplate/templates", web::get().to(pages::templates));
    app.route("/_hotplate/live", web::get().to(pages::live));
    app.route("/_hotplate/login", web::get().to(pages::login));
    app.route("/_hotplate/login", web::post().to(actions::login));
    app.route("/_hotplate/logout", web::post().to(actions::logout));
    app.route("/_hotplate/do/{action}", web::post().to(actions::act));
    app.route("/_hotplate/{path:.*}", web::to(pages::nothing_here));
}

/// The parts of a page that all pages share.
#[derive(Debug, Serialize)]
struct Frame {
    title: String,
    /// The digest of the style and the script, which is part of their addresses.
    assets: &'static str,
    /// The icon of the browser's tab, which shows trouble.
    icon: String,
    /// The tab of this page: one of these five flags is true, or none.
    overview: bool,
    versions: bool,
    previews: bool,
    stages: bool,
    templates: bool,
    /// True if the page offers signing out.
    signed_in: bool,
    /// True if the page follows events.
    live: bool,
    status: Option<PageStatus>,
    /// The result of the action that led to this page.
    done: Option<&'static str>,
}

/// The state of the engine in a few words.
#[derive(Debug, Serialize)]
struct PageStatus {
    /// `good`, `warn` or `bad`.
    kind: &'static str,
    text: String,
    version: u64,
    held: bool,
}

/// The first few of some names, and the number of the others.
#[derive(Debug, Serialize)]
struct NameList {
    names: Vec<String>,
    more: usize,
    any: bool,
}

impl NameList {
    fn of(names: &super::model::NameSample, max: usize) -> Self {
        let shown: BTreeSet<_> = names.names.iter().take(max).cloned().collect();
        Self {
            more: names.count - shown.len().min(names.count),
            any: names.count > 0,
            names: shown.into_iter().collect(),
        }
    }
}
