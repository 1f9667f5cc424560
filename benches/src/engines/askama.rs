use askama::Template;

use super::Render;
use crate::data::{self, Workload};

#[derive(Template)]
#[template(path = "askama/teams.html")]
struct Teams<'d> {
    data: &'d data::Teams,
}

#[derive(Template)]
#[template(path = "askama/table.html")]
struct Table<'d> {
    data: &'d data::Table,
}

#[derive(Template)]
#[template(path = "askama/page.html")]
struct Page<'d> {
    data: &'d data::Page,
}

pub(super) fn ready(workload: &Workload) -> Render<'_> {
    match workload {
        Workload::Teams(data) => Box::new(move || Teams { data }.render().expect("it renders")),
        Workload::Table(data) => Box::new(move || Table { data }.render().expect("it renders")),
        Workload::Page(data) => Box::new(move || Page { data }.render().expect("it renders")),
    }
}
