//! Renders three workloads with each engine, each time from a struct. Prints Markdown.

use hotplate_benches::allocations::{self, Counting};
use hotplate_benches::data::Workload;
use hotplate_benches::engines::{BASE, ENGINES, Engine, decoded, escapes, version_of};
use hotplate_benches::measure::{Subject, interleaved, rounds};
use hotplate_benches::table;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    for workload in Workload::all() {
        compare_engines(&workload);
    }
}

fn compare_engines(workload: &Workload) {
    let renders: Vec<_> = ENGINES.iter().map(|engine| (engine.ready)(workload)).collect();
    let outputs: Vec<String> = renders.iter().map(|render| render()).collect();
    for (engine, output) in ENGINES.iter().zip(&outputs) {
        compare_text(engine.name, &decoded(output), &decoded(&outputs[0]));
        assert_eq!(
            escapes(output),
            escapes(&outputs[0]),
            "{} escapes something else",
            engine.name
        );
    }
    let allocations: Vec<u64> = renders
        .iter()
        .map(|render| allocations::count(|| drop(render())))
        .collect();

    let mut subjects: Vec<_> = ENGINES
        .iter()
        .zip(&renders)
        .map(|(engine, render)| Subject::new(engine.name, render))
        .collect();
    let samples = interleaved(&mut subjects, rounds(101));
    let base = ENGINES
        .iter()
        .position(|engine| engine.name == BASE)
        .expect("it is listed");
    let mut rows: Vec<_> = (0..ENGINES.len()).collect();
    rows.sort_by(|a, b| samples[*a].median().total_cmp(&samples[*b].median()));
    let rows: Vec<_> = rows
        .into_iter()
        .map(|at| {
            let Engine { name, package, .. } = ENGINES[at];
            let ratio = samples[at].ratio_to(&samples[base]);
            vec![
                format!("{name} {}", version_of(package)),
                table::time(samples[at].median()),
                table::ratio(&ratio),
                table::spread(&ratio),
                allocations[at].to_string(),
            ]
        })
        .collect();
    println!("### {} ({} bytes)\n", workload.name(), outputs[0].len());
    let columns = [
        "engine",
        "median",
        "ratio to askama",
        "interquartile range",
        "allocations",
    ];
    table::print(&columns, &rows);
}

fn compare_text(engine: &str, output: &str, expected: &str) {
    for (line, (output, expected)) in output.lines().zip(expected.lines()).enumerate() {
        assert_eq!(output, expected, "{engine} prints something else in line {}", line + 1);
    }
    assert_eq!(output.len(), expected.len(), "{engine} prints more or less");
}
