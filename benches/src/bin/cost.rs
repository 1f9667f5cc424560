//! Measures the processor time of a change after compilation, the memory that a version occupies, and the time of a start, by the number of
//! templates that share a partial. It uses no file system, and no threads except in the start. Prints Markdown.

use std::time::Instant;

use hotplate_actors::dialect::{Dialect, Formatters, jinja::Jinja, tiny::Tiny};
use hotplate_actors::graph::companions::Companions;
use hotplate_actors::graph::plan::Graph;
use hotplate_actors::loader::MemoryLoader;
use hotplate_actors::protocol::batch::{CompiledBatch, CompiledText};
use hotplate_actors::registry::publish::{Decision, publish};
use hotplate_actors::registry::state::RegistryState;
use hotplate_actors::version::{LoaderId, Revision};
use hotplate_actors::{Digest, Hotplate, Limits, TemplateKey, TemplateName};
use hotplate_benches::allocations::{Weighing, live_bytes};
use hotplate_benches::engines::hotplate::{Language, builder};
use hotplate_benches::measure::{Samples, nanoseconds, rounds, thread_time};
use hotplate_benches::table;

#[global_allocator]
static ALLOCATOR: Weighing = Weighing;

const PARTIAL: &str = "_partial.html";
/// Number of versions that are kept while memory is measured.
const KEPT: usize = 100;

fn main() {
    let sizes = [100, 1_000, 10_000, 100_000];
    let in_both = |sizes: &[usize], row: fn(usize, (Language, &str)) -> Vec<String>| -> Vec<_> {
        let rows = sizes
            .iter()
            .flat_map(|size| Language::ALL.map(|language| row(*size, language)));
        rows.collect()
    };
    let rows = in_both(&sizes, changes);
    println!("### Processor time of a change, once it is compiled\n");
    let columns = [
        "templates",
        "shared partial: graph",
        "publish",
        "both, 99th percentile",
        "breaking the shared partial",
        "fixing it",
        "removing it",
        "adding it",
        "kept while it is broken",
    ];
    table::print(&columns, &rows);

    println!("### Bytes of each kept version with one changed template\n");
    let rows = in_both(&[100, 10_000], memory);
    table::print(&["templates", "read side", "with the Registry's history"], &rows);

    println!("### Bytes of an engine for each template of 2 KB, the texts of its loader not counted\n");
    let rows = [(1_000, false), (10_000, false), (10_000, true)].map(|(templates, equal)| engine(templates, equal));
    table::print(&["templates", "per template"], &rows);

    println!("### Start from memory, templates of 2 KB\n");
    let rows = in_both(&sizes[..3], start);
    table::print(&["templates", "median", "per template"], &rows);
}

/// A graph and the state of what was published from it.
struct Site {
    graph: Graph,
    state: RegistryState,
    limits: Limits,
    number: u64,
    language: Language,
}

impl Site {
    fn new(templates: usize, history_versions: usize, language: Language) -> Self {
        let mut site = Self {
            graph: Graph::new(&Formatters::default(), Companions::default()),
            state: RegistryState::new(),
            limits: Limits {
                history_versions,
                ..Limits::default()
            },
            number: 0,
            language,
        };
        let pages = (0..templates).map(|number| (name(number), page(number, language)));
        let texts: Vec<_> = pages.chain([(PARTIAL.to_owned(), "partial".to_owned())]).collect();
        site.change(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        site
    }

    /// Applies a change and returns the nanoseconds in the graph and in publishing.
    fn change<'t>(&mut self, texts: impl IntoIterator<Item = (&'t str, &'t str)>) -> (f64, f64) {
        self.apply(texts, &[])
    }

    fn apply<'t>(&mut self, texts: impl IntoIterator<Item = (&'t str, &'t str)>, removed: &[&str]) -> (f64, f64) {
        self.number += 1;
        let batch = CompiledBatch {
            revision: Revision {
                loader: LoaderId(0),
                number: self.number,
            },
            complete: false,
            texts: texts
                .into_iter()
                .map(|(name, text)| self.compiled(name, text))
                .collect(),
            removed: removed
                .iter()
                .map(|name| TemplateName::new(name).expect("a name").into())
                .collect(),
        };
        let start = thread_time();
        let plan = self.graph.apply(&batch);
        let planned = thread_time();
        let decision = publish(&self.state, &plan, &self.limits);
        let published = thread_time();
        if let Decision::Published { state, .. } = decision {
            self.state = state;
        }
        (nanoseconds(planned - start), nanoseconds(published - planned))
    }

    fn dialect(&self) -> &'static dyn Dialect {
        match self.language {
            Language::Tiny => &Tiny,
            Language::Jinja => &Jinja,
        }
    }

    fn compiled(&self, name: &str, text: &str) -> (TemplateKey, CompiledText) {
        let digest = Digest::of(text.as_bytes());
        let compiled = match self.dialect().compile(text, &self.limits) {
            Ok(unit) => CompiledText::Unit { digest, unit },
            Err(diagnostics) => CompiledText::Broken {
                digest: Some(digest),
                text: Some(text.into()),
                diagnostics: diagnostics.into(),
            },
        };
        (TemplateName::new(name).expect("a name").into(), compiled)
    }
}

