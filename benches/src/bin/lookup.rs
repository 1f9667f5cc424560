//! Measures the look-up of the current text of one of 10,000 names, for 1 to 16 readers, without changes and while 100 versions per second
//! are published. One run reads all names, which mostly measures memory access; another run reads only 16, like a service with a few popular
//! pages. Prints Markdown.
//!
//! Each look-up returns a digest of 32 bytes behind a pointer, as a template would be. Threads read in batches of 64, and the time is that of
//! one look-up in a batch; with more readers than processors it includes the time for which a reader is preempted.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use hotplate_actors::loader::MemoryLoader;
use hotplate_actors::{Hotplate, TemplateHandle, TemplateName};
use hotplate_benches::measure::{Samples, nanoseconds, rounds};
use hotplate_benches::table;

const NAMES: usize = 10_000;
const BATCH: usize = 64;
/// Duration of the reads in one round.
const TURN: Duration = Duration::from_millis(40);

type Text = Arc<Digest>;
type Digest = [u8; 32];

/// A store of the current texts.
trait Subject: Sync {
    fn name(&self) -> &'static str;
    /// Reads the current texts of a batch of names, and returns the number of the next name.
    fn read(&self, numbers: Numbers) -> usize;
    /// Publishes a new text of a name.
    fn write(&self, number: usize, version: u64);
}

/// The names of a batch, which are not neighbours in any of the maps.
#[derive(Clone, Copy)]
struct Numbers {
    first: usize,
    among: usize,
}

impl Numbers {
    #[inline(always)]
    fn each(self, read: impl Fn(usize) -> Digest) -> usize {
        let step = 1613 % self.among;
        let mut number = self.first;
        for _ in 0..BATCH {
            black_box(read(number));
            number += step;
            if number >= self.among {
                number -= self.among;
            }
        }
        number
    }
}

fn main() {
    let names: Vec<String> = (0..NAMES)
        .map(|number| format!("{:02}/{number}.html", number / 100))
        .collect();
    let subjects = subjects(&names);
    for among in [16, NAMES] {
        for readers in [1, 2, 4, 16] {
            for writes in [false, true] {
                compare(&subjects, among, readers, writes);
            }
        }
    }
    go();
}

fn compare(subjects: &[Box<dyn Subject>], among: usize, readers: usize, writes: bool) {
    let mut samples: Vec<Vec<Samples>> = subjects.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds(15) {
        for (subject, samples) in subjects.iter().zip(&mut samples) {
            samples.push(round(&**subject, among, readers, writes));
        }
    }
    let medians = |rounds: &[Samples]| Samples(rounds.iter().map(Samples::median).collect());
    let base = medians(&samples[0]);
    let rows: Vec<_> = subjects
        .iter()
        .zip(&samples)
        .map(|(subject, rounds)| {
            let own = medians(rounds);
            let ratio = own.ratio_to(&base);
            let slowest = Samples(rounds.iter().map(|round| round.quantile(0.99)).collect());
            vec![
                subject.name().to_owned(),
                format!("{:.1} ns", own.median()),
                table::ratio(&ratio),
                table::spread(&ratio),
                format!("{:.1} ns", slowest.median()),
            ]
        })
        .collect();
    let writer = if writes {
        "100 versions per second"
    } else {
        "nothing changes"
    };
    println!("### {readers} readers of {among} of them, {writer}\n");
    table::print(
        &[
            "what",
            "median",
            "ratio to the first",
            "interquartile range",
            "99th percentile of batches",
        ],
        &rows,
    );
}

/// Measures the nanoseconds of one look-up for each batch of each reader.
fn round(subject: &dyn Subject, among: usize, readers: usize, writes: bool) -> Samples {
    let over = AtomicBool::new(false);
    let over = &over;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..readers)
            .map(|reader| scope.spawn(move || read(subject, among, reader, over)))
            .collect();
        let start = Instant::now();
        let mut version = 0;
        while start.elapsed() < TURN {
            thread::park_timeout(Duration::from_millis(10));
            if writes {
                version += 1;
                subject.write(version as usize * 7919 % NAMES, version);
            }
        }
        over.store(true, Ordering::Relaxed);
        let samples = threads.into_iter().flat_map(|thread| thread.join().expect("it reads"));
        Samples(samples.collect())
    })
}

fn read(subject: &dyn Subject, among: usize, reader: usize, over: &AtomicBool) -> Vec<f64> {
    let mut samples = Vec::with_capacity(1 << 16);
    let mut first = reader * 4999 % among;
    while !over.load(Ordering::Relaxed) && samples.len() < samples.capacity() {
        let start = Instant::now();
        first = subject.read(Numbers { first, among });
        samples.push(nanoseconds(start.elapsed()) / BATCH as f64);
    }
    samples
}

