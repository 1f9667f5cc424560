//! A common interface of the engines: prepare a workload once, render it many times.

mod askama;
mod handlebars;
pub mod hotplate;
pub mod minijinja;
mod sailfish;
pub mod tera;
mod tinytemplate;

use serde::Serialize;

use crate::data::Workload;

/// A prepared render, which may be run any number of times, each time from the struct.
pub type Render<'w> = Box<dyn Fn() -> String + 'w>;

/// An engine and the function that prepares a workload.
pub struct Engine {
    /// The name of its row.
    pub name: &'static str,
    pub package: &'static str,
    pub ready: for<'w> fn(&'w Workload) -> Render<'w>,
}

/// The engine that all others are compared with.
pub const BASE: &str = "askama";

/// All engines, hotplate first. Its rows that name no language are in `tiny`.
pub const ENGINES: [Engine; 14] = [
    Engine::new("hotplate, by handle", "hotplate-actors", hotplate::by_handle),
    Engine::new("hotplate, by name", "hotplate-actors", hotplate::ready),
    Engine::new("hotplate, prepared", "hotplate-actors", hotplate::prepared),
    Engine::new(
        "hotplate jinja, by handle",
        "hotplate-actors",
        hotplate::jinja_by_handle,
    ),
    Engine::new("hotplate jinja, by name", "hotplate-actors", hotplate::jinja_ready),
    Engine::new("hotplate jinja, prepared", "hotplate-actors", hotplate::jinja_prepared),
    Engine::new(BASE, BASE, askama::ready),
    Engine::new("sailfish", "sailfish", sailfish::ready),
    Engine::new("tinytemplate", "tinytemplate", tinytemplate::ready),
    Engine::new("minijinja", "minijinja", minijinja::ready),
    Engine::new("minijinja, prepared", "minijinja", minijinja::prepared),
    Engine::new("tera", "tera", tera::ready),
    Engine::new("tera, prepared", "tera", tera::prepared),
    Engine::new("handlebars", "handlebars", handlebars::ready),
];

impl Engine {
    const fn new(name: &'static str, package: &'static str, ready: for<'w> fn(&'w Workload) -> Render<'w>) -> Self {
        Self { name, package, ready }
    }
}

/// Returns the version of a crate in the lock file of this workspace.
pub fn version_of(package: &str) -> &'static str {
    let lock = include_str!("../Cargo.lock");
    let named = format!("name = \"{package}\"\nversion = \"");
    lock.split_once(&named)
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("?", |(version, _)| version)
}

/// An engine that finds templates by name at run time and accepts any data that implements `Serialize`.
pub(crate) trait ByName {
    fn render<T: Serialize>(&self, name: &str, data: &T) -> String;
}

fn by_name<'w>(engine: impl ByName + 'w, workload: &'w Workload) -> Render<'w> {
    let name = format!("{}.html", workload.name());
    match workload {
        Workload::Teams(data) => Box::new(move || engine.render(&name, data)),
        Workload::Table(data) => Box::new(move || engine.render(&name, data)),
        Workload::Page(data) => Box::new(move || engine.render(&name, data)),
    }
}

/// Returns the templates of a folder, without the newline at the end of each file.
macro_rules! templates {
    ($folder:literal) => {
        [
            (
                "teams.html",
                include_str!(concat!("../../templates/", $folder, "/teams.html")).trim_end(),
            ),
            (
                "table.html",
                include_str!(concat!("../../templates/", $folder, "/table.html")).trim_end(),
            ),
            (
                "page.html",
                include_str!(concat!("../../templates/", $folder, "/page.html")).trim_end(),
            ),
            (
                "_head.html",
                include_str!(concat!("../../templates/", $folder, "/_head.html")).trim_end(),
            ),
            (
                "_header.html",
                include_str!(concat!("../../templates/", $folder, "/_header.html")).trim_end(),
            ),
            (
                "_nav.html",
                include_str!(concat!("../../templates/", $folder, "/_nav.html")).trim_end(),
            ),
            (
                "_row.html",
                include_str!(concat!("../../templates/", $folder, "/_row.html")).trim_end(),
            ),
            (
                "_footer.html",
                include_str!(concat!("../../templates/", $folder, "/_footer.html")).trim_end(),
            ),
        ]
    };
}
use templates;

/// Decodes the entities of an output, which engines write in different ways, so that outputs can be compared. `entities` checks
/// separately that everything was escaped.
pub fn decoded(output: &str) -> String {
    const ENTITIES: [(&str, &str); 14] = [
        ("&lt;", "<"),
        ("&#60;", "<"),
        ("&gt;", ">"),
        ("&#62;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#039;", "'"),
        ("&#x27;", "'"),
        ("&#x2f;", "/"),
        ("&#x2F;", "/"),
        ("&#x3D;", "="),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ];
    let decoded = ENTITIES
        .iter()
        .fold(output.to_owned(), |text, (entity, means)| text.replace(entity, means));
    decoded.trim_end().to_owned()
}

/// Counts the entities in an output, which shows how much was escaped.
pub fn escapes(output: &str) -> usize {
    output.matches('&').count() - output.matches("&#x2f;").count() - output.matches("&#x3D;").count()
}
