//! Bursts of finished changes: batches wait for a pause, and no change waits longer than the bound. A renamed directory is one batch.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::history::{Op, ROOT};
use super::properties::{finish, histories};
use super::{Checked, MS, Play, act};
use crate::loader::Depth;
use crate::watcher::burst::BurstGate;

/// A change of a burst.
#[derive(Debug, Clone)]
enum Change {
    /// Saves a file by renaming another one over it.
    Save(usize),
    /// Writes a file in place.
    Write(usize),
    Remove(usize),
}

/// The names of the files that change.
const NAMES: [&str; 6] = ["b1.html", "b2.html", "b3.html", "a/b4.html", "a/b5.html", "a/c.html"];

fn changes() -> impl Strategy<Value = Vec<(u64, Change)>> {
    let file = || 0..NAMES.len();
    let change = prop_oneof![
        4 => file().prop_map(Change::Save),
        4 => file().prop_map(Change::Write),
        1 => file().prop_map(Change::Remove),
    ];
    // Mostly some milliseconds apart, as in a checkout, and sometimes as far as people save.
    let pause = prop_oneof![8 => 0_u64..8, 2 => 0_u64..40, 1 => 0_u64..400];
    prop::collection::vec((pause, change), 1..250)
}

/// The texts of each name with the time in milliseconds from which each was on the disk.
type Texts = BTreeMap<&'static str, Vec<(u64, Option<String>)>>;

/// The loader with its Watcher, whose batches are in flight for some milliseconds.
struct Burst {
    play: Play,
    gate: BurstGate,
    /// The end of the batch in flight.
    in_flight: Option<Instant>,
    flight: Duration,
}

impl Burst {
    /// Lets a millisecond pass.
    fn tick(&mut self) -> Checked {
        let now = self.play.now();
        let is_said = !self.play.disk.world().queue.is_empty();
        self.play.hear(usize::MAX);
        let settle = self.play.inbox.settle().next(now);
        // The listening thread hints if an event makes something due, the timer if nothing new has happened.
        if is_said && settle.is_some_and(|due| due <= now) {
            self.gate.hinted(now);
        }
        let due = [settle, self.play.observer.next()].into_iter().flatten().min();
        if due.is_some_and(|due| due <= now) {
            self.gate.reminded(now);
        }
        if self.in_flight.take_if(|end| *end <= now).is_some() {
            self.gate.sync_ended();
        }
        if self.in_flight.is_none() && self.gate.opens_at().is_some_and(|at| at <= now) {
            self.gate.sync_begins();
            let found = self.play.look(Depth::Hinted, false);
            if let Ok(changes) = found {
                let changed = changes.changed.iter().map(|source| &source.key);
                self.gate.found(changed.chain(&changes.removed));
            }
            self.in_flight = Some(now + self.flight);
        }
        self.play.turn(self.play.clock() + MS);
        Ok(())
    }
}

fn burst(changes: &[(u64, Change)], flight: u64) -> Checked {
    let mut play = Play::new();
    play.wait(1_000, false)?;
    play.exact = false;
    let limits = play.limits.clone();
    let mut burst = Burst {
        gate: BurstGate::new(&limits),
        play,
        in_flight: None,
        flight: Duration::from_millis(flight),
    };
    // A removed name has its grace period, and a batch may be in flight when the gate opens.
    let bound = limits.burst_max_ms + limits.grace_ms + limits.settle_ms + 2 * flight + 5;
    let mut texts: Texts = NAMES.map(|name| (name, vec![(0, None)])).into();
    let (mut ms, mut text) = (0, 0_u8);
    let still = [(bound, None)];
    let steps = changes.iter().map(|(pause, change)| (*pause, Some(change)));
    for (pause, change) in steps.chain(still) {
        for _ in 0..pause {
            burst.tick()?;
            ms += 1;
            for (name, texts) in &texts {
                let served = burst.play.served.get(*name);
                // The served text was on the disk until the next one came.
                let last = texts.iter().rposition(|(_, text)| text.as_ref() == served);
                let since = last.and_then(|at| texts.get(at + 1)).map_or(ms, |(since, _)| *since);
                prop_assert!(last.is_some(), "{name}: {served:?} was never there");
                let waited = ms - since;
                prop_assert!(
                    waited <= bound,
                    "{name}: {served:?} is served {waited} ms after the next text"
                );
            }
        }
        let Some(change) = change else { break };
        text = text.wrapping_add(1);
        let path = |file: &usize| Path::new(ROOT).join(NAMES[*file]);
        let (file, op, now) = match change {
            Change::Save(file) => (file, Op::Save(path(file), text), Some(text)),
            Change::Write(file) => (file, Op::Write(path(file), text), Some(text)),
            Change::Remove(file) => (file, Op::Remove(path(file)), None),
        };
        act(&burst.play, op);
        let now = now.map(|text| format!("text {text}"));
        texts.entry(NAMES[*file]).or_default().push((ms, now));
    }
    burst.play.check_served("after the bound")?;
    finish(&mut burst.play, true)
}

proptest! {
    #![proptest_config(histories())]

    #[test]
    fn no_finished_change_waits_longer_than_the_bound(changes in changes(), flight in 1_u64..20) {
        burst(&changes, flight)?;
    }
}

/// Returns what is wrong if both names of a renamed directory are served, or none.
fn both_or_none(play: &Play) -> Option<String> {
    let names = ["a/y.html", "e/y.html"].map(|name| play.served.contains_key(name));
    (names[0] == names[1]).then(|| format!("{:?}", play.served))
}

#[test]
fn a_renamed_directory_is_one_batch() {
    for hears in [1, 2, usize::MAX] {
        let mut play = Play::new();
        play.wait(1_000, false).expect("settles");
        play.after_each = Some(both_or_none);
        let path = |name: &str| Path::new(ROOT).join(name);
        act(&play, Op::Rename(path("a"), path("e")));
        play.hear(hears);
        play.wait(1, true).expect("looks");
        let grace = play.limits.grace_ms;
        play.wait(grace + 1, false).expect("hears the rest");
        assert_eq!(play.wrong, None, "{hears}");
        assert!(play.served.contains_key("e/y.html"), "not later than the removal");
        // Away and back within the grace period is no change.
        act(&play, Op::Rename(path("e"), path("a")));
        play.wait(10, false).expect("hears");
        act(&play, Op::Rename(path("a"), path("e")));
        play.wait(200, false).expect("hears");
        assert_eq!(play.wrong, None, "{hears}");
        play.check_served("at the end").expect("the same");
        finish(&mut play, true).expect("everything holds");
    }
}
