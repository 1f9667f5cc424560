//! Editors and tools: run for real where they are installed, and by their system calls where they are not.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::thread::park_timeout;
use std::time::Duration;

use hotplate_actors::Limits;
use hotplate_actors::loader::WatchBy;

use super::{Site, everywhere, file_systems, limits, natively, run};

const A: &[(&str, &str)] = &[("a.html", "old\n")];

fn by_a_program(program: &str, arguments: &[&str]) {
    everywhere(A, |site| {
        fs::write(site.beside("new"), "new\n").expect("written");
        if run(program, arguments, &site.root) {
            site.expect_change("a.html", "old\n", "new\n");
            assert_eq!(site.sync().len(), 1, "no temporary name was taken for a template");
        }
    });
}

#[test]
fn vim_in_each_of_its_ways() {
    for options in ["backupcopy=yes", "backupcopy=no", "nowritebackup", "backup"] {
        let set = format!("set {options}");
        by_a_program(
            "vim",
            &[
                "-u",
                "NONE",
                "-es",
                "-c",
                &set,
                "-c",
                "%s/old/new/",
                "-c",
                "wq",
                "a.html",
            ],
        );
    }
}

#[test]
fn sed_rsync_cp_install_mv() {
    by_a_program("sed", &["-i", "s/old/new/", "a.html"]);
    by_a_program("rsync", &["--ignore-times", "../new", "a.html"]);
    by_a_program("rsync", &["--inplace", "--ignore-times", "../new", "a.html"]);
    by_a_program("cp", &["../new", "a.html"]);
    by_a_program("cp", &["-p", "--remove-destination", "../new", "a.html"]);
    by_a_program("install", &["-m", "644", "../new", "a.html"]);
    by_a_program("mv", &["../new", "a.html"]);
}

#[test]
fn ed_and_nano() {
    everywhere(A, |site| {
        if is_installed("ed") {
            run(
                "sh",
                &["-c", "printf 's/old/new/\\nw\\nq\\n' | ed -s a.html"],
                &site.root,
            );
            site.expect_change("a.html", "old\n", "new\n");
        }
    });
    everywhere(A, |site| {
        // nano wants a terminal, which `script` is: something is typed, then it is saved and left.
        if is_installed("nano") && is_installed("script") {
            let typed = "printf 'new' | { cat; sleep 2; printf '\\023\\030'; sleep 1; } | TERM=xterm script -qec 'nano a.html' /dev/null";
            run("sh", &["-c", typed], &site.root);
            site.expect_change("a.html", "old\n", "newold\n");
        }
    });
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(program).exists());
    if !found {
        println!("skipped: {program} is not installed");
    }
    found
}

#[test]
fn git_and_tar() {
    natively(&[("a.html", "old\n"), ("b/c.html", "old\n")], |site| {
        let git = |arguments: &[&str]| {
            let identity = [
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@b",
                "-c",
                "commit.gpgsign=false",
            ];
            run("git", &[&identity, arguments].concat(), &site.root)
        };
        if !git(&["init", "-q", "-b", "main"]) {
            return;
        }
        git(&["add", "."]);
        git(&["commit", "-q", "-m", "old"]);
        git(&["checkout", "-q", "-b", "next"]);
        site.write("a.html", "new\n");
        site.write("b/c.html", "new\n");
        site.write("b/d.html", "d\n");
        git(&["add", "."]);
        git(&["commit", "-q", "-m", "new"]);
        for (branch, text, d) in [("main", "old\n", None), ("next", "new\n", Some("d\n"))] {
            git(&["checkout", "-q", branch]);
            site.until("a.html", Some(text));
            site.until("b/c.html", Some(text));
            site.until("b/d.html", d);
        }
        site.expect("a.html", &["old\n", "new\n", "old\n", "new\n"].map(Some));
        git(&["stash", "-q", "--include-untracked"]);
        run("tar", &["-cf", "../all.tar", "."], &site.root);
        site.write("a.html", "edited\n");
        site.until("a.html", Some("edited\n"));
        run("tar", &["-xf", "../all.tar"], &site.root);
        site.until("a.html", Some("new\n"));
        assert_eq!(site.sync().len(), 3);
    });
}

