//! Tests of sequences of edits: the content after each, and the diagnostics that its author sees.

use super::{World, batch, companions, compile, name};
use crate::diagnostic::Diagnostic;
use crate::protocol::batch::CompiledBatch;
use crate::snapshot::Snapshot;
use crate::version::LoaderId;

/// Returns all diagnostics of a name as text.
fn diagnostics(world: &World, of: &str) -> String {
    world.why(of).diagnostics.iter().map(Diagnostic::to_string).collect()
}

/// Returns the names whose compiled text is not that of an earlier snapshot.
fn written(before: &Snapshot, world: &World) -> Vec<String> {
    let (was, is) = (before.generation(), world.snapshot().generation());
    let written = is.content.view.differences(&was.content.view);
    let name = |id| world.snapshot().name(id).map(ToString::to_string);
    written.into_iter().filter_map(name).collect()
}

#[track_caller]
fn assert_contains(diagnostics: &str, parts: &[&str]) {
    for part in parts {
        assert!(diagnostics.contains(part), "{part:?} is not in:\n{diagnostics}");
    }
}

fn of_loader(loader: u16, mut batch: CompiledBatch) -> CompiledBatch {
    batch.revision.loader = LoaderId(loader);
    batch
}

#[test]
fn a_broken_partial_makes_its_pages_stale() {
    let mut world = World::with(&[("page", "call part\npage 1"), ("part", "part 1"), ("other", "other 1")]);
    let edits = [
        ("page", "call part\npage 2"),
        ("part", "part\nbad"),
        ("other", "other 2"),
    ];
    let (_, report) = world.edit(&edits, &[]);
    assert_eq!(world.status("page"), "stale since 1: page 1 part 1");
    assert_eq!(world.status("part"), "stale since 1: part 1");
    assert_eq!(world.status("other"), "current: other 2");
    assert_contains(
        &diagnostics(&world, "page"),
        &["error[bad]", "part:2:1", "called from page:1:6"],
    );
    let report = report.expect("is published");
    // The new text of `page` is not served yet.
    assert_eq!(report.changed, [name("other")]);
    assert_eq!(
        (report.stale.count, report.stale.names),
        (2, vec![name("page"), name("part")])
    );
    assert_eq!(report.diagnostics.len(), 1);
    assert_eq!(world.why("page").cause, name("part"));

    let (_, report) = world.edit(&[("part", "part 3")], &[]);
    assert_eq!(world.status("page"), "current: page 2 part 3");
    let report = report.expect("is published");
    assert_eq!(report.recovered.names, [name("page"), name("part")]);
    assert_eq!(report.changed, [name("page"), name("part")]);
}

#[test]
fn a_stale_page_keeps_its_closure() {
    let mut world = World::with(&[("page", "call a\ncall b\npage"), ("a", "a 1"), ("b", "b 1")]);
    world.edit(&[("a", "bad")], &[]);
    world.edit(&[("b", "b 2")], &[]);
    world.edit(&[("b", "bad")], &[]);
    assert_eq!(world.status("page"), "stale since 1: page a 1 b 1");
    assert_eq!(world.status("b"), "stale since 3: b 2");
    // Two causes are equally near: the first call in the text decides.
    assert_eq!(world.why("page").cause, name("a"));
    let causes = |max| {
        let whys = world
            .snapshot()
            .whys(world.snapshot().id("page").expect("an id"), max)
            .into_iter();
        whys.map(|why| why.cause).collect::<Vec<_>>()
    };
    assert_eq!((causes(9), causes(1)), (vec![name("a"), name("b")], vec![name("a")]));
    world.edit(&[("a", "a 3")], &[]);
    assert_eq!(world.why("page").cause, name("b"));
    assert_eq!(world.status("page"), "stale since 1: page a 1 b 1");
    assert_eq!(world.status("a"), "current: a 3");
}

