//! Tests of versions: the work and memory they cost, their limits, and rolling back.

use std::sync::{Arc, Weak};

use super::{World, batch, companions, key, name};
use crate::protocol::messages::RolledBack;
use crate::registry::history::kept;
use crate::registry::publish::{Decision, Refusal, publish};
use crate::snapshot::view::View;
use crate::version::Version;

/// Creates a world of `pages` good pages that call one partial.
fn site(pages: usize) -> World {
    let names: Vec<String> = (0..pages).map(|number| format!("page-{number}")).collect();
    let mut texts: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "call part\npage")).collect();
    texts.push(("part", "part 1"));
    World::with(&texts)
}

/// Returns the view that a stale entry pins.
fn pinned(world: &World, of: &str) -> Arc<View> {
    let stale = world.state.content().stale();
    let id = world.snapshot().id(of).expect("has an id");
    let class = stale.class_of(id).and_then(|number| stale.class(number));
    Arc::clone(&class.unwrap_or_else(|| panic!("{of} is not stale")).pin.view)
}

#[test]
fn a_change_of_a_partial_costs_one_chunk() {
    let mut world = site(5000);
    let before = world.snapshot().clone();
    let (plan, report) = world.edit(&[("part", "part 2")], &[]);
    assert!(plan.reviewed.is_empty());
    assert_eq!(report.expect("is published").changed, [name("part")]);
    let not_shared = |world: &World| {
        let (before, after) = (&before.generation().content, &world.snapshot().generation().content);
        (
            after.view.chunks_not_shared(&before.view),
            after.stale().chunks_not_shared(before.stale()),
        )
    };
    assert_eq!(not_shared(&world), (1, 0));
    assert_eq!(world.status("page-4999"), "current: page part 2");

    // A change of calls is as cheap while everything is good.
    let (plan, _) = world.edit(&[("part", "call page-0\npart 3"), ("page-0", "no calls")], &[]);
    assert!(plan.reviewed.is_empty());
    assert_eq!(not_shared(&world).1, 0);
}

#[test]
fn a_break_costs_some_bytes_for_each_page() {
    let mut world = site(10_000);
    let before = world.snapshot().clone();
    let (plan, report) = world.edit(&[("part", "bad")], &[]);
    // `page-0` to `page-9999` and the partial. No compiled text is written.
    assert_eq!((plan.reviewed.len(), plan.newest.bad.len()), (10_001, 10_001));
    let (was, is) = (&before.generation().content, &world.snapshot().generation().content);
    assert_eq!(is.view.chunks_not_shared(&was.view), 0);
    assert_eq!(is.stale().number_of_classes(), 1);
    // A number of four bytes for each page, in chunks of 32; and one bit.
    assert_eq!(is.stale().chunks_not_shared(was.stale()), 10_001_usize.div_ceil(32));
    assert!(is.stale().bad().bytes_not_shared(was.stale().bad()) < 2_000);
    // The report names a hundred of them, and one fault.
    let report = report.expect("is published");
    assert_eq!((report.stale.count, report.stale.names.len()), (10_001, 100));
    assert_eq!((report.broken.count, report.diagnostics.len()), (0, 1));
    assert_eq!(world.why("page-9999").cause, name("part"));

    // While it lasts, other edits look at nothing of this.
    let (plan, report) = world.edit(&[("alone", "text")], &[]);
    assert!(plan.reviewed.is_empty());
    assert!(report.expect("is published").stale.is_empty());
    // The fault moves: all pages have another reason.
    let (_, report) = world.edit(&[("part", "text\nbad")], &[]);
    assert_eq!(report.expect("is published").stale.count, 10_001);
    let (_, report) = world.edit(&[("part", "part 1")], &[]);
    let report = report.expect("is published");
    assert_eq!((report.recovered.count, report.recovered.names.len()), (10_001, 100));
    let is = &world.snapshot().generation().content;
    assert_eq!(is.stale().chunks_not_shared(was.stale()), 0);
}

