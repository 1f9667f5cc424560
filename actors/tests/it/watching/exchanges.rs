//! Trees that were just written are exchanged for others in one step, again and again. No answer is made of two of them, and no batch
//! leaves texts of two of them together.
//!
//! `HOTPLATE_STORM_S` is the duration in seconds (default 2).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use hotplate_actors::{Hotplate, Mount, WatchBy};
use serde_json::json;

use super::{Site, file_systems, wait_for, write};

/// The thing that is exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// `..data` of a mounted volume, through which all names lead.
    Data,
    /// The link that the root is.
    RootLink,
    /// The root itself, for another directory.
    Root,
    /// A link outside to which links to a directory and to a file lead.
    Link,
    /// A directory below the root, for another one.
    Directory,
}

const SHAPES: [Shape; 5] = [Shape::Data, Shape::RootLink, Shape::Root, Shape::Link, Shape::Directory];

/// The files of one tree. They are called by the first.
const FILES: [&str; 3] = ["index.html", "p/p.html", "p/q/q.html"];
const LAST: u64 = 999_999_999;

impl Shape {
    /// The beginning of the names of the templates.
    fn prefix(self) -> &'static str {
        match self {
            Self::Directory => "d/",
            Self::Data | Self::RootLink | Self::Root | Self::Link => "",
        }
    }

    /// Writes a tree somewhere else.
    fn build(self, beside: &Path, number: u64) -> PathBuf {
        let tree = match self {
            Self::Data => beside.join(format!("site/..{number}")),
            _ => beside.join(format!("trees/{number}")),
        };
        for name in &FILES[1..] {
            write(&tree.join(name), &number.to_string());
        }
        let calls = FILES[1..]
            .iter()
            .map(|name| format!("{{{{ call {}{name} with it }}}}", self.prefix()));
        write(
            &tree.join(FILES[0]),
            &format!("{number},{}", calls.collect::<Vec<_>>().join(",")),
        );
        tree
    }

    fn begin(self, beside: &Path) {
        let site = beside.join("site");
        let link = |target: &str, name: &str| symlink(target, site.join(name)).expect("linked");
        if self != Self::RootLink && self != Self::Root {
            fs::create_dir(&site).expect("created");
        }
        let tree = self.build(beside, 0);
        match self {
            Self::Data => {
                link("..0", "..data");
                link("..data/index.html", "index.html");
                link("..data/p", "p");
            }
            Self::RootLink => symlink(tree, site).expect("linked"),
            Self::Root => fs::rename(tree, site).expect("renamed"),
            Self::Link => {
                symlink(tree, beside.join("now")).expect("linked");
                link("../now/index.html", "index.html");
                link("../now/p", "p");
            }
            Self::Directory => fs::rename(tree, site.join("d")).expect("renamed"),
        }
    }

    /// Puts a tree that was built into its place, in one step, and removes the one before it.
    fn exchange(self, beside: &Path, tree: &Path) -> std::io::Result<()> {
        let relink = |path: &str, target: &Path| {
            let path = beside.join(path);
            let before = fs::read_link(&path)?;
            let next = beside.join("next");
            symlink(target, &next)?;
            fs::rename(next, &path)?;
            fs::remove_dir_all(path.parent().unwrap_or(beside).join(before))
        };
        let swap = |path: &str| {
            let flags = rustix::fs::RenameFlags::EXCHANGE;
            rustix::fs::renameat_with(rustix::fs::CWD, tree, rustix::fs::CWD, beside.join(path), flags)?;
            fs::remove_dir_all(tree)
        };
        match self {
            Self::Data => relink("site/..data", Path::new(tree.file_name().expect("a name"))),
            Self::RootLink => relink("site", tree),
            Self::Root => swap("site"),
            Self::Link => relink("now", tree),
            Self::Directory => swap("site/d"),
        }
    }

    /// Exchanges one tree for the next until `ends`, and then once more for the [`LAST`].
    fn storm(self, beside: &Path, ends: &AtomicBool) {
        let mut number = 0;
        while !ends.load(Ordering::Relaxed) {
            number += 1;
            let tree = self.build(beside, number);
            self.exchange(beside, &tree).expect("exchanged");
            // Sometimes at once, sometimes when what is young is waited for, sometimes when all is quiet.
            park_timeout(Duration::from_millis([0, 0, 2, 10, 30, 0, 80][number as usize % 7]));
        }
        let tree = self.build(beside, LAST);
        self.exchange(beside, &tree).expect("exchanged");
    }
}

