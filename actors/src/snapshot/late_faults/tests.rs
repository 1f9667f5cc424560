use super::*;
use crate::testing::name;

const SECOND: Duration = Duration::from_secs(1);
const ROOM: LateFaultLimits = LateFaultLimits {
    templates: 2,
    each: 2,
    bytes: usize::MAX,
};

fn id(number: u32) -> TemplateId {
    TemplateId::new(number)
}

fn digest(text: &str) -> Digest {
    Digest::over([text.as_bytes()])
}

fn version(number: u64) -> Version {
    Version::from_number(number)
}

fn failure(template: &str, closure: &str, code: &'static str, at: Instant) -> Failure {
    let why = Why {
        diagnostics: Arc::new([Diagnostic::error(code, "m")]),
        cause: name("part.html"),
    };
    Failure {
        template: name(template),
        version: version(1),
        serving: Serving::Failure,
        why: Arc::new(why),
        at,
        closure: digest(closure),
    }
}

fn names(list: &[TemplateName]) -> Vec<&str> {
    list.iter().map(TemplateName::as_str).collect()
}

fn failing(faults: &LateFaults) -> Vec<String> {
    faults
        .all()
        .iter()
        .map(|(_, fault)| fault.template.to_string())
        .collect()
}

#[test]
fn a_fault_is_new_once() {
    let (faults, now) = (LateFaults::default(), Instant::now());
    for (number, template, code, for_template, for_all) in [
        (1, "a.html", "x", true, true),
        (1, "a.html", "x", false, false),
        (1, "a.html", "y", true, true),
        (2, "b.html", "x", true, false),
        (2, "b.html", "x", false, false),
        // The limit of faults of one template is reached.
        (1, "a.html", "z", false, false),
    ] {
        let change = faults.failed(id(number), &failure(template, "1", code, now), ROOM);
        assert_eq!(change, FaultChange { for_template, for_all }, "{template} {code}");
    }
    assert_eq!(faults.of(id(1), || None).map(|_| ()), None);
    let known = faults.of(id(1), || Some(digest("1")));
    assert_eq!(known.expect("is known").whys.len(), 2);
}

#[test]
fn faults_are_bounded_by_the_bytes_of_their_texts() {
    let (faults, now) = (LateFaults::default(), Instant::now());
    let one = failure("a.html", "1", "x", now)
        .why
        .diagnostics
        .iter()
        .map(Diagnostic::bytes)
        .sum::<usize>();
    let limits = LateFaultLimits {
        templates: 100,
        each: 100,
        bytes: 3 * one,
    };
    let add = |number: u32, template: &str, code: &'static str| {
        faults.failed(id(number), &failure(template, "1", code, now + SECOND * number), limits);
    };
    let known = || {
        let all = faults.all().into_iter();
        all.map(|(_, fault)| (fault.template.to_string(), fault.whys.len()))
            .collect::<Vec<_>>()
    };
    let of = |template: &str, whys: usize| (template.to_owned(), whys);
    add(1, "a.html", "x");
    add(2, "b.html", "x");
    add(2, "b.html", "y");
    assert_eq!(known(), [of("a.html", 1), of("b.html", 2)], "exactly at the limit");
    add(3, "c.html", "x");
    assert_eq!(known(), [of("b.html", 2), of("c.html", 1)]);
    for code in ["y", "z", "one too many"] {
        add(3, "c.html", code);
    }
    assert_eq!(known(), [of("c.html", 3)]);
}

#[test]
fn fixed_faults_are_dropped_first_and_then_the_oldest() {
    let (faults, now) = (LateFaults::default(), Instant::now());
    let fail = |number: u32, template| {
        let at = now + SECOND * number;
        faults.failed(id(number), &failure(template, "1", "x", at), ROOM);
    };
    fail(0, "a.html");
    fail(1, "b.html");
    fail(2, "c.html");
    assert_eq!(failing(&faults), ["b.html", "c.html"]);
    assert_eq!(
        [0, 1, 2].map(|number| faults.may_watch(id(number))),
        [false, true, true]
    );
    faults.settle(version(2), |which| Some(digest(if which == id(2) { "2" } else { "1" })));
    assert!(faults.succeeded(id(2), version(2), true, now));
    fail(3, "d.html");
    assert_eq!(failing(&faults), ["b.html", "d.html"]);
    assert_eq!(faults.last_failure(id(2)).map(|_| ()), None);
}

