//! Measures the time from an edit (a file renamed over a template) to the first render with the new text, in directories of 100, 1,000 and
//! 10,000 templates of 2 KB that call one partial, in both languages; the environment variable `SIZES` sets other sizes. It also measures
//! the start from these directories. Prints Markdown.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hotplate_actors::{Event, Subscription, TemplateHandle};
use hotplate_benches::engines::hotplate::{Language, builder};
use hotplate_benches::measure::{Samples, nanoseconds, rounds};
use hotplate_benches::table;
use minijinja::Environment;
use minijinja::value::Serde;
use minijinja_autoreload::AutoReloader;
use tera::Tera;
use tinytemplate::TinyTemplate;

const PARTIAL: &str = "_partial.html";
const ENTRY: &str = "00/0.html";

fn main() {
    let directory = std::env::temp_dir().join(format!("hotplate-benches-{}", std::process::id()));
    let asked = std::env::var("SIZES").unwrap_or("100,1000,10000".into());
    let sizes: Vec<usize> = asked.split(',').map(|size| size.parse().expect("a number")).collect();
    hotplate(&directory.join("hotplate"), &sizes);
    peers(&directory.join("peers"), &sizes);
    fs::remove_dir_all(&directory).expect("the directory goes");
}

fn hotplate(directory: &Path, sizes: &[usize]) {
    let kinds = sizes
        .iter()
        .flat_map(|size| Language::ALL.map(|(language, name)| (*size, language, name)));
    let site = |(size, language, name)| Site::start(directory.join(format!("{name}-{size}")), size, (language, name));
    let mut sites: Vec<Site> = kinds.map(site).collect();
    let outside = directory.join("aside");
    // The kinds of edits: the file that changes, and the path at which the new text is written before it is renamed.
    let edits = [
        ("one template", ENTRY, outside.as_path()),
        ("the shared partial", PARTIAL, outside.as_path()),
        (
            "one template, written to a hidden file in its directory",
            ENTRY,
            Path::new(".aside"),
        ),
    ];
    let none = || (Samples(Vec::new()), Samples(Vec::new()));
    let mut samples: Vec<Vec<_>> = edits.iter().map(|_| sites.iter().map(|_| none()).collect()).collect();
    // The last kind runs separately: the removal of a hidden file causes a further full scan.
    for turns in [0..2, 2..3] {
        for round in 0..rounds(201) {
            for at in turns.clone() {
                let (what, file, aside) = edits[at];
                for (site, (seen, swapped)) in sites.iter_mut().zip(&mut samples[at]) {
                    let edit = site.edit(file, aside, &format!("{what} {round}"));
                    seen.0.push(edit.until_seen);
                    swapped.0.push(edit.until_swapped);
                }
            }
        }
    }
    let mut rows = Vec::new();
    for ((what, ..), samples) in edits.iter().zip(&samples) {
        for (site, (seen, swapped)) in sites.iter().zip(samples) {
            let ratio = seen.ratio_to(&samples[0].0);
            rows.push(vec![
                format!("{what}, {} templates in `{}`", site.templates, site.language.1),
                table::time(seen.median()),
                table::time(seen.quantile(0.99)),
                table::time(swapped.median()),
                table::ratio(&ratio),
                table::spread(&ratio),
            ]);
        }
    }
    println!("### From an edit to the first new render\n");
    let columns = [
        "what changes",
        "median",
        "99th percentile",
        "inside the engine",
        "ratio to the first row of its kind",
        "interquartile range",
    ];
    table::print(&columns, &rows);
    let started = sites.iter().map(|site| {
        let times = [site.started, site.compiled].map(table::time);
        let ratio = format!("**{:.2}**", site.started / site.compiled);
        let templates = format!("{} in `{}`", site.templates, site.language.1);
        let resident = format!("{:.2} KB", site.resident / 1e3);
        [vec![templates], times.to_vec(), vec![ratio, resident]].concat()
    });
    println!("### Start from files of 2 KB\n");
    let header = [
        "templates",
        "from files to the first version",
        "`tinytemplate` compiles their texts",
        "ratio",
        "resident memory per template",
    ];
    table::print(&header, &started.collect::<Vec<_>>());
}

