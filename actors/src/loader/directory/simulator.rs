//! A simulation of the loader on a file system in memory ([`world`]), with events that arrive late and an adversary that drops, repeats
//! and swaps them. After random histories ([`history`]), the texts that are served must be those that an independent walk ([`walk`])
//! finds, and the promises of the loader must hold on the way ([`properties`]). This is deterministic simulation testing, as in
//! FoundationDB: the code under test gets its clock, its disk and its events from the simulator.
//!
//! `HOTPLATE_HISTORIES` is the number of histories of each kind (default 300).

mod bursts;
mod exchanges;
mod failures;
mod history;
mod properties;
mod roots;
mod saves;
mod walk;
mod world;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use self::history::{BASE, Op, ROOT, begin, nested};
use self::world::{Act, Said, Shared, World};
use super::inbox::{EventQueue, Inbox, WatchEvent};
use super::observer::{Mode, Observer};
use super::rules::{CompiledRules, Rules};
use super::tree::{PolledPath, Tree};
use crate::limits::Limits;
use crate::loader::{Changes, Depth, LoaderError};

/// The time between polls of the paths without events.
const POLL_MS: u64 = 250;
const MS: i64 = 1_000_000;

/// A loader in its simulated world.
struct Play {
    disk: Shared,
    inbox: Arc<Inbox>,
    observer: Observer,
    limits: Limits,
    start: Instant,
    start_clock: i64,
    polled: Vec<PolledPath>,
    poll_at: i64,
    served: BTreeMap<String, String>,
    /// The time at which each name existed last.
    last_there: BTreeMap<String, i64>,
    /// Names that were last reported as unreadable.
    unreadable: BTreeSet<String>,
    /// The root that had each name after the last sync, and after the one before.
    whose: [BTreeMap<String, usize>; 2],
    /// Set if the world does not change during a sync and all events arrive, so that promises about time can be checked.
    exact: bool,
    /// The number of scripted acts that happen while a sync waits for a writer.
    acts_at_rest: usize,
    /// Returns what is wrong with the served texts after a sync.
    after_each: Option<fn(&Play) -> Option<String>>,
    /// The first result of that.
    wrong: Option<String>,
}

/// The queue of events, as a sync sees it. Scripted acts may also happen just before a mark is put.
struct Listening {
    disk: Shared,
    inbox: Arc<Inbox>,
    now: Cell<Instant>,
    /// The number of acts that may happen while the sync waits for a writer.
    acts: Cell<usize>,
}

impl EventQueue for Listening {
    fn catch_up(&self) -> bool {
        self.disk.happen();
        let mark = self.inbox.watched().mark().expect("there is always a mark");
        self.disk.hear(usize::MAX);
        let came = !self.inbox.watched().awaits(mark);
        self.inbox.watched().forget_mark(mark);
        came && !self.inbox.settle().has_lost_events()
    }

    fn wait_until_quiet(&self, _: Instant) -> Instant {
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
            let rules = CompiledRules::new(&rules, limits.source_bytes).expect("valid");
            Tree::new(String::new(), root.into(), rules, &limits)
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
            heard_by.receive(heard, now);
        });
        inbox
            .watched()
            .begin(Box::new(disk.clone()))
            .expect("nothing is claimed yet");
        observer.mode = Mode::PerDirectory;
        let mut play = Self {
            disk,
            inbox,
            observer,
            limits,
            start,
            start_clock,
            polled: Vec::new(),
            poll_at: start_clock,
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

    /// Creates a world with more directories and links: see [`nested`].
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

    // --- the threads of the loader ------------------------------------------------------------------------------------------

    /// Delivers some events from the queue to the inbox.
    fn hear(&self, count: usize) {
        self.disk.hear(count);
    }

    /// Makes a sync, as the thread of the loader does.
    fn look(&mut self, depth: Depth, heard_all: bool) -> Result<Changes, LoaderError> {
        let now = self.now();
        let events = Listening {
            disk: self.disk.clone(),
            inbox: Arc::clone(&self.inbox),
            now: Cell::new(now),
            acts: Cell::new(self.acts_at_rest),
        };
        let changes = self.observer.sync(&self.disk, &events, depth, heard_all, now);
        if let Some(polled) = self.observer.polled.take() {
            self.polled = polled;
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
                self.served.insert(source.key.name.to_string(), source.text.to_string());
                self.unreadable.remove(source.key.name.as_str());
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

    /// Makes a sync by a hint, and checks what must hold of its report.
    fn hinted(&mut self) -> Checked {
        let before = self.served.clone();
        let was_unreadable = self.unreadable.clone();
        let were_there = [ROOT, BASE].map(|root| self.is_there(root));
        let acts = self.disk.world().script.len();
        let was_held = self.observer.deferred.is_some();
        let Ok(changes) = self.look(Depth::Hinted, false) else {
            return Ok(());
        };
        // A name that goes and comes back during one sync, or while a batch waits, may be reported again: the Watcher compares as well.
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
                !half || waited || !before.contains_key(source.key.name.as_str()) || world.written.len() != 1,
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
                .get(source.key.name.as_str())
                .is_some_and(|text| **text == *source.text);
            let was_unreadable = unreadable.contains(source.key.name.as_str());
            // Another root may have the same text: the Watcher compares as well.
            let [now, then] = self.whose.each_ref().map(|whose| whose.get(source.key.name.as_str()));
            prop_assert!(
                !same || was_unreadable || now != then,
                "said without a change: {source:?}"
            );
        }
        Ok(())
    }

    /// Makes the sync of a `Reload`, and compares what is served with the walk.
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
        let was_held = self.observer.deferred.is_some();
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

    /// Lets time pass. The timer, its polls and the syncs that it hints at happen when they are due. Events arrive unless `deaf` is set.
    fn wait(&mut self, ms: u64, deaf: bool) -> Checked {
        let end = self.clock() + ms as i64 * MS;
        let (mut looks, mut since) = (0, self.clock());
        loop {
            // The loader must come to rest before the clock advances.
            let clock = self.clock();
            looks = if clock == since { looks + 1 } else { 0 };
            since = clock;
            prop_assert!(looks < 200, "it syncs again and again: {:?}", self.inbox.settle());
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
            if self.poll_at <= clock {
                let differ = self.polled.iter().filter(|each| each.differs(&self.disk));
                differ.for_each(|each| self.inbox.settle().note_seen(each.path.clone(), each.hint(), now));
                self.poll_at = clock + POLL_MS as i64 * MS;
                continue;
            }
            let due = due.map(|due| clock + due.saturating_duration_since(now).as_nanos() as i64);
            let next = due.unwrap_or(i64::MAX).min(self.poll_at);
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
}

/// Returns the served text of a name.
fn text<'p>(play: &'p Play, name: &str) -> Option<&'p str> {
    play.served.get(name).map(String::as_str)
}

/// Applies one operation to the world.
fn act(play: &Play, op: Op) {
    play.disk.world().apply(&op);
}

fn remarks(play: &Play) -> Vec<String> {
    let remarks = play.observer.status().remarks.into_iter();
    remarks
        .map(|remark| format!("{}: {}", remark.code, remark.message))
        .collect()
}
