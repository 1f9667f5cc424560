//! Tests of the store: what every crash, failure and damage leaves.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{Files, SystemFiles};
use super::inspection::{INSPECTED, READ_IN_CHECK, READ_WITH_VERSION};
use super::simulated::{Dice, SimulatedFiles};
use super::version::{SharedText, StoredBody, StoredClass, StoredHold, StoredLanguage, StoredText, StoredVersion};
use super::{Store, StoreError};
use crate::cause::Cause;
use crate::template::{Source, TemplateName};
use crate::version::Version;

const DIRECTORY: &str = "/store";
const KEEP: usize = 3;

fn store(files: &impl IntoFiles) -> Store {
    store_of(files, &["/site"])
}

fn store_of(files: &impl IntoFiles, sources: &[&str]) -> Store {
    let sources = sources.iter().map(|source| (*source).to_owned()).collect();
    Store::new(DIRECTORY.into(), files.files(), KEEP, sources)
}

trait IntoFiles {
    fn files(&self) -> Arc<dyn Files>;
}

impl IntoFiles for SimulatedFiles {
    fn files(&self) -> Arc<dyn Files> {
        Arc::new(self.clone())
    }
}

fn text(name: &str, text: &str) -> StoredText {
    let source = Source::new(TemplateName::new(name).expect("valid"), text);
    // A text of a lenient root with a dialect, whose digest has two marks.
    let is_marked = name == "partial.html";
    let source = if is_marked {
        source.lenient().in_dialect("jinja")
    } else {
        source
    };
    let language = StoredLanguage {
        dialect: source.dialect.unwrap_or("tiny").into(),
        missing: source.missing,
        root: source.dialect.map(Into::into),
    };
    StoredText {
        name: source.key.name,
        body: StoredBody::Text(source.digest, SharedText::Plain(source.text), language),
    }
}

/// Returns a version: a page that changes each time, one that changes each second time, one that never changes, and from the third
/// version on a stale page.
pub(super) fn version(number: u64) -> StoredVersion {
    let page = text("page.html", &format!("page {number}"));
    let partial = text("partial.html", &format!("partial {}", number / 2));
    let unreadable = StoredText {
        name: TemplateName::new("secret.html").expect("valid"),
        body: StoredBody::Unreadable("permission denied".into()),
    };
    let stale = (number >= 3).then(|| StoredClass {
        since: Version::from_number(2),
        templates: vec![TemplateName::new("page.html").expect("valid")],
        members: vec![text("page.html", "page 2"), text("partial.html", "partial 1")],
    });
    let held = (number >= 4).then(|| StoredHold {
        name: TemplateName::new("partial.html").expect("valid"),
        served: Some(text("partial.html", "partial 0").body),
        rejected: Some(crate::template::Digest::of(b"rejected")),
        since: Version::from_number(4),
        cause: Cause::by("alice").reason("the prices are wrong"),
    });
    StoredVersion {
        version: Version::from_number(number),
        digest: format!("digest {number}"),
        loaders: vec![vec![page, partial, text("same.html", "same")], vec![unreadable]],
        stale: stale.into_iter().collect(),
        held: held.into_iter().collect(),
        origin: None,
    }
}

/// Returns everything of a version that is not its number, to be compared.
pub(super) fn content(version: &StoredVersion) -> String {
    let mut sorted = version.clone();
    sorted.sort();
    format!(
        "{} {:?} {:?} {:?}",
        sorted.digest, sorted.loaders, sorted.stale, sorted.held
    )
}

/// Opens a store, and returns the number of the version that is found. Panics if it is none that was written.
fn opened(files: &SimulatedFiles) -> u64 {
    let opened = store(files).open().expect("it opens");
    let Some(found) = opened.version else { return 0 };
    let number = found.version.number();
    assert_eq!(content(&found), content(&version(number)), "version {number} is whole");
    number
}

/// Writes the versions 1 to 6 until a step fails, and returns the last one that was acknowledged.
fn write_all(files: &SimulatedFiles) -> u64 {
    let mut store = store(files);
    let written = (1..=6).take_while(|number| store.write(version(*number)).is_ok());
    written.last().unwrap_or_default()
}

#[test]
fn a_version_comes_back_as_it_was() {
    let files = SimulatedFiles::new();
    assert_eq!(opened(&files), 0, "an empty store");
    let mut store = store(&files);
    for number in 1..=6 {
        assert!(store.write(version(number)).expect("writes"));
        assert_eq!(opened(&files), number);
        assert!(!store.write(version(number)).expect("writes"), "nothing has changed");
    }
    // Version 6 was the same for an earlier process, and its number is taken.
    let mut again = super::tests::store(&files);
    let mut changed = version(6);
    changed.digest = "another".into();
    assert!(again.write(changed).expect("writes"));
    let found = again.open().expect("opens").version.expect("a version");
    assert_eq!((found.version.number(), found.digest.as_str()), (7, "another"));
}

