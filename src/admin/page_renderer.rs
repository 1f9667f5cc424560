//! [`PageRenderer`]: renders the pages of the dashboard from built-in templates, with hotplate itself.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::{HttpResponse, HttpResponseBuilder};
use hotplate_actors::loader::LoaderError;
use hotplate_actors::{Hotplate, Limits, MemoryLoader, StartError, TemplateName};
use serde::Serialize;

use super::problem::Problem;

/// The content security policy of a page: it loads the files of the dashboard and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; frame-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// The templates with the names by which they call each other.
const TEMPLATES: [(&str, &str); 19] = [
    ("head.html", include_str!("dashboard/templates/head.html")),
    ("foot.html", include_str!("dashboard/templates/foot.html")),
    ("overview.html", include_str!("dashboard/templates/overview.html")),
    ("attention.html", include_str!("dashboard/templates/attention.html")),
    ("visitors.html", include_str!("dashboard/templates/visitors.html")),
    ("instance.html", include_str!("dashboard/templates/instance.html")),
    ("vitals.html", include_str!("dashboard/templates/vitals.html")),
    ("findings.html", include_str!("dashboard/templates/findings.html")),
    ("waiting.html", include_str!("dashboard/templates/waiting.html")),
    ("rows.html", include_str!("dashboard/templates/rows.html")),
    ("pages.html", include_str!("dashboard/templates/pages.html")),
    ("versions.html", include_str!("dashboard/templates/versions.html")),
    ("version.html", include_str!("dashboard/templates/version.html")),
    ("previews.html", include_str!("dashboard/templates/previews.html")),
    ("preview.html", include_str!("dashboard/templates/preview.html")),
    ("stages.html", include_str!("dashboard/templates/stages.html")),
    ("templates.html", include_str!("dashboard/templates/templates.html")),
    ("picture.html", include_str!("dashboard/templates/picture.html")),
    ("notice.html", include_str!("dashboard/templates/notice.html")),
];

/// The engine that renders the dashboard, apart from the engine that the dashboard shows.
pub(super) struct PageRenderer(Hotplate);

impl PageRenderer {
    /// Starts the engine with the built-in templates.
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
            Some(wrong) => Err(StartError::Load(LoaderError::new(wrong.to_string()))),
        }
    }

    /// Renders a page as an answer.
    pub(super) fn page(
        &self,
        status: StatusCode,
        template: &str,
        view: &impl Serialize,
    ) -> Result<HttpResponse, Problem> {
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
