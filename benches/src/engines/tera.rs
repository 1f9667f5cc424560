use serde::Serialize;
use tera::{Context, Tera};

use super::{ByName, Render, by_name, templates};
use crate::data::Workload;

struct Loaded(Tera);

pub fn loaded() -> Tera {
    let mut tera = Tera::default();
    tera.add_raw_templates(templates!("jinja")).expect("they compile");
    tera
}

pub(super) fn ready(workload: &Workload) -> Render<'_> {
    by_name(Loaded(loaded()), workload)
}

pub(super) fn prepared(workload: &Workload) -> Render<'_> {
    let tera = loaded();
    let name = format!("{}.html", workload.name());
    let context = match workload {
        Workload::Teams(data) => Context::from_serialize(data),
        Workload::Table(data) => Context::from_serialize(data),
        Workload::Page(data) => Context::from_serialize(data),
    };
    let context = context.expect("data");
    Box::new(move || tera.render(&name, &context).expect("it renders"))
}

impl ByName for Loaded {
    fn render<T: Serialize>(&self, name: &str, data: &T) -> String {
        let context = Context::from_serialize(data).expect("data");
        self.0.render(name, &context).expect("it renders")
    }
}
