//! Random histories of a file system in memory, with a kernel that is late and an adversary that loses, repeats and swaps its
//! events. What is served must be what an independent walk finds, and the promises of the loader must hold on the way.
//!
//! `HOTPLATE_HISTORIES` says how many histories of each kind (default 300).

mod exchanges;
mod history;
mod world;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use self::history::{BASE, Event, Op, ROOT, adverse, begin, honest, nested, overtaken};
use self::world::{Act, Body, Failing, Said, Shared, World};
use super::inbox::{EventQueue, Inbox, WatchEvent};
use super::observer::{Observer, WatchMethod};
use super::rules::{CompiledRules, Rules};
use super::tree::{PolledPaths, Tree};
use crate::health::WatchMode;
use crate::limits::Limits;
use crate::loader::{Changes, Depth, LoaderError};

/// How often the alarm looks at what nothing tells of.
const WARY_MS: u64 = 250;
const MS: i64 = 1_000_000;

/// A loader in its world.
struct Play {
    disk: Shared,
    inbox: Arc<Inbox>,
    observer: Observer,
    limits: Limits,
    start: Instant,
    start_clock: i64,
    wary: Vec<PolledPaths>,
    wary_at: i64,
    served: BTreeMap<String, String>,
    /// When each name was there last.
    last_there: BTreeMap<String, i64>,
    /// Names that could not be read when they were said last.
    unreadable: BTreeSet<String>,
    /// In which root each name was after the last look, and after the one before.
    whose: [BTreeMap<String, usize>; 2],
    /// Whether the world stands still while the loader looks and the kernel keeps its word, so that promises about time can be
    /// checked.
    exact: bool,
    /// How much of what happens meanwhile happens while a look waits for somebody who writes.
    acts_at_rest: usize,
    /// Returns what is wrong with what is served after a look.
    after_each: Option<fn(&Play) -> Option<String>>,
    /// The first thing that was wrong.
    wrong: Option<String>,
}

/// The listener, for one who looks: what happens meanwhile may also happen just before a mark is put.
struct Listening {
    disk: Shared,
    inbox: Arc<Inbox>,
    now: Cell<Instant>,
    /// How much may happen while it is waited for somebody who writes.
    acts: Cell<usize>,
}

impl EventQueue for Listening {
    fn catch_up(&self) -> bool {
        self.disk.happen();
        let mark = self.inbox.watched().mark().expect("there is always a mark");
        self.disk.hear(usize::MAX);
        let came = !self.inbox.watched().awaits(mark);
        self.inbox.watched().forget_mark(mark);
        came && !self.inbox.settle().is_in_doubt()
    }

    fn rest(&self, _: Instant) -> Instant {
        self.disk.happen();
        self.disk.hear(usize::MAX);
        let now = self.now.get() + Duration::from_millis(1);
        while self.acts.get() > 0 && self.inbox.settle().quiet_at(now).is_some() {
            self.acts.set(self.acts.get() - 1);
            let next = self.disk.world().script.pop_front();
            if let Some((_, Act::Op(op))) = next {
                self.disk.world().apply(&op);
            }
            self.disk.hear(usize::MAX);
        }
        self.now.set(now);
        now
    }
}

type Checked = Result<(), TestCaseError>;

impl Play {
    fn new() -> Self {
        let mut world = World::new();
        begin(&mut world);
        let start_clock = world.clock;
        let limits = Limits::default();
        let inbox = Arc::new(Inbox::new(&limits));
        let tree = |root: &str| {
            let rules = Rules {
                exclude: vec!["log/".into()],
                ..Rules::default()
            };
            let sieve = CompiledRules::new(&rules, limits.source_bytes).expect("valid");
            Tree::new(String::new(), root.into(), sieve, &limits)
        };
        let mut observer = Observer::new(vec![tree(ROOT), tree(BASE)], Arc::clone(&inbox), &limits);
        let start = Instant::now();
        let heard_by = Arc::clone(&inbox);
        let disk = Shared::new(world, move |said, clock| {
            let now = start + Duration::from_nanos((clock - start_clock).unsigned_abs());
            let heard = match &said {
                Said::Overflow => WatchEvent::Overflow,
                Said::Ended(watch) => WatchEvent::Ended(*watch),
                Said::Itself(watch) => WatchEvent::Itself(*watch),
                Said::Named(watch, name, hint) => WatchEvent::Named(*watch, name, *hint),
            };
            heard_by.hear(heard, now);
        });
        inbox
            .watched()
            .begin(Box::new(disk.clone()))
            .expect("nothing is claimed yet");
        observer.means = Some(WatchMethod::kernel());
        let mut play = Self {
            disk,
            inbox,
            observer,
            limits,
            start,
            start_clock,
            wary: Vec::new(),
            wary_at: start_clock,
            served: BTreeMap::new(),
            last_there: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            whose: Default::default(),
            exact: false,
            acts_at_rest: 0,
            after_each: None,
            wrong: None,
        };
        play.look(Depth::Afresh, false).expect("the first look");
        play.exact = true;
        play
    }

    /// With more to go away: see [`nested`].
    fn nested() -> Self {
        let mut play = Self::new();
        nested().iter().for_each(|op| play.disk.world().apply(op));
        play.wait(1_000, false).expect("settles");
        play.check_served("at the start").expect("the same");
        play
    }

    fn clock(&self) -> i64 {
        self.disk.world().clock
    }

    fn now(&self) -> Instant {
        self.instant(self.clock())
    }

    fn instant(&self, clock: i64) -> Instant {
        self.start + Duration::from_nanos((clock - self.start_clock).unsigned_abs())
    }

    // --- what the threads do ------------------------------------------------------------------------------------------------

