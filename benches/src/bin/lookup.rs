//! Finding one of 10,000 templates: by handle and by name, against what programs keep templates in by themselves, by 1 to 16
//! readers, calm and while 100 versions are published in a second. Prints Markdown. Go's two maps run beside where Go is installed.

use std::collections::HashMap;
use std::hint::black_box;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use hotplate_actors::loader::{MemoryHandle, MemoryLoader};
use hotplate_actors::{Hotplate, TemplateHandle, TemplateName};
use hotplate_benches::measure::{Samples, nanoseconds, rounds};
use hotplate_benches::table;

const NAMES: usize = 10_000;
/// Look-ups between two looks at the clock.
const BATCH: usize = 256;
const BATCHES: usize = 400;
const PAUSE: Duration = Duration::from_millis(10);

/// Something that templates are looked up in.
trait Shelf: Sync {
    fn name(&self) -> &'static str;
    /// Finds one and reads something of it, so that it has to be there.
    fn look(&self, at: usize) -> usize;
    /// Puts a new version of one in its place.
    fn replace(&self, at: usize);
}

fn main() {
    let names: Vec<String> = (0..NAMES)
        .map(|number| format!("pages/{:02}/{number}.html", number / 100))
        .collect();
    let (hotplate, memory) = start(&names);
    let handles: Vec<_> = names.iter().map(|name| hotplate.handle(name)).collect();
    let standard: HashMap<String, Arc<String>> = names.iter().map(|name| (name.clone(), text(0))).collect();
    let by_handle = ByHandle(&handles, &names, &memory);
    let by_name = ByName(&hotplate, &names, &memory);
    let locked = Locked(RwLock::new(standard.clone()), &names);
    let sharded = Sharded(standard.clone().into_iter().collect(), &names);
    let swapped = Swapped(ArcSwap::from_pointee(standard.into_iter().collect()), &names);
    let shelves: [&dyn Shelf; 5] = [&locked, &by_handle, &by_name, &sharded, &swapped];
    for is_written in [false, true] {
        for readers in [1, 2, 4, 16] {
            compare(&shelves, readers, is_written);
        }
    }
    go();
}

fn compare(shelves: &[&dyn Shelf], readers: usize, is_written: bool) {
    let rounds = rounds(31);
    let mut means: Vec<_> = shelves.iter().map(|_| Samples(Vec::with_capacity(rounds))).collect();
    let mut batches: Vec<_> = shelves.iter().map(|_| Samples(Vec::new())).collect();
    for _ in 0..rounds {
        for (at, shelf) in shelves.iter().enumerate() {
            let (mean, taken) = run(*shelf, readers, is_written);
            means[at].0.push(mean);
            batches[at].0.extend(taken);
        }
    }
    let rows: Vec<_> = shelves
        .iter()
        .enumerate()
        .map(|(at, shelf)| {
            let ratio = means[at].ratio_to(&means[0]);
            vec![
                shelf.name().to_owned(),
                format!("{:.1} ns", means[at].median()),
                format!("{:.1} ns", batches[at].quantile(0.99)),
                table::ratio(&ratio),
                table::spread(&ratio),
            ]
        })
        .collect();
    let writer = if is_written { "100 versions/s" } else { "calm" };
    println!("### {readers} readers, {writer}\n");
    let columns = [
        "10,000 templates in",
        "median",
        "99 of 100 batches",
        "ratio to a locked map",
        "half of the rounds",
    ];
    table::print(&columns, &rows);
}

/// Nanoseconds of CPU for one look-up, in the mean and by batch. More readers than processors share these, so each reader is
/// timed by its own clock only where it does not wait: per batch.
fn run(shelf: &dyn Shelf, readers: usize, is_written: bool) -> (f64, Vec<f64>) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        if is_written {
            scope.spawn(|| {
                let mut at = 0;
                while !done.load(Ordering::Relaxed) {
                    shelf.replace(at);
                    at = (at + 7919) % NAMES;
                    std::thread::sleep(PAUSE);
                }
            });
        }
        let started = Instant::now();
        let readers: Vec<_> = (0..readers)
            .map(|reader| scope.spawn(move || read(shelf, reader)))
            .collect();
        let count = readers.len();
        let taken: Vec<f64> = readers
            .into_iter()
            .flat_map(|reader| reader.join().expect("it reads"))
            .collect();
        let elapsed = nanoseconds(started.elapsed());
        done.store(true, Ordering::Relaxed);
        let processors = std::thread::available_parallelism().map_or(1, usize::from).min(count);
        (elapsed * processors as f64 / (count * BATCHES * BATCH) as f64, taken)
    })
}

