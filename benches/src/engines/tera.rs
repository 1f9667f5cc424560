use serde::Serialize;
use tera::{Context, Tera};

use super::{ByName, Render, by_name, templates};
use crate::data::Workload;

struct Loaded(Tera);

pub(super) fn ready(workload: &Workload) -> Render<'_> {
    let mut tera = Tera::default();
    tera.add_raw_templates(templates!("jinja")).expect("they compile");
    by_name(Loaded(tera), workload)
}

impl ByName for Loaded {
    fn render<T: Serialize>(&self, name: &str, data: &T) -> String {
        let context = Context::from_serialize(data).expect("data");
        self.0.render(name, &context).expect("it renders")
    }
}