/// The name of an editor, and its way to save.
type Editor = (&'static str, fn(&Site));

/// The editors, each by its system calls when it saves.
#[test]
fn editors_by_their_system_calls() {
    let editors: [Editor; 6] = [
        ("emacs", |site| {
            symlink("me@host.1:2", site.path(".#a.html")).expect("locked");
            fs::write(site.path("#a.html#"), "new\n").expect("saved by itself");
            fs::rename(site.path("a.html"), site.path("a.html~")).expect("kept");
            fs::write(site.path("a.html"), "new\n").expect("written");
            fs::remove_file(site.path("#a.html#")).expect("removed");
            fs::remove_file(site.path(".#a.html")).expect("unlocked");
        }),
        ("JetBrains", |site| {
            fs::write(site.path("a.html___jb_tmp___"), "new\n").expect("written");
            fs::rename(site.path("a.html"), site.path("a.html___jb_old___")).expect("kept");
            fs::rename(site.path("a.html___jb_tmp___"), site.path("a.html")).expect("renamed");
            fs::remove_file(site.path("a.html___jb_old___")).expect("removed");
        }),
        ("VS Code", |site| {
            let mut file = File::create(site.path("a.html")).expect("truncated");
            file.write_all(b"new\n").expect("written");
            file.sync_all().expect("on the disk");
        }),
        ("Kate", |site| {
            fs::write(site.path(".a.html.kate-swp"), "swap").expect("written");
            fs::write(site.path("a.html.xQ12Za"), "new\n").expect("written");
            fs::rename(site.path("a.html.xQ12Za"), site.path("a.html")).expect("renamed");
            fs::remove_file(site.path(".a.html.kate-swp")).expect("removed");
        }),
        ("vim with a probe", |site| {
            fs::write(site.path("4913"), "").expect("probed");
            fs::remove_file(site.path("4913")).expect("probed");
            fs::rename(site.path("a.html"), site.path("a.html~")).expect("kept");
            fs::write(site.path("a.html"), "new\n").expect("written");
            fs::remove_file(site.path("a.html~")).expect("removed");
        }),
        ("gedit", |site| {
            fs::write(site.path(".goutputstream-AB12"), "new\n").expect("written");
            fs::rename(site.path(".goutputstream-AB12"), site.path("a.html")).expect("renamed");
        }),
    ];
    for (editor, save) in editors {
        everywhere(A, |site| {
            println!("{editor} by {:?}", site.by);
            save(site);
            site.expect_change("a.html", "old\n", "new\n");
            assert_eq!(site.sync().len(), 1, "{editor} leaves no other template");
        });
    }
}

#[test]
fn a_backup_beside_a_new_file_does_not_make_it_whole() {
    // A long time, so that a pause of this machine is not taken for the end of a write.
    let patient = || Limits {
        settle_ms: 400,
        settle_max_ms: 10_000,
        ..limits()
    };
    for on in file_systems() {
        for by in [WatchBy::Auto, WatchBy::Recursive, WatchBy::Poll] {
            for kept in ["a.html~", ".a.html.old", "kept/a.bak"] {
                let site = Site::within(patient(), &on, by, &[("a.html", "old\n"), ("kept/b.html", "")]);
                fs::rename(site.path("a.html"), site.path(kept)).expect("kept");
                let mut file = File::create(site.path("a.html")).expect("created");
                for part in ["ne", "w\n"] {
                    park_timeout(Duration::from_millis(10));
                    file.write_all(part.as_bytes()).expect("written");
                }
                park_timeout(Duration::from_millis(10));
                drop(file);
                fs::remove_file(site.path(kept)).expect("removed");
                site.expect_change("a.html", "old\n", "new\n");
            }
        }
    }
}
