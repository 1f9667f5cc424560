//! Tests of the invariants in ARCHITECTURE.md under concurrency.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hotplate_actors::dialect::RenderFault;
use hotplate_actors::snapshot::ServedTemplate;
use hotplate_actors::supervision::FaultMoment;
use hotplate_actors::{
    Cause, Context, Event, Freshness, Hotplate, Limits, MemoryHandle, MemoryLoader, OnFailure, ReloadOutcome, Render,
    RenderFailure, RenderOptions, TemplateName, Unavailable,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

fn name(text: &str) -> TemplateName {
    TemplateName::new(text).expect("a valid name")
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn engine(limits: Limits, templates: &[(&str, &str)]) -> (Hotplate, MemoryHandle) {
    let (loader, memory) = MemoryLoader::new();
    memory.edit(templates.iter().map(|(each, text)| (name(each), Some(*text))));
    (
        Hotplate::builder()
            .loader(loader)
            .limits(limits)
            .start()
            .expect("starts"),
        memory,
    )
}

#[test]
fn no_answer_mixes_two_versions() {
    const PARTIALS: usize = 6;
    let page: String = (0..PARTIALS)
        .map(|each| format!("{{{{ call p{each}.html with it }}}},"))
        .collect();
    let parts = |number: u64| -> Vec<(String, String)> {
        let part = |each: usize| (format!("p{each}.html"), format!("{number}{{x}}"));
        (0..PARTIALS).map(part).collect()
    };
    publish_while_rendering("page.html", &page, 1000, parts);
}

/// A base, macros, and includes of names that are written out and computed.
#[cfg(feature = "jinja")]
#[test]
fn no_answer_mixes_two_versions_of_templates_in_jinja() {
    let page = "{% extends 'base.j2' %}{% block main %}{% import it.lib as lib %}{{ lib.m() }},{% include 'b.j2' %},\
                {% include it.part ~ '.j2' %},{% include ['none.j2', 'b.j2'] %},{{ super() }}{% endblock %}";
    let parts = |number: u64| -> Vec<(String, String)> {
        let parts = [
            (
                "base.j2",
                format!("{number},{{% block main %}}{number},{{% endblock %}}"),
            ),
            (
                "lib.j2",
                format!("{{% macro m() %}}{number}{{% include 'a.j2' %}}{{% endmacro %}}"),
            ),
            ("a.j2", String::new()),
            ("b.j2", number.to_string()),
            ("c.j2", number.to_string()),
        ];
        parts.map(|(name, text)| (name.to_owned(), text)).into()
    };
    publish_while_rendering("page.html.j2", page, 200, parts);
}

/// Publishes versions of the parts of a page while eight threads render it. The page prints the number of the version for each
/// part, with commas behind.
fn publish_while_rendering(entry: &str, page: &str, versions: u64, parts: impl Fn(u64) -> Vec<(String, String)>) {
    let (hotplate, memory) = engine(Limits::default(), &[(entry, page)]);
    let publish = |number: u64| {
        let parts = parts(number).into_iter();
        memory.edit(parts.map(|(part, text)| (name(&part), Some(text))));
    };
    publish(0);
    block(hotplate.reload()).expect("reloads");
    let (over, renders) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (hotplate, over, renders) = (hotplate.clone(), Arc::clone(&over), Arc::clone(&renders));
            scope.spawn(move || {
                let handle = hotplate.handle(entry);
                let data = json!({ "it": { "x": "", "lib": "lib.j2", "part": "c" } });
                let mut newest = 0;
                while !over.load(Ordering::Relaxed) {
                    let answer = handle.render(&data).expect("never fails");
                    assert!(matches!(answer.freshness, Freshness::Current));
                    let mut numbers = answer
                        .body
                        .split_terminator(',')
                        .map(|part| part.parse::<u64>().expect("a number"));
                    let first = numbers.next().expect("a partial");
                    assert!(numbers.all(|number| number == first), "a mix: {}", answer.body);
                    assert!(first >= newest, "time went backwards");
                    newest = first;
                    renders.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let before = hotplate.snapshot().version();
        // A failure must not leave the readers running, or the scope would never end.
        let published = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for number in 1..=versions {
                publish(number);
                block(hotplate.reload()).expect("reloads");
            }
        }));
        over.store(true, Ordering::Relaxed);
        published.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        assert!(hotplate.snapshot().version().number() >= before.number() + versions);
    });
    assert!(renders.load(Ordering::Relaxed) > 0);
    let kept = hotplate.snapshot().snapshot().live();
    assert!(kept <= 2, "old versions die with their readers, but {kept} live");
}

