//! [`World`]: a file system in memory, with the kernel's watches on it and a clock that the test sets.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::history::Op;
use crate::loader::directory::disk::{Disk, FileId, Kind, ReadAttempt, Stat};
use crate::loader::directory::settle::Hint;
use crate::loader::directory::watches::{WatchError, WatchId, Watches};

/// The step of the clock of time stamps, which is coarse as that of the kernel.
const TICK_NANOS: i64 = 4_000_000;
/// The most events in the queue. One more is an overflow.
const QUEUE_MAX: usize = 48;

#[derive(Debug, Clone)]
pub(super) enum Body {
    File(Vec<u8>),
    Directory(BTreeMap<OsString, u64>),
    Link(PathBuf),
}

#[derive(Debug, Clone)]
struct Inode {
    body: Body,
    names: u64,
    modified: i64,
    changed: i64,
    readable: bool,
}

/// A failure of the system that affects all files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failing {
    /// There is no file descriptor left: nothing can be read or listed.
    Descriptors,
    /// The device does not answer.
    Device,
}

/// An event in the queue of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Overflow,
    Ended(WatchId),
    Itself(WatchId),
    Named(WatchId, OsString, Hint),
}

/// A scripted act between two questions to the disk.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Op(Op),
    /// The arrival of all events in the queue.
    Hear,
}

#[derive(Default)]
pub(super) struct World {
    inodes: HashMap<u64, Inode>,
    next_inode: u64,
    pub(super) clock: i64,
    watches: HashMap<u64, WatchId>,
    next_watch: WatchId,
    /// The most watches that there may be.
    pub(super) watches_max: usize,
    pub(super) failing: Option<Failing>,
    pub(super) queue: VecDeque<Said>,
    pub(super) reads: usize,
    pub(super) calls: usize,
    /// Acts, each after a number of further questions to the disk.
    pub(super) script: VecDeque<(usize, Act)>,
    /// Files that a writer has open.
    pub(super) open: HashSet<PathBuf>,
    /// The time of the last write of each open file, and that of the first one.
    pub(super) written: HashMap<PathBuf, (i64, i64)>,
}

/// A handle on the world, with the interfaces that the loader uses.
#[derive(Clone)]
pub(super) struct Shared {
    world: Arc<Mutex<World>>,
    listener: Arc<Listener>,
}

/// The receiver of events, with the time of their arrival.
type Listener = dyn Fn(Said, i64) + Send + Sync;

impl Shared {
    pub(super) fn new(world: World, listener: impl Fn(Said, i64) + Send + Sync + 'static) -> Self {
        Self {
            world: Arc::new(Mutex::new(world)),
            listener: Arc::new(listener),
        }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("nothing panics while it holds this")
    }

    /// Delivers some events from the queue.
    pub(super) fn hear(&self, count: usize) {
        for _ in 0..count {
            let (said, clock) = {
                let mut world = self.world();
                (world.queue.pop_front(), world.clock)
            };
            let Some(said) = said else { return };
            (self.listener)(said, clock);
        }
    }

    /// Performs the scripted acts whose turn it is.
    pub(super) fn happen(&self) {
        drop(self.asked_by(false));
    }

    /// Returns the world after the scripted acts whose turn it is.
    fn asked(&self) -> MutexGuard<'_, World> {
        self.asked_by(true)
    }

    /// Performs the scripted acts and returns the world. No event can arrive while watches are added, because the lock is held.
    fn asked_by(&self, can_hear: bool) -> MutexGuard<'_, World> {
        let mut world = self.world();
        world.calls += 1;
        while let Some((left, act)) = world.script.front_mut() {
            if *left > 0 {
                *left -= 1;
                break;
            }
            if matches!(act, Act::Hear) && !can_hear {
                break;
            }
            match world.script.pop_front() {
                Some((_, Act::Op(op))) => world.apply(&op),
                Some((_, Act::Hear)) => {
                    drop(world);
                    self.hear(usize::MAX);
                    world = self.world();
                }
                None => {}
            }
        }
        world
    }
}