#[test]
fn every_crash_leaves_a_version_that_was_published() {
    let files = SimulatedFiles::new();
    assert_eq!(write_all(&files), 6);
    let steps = files.steps();
    let mut crashes = 0;
    for step in 0..steps {
        let files = SimulatedFiles::new();
        files.stop_after(step);
        let acknowledged = write_all(&files);
        let mut dice = Dice::new(step as u64);
        let losses: Vec<SimulatedFiles> = (0..8).map(|_| files.after_power_loss(&mut dice)).collect();
        for found in losses.into_iter().chain([files.after_kill()]) {
            crashes += 1;
            let number = opened(&found);
            assert!(
                number == acknowledged || number == acknowledged + 1,
                "version {acknowledged} was acknowledged, and {number} is found after step {step}"
            );
            // A version that was acknowledged is not lost with the pointers, whatever the crash has left of them.
            for damaged in [&["CURRENT"][..], &["PREVIOUS"], &["CURRENT", "PREVIOUS"]] {
                let found = found.after_kill();
                let there = found.all();
                let paths = damaged.iter().map(|name| Path::new(DIRECTORY).join(name));
                for path in paths.filter(|path| there.contains(path)) {
                    found.damage(&path, |content| content.truncate(content.len() / 2));
                }
                let number = opened(&found);
                assert!(
                    number == acknowledged || number == acknowledged + 1,
                    "version {acknowledged} was acknowledged, and {number} is found without {damaged:?} after step {step}"
                );
            }
            // The next process goes on, and nothing is left over.
            let mut next = store(&found);
            next.open().expect("opens");
            for number in 7..=9 {
                next.write(version(number)).expect("writes");
                assert_eq!(opened(&found), number);
            }
            assert_eq!(found.all(), expected_names(), "after step {step}");
        }
    }
    assert!(crashes >= 500, "{crashes} crashes");
}

/// Returns the files of a store that has the versions 7 to 9.
fn expected_names() -> Vec<PathBuf> {
    let files = SimulatedFiles::new();
    let mut store = store(&files);
    (7..=9).for_each(|number| assert!(store.write(version(number)).expect("writes")));
    files.all()
}

#[test]
fn every_failure_leaves_the_last_version_and_the_next_one_is_written() {
    let files = SimulatedFiles::new();
    write_all(&files);
    let steps = files.steps();
    for step in 0..steps {
        for error in [ErrorKind::StorageFull, ErrorKind::ReadOnlyFilesystem] {
            let files = SimulatedFiles::new();
            files.fail_after(step, error);
            let mut store = store(&files);
            let mut last = 0;
            let mut failures = 0;
            for number in 1..=6 {
                match store.write(version(number)) {
                    Ok(_) => last = number,
                    Err(failed) => {
                        failures += 1;
                        let said = failed.to_string();
                        assert!(said.starts_with("cannot"), "{said}");
                        assert!(opened(&files) >= last, "after step {step}");
                    }
                }
            }
            assert!(failures <= 1 && last >= 5, "after step {step}");
            assert!(opened(&files) >= last);
        }
    }
}

#[test]
fn a_flipped_byte_anywhere_is_noticed() {
    let pristine = SimulatedFiles::new();
    write_all(&pristine);
    for path in pristine.all().into_iter().filter(|path| !path.ends_with("LOCK")) {
        let length = pristine.read(&path, u64::MAX).expect("reads").len();
        for at in 0..length {
            let files = pristine.after_kill();
            files.damage(&path, |content| content[at] ^= 1);
            check_damaged(&files, &path);
        }
        for end in [0, 1, length / 2, length - 1] {
            let files = pristine.after_kill();
            files.damage(&path, |content| content.truncate(end));
            check_damaged(&files, &path);
        }
    }
}

