//! A soak test: four writers perform random operations for a while. After each sync, the served texts are those that an independent
//! walk finds.
//!
//! `HOTPLATE_SOAK_S` is the duration in seconds (default 2), `HOTPLATE_SOAK_SEED` the seed of the operations, which a failure names. The
//! interleaving of the threads is not reproduced by it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, RwLock};
use std::time::{Duration, Instant};

use hotplate_actors::WatchBy;

use super::{Site, file_systems};

/// A random number generator, small and good enough.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn path(&mut self, root: &Path) -> PathBuf {
        let directories = [
            "",
            "a",
            "b",
            "a/c",
            "a/c/e",
            "b/d",
            "b/d/f",
            "log",
            "../outside",
            "../outside/d",
        ];
        let files = ["x.html", "y.html", "z.txt", "w.css", ".h.html"];
        let directory = root.join(directories[self.roll(directories.len() as u64) as usize]);
        match self.roll(6) {
            // The root itself stays: while it is missing, its last content is served.
            0 if directory != root.join("") => directory,
            _ => directory.join(files[self.roll(files.len() as u64) as usize]),
        }
    }
}

fn exchange(one: &Path, other: &Path) -> std::io::Result<()> {
    let flags = rustix::fs::RenameFlags::EXCHANGE;
    Ok(rustix::fs::renameat_with(
        rustix::fs::CWD,
        one,
        rustix::fs::CWD,
        other,
        flags,
    )?)
}

