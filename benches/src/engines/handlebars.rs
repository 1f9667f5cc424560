use handlebars::Handlebars;
use serde::Serialize;

use super::{ByName, Render, by_name, templates};
use crate::data::Workload;

struct Registry(Handlebars<'static>);

pub(super) fn ready(workload: &Workload) -> Render<'_> {
    let mut registry = Handlebars::new();
    for (name, text) in templates!("handlebars") {
        let name = name.trim_end_matches(".html");
        // handlebars removes the line break after a call that is alone on its line, so the partial has to end with one.
        let text = if name.starts_with('_') {
            format!("{text}\n")
        } else {
            text.to_owned()
        };
        registry.register_template_string(name, text).expect("it compiles");
    }
    by_name(Registry(registry), workload)
}

impl ByName for Registry {
    fn render<T: Serialize>(&self, name: &str, data: &T) -> String {
        self.0.render(name.trim_end_matches(".html"), data).expect("it renders")
    }
}
