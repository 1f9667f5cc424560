//! Trees that are built beside the served ones and exchanged for them in one step, while some of their files are young and the loader
//! syncs. Each file contains the generation of its tree. Files of two generations of one tree are never served together.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::history::{BASE, Op, ROOT};
use super::properties::{finish, histories};
use super::world::{Act, Said};
use super::{Checked, Play, act};
use crate::loader::Depth;

/// A way to exchange one tree for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A mounted volume of Kubernetes: names lead through `..data`.
    Data,
    /// A link to a directory, in both roots, and one to a file in it.
    Link,
    /// Two directories change their places.
    Directory,
    /// The second root and a directory beside it change their places.
    Root,
}

const SHAPES: [Shape; 4] = [Shape::Data, Shape::Link, Shape::Directory, Shape::Root];

/// The files of a tree. The last one is in some generations only.
const FILES: [&str; 4] = ["index.html", "p/p.html", "p/q/q.html", "p/sometimes.html"];

#[derive(Debug, Clone)]
enum Step {
    /// Writes those files of the next tree whose bits are set.
    Write(usize, u8),
    /// Writes the others and exchanges the tree: at once, or after a number of questions of the next sync.
    Exchange(usize, Option<usize>),
    Hear(usize),
    HearMeanwhile(usize),
    Wait(u64),
    Sync,
    Overflow,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let shape = || 0..SHAPES.len();
    let step = prop_oneof![
        3 => (shape(), any::<u8>()).prop_map(|(shape, files)| Step::Write(shape, files)),
        6 => (shape(), prop::option::of(0_usize..60)).prop_map(|(shape, after)| Step::Exchange(shape, after)),
        2 => (0_usize..8).prop_map(Step::Hear),
        2 => (0_usize..40).prop_map(Step::HearMeanwhile),
        6 => (0_u64..60).prop_map(Step::Wait),
        1 => Just(Step::Sync),
        1 => Just(Step::Overflow),
    ];
    prop::collection::vec(step, 1..30)
}

/// Returns the text of a generation, from which its shape can be told.
fn text(shape: usize, generation: u8) -> u8 {
    16 + generation * 4 + u8::try_from(shape).expect("few")
}

/// Returns the shape and the generation of a text.
fn generation(text: &str) -> Option<(u8, u8)> {
    let number: u8 = text.strip_prefix("text ")?.parse().ok()?;
    let number = number.checked_sub(16)?;
    Some((number % 4, number / 4))
}

struct Trees {
    generations: [u8; SHAPES.len()],
}

impl Trees {
    fn begin() -> (Self, Play) {
        let mut play = Play::new();
        let mut trees = Self {
            generations: [0; SHAPES.len()],
        };
        for shape in 0..SHAPES.len() {
            trees.write(&play, shape, u8::MAX);
            let exchange = trees.exchange(&play, shape);
            play.disk.world().apply(&exchange);
        }
        let site = |name: &str| Path::new(ROOT).join(name);
        let links = [
            ("..data/index.html", site("index.html")),
            ("..data/p", site("p")),
            ("/out/now", site("linked")),
            ("/out/now", Path::new(BASE).join("linked_too")),
            ("/out/now/index.html", site("linked.html")),
        ];
        let mut world = play.disk.world();
        links
            .iter()
            .for_each(|(target, path)| world.apply(&Op::Link(target.into(), path.clone())));
        drop(world);
        play.wait(1_000, false).expect("settles");
        play.check_served("at the start").expect("the same");
        play.exact = false;
        (trees, play)
    }

    /// Returns the place where the next tree is built.
    fn place(&self, shape: usize) -> PathBuf {
        let number = self.generations[shape];
        match SHAPES[shape] {
            Shape::Data => Path::new(ROOT).join(format!("..{number}")),
            Shape::Link => Path::new("/out").join(number.to_string()),
            Shape::Directory => Path::new(ROOT).join(format!(".next{number}")),
            Shape::Root => Path::new("/home").join(format!("base{number}")),
        }
    }

    fn write(&self, play: &Play, shape: usize, files: u8) {
        let place = self.place(shape);
        let text = text(shape, self.generations[shape]);
        let mut world = play.disk.world();
        for directory in ["", "p", "p/q"] {
            world.apply(&Op::MakeDirectory(place.join(directory)));
        }
        // The roots have the names of the others in directories of their own.
        for (bit, file) in FILES.into_iter().enumerate() {
            let is_there = file != FILES[3] || self.generations[shape] % 3 != 1;
            if files & (1 << bit) != 0 && is_there {
                world.apply(&Op::Write(place.join(file), text));
            }
        }
        if SHAPES[shape] == Shape::Root {
            world.apply(&Op::Link("/out/now".into(), place.join("linked_too")));
        }
    }

    /// Returns the operation that puts the next tree into its place.
    fn exchange(&mut self, play: &Play, shape: usize) -> Op {
        let (place, number) = (self.place(shape), self.generations[shape]);
        self.generations[shape] = (self.generations[shape] + 1) % 56;
        let mut world = play.disk.world();
        let mut link = |target: PathBuf, path: &str| {
            let beside = PathBuf::from(format!("{path}~{number}"));
            world.remove(&beside);
            world.apply(&Op::Link(target, beside.clone()));
            Op::Rename(beside, path.into())
        };
        match SHAPES[shape] {
            Shape::Data => link(place.file_name().expect("a name").into(), "/home/site/..data"),
            Shape::Link => link(place, "/out/now"),
            Shape::Directory => {
                let path = Path::new(ROOT).join("directory");
                match world.lookup(&path, false) {
                    Ok(_) => Op::Exchange(place, path),
                    Err(_) => Op::Rename(place, path),
                }
            }
            Shape::Root => Op::Exchange(place, BASE.into()),
        }
    }
}

