//! Changes of directories and of the root.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use hotplate_actors::loader::Depth;
use hotplate_actors::{Mount, WatchBy, WatchMode};

use super::{Site, everywhere, file_systems, natively, write};

#[test]
fn new_directories_are_read_whole() {
    everywhere(&[("a.html", "a")], |site| {
        for number in 0..100 {
            let directory = site.path(&format!("d{number}/e/f"));
            fs::create_dir_all(&directory).expect("created");
            fs::write(directory.join("x.html"), format!("x{number}")).expect("written");
            fs::write(site.path(&format!("d{number}/y.html")), format!("y{number}")).expect("written");
        }
        for number in 0..100 {
            site.until(&format!("d{number}/e/f/x.html"), Some(&format!("x{number}")));
            site.until(&format!("d{number}/y.html"), Some(&format!("y{number}")));
        }
    });
}

#[test]
fn a_directory_is_moved_in_out_and_back() {
    everywhere(&[("a.html", "a")], |site| {
        let deep: String = (0..59).map(|level| format!("l{level}/")).collect();
        write(&site.beside(&format!("tree/{deep}x.html")), "deep");
        fs::rename(site.beside("tree"), site.path("tree")).expect("in");
        let name = format!("tree/{deep}x.html");
        site.until(&name, Some("deep"));
        fs::write(site.path(&name), "edited").expect("written");
        site.until(&name, Some("edited"));
        fs::rename(site.path("tree"), site.path("other")).expect("renamed");
        let other = format!("other/{deep}x.html");
        site.until(&other, Some("edited"));
        site.until(&name, None);
        fs::write(site.path(&other), "again").expect("written");
        site.until(&other, Some("again"));
        fs::rename(site.path("other"), site.beside("tree")).expect("out");
        site.until(&other, None);
        fs::write(site.beside("tree/l0/x.html"), "outside").expect("written");
        site.sync();
        assert_eq!(site.sync().len(), 1, "nothing of what is outside now");
    });
}

#[test]
fn two_directories_are_exchanged() {
    everywhere(
        &[("a/s/x.html", "ax"), ("b/s/x.html", "bx"), ("b/y.html", "y")],
        |site| {
            let flags = rustix::fs::RenameFlags::EXCHANGE;
            let (a, b) = (site.path("a"), site.path("b"));
            if let Err(error) = rustix::fs::renameat_with(rustix::fs::CWD, &a, rustix::fs::CWD, &b, flags) {
                println!("skipped: nothing can be exchanged here: {error}");
                return;
            }
            site.until("a/s/x.html", Some("bx"));
            site.until("b/s/x.html", Some("ax"));
            site.until("a/y.html", Some("y"));
            site.until("b/y.html", None);
            for place in ["a", "b"] {
                fs::write(site.path(place).join("s/x.html"), place).expect("written");
                site.until(&format!("{place}/s/x.html"), Some(place));
            }
        },
    );
}

#[test]
fn a_directory_is_removed_and_created_again() {
    everywhere(&[("a/x.html", "1"), ("a/y.html", "1")], |site| {
        fs::remove_dir_all(site.path("a")).expect("removed");
        site.write("a/x.html", "2");
        site.until("a/x.html", Some("2"));
        site.until("a/y.html", None);
        fs::write(site.path("a/x.html"), "3").expect("written");
        site.until("a/x.html", Some("3"));
    });
}

#[test]
fn a_link_to_a_directory_is_retargeted() {
    everywhere(&[("a.html", "a")], |site| {
        write(&site.beside("v1/x.html"), "1");
        write(&site.beside("v1/old.html"), "old");
        write(&site.beside("v2/x.html"), "2");
        symlink("../v1", site.path("v")).expect("linked");
        site.until("v/x.html", Some("1"));
        symlink("../v2", site.path("next")).expect("linked");
        fs::rename(site.path("next"), site.path("v")).expect("renamed");
        site.until("v/x.html", Some("2"));
        site.until("v/old.html", None);
        site.expect("v/x.html", &[Some("1"), Some("2")]);
        fs::write(site.beside("v2/x.html"), "3").expect("written");
        site.until("v/x.html", Some("3"));
        fs::write(site.beside("v1/x.html"), "stale").expect("written");
        site.expect("v/x.html", &["1", "2", "3"].map(Some));
    });
}