#[test]
fn a_fault_in_any_actor_loses_nothing() {
    let (hotplate, memory) = engine(Limits::default(), &[("a.html", "0")]);
    let mut events = hotplate.subscribe();
    let mut number = 0;
    for actor in ["watcher", "compiler", "graph", "registry", "renderer"] {
        for moment in [FaultMoment::Before, FaultMoment::After] {
            let (_, faults) = hotplate.faults().find(|(each, _)| *each == actor).expect("is there");
            let before = faults.count();
            faults.inject(moment);
            number += 1;
            memory.set(name("a.html"), number.to_string());
            let report = block(hotplate.reload()).expect("a reload survives the fault");
            assert!(report.diagnostics.is_empty(), "{actor} {moment:?}: {report:?}");
            assert_eq!(
                hotplate.render("a.html", &()).expect("renders").body,
                number.to_string(),
                "{actor} {moment:?}"
            );
            // Each Renderer is asked, so that the one with the fault is among them.
            let render = || block(hotplate.renderer().send(Render::new("a.html", Context::new(()))));
            let answers: Vec<_> = std::iter::repeat_with(render).take(3).collect();
            let lost = answers
                .iter()
                .filter(|answer| matches!(answer, Err(RenderFailure::Unavailable(Unavailable::Lost(_)))))
                .count();
            assert_eq!(lost, usize::from(actor == "renderer"), "{actor} {moment:?}");
            assert_eq!(faults.count(), before + 1, "{actor} {moment:?}");
            while !matches!(block(events.next()), Some(Event::ActorFailed(fault)) if fault.actor == actor) {}
        }
    }
}

#[test]
fn a_failed_watcher_syncs_again() {
    let (hotplate, memory) = engine(Limits::default(), &[("a.html", "0")]);
    let mut events = hotplate.subscribe();
    for (number, moment) in [
        (1, FaultMoment::Before),
        (2, FaultMoment::After),
        (3, FaultMoment::Before),
    ] {
        let (_, faults) = hotplate
            .faults()
            .find(|(each, _)| *each == "watcher")
            .expect("is there");
        faults.inject(moment);
        memory.set(name("a.html"), number.to_string());
        while hotplate.render("a.html", &()).expect("renders").body != number.to_string() {
            block(events.next());
        }
        // The fault may come after the swap.
        while faults.count() < number {
            std::thread::yield_now();
        }
    }
}

#[test]
fn edits_during_a_loader_failure_are_published() {
    let root = tempfile::tempdir().expect("a directory");
    let templates = root.path().join("templates");
    std::fs::create_dir(&templates).expect("created");
    std::fs::write(templates.join("a.txt"), "1").expect("written");
    let hotplate = Hotplate::builder()
        .root(&templates)
        .watch(false)
        .start()
        .expect("starts");
    std::fs::rename(&templates, root.path().join("away")).expect("renamed");
    let report = block(hotplate.reload()).expect("answers");
    assert!(
        matches!(&report.outcome, ReloadOutcome::Unreadable(reason) if reason.contains("templates")),
        "{report:?}"
    );
    assert_eq!(hotplate.render("a.txt", &()).expect("goes on").body, "1");
    std::fs::write(root.path().join("away/a.txt"), "2").expect("written");
    std::fs::rename(root.path().join("away"), &templates).expect("renamed");
    assert_eq!(
        block(hotplate.reload()).expect("reloads").outcome,
        ReloadOutcome::Published
    );
    assert_eq!(hotplate.render("a.txt", &()).expect("renders").body, "2");
}