/// Measures the change of one template by other engines, which are polled until they show it.
fn peers(directory: &Path, sizes: &[usize]) {
    let mut rows = Vec::new();
    for size in sizes {
        let directory = directory.join(size.to_string());
        write_site(&directory, *size, jinja);
        // The cost of their reloads grows with the number of templates.
        let rounds = rounds(201).min(200_000 / size).max(3);
        for (name, times) in [
            (
                "minijinja with autoreload, `fast_reload`",
                autoreload(&directory, rounds),
            ),
            ("tera, full reload", tera(&directory, rounds)),
        ] {
            rows.push(vec![
                format!("{name}, {size} templates"),
                table::time(times.median()),
                table::time(times.quantile(0.99)),
                rounds.to_string(),
            ]);
        }
    }
    println!("### Other engines: one template changes\n");
    table::print(&["what", "median", "99th percentile", "rounds"], &rows);
}

fn autoreload(directory: &Path, rounds: usize) -> Samples {
    let root = directory.to_owned();
    let reloader = AutoReloader::new(move |notifier| {
        let mut environment = Environment::new();
        environment.set_loader(minijinja::path_loader(&root));
        notifier.set_fast_reload(true);
        notifier.watch_path(&root, true);
        Ok(environment)
    });
    let show = || -> String {
        let environment = reloader.acquire_env().expect("it loads");
        let template = environment.get_template(ENTRY).expect("it is there");
        template.render(Serde(Context { title: "T" })).expect("it renders")
    };
    // Fills the history of versions, as in a service that has run for a while.
    let environment = reloader.acquire_env().expect("it loads");
    for name in names(directory) {
        environment.get_template(&name).expect("it is there");
    }
    drop(environment);
    edits(directory, rounds, |marker| while !show().contains(marker) {})
}

fn tera(directory: &Path, rounds: usize) -> Samples {
    edits(directory, rounds, |marker| {
        let texts = names(directory).into_iter().map(|name| {
            let text = fs::read_to_string(directory.join(&name)).expect("a file");
            (name, text)
        });
        let mut tera = Tera::default();
        tera.add_raw_templates(texts).expect("they compile");
        let context = tera::Context::from_serialize(&Context { title: "T" }).expect("data");
        assert!(tera.render(ENTRY, &context).expect("it renders").contains(marker));
    })
}

/// Renames a new text over the entry a number of times, and waits each time until it is rendered.
fn edits(directory: &Path, rounds: usize, seen: impl Fn(&str)) -> Samples {
    let times = (0..rounds).map(|round| {
        let marker = format!("round {round} of {}", directory.display());
        let aside = directory.with_extension("aside");
        fs::write(&aside, jinja(&marker)).expect("a file");
        let start = Instant::now();
        fs::rename(&aside, directory.join(ENTRY)).expect("a new text");
        seen(&marker);
        nanoseconds(start.elapsed())
    });
    Samples(times.collect())
}

fn names(directory: &Path) -> Vec<String> {
    let mut names = vec![PARTIAL.to_owned()];
    for folder in fs::read_dir(directory).expect("a directory") {
        let folder = folder.expect("an entry").path();
        for file in fs::read_dir(&folder).into_iter().flatten() {
            let path = file.expect("an entry").path();
            let name = path.strip_prefix(directory).expect("is below").to_str().expect("text");
            names.push(name.to_owned());
        }
    }
    names
}

