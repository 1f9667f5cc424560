//! Compiles templates of 2 and 20 KB, and 10,000 of 2 KB. Prints Markdown.
//!
//! The dialect `tiny` also compiles each text with the crate `tinytemplate`, which decides if it is accepted (the judge). The difference of
//! the two rows is the cost of its own compiler.

use std::time::Instant;

use hotplate_actors::Limits;
use hotplate_actors::dialect::{Dialect, jinja::Jinja, tiny::Tiny};
use hotplate_benches::engines::version_of;
use hotplate_benches::measure::{Samples, Subject, interleaved, nanoseconds, rounds};
use hotplate_benches::table;
use minijinja::Environment;
use tera::Tera;
use tinytemplate::TinyTemplate;

const MANY: usize = 10_000;

fn main() {
    let limits = Limits::default();
    for (title, bytes) in [("A template of 2 KB", 2_000), ("A template of 20 KB", 20_000)] {
        let (tiny, jinja) = (text(TINY, bytes, 0), text(JINJA, bytes, 0));
        let mut subjects = [
            Subject::new("hotplate", || Tiny.compile(&tiny, &limits).expect("it compiles")),
            Subject::new("tinytemplate", || {
                let mut registry = TinyTemplate::new();
                registry.add_template("a", &tiny).expect("it compiles");
                registry
            }),
            Subject::new("hotplate jinja", || {
                Jinja.compile(&jinja, &limits).expect("it compiles")
            }),
            Subject::new("minijinja", || {
                let mut environment = Environment::new();
                environment.add_template("a.html", &jinja).expect("it compiles");
                environment
            }),
            Subject::new("tera", || {
                let mut tera = Tera::default();
                tera.add_raw_template("a.html", &jinja).expect("it compiles");
                tera
            }),
        ];
        let samples = interleaved(&mut subjects, rounds(101));
        show(title, samples.try_into().ok().expect("as many as subjects"));
    }

    let texts = |pattern: &'static str| -> Vec<_> {
        let names = (0..MANY).map(|number| format!("{number}.html"));
        names
            .zip((0..MANY).map(|number| text(pattern, 2_000, number)))
            .collect()
    };
    let (tiny, jinja) = (texts(TINY), texts(JINJA));
    let mut samples = [const { Samples(Vec::new()) }; 5];
    for _ in 0..rounds(101).div_ceil(10) {
        let mut time = |at: usize, run: &dyn Fn()| {
            let start = Instant::now();
            run();
            samples[at].0.push(nanoseconds(start.elapsed()));
        };
        time(0, &|| {
            let units: Vec<_> = tiny.iter().map(|(_, text)| Tiny.compile(text, &limits)).collect();
            assert!(units.iter().all(Result::is_ok));
        });
        time(1, &|| {
            let mut registry = TinyTemplate::new();
            for (name, text) in &tiny {
                registry.add_template(name, text).expect("it compiles");
            }
        });
        time(2, &|| {
            let units: Vec<_> = jinja.iter().map(|(_, text)| Jinja.compile(text, &limits)).collect();
            assert!(units.iter().all(Result::is_ok));
        });
        time(3, &|| {
            let mut environment = Environment::new();
            for (name, text) in &jinja {
                environment.add_template(name, text).expect("it compiles");
            }
        });
        time(4, &|| {
            let mut tera = Tera::default();
            let texts = jinja.iter().map(|(name, text)| (name.as_str(), text.as_str()));
            tera.add_raw_templates(texts).expect("they compile");
        });
    }
    show("10,000 templates of 2 KB, one thread", samples);
}

/// Prints a table of hotplate's `tiny`, tinytemplate, hotplate's `jinja`, minijinja and tera, in this order.
fn show(title: &str, samples: [Samples; 5]) {
    let base = &samples[1];
    let own = samples[0].minus(base);
    let named = |name: &str, package: &str| format!("{name} {}", version_of(package));
    let rows = [
        (named("hotplate", "hotplate-actors"), &samples[0]),
        ("hotplate without its judge".to_owned(), &own),
        (named("tinytemplate, which is the judge,", "tinytemplate"), base),
        (named("hotplate jinja", "hotplate-actors"), &samples[2]),
        (named("minijinja", "minijinja"), &samples[3]),
        (named("tera", "tera"), &samples[4]),
    ];
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(name, samples)| {
            let ratio = samples.ratio_to(base);
            vec![
                name,
                table::time(samples.median()),
                table::ratio(&ratio),
                table::spread(&ratio),
            ]
        })
        .collect();
    println!("### {title}\n");
    table::print(
        &["engine", "median", "ratio to tinytemplate", "interquartile range"],
        &rows,
    );
}

/// A part of a page with every kind of tag.
const TINY: &str = include_str!("../../templates/tiny/_row.html");
const JINJA: &str = include_str!("../../templates/jinja/_row.html");

/// Creates a text of at least a number of bytes; different numbers give different texts.
fn text(pattern: &str, bytes: usize, number: usize) -> String {
    let mut text = format!("<!-- {number} -->\n");
    while text.len() < bytes {
        text.push_str(pattern);
    }
    text
}