#[test]
fn the_policy_decides_about_failed_renders() {
    let templates = [
        ("never.html", "{{ if a == b }}"),
        ("late.html", "{nmae}"),
        ("down.html", "down: {status} {name}"),
    ];
    for policy in [OnFailure::LastGood, OnFailure::Fallback, OnFailure::Return] {
        let (loader, memory) = MemoryLoader::new();
        memory.edit(templates.map(|(each, text)| (name(each), Some(text))));
        let hotplate = Hotplate::builder()
            .loader(loader)
            .on_failure(policy)
            .fallback("down.html")
            .start()
            .expect("starts");
        let (never, late) = (
            hotplate.render("never.html", &()),
            hotplate.render("late.html", &json!({ "name": "" })),
        );
        if policy == OnFailure::Return {
            assert!(matches!(never, Err(RenderFailure::Broken { .. })), "{never:?}");
        } else {
            let never = never.expect("a stand-in");
            assert_eq!(never.body, "down: 503 never.html");
            assert!(matches!(never.freshness, Freshness::Fallback { .. }));
        }
        if policy == OnFailure::Fallback {
            assert_eq!(late.expect("a stand-in").body, "down: 503 late.html");
        } else {
            let Err(RenderFailure::Failed(error)) = late else {
                panic!("{late:?}")
            };
            assert_eq!(error.fault, RenderFault::MissingPath);
        }
    }
}

#[test]
fn bad_input_is_reported() {
    let limits = Limits {
        source_bytes: 64 * 1024,
        context_bytes: 1024 * 1024,
        render_steps: 100_000,
        ..Limits::default()
    };
    let root = tempfile::tempdir().expect("a directory");
    let write = |each: &str, text: &[u8]| std::fs::write(root.path().join(each), text).expect("written");
    write("good.html", b"good {x}");
    write("latin1.html", b"caf\xe9");
    write("large.html", &vec![b'x'; 70_000]);
    std::fs::create_dir(root.path().join("folder.html")).expect("created");
    write("loops.html", b"{{ for a in l }}{{ for b in l }}{{ for c in l }}{{ for d in l }}{{ endfor }}{{ endfor }}{{ endfor }}{{ endfor }}");
    let formatter =
        |_: &hotplate_actors::Value<'_>, _: &mut hotplate_actors::dialect::Output<'_, '_>| panic!("a formatter");
    write("formatter.html", b"{x | faulty}");
    let hotplate = Hotplate::builder()
        .root(root.path())
        .limits(limits)
        .formatter("faulty", formatter)
        .start()
        .expect("starts");
    let codes: Vec<_> = hotplate.diagnostics().iter().map(|each| each.code).collect();
    assert_eq!(codes, ["too-large", "not-utf8"]);
    let loaders = hotplate.health().loaders;
    let remarks: Vec<_> = loaders.iter().flat_map(|loader| &loader.status.remarks).collect();
    assert_eq!(
        remarks.iter().map(|remark| remark.code).collect::<Vec<_>>(),
        ["directory"]
    );
    assert_eq!(
        hotplate.render("good.html", &json!({ "x": 1 })).expect("renders").body,
        "good 1"
    );
    for bad in ["../x", "", "/etc/passwd", "a\0b", &"x".repeat(1 << 20)] {
        let failure = hotplate.render(bad, &()).expect_err("is not there");
        assert!(matches!(failure, RenderFailure::NotFound { .. }), "{failure:?}");
        assert!(failure.to_string().len() < 1000);
    }
    let numbers: Vec<u32> = (0..5000).collect();
    let failed = |each: &str, data: &serde_json::Value| match hotplate.render(each, data) {
        Err(RenderFailure::Failed(error)) => error.fault,
        other => panic!("{other:?}"),
    };
    assert!(matches!(
        failed("loops.html", &json!({ "l": numbers })),
        RenderFault::Budget(_)
    ));
    assert_eq!(failed("formatter.html", &json!({ "x": 1 })), RenderFault::Formatter);
    let deep = (0..10_000).fold(json!(1), |inner, _| serde_json::Value::Array(vec![inner]));
    assert!(matches!(
        hotplate.render("good.html", &deep),
        Err(RenderFailure::Context(_))
    ));
    drop_deep(deep);
    assert!(matches!(
        hotplate.render("good.html", &"x".repeat(1 << 22)),
        Err(RenderFailure::Context(_))
    ));
    struct Panics;
    impl serde::Serialize for Panics {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("a context")
        }
    }
    assert!(
        hotplate
            .render("good.html", &Panics)
            .expect_err("fails")
            .to_string()
            .contains("a context")
    );
    assert_eq!(
        hotplate.render("good.html", &json!({ "x": 2 })).expect("goes on").body,
        "good 2"
    );
}