    /// The listener hears some of what the kernel said.
    fn hear(&self, count: usize) {
        self.disk.hear(count);
    }

    /// A look, as the loader's thread makes it.
    fn look(&mut self, depth: Depth, heard_all: bool) -> Result<Changes, LoaderError> {
        let now = self.now();
        let ears = Listening {
            disk: self.disk.clone(),
            inbox: Arc::clone(&self.inbox),
            now: Cell::new(now),
            acts: Cell::new(self.acts_at_rest),
        };
        let changes = self.observer.look(&self.disk, &ears, depth, heard_all, now);
        if let Some(wary) = self.observer.wary.take() {
            self.wary = wary;
        }
        let mut whose = BTreeMap::new();
        for (number, tree) in self.observer.trees.iter().enumerate().rev() {
            whose.extend(tree.templates().map(|name| (name.to_string(), number)));
        }
        self.whose = [whose, std::mem::take(&mut self.whose[0])];
        if let Ok(changes) = &changes {
            if changes.complete {
                self.served.clear();
            }
            for source in &changes.changed {
                self.served.insert(source.name.to_string(), source.text.to_string());
                self.unreadable.remove(source.name.as_str());
            }
            for (name, _) in &changes.unreadable {
                self.unreadable.insert(name.to_string());
            }
            for name in &changes.removed {
                self.served.remove(name.as_str());
                self.unreadable.remove(name.as_str());
            }
        }
        let wrong = self.after_each.and_then(|check| check(self));
        self.wrong = self.wrong.take().or(wrong);
        changes
    }

    /// A hinted look, with what must hold of what it says.
    fn hinted(&mut self) -> Checked {
        let before = self.served.clone();
        let was_unreadable = self.unreadable.clone();
        let were_there = [ROOT, BASE].map(|root| self.is_there(root));
        let acts = self.disk.world().script.len();
        let was_held = self.observer.held.is_some();
        let Ok(changes) = self.look(Depth::Hinted, false) else {
            return Ok(());
        };
        // What goes and comes back during one look, or while a batch waits, may be said once more: the Watcher compares as well.
        if self.disk.world().script.len() == acts && !was_held {
            self.check_said(&changes, &before, &was_unreadable)?;
        }
        if !self.exact {
            return Ok(());
        }
        let (clock, world) = (self.clock(), self.disk.world());
        for source in &changes.changed {
            let half = source.text.starts_with("half") && !source.text.ends_with("-whole");
            let (last, first) = world.written.values().copied().max().unwrap_or((0, 0));
            let waited = clock - last >= self.limits.settle_ms as i64 * MS
                || clock - first >= self.limits.settle_max_ms as i64 * MS;
            prop_assert!(
                !half || waited || !before.contains_key(source.name.as_str()) || world.written.len() != 1,
                "half a file: {source:?}"
            );
        }
        drop(world);
        let walked = self.walk();
        for name in &changes.removed {
            let there = self.last_there.get(name.as_str()).copied().unwrap_or(0);
            prop_assert!(
                !walked.contains_key(name.as_str()) && clock - there >= self.limits.grace_ms as i64 * MS,
                "{name} is removed, and was there {} ms ago",
                (clock - there) / MS
            );
        }
        let roots = [ROOT, BASE].map(|root| self.is_there(root));
        for name in &changes.removed {
            let whose = self.whose[1].get(name.as_str()).copied().unwrap_or(0);
            prop_assert!(
                were_there[whose] || roots[whose],
                "a missing root removes nothing: {name}"
            );
        }
        Ok(())
    }

    fn check_said(
        &self,
        changes: &Changes,
        before: &BTreeMap<String, String>,
        unreadable: &BTreeSet<String>,
    ) -> Checked {
        for source in &changes.changed {
            let same = before
                .get(source.name.as_str())
                .is_some_and(|text| **text == *source.text);
            let was_unreadable = unreadable.contains(source.name.as_str());
            // Another root may say the same: the Watcher compares as well.
            let [now, then] = self.whose.each_ref().map(|whose| whose.get(source.name.as_str()));
            prop_assert!(
                !same || was_unreadable || now != then,
                "said without a change: {source:?}"
            );
        }
        Ok(())
    }

    /// A `Reload`, as the Watcher asks for it.
    fn sync(&mut self, depth: Depth) -> Checked {
        let asks = depth == Depth::Everything && self.observer.trusts_events();
        let heard_all = asks && {
            let mark = self.inbox.watched().mark().expect("there is always a mark");
            self.hear(usize::MAX);
            let came = !self.inbox.watched().awaits(mark);
            self.inbox.watched().forget_mark(mark);
            came
        };
        self.hear(usize::MAX);
        let before = self.served.clone();
        let was_unreadable = self.unreadable.clone();
        let calls = self.disk.world().calls;
        let acts = self.disk.world().script.len();
        let was_held = self.observer.held.is_some();
        let changes = self.look(depth, heard_all);
        let calls = self.disk.world().calls - calls;
        prop_assert!(calls < 20_000, "{calls} questions for one sync");
        let overtaken = self.disk.world().script.len() != acts;
        if let (Ok(changes), false) = (changes, overtaken || was_held) {
            self.check_said(&changes, &before, &was_unreadable)?;
        }
        if !overtaken {
            self.check_served("after a sync")?;
        }
        Ok(())
    }