/// Moves a directory away and back while others write in it: the root, one in it, or the target of links.
fn away_and_back(dice: &mut Dice, root: &Path) -> std::io::Result<()> {
    let directories = ["", "a", "a/c", "a/c/e", "b", "b/d", "../outside", "../outside/d"];
    let path = root.join(directories[dice.roll(directories.len() as u64) as usize]);
    let aside = root.join(format!("../aside{}", dice.roll(1_000_000)));
    if dice.roll(2) == 0 {
        fs::create_dir(&aside)?;
        let exchanged = exchange(&path, &aside).and_then(|()| exchange(&path, &aside));
        // If only the first exchange succeeded, the content is here.
        let removed = fs::remove_dir_all(&aside);
        return exchanged.and(removed);
    }
    // Without a separator at its end, or a link would be followed.
    let path: PathBuf = path.components().collect();
    fs::rename(&path, &aside)?;
    // Another writer may have created one in its place, which is removed.
    while let Err(error) = fs::rename(&aside, &path) {
        match path.symlink_metadata() {
            Ok(there) if there.is_dir() => fs::remove_dir_all(&path)?,
            Ok(_) => fs::remove_file(&path)?,
            // The directory above is gone, and so this one with it.
            Err(_) if path.parent().is_none_or(|parent| !parent.is_dir()) => return fs::remove_dir_all(&aside),
            Err(_) => {
                fs::remove_dir_all(&aside)?;
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Performs one random operation, which may fail.
fn act(dice: &mut Dice, root: &Path) -> std::io::Result<()> {
    let (one, other) = (dice.path(root), dice.path(root));
    let text = format!("text {}", dice.roll(1_000_000));
    match dice.roll(17) {
        0..=3 => fs::write(one, text),
        4..=5 => {
            let beside = one.with_file_name(format!(".beside{}", dice.roll(1000)));
            fs::write(&beside, text)?;
            fs::rename(&beside, one).or_else(|_| fs::remove_file(beside))
        }
        6 => fs::create_dir_all(one),
        7 => fs::rename(one, other),
        8 => fs::remove_file(one),
        9 if dice.roll(3) == 0 => fs::remove_dir_all(one),
        10 => fs::hard_link(one, other),
        11 => symlink(one, other),
        12 => {
            fs::remove_file(&one)?;
            fs::write(one, text)
        }
        13 => exchange(&one, &other),
        14..=15 => away_and_back(dice, root),
        _ => fs::File::open(one)?.set_modified(std::time::SystemTime::UNIX_EPOCH),
    }
}

/// Collects the names and texts that exist, without the loader.
fn walk(path: &Path, name: &str, above: &mut Vec<PathBuf>, found: &mut BTreeMap<String, String>) {
    let Ok(metadata) = fs::metadata(path) else { return };
    let takes = name.ends_with(".html") || name.ends_with(".txt");
    if metadata.is_dir() {
        let Ok(real) = fs::canonicalize(path) else { return };
        if above.contains(&real) || above.len() > 64 {
            return;
        }
        above.push(real);
        for entry in fs::read_dir(path).expect("a directory") {
            let child = entry.expect("an entry").file_name();
            let child = child.to_str().expect("UTF-8");
            if !child.starts_with('.') {
                let name = if name.is_empty() {
                    child.to_owned()
                } else {
                    format!("{name}/{child}")
                };
                walk(&path.join(child), &name, above, found);
            }
        }
        above.pop();
    } else if takes {
        found.insert(name.to_owned(), fs::read_to_string(path).expect("a text"));
    }
}

#[test]
fn four_writers_and_no_difference() {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse().ok());
    let seconds = number("HOTPLATE_SOAK_S").unwrap_or(2.0);
    let seed = number("HOTPLATE_SOAK_SEED").unwrap_or_else(|| f64::from(std::process::id()));
    // Mostly in the mode that relies on events alone.
    let means = [(WatchBy::Auto, 0.7), (WatchBy::Recursive, 0.2), (WatchBy::Poll, 0.1)];
    for on in file_systems() {
        for (by, share) in means {
            let lasts = Duration::from_secs_f64(seconds * share / file_systems().len() as f64);
            soak(&on, by, lasts, seed as u64);
        }
    }
}

/// Returns the differences between two sets of texts, by name.
fn differences(told: &BTreeMap<String, String>, found: &BTreeMap<String, String>) -> Vec<String> {
    let names: BTreeSet<&String> = told.keys().chain(found.keys()).collect();
    let differ = names.into_iter().filter(|name| told.get(*name) != found.get(*name));
    differ
        .map(|name| format!("{name}: told {:?}, found {:?}", told.get(name), found.get(name)))
        .collect()
}

fn soak(on: &Path, by: WatchBy, lasts: Duration, seed: u64) {
    let site = Site::new(on, by, &[("x.html", "start"), ("a/y.html", "start")]);
    fs::create_dir_all(site.beside("outside/d")).expect("created");
    let (ends, acts) = (AtomicBool::new(false), AtomicU64::new(0));
    // Writers share it for one operation each; the check has it alone, because a walk during writes proves nothing.
    let still = RwLock::new(());
    let begins = Barrier::new(5);
    std::thread::scope(|scope| {
        for writer in 0..4_u64 {
            let (root, ends, acts, still, begins) = (&site.root, &ends, &acts, &still, &begins);
            scope.spawn(move || {
                let mut dice = Dice(0x9E37_79B9_7F4A_7C15 ^ (writer + 1) ^ seed << 20);
                begins.wait();
                while !ends.load(Ordering::Relaxed) {
                    // It is poisoned if the check failed, which reports the failure.
                    let Ok(guard) = still.read() else { return };
                    let _ = act(&mut dice, root);
                    acts.fetch_add(1, Ordering::Relaxed);
                    drop(guard);
                    // Half of them never rest, but where whole trees are watched: the crate `notify` begins and ends watches only when no
                    // event waits, so a loader that ends one would wait for as long as they write.
                    let rests = match by {
                        WatchBy::Recursive => dice.roll(2) == 0,
                        _ => writer % 2 == 0 && dice.roll(50) == 0,
                    };
                    if rests {
                        std::thread::park_timeout(Duration::from_micros(200));
                    }
                }
            });
        }
        begins.wait();
        let end = Instant::now() + lasts;
        let mut syncs = 0;
        // A check that fails must not leave the writers running.
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            while Instant::now() < end {
                // The result of a sync during writes is not checked, only its effect on the next one.
                if syncs % 3 == 0 {
                    site.sync();
                }
                let guard = still.write().expect("not poisoned");
                // Two that move the root away at once may not both bring it back.
                if !site.root.is_dir() {
                    fs::create_dir(&site.root).expect("the root");
                }
                let mut found = BTreeMap::new();
                walk(&site.root, "", &mut Vec::new(), &mut found);
                let told = site.sync();
                let differ = differences(&told, &found);
                assert!(
                    differ.is_empty(),
                    "seed {seed}, after {} acts and {syncs} syncs, {by:?} on {}: {differ:#?}; {:?}",
                    acts.load(Ordering::Relaxed),
                    on.display(),
                    site.status()
                );
                drop(guard);
                syncs += 1;
                std::thread::park_timeout(Duration::from_micros(500 * (syncs % 7)));
            }
        }));
        ends.store(true, Ordering::Relaxed);
        if let Err(panic) = checked {
            std::panic::resume_unwind(panic);
        }
        let acts = acts.load(Ordering::Relaxed);
        println!(
            "{} by {by:?}: {acts} acts, {syncs} syncs, no difference; {:?}",
            on.display(),
            site.status()
        );
    });
}