/// Checks what is reported of a template that failed: its text changed, the new text was rendered successfully, it was removed.
#[test]
fn a_success_of_the_newest_text_fixes_it() {
    enum Step {
        /// A version serves these texts of `a` and `b`. The lists are the expected report: changed, fixed, removed.
        Publish(u64, [Option<&'static str>; 2], [&'static [&'static str]; 3]),
        /// A success of `a` (0) or `b` (1) in a version, of its newest text or not, and the expected answer.
        Well(u32, u64, bool, bool),
        Fail(u32, &'static str),
    }
    use Step::{Fail, Publish, Well};
    let both = [Some("1"), Some("1")];
    let tables: [&[Step]; 6] = [
        // A success of the same text with other data ends nothing.
        &[Well(0, 1, true, false), Publish(2, both, [&[], &[], &[]])],
        &[
            Publish(2, [Some("2"), None], [&["a"], &[], &["b"]]),
            Well(0, 1, true, false),
            Well(0, 2, false, false),
            Well(0, 2, true, true),
            Well(0, 2, true, false),
            Publish(3, [Some("3"), None], [&[], &[], &[]]),
        ],
        // It changes twice: only a success of the last text fixes it, and the change is reported once.
        &[
            Publish(2, [Some("2"), Some("1")], [&["a"], &[], &[]]),
            Publish(3, [Some("3"), Some("1")], [&[], &[], &[]]),
            Well(0, 2, true, false),
            Publish(4, [Some("3"), Some("1")], [&[], &[], &[]]),
            Well(0, 4, true, true),
        ],
        // The new text fails as well.
        &[
            Publish(2, [Some("2"), Some("1")], [&["a"], &[], &[]]),
            Fail(0, "2"),
            Well(0, 2, true, false),
            Publish(3, [Some("3"), Some("1")], [&["a"], &[], &[]]),
            Well(0, 3, true, true),
        ],
        // It was rendered between the swap and `settle`.
        &[
            Well(0, 2, true, false),
            Publish(2, [Some("2"), Some("1")], [&[], &["a"], &[]]),
            Well(0, 2, true, false),
        ],
        &[
            Publish(2, [Some("2"), Some("2")], [&["a", "b"], &[], &[]]),
            Publish(3, [None, Some("2")], [&[], &[], &["a"]]),
            Well(1, 3, true, true),
        ],
    ];
    for (table, steps) in tables.into_iter().enumerate() {
        let (faults, now) = (LateFaults::default(), Instant::now());
        for (number, template) in ["a", "b"].into_iter().enumerate() {
            faults.failed(id(number as u32), &failure(template, "1", "x", now), ROOM);
        }
        for (number, step) in steps.iter().enumerate() {
            match step {
                Publish(number_of, texts, told) => {
                    let settled = faults.settle(version(*number_of), |id| texts[id.index()].map(digest));
                    let is = [&settled.changed, &settled.fixed, &settled.removed].map(|list| names(list));
                    assert_eq!(is, told.map(<[_]>::to_vec), "table {table}, step {number}");
                }
                Well(which, of, is_current, is_first) => {
                    let is = faults.succeeded(id(*which), version(*of), *is_current, now);
                    assert_eq!(is, *is_first, "table {table}, step {number}");
                }
                Fail(which, text) => {
                    let failure = Failure {
                        version: version(2),
                        ..failure("a", text, "x", now)
                    };
                    let change = faults.failed(id(*which), &failure, ROOM);
                    assert!(change.for_template, "table {table}, step {number}");
                }
            }
        }
        // Only templates with a failing or changed record are watched.
        let known = faults.known.load();
        let watched = |number| known.get(&id(number)).is_some_and(|record| record.is_watched());
        for number in 0..2 {
            assert_eq!(faults.may_watch(id(number)), watched(number), "table {table}");
        }
    }
}

/// Checks the rule of the later second for each template by itself, also if ids share a counter.
#[test]
fn a_fault_lasts_until_a_success_in_a_later_second() {
    let (faults, began) = (LateFaults::default(), Instant::now() + SECOND);
    let ids = [1_u32, 2_000_000, 3_000_000, u32::MAX - 1].map(id);
    let limits = LateFaultLimits { templates: 4, ..ROOM };
    for id in ids {
        faults.failed(id, &failure("a.html", "1", "x", began), limits);
    }
    let still = |which| faults.of(which, || Some(digest("1"))).map(|fault| fault.still_fails);
    for (number, id) in ids.into_iter().enumerate() {
        faults.succeeded(id, version(1), true, began);
        let failing = ids.map(still).iter().filter(|still| **still == Some(true)).count();
        assert_eq!(failing, ids.len() - number, "within the second");
        faults.succeeded(id, version(1), true, began + 2 * SECOND);
        let failing = ids.map(still).iter().filter(|still| **still == Some(true)).count();
        assert_eq!(failing, ids.len() - number - 1, "only the one that was rendered");
    }
    faults.failed(ids[0], &failure("a.html", "1", "x", began + 3 * SECOND), limits);
    assert_eq!(still(ids[0]), Some(true));
}

/// Checks with several threads that each change is reported to exactly one of them, and that all counters return to zero.
#[test]
fn concurrent_renders_report_each_change_once() {
    let (faults, now) = (LateFaults::default(), Instant::now());
    let limits = LateFaultLimits { templates: 64, ..ROOM };
    for round in 1..=20_u64 {
        let text = round.to_string();
        let told = AtomicUsize::new(0);
        let fixed = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..32 {
                        let failure = failure(&format!("{number}.html"), &text, "x", now);
                        let change = faults.failed(id(number), &failure, limits);
                        told.fetch_add(usize::from(change.for_template), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(told.into_inner(), 32);
        let changed = faults.settle(version(round), |_| Some(digest("good"))).changed;
        assert_eq!(changed.len(), 32);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..32 {
                        let first = faults.succeeded(id(number), version(round), true, now);
                        fixed.fetch_add(usize::from(first), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(fixed.into_inner(), 32);
        assert!((0..32).all(|number| !faults.may_watch(id(number))));
    }
}