#[test]
fn a_report_names_as_many_as_the_limit_says() {
    for event_names in [1, 2, 3, 4] {
        let mut world = site(2);
        world.limits.event_names = event_names;
        let report = world
            .edit(&[("part", "bad"), ("new", "bad")], &[])
            .1
            .expect("is published");
        assert_eq!((report.stale.count, report.stale.names.len()), (3, event_names.min(3)));
        assert_eq!(
            (report.broken.count, report.broken.names.len()),
            (1, event_names.min(1))
        );
        let report = world.edit(&[("part", "part")], &[]).1.expect("is published");
        assert_eq!(
            (report.recovered.count, report.recovered.names.len()),
            (3, event_names.min(3))
        );
    }
}

/// A page that was bad before is reported again only if its reason is another one.
#[test]
fn an_edit_that_changes_no_reason_reports_none() {
    let mut world = site(3);
    world.edit(&[("part", "bad")], &[]);
    let (plan, report) = world.edit(&[("page-1", "call part\nother")], &[]);
    assert_eq!(plan.reviewed.len(), 1);
    let report = report.expect("is published");
    // Its new text is not served.
    assert_eq!((report.changed, report.stale.count), (vec![], 0));
    assert!(report.diagnostics.is_empty());
    // Now it has a fault of its own, which is nearer.
    let (_, report) = world.edit(&[("page-1", "call part\ncall nobody")], &[]);
    let report = report.expect("is published");
    assert_eq!(report.stale.names, [name("page-1")]);
    assert_eq!(report.diagnostics[0].code, "unknown-template");
    let (_, report) = world.edit(&[("page-1", "call part")], &[]);
    let report = report.expect("is published");
    assert_eq!((report.stale.names, report.recovered.count), (vec![name("page-1")], 0));
    assert_eq!(report.diagnostics[0].code, "bad");
}

#[test]
fn a_batch_without_changes_makes_no_version() {
    let mut world = site(3);
    assert_eq!(world.edit(&[("part", "part 1")], &[]).1, None);
    assert_eq!(world.edit(&[], &["nobody"]).1, None);
    world.edit(&[("part", "bad")], &[]);
    assert_eq!(world.edit(&[("part", "bad")], &[]).1, None);
    assert_eq!(world.snapshot().version(), Version::from_number(2));
    // The same fault at another location is a change.
    assert!(world.edit(&[("part", "text\nbad")], &[]).1.is_some());
}

#[test]
fn breaking_and_fixing_restores_the_digest() {
    let mut world = site(3);
    let before = world.snapshot().digest();
    world.edit(&[("part", "bad")], &[]);
    assert_ne!(world.snapshot().digest(), before);
    world.edit(&[("part", "part 1")], &[]);
    assert_eq!(world.snapshot().digest(), before);
}

#[test]
fn stale_entries_share_one_view() {
    let mut world = site(3);
    world.limits.history_versions = 0;
    world.limits.last_good_templates = 0;
    world.edit(&[("part", "bad")], &[]);
    let view = pinned(&world, "page-0");
    for of in ["page-1", "page-2", "part"] {
        assert!(Arc::ptr_eq(&view, &pinned(&world, of)), "{of}");
    }
    world.edit(&[("page-1", "no calls")], &[]);
    assert!(Arc::ptr_eq(&view, &pinned(&world, "page-2")));
    let weak: Weak<View> = Arc::downgrade(&view);
    drop(view);
    assert!(weak.upgrade().is_some());
    world.edit(&[("part", "part 2")], &[]);
    assert!(weak.upgrade().is_none(), "no entry needs it any more");
}

#[test]
fn versions_are_freed_with_their_last_reader() {
    let mut world = site(3);
    world.limits.history_versions = 2;
    let reader = world.snapshot().clone();
    let generation = Arc::downgrade(reader.generation());
    for number in 0..5 {
        world.edit(&[("part", &format!("part {number} again"))], &[]);
    }
    assert_eq!((reader.live(), world.snapshot().live()), (2, 2));
    let second = reader.clone();
    drop(reader);
    assert_eq!(second.live(), 2);
    assert!(generation.upgrade().is_some());
    drop(second);
    assert_eq!(world.snapshot().live(), 1);
    assert!(
        generation.upgrade().is_none(),
        "kept generations do not hold older ones"
    );
    assert_eq!(kept(&world.state), [4, 5, 6].map(Version::from_number));
}

