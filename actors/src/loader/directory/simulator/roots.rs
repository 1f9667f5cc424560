//! Several roots, one of which may be missing.

use std::path::{Path, PathBuf};

use super::history::{BASE, Op, ROOT};
use super::{Play, act, text};
use crate::loader::Depth;

#[test]
fn after_a_deletion_the_next_root_counts() {
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
fn a_deletion_while_the_next_root_is_missing() {
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
    // The content of a missing root stays, whatever the others have.
    act(&play, Op::Write(x, 2));
    play.wait(200, false).expect("looks");
    act(&play, Op::Rename(ROOT.into(), aside));
    play.wait(200, false).expect("looks");
    act(&play, Op::Remove(Path::new(BASE).join("x.html")));
    play.wait(200, false).expect("looks");
    assert_eq!(text(&play, "x.html"), Some("text 2"));
}

#[test]
fn a_missing_root_is_not_updated_through_links() {
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
        // The event of the edit may arrive before the root was checked.
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