impl World {
    /// Returns an error if the system fails.
    fn answer(&self, needs_descriptor: bool) -> io::Result<()> {
        match self.failing {
            Some(Failing::Device) => Err(io::Error::from_raw_os_error(5)),
            Some(Failing::Descriptors) if needs_descriptor => Err(io::Error::from_raw_os_error(24)),
            _ => Ok(()),
        }
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl World {
    pub(super) fn new() -> Self {
        let mut world = Self {
            clock: 1_000_000_000_000,
            watches_max: usize::MAX,
            ..Self::default()
        };
        world.make(Body::Directory(BTreeMap::new()));
        world
    }

    fn stamp(&self) -> i64 {
        // Odd nanoseconds, or the stamps would seem to be whole seconds.
        self.clock / TICK_NANOS * TICK_NANOS + 7
    }

    fn make(&mut self, body: Body) -> u64 {
        self.next_inode += 1;
        let stamp = self.stamp();
        let inode = Inode {
            body,
            names: 1,
            modified: stamp,
            changed: stamp,
            readable: true,
        };
        self.inodes.insert(self.next_inode, inode);
        self.next_inode
    }

    fn inode(&mut self, number: u64) -> &mut Inode {
        self.inodes.get_mut(&number).expect("inodes in directories exist")
    }

    // --- looking up ---------------------------------------------------------------------------------------------------------

    /// Returns the inode at a path. Links in the middle are followed, and the last one if `follow` is set.
    pub(super) fn lookup(&self, path: &Path, follow: bool) -> io::Result<u64> {
        self.lookup_within(path, follow, 0)
    }

    fn lookup_within(&self, path: &Path, follow: bool, hops: usize) -> io::Result<u64> {
        if hops > 40 {
            return Err(io::Error::other("too many links"));
        }
        let mut at = vec![1];
        let mut components = path.components().peekable();
        while let Some(component) = components.next() {
            let name = match component {
                Component::Normal(name) => name,
                Component::ParentDir => {
                    if at.len() > 1 {
                        at.pop();
                    }
                    continue;
                }
                _ => continue,
            };
            let here = *at.last().expect("begins at the top");
            let Body::Directory(entries) = &self.inodes[&here].body else {
                return Err(io::ErrorKind::NotADirectory.into());
            };
            let child = *entries.get(name).ok_or_else(not_found)?;
            match &self.inodes[&child].body {
                Body::Link(target) if follow || components.peek().is_some() => {
                    let rest: PathBuf = components.collect();
                    let base = match target.is_absolute() {
                        true => PathBuf::from("/"),
                        false => self.path_of(&at),
                    };
                    return self.lookup_within(&base.join(target).join(rest), follow, hops + 1);
                }
                _ => at.push(child),
            }
        }
        Ok(*at.last().expect("begins at the top"))
    }

    fn path_of(&self, at: &[u64]) -> PathBuf {
        let mut path = PathBuf::from("/");
        for pair in at.windows(2) {
            if let Body::Directory(entries) = &self.inodes[&pair[0]].body
                && let Some((name, _)) = entries.iter().find(|(_, inode)| **inode == pair[1])
            {
                path.push(name);
            }
        }
        path
    }

    pub(super) fn body(&self, path: &Path) -> Option<&Body> {
        let number = self.lookup(path, true).ok()?;
        Some(&self.inodes[&number].body)
    }

    pub(super) fn is_readable(&self, path: &Path) -> bool {
        self.lookup(path, true)
            .is_ok_and(|number| self.inodes[&number].readable)
    }

    fn stat(&self, number: u64) -> Stat {
        let inode = &self.inodes[&number];
        let (kind, bytes) = match &inode.body {
            Body::File(bytes) => (Kind::File, bytes.len() as u64),
            Body::Directory(_) => (Kind::Directory, 0),
            Body::Link(_) => (Kind::Link, 0),
        };
        Stat {
            id: FileId {
                device: 1,
                inode: number,
                born: 0,
            },
            kind,
            bytes,
            modified: inode.modified,
            changed: inode.changed,
            names: inode.names,
        }
    }

    // --- watching -----------------------------------------------------------------------------------------------------------

    fn say(&mut self, said: Said) {
        if self.queue.len() >= QUEUE_MAX {
            if self.queue.back() != Some(&Said::Overflow) {
                self.queue.push_back(Said::Overflow);
            }
        } else if self.queue.back() != Some(&said) {
            self.queue.push_back(said);
        }
    }

    fn say_named(&mut self, directory: u64, name: &OsStr, hint: Hint) {
        if let Some(watch) = self.watches.get(&directory).copied() {
            self.say(Said::Named(watch, name.to_owned(), hint));
        }
    }

    fn say_itself(&mut self, number: u64) {
        if let Some(watch) = self.watches.get(&number).copied() {
            self.say(Said::Itself(watch));
        }
    }

    pub(super) fn watch_of(&self, path: &Path) -> Option<WatchId> {
        self.watches.get(&self.lookup(path, false).ok()?).copied()
    }

    /// Returns true if a file with several names has one of them in a directory that is not watched.
    pub(super) fn has_a_name_aside(&self) -> bool {
        let unwatched = self
            .inodes
            .iter()
            .filter(|(number, _)| !self.watches.contains_key(number));
        let names = unwatched.flat_map(|(_, inode)| match &inode.body {
            Body::Directory(entries) => entries.values().copied().collect(),
            Body::File(_) | Body::Link(_) => Vec::new(),
        });
        names
            .map(|number| &self.inodes[&number])
            .any(|inode| matches!(inode.body, Body::File(_)) && inode.names > 1)
    }

    pub(super) fn watches(&self) -> usize {
        self.watches.len()
    }

    // --- changing -----------------------------------------------------------------------------------------------------------

    fn parent(&self, path: &Path) -> Option<(u64, OsString)> {
        let parent = self.lookup(path.parent()?, true).ok()?;
        matches!(self.inodes[&parent].body, Body::Directory(_)).then_some(())?;
        Some((parent, path.file_name()?.to_owned()))
    }

    fn entries(&mut self, directory: u64) -> &mut BTreeMap<OsString, u64> {
        match &mut self.inode(directory).body {
            Body::Directory(entries) => entries,
            _ => unreachable!("only directories are parents"),
        }
    }

    fn touch(&mut self, number: u64, content: bool) {
        let stamp = self.stamp();
        let inode = self.inode(number);
        inode.changed = stamp;
        if content {
            inode.modified = stamp;
        }
    }

    fn add(&mut self, path: &Path, number: u64, hint: Hint) {
        if let Some((parent, name)) = self.parent(path) {
            self.entries(parent).insert(name.clone(), number);
            self.touch(parent, true);
            self.say_named(parent, &name, hint);
        }
    }

    /// Removes a name, and the file if it was its last name.
    pub(super) fn remove(&mut self, path: &Path) {
        let Some((parent, name)) = self.parent(path) else {
            return;
        };
        let Some(number) = self.entries(parent).get(&name).copied() else {
            return;
        };
        if let Body::Directory(entries) = &self.inode(number).body {
            let inside: Vec<OsString> = entries.keys().cloned().collect();
            inside.iter().for_each(|child| self.remove(&path.join(child)));
        }
        self.entries(parent).remove(&name);
        self.touch(parent, true);
        self.let_go(number);
        self.say_named(parent, &name, Hint::Gone);
    }

    fn let_go(&mut self, number: u64) {
        self.touch(number, false);
        let inode = self.inode(number);
        inode.names -= 1;
        if inode.names == 0 {
            self.say_itself(number);
            if let Some(watch) = self.watches.remove(&number) {
                self.say(Said::Ended(watch));
            }
            self.inodes.remove(&number);
        }
    }

    /// Opens a file for writing, which truncates or creates it.
    pub(super) fn open(&mut self, path: &Path) -> bool {
        let number = match self.lookup(path, true) {
            Ok(number) => number,
            Err(_) => {
                if self.parent(path).is_none() || self.lookup(path, false).is_ok() {
                    return false;
                }
                let number = self.make(Body::File(Vec::new()));
                self.add(path, number, Hint::Created);
                number
            }
        };
        match &mut self.inode(number).body {
            Body::File(bytes) if bytes.is_empty() => true,
            Body::File(bytes) => {
                bytes.clear();
                self.touch(number, true);
                self.say_of_file(path, Hint::Writing);
                true
            }
            _ => false,
        }
    }

    pub(super) fn write(&mut self, path: &Path, text: &[u8]) {
        let Ok(number) = self.lookup(path, true) else { return };
        if let Body::File(bytes) = &mut self.inode(number).body {
            bytes.extend_from_slice(text);
            self.touch(number, true);
            self.say_of_file(path, Hint::Writing);
            let clock = self.clock;
            let written = self.written.entry(path.to_owned()).or_insert((clock, clock));
            written.0 = clock;
        }
    }

    pub(super) fn close(&mut self, path: &Path) {
        self.say_of_file(path, Hint::Closed);
        self.open.remove(path);
        self.written.remove(path);
    }

    /// Queues an event of the directory through which a file was reached.
    fn say_of_file(&mut self, path: &Path, hint: Hint) {
        // The event of a file behind a link names the target, in its directory.
        let mut real = path.to_owned();
        for _ in 0..40 {
            match self
                .lookup(&real, false)
                .map(|number| self.inodes[&number].body.clone())
            {
                Ok(Body::Link(target)) => real = real.parent().unwrap_or(Path::new("/")).join(target),
                _ => break,
            }
        }
        if let Some((parent, name)) = self.parent(&real) {
            self.say_named(parent, &name, hint);
        }
    }

    /// Changes content without an event, as a write through a memory mapping does.
    pub(super) fn write_silently(&mut self, path: &Path, text: &[u8]) {
        if let Ok(number) = self.lookup(path, true)
            && let Body::File(bytes) = &mut self.inode(number).body
        {
            *bytes = text.to_vec();
            self.touch(number, true);
        }
    }

    pub(super) fn make_directory(&mut self, path: &Path) {
        if self.lookup(path, false).is_err() && self.parent(path).is_some() {
            let number = self.make(Body::Directory(BTreeMap::new()));
            self.add(path, number, Hint::Whole);
        }
    }

    pub(super) fn make_link(&mut self, target: &Path, path: &Path) {
        if self.lookup(path, false).is_err() && self.parent(path).is_some() {
            let number = self.make(Body::Link(target.to_owned()));
            self.add(path, number, Hint::Created);
        }
    }

    pub(super) fn hard_link(&mut self, from: &Path, path: &Path) {
        let Ok(number) = self.lookup(from, true) else { return };
        let is_file = matches!(self.inode(number).body, Body::File(_));
        if is_file && self.lookup(path, false).is_err() && self.parent(path).is_some() {
            self.inode(number).names += 1;
            self.touch(number, false);
            self.add(path, number, Hint::Created);
        }
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) {
        let Ok(number) = self.lookup(from, false) else { return };
        if to.starts_with(from) || self.parent(to).is_none() || self.is_inside(to, number) {
            return;
        }
        let is_directory = |world: &Self, number| matches!(world.inodes[&number].body, Body::Directory(_));
        if let Ok(there) = self.lookup(to, false) {
            let fits = is_directory(self, there) == is_directory(self, number);
            let empty = matches!(&self.inodes[&there].body, Body::Directory(entries) if entries.is_empty());
            if there == number || !fits || (is_directory(self, there) && !empty) {
                return;
            }
            // It is replaced in one step, so there is no event that it is gone.
            if let Some((parent, name)) = self.parent(to) {
                self.entries(parent).remove(&name);
                self.let_go(there);
            }
        }
        if let Some((parent, name)) = self.parent(from) {
            self.entries(parent).remove(&name);
            self.touch(parent, true);
            self.say_named(parent, &name, Hint::Gone);
            self.touch(number, false);
            self.add(to, number, Hint::Whole);
            self.say_itself(number);
        }
    }

    /// Returns true if a path leads into a directory.
    fn is_inside(&self, path: &Path, directory: u64) -> bool {
        path.ancestors()
            .any(|above| self.lookup(above, true).ok() == Some(directory))
    }

    pub(super) fn exchange(&mut self, one: &Path, other: &Path) {
        let (Ok(a), Ok(b)) = (self.lookup(one, false), self.lookup(other, false)) else {
            return;
        };
        if a == b || self.is_inside(one, b) || self.is_inside(other, a) {
            return;
        }
        let (Some((a_in, a_name)), Some((b_in, b_name))) = (self.parent(one), self.parent(other)) else {
            return;
        };
        self.entries(a_in).insert(a_name.clone(), b);
        self.entries(b_in).insert(b_name.clone(), a);
        self.touch(a, false);
        self.touch(b, false);
        self.say_named(a_in, &a_name, Hint::Gone);
        self.say_named(b_in, &b_name, Hint::Whole);
        self.say_named(b_in, &b_name, Hint::Gone);
        self.say_named(a_in, &a_name, Hint::Whole);
    }

    pub(super) fn allow(&mut self, path: &Path, readable: bool) {
        let Ok(number) = self.lookup(path, true) else { return };
        self.inode(number).readable = readable;
        self.touch(number, false);
        self.say_of_file(path, Hint::Attributes);
        self.say_itself(number);
    }
}

impl Disk for Shared {
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let world = self.asked();
        world.answer(false)?;
        Ok(world.stat(world.lookup(path, false)?))
    }

    fn follow(&self, path: &Path) -> io::Result<Stat> {
        let world = self.asked();
        world.answer(false)?;
        Ok(world.stat(world.lookup(path, true)?))
    }

    fn list(&self, directory: &Path, _: usize) -> io::Result<Vec<(OsString, Option<Kind>)>> {
        let world = self.asked();
        world.answer(true)?;
        let inode = &world.inodes[&world.lookup(directory, true)?];
        match &inode.body {
            Body::Directory(_) if !inode.readable => Err(io::ErrorKind::PermissionDenied.into()),
            Body::Directory(entries) => {
                let kind = |number: &u64| Some(world.stat(*number).kind).filter(|kind| *kind == Kind::File);
                Ok(entries
                    .iter()
                    .map(|(name, number)| (name.clone(), kind(number)))
                    .collect())
            }
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn holds(&self, directory: &Path, name: &OsStr) -> io::Result<(FileId, bool)> {
        let world = self.asked();
        let number = world.lookup(directory, true)?;
        match &world.inodes[&number].body {
            Body::Directory(entries) => Ok((world.stat(number).id, entries.contains_key(name))),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn link(&self, path: &Path) -> io::Result<PathBuf> {
        let world = self.asked();
        world.answer(false)?;
        match &world.inodes[&world.lookup(path, false)?].body {
            Body::Link(target) => Ok(target.clone()),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn read(&self, path: &Path, _: u64) -> io::Result<ReadAttempt> {
        let mut world = self.asked();
        world.reads += 1;
        world.answer(true)?;
        let number = world.lookup(path, true)?;
        let before = world.stat(number);
        let inode = &world.inodes[&number];
        let bytes = match &inode.body {
            Body::File(_) if !inode.readable => return Err(io::ErrorKind::PermissionDenied.into()),
            Body::File(bytes) => bytes.clone(),
            _ => return Err(not_found()),
        };
        drop(world);
        // The file is open, so it stays the same although its name may change.
        let world = self.asked();
        let after = match world.inodes.contains_key(&number) {
            true => world.stat(number),
            false => Stat {
                names: 0,
                changed: world.stamp(),
                ..before
            },
        };
        Ok(ReadAttempt { before, bytes, after })
    }

    fn silent(&self, _: &Path) -> Option<String> {
        None
    }

    fn mounts(&self) -> Option<HashSet<PathBuf>> {
        Some(HashSet::new())
    }

    fn clock(&self) -> i64 {
        self.world().clock
    }
}

impl Watches for Shared {
    fn watch(&mut self, directory: &Path) -> Result<WatchId, WatchError> {
        let mut world = self.asked_by(false);
        let number = world.lookup(directory, true).map_err(|_| WatchError::NotThere)?;
        let inode = &world.inodes[&number];
        if !matches!(inode.body, Body::Directory(_)) || !inode.readable {
            return Err(WatchError::NotThere);
        }
        if let Some(watch) = world.watches.get(&number) {
            return Ok(*watch);
        }
        if world.watches.len() >= world.watches_max {
            return Err(WatchError::Exhausted("there are no watches left".into()));
        }
        world.next_watch += 1;
        let watch = world.next_watch;
        world.watches.insert(number, watch);
        Ok(watch)
    }

    fn unwatch(&mut self, watch: WatchId) {
        let mut world = self.asked_by(false);
        let before = world.watches.len();
        world.watches.retain(|_, each| *each != watch);
        if world.watches.len() < before {
            world.say(Said::Ended(watch));
        }
    }

    fn mark(&mut self) -> Option<WatchId> {
        let mut world = self.world();
        world.next_watch += 1;
        let watch = world.next_watch;
        world.say(Said::Ended(watch));
        Some(watch)
    }

    fn is_exact(&self) -> bool {
        true
    }
}

impl World {
    /// Returns the target of a link, as it is written.
    pub(super) fn target(&self, number: u64) -> Option<PathBuf> {
        match &self.inodes.get(&number)?.body {
            Body::Link(target) => Some(target.clone()),
            _ => None,
        }
    }
}