#[test]
fn the_history_is_bounded_by_bytes() {
    let mut world = site(3);
    world.limits.history_versions = 10;
    world.limits.history_bytes = 35_000;
    let large = |number: usize| format!("part {number} {}", "x".repeat(10_000));
    for number in 0..6 {
        world.edit(&[("part", &large(number))], &[]);
    }
    assert_eq!(
        kept(&world.state),
        [4, 5, 6, 7].map(Version::from_number),
        "three of 10 kB, and what is served"
    );
    // A version that replaces only small texts costs little.
    for number in 0..3 {
        world.edit(&[("page-1", &format!("page {number}"))], &[]);
    }
    assert_eq!(kept(&world.state).len(), 7);
    world.edit(&[("part", &"y".repeat(100_000))], &[]);
    world.edit(&[("part", "part")], &[]);
    assert_eq!(
        kept(&world.state),
        [11, 12].map(Version::from_number),
        "the last one stays, however large it is"
    );
}

#[test]
fn a_plan_over_the_limit_of_names_is_rejected() {
    let mut world = World::new(companions());
    world.limits.templates = 3;
    world.edit(&[("a", "call b"), ("b", "b"), ("c", "c")], &[]);
    let mut graph = world.graph.clone();
    let plan = graph.apply(&batch(&[("a", "call b\ncall d")], &[]));
    let decision = publish(&world.state, &plan, &world.limits);
    let Decision::Refused { reason } = decision else {
        panic!("{decision:?}");
    };
    assert_eq!(reason, Refusal::TooManyTemplates { templates: 4, limit: 3 });
    assert!(reason.to_string().contains("the limit `templates` is 3"), "{reason}");
    assert!(
        world.edit(&[("c", "c 2")], &[]).1.is_some(),
        "a plan within the limit is accepted"
    );
}

#[test]
fn earlier_closures_of_an_entry() {
    let mut world = site(1);
    for text in ["part 2", "part 3", "part 2", "bad", "part 4"] {
        world.edit(&[("part", text), ("other", text)], &[]);
    }
    let snapshot = world.snapshot();
    let id = snapshot.id("page-0").expect("has an id");
    let earlier = snapshot
        .earlier(id)
        .map(|(version, closure)| (version.number(), super::texts(closure)));
    let earlier: Vec<_> = earlier.collect();
    let expected = [(4, " page part 2"), (3, " page part 3"), (1, " page part 1")];
    assert_eq!(earlier, expected.map(|(version, texts)| (version, texts.to_string())));
}

/// Checks that the version before the last change of a page, or of what it calls, survives any number of versions of other templates.
#[test]
fn a_burst_of_versions_keeps_the_last_good_closure() {
    let mut world = site(1);
    world.limits.history_versions = 2;
    let burst = |world: &mut World| {
        for number in 0..5 {
            world.edit(
                &[(
                    &format!("new-{number}"),
                    &format!("{number} {}", world.snapshot().version()),
                )],
                &[],
            );
        }
    };
    let before = |world: &World| world.snapshot().version().number();
    let first = before(&world);
    world.edit(&[("part", "part 2")], &[]);
    assert_eq!(former(&world, "page-0"), [""; 0], "the history has it");
    burst(&mut world);
    assert_eq!(former(&world, "page-0"), [format!("{first}: page part 1")]);
    // Both the page and what it calls have changed: newest first, and each with what belongs to it.
    let second = before(&world);
    world.edit(&[("page-0", "page 2\ncall part")], &[]);
    burst(&mut world);
    let page = |version: u64, texts: &str| format!("{version}:{texts}");
    assert_eq!(
        former(&world, "page-0"),
        [page(second, " page part 2"), page(first, " page part 1")]
    );
    // After a rollback, nothing newer than the chosen version answers, also not in later versions.
    let kept = kept(&world.state);
    let mut held = world.clone();
    held.roll_back(kept[0]).expect("is kept");
    for text in ["x", "y"] {
        let id = held.snapshot().id("page-0").expect("has an id");
        assert!(held.snapshot().former(id).all(|(version, _)| version <= kept[0]));
        held.edit(&[("alone", text)], &[]);
    }
    // And no more is kept than the limit says.
    world.limits.last_good_templates = 0;
    world.edit(&[("alone", "x")], &[]);
    world.edit(&[("alone", "y")], &[]);
    assert_eq!(former(&world, "page-0"), [""; 0]);
}

