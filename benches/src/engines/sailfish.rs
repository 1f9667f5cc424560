use sailfish::TemplateSimple;

use super::Render;
use crate::data::{self, Workload};

#[derive(TemplateSimple)]
#[template(path = "sailfish/teams.stpl")]
struct Teams<'d> {
    data: &'d data::Teams,
}

#[derive(TemplateSimple)]
#[template(path = "sailfish/table.stpl")]
struct Table<'d> {
    data: &'d data::Table,
}

#[derive(TemplateSimple)]
#[template(path = "sailfish/page.stpl")]
struct Page<'d> {
    data: &'d data::Page,
}

pub(super) fn ready(workload: &Workload) -> Render<'_> {
    match workload {
        Workload::Teams(data) => Box::new(move || Teams { data }.render_once().expect("it renders")),
        Workload::Table(data) => Box::new(move || Table { data }.render_once().expect("it renders")),
        Workload::Page(data) => Box::new(move || Page { data }.render_once().expect("it renders")),
    }
}
