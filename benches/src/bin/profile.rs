//! Renders one workload with one engine so many times, for a profiler: `profile page askama 1000`.

use hotplate_benches::data::Workload;
use hotplate_benches::engines::ENGINES;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = |otherwise: &str| arguments.next().unwrap_or(otherwise.into());
    let (workload, engine, times) = (next("page"), next("hotplate, by handle"), next("1000"));
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
    for _ in 0..times.parse().expect("a number") {
        std::hint::black_box(render());
    }
}
