//! The promises of a loader by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;

use super::{Fixture, PATIENCE};
use crate::loader::{Changes, Depth, Hints, Loader, LoaderError};

/// The texts that a sequence of syncs has reported.
#[derive(Debug, Default)]
struct Reported(BTreeMap<String, String>);

impl Reported {
    fn take(&mut self, changes: &Changes) {
        assert!(
            changes.unreadable.is_empty(),
            "differences: all texts are readable: {:?}",
            changes.unreadable
        );
        if changes.complete {
            self.0.clear();
        }
        for key in &changes.removed {
            self.0.remove(key.name.as_str());
        }
        for source in &changes.changed {
            let name = source.key.name.as_str().to_owned();
            self.0.insert(name, source.text.to_string());
        }
    }
}

/// Names with their new texts, or without those of templates that are removed.
type Edits<'e> = &'e [(&'e str, Option<&'e str>)];

/// The texts that the source has.
type Texts = BTreeMap<String, String>;

fn edit(fixture: &mut dyn Fixture, texts: &mut Texts, edits: Edits<'_>) {
    fixture.edit(edits);
    for (name, text) in edits {
        match text {
            Some(text) => texts.insert((*name).to_owned(), (*text).to_owned()),
            None => texts.remove(*name),
        };
    }
}

fn names(texts: &Texts) -> Vec<&str> {
    texts.keys().map(String::as_str).collect()
}

/// Runs a loader in one runtime. The fixture runs outside of it, so that it may have a runtime of its own.
struct Driver(tokio::runtime::Runtime);

impl Driver {
    fn sync(&self, loader: &mut dyn Loader, depth: Depth) -> Result<Changes, LoaderError> {
        let synced = async { tokio::time::timeout(PATIENCE, loader.sync(depth)).await };
        self.0.block_on(synced).expect("differences: a sync ends")
    }

    /// Syncs, and checks that everything reported so far is what the source has.
    fn expect(&self, loader: &mut dyn Loader, depth: Depth, reported: &mut Reported, texts: &Texts, promise: &str) {
        let changes = self.sync(loader, depth);
        let changes = changes.unwrap_or_else(|error| panic!("{promise}: the sync fails: {error}"));
        reported.take(&changes);
        assert_eq!(
            names(&reported.0),
            names(texts),
            "{promise}: the names after a sync ({depth:?})"
        );
        for (name, text) in texts {
            assert!(reported.0[name] == *text, "{promise}: the text of `{name}` ({depth:?})");
        }
    }
}

pub(super) fn check(fixture: &mut dyn Fixture) {
    let driver = Driver(crate::supervision::runtime().expect("a runtime can be started"));
    let mut texts = Texts::new();
    edit(fixture, &mut texts, &[("a.html", Some("a")), ("b/c.html", Some("c"))]);
    differences(&driver, fixture, &mut texts);
    instances(&driver, fixture, &texts);
    hints(&driver, fixture, &mut texts);
    outage(&driver, fixture, &mut texts);
    let all: Vec<String> = texts.keys().cloned().collect();
    let all: Vec<(&str, Option<&str>)> = all.iter().map(|name| (name.as_str(), None)).collect();
    edit(fixture, &mut texts, &all);
    driver.0.shutdown_background();
}

