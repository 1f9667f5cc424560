use minijinja::Environment;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::{ByName, Render, by_name, templates};
use crate::data::Workload;

struct Loaded(Environment<'static>);

pub fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    for (name, text) in templates!("jinja") {
        environment.add_template(name, text).expect("it compiles");
    }
    environment
}

pub(super) fn ready(workload: &Workload) -> Render<'_> {
    by_name(Loaded(environment()), workload)
}

pub(super) fn prepared(workload: &Workload) -> Render<'_> {
    let environment = environment();
    let name = format!("{}.html", workload.name());
    let data = match workload {
        Workload::Teams(data) => Value::from(Serde(data)),
        Workload::Table(data) => Value::from(Serde(data)),
        Workload::Page(data) => Value::from(Serde(data)),
    };
    Box::new(move || {
        let template = environment.get_template(&name).expect("it is there");
        template.render(&data).expect("it renders")
    })
}

impl ByName for Loaded {
    fn render<T: Serialize>(&self, name: &str, data: &T) -> String {
        let template = self.0.get_template(name).expect("it is there");
        template.render(Serde(data)).expect("it renders")
    }
}
