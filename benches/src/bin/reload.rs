//! From an edit (a file renamed over a template) to the first render with the new text, in directories of 100 and of 10,000
//! templates of 2 KB, each of which calls one partial. Prints Markdown.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hotplate_actors::{Event, Hotplate, Subscription, TemplateHandle};
use hotplate_benches::measure::{Samples, nanoseconds, rounds};
use hotplate_benches::table;

const PARTIAL: &str = "_partial.html";
const ENTRY: &str = "00/0.html";

fn main() {
    let directory = std::env::temp_dir().join(format!("hotplate-benches-{}", std::process::id()));
    let mut sites = [100, 10_000].map(|templates| Site::start(directory.join(templates.to_string()), templates));
    let outside = directory.join("aside");
    // What happens in each round: which file changes, and where the new text is written before it is moved there.
    let edits = [
        ("one template", ENTRY, outside.as_path()),
        ("the partial of all", PARTIAL, outside.as_path()),
        (
            "one template, written to a hidden file beside it",
            ENTRY,
            Path::new(".aside"),
        ),
    ];
    let mut samples = [const { (Samples(Vec::new()), Samples(Vec::new())) }; 6];
    // The last by itself: a hidden name makes the engine look at everything once more when it has gone.
    for turns in [0..4, 4..6] {
        for round in 0..rounds(201) {
            for at in turns.clone() {
                let (what, file, aside) = edits[at / 2];
                let edit = sites[at % 2].edit(file, aside, &format!("{what} {round}"));
                samples[at].0.0.push(edit.until_seen);
                samples[at].1.0.push(edit.until_swapped);
            }
        }
    }
    let row = |at: usize| {
        let (seen, swapped) = &samples[at];
        let ratio = seen.ratio_to(&samples[at - at % 2].0);
        vec![
            format!("{}, {} templates", edits[at / 2].0, sites[at % 2].templates),
            table::time(seen.median()),
            table::time(seen.quantile(0.99)),
            table::time(swapped.median()),
            table::ratio(&ratio),
            table::spread(&ratio),
        ]
    };
    println!("### From an edit to the first new render\n");
    let columns = [
        "what changes",
        "median",
        "99 of 100",
        "of that inside the engine",
        "ratio to 100 templates",
        "half of the rounds",
    ];
    table::print(&columns, &(0..samples.len()).map(row).collect::<Vec<_>>());
    println!(
        "Start with 100 and 10,000 templates: {} and {}.",
        sites[0].started, sites[1].started
    );
    drop(sites);
    fs::remove_dir_all(&directory).expect("the directory goes");
}

/// A directory of templates and the engine that watches it.
struct Site {
    templates: usize,
    started: String,
    directory: PathBuf,
    published: Subscription,
    entry: TemplateHandle,
}

/// One edit, in nanoseconds.
struct Edit {
    until_seen: f64,
    /// From where the engine notices it.
    until_swapped: f64,
}

impl Site {
    fn start(directory: PathBuf, templates: usize) -> Self {
        fs::create_dir_all(&directory).expect("a directory");
        fs::write(directory.join(PARTIAL), "partial").expect("a file");
        for number in 0..templates {
            let place = directory.join(format!("{:02}", number / 100));
            fs::create_dir_all(&place).expect("a directory");
            fs::write(place.join(format!("{number}.html")), page(&number.to_string())).expect("a file");
        }
        let start = Instant::now();
        let hotplate = Hotplate::builder().root(&directory).start().expect("it starts");
        let started = table::time(nanoseconds(start.elapsed()));
        Self {
            templates,
            started,
            directory,
            published: hotplate.subscribe(),
            entry: hotplate.handle(ENTRY),
        }
    }

    fn edit(&mut self, file: &str, aside: &Path, marker: &str) -> Edit {
        let text = if file == PARTIAL {
            marker.to_owned()
        } else {
            page(marker)
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

/// A template of 2 KB.
fn page(marker: &str) -> String {
    let mut text = format!("<p>{marker}</p>{{{{ call {PARTIAL} with title }}}}\n");
    while text.len() < 2_000 {
        text.push_str("<p>{title} and what else there is to say about it</p>\n");
    }
    text
}