/// Checks that a damaged store opens with a version that was written, or with an error that names a file, and can be written to.
fn check_damaged(files: &SimulatedFiles, damaged: &Path) {
    let mut store = store(files);
    match store.open() {
        Ok(found) => {
            let number = opened(files);
            let is_shared = damaged.starts_with("/store/blobs") && number == 0;
            assert!(number >= 4 || is_shared, "without {}: {number}", damaged.display());
            // A manifest is whole without its pointers, so the last version is served.
            let is_pointer = damaged.ends_with("CURRENT") || damaged.ends_with("PREVIOUS");
            assert!(!is_pointer || number == 6, "without {}: {number}", damaged.display());
            assert!(
                !is_pointer || !found.problems.is_empty(),
                "{} is named",
                damaged.display()
            );
            let is_used = number < 6;
            assert!(!is_used || !found.problems.is_empty(), "{} is named", damaged.display());
            store.write(version(7)).expect("writes");
            assert_eq!(opened(files), 7);
            // What was damaged is whole again once a version needs it.
            assert!(super::tests::store(files).open().expect("opens").problems.is_empty());
        }
        Err(error) => {
            assert!(damaged.ends_with("STORE"), "{}: {error}", damaged.display());
            let error = error.to_string();
            assert!(error.contains("STORE"), "{error}");
            let is_advised = error.contains("remove it if") || error.contains("use the program that wrote it");
            assert!(is_advised, "{error}");
            // And that is enough.
            files.remove(damaged).expect("removes");
            assert_eq!(opened(files), 6);
            super::tests::store(files).write(version(7)).expect("writes");
            assert_eq!(opened(files), 7);
        }
    }
}

#[test]
fn other_formats_and_other_sources_are_refused() {
    let files = SimulatedFiles::new();
    write_all(&files);
    let before = files.all();
    let mut other = store_of(&files, &["/elsewhere"]);
    let refused = other.open().expect_err("another source").to_string();
    for part in ["/site", "/elsewhere", DIRECTORY, "another directory"] {
        assert!(refused.contains(part), "{refused}");
    }
    assert!(matches!(other.write(version(9)), Err(StoreError::OtherSources { .. })));
    let newer = b"hotplate store 2\n/site\n".to_vec();
    files.damage(Path::new("/store/STORE"), |content| *content = newer);
    for result in [
        store(&files).open().map(|_| ()),
        store(&files).write(version(9)).map(|_| ()),
    ] {
        let refused = result.expect_err("a newer format").to_string();
        assert!(
            refused.contains("format 2") && refused.contains("format 1"),
            "{refused}"
        );
    }
    assert_eq!(files.all(), before, "nothing was written");

    // Templates that have moved: the operator removes the file.
    files.remove(Path::new("/store/STORE")).expect("removes");
    let mut moved = store_of(&files, &["/elsewhere"]);
    assert_eq!(
        moved
            .open()
            .expect("opens")
            .version
            .expect("a version")
            .version
            .number(),
        6
    );
    moved.write(version(7)).expect("writes");
    assert!(matches!(store(&files).open(), Err(StoreError::OtherSources { .. })));
}

#[test]
fn two_processes_share_a_store() {
    let files = SimulatedFiles::new();
    let (mut one, mut two) = (store(&files), store(&files));
    let mut last = BTreeMap::new();
    for round in 1..=10 {
        // Both publish the same edit, and now and then an edit of their own.
        let mut own = version(round);
        own.digest = format!("of one {round}");
        one.write(own).expect("writes");
        two.write(version(round)).expect("writes");
        let found = store(&files).open().expect("opens").version.expect("a version");
        assert_eq!(
            content(&found),
            content(&version(round)),
            "the last one that was acknowledged"
        );
        last.insert(found.version.number(), round);
    }
    assert_eq!(last.len(), 10, "each has a number of its own");
    let manifests = files.list(Path::new("/store/manifests")).expect("lists");
    assert_eq!(manifests.len(), KEEP);
}

