//! Versions of an earlier process, which are read from the store.

use std::fs;
use std::path::{Path, PathBuf};

use hotplate_actors::{Cause, Version};

use super::{Scene, block, body, durable, end, eventually};

#[test]
fn versions_of_an_earlier_process_are_listed_compared_and_rolled_back_to() {
    let scene = Scene::new(&[("page.html", "{{ call foot.html with page }}"), ("foot.html", "one")]);
    let hotplate = scene.start_keeping(16).expect("starts");
    let first = hotplate.snapshot();
    let (version, digest) = (first.version(), first.snapshot().digest());
    drop(first);
    scene.edit("foot.html", "two");
    scene.edit("more.html", "only here");
    let cause = Cause::by("alice").reason("a test");
    let reload = hotplate_actors::Reload::default();
    block(hotplate.commands().cause(cause).reload(reload)).expect("reloads");
    eventually("version 2 is durable", || {
        durable(&hotplate) == hotplate.snapshot().version()
    });
    scene.edit("foot.html", "bad {{ if");
    block(hotplate.reload()).expect("reloads");
    eventually("version 3 is durable", || {
        durable(&hotplate) == hotplate.snapshot().version()
    });
    scene.edit("foot.html", "four");
    fs::remove_file(scene.site().join("more.html")).expect("removed");
    block(hotplate.reload()).expect("reloads");
    end(hotplate);

    let hotplate = scene.start_keeping(16).expect("starts");
    eventually("everything is loaded", || {
        hotplate.health().store.expect("a store").not_loaded.is_empty()
    });
    let kept = block(hotplate.history()).expect("answered");
    let numbers = |kept: &hotplate_actors::messages::KeptVersions| -> Vec<u64> {
        kept.stored.iter().map(|stored| stored.version.number()).collect()
    };
    assert_eq!(numbers(&kept), [1, 2, 3]);
    let origin = kept.stored[1].origin.clone().expect("was stored");
    assert_eq!(
        (origin.cause.name(), origin.cause.why()),
        (Some("alice"), Some("a test"))
    );
    assert_eq!(kept.stored[0].digest, digest.to_string());

    // A name that this process has never seen, and a template that was stale.
    let compared = block(hotplate.compare(Version::from_number(2), hotplate.snapshot().version())).expect("compared");
    let names: Vec<String> = compared
        .differences()
        .iter()
        .map(|each| each.name.to_string())
        .collect();
    assert_eq!(names, ["foot.html", "more.html"]);
    block(hotplate.roll_back(Version::from_number(3))).expect("answered");
    assert_eq!(body(&hotplate, "page.html"), "two");
    assert_eq!(
        hotplate.not_current().len(),
        2,
        "foot.html is stale, and so is its page"
    );
    assert_eq!(body(&hotplate, "more.html"), "only here");
    // An edit of another template goes forward, and the versions that are not kept any more can be read again.
    scene.edit("other.html", "five");
    block(hotplate.reload()).expect("reloads");
    let answer = block(hotplate.roll_back(version)).expect("answered");
    assert_eq!(body(&hotplate, "page.html"), "one", "{answer:?}");
    assert_eq!(hotplate.snapshot().snapshot().digest(), digest);
    block(hotplate.resume()).expect("answered");
    assert_eq!(body(&hotplate, "page.html"), "four");
    assert_eq!(body(&hotplate, "other.html"), "five");

    // A version that was never published is not kept, and one that is damaged names its file.
    let missing = block(hotplate.compare(Version::from_number(77), version)).expect_err("was never published");
    assert!(missing.to_string().contains("77"), "{missing}");
    end(hotplate);
}

#[test]
fn a_damaged_stored_version_is_named_and_nothing_changes() {
    let scene = Scene::new(&[("page.html", "one")]);
    let hotplate = scene.started();
    scene.edit("page.html", "two");
    block(hotplate.reload()).expect("reloads");
    end(hotplate);
    let hotplate = scene.started();
    let blob = find_text(&scene.store().join("blobs"), "one").expect("is stored");
    fs::write(&blob, "onn").expect("written");
    let served = hotplate.snapshot().version();
    let refused = block(hotplate.roll_back(Version::from_number(1))).expect("answered");
    let hotplate_actors::messages::RolledBack::Refused(reason) = refused else {
        panic!("{refused:?}");
    };
    let file = blob.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(reason.contains(&file) && reason.contains("damaged"), "{reason}");
    let error = block(hotplate.compare(Version::from_number(1), served)).expect_err("is damaged");
    assert!(error.to_string().contains(&file), "{error}");
    assert_eq!(
        (hotplate.snapshot().version(), body(&hotplate, "page.html").as_str()),
        (served, "two")
    );
    end(hotplate);
}

/// Returns the file below a directory that has a text.
fn find_text(directory: &Path, text: &str) -> Option<PathBuf> {
    let paths = fs::read_dir(directory)
        .ok()?
        .map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.sort();
    paths.into_iter().find_map(|path| match path.is_dir() {
        true => find_text(&path, text),
        false => Some(path).filter(|path| fs::read_to_string(path).is_ok_and(|content| content == text)),
    })
}
