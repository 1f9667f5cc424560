use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

use super::{ByName, Render, by_name, templates};
use crate::data::Workload;

struct Loaded(Environment<'static>);

pub(super) fn ready(workload: &Workload) -> Render<'_> {
    let mut environment = Environment::new();
    for (name, text) in templates!("jinja") {
        environment.add_template(name, text).expect("it compiles");
    }
    by_name(Loaded(environment), workload)
}

impl ByName for Loaded {
    fn render<T: Serialize>(&self, name: &str, data: &T) -> String {
        let template = self.0.get_template(name).expect("it is there");
        template.render(Serde(data)).expect("it renders")
    }
}