#[test]
fn a_text_that_disappears_while_the_process_runs_is_written_again() {
    const TEXTS: usize = INSPECTED * 2 + 1;
    type Damage = dyn Fn(&SimulatedFiles, &Path);
    let many = |number: u64| {
        let texts = (0..TEXTS).map(|at| text(&format!("{at:04}.html"), &format!("text {at}")));
        StoredVersion {
            loaders: vec![texts.collect()],
            stale: Vec::new(),
            held: Vec::new(),
            ..version(number)
        }
    };
    let damages: [(&str, &Damage); 2] = [
        ("removed", &|files, path| files.remove(path).expect("removes")),
        ("cut", &|files, path| files.damage(path, |content| content.truncate(3))),
    ];
    for (case, damage) in damages {
        let files = SimulatedFiles::new();
        let mut store = store(&files);
        store.write(many(1)).expect("writes");
        assert!(store.take_found().is_empty());
        for path in files.all().iter().filter(|path| path.starts_with("/store/blobs")) {
            damage(&files, path);
        }
        // A bounded number with each version, until all are whole.
        let found: Vec<usize> = (2..=4)
            .map(|number| {
                store.write(many(number)).expect("writes");
                store.take_found().len()
            })
            .collect();
        // The turn of the first 64 was with the version that wrote them, and reading finds others before their turn.
        assert_eq!(found.iter().sum::<usize>(), TEXTS, "{case}");
        assert!(
            found.iter().all(|found| *found <= INSPECTED + READ_WITH_VERSION.texts),
            "{case}: {found:?}"
        );
        let opened = super::tests::store(&files).open().expect("opens");
        assert_eq!(opened.version.expect("a version").version.number(), 4, "{case}");
        assert!(opened.problems.is_empty(), "{case}");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_file_is_damage() {
    let StoredBody::Text(digest, ..) = text("same.html", "same").body else {
        panic!("a text");
    };
    let blob = super::text_path(Path::new(""), &digest);
    for file in [
        "CURRENT",
        "PREVIOUS",
        "manifests/3",
        &*blob.to_string_lossy(),
        "STORE",
        "LOCK",
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("store");
        let store = || Store::new(path.clone(), Arc::new(SystemFiles), KEEP, vec!["/site".into()]);
        (1..=3).for_each(|number| assert!(store().write(version(number)).expect("writes")));
        std::fs::remove_file(path.join(file)).expect("removes");
        pipe(&path.join(file));
        let said = match (store().open(), store().write(version(9))) {
            (Ok(opened), Ok(_)) => opened.problems.concat(),
            (Ok(_), Err(error)) | (Err(error), _) => error.to_string(),
        };
        assert!(
            said.contains(file) && said.contains("not a regular file"),
            "{file}: {said}"
        );
    }
}

#[cfg(unix)]
fn pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.expect("`mkfifo` of the system").success());
}

#[test]
fn a_lock_that_is_held_is_an_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let held = SystemFiles.try_lock(&directory.path().join("LOCK")).expect("locks");
    assert!(held.is_some());
    assert!(
        SystemFiles
            .try_lock(&directory.path().join("LOCK"))
            .expect("asks")
            .is_none()
    );
    drop(held);
    assert!(
        SystemFiles
            .try_lock(&directory.path().join("LOCK"))
            .expect("asks")
            .is_some()
    );
}

#[test]
fn a_thousand_versions_leave_as_many_files_as_ten() {
    let count = |versions: u64| {
        let files = SimulatedFiles::new();
        let mut store = Store::new(DIRECTORY.into(), Arc::new(files.clone()), KEEP, Vec::new());
        (1..=versions).for_each(|number| assert!(store.write(version(number)).expect("writes")));
        files.all().len()
    };
    assert_eq!(count(11), count(1_001));
}

#[test]
fn a_text_that_was_changed_without_another_length_is_found_and_written_again() {
    const TEXTS: usize = READ_IN_CHECK.texts * 2 + 1;
    let many = |number: u64| {
        let texts = (0..TEXTS).map(|at| text(&format!("{at:04}.html"), &format!("text {at}")));
        StoredVersion {
            loaders: vec![texts.collect()],
            stale: Vec::new(),
            held: Vec::new(),
            ..version(number)
        }
    };
    let files = SimulatedFiles::new();
    let mut store = store(&files);
    store.write(many(1)).expect("writes");
    let mut damaged = 0;
    for path in files.all().iter().filter(|path| path.starts_with("/store/blobs")) {
        files.damage(path, |content| content[0] ^= 1);
        damaged += 1;
    }
    assert_eq!(damaged, TEXTS);
    // A check while nothing is published reads a bounded number, and a version fewer.
    let mut found = Vec::new();
    for _ in 0..2 {
        assert!(!store.write(many(1)).expect("checks"));
        found.push(store.take_found());
    }
    // The version that wrote them has counted the first ones as read, so their turn comes last.
    store.write(many(2)).expect("writes");
    found.push(store.take_found());
    let counts: Vec<usize> = found.iter().map(Vec::len).collect();
    assert_eq!(
        counts,
        [
            READ_IN_CHECK.texts,
            TEXTS - READ_IN_CHECK.texts - READ_WITH_VERSION.texts,
            READ_WITH_VERSION.texts
        ]
    );
    assert!(
        found[2][0].contains("`0000.html`") && found[2][0].contains("another content"),
        "{}",
        found[2][0]
    );
    let opened = super::tests::store(&files).open().expect("opens");
    assert_eq!(opened.version.expect("a version").version.number(), 2);
    assert!(opened.problems.is_empty(), "{:?}", opened.problems);
}
