//! hotplate with templates in memory that do not change.

use hotplate_actors::loader::MemoryLoader;
use hotplate_actors::value::Arena;
use hotplate_actors::{Builder, Context, Hotplate, TemplateName};
use serde::Serialize;

use super::{ByName, Render, by_name, templates};
use crate::data::Workload;

/// The language of the templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Tiny,
    Jinja,
}

impl Language {
    /// All languages with their names.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Tiny, "tiny"), (Self::Jinja, "jinja")];
}

/// The templates by name.
pub fn texts(language: Language) -> [(&'static str, &'static str); 8] {
    match language {
        Language::Tiny => templates!("tiny"),
        Language::Jinja => templates!("jinja"),
    }
}

/// Starts an engine whose templates are in one language.
pub fn start(language: Language) -> Hotplate {
    let (loader, memory) = MemoryLoader::new();
    let texts = texts(language);
    memory.edit(texts.map(|(name, text)| (TemplateName::new(name).expect("a name"), Some(text))));
    builder(language)
        .loader(loader)
        .watch(false)
        .start()
        .expect("it starts")
}

/// Returns a builder for templates in one language.
pub fn builder(language: Language) -> Builder {
    match language {
        Language::Tiny => Hotplate::builder(),
        Language::Jinja => Hotplate::builder().jinja(),
    }
}

fn handle(language: Language, workload: &Workload) -> Render<'_> {
    let hotplate = start(language);
    let template = hotplate.handle(&format!("{}.html", workload.name()));
    macro_rules! render {
        ($data:expr) => {
            Box::new(move || template.render($data).expect("it renders").body)
        };
    }
    match workload {
        Workload::Teams(data) => render!(data),
        Workload::Table(data) => render!(data),
        Workload::Page(data) => render!(data),
    }
}

fn prepare(language: Language, workload: &Workload) -> Render<'_> {
    let template = start(language).handle(&format!("{}.html", workload.name()));
    let arena = Box::leak(Box::new(Arena::new()));
    let context = match workload {
        Workload::Teams(data) => Context::prepare(data, arena),
        Workload::Table(data) => Context::prepare(data, arena),
        Workload::Page(data) => Context::prepare(data, arena),
    };
    let context = context.expect("data");
    Box::new(move || {
        template
            .request()
            .with_source(context)
            .render()
            .expect("it renders")
            .body
    })
}

pub(super) fn by_handle(workload: &Workload) -> Render<'_> {
    handle(Language::Tiny, workload)
}

pub(super) fn jinja_by_handle(workload: &Workload) -> Render<'_> {
    handle(Language::Jinja, workload)
}

pub(super) fn prepared(workload: &Workload) -> Render<'_> {
    prepare(Language::Tiny, workload)
}

pub(super) fn jinja_prepared(workload: &Workload) -> Render<'_> {
    prepare(Language::Jinja, workload)
}

pub(super) fn ready(workload: &Workload) -> Render<'_> {
    by_name(start(Language::Tiny), workload)
}

pub(super) fn jinja_ready(workload: &Workload) -> Render<'_> {
    by_name(start(Language::Jinja), workload)
}

impl ByName for Hotplate {
    fn render<T: Serialize>(&self, name: &str, data: &T) -> String {
        Hotplate::render(self, name, data).expect("it renders").body
    }
}
