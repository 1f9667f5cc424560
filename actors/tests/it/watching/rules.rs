//! The rules for which files are templates.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use hotplate_actors::loader::Depth;
use hotplate_actors::{BlockingLoader, DirectoryLoader, Hotplate, Limits, Links, Mount, Rules, WatchBy};

use super::{Site, everywhere, file_systems, natively, write};

fn names(site: &Site) -> String {
    site.sync().into_keys().collect::<Vec<_>>().join(" ")
}

#[test]
fn an_ignore_file_is_read_again_when_it_changes() {
    let files = [
        ("a.html", "a"),
        ("drafts/b.html", "b"),
        ("x/c.html", "c"),
        ("x/d.html", "d"),
        ("x/y/c.html", "yc"),
        (".hotplateignore", "drafts/\n"),
    ];
    everywhere(&files, |site| {
        assert_eq!(names(site), "a.html x/c.html x/d.html x/y/c.html");
        site.save(".hotplateignore", "/x/y/\n*.tmp.html\n");
        site.until("drafts/b.html", Some("b"));
        site.until("x/y/c.html", None);
        site.write("x/.hotplateignore", "c.html\n!/y/c.html\n");
        site.until("x/c.html", None);
        assert_eq!(names(site), "a.html drafts/b.html x/d.html");
        site.write("a.tmp.html", "left out");
        site.write("x/y/new.html", "left out");
        assert_eq!(names(site), "a.html drafts/b.html x/d.html");
        fs::remove_file(site.path(".hotplateignore")).expect("removed");
        site.until("x/y/c.html", Some("yc"));
        site.until("x/y/new.html", Some("left out"));
        fs::write(site.path("drafts/b.html"), "b2").expect("written");
        site.until("drafts/b.html", Some("b2"));
    });
}

#[test]
fn a_log_in_an_ignored_directory_costs_nothing() {
    natively(
        &[("a.html", "a"), ("log/x.log", ""), (".hotplateignore", "log/\n")],
        |site| {
            if !site.is_native() {
                return;
            }
            site.sync();
            let (hints, batches, directories) = (site.hints(), site.batches(), site.status().directories);
            let mut log = fs::File::options()
                .append(true)
                .open(site.path("log/x.log"))
                .expect("opened");
            for _ in 0..100_000 {
                std::io::Write::write_all(&mut log, b"a line\n").expect("written");
            }
            site.sync();
            assert_eq!(
                (site.hints(), site.batches(), site.status().directories),
                (hints, batches, directories),
                "{:?}",
                site.status()
            );
            assert_eq!(site.status().overflows, 0);
            // One beside the templates costs the listener only.
            fs::write(site.path("y.log"), "").expect("written");
            let mut log = fs::File::options()
                .append(true)
                .open(site.path("y.log"))
                .expect("opened");
            for _ in 0..100_000 {
                std::io::Write::write_all(&mut log, b"a line\n").expect("written");
            }
            fs::write(site.path("a.html"), "b").expect("written");
            site.until("a.html", Some("b"));
            assert!(site.hints() < hints + 2_000, "{} hints for a log", site.hints() - hints);
            site.expect("a.html", &[Some("a"), Some("b")]);
        },
    );
}

#[test]
fn links_are_followed_by_the_rules() {
    for on in file_systems() {
        for (links, expected) in [
            (Links::Follow, "a.html d/o.html in.html out.html"),
            (Links::Inside, "a.html in.html"),
            (Links::Never, "a.html"),
        ] {
            let site = Site::with(&on, WatchBy::Auto, |directory| {
                write(&directory.join("site/a.html"), "a");
                write(&directory.join("out/o.html"), "o");
                symlink("a.html", directory.join("site/in.html")).expect("linked");
                symlink("../out/o.html", directory.join("site/out.html")).expect("linked");
                symlink("../out", directory.join("site/d")).expect("linked");
                let rules = Rules {
                    links,
                    ..Rules::default()
                };
                vec![Mount::new("", directory.join("site")).rules(rules)]
            });
            assert_eq!(names(&site), expected, "{links:?}");
            let remarks = site.status().remarks;
            assert_eq!(remarks.is_empty(), links == Links::Follow, "{remarks:?}");
            fs::remove_file(site.path("out.html")).expect("removed");
            fs::write(site.path("out.html"), "a file").expect("written");
            site.until("out.html", Some("a file"));
        }
    }
}