fn text(version: u64) -> Text {
    Arc::new([version as u8; 32])
}

fn subjects(names: &[String]) -> [Box<dyn Subject>; 5] {
    let (loader, memory) = MemoryLoader::new();
    let name = |number: usize| TemplateName::new(&names[number]).expect("a name");
    memory.edit((0..NAMES).map(|number| (name(number), Some(format!("text {number}")))));
    let hotplate = Hotplate::builder().loader(loader).start().expect("it starts");
    let write = Arc::new({
        let names: Vec<TemplateName> = (0..NAMES).map(name).collect();
        move |number: usize, version: u64| memory.set(names[number].clone(), format!("version {version}"))
    });
    let texts = || names.iter().map(|name| (name.clone(), text(0)));
    let handles: Vec<TemplateHandle> = names.iter().map(|name| hotplate.handle(name)).collect();
    handles
        .iter()
        .for_each(|handle| _ = handle.digest().expect("it is there"));
    let all: Arc<[String]> = names.into();
    [
        Box::new(Locked(all.clone(), RwLock::new(texts().collect()))),
        Box::new(Sharded(all.clone(), texts().collect())),
        Box::new(Swapped(all.clone(), ArcSwap::from_pointee(texts().collect()))),
        Box::new(ByName(
            all,
            hotplate,
            Box::new({
                let write = write.clone();
                move |number, version| write(number, version)
            }),
        )),
        Box::new(ByHandle(
            handles,
            Box::new(move |number, version| write(number, version)),
        )),
    ]
}

struct Locked(Arc<[String]>, RwLock<HashMap<String, Text>>);

impl Subject for Locked {
    fn name(&self) -> &'static str {
        "RwLock<HashMap>"
    }
    fn read(&self, numbers: Numbers) -> usize {
        numbers.each(|number| *self.1.read().expect("no panic")[&self.0[number]])
    }
    fn write(&self, number: usize, version: u64) {
        self.1
            .write()
            .expect("no panic")
            .insert(self.0[number].clone(), text(version));
    }
}

struct Sharded(Arc<[String]>, DashMap<String, Text>);

impl Subject for Sharded {
    fn name(&self) -> &'static str {
        "DashMap"
    }
    fn read(&self, numbers: Numbers) -> usize {
        numbers.each(|number| **self.1.get(&self.0[number]).expect("it is there"))
    }
    fn write(&self, number: usize, version: u64) {
        self.1.insert(self.0[number].clone(), text(version));
    }
}

struct Swapped(Arc<[String]>, ArcSwap<im::HashMap<String, Text>>);

impl Subject for Swapped {
    fn name(&self) -> &'static str {
        "ArcSwap<im::HashMap>"
    }
    fn read(&self, numbers: Numbers) -> usize {
        numbers.each(|number| *self.1.load()[&self.0[number]])
    }
    fn write(&self, number: usize, version: u64) {
        let next = self.1.load().update(self.0[number].clone(), text(version));
        self.1.store(Arc::new(next));
    }
}

type Write = Box<dyn Fn(usize, u64) + Send + Sync>;

struct ByName(Arc<[String]>, Hotplate, Write);

impl Subject for ByName {
    fn name(&self) -> &'static str {
        "hotplate, by name"
    }
    fn read(&self, numbers: Numbers) -> usize {
        numbers.each(|number| *self.1.digest(&self.0[number]).expect("it is there").as_bytes())
    }
    fn write(&self, number: usize, version: u64) {
        (self.2)(number, version);
    }
}

struct ByHandle(Vec<TemplateHandle>, Write);

impl Subject for ByHandle {
    fn name(&self) -> &'static str {
        "hotplate, by handle"
    }
    fn read(&self, numbers: Numbers) -> usize {
        numbers.each(|number| *self.0[number].digest().expect("it is there").as_bytes())
    }
    fn write(&self, number: usize, version: u64) {
        (self.1)(number, version);
    }
}

/// Runs a Go program that measures `sync.Map` and a map with an `RWMutex` from 1,000 goroutines, and prints its rows.
fn go() {
    println!("### Go, 10,000 of 10,000, 1,000 goroutines, 100 versions per second\n");
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/go/lookup");
    let mut program = std::process::Command::new("go");
    match program.args(["run", "lookup.go"]).current_dir(directory).output() {
        Ok(ran) if ran.status.success() => println!("{}", String::from_utf8_lossy(&ran.stdout)),
        Ok(ran) => println!("Go is installed, but: {}", String::from_utf8_lossy(&ran.stderr)),
        Err(_) => println!("Go is not installed here.\n"),
    }
}