fn write_site(directory: &Path, templates: usize, page: fn(&str) -> String) {
    fs::create_dir_all(directory).expect("a directory");
    fs::write(directory.join(PARTIAL), "partial").expect("a file");
    for number in 0..templates {
        let place = directory.join(format!("{:02}", number / 100));
        fs::create_dir_all(&place).expect("a directory");
        fs::write(place.join(format!("{number}.html")), page(&number.to_string())).expect("a file");
    }
}

/// A directory of templates and its engine.
struct Site {
    templates: usize,
    language: (Language, &'static str),
    /// Time from the files to the first version, in nanoseconds.
    started: f64,
    compiled: f64,
    /// Resident memory that the start took for each template, in bytes.
    resident: f64,
    directory: PathBuf,
    published: Subscription,
    entry: TemplateHandle,
}

/// Measures the time of `tinytemplate` alone for as many texts, in nanoseconds, as a reference for the speed of the machine.
fn compiled(templates: usize) -> f64 {
    let texts: Vec<_> = (0..templates).map(|number| page(&number.to_string())).collect();
    let names: Vec<_> = (0..templates).map(|number| number.to_string()).collect();
    let start = Instant::now();
    let mut judge = TinyTemplate::new();
    for (name, text) in names.iter().zip(&texts) {
        judge.add_template(name, text).expect("it compiles");
    }
    nanoseconds(start.elapsed())
}

/// Returns the resident memory of this process in bytes; 0 where the system does not say.
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or_default() * 1024.0
}

/// The latency of one edit in nanoseconds.
struct Edit {
    until_seen: f64,
    /// The part from the first notice of the engine on.
    until_swapped: f64,
}

impl Site {
    fn start(directory: PathBuf, templates: usize, language: (Language, &'static str)) -> Self {
        write_site(&directory, templates, page_in(language.0));
        let compiled = compiled(templates);
        let before = resident();
        let start = Instant::now();
        let hotplate = builder(language.0).root(&directory).start().expect("it starts");
        let started = nanoseconds(start.elapsed());
        Self {
            templates,
            language,
            started,
            compiled,
            resident: (resident() - before) / templates as f64,
            directory,
            published: hotplate.subscribe(),
            entry: hotplate.handle(ENTRY),
        }
    }

    fn edit(&mut self, file: &str, aside: &Path, marker: &str) -> Edit {
        let text = if file == PARTIAL {
            marker.to_owned()
        } else {
            page_in(self.language.0)(marker)
        };
        let aside = self.directory.join(aside);
        fs::write(&aside, text).expect("a file");
        let start = Instant::now();
        fs::rename(&aside, self.directory.join(Path::new(file))).expect("a new text");
        let published = loop {
            match self.published.blocking_next().expect("the engine runs") {
                Event::Published(published) if published.changed.iter().any(|name| name.as_str() == file) => {
                    break published;
                }
                _ => {}
            }
        };
        let rendered = self.entry.render(&Context { title: "T" }).expect("it renders");
        let until_seen = nanoseconds(start.elapsed());
        assert!(rendered.body.contains(marker), "the first render after the swap is new");
        Edit {
            until_seen,
            until_swapped: published.micros as f64 * 1e3,
        }
    }
}

#[derive(serde::Serialize)]
struct Context {
    title: &'static str,
}

/// Returns the function that creates a template in a language.
fn page_in(language: Language) -> fn(&str) -> String {
    match language {
        Language::Tiny => page,
        Language::Jinja => jinja,
    }
}

/// Creates a template of 2 KB.
fn page(marker: &str) -> String {
    let mut text = format!("<p>{marker}</p>{{{{ call {PARTIAL} with title }}}}\n");
    while text.len() < 2_000 {
        text.push_str("<p>{title} and what else there is to say about it</p>\n");
    }
    text
}

/// Creates such a template in the language of the other engines.
fn jinja(marker: &str) -> String {
    let mut text = format!("<p>{marker}</p>{{% include '{PARTIAL}' %}}\n");
    while text.len() < 2_000 {
        text.push_str("<p>{{ title }} and what else there is to say about it</p>\n");
    }
    text
}