#[test]
fn a_break_of_a_held_template_is_stale_in_the_held_text() {
    let mut world = site(1);
    world.edit(&[("part", "part 2")], &[]);
    world.roll_back(Version::from_number(1)).expect("is kept");
    world.edit(&[("part", "bad")], &[]);
    assert_eq!(world.status("page-0"), "stale since 3: page part 1");
    assert!(world.resume().is_none(), "the edit has lifted the hold");
}

#[test]
fn a_roll_back_holds_what_it_rolled_back_until_resume() {
    let mut world = site(1);
    world.edit(&[("part", "part 2")], &[]);
    let digest = world.snapshot().digest();
    world.edit(&[("part", "part 3"), ("new", "new")], &[]);
    let report = world.roll_back(Version::from_number(2)).expect("is kept");
    let snapshot = world.snapshot().clone();
    assert_eq!((snapshot.version().number(), snapshot.digest()), (4, digest));
    assert_eq!((report.changed, report.removed), (vec![key("part")], vec![key("new")]));
    assert_eq!(
        (world.status("page-0"), world.status("new")),
        ("current: page part 2".into(), "gone".into())
    );
    let answers = |world: &World| {
        let snapshot = world.snapshot();
        let id = snapshot.id("page-0").expect("has an id");
        let answers = snapshot.earlier(id).map(|(version, _)| version.number());
        answers.collect::<Vec<_>>()
    };
    assert_eq!(answers(&world), [1], "not from the version that was left");

    // Other templates go forward.
    assert!(world.edit(&[("page-0", "page 5\ncall part")], &[]).1.is_some());
    assert_eq!(answers(&world), [4, 1], "and still not from the version that was left");
    let report = world.resume().expect("two wait").expect("a version");
    assert_eq!(world.status("page-0"), "current: call part part 3");
    assert_eq!(world.status("new"), "current: new");
    assert_eq!(
        (report.version.number(), report.changed),
        (6, vec![key("new"), key("part")])
    );
    assert_eq!(answers(&world), [5, 4, 3, 1], "all of them again");
    assert!(world.resume().is_none());

    let digest = world.snapshot().digest();
    let mut refused = |version| world.roll_back(Version::from_number(version)).expect_err("is refused");
    let RolledBack::NotKept(not_kept) = refused(9) else {
        panic!("it never was");
    };
    assert_eq!(
        not_kept.to_string(),
        "version 9 is not kept; kept are: 1, 2, 3, 4, 5, 6"
    );
    assert!(matches!(refused(6), RolledBack::AlreadyServed(version) if version.number() == 6));
    world.limits.history_versions = 1;
    world.edit(&[("page-0", "page 7")], &[]);
    let evicted = world.roll_back(Version::from_number(5)).expect_err("is evicted");
    assert!(matches!(evicted, RolledBack::NotKept(not_kept) if not_kept.kept.len() == 2));
    assert!(world.roll_back(Version::from_number(6)).is_ok());
    assert_eq!(world.snapshot().digest(), digest, "the old state is intact");
}

#[test]
fn the_history_counts_only_what_nothing_else_keeps() {
    let mut world = World::new(companions());
    let text = |number: usize| format!("{number} {}", "x".repeat(10_000));
    world.edit(&[("a", text(1).as_str())], &[]);
    let bytes = |world: &World| world.state.history_bytes() / 10_000;
    assert_eq!(bytes(&world), 0);
    world.edit(&[("a", text(2).as_str())], &[]);
    world.edit(&[("a", text(3).as_str())], &[]);
    assert_eq!(bytes(&world), 2);
    // The first text is served again, and the third one is not.
    world.roll_back(Version::from_number(1)).expect("is kept");
    assert_eq!(bytes(&world), 2);
    world.limits.history_versions = 2;
    world.edit(&[("b", "b 1")], &[]);
    world.edit(&[("b", "b 2")], &[]);
    assert_eq!(bytes(&world), 0, "only the first text is left, and it is served");
}

/// Returns the versions and texts that failed renders of a template are answered from beyond the history.
fn former(world: &World, of: &str) -> Vec<String> {
    let snapshot = world.snapshot();
    let id = snapshot.id(of).expect("has an id");
    let former = snapshot.former(id);
    let shown = former.map(|(version, closure)| format!("{version}:{}", super::texts(closure)));
    shown.collect()
}