#[test]
fn invalid_names_are_remarked_once() {
    everywhere(
        &[("a.html", "a"), ("A.html", "A"), ("con.html", "c"), ("b:c.html", "bc")],
        |site| {
            let bad = site.root.join(OsStr::from_bytes(b"caf\xe9.html"));
            fs::write(&bad, "latin").expect("written");
            fs::write(site.path("back\\slash.html"), "no").expect("written");
            assert_eq!(names(site), "A.html a.html b:c.html con.html");
            fs::write(&bad, "again").expect("written");
            site.sync();
            super::wait_for(|| {
                let remarks = site.status().remarks;
                let mut codes: Vec<_> = remarks.iter().map(|remark| remark.code).collect();
                codes.sort_unstable();
                codes
                    == [
                        "name",
                        "name-clash",
                        "name-not-portable",
                        "name-not-portable",
                        "name-not-utf8",
                    ]
            });
        },
    );
}

/// Returns the codes of the remarks, in order.
fn codes(site: &Site) -> Vec<&'static str> {
    let mut codes: Vec<_> = site.status().remarks.iter().map(|remark| remark.code).collect();
    codes.sort_unstable();
    codes
}

#[test]
fn a_tree_is_bounded() {
    for on in file_systems() {
        let limits = Limits {
            directories: 3,
            directory_entries: 3,
            tree_bytes: 6,
            ..super::limits()
        };
        // The root is one of the three.
        let site = Site::within(limits, &on, WatchBy::Auto, &[("a/x.html", "xx"), ("b/y.html", "yy")]);
        site.write("a/z.html", "zz");
        site.sync();
        assert_eq!(names(&site), "a/x.html a/z.html b/y.html");
        assert_eq!(codes(&site), [""; 0]);

        site.write("c/w.html", "w");
        site.sync();
        assert_eq!(names(&site), "a/x.html a/z.html b/y.html");
        assert_eq!(codes(&site), ["too-many-directories"]);
        fs::remove_dir_all(site.path("c")).expect("removed");

        site.write("b/y.html", "yyy");
        assert_eq!(site.sync()["b/y.html"], "!too-large-in-all");
        site.write("b/y.html", "yz");
        assert_eq!(site.sync()["b/y.html"], "yz");

        // Hidden names count as well, because they are listed too.
        for name in [".1", ".2"] {
            fs::write(site.path(&format!("a/{name}")), "").expect("written");
        }
        site.look(Depth::Bytes);
        assert_eq!(
            names(&site),
            "a/x.html a/z.html b/y.html",
            "its last content is still served"
        );
        let said = site.status().remarks;
        let named = |help: &String| help.contains("`directory_entries`");
        assert!(
            said.iter().any(|found| found.help.as_ref().is_some_and(named)),
            "{said:?}"
        );
    }
}

/// A link to `/proc`, whose content has no end and differs at each read, is not followed.
#[cfg(target_os = "linux")]
#[test]
fn pseudo_file_systems_are_left_out() {
    let site = Site::within(super::limits(), &file_systems()[0], WatchBy::Auto, &[("x.html", "x")]);
    symlink("/proc/self", site.path("process")).expect("linked");
    symlink("/proc/self/environ", site.path("secrets.html")).expect("linked");
    site.sync();
    assert_eq!(names(&site), "x.html");
    assert_eq!(codes(&site), ["pseudo", "pseudo"]);
    for link in ["process", "secrets.html"] {
        fs::remove_file(site.path(link)).expect("removed");
    }
    site.look(Depth::Bytes);
    assert_eq!(codes(&site), [""; 0]);
}

#[test]
fn limits_are_remarked_at_the_limit() {
    for on in file_systems() {
        let limits = Limits {
            directory_depth: 2,
            link_hops: 2,
            ignore_bytes: 7,
            ..super::limits()
        };
        let site = Site::within(limits, &on, WatchBy::Auto, &[("a/b/x.html", "x"), ("skip.html", "s")]);
        fs::write(site.path(".hotplateignore"), "skip*\n\n").expect("written");
        symlink("a/b/x.html", site.path("one.html")).expect("linked");
        symlink("one.html", site.path("two.html")).expect("linked");
        site.sync();
        assert_eq!(names(&site), "a/b/x.html one.html two.html");
        assert_eq!(codes(&site), [""; 0]);

        site.write("a/b/c/y.html", "y");
        symlink("two.html", site.path("three.html")).expect("linked");
        fs::write(site.path(".hotplateignore"), "skip*\n\n\n").expect("written");
        site.sync();
        assert_eq!(
            names(&site),
            "a/b/x.html one.html two.html",
            "its former patterns apply"
        );
        assert_eq!(codes(&site), ["ignore-unreadable", "link", "too-deep"]);
        let remarks = site.status().remarks;
        for limit in ["`ignore_bytes`", "`link_hops`", "`directory_depth`"] {
            let names = |help: &String| help.contains(limit);
            assert!(
                remarks.iter().any(|remark| remark.help.as_ref().is_some_and(names)),
                "{limit}"
            );
        }

        fs::remove_dir_all(site.path("a/b/c")).expect("removed");
        fs::remove_file(site.path("three.html")).expect("removed");
        fs::write(site.path(".hotplateignore"), "\n").expect("written");
        site.sync();
        assert_eq!(names(&site), "a/b/x.html one.html skip.html two.html");
        assert_eq!(codes(&site), [""; 0], "they go with what they are about");
    }
}

