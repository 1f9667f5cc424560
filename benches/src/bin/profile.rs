//! Repeats one render or one compilation, for a profiler: `profile page askama 1000` renders, `profile compile hotplate 1000` and
//! `profile compile tinytemplate 1000` compile a template of 2 KB.

use hotplate_actors::Limits;
use hotplate_actors::dialect::{Dialect, tiny::Tiny};
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
        return (0..times).for_each(|_| if engine == "tinytemplate" { judge() } else { own() });
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