/// Returns a sentence about two generations of one shape that are served together, if there are any.
fn mixture(play: &Play) -> Option<String> {
    let mut served = [None; SHAPES.len()];
    for (name, text) in &play.served {
        let Some((shape, number)) = generation(text) else {
            continue;
        };
        let first = served[usize::from(shape)].get_or_insert((name, number));
        if first.1 != number {
            return Some(format!(
                "{:?}: {} is of generation {}, and {name} of {number}",
                SHAPES[usize::from(shape)],
                first.0,
                first.1
            ));
        }
    }
    None
}

fn exchanged(steps: &[Step]) -> Checked {
    let (mut trees, mut play) = Trees::begin();
    play.after_each = Some(mixture);
    for step in steps {
        match step {
            Step::Write(shape, files) => trees.write(&play, *shape, *files),
            Step::Exchange(shape, after) => {
                trees.write(&play, *shape, u8::MAX);
                let exchange = trees.exchange(&play, *shape);
                match after {
                    None => play.disk.world().apply(&exchange),
                    Some(after) => play.disk.world().script.push_back((*after, Act::Op(exchange))),
                }
            }
            Step::Hear(count) => {
                play.hear(*count);
                play.wait(0, true)?;
            }
            Step::HearMeanwhile(after) => play.disk.world().script.push_back((*after, Act::Hear)),
            Step::Wait(ms) => play.wait(*ms, false)?,
            Step::Sync => drop(play.sync(Depth::Everything)),
            Step::Overflow => {
                let mut world = play.disk.world();
                world.queue.clear();
                world.queue.push_back(Said::Overflow);
            }
        }
        let wrong = play.wrong.take();
        prop_assert!(wrong.is_none(), "{} by {step:?}", wrong.unwrap_or_default());
    }
    finish(&mut play, true)?;
    prop_assert!(play.wrong.is_none(), "{:?} at the end", play.wrong);
    Ok(())
}

proptest! {
    #![proptest_config(histories())]

    #[test]
    fn an_exchange_is_one_batch(steps in steps()) {
        exchanged(&steps)?;
    }
}

/// Returns the generation of the first shape that is served.
fn served(play: &Play) -> u8 {
    let text = play.served["index.html"].as_str();
    generation(text).expect("of a tree").1
}

#[test]
fn constant_exchanges_are_served() {
    let (mut trees, mut play) = Trees::begin();
    play.after_each = Some(mixture);
    let longest = 2 * play.limits.settle_max_ms + 20;
    let (mut waited, mut before) = (0, served(&play));
    for _ in 0..50 {
        trees.write(&play, 0, 0b111);
        let exchange = trees.exchange(&play, 0);
        act(&play, exchange);
        play.wait(20, false).expect("looks");
        waited += 20;
        if served(&play) != before {
            before = served(&play);
            waited = 0;
        }
        assert!(waited <= longest, "nothing was reported for {waited} ms");
    }
    assert_eq!(play.wrong, None);
    assert_eq!(play.observer.status().still_written, 0);
    play.wait(100, false).expect("looks");
    play.check_served("at the end").expect("the same");
}

#[test]
fn exchanges_during_each_sync_are_reported_at_the_bound() {
    let (mut trees, mut play) = Trees::begin();
    let (begun, start) = (served(&play), play.clock());
    let [first, second] = ["..1", "..2"];
    for _ in 0..2 {
        trees.write(&play, 0, 0b111);
        trees.exchange(&play, 0);
    }
    while play.observer.status().still_written == 0 {
        assert!(play.clock() - start < 1_000 * super::MS, "it is reported");
        let data = Path::new(ROOT).join("..data");
        // The exchanges happen between the first and the last name that is read, and once more at the end.
        for round in 0..400 {
            let (target, beside) = ([first, second][round % 2], Path::new(ROOT).join("..data~"));
            let acts = [
                (9, Op::Link(target.into(), beside.clone())),
                (0, Op::Rename(beside, data.clone())),
            ];
            match round {
                0 => acts.into_iter().for_each(|(_, op)| act(&play, op)),
                _ => play
                    .disk
                    .world()
                    .script
                    .extend(acts.map(|(after, op)| (after, Act::Op(op)))),
            }
        }
        play.hear(usize::MAX);
        play.look(Depth::Hinted, false).expect("looks");
        let rest: Vec<_> = play.disk.world().script.drain(..).collect();
        assert!(!rest.is_empty(), "there was an exchange at the end of the sync");
        play.turn(play.clock() + 5 * super::MS);
    }
    assert!(served(&play) != begun, "what was read is reported");
    let (status, said) = (play.observer.status(), super::remarks(&play));
    assert!(status.still_written > 0 && said.len() == 1, "{said:?}");
    assert!(
        said[0].starts_with("still-written") && said[0].contains("exchanged"),
        "{said:?}"
    );
    finish(&mut play, true).expect("everything holds");
    act(&play, Op::Write(Path::new(ROOT).join("x.html"), 3));
    play.wait(100, false).expect("looks");
    assert_eq!(super::remarks(&play), Vec::<String>::new());
}
