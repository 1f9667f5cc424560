//! hotplate with templates in memory that do not change.

use hotplate_actors::loader::MemoryLoader;
use hotplate_actors::value::Arena;
use hotplate_actors::{Context, Hotplate, TemplateName};
use serde::Serialize;

use super::{ByName, Render, by_name, templates};
use crate::data::Workload;

/// The engine and its templates by name.
pub fn texts() -> [(&'static str, &'static str); 8] {
    templates!("tiny")
}

pub fn start() -> Hotplate {
    let (loader, memory) = MemoryLoader::new();
    memory.edit(texts().map(|(name, text)| (TemplateName::new(name).expect("a name"), Some(text))));
    Hotplate::builder()
        .loader(loader)
        .watch(false)
        .start()
        .expect("it starts")
}

pub(super) fn by_handle(workload: &Workload) -> Render<'_> {
    let hotplate = start();
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

pub(super) fn prepared(workload: &Workload) -> Render<'_> {
    let template = start().handle(&format!("{}.html", workload.name()));
    let arena = Box::leak(Box::new(Arena::new()));
    let context = match workload {
        Workload::Teams(data) => Context::prepare(data, arena),
        Workload::Table(data) => Context::prepare(data, arena),
        Workload::Page(data) => Context::prepare(data, arena),
    };
    let context = context.expect("data");
    Box::new(move || template.request().with_source(context).render().expect("it renders").body)
}

pub(super) fn ready(workload: &Workload) -> Render<'_> {
    by_name(start(), workload)
}

impl ByName for Hotplate {
    fn render<T: Serialize>(&self, name: &str, data: &T) -> String {
        Hotplate::render(self, name, data).expect("it renders").body
    }
}
