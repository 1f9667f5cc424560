//! Compares renders of the page while 100 versions per second are published with renders while nothing changes. Half of the edits change a
//! partial of the page, the others one of 10,000 further templates. The two kinds of rounds alternate. Prints Markdown.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hotplate_actors::loader::{MemoryHandle, MemoryLoader};
use hotplate_actors::{TemplateHandle, TemplateName};
use hotplate_benches::data::{Page, page};
use hotplate_benches::engines::hotplate::{Language, builder, texts};
use hotplate_benches::measure::{Samples, nanoseconds, rounds};
use hotplate_benches::table;

/// Number of templates besides those of the page.
const OTHERS: usize = 10_000;
/// Duration of a round and the interval between versions.
const ROUND: Duration = Duration::from_millis(500);
const EVERY: Duration = Duration::from_millis(10);
const PARTIAL: &str = "_row.html";

fn main() {
    for (language, called) in Language::ALL {
        measure(language, called);
    }
}

fn measure(language: Language, called: &str) {
    let (loader, memory) = MemoryLoader::new();
    let others = (0..OTHERS).map(|number| (name(&format!("other/{number}.html")), Some(format!("text {number}"))));
    memory.edit(others);
    memory.edit(texts(language).map(|(of, text)| (name(of), Some(text))));
    let hotplate = builder(language).loader(loader).start().expect("it starts");
    let (template, data) = (hotplate.handle("page.html"), page(50));
    let mut samples = [const { Vec::new() }; 2];
    let before = hotplate.snapshot().version();
    let mut edits = 0;
    let mut edit = || {
        edits += 1;
        publish(&memory, language, edits);
    };
    for _ in 0..rounds(21) {
        samples[0].push(round(&template, &data, || ()));
        samples[1].push(round(&template, &data, &mut edit));
    }
    let published = hotplate.snapshot().version().number() - before.number();
    println!("### Renders of the page in `{called}` by one thread ({published} versions were published)\n");
    let row = |(at, what): (usize, &str)| {
        let all = |share| Samples(samples[at].iter().map(|round| round.quantile(share)).collect());
        let calm = Samples(samples[0].iter().map(|round| round.quantile(0.99)).collect());
        let slowest = all(0.99);
        let ratio = slowest.ratio_to(&calm);
        vec![
            what.to_owned(),
            table::time(all(0.5).median()),
            table::time(slowest.median()),
            table::ratio(&ratio),
            table::spread(&ratio),
        ]
    };
    let rows = [(0, "nothing changes"), (1, "100 versions per second")].map(row);
    let columns = [
        "load",
        "median",
        "99th percentile",
        "ratio of the percentile",
        "interquartile range",
    ];
    table::print(&columns, &rows);
}

/// Measures the nanoseconds of each render in one round.
fn round(template: &TemplateHandle, data: &Page, mut meanwhile: impl FnMut()) -> Samples {
    let over = &AtomicBool::new(false);
    thread::scope(|scope| {
        let renders = scope.spawn(move || {
            let mut samples = Vec::with_capacity(1 << 16);
            while !over.load(Ordering::Relaxed) {
                let start = Instant::now();
                black_box(template.render(data).expect("it renders"));
                samples.push(nanoseconds(start.elapsed()));
            }
            Samples(samples)
        });
        let start = Instant::now();
        while start.elapsed() < ROUND {
            thread::sleep(EVERY);
            meanwhile();
        }
        over.store(true, Ordering::Relaxed);
        renders.join().expect("it renders")
    })
}

fn publish(memory: &MemoryHandle, language: Language, number: usize) {
    if number.is_multiple_of(2) {
        return memory.set(
            name(&format!("other/{}.html", number * 7919 % OTHERS)),
            format!("version {number}"),
        );
    }
    let texts = texts(language);
    let (_, row) = texts
        .iter()
        .find(|(name, _)| *name == PARTIAL)
        .expect("the page has rows");
    memory.set(name(PARTIAL), format!("{row}<!-- {number} -->"));
}

fn name(text: &str) -> TemplateName {
    TemplateName::new(text).expect("a name")
}