fn read(shelf: &dyn Shelf, reader: usize) -> Vec<f64> {
    let mut at = reader * 37 % NAMES;
    let mut taken = Vec::with_capacity(BATCHES);
    for _ in 0..BATCHES {
        let start = Instant::now();
        for _ in 0..BATCH {
            black_box(shelf.look(at));
            at = (at * 21 + 7) % NAMES;
        }
        taken.push(nanoseconds(start.elapsed()) / BATCH as f64);
    }
    taken
}

fn text(number: usize) -> Arc<String> {
    Arc::new(format!("<p>{number}</p>"))
}

fn start(names: &[String]) -> (Hotplate, MemoryHandle) {
    let (loader, memory) = MemoryLoader::new();
    memory.edit(names.iter().map(|name| (template(name), Some("<p>0</p>"))));
    let hotplate = Hotplate::builder().loader(loader).start().expect("it starts");
    (hotplate, memory)
}

fn template(name: &str) -> TemplateName {
    TemplateName::new(name).expect("a name")
}

struct ByHandle<'s>(&'s [TemplateHandle], &'s [String], &'s MemoryHandle);

impl Shelf for ByHandle<'_> {
    fn name(&self) -> &'static str {
        "hotplate, by handle"
    }
    fn look(&self, at: usize) -> usize {
        self.0[at].digest().map_or(0, |digest| usize::from(digest.as_bytes()[0]))
    }
    fn replace(&self, at: usize) {
        self.2.set(template(&self.1[at]), text(at).as_str());
    }
}

struct ByName<'s>(&'s Hotplate, &'s [String], &'s MemoryHandle);

impl Shelf for ByName<'_> {
    fn name(&self) -> &'static str {
        "hotplate, by name"
    }
    fn look(&self, at: usize) -> usize {
        self.0.digest(&self.1[at]).map_or(0, |digest| usize::from(digest.as_bytes()[0]))
    }
    fn replace(&self, at: usize) {
        self.2.set(template(&self.1[at]), text(at).as_str());
    }
}

struct Locked<'s>(RwLock<HashMap<String, Arc<String>>>, &'s [String]);

impl Shelf for Locked<'_> {
    fn name(&self) -> &'static str {
        "RwLock<HashMap>"
    }
    fn look(&self, at: usize) -> usize {
        self.0
            .read()
            .expect("no panic")
            .get(&self.1[at])
            .map_or(0, |found| found.len())
    }
    fn replace(&self, at: usize) {
        self.0.write().expect("no panic").insert(self.1[at].clone(), text(at));
    }
}

struct Sharded<'s>(DashMap<String, Arc<String>>, &'s [String]);

impl Shelf for Sharded<'_> {
    fn name(&self) -> &'static str {
        "DashMap"
    }
    fn look(&self, at: usize) -> usize {
        self.0.get(&self.1[at]).map_or(0, |found| found.len())
    }
    fn replace(&self, at: usize) {
        self.0.insert(self.1[at].clone(), text(at));
    }
}

struct Swapped<'s>(ArcSwap<im::HashMap<String, Arc<String>>>, &'s [String]);

impl Shelf for Swapped<'_> {
    fn name(&self) -> &'static str {
        "ArcSwap<im::HashMap>"
    }
    fn look(&self, at: usize) -> usize {
        self.0.load().get(&self.1[at]).map_or(0, |found| found.len())
    }
    fn replace(&self, at: usize) {
        self.0.rcu(|map| map.update(self.1[at].clone(), text(at)));
    }
}

/// Go's `sync.Map` and its map behind an `RWMutex`, from 1,000 goroutines, printed as rows by a program of its own.
fn go() {
    println!("### Go, 1,000 goroutines, 100 versions/s\n");
    match Command::new("go")
        .args(["run", "lookup.go"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/go/lookup"))
        .output()
    {
        Ok(ran) if ran.status.success() => println!("{}", String::from_utf8_lossy(&ran.stdout)),
        Ok(ran) => println!("Go is installed, but: {}", String::from_utf8_lossy(&ran.stderr)),
        Err(_) => println!("Go is not installed here.\n"),
    }
}