#[test]
fn a_missing_partial_is_reported_until_it_exists() {
    let mut world = World::with(&[
        ("pages/index", "call parts/nav.html\nindex"),
        ("shared/nav.html", "nav"),
    ]);
    assert_eq!(world.status("pages/index"), "broken by pages/index");
    let parts = [
        "error[unknown-template]",
        "there is no template `parts/nav.html`",
        "pages/index:1:6",
        "call parts/nav.html",
        "^^^^^^^^^^^^^^",
        "did you mean `shared/nav.html`?",
    ];
    assert_contains(&diagnostics(&world, "pages/index"), &parts);
    let before = world.snapshot().clone();
    world.edit(&[("parts/nav.html", "new nav")], &[]);
    assert_eq!(world.status("pages/index"), "current: index new nav");
    assert_eq!(
        written(&before, &world),
        ["parts/nav.html"],
        "the page is not placed again"
    );

    let (plan, report) = world.edit(&[], &["parts/nav.html"]);
    assert_eq!(plan.reviewed.len(), 1);
    assert_eq!(report.expect("is published").removed, [name("parts/nav.html")]);
    assert_eq!(world.status("parts/nav.html"), "gone");
    assert_eq!(world.status("pages/index"), "stale since 2: index new nav");
}

#[test]
fn help_suggests_a_name_or_an_action() {
    let texts = [
        ("layout.html", "x"),
        ("a", "call layuot.html"),
        ("b", "call layout.htm"),
        ("c", "call nothing-like-it"),
        ("d", "fmt uper"),
        ("e", "fmt nothing-like-it"),
        ("f", "call site.css"),
    ];
    let world = World::with(&texts);
    assert_contains(&diagnostics(&world, "a"), &["did you mean `layout.html`?"]);
    assert_contains(&diagnostics(&world, "b"), &["did you mean `layout.html`?"]);
    assert_contains(
        &diagnostics(&world, "c"),
        &["create `nothing-like-it`, or remove the call"],
    );
    assert_contains(
        &diagnostics(&world, "d"),
        &["error[unknown-formatter]", "d:1:5", "did you mean `upper`?"],
    );
    assert_contains(&diagnostics(&world, "e"), &["the formatters are: lower, upper"]);
    assert_contains(
        &diagnostics(&world, "f"),
        &["`files.extensions`", "add `css` there and create `site.css`"],
    );
}

#[test]
fn faults_are_listed_in_order_up_to_a_limit() {
    let world = World::with(&[("page", "fmt one\ncall two\nfmt three\ncall two")]);
    let why = world.why("page");
    let lines = why
        .diagnostics
        .iter()
        .map(|fault| fault.span.expect("has a place").line);
    assert_eq!(lines.collect::<Vec<_>>(), [1, 2, 3, 4]);

    let many: String = (0..50_000).map(|number| format!("call x{number}\n")).collect();
    let world = World::with(&[("page", &many)]);
    assert_eq!(world.why("page").diagnostics.len(), 20);
}

#[test]
fn suggestions_are_bounded() {
    let names: Vec<String> = (0..3000).map(|number| format!("folder/name-{number}.html")).collect();
    let missing: String = (0..20).map(|number| format!("call missing-{number}\n")).collect();
    let mut texts: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), missing.as_str())).collect();
    texts.push(("page", "call folder/nmae-7.html"));
    let world = World::with(&texts);
    assert_eq!(world.why("page").diagnostics.len(), 1);
}

#[test]
fn a_new_page_with_a_broken_partial_is_broken() {
    let mut world = World::with(&[("part", "part 1")]);
    world.edit(&[("part", "bad")], &[]);
    let (_, report) = world.edit(&[("page", "call part\npage 1")], &[]);
    assert_eq!(world.status("page"), "broken by part");
    assert_eq!(world.status("part"), "stale since 1: part 1");
    assert_eq!(report.expect("is published").broken.len(), 1);
    // A name that is removed and added again is new: its earlier versions do not count.
    world.edit(&[], &["part"]);
    world.edit(&[("part", "bad")], &[]);
    assert_eq!(world.status("part"), "broken by part");
}

#[test]
fn calls_may_form_a_cycle() {
    let mut world = World::with(&[("a", "call b\na 1"), ("b", "call c\nb 1"), ("c", "call a\ncall c\nc 1")]);
    assert_eq!(world.status("b"), "current: b 1 c 1 a 1");
    world.edit(&[("c", "call a\ncall nobody\nc 2")], &[]);
    for (of, status) in [("a", "a 1 b 1 c 1"), ("b", "b 1 c 1 a 1"), ("c", "c 1 a 1 b 1")] {
        assert_eq!(world.status(of), format!("stale since 1: {status}"));
        assert_eq!(world.why(of).cause, name("c"));
    }
    assert_contains(
        &diagnostics(&world, "a"),
        &["c:2:6", "called from b:1:6", "called from a:1:6"],
    );
    world.edit(&[("c", "call a\nc 3")], &[]);
    assert_eq!(world.status("a"), "current: a 1 b 1 c 3");
}