#[test]
fn cycles_of_links_end() {
    everywhere(&[("a/x.html", "x")], |site| {
        symlink("..", site.path("a/up")).expect("linked");
        symlink("a", site.path("again")).expect("linked");
        symlink("loop", site.path("loop")).expect("linked");
        site.until("again/x.html", Some("x"));
        fs::write(site.path("a/x.html"), "y").expect("written");
        site.until("again/x.html", Some("y"));
        site.until("a/x.html", Some("y"));
        assert!(site.sync().len() < 5, "{:?}", site.sync());
    });
}

#[test]
fn a_missing_root_keeps_its_content() {
    everywhere(&[("a.html", "1"), ("b/c.html", "1")], |site| {
        fs::rename(&site.root, site.beside("away")).expect("renamed");
        let now = site.sync();
        assert_eq!(now.len(), 2, "nothing is lost: {now:?}");
        assert!(site.error().is_some_and(|error| error.contains("is not there")));
        assert!(!site.status().missing.is_empty());
        fs::write(site.beside("away/a.html"), "ghost").expect("written");
        site.sync();
        site.expect("a.html", &[Some("1")]);
        write(&site.beside("new/a.html"), "2");
        fs::rename(site.beside("new"), &site.root).expect("renamed");
        site.until("a.html", Some("2"));
        site.until("b/c.html", None);
        assert!(site.status().missing.is_empty());
        fs::write(site.path("a.html"), "3").expect("written");
        site.until("a.html", Some("3"));
        site.expect("a.html", &["1", "2", "3"].map(Some));
    });
}

#[test]
fn an_empty_root_is_not_a_missing_root() {
    everywhere(&[("a.html", "1")], |site| {
        fs::remove_file(site.path("a.html")).expect("removed");
        site.until("a.html", None);
    });
}

#[test]
fn a_root_behind_links_is_followed() {
    for on in file_systems() {
        for by in [WatchBy::Auto, WatchBy::Recursive, WatchBy::Poll] {
            let site = Site::with(&on, by, |directory| {
                write(&directory.join("releases/1/templates/a.html"), "1");
                write(&directory.join("releases/2/templates/a.html"), "2");
                symlink("releases/1", directory.join("current")).expect("linked");
                vec![Mount::new("", directory.join("current/templates"))]
            });
            symlink("releases/2", site.beside("next")).expect("linked");
            fs::rename(site.beside("next"), site.beside("current")).expect("renamed");
            site.until("a.html", Some("2"));
            fs::write(site.beside("releases/2/templates/a.html"), "3").expect("written");
            site.until("a.html", Some("3"));
            // A directory above the root is replaced.
            write(&site.beside("other/2/templates/a.html"), "4");
            fs::rename(site.beside("releases"), site.beside("old")).expect("renamed");
            fs::rename(site.beside("other"), site.beside("releases")).expect("renamed");
            site.until("a.html", Some("4"));
            fs::write(site.beside("releases/2/templates/a.html"), "5").expect("written");
            site.until("a.html", Some("5"));
            site.expect("a.html", &["1", "2", "3", "4", "5"].map(Some));
        }
    }
}

#[test]
fn an_overflow_ends_in_the_right_content() {
    natively(&[("a.html", "a")], |site| {
        for file in 0..2_000 {
            fs::write(site.path(&format!("{file}.html")), "0").expect("written");
        }
        for round in 1..=8 {
            for file in 0..2_000 {
                fs::write(site.path(&format!("{file}.html")), round.to_string()).expect("written");
            }
        }
        let now = site.sync();
        assert_eq!(now.len(), 2_001);
        assert!((0..2_000).all(|file| now[&format!("{file}.html")] == "8"));
        for file in 0..2_000 {
            fs::remove_file(site.path(&format!("{file}.html"))).expect("removed");
        }
        assert_eq!(site.sync().len(), 1);
    });
}

#[test]
fn the_status_names_the_watch_mode() {
    for on in file_systems() {
        for (by, expected) in [
            (WatchBy::Auto, WatchMode::Native),
            (WatchBy::Recursive, WatchMode::Native),
            (WatchBy::Poll, WatchMode::Poll),
        ] {
            let site = Site::new(&on, by, &[("a.html", "a"), ("b/c.html", "c")]);
            let status = site.status();
            if by != WatchBy::Poll && status.watch_mode != WatchMode::Native {
                println!("skipped: {}", status.why);
                continue;
            }
            assert_eq!((status.watch_mode, status.files), (expected, 2), "{status:?}");
            assert_eq!(status.directories > 1, by != WatchBy::Poll, "{status:?}");
            assert!(!status.why.is_empty());
        }
    }
}

