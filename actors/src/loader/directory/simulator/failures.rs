//! Failures of the kernel and the disk: no watches left, missing events, transient errors, changes without a pause.

use std::path::Path;

use super::history::{Op, ROOT};
use super::world::{Act, Failing};
use super::{Play, act};
use crate::health::WatchMode;
use crate::loader::Depth;

#[test]
fn without_watches_files_are_polled() {
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
    // Watches are available again.
    play.disk.world().watches_max = usize::MAX;
    play.wait(play.limits.sweep_ms + 1_000, false).expect("asks again");
    assert_eq!(play.observer.status().watch_mode, WatchMode::Native);
    play.check_watches().expect("all are watched");
}

#[test]
fn missed_events_are_counted() {
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
    // A change with an event is not counted, also if a scan comes before the event.
    play.disk.world().apply(&Op::Write(Path::new(ROOT).join("x.html"), 1));
    play.wait(3_000, false).expect("hears it");
    assert_eq!(play.observer.status().missed_by_events, 2);
}

#[test]
fn transient_errors_are_retried() {
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
            // A root that cannot be listed is reported as a whole.
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
fn a_sync_ends_while_everything_changes() {
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
fn failures_of_removed_names_are_forgotten() {
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