fn differences(driver: &Driver, fixture: &mut dyn Fixture, texts: &mut Texts) {
    let mut loader = fixture.loader();
    let loader = &mut *loader;
    let mut reported = Reported::default();
    driver.expect(loader, Depth::Afresh, &mut reported, texts, "differences");
    driver.expect(loader, Depth::Everything, &mut reported, texts, "differences");
    let large = "0123456789 äöü 你好 🎉\r\n".repeat(4_000);
    let steps: [(&str, Edits<'_>); 6] = [
        ("differences", &[("a.html", Some("another a"))]),
        (
            "differences",
            &[("d.html", Some("new")), ("b/c.html", Some("another c"))],
        ),
        (
            "differences",
            &[
                ("large.html", Some(&large)),
                ("b/ä 你.html", Some("ünïcode")),
                ("empty.html", Some("")),
            ],
        ),
        ("deletions", &[("d.html", None), ("empty.html", None)]),
        ("deletions", &[("d.html", Some("back"))]),
        ("differences", &[("d.html", Some("kcab"))]),
    ];
    for (promise, edits) in steps {
        edit(fixture, texts, edits);
        // No hint was asked for, so all of them are lost.
        driver.expect(loader, Depth::Everything, &mut reported, texts, promise);
    }
    for depth in [Depth::Bytes, Depth::Everything, Depth::Afresh, Depth::Everything] {
        driver.expect(loader, depth, &mut reported, texts, "differences");
    }
    let anew = &mut Reported::default();
    driver.expect(
        loader,
        Depth::Afresh,
        anew,
        texts,
        "differences: everything is reported afresh",
    );
}

fn instances(driver: &Driver, fixture: &dyn Fixture, texts: &Texts) {
    let mut first = fixture.loader();
    let changes = driver.sync(&mut *first, Depth::Afresh).expect("instances: it loads");
    let keys: Vec<_> = changes.changed.iter().map(|source| source.key.clone()).collect();
    drop(first);
    let mut second = fixture.loader();
    second.restored(&keys);
    driver.expect(
        &mut *second,
        Depth::Afresh,
        &mut Reported::default(),
        texts,
        "instances",
    );
}

fn hints(driver: &Driver, fixture: &mut dyn Fixture, texts: &mut Texts) {
    if !fixture.gives_hints() {
        return;
    }
    let mut loader = fixture.loader();
    let loader = &mut *loader;
    let hinted = Arc::new(Notify::new());
    let hints = Arc::clone(&hinted);
    let watching = async { loader.watch(Hints::new(move || hints.notify_one())).await };
    driver.0.block_on(watching).expect("hints: it can watch");
    let mut reported = Reported::default();
    driver.expect(loader, Depth::Afresh, &mut reported, texts, "hints");
    for (name, text) in [("a.html", Some("hint")), ("e.html", Some("hint")), ("e.html", None)] {
        edit(fixture, texts, &[(name, text)]);
        let found = async {
            while reported.0.get(name).map(String::as_str) != text {
                hinted.notified().await;
                let changes = loader.sync(Depth::Hinted).await.expect("hints: it can be synced");
                reported.take(&changes);
            }
        };
        let found = driver.0.block_on(async { tokio::time::timeout(PATIENCE, found).await });
        found.unwrap_or_else(|_| panic!("hints: an edit of `{name}` leads to a hint, and is found"));
    }
}

fn outage(driver: &Driver, fixture: &mut dyn Fixture, texts: &mut Texts) {
    let mut loader = fixture.loader();
    let loader = &mut *loader;
    let mut reported = Reported::default();
    driver.expect(loader, Depth::Afresh, &mut reported, texts, "outage");
    edit(
        fixture,
        texts,
        &[("a.html", Some("before the outage")), ("f.html", Some("new"))],
    );
    if fixture.set_down(true) {
        for depth in [Depth::Everything, Depth::Hinted, Depth::Afresh] {
            match driver.sync(loader, depth) {
                // A loader need not ask the source for what nobody has hinted at.
                Ok(changes) if depth == Depth::Hinted => reported.take(&changes),
                Ok(_) => panic!("outage: a sync fails ({depth:?})"),
                Err(LoaderError::Absent(_)) => panic!("outage: a source that is down is not absent ({depth:?})"),
                Err(error) => assert!(!error.to_string().is_empty(), "outage: an error has a reason"),
            }
        }
        assert!(fixture.set_down(false), "recovery: the fixture can do both");
    }
    driver.expect(loader, Depth::Everything, &mut reported, texts, "recovery");
    edit(
        fixture,
        texts,
        &[("a.html", Some("after the outage")), ("f.html", None)],
    );
    driver.expect(loader, Depth::Everything, &mut reported, texts, "recovery");
}