#[test]
fn the_first_root_with_a_name_counts() {
    for on in file_systems() {
        let site = Site::with(&on, WatchBy::Auto, |directory| {
            write(&directory.join("site/a.html"), "own a");
            write(&directory.join("base/a.html"), "base a");
            write(&directory.join("base/b.html"), "base b");
            vec![
                Mount::new("", directory.join("site")),
                Mount::new("", directory.join("base")),
            ]
        });
        site.expect("b.html", &[Some("base b")]);
        fs::write(site.path("b.html"), "own b").expect("written");
        site.until("b.html", Some("own b"));
        fs::write(site.beside("base/b.html"), "base b2").expect("written");
        site.expect("b.html", &["base b", "own b"].map(Some));
        fs::remove_file(site.path("b.html")).expect("removed");
        site.until("b.html", Some("base b2"));
        fs::remove_file(site.path("a.html")).expect("removed");
        site.until("a.html", Some("base a"));
        site.expect("a.html", &["own a", "base a"].map(Some));
    }
}

/// Two roots with equal prefixes, and `a.html` in both.
fn two_roots(on: &Path, by: WatchBy) -> Site {
    Site::with(on, by, |directory| {
        write(&directory.join("site/a.html"), "own");
        write(&directory.join("base/a.html"), "base");
        vec![
            Mount::new("", directory.join("site")),
            Mount::new("", directory.join("base")),
        ]
    })
}

#[test]
fn a_name_deleted_in_both_roots_is_gone() {
    for on in file_systems() {
        for by in [WatchBy::Auto, WatchBy::Recursive, WatchBy::Poll] {
            let site = two_roots(&on, by);
            fs::remove_file(site.path("a.html")).expect("removed");
            std::thread::park_timeout(std::time::Duration::from_millis(20));
            fs::remove_file(site.beside("base/a.html")).expect("removed");
            site.until("a.html", None);
            fs::write(site.beside("base/a.html"), "again").expect("written");
            site.until("a.html", Some("again"));
        }
    }
}

#[test]
fn a_deletion_while_the_next_root_is_missing() {
    for on in file_systems() {
        for by in [WatchBy::Auto, WatchBy::Recursive, WatchBy::Poll] {
            let site = two_roots(&on, by);
            fs::rename(site.beside("base"), site.beside("away")).expect("renamed");
            super::wait_for(|| {
                site.sync();
                !site.status().missing.is_empty()
            });
            fs::remove_file(site.path("a.html")).expect("removed");
            site.until("a.html", None);
            fs::rename(site.beside("away"), site.beside("base")).expect("renamed");
            site.until("a.html", Some("base"));
            // The content of a root stays while it is missing.
            fs::rename(site.beside("base"), site.beside("away")).expect("renamed");
            site.sync();
            site.expect("a.html", &[Some("own"), None, Some("base")]);
        }
    }
}

#[test]
fn a_missing_root_is_not_updated_through_links() {
    everywhere(&[("a.html", "1")], |site| {
        write(&site.beside("shared/b.html"), "1");
        symlink(site.beside("shared"), site.path("l")).expect("linked");
        symlink(site.beside("shared/b.html"), site.path("m.html")).expect("linked");
        site.until("l/b.html", Some("1"));
        site.until("m.html", Some("1"));
        fs::rename(&site.root, site.beside("away")).expect("renamed");
        fs::write(site.beside("shared/b.html"), "2").expect("written");
        for depth in [Depth::Hinted, Depth::Everything, Depth::Bytes] {
            let now = site.look(depth);
            assert_eq!(now["l/b.html"], "1", "{depth:?} by {:?}", site.by);
            assert_eq!(now["m.html"], "1", "{depth:?} by {:?}", site.by);
        }
        assert!(site.error().is_some_and(|error| error.contains("is not there")));
        assert!(!site.status().missing.is_empty());
        fs::rename(site.beside("away"), &site.root).expect("renamed");
        site.until("l/b.html", Some("2"));
        site.until("m.html", Some("2"));
        site.expect("l/b.html", &["1", "2"].map(Some));
    });
}

#[test]
fn a_dropped_loader_leaves_no_threads() {
    let open = || {
        let descriptors = fs::read_dir("/proc/self/fd").expect("a list");
        let targets = descriptors.filter_map(|each| fs::read_link(each.ok()?.path()).ok());
        targets
            .filter(|target| target.to_string_lossy().contains("inotify"))
            .count()
    };
    let before = open();
    for on in file_systems() {
        for by in [WatchBy::Auto, WatchBy::Recursive] {
            for _ in 0..30 {
                drop(Site::new(&on, by, &[("a.html", "a")]));
            }
        }
    }
    // Threads end on their own time, and other tests have their own.
    super::wait_for(|| open() < before + 30);
}