fn changes(templates: usize, (language, called): (Language, &str)) -> Vec<String> {
    let mut site = Site::new(templates, 32, language);
    let (mut planned, mut published, mut both) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds(201) {
        let (plan, publish) = site.change([(PARTIAL, format!("partial {round}").as_str())]);
        planned.push(plan);
        published.push(publish);
        both.push(plan + publish);
    }
    let [mut broken, mut repaired, mut removed, mut added, mut kept] = [const { Vec::new() }; 5];
    for round in 0..rounds(201).div_ceil(40) {
        let before = live_bytes();
        let (plan, publish) = site.change([(PARTIAL, "{{ if }} {% if %}")]);
        kept.push((live_bytes() - before) as f64);
        broken.push(plan + publish);
        let (plan, publish) = site.change([(PARTIAL, format!("again {round}").as_str())]);
        repaired.push(plan + publish);
    }
    for round in 0..rounds(201).div_ceil(40) {
        let (plan, publish) = site.apply([], &[PARTIAL]);
        removed.push(plan + publish);
        let (plan, publish) = site.change([(PARTIAL, format!("added {round}").as_str())]);
        added.push(plan + publish);
    }
    let median = |samples| table::time(Samples(samples).median());
    vec![
        format!("{templates} in `{called}`"),
        median(planned),
        median(published),
        table::time(Samples(both).quantile(0.99)),
        median(broken),
        median(repaired),
        median(removed),
        median(added),
        format!("{:.1} KB", Samples(kept).median() / 1e3),
    ]
}

fn memory(templates: usize, (language, called): (Language, &str)) -> Vec<String> {
    let entry = name(templates / 2);
    let bytes = |history_versions: usize, hold: bool| {
        let mut site = Site::new(templates, history_versions, language);
        let texts: Vec<String> = (0..KEPT).map(|version| format!("version {version}")).collect();
        // The first changes allocate memory once, which is not part of the cost of a version.
        site.change([(entry.as_str(), "one")]);
        site.change([(entry.as_str(), "two")]);
        let mut held = Vec::with_capacity(KEPT);
        let before = live_bytes();
        for text in &texts {
            site.change([(entry.as_str(), text.as_str())]);
            if hold {
                held.push(site.state.snapshot().clone());
            }
        }
        (live_bytes() - before) as f64 / KEPT as f64
    };
    let kilobytes = |bytes: f64| format!("{:.1} KB", bytes / 1e3);
    vec![
        format!("{templates} in `{called}`"),
        kilobytes(bytes(0, true)),
        kilobytes(bytes(KEPT + 8, false)),
    ]
}

/// Measures the bytes that an engine allocates for each template; if they are `equal`, all have one text.
fn engine(templates: usize, equal: bool) -> Vec<String> {
    let (loader, memory) = MemoryLoader::new();
    let pages = (0..templates).map(|number| (name(number), page(if equal { 0 } else { number }, Language::Tiny)));
    let texts = pages.chain([(PARTIAL.to_owned(), "partial".to_owned())]);
    memory.edit(texts.map(|(name, text)| (TemplateName::new(&name).expect("a name"), Some(text))));
    let before = live_bytes();
    let _hotplate = Hotplate::builder()
        .loader(loader)
        .watch(false)
        .start()
        .expect("it starts");
    let bytes = (live_bytes() - before) as f64 / templates as f64;
    let texts = if equal { " with one text" } else { "" };
    vec![format!("{templates}{texts}"), format!("{:.2} KB", bytes / 1e3)]
}

fn start(templates: usize, (language, called): (Language, &str)) -> Vec<String> {
    let times = (0..rounds(201).div_ceil(40)).map(|_| {
        let (loader, memory) = MemoryLoader::new();
        let pages = (0..templates).map(|number| (name(number), page(number, language)));
        let texts = pages.chain([(PARTIAL.to_owned(), "partial".to_owned())]);
        memory.edit(texts.map(|(name, text)| (TemplateName::new(&name).expect("a name"), Some(text))));
        let start = Instant::now();
        let hotplate = builder(language)
            .loader(loader)
            .watch(false)
            .start()
            .expect("it starts");
        let time = nanoseconds(start.elapsed());
        assert_eq!(hotplate.snapshot().snapshot().len(), templates + 1);
        time
    });
    let median = Samples(times.collect()).median();
    vec![
        format!("{templates} in `{called}`"),
        table::time(median),
        table::time(median / templates as f64),
    ]
}

fn name(number: usize) -> String {
    format!("{:02}/{number}.html", number / 100)
}

/// Creates a template of 2 KB.
fn page(number: usize, language: Language) -> String {
    let (call, title) = match language {
        Language::Tiny => (format!("{{{{ call {PARTIAL} with title }}}}"), "{title}"),
        Language::Jinja => (format!("{{% include '{PARTIAL}' %}}"), "{{ title }}"),
    };
    let mut text = format!("<p>{number}</p>{call}\n");
    while text.len() < 2_000 {
        text.push_str(&format!("<p>{title} and what else there is to say about it</p>\n"));
    }
    text
}