/// Drops a deep value without recursion.
fn drop_deep(mut value: serde_json::Value) {
    while let serde_json::Value::Array(mut items) = value {
        value = items.pop().unwrap_or_default();
    }
}

#[test]
fn renders_can_be_cancelled() {
    let limits = Limits {
        render_ms: 3_600_000,
        render_steps: u64::MAX,
        render_threads: 1,
        ..Limits::default()
    };
    let endless = "{{ for a in l }}{{ for b in l }}{{ for c in l }}{{ for d in l }}{{ endfor }}{{ endfor }}{{ endfor }}{{ endfor }}";
    let (hotplate, _memory) = engine(limits, &[("endless.html", endless), ("quick.html", "quick")]);
    let data = json!({ "l": (0..5000).collect::<Vec<u32>>() });
    let timeout = |options: &RenderOptions| {
        let failure = hotplate
            .request("endless.html")
            .with(&data)
            .options(options)
            .render()
            .expect_err("is ended");
        assert!(
            matches!(failure, RenderFailure::Unavailable(Unavailable::Timeout(_))),
            "{failure}"
        );
    };
    timeout(&RenderOptions {
        deadline: Some(Instant::now() + Duration::from_millis(20)),
        ..RenderOptions::default()
    });
    let token = CancellationToken::new();
    token.cancel();
    timeout(&RenderOptions {
        cancel: Some(token),
        ..RenderOptions::default()
    });
    // The only Renderer is taken by a render without end, until its future is dropped.
    block(async {
        let quick = || hotplate.renderer().send(Render::new("quick.html", Context::new(())));
        quick().await.expect("the Renderer is up");
        let render = Render::new("endless.html", Context::new(data.clone()));
        let renderer = hotplate.renderer();
        let endless = renderer.send(render);
        tokio::select! {
            biased;
            _ = endless => panic!("it has no end"),
            () = tokio::task::yield_now() => {}
        }
        quick().await.expect("the Renderer is free again");
    });
}

