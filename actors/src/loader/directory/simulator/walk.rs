//! The independent walk: the names and texts that exist, found without the loader.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::history::{BASE, ROOT};
use super::world::{Body, World};
use super::{Checked, Play};
use crate::diagnostic::Diagnostic;

impl Play {
    pub(super) fn is_there(&self, root: &str) -> bool {
        matches!(self.disk.world().body(Path::new(root)), Some(Body::Directory(_)))
    }

    /// Returns the names that exist with their texts, `None` where the text cannot be read.
    pub(super) fn walk(&self) -> BTreeMap<String, Option<String>> {
        let world = self.disk.world();
        let mut found = BTreeMap::new();
        for root in [BASE, ROOT] {
            walk_root(&world, root, &mut found, &mut BTreeSet::new());
        }
        found
    }

    pub(super) fn check_served(&self, when: &str) -> Checked {
        let world = self.disk.world();
        let mut found = BTreeMap::new();
        let mut directories = BTreeSet::new();
        let mut closed = false;
        for root in [BASE, ROOT] {
            match world.body(Path::new(root)) {
                Some(Body::Directory(_)) => walk_root(&world, root, &mut found, &mut directories),
                // The content of a missing root stays, which other tests check.
                _ => return Ok(()),
            }
            closed |= directories.iter().any(|path| !world.is_readable(path));
        }
        // The content of a directory that cannot be read is unknown, and its last state stays.
        if closed {
            return Ok(());
        }
        let served: BTreeSet<&String> = self.served.keys().chain(&self.unreadable).collect();
        let there: BTreeSet<&String> = found.keys().collect();
        prop_assert_eq!(&served, &there, "the names {}", when);
        let remarks = self.observer.status().remarks;
        let file = |name: &str| format!("/{}", name.rsplit('/').next().unwrap_or(name));
        for (name, text) in &found {
            // A sync keeps the last whole content of a file that is being written, and reports that.
            let is_reported =
                |remark: &Diagnostic| remark.code == "still-written" && remark.message.ends_with(&file(name));
            if when == "after a sync" && remarks.iter().any(is_reported) {
                continue;
            }
            if let Some(text) = text {
                prop_assert_eq!(self.served.get(name), Some(text), "{} {}", name, when);
                prop_assert!(!self.unreadable.contains(name), "{} can be read {}", name, when);
            } else {
                prop_assert!(self.unreadable.contains(name), "{} cannot be read {}", name, when);
            }
        }
        Ok(())
    }

    /// Checks that every reachable directory is watched under its current path, and nothing else is.
    pub(super) fn check_watches(&self) -> Checked {
        let world = self.disk.world();
        let mut directories = BTreeSet::new();
        for root in [BASE, ROOT] {
            if !matches!(world.body(Path::new(root)), Some(Body::Directory(_))) {
                return Ok(());
            }
            walk_root(&world, root, &mut BTreeMap::new(), &mut directories);
        }
        if directories.iter().any(|path| !world.is_readable(path)) {
            return Ok(());
        }
        let watched = self.inbox.watched();
        let whole: BTreeSet<PathBuf> = watched
            .claimed()
            .filter(|(_, whole, _)| *whole)
            .map(|(path, ..)| path.to_owned())
            .collect();
        prop_assert_eq!(whole, directories);
        for (path, _, watch) in watched.claimed() {
            prop_assert_eq!(watch, world.watch_of(path), "{}", path.display());
        }
        prop_assert_eq!(watched.len(), world.watches(), "no watch is left over");
        Ok(())
    }
}

fn walk_root(
    world: &World,
    root: &str,
    found: &mut BTreeMap<String, Option<String>>,
    directories: &mut BTreeSet<PathBuf>,
) {
    walk(world, Path::new(root), "", &mut Vec::new(), found, directories);
}

fn walk(
    world: &World,
    path: &Path,
    name: &str,
    above: &mut Vec<u64>,
    found: &mut BTreeMap<String, Option<String>>,
    directories: &mut BTreeSet<PathBuf>,
) {
    let Ok(number) = world.lookup(path, true) else { return };
    match world.body(path) {
        Some(Body::Directory(entries))
            if !above.contains(&number) && above.len() < 60 && name != "log" && !name.ends_with("/log") =>
        {
            directories.insert(real(world, path));
            above.push(number);
            for child in entries
                .keys()
                .filter_map(|child| child.to_str())
                .filter(|child| !child.starts_with('.'))
            {
                let name = if name.is_empty() {
                    child.to_owned()
                } else {
                    format!("{name}/{child}")
                };
                walk(world, &path.join(child), &name, above, found, directories);
            }
            above.pop();
        }
        Some(Body::File(bytes)) if name.ends_with(".html") => {
            let text = world
                .is_readable(path)
                .then(|| String::from_utf8_lossy(bytes).into_owned());
            found.insert(name.to_owned(), text);
        }
        _ => {}
    }
}

/// Returns a path without links.
fn real(world: &World, path: &Path) -> PathBuf {
    let mut real = PathBuf::from("/");
    for component in path.components().skip(1) {
        if component.as_os_str() == ".." {
            real.pop();
            continue;
        }
        let next = real.join(component);
        real = match world.lookup(&next, false).ok().and_then(|_| world.link_at(&next)) {
            Some(target) => self::real(world, &real.join(target)),
            None => next,
        };
    }
    real
}

impl World {
    pub(super) fn link_at(&self, path: &Path) -> Option<PathBuf> {
        let followed = self.lookup(path, true).ok();
        match (self.lookup(path, false), followed) {
            (Ok(own), followed) if Some(own) != followed => self.target(own),
            _ => None,
        }
    }
}
