//! Properties that hold after every history: by events alone, after a `Reload`, and at rest.

use std::path::Path;

use proptest::prelude::*;

use super::history::{BASE, Event, Op, ROOT, adverse, honest, overtaken};
use super::world::{Act, Said};
use super::{Checked, Play};
use crate::loader::Depth;

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
                // The listening thread also gives hints.
                play.wait(0, true)?;
            }
            Event::Wait(ms) => play.wait(*ms, false)?,
            Event::Sync if trustworthy => play.sync(Depth::Everything)?,
            Event::Sync => {
                // If events are dropped silently, this promises little. Its report must still be true.
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

/// Checks that after any history everything is right once the world is quiet, and that the loader then stays quiet.
pub(super) fn finish(play: &mut Play, trustworthy: bool) -> Checked {
    let rest: Vec<_> = play.disk.world().script.drain(..).collect();
    for (_, act) in rest {
        if let Act::Op(op) = act {
            play.disk.world().apply(&op);
        }
    }
    if trustworthy {
        play.wait(1_000, false)?;
        // A write through a name in an unwatched directory has no event. A sync finds it.
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

pub(super) fn histories() -> ProptestConfig {
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
    fn late_events_are_enough(events in honest()) {
        play(&events, true)?;
    }

    #[test]
    fn lost_events_cost_only_time(events in adverse()) {
        play(&events, false)?;
    }

    #[test]
    fn what_goes_and_comes_back_is_found(events in overtaken()) {
        play_on(Play::nested(), &events, true)?;
    }
}

#[test]
fn a_text_is_not_reported_twice() {
    let silently = Op::WriteSilently(Path::new(BASE).join("x.html"), 0);
    let exchange = Op::Exchange("/home/other".into(), ROOT.into());
    play(&[Event::Op(silently), Event::Op(exchange)], false).expect("everything holds");
}

#[test]
fn a_directory_that_becomes_a_cycle_has_its_grace() {
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
