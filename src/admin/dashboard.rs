//! The dashboard: what an operator looks at, rendered by hotplate itself from templates that are built in.
//!
//! Every page works without a script; a small one keeps it live. Nothing is loaded from elsewhere, and the content policy allows
//! nothing but the dashboard's own files.

mod actions;
mod overview;
mod pages;
mod drawing;
mod templates;
mod versions;
mod phrases;

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, HttpResponseBuilder};
use hotplate_actors::{Hotplate, Limits, MemoryLoader, StartError, TemplateName};
use serde::Serialize;

use super::problem::Problem;

pub(super) use overview::VitalsView;

/// What a page of the dashboard may load: its own files, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// The templates, by the names by which they call each other.
const TEMPLATES: [(&str, &str); 11] = [
    ("head.html", include_str!("dashboard/templates/head.html")),
    ("foot.html", include_str!("dashboard/templates/foot.html")),
    ("overview.html", include_str!("dashboard/templates/overview.html")),
    ("vitals.html", include_str!("dashboard/templates/vitals.html")),
    ("findings.html", include_str!("dashboard/templates/findings.html")),
    ("rows.html", include_str!("dashboard/templates/rows.html")),
    ("versions.html", include_str!("dashboard/templates/versions.html")),
    ("version.html", include_str!("dashboard/templates/version.html")),
    ("templates.html", include_str!("dashboard/templates/templates.html")),
    ("picture.html", include_str!("dashboard/templates/picture.html")),
    ("notice.html", include_str!("dashboard/templates/notice.html")),
];
const STYLE: &str = include_str!("dashboard/assets/dashboard.css");
const SCRIPT: &str = include_str!("dashboard/assets/dashboard.js");
const ICON: &str = include_str!("dashboard/assets/icon.svg");

/// The engine that renders the dashboard. It has nothing to do with the one that the dashboard is about.
pub(super) struct Dashboard(Hotplate);

impl Dashboard {
    /// Starts it from what is built in.
    pub(super) fn start() -> Result<Self, StartError> {
        let (loader, memory) = MemoryLoader::new();
        let named = |(name, text): (&str, &'static str)| TemplateName::new(name).ok().map(|name| (name, Some(text)));
        memory.edit(TEMPLATES.into_iter().filter_map(named));
        let limits = Limits {
            render_threads: 1,
            compile_threads: 1,
            history_versions: 1,
            ..Limits::default()
        };
        let hotplate = Hotplate::builder()
            .loader(loader)
            .limits(limits)
            .watch(false)
            .quiet()
            .start()?;
        match hotplate.diagnostics().first() {
            None => Ok(Self(hotplate)),
            Some(wrong) => Err(StartError::Load(wrong.to_string())),
        }
    }

    fn page(&self, status: StatusCode, template: &str, view: &impl Serialize) -> Result<HttpResponse, Problem> {
        let rendered = self
            .0
            .render(template, view)
            .map_err(|failure| Problem::internal(failure.to_string()))?;
        Ok(HttpResponseBuilder::new(status)
            .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
            .insert_header((CONTENT_SECURITY_POLICY, POLICY))
            .body(rendered.body))
    }
}

/// Mounts everything below `/_hotplate`.
pub(super) fn configure(app: &mut ServiceConfig) {
    app.service(web::redirect("/", "/_hotplate/").see_other());
    app.service(web::redirect("/_hotplate", "/_hotplate/").see_other());
    for (path, content_type, text) in [
        ("/_hotplate/dashboard.css", "text/css; charset=utf-8", STYLE),
        ("/_hotplate/dashboard.js", "text/javascript; charset=utf-8", SCRIPT),
        ("/_hotplate/icon.svg", "image/svg+xml", ICON),
    ] {
        let answer = move || async move {
            HttpResponse::Ok()
                .insert_header((CONTENT_TYPE, content_type))
                .body(text)
        };
        app.route(path, web::get().to(answer));
    }
    app.route("/_hotplate/", web::get().to(pages::overview));
    app.route("/_hotplate/versions", web::get().to(pages::versions));
    app.route("/_hotplate/versions/{number}", web::get().to(pages::version));
    app.route("/_hotplate/templates", web::get().to(pages::templates));
    app.route("/_hotplate/live", web::get().to(pages::live));
    app.route("/_hotplate/login", web::get().to(pages::login));
    app.route("/_hotplate/login", web::post().to(actions::login));
    app.route("/_hotplate/logout", web::post().to(actions::logout));
    app.route("/_hotplate/do/{action}", web::post().to(actions::act));
    app.route("/_hotplate/{path:.*}", web::to(pages::nothing_here));
}

/// What every page shows.
#[derive(Debug, Serialize)]
struct Frame {
    title: String,
    /// Which of the tabs is this page.
    overview: bool,
    versions: bool,
    templates: bool,
    /// Whether there is somebody who could leave.
    signed_in: bool,
    /// Whether to follow what happens.
    live: bool,
    status: Option<PageStatus>,
    /// What was done just now.
    did: Option<&'static str>,
}

/// How it is, in a few words.
#[derive(Debug, Serialize)]
struct PageStatus {
    /// `good`, `warn` or `bad`.
    kind: &'static str,
    said: String,
    version: u64,
    held: bool,
}

/// Names as a person reads them: the first few, and how many more.
#[derive(Debug, Serialize)]
struct NameList {
    names: Vec<String>,
    more: usize,
    any: bool,
}

impl NameList {
    fn of(names: &super::model::NameSample, most: usize) -> Self {
        let shown: BTreeSet<_> = names.names.iter().take(most).cloned().collect();
        Self {
            more: names.count - shown.len().min(names.count),
            any: names.count > 0,
            names: shown.into_iter().collect(),
        }
    }
}