/// Returns the duration of each of a number of cases.
fn lasts(cases: usize) -> Duration {
    let seconds = std::env::var("HOTPLATE_STORM_S")
        .ok()
        .and_then(|text| text.parse().ok());
    Duration::from_secs_f64(seconds.unwrap_or(2.0) / cases as f64)
}

/// Returns true if everything on a page, or each template of a batch, is of one tree.
fn is_of_one<'t>(mut texts: impl Iterator<Item = &'t str>) -> bool {
    let first = texts.next();
    first.is_some() && texts.all(|text| Some(text) == first)
}

#[test]
fn no_answer_mixes_exchanged_trees() {
    let on = file_systems();
    let lasts = lasts(on.len() * SHAPES.len());
    for on in on {
        for shape in SHAPES {
            let directory = tempfile::tempdir_in(&on).expect("a directory");
            let beside = directory.path();
            shape.begin(beside);
            let hotplate = Hotplate::builder().root(beside.join("site")).start().expect("starts");
            let page = hotplate.handle(&format!("{}index.html", shape.prefix()));
            let render = || page.render(&json!({ "it": {} }));
            let ends = AtomicBool::new(false);
            let (mut renders, mut mixed, mut example) = (0_u64, 0_u64, None);
            std::thread::scope(|scope| {
                scope.spawn(|| shape.storm(beside, &ends));
                let end = Instant::now() + lasts;
                while Instant::now() < end {
                    renders += 1;
                    match render() {
                        Ok(answer) if is_of_one(answer.body.split(',')) => {}
                        other => {
                            mixed += 1;
                            example.get_or_insert(format!("{other:?}"));
                        }
                    }
                }
                ends.store(true, Ordering::Relaxed);
            });
            let versions = hotplate.snapshot().version();
            println!(
                "{shape:?} on {}: {mixed} of {renders} answers mixed, {versions:?}",
                on.display()
            );
            assert_eq!(mixed, 0, "{shape:?} on {}, of {renders}: {example:?}", on.display());
            let last = [LAST; FILES.len()].map(|number| number.to_string()).join(",");
            wait_for(|| render().is_ok_and(|answer| answer.body == last));
        }
    }
}

#[test]
fn no_batch_mixes_exchanged_trees() {
    let means = [WatchBy::Auto, WatchBy::Recursive, WatchBy::Poll];
    let on = file_systems();
    let lasts = lasts(on.len() * SHAPES.len() * means.len());
    for on in on {
        for (shape, by) in SHAPES.into_iter().flat_map(|shape| means.map(|by| (shape, by))) {
            let site = Site::with(&on, by, |beside| {
                shape.begin(beside);
                vec![Mount::new("", beside.join("site"))]
            });
            let number = |text: &str| text.split(',').next().unwrap_or_default().to_owned();
            site.check_each_batch(move |served| {
                let numbers: Vec<String> = served.values().map(|text| number(text)).collect();
                is_of_one(numbers.iter().map(String::as_str))
            });
            let ends = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let beside = site.beside("");
                let ends = &ends;
                scope.spawn(move || shape.storm(&beside, ends));
                park_timeout(lasts);
                ends.store(true, Ordering::Relaxed);
            });
            site.until(&format!("{}p/p.html", shape.prefix()), Some(&LAST.to_string()));
            let (batches, wrong) = (site.batches(), site.wrong());
            println!(
                "{shape:?} by {by:?} on {}: {} of {batches} batches mixed",
                on.display(),
                wrong.len()
            );
            assert!(
                wrong.is_empty(),
                "{shape:?} by {by:?} on {}: {:?}",
                on.display(),
                wrong[0]
            );
        }
    }
}