#[test]
fn ten_thousand_versions_of_others_keep_the_last_good_closure() {
    let mut world = site(1);
    world.edit(&[("part", "part 2")], &[]);
    for number in 0..10_000 {
        let other = format!("other-{}", number % 100);
        // Some of these versions break others and repair them.
        let text = if number % 7 == 3 {
            "bad".to_owned()
        } else {
            format!("other {number}")
        };
        world.edit(&[(other.as_str(), text.as_str())], &[]);
    }
    assert!(world.snapshot().version().number() > 9000);
    assert_eq!(former(&world, "page-0"), ["1: page part 1"]);
    assert_eq!(world.status("page-0"), "current: page part 2");
}

#[test]
fn last_good_closures_are_bounded_by_bytes() {
    let mut world = World::new(companions());
    world.limits.history_versions = 1;
    world.limits.last_good_bytes = 55_000;
    let text = |number: usize, edit: usize| format!("{number} {edit} {}", "x".repeat(10_000));
    let names: Vec<String> = (0..20).map(|number| format!("page-{number}")).collect();
    for edit in 0..3 {
        for (number, name) in names.iter().enumerate() {
            world.edit(&[(name.as_str(), text(number, edit).as_str())], &[]);
        }
    }
    world.edit(&[("other", "text")], &[]);
    let remembered: Vec<bool> = names.iter().map(|name| !former(&world, name).is_empty()).collect();
    let kept = remembered.iter().filter(|is_kept| **is_kept).count();
    assert_eq!(kept, 5, "five texts of 10 kB");
    assert!(
        remembered[15..].iter().all(|is_kept| *is_kept),
        "those that changed last"
    );
}

/// A partial that is removed is one fault, however many templates call it, and each of them still has its own place.
#[test]
fn a_removed_partial_is_one_fault() {
    let mut world = site(1000);
    world.edit(&[("other", "call page-7")], &[]);
    let before = world.snapshot().clone();
    let (plan, report) = world.edit(&[], &["part"]);
    assert_eq!(plan.newest.bad.len(), 1001);
    let report = report.expect("is published");
    assert_eq!((report.stale.count, report.stale.names.len()), (1001, 100));
    assert_eq!(
        (report.removed.as_slice(), report.diagnostics.len()),
        (&[key("part")][..], 100)
    );

    let snapshot = world.snapshot().clone();
    let (was, is) = (&before.generation().content, &snapshot.generation().content);
    let causes = is.causes(is.stale().bad());
    let [(cause, ids)] = causes.as_slice() else {
        panic!("{} causes", causes.len());
    };
    assert_eq!((snapshot.name(*cause), ids.len()), (Some(&name("part")), 1001));
    let faults = snapshot.faults_of_cause(*cause, ids).expect("is one");
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].message, "there is no template `part`; 1000 templates call it");
    // One bit for each caller, in leaves of 128 bytes, and no diagnostic.
    assert!(
        is.faults.bytes_not_shared(&was.faults) < 2048,
        "{}",
        is.faults.bytes_not_shared(&was.faults)
    );
    let why = world.why("other");
    assert_eq!((&why.cause, why.diagnostics[0].chain.len()), (&name("page-7"), 1));
    assert_eq!(why.diagnostics[0].template, Some(name("page-7")));

    // Another place of the call is news, of this template only.
    let (_, report) = world.edit(&[("page-3", "page\ncall part")], &[]);
    let report = report.expect("is published");
    assert_eq!(
        (report.stale.names, report.diagnostics.len()),
        (vec![name("page-3")], 1)
    );
    let (_, report) = world.edit(&[("part", "is back")], &[]);
    assert_eq!(report.expect("is published").recovered.count, 1001);
    let is = &world.snapshot().generation().content;
    assert!(is.faults.texts().next().is_none() && is.faults.of_absent(*cause).is_none());

    // Nothing is kept of a name that nobody calls any more.
    world.edit(&[("other", "call nobody")], &[]);
    let nobody = world.snapshot().id("nobody").expect("is called");
    assert!(world.snapshot().generation().content.faults.of_absent(nobody).is_some());
    world.edit(&[("other", "calls none")], &[]);
    assert!(world.snapshot().generation().content.faults.of_absent(nobody).is_none());
}
