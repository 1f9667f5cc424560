//! Changes of single files.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use hotplate_actors::loader::Depth;

use super::{everywhere, natively, run};

const A: &[(&str, &str)] = &[("a.html", "old")];

#[test]
fn an_overwritten_file_changes_once() {
    everywhere(A, |site| {
        fs::write(site.path("a.html"), "new").expect("written");
        site.expect_change("a.html", "old", "new");
    });
}

#[test]
fn a_slow_writer_is_waited_for() {
    natively(A, |site| {
        let mut quick = File::create(site.path("b.html")).expect("created");
        for _ in 0..200 {
            quick.write_all(b"part ").expect("written");
        }
        drop(quick);
        site.until("b.html", Some(&"part ".repeat(200)));
        let mut file = File::create(site.path("a.html")).expect("created");
        file.write_all(b"half").expect("written");
        // It is never closed, so it is taken for whole after it has been quiet.
        site.until("a.html", Some("half"));
        file.write_all(b" and half").expect("written");
        drop(file);
        site.until("a.html", Some("half and half"));
        site.expect("a.html", &[Some("old"), Some("half"), Some("half and half")]);
    });
}

/// While a file is open for writing, a sync keeps its last whole content; it counts as whole once it has been quiet.
#[test]
fn a_sync_does_not_take_half_of_an_open_file() {
    everywhere(A, |site| {
        let mut file = File::create(site.path("a.html")).expect("created");
        file.write_all(b"half").expect("written");
        let synced = site.sync()["a.html"].clone();
        assert!(synced == "old" || synced == "half", "{synced}");
        site.until("a.html", Some("half"));
        file.write_all(b" more").expect("written");
        let synced = site.sync()["a.html"].clone();
        assert!(synced == "half" || synced == "half more", "{synced}");
        site.until("a.html", Some("half more"));
    });
}

#[test]
fn a_sync_finds_writes_through_a_mapping() {
    natively(A, |site| {
        let program = "import mmap\nwith open('a.html', 'r+b') as f:\n m = mmap.mmap(f.fileno(), 0)\n m[0:3] = b'new'\n m.flush()\n m.close()";
        if run("python3", &["-c", program], &site.root) {
            assert_eq!(site.sync()["a.html"], "new");
        }
    });
}

#[test]
fn a_file_is_linked_into_place() {
    everywhere(A, |site| {
        // Written before it has a name, as some databases and browsers do.
        let nameless = rustix::fs::open(
            &site.root,
            rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::WRONLY,
            rustix::fs::Mode::from_raw_mode(0o644),
        );
        match nameless {
            Ok(nameless) => {
                rustix::io::write(&nameless, b"linked").expect("written");
                let of = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&nameless));
                rustix::fs::linkat(
                    rustix::fs::CWD,
                    of.as_str(),
                    rustix::fs::CWD,
                    site.path("t.html"),
                    rustix::fs::AtFlags::SYMLINK_FOLLOW,
                )
                .expect("linked");
                site.until("t.html", Some("linked"));
            }
            Err(error) => println!("skipped: no files without a name here: {error}"),
        }
        fs::hard_link(site.path("a.html"), site.path("l.html")).expect("linked");
        site.until("l.html", Some("old"));
        site.expect("a.html", &[Some("old")]);
    });
}

#[test]
fn equal_content_changes_nothing() {
    everywhere(A, |site| {
        let batches = site.batches();
        let file = File::open(site.path("a.html")).expect("opened");
        file.set_modified(SystemTime::now() - Duration::from_secs(100))
            .expect("touched");
        fs::set_permissions(site.path("a.html"), fs::Permissions::from_mode(0o600)).expect("changed");
        fs::write(site.path("a.html"), "old").expect("written");
        site.save("a.html", "old");
        fs::write(site.path("a.css"), "no template").expect("written");
        fs::write(site.path("a.html~"), "left behind").expect("written");
        site.sync();
        site.look(Depth::Bytes);
        assert_eq!(site.batches(), batches, "{:?}", site.story("a.html"));
    });
}

#[test]
fn equal_size_and_time_hide_nothing() {
    everywhere(A, |site| {
        let time = fs::metadata(site.path("a.html"))
            .and_then(|found| found.modified())
            .expect("a time");
        let set = |text: &str, time: SystemTime| {
            let mut file = OpenOptions::new()
                .write(true)
                .open(site.path("a.html"))
                .expect("opened");
            file.write_all(text.as_bytes()).expect("written");
            file.set_modified(time).expect("set");
        };
        set("new", time);
        site.expect_change("a.html", "old", "new");
        // A file with older stamps, as `mv` and `tar` create them.
        let old = site.beside("older");
        fs::write(&old, "age").expect("written");
        File::open(&old)
            .and_then(|file| file.set_modified(time - Duration::from_secs(1_000_000)))
            .expect("set");
        fs::rename(&old, site.path("a.html")).expect("renamed");
        site.until("a.html", Some("age"));
    });
}

#[test]
fn files_are_moved_over_in_and_out() {
    everywhere(&[("a.html", "old"), ("b.html", "b")], |site| {
        fs::rename(site.path("b.html"), site.path("a.html")).expect("over");
        site.until("a.html", Some("b"));
        site.until("b.html", None);
        site.expect("a.html", &[Some("old"), Some("b")]);
        fs::write(site.beside("in.html"), "in").expect("written");
        fs::rename(site.beside("in.html"), site.path("in.html")).expect("in");
        site.until("in.html", Some("in"));
        fs::rename(site.path("in.html"), site.beside("out.html")).expect("out");
        site.until("in.html", None);
    });
}

