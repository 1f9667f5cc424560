use serde::Serialize;
use tinytemplate::TinyTemplate;

use super::{ByName, Render, by_name, templates};
use crate::data::Workload;

struct Registry(TinyTemplate<'static>);

pub(super) fn ready(workload: &Workload) -> Render<'_> {
    let mut registry = TinyTemplate::new();
    for (name, text) in templates!("tiny") {
        registry.add_template(name, text).expect("it compiles");
    }
    by_name(Registry(registry), workload)
}

impl ByName for Registry {
    fn render<T: Serialize>(&self, name: &str, data: &T) -> String {
        self.0.render(name, data).expect("it renders")
    }
}
