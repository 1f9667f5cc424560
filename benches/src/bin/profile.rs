//! Repeats one render or one compilation, for a profiler: `profile page askama 1000` renders, `profile compile hotplate 1000`, and the same
//! with `tinytemplate`, `jinja` or `minijinja`, compile a template of 2 KB.

use hotplate_actors::Limits;
use hotplate_actors::dialect::{Dialect, jinja::Jinja, tiny::Tiny};
use hotplate_benches::data::Workload;
use hotplate_benches::engines::ENGINES;
use tinytemplate::TinyTemplate;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = |otherwise: &str| arguments.next().unwrap_or(otherwise.into());
    let (workload, engine, times) = (next("page"), next("hotplate, by handle"), next("1000"));
    let times: usize = times.parse().expect("a number");
    if workload == "compile" {
        let text = include_str!("../../templates/tiny/_row.html").repeat(4);
        let judge = || _ = std::hint::black_box(TinyTemplate::new()).add_template("a", &text);
        let own = || _ = std::hint::black_box(Tiny.compile(&text, &Limits::default()));
        let text = include_str!("../../templates/jinja/_row.html").repeat(4);
        let jinja = || _ = std::hint::black_box(Jinja.compile(&text, &Limits::default()));
        let minijinja = || _ = std::hint::black_box(minijinja::Environment::empty()).add_template("a", &text);
        return (0..times).for_each(|_| match engine.as_str() {
            "tinytemplate" => judge(),
            "jinja" => jinja(),
            "minijinja" => minijinja(),
            _ => own(),
        });
    }
    let workloads = Workload::all();
    let workload = workloads
        .iter()
        .find(|each| each.name() == workload)
        .expect("a workload");
    let engine = ENGINES
        .iter()
        .find(|each| each.name.starts_with(&engine))
        .expect("an engine");
    let render = (engine.ready)(workload);
    for _ in 0..times {
        std::hint::black_box(render());
    }
}
