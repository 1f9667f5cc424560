//! Deployments: the ways in which templates reach a machine in production.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use hotplate_actors::{Mount, WatchBy};

use super::{Site, file_systems, write};

/// Updates a volume as a kubelet does (its `AtomicWriter`): each version has a directory, `..data` leads to it, and the visible names
/// lead through `..data`.
fn mount(volume: &Path, version: &str, files: &[(&str, &str)]) {
    let directory = format!("..{version}");
    for (name, text) in files {
        write(&volume.join(&directory).join(name), text);
    }
    let before = fs::read_link(volume.join("..data")).ok();
    symlink(&directory, volume.join("..data_tmp")).expect("linked");
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).expect("renamed");
    for (name, _) in files {
        let top = name.split('/').next().expect("a name");
        if fs::symlink_metadata(volume.join(top)).is_err() {
            symlink(Path::new("..data").join(top), volume.join(top)).expect("linked");
        }
    }
    for entry in fs::read_dir(volume).expect("a directory") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_str().expect("UTF-8");
        if !name.starts_with("..") && fs::metadata(volume.join(name)).is_err() {
            fs::remove_file(volume.join(name)).expect("removed");
        }
    }
    if let Some(before) = before {
        fs::remove_dir_all(volume.join(before)).expect("removed");
    }
}

#[test]
fn a_config_map_is_swapped_as_one() {
    for on in file_systems() {
        for by in [WatchBy::Auto, WatchBy::Recursive, WatchBy::Poll] {
            let site = Site::with(&on, by, |directory| {
                fs::create_dir(directory.join("site")).expect("created");
                mount(
                    &directory.join("site"),
                    "v1",
                    &[("a.html", "1"), ("b.html", "1"), ("gone.html", "1")],
                );
                vec![Mount::new("", directory.join("site"))]
            });
            assert_eq!(site.sync().len(), 3);
            for version in 2..6 {
                let batches = site.batches();
                let text = version.to_string();
                mount(
                    &site.root,
                    &format!("v{version}"),
                    &[("a.html", &text), ("b.html", &text)],
                );
                site.until("a.html", Some(&text));
                site.until("b.html", Some(&text));
                site.until("gone.html", None);
                site.sync();
                if version > 2 && site.is_native() {
                    assert_eq!(site.batches(), batches + 1, "one swap is one batch");
                }
            }
            site.expect("a.html", &["1", "2", "3", "4", "5"].map(Some));
            assert!(!site.story("b.html").contains(&None));
        }
    }
}

#[test]
fn blue_and_green() {
    for on in file_systems() {
        for by in [WatchBy::Auto, WatchBy::Recursive, WatchBy::Poll] {
            let site = Site::with(&on, by, |directory| {
                write(&directory.join("blue/a.html"), "blue");
                write(&directory.join("green/a.html"), "green");
                symlink("blue", directory.join("site")).expect("linked");
                vec![Mount::new("", directory.join("site"))]
            });
            for (colour, now) in [("green", "green"), ("blue", "blue"), ("green", "green")] {
                symlink(colour, site.beside("next")).expect("linked");
                fs::rename(site.beside("next"), site.beside("site")).expect("renamed");
                site.until("a.html", Some(now));
            }
            fs::write(site.beside("green/a.html"), "greener").expect("written");
            site.until("a.html", Some("greener"));
            fs::write(site.beside("blue/a.html"), "bluer").expect("written");
            site.expect("a.html", &["blue", "green", "blue", "green", "greener"].map(Some));
        }
    }
}

#[test]
fn the_link_to_the_root_may_be_missing_for_a_while() {
    for on in file_systems() {
        let site = Site::with(&on, WatchBy::Auto, |directory| {
            write(&directory.join("blue/a.html"), "blue");
            write(&directory.join("green/a.html"), "green");
            symlink("blue", directory.join("site")).expect("linked");
            vec![Mount::new("", directory.join("site"))]
        });
        fs::remove_file(site.beside("site")).expect("removed");
        assert_eq!(site.sync().len(), 1, "what was there stays");
        symlink("green", site.beside("site")).expect("linked");
        site.until("a.html", Some("green"));
        site.expect("a.html", &[Some("blue"), Some("green")]);
    }
}

#[test]
fn data_that_comes_later_is_followed() {
    for on in file_systems() {
        let site = Site::with(&on, WatchBy::Auto, |directory| {
            write(&directory.join("site/a.html"), "a");
            vec![
                Mount::new("", directory.join("site")),
                Mount::new("data:", directory.join("more/data")).extensions(["json"]),
            ]
        });
        write(&site.beside("more/data/a.json"), "{}");
        site.until("data:a.json", Some("{}"));
        fs::write(site.beside("more/data/a.json"), "{\"x\":1}").expect("written");
        site.until("data:a.json", Some("{\"x\":1}"));
    }
}