#[test]
fn a_directory_is_never_a_template() {
    everywhere(&[("p.html", "a page"), ("a.html", "a")], |site| {
        fs::remove_file(site.path("p.html")).expect("removed");
        fs::create_dir(site.path("p.html")).expect("created");
        site.write("p.html/inside.html", "i");
        site.until("p.html", None);
        site.until("p.html/inside.html", Some("i"));
        site.sync();
        assert_eq!(names(site), "a.html p.html/inside.html");
        assert_eq!((codes(site), site.status().unreadable), (vec!["directory"], 0));
        fs::remove_dir_all(site.path("p.html")).expect("removed");
        fs::write(site.path("p.html"), "again").expect("written");
        site.until("p.html", Some("again"));
        site.sync();
        assert_eq!((names(site), codes(site)), ("a.html p.html".to_owned(), vec![]));
    });
    let directory = tempfile::tempdir().expect("a directory");
    fs::create_dir(directory.path().join("p.html")).expect("created");
    let mut loader = DirectoryLoader::new([Mount::new("", directory.path())], &Limits::default());
    let first = loader.sync(Depth::Afresh).expect("loads");
    assert!(first.changed.is_empty() && first.unreadable.is_empty(), "{first:?}");
}

#[test]
fn a_remark_about_a_name_goes_with_the_name() {
    everywhere(&[("a.html", "a")], |site| {
        let bad = site.root.join(OsStr::from_bytes(b"caf\xe9.html"));
        fs::write(&bad, "latin").expect("written");
        fs::write(site.path("back\\slash.html"), "no").expect("written");
        fs::write(site.path("line\nfeed.html"), "no").expect("written");
        fs::write(site.path("A.html"), "no").expect("written");
        site.look(Depth::Bytes);
        assert_eq!(codes(site), ["name", "name", "name-clash", "name-not-utf8"]);
        for path in [
            bad,
            site.path("back\\slash.html"),
            site.path("line\nfeed.html"),
            site.path("A.html"),
        ] {
            fs::remove_file(path).expect("removed");
        }
        site.look(Depth::Bytes);
        assert_eq!(codes(site), [""; 0]);
    });
}

#[test]
fn only_names_of_templates_clash() {
    for (files, clashes, gone) in [
        (["x/a.html", "y/A.html"], 0, "y"),
        (["docs/a.html", "Docs/a.css"], 0, "docs"),
        (["docs/a.html", "Docs/in/b.html"], 1, "Docs"),
        (["docs/a.html", "Docs/in/b.html"], 1, "docs"),
        (["x/a.html", "x/A.html"], 1, "x/A.html"),
        (["x/a.html", "x/A.html"], 1, "x/a.html"),
    ] {
        let site = Site::new(&std::env::temp_dir(), WatchBy::Auto, &files.map(|file| (file, "text")));
        let clash = || codes(&site).iter().filter(|code| **code == "name-clash").count();
        assert_eq!(clash(), clashes, "{files:?}");
        let path = site.path(gone);
        let removed = match path.is_dir() {
            true => fs::remove_dir_all(path),
            false => fs::remove_file(path),
        };
        removed.expect("removed");
        super::wait_for(|| clash() == 0);
    }
}

#[test]
fn equal_names_in_other_code_points_are_remarked() {
    for on in file_systems() {
        let site = Site::new(
            &on,
            WatchBy::Auto,
            &[("caf\u{e9}.html", "one"), ("cafe\u{301}.html", "two")],
        );
        let remarks = site.status().remarks;
        assert_eq!(codes(&site), ["name-clash"]);
        assert!(remarks[0].message.contains("code points"), "{}", remarks[0]);
    }
}