#[test]
fn broken_data_makes_its_page_stale() {
    let mut world = World::with(&[("x.html", "page 1"), ("x.json", "data 1")]);
    assert_eq!(world.status("x.html"), "current: page 1 data 1");
    world.edit(&[("x.json", "bad"), ("x.html", "page 2")], &[]);
    assert_eq!(world.status("x.html"), "stale since 1: page 1 data 1");
    assert!(
        world.why("x.html").diagnostics[0].chain.is_empty(),
        "data has no call site"
    );
    world.edit(&[], &["x.json"]);
    assert_eq!(world.status("x.html"), "current: page 2");
    world.edit(&[("x.json", "data 3")], &[]);
    assert_eq!(world.status("x.html"), "current: page 2 data 3");
}

#[test]
fn the_first_loader_provides_a_name() {
    let mut world = World::new(companions());
    world.apply(of_loader(
        1,
        batch(&[("page", "call part\npage"), ("part", "default")], &[]),
    ));
    assert_eq!(world.status("page"), "current: page default");
    world.apply(of_loader(0, batch(&[("part", "shadow")], &[])));
    assert_eq!(world.status("page"), "current: page shadow");
    let (_, report) = world.apply(of_loader(1, batch(&[("part", "default 2")], &[])));
    assert_eq!(report, None, "a text that is not served changes nothing");
    world.apply(of_loader(0, batch(&[("part", "bad")], &[])));
    assert_eq!(world.status("page"), "stale since 2: page shadow");
    let mut nothing = of_loader(0, batch(&[], &[]));
    nothing.complete = true;
    world.apply(nothing);
    assert_eq!(world.status("page"), "current: page default 2");
}

#[test]
fn a_broken_text_keeps_its_last_calls() {
    let mut world = World::with(&[("page", "call part"), ("part", "call leaf"), ("leaf", "leaf")]);
    world.edit(&[("part", "bad")], &[]);
    assert_eq!(world.graph.dependents(&name("leaf")), [name("part"), name("page")]);
    let edges = |world: &World| world.graph.edges().count();
    assert_eq!(edges(&world), 2);
    world.edit(&[("part", "call nobody")], &[]);
    assert_eq!(world.graph.dependents(&name("leaf")), []);
    let mut edges: Vec<_> = world
        .graph
        .edges()
        .map(|(from, to, exists)| (from.as_str(), to.as_str(), exists))
        .collect();
    edges.sort_unstable();
    assert_eq!(edges, [("page", "part", true), ("part", "nobody", false)]);
}

#[test]
fn a_long_chain_of_calls_breaks_and_recovers() {
    let names: Vec<String> = (0..3000).map(|number| format!("n{number}")).collect();
    let texts: Vec<String> = (1..3000)
        .map(|number| format!("call n{number}"))
        .chain(["end".into()])
        .collect();
    let texts: Vec<(&str, &str)> = names
        .iter()
        .map(String::as_str)
        .zip(texts.iter().map(String::as_str))
        .collect();
    let mut world = World::with(&texts);
    let (plan, _) = world.edit(&[("n2999", "bad")], &[]);
    assert_eq!((plan.reviewed.len(), plan.newest.bad.len()), (3000, 3000));
    let why = world.why("n0");
    assert_eq!((&why.cause, why.diagnostics[0].chain.len()), (&name("n2999"), 128));
    let before = world.snapshot().clone();
    let (_, report) = world.edit(&[("n2999", "end")], &[]);
    assert_eq!(
        written(&before, &world),
        [""; 0],
        "the text is the last one that compiled"
    );
    let recovered = report.expect("is published").recovered;
    assert_eq!((recovered.count, recovered.names.len()), (3000, 100));
}

#[test]
fn a_broken_text_without_diagnostics_is_broken() {
    let mut world = World::new(companions());
    let mut silent = batch(&[("page", "bad")], &[]);
    if let crate::protocol::batch::CompiledText::Broken { diagnostics, .. } = &mut silent.texts[0].1 {
        *diagnostics = std::sync::Arc::default();
    }
    world.apply(silent);
    assert_contains(&diagnostics(&world, "page"), &["error[not-compiled]", "page"]);
    assert!(matches!(
        compile(&name("x"), "bad"),
        crate::protocol::batch::CompiledText::Broken { .. }
    ));
}
