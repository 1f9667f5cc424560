//! Saves of single files: their half states are never served.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::history::{BASE, Op, ROOT};
use super::world::Act;
use super::{Checked, Play, act, remarks, text};
use crate::loader::Depth;

/// Removes a file, and begins to write it again just before its grace period is over. The events of that do not arrive.
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
fn a_file_back_at_the_end_of_its_grace_is_whole() {
    let path = Path::new(ROOT).join("x.html");
    let (mut play, before) = come_back(&path, |_| {});
    assert_eq!(play.served, before);
    play.disk.world().apply(&Op::Finish(path));
    play.wait(100, false).expect("hears all");
    play.check_served("at the end").expect("the same");
}

#[test]
fn a_backup_beside_a_new_file_does_not_make_it_whole() {
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
fn a_file_hidden_by_another_root_is_whole() {
    // The second root has the name, so the first one knows nothing of it when its grace period ends.
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
fn an_ignore_file_back_at_the_end_of_its_grace_is_whole() {
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

/// Saves a file in place twice, and checks the reports of the syncs by hints. The second save begins after a number of questions of the
/// sync that the first one leads to. Each further step comes a number of questions later, or after a moment.
fn save_twice(pair: &[Op], after: usize, between: usize, wait: u64) -> Checked {
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
    check(&play, "in the first sync")?;
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
fn two_saves_in_a_row_are_whole() {
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
                save_twice(pair, after, between, 20).expect("whole");
            }
        }
    }
}

#[test]
fn a_reload_waits_for_a_writer_to_close() {
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
    // It is open and not closed, so the last whole content stays and that is reported, until the file is quiet.
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
                // A file that was emptied after its check is found by the next sync.
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

/// Writes a file again and again, without a pause that is long enough.
fn write_without_end(play: &mut Play, path: &Path, ms: u64) {
    play.exact = false;
    act(play, Op::Begin(path.to_owned(), 4));
    for _ in 0..ms / 10 {
        play.wait(10, false).expect("looks");
        play.disk.world().write(path, b".");
    }
}

#[test]
fn a_file_under_constant_writes_keeps_its_content() {
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
fn a_new_file_under_constant_writes_is_taken() {
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
fn an_ignore_file_saved_twice_is_whole() {
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
