//! The promises of a loader within an engine.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::faulty::{FaultKind, Faulty, Switch};
use super::{Fixture, PATIENCE, run};
use crate::handle::{Builder, Hotplate};
use crate::limits::Limits;
use crate::loader::{BlockingLoader, Changes, Depth, Hints, Loader, LoaderError, MemoryLoader};

/// The texts of a loader of lower priority.
struct Lower(MemoryLoader);

impl BlockingLoader for Lower {
    fn describe(&self) -> String {
        "the loader of lower priority".into()
    }

    fn priority(&self) -> i32 {
        -1
    }

    fn watch(&mut self, hints: Hints) -> Result<(), LoaderError> {
        BlockingLoader::watch(&mut self.0, hints)
    }

    fn sync(&mut self, depth: Depth) -> Result<Changes, LoaderError> {
        BlockingLoader::sync(&mut self.0, depth)
    }
}

/// Returns the builder of an engine with the loader of lower priority.
fn builder() -> Builder {
    let texts = [("a.html", "lower a"), ("b.html", "lower b")];
    let lower = MemoryLoader::of(texts).expect("the names are valid");
    Hotplate::builder().loader(Lower(lower))
}

/// Returns what is served under a name.
fn served(hotplate: &Hotplate, name: &str) -> String {
    match hotplate.render(name, &()) {
        Ok(rendered) => rendered.body,
        Err(failure) => format!("no page: {failure}"),
    }
}

/// Reloads until the expected text is served.
fn expect(hotplate: &Hotplate, name: &str, text: &str, promise: &str) {
    let until = Instant::now() + PATIENCE;
    loop {
        // Its outcome may be a failure, which is what the suite waits for to end.
        let _ = run(hotplate.reload());
        let now = served(hotplate, name);
        if now == text {
            return;
        }
        assert!(
            Instant::now() < until,
            "{promise}: `{name}` is `{text}` and not `{now}`"
        );
        std::thread::yield_now();
    }
}

pub(super) fn check(fixture: &mut dyn Fixture) {
    precedence(fixture);
    start(fixture);
    for fault in [FaultKind::Panics, FaultKind::Waits, FaultKind::Blocks] {
        faults(fixture, fault);
    }
}

fn precedence(fixture: &mut dyn Fixture) {
    fixture.edit(&[("a.html", Some("upper a"))]);
    let hotplate = builder().loader(fixture.loader()).start();
    let hotplate = hotplate.unwrap_or_else(|error| panic!("priority: the engine starts: {error}"));
    assert_eq!(served(&hotplate, "a.html"), "upper a", "priority");
    assert_eq!(
        served(&hotplate, "b.html"),
        "lower b",
        "priority: other names are those of lower loaders"
    );
    fixture.edit(&[("b.html", Some("upper b"))]);
    expect(&hotplate, "b.html", "upper b", "priority");
    if fixture.set_down(true) {
        let _ = run(hotplate.reload());
        let _ = run(hotplate.reload_full());
        assert_eq!(
            served(&hotplate, "a.html"),
            "upper a",
            "outage: the last texts are still served"
        );
        assert!(fixture.set_down(false), "recovery: the fixture can do both");
    }
    fixture.edit(&[("a.html", Some("newer a")), ("b.html", None)]);
    expect(&hotplate, "a.html", "newer a", "recovery");
    expect(&hotplate, "b.html", "lower b", "fall-through");
    stop(&hotplate);
}

fn start(fixture: &mut dyn Fixture) {
    fixture.edit(&[("a.html", Some("upper a"))]);
    if !fixture.set_down(true) {
        return;
    }
    let started = builder().loader(fixture.loader()).start();
    if let Ok(hotplate) = &started {
        let a = served(hotplate, "a.html");
        assert_ne!(
            a, "lower a",
            "start: no lower text is served for one of a source that is down"
        );
    }
    assert!(fixture.set_down(false), "recovery: the fixture can do both");
    if let Ok(hotplate) = started {
        expect(
            &hotplate,
            "a.html",
            "upper a",
            "start: the source is loaded when it is back",
        );
        expect(
            &hotplate,
            "b.html",
            "lower b",
            "start: then other names are those of lower loaders",
        );
        stop(&hotplate);
    }
}

fn faults(fixture: &mut dyn Fixture, fault: FaultKind) {
    fixture.edit(&[("a.html", Some("before"))]);
    let switch = Switch::new();
    let limits = Limits {
        sync_ms: 1_000,
        ..Limits::default()
    };
    // The factory makes all loaders here, where the fixture can be borrowed.
    let spare: Vec<Box<dyn Loader>> = (0..16).map(|_| fixture.loader()).collect();
    let (spare, of_factory) = (Arc::new(Mutex::new(spare)), switch.clone());
    let create = move || {
        let loader = spare.lock().expect("no panic").pop();
        Faulty::new(loader.expect("enough loaders"), &of_factory)
    };
    let hotplate = builder().limits(limits).loader_with(create).start();
    let hotplate = hotplate.unwrap_or_else(|error| panic!("{fault:?}: the engine starts: {error}"));
    assert_eq!(served(&hotplate, "a.html"), "before", "{fault:?}");
    switch.fail(fault);
    fixture.edit(&[("a.html", Some("after"))]);
    expect(&hotplate, "a.html", "after", "hang, panic: the loader is replaced");
    let health = hotplate.health();
    let loader = &health.loaders[0];
    assert!(loader.replaced >= 1, "hang, panic: {loader:?}");
    assert_eq!(served(&hotplate, "b.html"), "lower b", "{fault:?}");
    drop(switch);
    stop(&hotplate);
}

fn stop(hotplate: &Hotplate) {
    run(hotplate.shutdown(PATIENCE));
}