#[test]
fn a_roll_back_holds_what_it_rolled_back() {
    let (hotplate, memory) = engine(Limits::default(), &[("a.txt", "1"), ("b.txt", "1")]);
    let first = hotplate.snapshot().version();
    let body = || hotplate.render("a.txt", &()).expect("renders").body;
    memory.set(name("a.txt"), "2");
    block(hotplate.reload()).expect("reloads");
    let back = || {
        let command = hotplate.commands().cause(Cause::by("alice").reason("wrong prices"));
        block(command.roll_back(first)).expect("rolls back");
        assert_eq!(body(), "1");
    };
    back();
    let report = block(hotplate.reload()).expect("reloads");
    assert_eq!((report.outcome, report.waiting.count), (ReloadOutcome::Held, 1));
    // Other templates go forward, and the reload names what still waits.
    memory.set(name("b.txt"), "2");
    let report = block(hotplate.reload()).expect("reloads");
    assert_eq!((report.waiting.names, body().as_str()), (vec![name("a.txt")], "1"));
    assert_eq!(hotplate.render("b.txt", &()).expect("renders").body, "2");
    let history = block(hotplate.history()).expect("answers");
    let waiting = &history.waiting.templates[0];
    assert_eq!(waiting.cause.to_string(), "alice: wrong prices");
    let compared = block(hotplate.compare_with_source(first)).expect("is kept");
    let texts = compared.differences().into_iter().map(|difference| {
        let text = |side: Option<ServedTemplate>| side.and_then(|side| side.text().map(str::to_owned));
        (
            difference.name.to_string(),
            text(difference.before),
            text(difference.after),
        )
    });
    let both = |name: &str| (name.to_owned(), Some("1".to_owned()), Some("2".to_owned()));
    assert_eq!(texts.collect::<Vec<_>>(), [both("a.txt"), both("b.txt")]);
    // A fix of the template lifts its hold.
    memory.set(name("a.txt"), "3");
    block(hotplate.reload()).expect("reloads");
    assert_eq!(body(), "3");
    assert!(block(hotplate.history()).expect("answers").waiting.is_empty());
    // And so does resuming.
    back();
    block(hotplate.resume()).expect("resumes");
    assert_eq!(body(), "3");
    let history = block(hotplate.history()).expect("answers");
    assert!(
        history.versions.is_sorted() && history.waiting.is_empty(),
        "{history:?}"
    );
}

#[test]
fn a_kept_version_is_rendered_on_request_and_its_holders_are_known() {
    let limits = Limits {
        history_versions: 2,
        ..Limits::default()
    };
    let (hotplate, memory) = engine(limits, &[("a.txt", "1")]);
    let first = hotplate.snapshot().version();
    let pinned = hotplate.snapshot().held_by(Cause::by("export").trace("t1"));
    let edit = |text: &str| {
        memory.set(name("a.txt"), text);
        block(hotplate.reload()).expect("reloads");
    };
    edit("2");
    let options = RenderOptions {
        trace: Some("t2".into()),
        ..RenderOptions::at(first)
    };
    let direct = || hotplate.request("a.txt").options(&options).render();
    let sent = || {
        let render = Render {
            options: options.clone(),
            ..Render::new("a.txt", Context::new(()))
        };
        actix::System::new().block_on(hotplate.renderer().send(render))
    };
    for rendered in [direct(), sent(), hotplate.request("a.txt").at(first).render()] {
        let rendered = rendered.expect("is kept");
        assert_eq!((rendered.body.as_str(), rendered.version), ("1", first));
    }
    let kept = hotplate.snapshot_at(first).expect("is kept");
    assert_eq!(kept.render("a.txt", &()).expect("renders").body, "1");
    drop(kept);
    // The renders have ended; the pinned version is still there.
    let leaks = hotplate.leaks();
    assert_eq!((leaks.len(), leaks[0].version, leaks[0].references), (1, first, 1));
    assert_eq!(leaks[0].holders.len(), 1);
    assert_eq!(leaks[0].holders[0].cause.to_string(), "export (trace t1)");
    drop(pinned);
    assert!(hotplate.leaks().is_empty());
    edit("3");
    edit("4");
    for rendered in [direct(), sent()] {
        let failure = rendered.expect_err("is no longer kept");
        assert_eq!(failure.to_string(), "version 1 is not kept; kept are: 2, 3, 4");
    }
    assert!(hotplate.snapshot_at(first).is_err());
}

#[test]
fn handles_names_and_pinned_versions_agree() {
    let (hotplate, memory) = engine(Limits::default(), &[("a.txt", "1")]);
    let later = hotplate.handle("later.txt");
    assert!(matches!(later.render(&()), Err(RenderFailure::NotFound { .. })));
    let pinned = hotplate.snapshot();
    memory.edit([(name("later.txt"), Some("here")), (name("a.txt"), None)]);
    block(hotplate.reload()).expect("reloads");
    assert_eq!(later.render(&()).expect("renders").body, "here");
    assert_eq!(pinned.render("a.txt", &()).expect("its own version").body, "1");
    assert!(matches!(
        hotplate.render("a.txt", &()),
        Err(RenderFailure::NotFound { .. })
    ));
}