    /// Time passes; the alarm and the looks that it hints at do their work.
    fn wait(&mut self, ms: u64, deaf: bool) -> Checked {
        let end = self.clock() + ms as i64 * MS;
        let (mut looks, mut since) = (0, self.clock());
        loop {
            // However much happens, time goes on.
            let clock = self.clock();
            looks = if clock == since { looks + 1 } else { 0 };
            since = clock;
            prop_assert!(looks < 200, "it looks and looks: {:?}", self.inbox.settle());
            if !deaf {
                self.hear(usize::MAX);
            }
            let now = self.now();
            let settle = self.inbox.settle().next(now);
            let due = [settle, self.observer.next()].into_iter().flatten().min();
            if due.is_some_and(|due| due <= now) {
                self.hinted()?;
                continue;
            }
            let clock = self.clock();
            if self.wary_at <= clock {
                let differ = self.wary.iter().filter(|each| each.differs(&self.disk));
                differ.for_each(|each| self.inbox.settle().note_seen(each.path.clone(), each.hint(), now));
                self.wary_at = clock + WARY_MS as i64 * MS;
                continue;
            }
            let due = due.map(|due| clock + due.saturating_duration_since(now).as_nanos() as i64);
            let next = due.unwrap_or(i64::MAX).min(self.wary_at);
            if next > end {
                break;
            }
            self.turn(next);
        }
        self.turn(end);
        Ok(())
    }

    fn turn(&mut self, clock: i64) {
        self.disk.world().clock = clock;
    }

    fn note_there(&mut self) {
        let clock = self.clock();
        for name in self.walk().into_keys() {
            self.last_there.insert(name, clock);
        }
    }

    // --- the independent walk -----------------------------------------------------------------------------------------------

    fn is_there(&self, root: &str) -> bool {
        matches!(self.disk.world().body(Path::new(root)), Some(Body::Directory(_)))
    }

    /// What is there, without asking the loader: names with their texts, `None` where that cannot be read.
    fn walk(&self) -> BTreeMap<String, Option<String>> {
        let world = self.disk.world();
        let mut found = BTreeMap::new();
        for root in [BASE, ROOT] {
            walk(
                &world,
                Path::new(root),
                "",
                &mut Vec::new(),
                &mut found,
                &mut BTreeSet::new(),
            );
        }
        found
    }