#[test]
fn a_replaced_file_is_never_absent() {
    everywhere(A, |site| {
        for round in 0..20 {
            fs::remove_file(site.path("a.html")).expect("removed");
            fs::write(site.path("a.html"), format!("new {round}")).expect("written");
        }
        site.until("a.html", Some("new 19"));
        let story = site.story("a.html");
        if site.is_native() {
            assert!(!story.contains(&None), "{story:?}");
            assert!(!story.contains(&Some(String::new())), "{story:?}");
        }
    });
}

#[test]
fn a_hard_link_changes_under_all_its_names() {
    everywhere(A, |site| {
        fs::hard_link(site.path("a.html"), site.path("b.html")).expect("linked");
        fs::hard_link(site.path("a.html"), site.path(".hidden")).expect("linked");
        fs::hard_link(site.path("a.html"), site.beside("outside")).expect("linked");
        site.until("b.html", Some("old"));
        for (through, text) in [("site/b.html", "b"), ("site/.hidden", "hidden"), ("outside", "outside")] {
            fs::write(site.beside(through), text).expect("written");
            site.until("a.html", Some(text));
            site.until("b.html", Some(text));
        }
    });
}

#[test]
fn a_sync_finds_writes_through_an_outside_hard_link() {
    natively(A, |site| {
        fs::hard_link(site.path("a.html"), site.beside("outside")).expect("linked");
        fs::write(site.beside("outside"), "new").expect("written");
        assert_eq!(site.sync()["a.html"], "new");
    });
}

#[test]
fn a_link_to_a_file_outside_follows_its_edits() {
    everywhere(A, |site| {
        fs::create_dir(site.beside("shared")).expect("created");
        fs::write(site.beside("shared/l.html"), "1").expect("written");
        symlink("../shared/l.html", site.path("l.html")).expect("linked");
        site.until("l.html", Some("1"));
        fs::write(site.beside("shared/l.html"), "2").expect("written");
        site.until("l.html", Some("2"));
        fs::write(site.beside("shared/next"), "3").expect("written");
        fs::rename(site.beside("shared/next"), site.beside("shared/l.html")).expect("renamed");
        site.until("l.html", Some("3"));
        // The directory that it is in is replaced.
        fs::create_dir(site.beside("newer")).expect("created");
        fs::write(site.beside("newer/l.html"), "4").expect("written");
        fs::rename(site.beside("shared"), site.beside("older")).expect("renamed");
        fs::rename(site.beside("newer"), site.beside("shared")).expect("renamed");
        site.until("l.html", Some("4"));
        site.expect("l.html", &["1", "2", "3", "4"].map(Some));
        fs::remove_file(site.beside("shared/l.html")).expect("removed");
        site.until("l.html", None);
        fs::write(site.beside("shared/l.html"), "5").expect("written");
        site.until("l.html", Some("5"));
    });
}

#[test]
fn an_unreadable_file_is_reported_and_retried() {
    if rustix_is_root() {
        println!("skipped: nothing is unreadable for root");
    } else {
        everywhere(A, |site| {
            let rights = |mode| fs::set_permissions(site.path("a.html"), fs::Permissions::from_mode(mode));
            rights(0o000).expect("changed");
            site.until("a.html", Some("!unreadable"));
            assert_eq!(site.status().unreadable, 1);
            rights(0o644).expect("changed");
            site.until("a.html", Some("old"));
            assert_eq!(site.status().unreadable, 0);
        });
    }
    everywhere(A, |site| {
        fs::write(site.path("a.html"), b"caf\xe9").expect("written");
        site.until("a.html", Some("!not-utf8"));
        assert_eq!(site.status().unreadable, 1);
        fs::write(site.path("a.html"), vec![b'x'; 2 << 20]).expect("written");
        site.until("a.html", Some("!too-large"));
        fs::write(site.path("a.html"), "new").expect("written");
        site.until("a.html", Some("new"));
        assert_eq!(site.status().unreadable, 0);
    });
}

fn rustix_is_root() -> bool {
    let path = std::env::temp_dir().join(format!("hotplate-root-{}", std::process::id()));
    fs::write(&path, "").expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("changed");
    let reads = fs::read(&path).is_ok();
    fs::remove_file(&path).expect("removed");
    reads
}

#[test]
fn a_pipe_and_a_directory_under_a_template_s_name() {
    everywhere(A, |site| {
        fs::remove_file(site.path("a.html")).expect("removed");
        if run("mkfifo", &["a.html"], &site.root) {
            site.until("a.html", None);
            fs::remove_file(site.path("a.html")).expect("removed");
        }
        fs::create_dir(site.path("a.html")).expect("created");
        fs::write(site.path("a.html/b.html"), "inside").expect("written");
        site.until("a.html", None);
        site.until("a.html/b.html", Some("inside"));
        fs::remove_dir_all(site.path("a.html")).expect("removed");
        fs::write(site.path("a.html"), "a file again").expect("written");
        site.until("a.html", Some("a file again"));
        site.until("a.html/b.html", None);
    });
}