#[test]
fn rules_that_exclude_all_files_are_remarked() {
    for on in file_systems() {
        let site = Site::with(&on, WatchBy::Auto, |directory| {
            write(&directory.join("site/page.html"), "a page");
            write(&directory.join("empty/.keep"), "");
            vec![
                Mount::new("", directory.join("site")).extensions([".tpl"]),
                Mount::new("e/", directory.join("empty")),
            ]
        });
        let remarks = site.status().remarks;
        assert_eq!(codes(&site), ["no-match"], "an empty directory leaves nothing out");
        assert!(
            remarks[0].message.contains("page.html") && remarks[0].to_string().contains("`tpl`"),
            "{}",
            remarks[0]
        );
        site.write("page.tpl", "a page");
        site.until("page.tpl", Some("a page"));
        super::wait_for(|| codes(&site).is_empty());
    }
}

#[test]
fn texts_are_decoded_alike() {
    everywhere(&[("a.html", "\u{feff}a\r\n"), ("log.html", "x")], |site| {
        site.expect("a.html", &[Some("a\r\n")]);
        let utf16: Vec<u8> = "<p>16</p>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        fs::write(site.path("a.html"), utf16).expect("written");
        site.until("a.html", Some("!not-utf8"));
        fs::write(site.path("a.html"), "\u{feff}again").expect("written");
        site.until("a.html", Some("again"));
        fs::write(site.path(".hotplateignore"), "\u{feff}log.html\r\n").expect("written");
        site.until("log.html", None);
    });
}

#[test]
fn an_invalid_rule_fails_the_start() {
    let root = tempfile::tempdir().expect("a directory");
    let rules = Rules {
        include: vec!["[z-a]".into()],
        ..Rules::default()
    };
    let error = Hotplate::builder()
        .root_with(root.path(), rules)
        .start()
        .expect_err("wrong");
    assert!(error.to_string().contains("[z-a]"), "{error}");
}

#[test]
fn rules_may_lower_the_size_limit() {
    for on in file_systems() {
        let site = Site::with(&on, WatchBy::Auto, |directory| {
            write(&directory.join("site/a.html"), "12345678901");
            let rules = Rules {
                bytes_max: Some(10),
                ..Rules::default()
            };
            vec![Mount::new("", directory.join("site")).rules(rules)]
        });
        site.expect("a.html", &[Some("!too-large")]);
        fs::write(site.path("a.html"), "1234567890").expect("written");
        site.until("a.html", Some("1234567890"));
    }
}

#[test]
fn a_hiding_file_reaches_the_callers() {
    let directory = tempfile::tempdir().expect("a directory");
    let own = directory.path().join("own");
    let base = directory.path().join("base");
    write(
        &own.join("page.html"),
        "[{{ call part.html with x }}|{{ call same.html with x }}]",
    );
    write(&base.join("part.html"), "base");
    symlink("part.html", base.join("same.html")).expect("linked");
    let hotplate = Hotplate::builder().root(&own).root(&base).start().expect("starts");
    let page = || {
        hotplate
            .render("page.html", &serde_json::json!({ "x": 1 }))
            .expect("renders")
            .body
    };
    let until = |text: &str| super::wait_for(|| page() == text);
    until("[base|base]");
    write(&own.join("part.html"), "own");
    until("[own|base]");
    write(&base.join("part.html"), "base 2");
    until("[own|base 2]");
    fs::remove_file(own.join("part.html")).expect("removed");
    until("[base 2|base 2]");
}

#[test]
fn a_start_loads_up_to_the_limit() {
    let directory = tempfile::tempdir().expect("a directory");
    for number in 0..700 {
        let path = directory.path().join(format!("{}/{number}.html", number % 3));
        write(&path, &format!("text {number}"));
    }
    for (most, taken) in [(40, 40), (600, 600), (699, 699), (700, 700), (1_000, 700)] {
        let limits = Limits {
            templates: most,
            ..Limits::default()
        };
        let mut loader = DirectoryLoader::new(vec![Mount::new("", directory.path())], &limits);
        let first = loader.sync(Depth::Afresh).expect("loads");
        assert_eq!(first.changed.len(), taken, "of at most {most}");
        for source in &first.changed {
            let number = source
                .key
                .as_str()
                .trim_end_matches(".html")
                .split_once('/')
                .expect("two parts")
                .1;
            assert_eq!(*source.text, format!("text {number}"));
        }
        let codes: Vec<_> = loader.status().remarks.iter().map(|remark| remark.code).collect();
        assert_eq!(codes.contains(&"too-many"), taken < 700, "of at most {most}: {codes:?}");
    }
}