    fn check_served(&self, when: &str) -> Checked {
        let world = self.disk.world();
        let mut found = BTreeMap::new();
        let mut directories = BTreeSet::new();
        let mut closed = false;
        for root in [BASE, ROOT] {
            match world.body(Path::new(root)) {
                Some(Body::Directory(_)) => {
                    walk(
                        &world,
                        Path::new(root),
                        "",
                        &mut Vec::new(),
                        &mut found,
                        &mut directories,
                    );
                }
                // What a root held that is missing stays: what that was is checked elsewhere.
                _ => return Ok(()),
            }
            closed |= directories.iter().any(|path| !world.is_readable(path));
        }
        // What is in a directory that cannot be read is unknown: what was known of it stays.
        if closed {
            return Ok(());
        }
        let served: BTreeSet<&String> = self.served.keys().chain(&self.unreadable).collect();
        let there: BTreeSet<&String> = found.keys().collect();
        prop_assert_eq!(&served, &there, "the names {}", when);
        let remarks = self.observer.status().remarks;
        let file = |name: &str| format!("/{}", name.rsplit('/').next().unwrap_or(name));
        for (name, text) in &found {
            // A sync keeps the last whole content of what is being written, and reports that.
            let is_reported = |remark: &crate::diagnostic::Diagnostic| {
                remark.code == "still-written" && remark.message.ends_with(&file(name))
            };
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

    /// Every directory that can be reached is watched under its name of now, and nothing else is.
    fn check_watches(&self) -> Checked {
        let world = self.disk.world();
        let mut directories = BTreeSet::new();
        for root in [BASE, ROOT] {
            if !matches!(world.body(Path::new(root)), Some(Body::Directory(_))) {
                return Ok(());
            }
            walk(
                &world,
                Path::new(root),
                "",
                &mut Vec::new(),
                &mut BTreeMap::new(),
                &mut directories,
            );
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

/// The path without links.
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
    fn link_at(&self, path: &Path) -> Option<PathBuf> {
        let followed = self.lookup(path, true).ok();
        match (self.lookup(path, false), followed) {
            (Ok(own), followed) if Some(own) != followed => self.target(own),
            _ => None,
        }
    }
}

fn play(events: &[Event], trustworthy: bool) -> Checked {
    play_on(Play::new(), events, trustworthy)
}

fn play_on(mut play: Play, events: &[Event], trustworthy: bool) -> Checked {
    for event in events {
        match event {
            Event::Op(op) => {
                play.note_there();
                play.disk.world().apply(op);
                play.note_there();
            }
            Event::Meanwhile(after, op) => {
                play.exact = false;
                play.disk.world().script.push_back((*after, Act::Op(op.clone())));
            }
            Event::Away(after, lasts, there, back) => {
                play.exact = false;
                let acts = [(*after, Act::Op(there.clone())), (*lasts, Act::Op(back.clone()))];
                play.disk.world().script.extend(acts);
            }
            Event::HearMeanwhile(after) => {
                play.exact = false;
                play.disk.world().script.push_back((*after, Act::Hear));
            }
            Event::Hear(count) => {
                play.hear(*count);
                // A listener that hears also hints.
                play.wait(0, true)?;
            }
            Event::Wait(ms) => play.wait(*ms, false)?,
            Event::Sync if trustworthy => play.sync(Depth::Everything)?,
            Event::Sync => {
                // With events lost without a word this promises little; what it says must still be true.
                let _ = play.look(Depth::Everything, true);
            }
            Event::SyncBytes => play.sync(Depth::Bytes)?,
            Event::Overflow => {
                let mut world = play.disk.world();
                world.queue.clear();
                world.queue.push_back(Said::Overflow);
            }
            Event::Drop => drop(play.disk.world().queue.pop_front()),
            Event::Repeat => {
                let mut world = play.disk.world();
                if let Some(said) = world.queue.front().cloned() {
                    world.queue.push_front(said);
                }
            }
            Event::Swap => {
                let mut world = play.disk.world();
                if world.queue.len() > 1 {
                    world.queue.swap(0, 1);
                }
            }
        }
        if !trustworthy {
            play.exact = false;
        }
    }
    finish(&mut play, trustworthy)
}

/// Whatever happened: once it is quiet, everything is right, and stays quiet.
fn finish(play: &mut Play, trustworthy: bool) -> Checked {
    let rest: Vec<_> = play.disk.world().script.drain(..).collect();
    for (_, act) in rest {
        if let Act::Op(op) = act {
            play.disk.world().apply(&op);
        }
    }
    if trustworthy {
        play.wait(1_000, false)?;
        // Nothing tells of what is written through a name in a directory that nobody watches; a sync finds it.
        if !play.disk.world().has_a_name_aside() {
            play.check_served("by events alone")?;
        }
        play.sync(Depth::Everything)?;
    } else {
        play.wait(play.limits.sweep_ms + 2_000, false)?;
        play.check_served("after the sweep")?;
    }
    play.wait(2 * play.limits.sweep_ms, false)?;
    play.check_watches()?;
    let reads = play.disk.world().reads;
    play.wait(3 * play.limits.sweep_ms, false)?;
    prop_assert_eq!(play.disk.world().reads, reads, "an idle tree is not read");
    let before = play.served.clone();
    for _ in 0..2 {
        if let Ok(again) = play.look(Depth::Bytes, false) {
            prop_assert!(again.is_empty(), "nothing changed: {again:?}");
        }
    }
    prop_assert_eq!(&play.served, &before);
    Ok(())
}

fn histories() -> ProptestConfig {
    let cases = std::env::var("HOTPLATE_HISTORIES")
        .ok()
        .and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(300),
        max_shrink_iters: 3_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(histories())]

    #[test]
    fn a_kernel_that_keeps_its_word_is_enough(events in honest()) {
        play(&events, true)?;
    }

    #[test]
    fn an_adversary_costs_time_and_nothing_else(events in adverse()) {
        play(&events, false)?;
    }

    #[test]
    fn whatever_goes_away_and_comes_back_between_two_questions_is_found(events in overtaken()) {
        play_on(Play::nested(), &events, true)?;
    }
}

#[test]
fn a_kernel_without_watches_is_polled_until_it_has_some_again() {
    let mut play = Play::new();
    play.exact = false;
    assert_eq!(play.observer.status().watch_mode, WatchMode::Native);
    let act = |play: &mut Play, ops: &[Op]| ops.iter().for_each(|op| play.disk.world().apply(op));
    let watches = play.disk.world().watches();
    play.disk.world().watches_max = watches;
    let tail = Path::new(ROOT).join("tail");
    act(
        &mut play,
        &[Op::MakeDirectory(tail.clone()), Op::Write(tail.join("x.html"), 1)],
    );
    play.wait(100, false).expect("sees it");
    play.check_served("without a watch").expect("the same");
    let status = play.observer.status();
    assert_eq!(status.watch_mode, WatchMode::Poll);
    assert_eq!(status.directories, 0, "half of the watches help nobody");
    assert!(status.why.contains("no watches left"), "{}", status.why);
    act(
        &mut play,
        &[Op::Write(tail.join("x.html"), 2), Op::Save(tail.join("y.html"), 3)],
    );
    play.wait(play.limits.poll_ms + 200, false).expect("looks");
    play.check_served("by looking").expect("the same");
    // Somebody gives watches back.
    play.disk.world().watches_max = usize::MAX;
    play.wait(play.limits.sweep_ms + 1_000, false).expect("asks again");
    assert_eq!(play.observer.status().watch_mode, WatchMode::Native);
    play.check_watches().expect("all are watched");
}

#[test]
fn a_change_without_a_word_is_counted_and_looked_for_more_often() {
    let mut play = Play::new();
    play.wait(1_000, false).expect("settles");
    let silent = |play: &Play, text| {
        let path = Path::new(ROOT).join("x.html");
        play.disk.world().apply(&Op::WriteSilently(path, text));
    };
    silent(&play, 5);
    play.wait(play.limits.sweep_ms + 1_000, false).expect("finds it");
    play.check_served("after the sweep").expect("the same");
    assert_eq!(play.observer.status().missed_by_events, 1);
    silent(&play, 4);
    play.wait(2_000, false).expect("looks more often");
    play.check_served("a moment later").expect("the same");
    assert_eq!(play.observer.status().missed_by_events, 2);
    // What events tell is not counted, whoever comes first.
    play.disk.world().apply(&Op::Write(Path::new(ROOT).join("x.html"), 1));
    play.wait(3_000, false).expect("hears it");
    assert_eq!(play.observer.status().missed_by_events, 2);
}

#[test]
fn what_fails_for_a_reason_that_passes_is_kept_and_seen_soon_after() {
    let root = Path::new(ROOT);
    for failing in [Failing::Descriptors, Failing::Device] {
        for (looks, sync) in [(1, false), (20, false), (1, true)] {
            let mut play = Play::new();
            let act = |play: &mut Play, ops: &[Op]| ops.iter().for_each(|op| play.disk.world().apply(op));
            act(
                &mut play,
                &[
                    Op::Write(root.join("target.bin"), 1),
                    Op::Link("target.bin".into(), root.join("link.html")),
                    Op::Write(root.join(".hotplateignore"), 5),
                    Op::MakeDirectory(root.join("text 5")),
                    Op::Write(root.join("text 5/ignored.html"), 1),
                ],
            );
            play.exact = false;
            play.wait(1_000, false).expect("settles");
            let before = play.served.clone();
            assert!(before.contains_key("link.html") && !before.contains_key("text 5/ignored.html"));
            play.disk.world().failing = Some(failing);
            act(
                &mut play,
                &[
                    Op::Write(root.join("x.html"), 5),
                    Op::Write(root.join("target.bin"), 2),
                    Op::Touch(root.join(".hotplateignore")),
                    Op::MakeDirectory(root.join("new")),
                    Op::Write(root.join("new/z.html"), 3),
                    Op::Rename(root.join("a"), root.join("moved")),
                ],
            );
            let reads = play.disk.world().reads;
            for _ in 0..looks {
                play.wait(200, false).expect("looks");
                if sync {
                    play.hear(usize::MAX);
                    let _ = play.look(Depth::Bytes, false);
                }
            }
            let reads = play.disk.world().reads - reads;
            assert!(reads < 60 + 20 * looks, "{reads} attempts to read in {looks} looks");
            for (name, text) in &before {
                let served = play.served.get(name);
                assert!(
                    served == Some(text) || name.starts_with("a/"),
                    "{name} {failing:?}: {served:?}"
                );
            }
            // Of a root that cannot be listed it is said as a whole.
            let is_said = !play.observer.status().missing.is_empty() || play.unreadable.contains("x.html");
            assert!(
                is_said || failing == Failing::Device,
                "it is said: {:?}",
                play.unreadable
            );
            play.disk.world().failing = None;
            play.wait(1_100, false).expect("tries again");
            let there = play.walk();
            for name in ["x.html", "link.html", "new/z.html", "moved/y.html"] {
                let text = there[name].as_ref();
                assert!(
                    text.is_some() && play.served.get(name) == text,
                    "{name} {failing:?}: {:?}",
                    play.served
                );
                assert!(!play.unreadable.contains(name), "{name} can be read");
            }
            assert!(
                !play.served.contains_key("text 5/ignored.html"),
                "what is ignored stays ignored"
            );
            act(
                &mut play,
                &[
                    Op::Remove(root.join(".hotplateignore")),
                    Op::Remove(root.join("text 5")),
                ],
            );
            play.wait(200, false).expect("hears it");
            play.check_served("a second after it passed").expect("the same");
            play.wait(2_000, false).expect("is quiet");
            play.check_watches().expect("all are watched");
            let reads = play.disk.world().reads;
            play.wait(10_000, false).expect("waits");
            assert_eq!(play.disk.world().reads, reads, "nothing is tried any more");
            for tree in &play.observer.trees {
                assert_eq!(tree.failures(), 0, "what works, or is gone, has no failures");
            }
        }
    }
}

#[test]
fn a_sync_comes_to_an_end_while_everything_changes() {
    let mut play = Play::new();
    play.exact = false;
    for number in 0..100_000_u32 {
        let text = u8::try_from(number % 6).expect("small");
        let path = Path::new(ROOT).join(["x.html", "a/y.html", "b/z.html"][number as usize % 3]);
        let op = match number % 4 {
            0 => Op::MakeDirectory(Path::new(ROOT).join("b")),
            1 => Op::Replace(path, text),
            2 => Op::Save(path, text),
            _ => Op::Remove(Path::new(ROOT).join("b")),
        };
        play.disk.world().script.push_back((0, Act::Op(op)));
    }
    for depth in [Depth::Everything, Depth::Bytes, Depth::Everything] {
        let calls = play.disk.world().calls;
        let _ = play.look(depth, true);
        let calls = play.disk.world().calls - calls;
        assert!(calls < 500, "{calls} questions");
    }
}

#[test]
fn a_text_that_was_read_in_passing_is_not_said_twice() {
    let silently = Op::WriteSilently(Path::new(BASE).join("x.html"), 0);
    let exchange = Op::Exchange("/home/other".into(), ROOT.into());
    play(&[Event::Op(silently), Event::Op(exchange)], false).expect("everything holds");
}

#[test]
fn a_directory_in_whose_place_a_link_leads_back_up_has_its_grace() {
    let a = Path::new(ROOT).join("a");
    let rename = Op::Rename(a.clone(), Path::new(ROOT).join("b"));
    let events = [
        Event::Op(rename),
        Event::Hear(2),
        Event::Op(Op::Remove(Path::new(ROOT).join("b"))),
        Event::Op(Op::Link(".".into(), a)),
        Event::Hear(0),
    ];
    play(&events, true).expect("everything holds");
}

/// Something is removed, and begins to be written just before its grace is over, of which nothing is heard.
fn come_back(path: &Path, prepare: impl FnOnce(&mut Play)) -> (Play, BTreeMap<String, String>) {
    let mut play = Play::new();
    play.wait(1_000, false).expect("settles");
    prepare(&mut play);
    let before = play.served.clone();
    play.disk.world().apply(&Op::Remove(path.to_owned()));
    play.wait(play.limits.grace_ms - 2, false)
        .expect("hears that it is gone");
    play.disk.world().apply(&Op::Begin(path.to_owned(), 2));
    play.wait(10, true).expect("hears nothing of what is written");
    (play, before)
}

#[test]
fn what_comes_back_when_its_grace_ends_is_not_taken_half() {
    let path = Path::new(ROOT).join("x.html");
    let (mut play, before) = come_back(&path, |_| {});
    assert_eq!(play.served, before);
    play.disk.world().apply(&Op::Finish(path));
    play.wait(100, false).expect("hears all");
    play.check_served("at the end").expect("the same");
}

#[test]
fn a_file_that_is_kept_beside_the_new_one_does_not_make_that_whole() {
    for (place, hears) in [
        ("x.html~", 1),
        ("x.html~", 2),
        ("x.html~", 3),
        ("a/x.html.old", 2),
        (".x", 3),
    ] {
        let path = Path::new(ROOT).join("x.html");
        let mut play = Play::new();
        play.wait(1_000, false).expect("settles");
        let before = play.served.clone();
        let keep = Op::Rename(path.clone(), Path::new(ROOT).join(place));
        [keep, Op::Begin(path.clone(), 2)]
            .iter()
            .for_each(|op| play.disk.world().apply(op));
        play.hear(hears);
        play.wait(1, true).expect("looks");
        play.wait(10, false).expect("hears the rest");
        assert_eq!(play.served, before, "{place}, {hears}");
        play.disk.world().apply(&Op::Finish(path));
        play.wait(100, false).expect("hears all");
        assert!(play.served["x.html"].ends_with("-whole"), "{place}, {hears}");
        play.check_served("at the end").expect("the same");
    }
}

#[test]
fn what_comes_and_goes_and_comes_is_not_taken_half() {
    // The second root has it, and so nothing is known of it in the first when its grace ends.
    let path = Path::new(ROOT).join("only.html");
    let (mut play, before) = come_back(&path, |play| {
        let below = Path::new(BASE).join("only.html");
        play.disk.world().apply(&Op::Write(below, 1));
        play.wait(1_000, false).expect("settles");
        play.disk.world().apply(&Op::Write(path.clone(), 3));
    });
    assert_eq!(play.served, before);
    play.disk.world().apply(&Op::Finish(path));
    play.wait(100, false).expect("hears all");
    play.check_served("at the end").expect("the same");
}

#[test]
fn an_ignore_file_that_comes_back_when_its_grace_ends_is_not_taken_half() {
    let path = Path::new(ROOT).join(".hotplateignore");
    let (play, before) = come_back(&path, |play| {
        let ignored = Path::new(ROOT).join("text 5");
        let file = ignored.join("y.html");
        let ops = [
            Op::Write(path.clone(), 5),
            Op::MakeDirectory(ignored),
            Op::Write(file, 1),
        ];
        ops.iter().for_each(|op| play.disk.world().apply(op));
        play.exact = false;
        play.wait(1_000, false).expect("settles");
        assert!(!play.served.contains_key("text 5/y.html"));
    });
    assert_eq!(play.served, before);
}

/// What is served of a name.
fn text<'p>(play: &'p Play, name: &str) -> Option<&'p str> {
    play.served.get(name).map(String::as_str)
}

fn act(play: &Play, op: Op) {
    play.disk.world().apply(&op);
}

#[test]
fn what_is_deleted_in_one_root_is_served_of_the_next_that_has_it() {
    let x = |root: &str| Path::new(root).join("x.html");
    for between in 0..120 {
        let mut play = Play::new();
        play.wait(1_000, false).expect("settles");
        assert_eq!(text(&play, "x.html"), Some("text 1"));
        act(&play, Op::Remove(x(ROOT)));
        play.wait(between, false).expect("looks");
        let of_second = text(&play, "x.html") == Some("text 3");
        assert_eq!(of_second, between >= play.limits.grace_ms, "{between} ms later");
        act(&play, Op::Remove(x(BASE)));
        play.wait(2 * play.limits.grace_ms + 10, false).expect("looks");
        assert_eq!(text(&play, "x.html"), None, "deleted {between} ms apart");
        let calls = play.disk.world().calls;
        play.wait(200, false).expect("rests");
        let calls = play.disk.world().calls - calls;
        assert!(calls <= 2, "only whether the roots are there: {calls} questions");
        play.check_served("at the end").expect("the same");
    }
}

#[test]
fn what_is_deleted_while_a_root_is_missing_that_has_it_too_is_gone_until_that_is_back() {
    let (x, aside) = (Path::new(ROOT).join("x.html"), PathBuf::from("/home/aside"));
    let mut play = Play::new();
    play.wait(1_000, false).expect("settles");
    act(&play, Op::Rename(BASE.into(), aside.clone()));
    play.wait(200, false).expect("looks");
    act(&play, Op::Remove(x.clone()));
    play.wait(200, false).expect("looks");
    assert_eq!(text(&play, "x.html"), None, "what it was is gone");
    let calls = play.disk.world().calls;
    play.wait(200, false).expect("rests");
    let calls = play.disk.world().calls - calls;
    assert!(calls <= 2, "only whether the roots are there: {calls} questions");
    act(&play, Op::Rename(aside.clone(), BASE.into()));
    play.wait(400, false).expect("looks");
    assert_eq!(
        text(&play, "x.html"),
        Some("text 3"),
        "and of the other root it is back"
    );
    // What a missing root is served of stays, whatever the others have.
    act(&play, Op::Write(x, 2));
    play.wait(200, false).expect("looks");
    act(&play, Op::Rename(ROOT.into(), aside));
    play.wait(200, false).expect("looks");
    act(&play, Op::Remove(Path::new(BASE).join("x.html")));
    play.wait(200, false).expect("looks");
    assert_eq!(text(&play, "x.html"), Some("text 2"));
}

#[test]
fn while_a_root_is_missing_nothing_that_it_leads_to_is_updated() {
    for root in [ROOT, BASE] {
        let aside = PathBuf::from("/home/aside");
        let edited = Path::new("/out/d/x.html");
        let mut play = Play::new();
        act(&play, Op::Write(edited.into(), 1));
        act(&play, Op::Link("/out/d".into(), Path::new(root).join("l")));
        act(&play, Op::Link(edited.into(), Path::new(root).join("m.html")));
        play.wait(1_000, false).expect("settles");
        let names = ["l/x.html", "m.html"];
        act(&play, Op::Rename(root.into(), aside.clone()));
        // The edit may be heard of before anybody looked at the root.
        act(&play, Op::Write(edited.into(), 2));
        play.wait(400, false).expect("looks");
        act(&play, Op::Save(edited.into(), 3));
        play.wait(400, false).expect("looks");
        for depth in [Depth::Hinted, Depth::Everything, Depth::Bytes] {
            let missing = play.look(depth, false).expect_err("a root is missing").to_string();
            assert!(missing.contains(root), "{missing}");
            for name in names {
                assert_eq!(text(&play, name), Some("text 1"), "{name} of {root} by {depth:?}");
            }
        }
        assert!(!play.observer.status().missing.is_empty());
        act(&play, Op::Rename(aside, root.into()));
        play.wait(400, false).expect("looks");
        for name in names {
            assert_eq!(text(&play, name), Some("text 3"), "{name} of {root}");
        }
    }
}

/// What the loader says of a file in hinted looks while somebody saves it in place, after so many questions of the look that the save
/// before it led to. `Finish` comes so many questions later, or after a moment.
fn said_of_a_pair(pair: &[Op], after: usize, between: usize, wait: u64) -> Checked {
    let path = Path::new(ROOT).join("x.html");
    let mut play = Play::new();
    play.wait(1_000, false)?;
    play.exact = false;
    act(&play, Op::Write(path.clone(), 2));
    {
        let mut world = play.disk.world();
        let acts = pair.iter().enumerate();
        let script = acts.map(|(number, op)| (if number == 0 { after } else { between }, Act::Op(op.clone())));
        world.script.extend(script);
    }
    let check = |play: &Play, when: &str| -> Checked {
        let served = text(play, "x.html").unwrap_or_default();
        let is_whole = !served.starts_with("half") || served.ends_with("-whole");
        prop_assert!(is_whole, "{pair:?}, {after}, {between}: {served} {when}");
        Ok(())
    };
    play.wait(0, false)?;
    check(&play, "in the first look")?;
    play.wait(wait, false)?;
    check(&play, "while it is open")?;
    let rest: Vec<_> = play.disk.world().script.drain(..).collect();
    for (_, rest) in rest {
        if let Act::Op(op) = rest {
            act(&play, op);
        }
    }
    play.wait(1_000, false)?;
    check(&play, "at the end")?;
    play.check_served("at the end")
}

#[test]
fn two_saves_in_a_row_are_never_taken_half() {
    let path = |name: &str| Path::new(ROOT).join(name);
    let x = path("x.html");
    let in_place = [Op::Begin(x.clone(), 3), Op::Finish(x.clone())];
    let replaced = [Op::Remove(x.clone()), Op::Begin(x.clone(), 3), Op::Finish(x.clone())];
    let other = path("a/other.bin");
    let by_other_name = [
        Op::HardLink(x.clone(), other.clone()),
        Op::Begin(other.clone(), 3),
        Op::Finish(other),
    ];
    for pair in [in_place.as_slice(), &replaced, &by_other_name] {
        for after in 0..16 {
            for between in [0, 1, 3, 1_000] {
                said_of_a_pair(pair, after, between, 20).expect("whole");
            }
        }
    }
}

#[test]
fn a_reload_waits_a_moment_for_who_is_about_to_close_a_file() {
    let x = Path::new(ROOT).join("x.html");
    let (begin, finish) = (Op::Begin(x.clone(), 3), Op::Finish(x.clone()));
    let mut waited = 0;
    for after in 0..16 {
        let mut play = Play::new();
        play.wait(1_000, false).expect("settles");
        play.exact = false;
        play.acts_at_rest = 1;
        act(&play, Op::Write(x.clone(), 2));
        let script = [(after, Act::Op(begin.clone())), (1_000, Act::Op(finish.clone()))];
        play.disk.world().script.extend(script);
        play.sync(Depth::Everything).expect("looks");
        let served = text(&play, "x.html").unwrap_or_default().to_owned();
        assert!(served == "text 2" || served.ends_with("-whole"), "{after}: {served}");
        waited += usize::from(served.ends_with("-whole"));
    }
    assert!(waited > 2, "some begin in time: {waited}");
    // It is open, and nobody closes it: the last whole content stays and that is reported, until it is quiet.
    for depth in [Depth::Everything, Depth::Bytes] {
        let mut play = Play::new();
        act(&play, begin.clone());
        play.sync(depth).expect("looks");
        assert_eq!(text(&play, "x.html"), Some("text 1"), "{depth:?}");
        assert!(remarks(&play).iter().any(|said| said.starts_with("still-written")));
        play.wait(play.limits.settle_ms + 1, false).expect("looks");
        assert_eq!(text(&play, "x.html"), Some("half 3"));
        assert_eq!(remarks(&play), Vec::<String>::new());
    }
}

/// A writer empties a file during or before a forced sync, and is suspended before its first write.
#[test]
fn an_emptied_file_is_not_believed_in_a_reload() {
    let x = Path::new(ROOT).join("x.html");
    for depth in [Depth::Everything, Depth::Bytes, Depth::Afresh] {
        let (mut in_time, mut hidden) = (0, 0);
        for (after, is_written) in (0..24).flat_map(|after| [(after, true), (after, false)]) {
            let mut play = Play::new();
            play.wait(1_000, false).expect("settles");
            play.exact = false;
            let empty = Act::Op(Op::Empty(x.clone()));
            play.disk.world().script.push_back((after, empty));
            play.look(depth, false).expect("looks");
            let is_kept = |play: &Play| match text(play, "x.html") {
                Some(text) => text == "text 1",
                None => play.unreadable.contains("x.html"),
            };
            assert!(is_kept(&play), "{depth:?}, {after}: {:?}", play.served);
            if !play.disk.world().script.is_empty() {
                continue;
            }
            in_time += 1;
            let said = remarks(&play);
            hidden += usize::from(!said.iter().any(|said| said.starts_with("still-written")));
            if is_written {
                act(&play, Op::Begin(x.clone(), 3));
                play.wait(10, false).expect("looks");
                assert!(is_kept(&play), "{depth:?}, {after}: {:?}", play.served);
                act(&play, Op::Finish(x.clone()));
                play.wait(play.limits.settle_ms + 1, false).expect("looks");
                assert!(text(&play, "x.html").is_some_and(|text| text.ends_with("-whole")));
            } else {
                let most = play.limits.settle_max_ms + 2 * play.limits.settle_ms;
                play.wait(most, false).expect("looks");
                // What was emptied behind the look is found by the next one.
                play.sync(Depth::Everything).expect("looks");
                assert_eq!(text(&play, "x.html"), Some(""), "{depth:?}, {after}: it stays empty");
            }
            assert_eq!(remarks(&play), Vec::<String>::new(), "{depth:?}, {after}");
        }
        assert!(
            in_time > hidden,
            "some are found empty by {depth:?}: {in_time}, {hidden}"
        );
    }
}

/// Somebody writes a file, and never rests for long enough.
fn write_without_end(play: &mut Play, path: &Path, ms: u64) {
    play.exact = false;
    act(play, Op::Begin(path.to_owned(), 4));
    for _ in 0..ms / 10 {
        play.wait(10, false).expect("looks");
        play.disk.world().write(path, b".");
    }
}

fn remarks(play: &Play) -> Vec<String> {
    let remarks = play.observer.status().remarks.into_iter();
    remarks
        .map(|remark| format!("{}: {}", remark.code, remark.message))
        .collect()
}

#[test]
fn a_file_that_is_written_without_end_keeps_what_was_whole_and_it_is_said() {
    let x = Path::new(ROOT).join("x.html");
    for ends_by_closing in [true, false] {
        let mut play = Play::new();
        play.wait(1_000, false).expect("settles");
        let before = text(&play, "x.html").map(str::to_owned);
        let almost = play.limits.settle_max_ms - 50;
        write_without_end(&mut play, &x, almost);
        assert_eq!(play.observer.status().still_written, 0);
        write_without_end(&mut play, &x, 3_000);
        assert_eq!(text(&play, "x.html").map(str::to_owned), before);
        assert_eq!(play.observer.status().still_written, 1);
        let said = remarks(&play);
        assert!(said.len() == 1 && said[0].starts_with("still-written"), "{said:?}");
        assert!(said[0].contains("x.html") && said[0].contains("whole"), "{said:?}");
        if ends_by_closing {
            act(&play, Op::Finish(x.clone()));
            play.wait(0, false).expect("looks");
        } else {
            play.wait(play.limits.settle_ms + 1, false).expect("looks");
        }
        play.check_served("when nobody writes any more").expect("the same");
        assert_eq!(remarks(&play), Vec::<String>::new());
    }
}

#[test]
fn a_new_file_that_is_written_without_end_is_taken_and_it_is_said() {
    let new = Path::new(ROOT).join("new.html");
    let mut play = Play::new();
    play.wait(1_000, false).expect("settles");
    write_without_end(&mut play, &new, 2_000);
    let served = text(&play, "new.html").map(str::len);
    assert!(
        served.is_some_and(|len| len > 100),
        "it is taken again and again: {served:?}"
    );
    let said = remarks(&play);
    assert!(said.len() == 1 && said[0].contains("maybe half"), "{said:?}");
    act(&play, Op::Finish(new));
    play.wait(0, false).expect("looks");
    play.check_served("when it is closed").expect("the same");
    assert_eq!(remarks(&play), Vec::<String>::new());
}

#[test]
fn an_ignore_file_that_is_saved_twice_is_never_taken_half() {
    let root = Path::new(ROOT);
    let path = root.join(".hotplateignore");
    for after in 0..16 {
        let mut play = Play::new();
        play.exact = false;
        let ops = [
            Op::Write(path.clone(), 5),
            Op::MakeDirectory(root.join("text 5")),
            Op::Write(root.join("text 5/y.html"), 1),
        ];
        ops.into_iter().for_each(|op| act(&play, op));
        play.wait(1_000, false).expect("settles");
        assert_eq!(text(&play, "text 5/y.html"), None);
        act(&play, Op::Write(path.clone(), 5));
        play.disk
            .world()
            .script
            .push_back((after, Act::Op(Op::Begin(path.clone(), 3))));
        play.wait(10, false).expect("looks");
        assert_eq!(text(&play, "text 5/y.html"), None, "{after}");
    }
}

#[test]
fn failures_of_names_that_are_gone_are_forgotten() {
    for (edited, removed) in [("x.html", "x.html"), ("a/y.html", "a")] {
        let root = Path::new(ROOT);
        let mut play = Play::new();
        play.wait(1_000, false).expect("settles");
        play.exact = false;
        play.disk.world().failing = Some(Failing::Descriptors);
        act(&play, Op::Write(root.join(edited), 1));
        play.wait(200, false).expect("looks");
        let failures = |play: &Play| play.observer.trees[0].failures();
        assert_eq!(failures(&play), 1, "{edited}");
        act(&play, Op::Remove(root.join(removed)));
        play.wait(100, false).expect("looks");
        assert_eq!(failures(&play), 0, "{removed} is gone");
    }
}
