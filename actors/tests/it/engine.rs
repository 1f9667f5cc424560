//! Tests of the engine as its users see it: files are edited, and requests are answered.

use std::fs;
use std::path::Path;

use hotplate_actors::{
    Context, Diagnostic, Event, Freshness, Hotplate, Limits, MemoryLoader, Mount, Render, RenderFailure, Serving,
    StartError, TemplateName,
};
use serde_json::json;

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("below the root")).expect("a directory");
    fs::write(path, text).expect("written");
}

fn start(root: &Path) -> Hotplate {
    Hotplate::builder().root(root).watch(false).start().expect("starts")
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}

#[test]
fn an_edit_is_live_after_a_reload() {
    let root = tempfile::tempdir().expect("a directory");
    write(
        root.path(),
        "page.html",
        "{{ call _p/foot.html with page }}{page.title}",
    );
    write(root.path(), "_p/foot.html", "old {title} ");
    let hotplate = start(root.path());
    let data = json!({ "page": { "title": "T<" } });
    let first = hotplate.render("page.html", &data).expect("renders");
    assert_eq!(first.body, "old T&lt; T&lt;");
    assert!(matches!(first.freshness, Freshness::Current));

    write(root.path(), "_p/foot.html", "new {title} ");
    let report = block(hotplate.reload()).expect("reloads");
    assert_eq!(report.changed.len(), 1);
    let second = hotplate.render("page.html", &data).expect("renders");
    assert_eq!(
        (second.body.as_str(), second.version),
        ("new T&lt; T&lt;", report.version)
    );

    let mut events = hotplate.subscribe();
    write(root.path(), "_p/foot.html", "bad {{ if a == b }}");
    let report = block(hotplate.reload()).expect("reloads");
    assert!(!report.diagnostics.is_empty());
    let stale = hotplate.render("page.html", &data).expect("goes on");
    assert_eq!(stale.body, "new T&lt; T&lt;");
    assert!(matches!(stale.freshness, Freshness::Stale { .. }));
    let Some(Event::Published(published)) = block(events.next()) else {
        panic!("no Published")
    };
    assert_eq!(published.stale.len(), 2);
    let Some(Event::Fallback(fallback)) = block(events.next()) else {
        panic!("no Fallback")
    };
    assert!(matches!(fallback.serving, Serving::LastGood(since) if since == second.version));

    write(root.path(), "_p/foot.html", "fixed {title} ");
    block(hotplate.reload()).expect("reloads");
    assert_eq!(
        hotplate.render("page.html", &data).expect("renders").body,
        "fixed T&lt; T&lt;"
    );

    let answer = block(hotplate.renderer().send(Render::new("page.html", Context::new(data)))).expect("renders");
    assert_eq!(answer.body, "fixed T&lt; T&lt;");
    assert!(matches!(
        hotplate.render("pgae.html", &json!({})),
        Err(RenderFailure::NotFound { nearest: Some(_), .. })
    ));
    assert!(block(hotplate.shutdown(std::time::Duration::from_secs(10))));
    assert!(block(hotplate.reload()).is_err());
    assert!(
        hotplate
            .render("page.html", &json!({ "page": { "title": "" } }))
            .is_ok(),
        "rendering goes on"
    );
}

#[test]
fn names_match_in_any_normalization() {
    let root = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| write(root.path(), name, text);
    write("cafe\u{301}/u\u{308}ber.html", "{{ call caf\u{e9}/x.html with n }}");
    write("caf\u{e9}/x.html", "[{n}]");
    let hotplate = start(root.path());
    let render = |name: &str| hotplate.render(name, &json!({ "n": { "n": 1 } }));
    for name in [
        "cafe\u{301}/u\u{308}ber.html",
        "caf\u{e9}/\u{fc}ber.html",
        "cafe\u{301}/\u{fc}ber.html",
    ] {
        assert_eq!(render(name).expect("is found").body, "[1]", "{name}");
        let message = Render::new(name, Context::new(json!({ "n": { "n": 1 } })));
        let by_message = block(hotplate.renderer().send(message));
        assert_eq!(by_message.expect("is found by message").body, "[1]", "{name}");
    }
    // If both spellings exist, each has its own text.
    write("caf\u{e9}/\u{fc}ber.html", "composed");
    block(hotplate.reload()).expect("reloads");
    assert_eq!(render("caf\u{e9}/\u{fc}ber.html").expect("is found").body, "composed");
    assert_eq!(render("cafe\u{301}/u\u{308}ber.html").expect("is found").body, "[1]");
    // A name that is called and does not exist has an id, unlike an unknown name.
    write("calls.html", "{{ call g\u{e9}.html with n }}");
    write("ge\u{301}.html", "decomposed");
    block(hotplate.reload()).expect("reloads");
    assert_eq!(render("g\u{e9}.html").expect("is found").body, "decomposed");
    let said = hotplate.diagnostics()[0].to_string();
    assert!(
        said.contains("its accents are encoded differently") && !said.contains("did you mean"),
        "{said}"
    );
    assert!(render("\u{e9}.html").is_err());
}

#[test]
fn a_bad_edit_that_compiles_reaches_no_visitor() {
    let root = tempfile::tempdir().expect("a directory");
    write(root.path(), "page.html", "{name}");
    let hotplate = start(root.path());
    let data = json!({ "name": "N" });
    for misspelt in ["{nmae}", "{mane}"] {
        write(root.path(), "page.html", misspelt);
        block(hotplate.reload()).expect("reloads");
    }
    let mut events = hotplate.subscribe();
    for _ in 0..3 {
        let answer = hotplate.render("page.html", &data).expect("answered as it was");
        assert_eq!(answer.body, "N");
        let Freshness::Stale { why, .. } = answer.freshness else {
            panic!("not stale")
        };
        assert_eq!(why.diagnostics[0].code, "missing-path");
    }
    write(root.path(), "page.html", "{name}!");
    block(hotplate.reload()).expect("reloads");
    assert!(matches!(block(events.next()), Some(Event::Fallback(_))));
    assert!(
        matches!(block(events.next()), Some(Event::Published(_))),
        "reported once"
    );
    assert_eq!(hotplate.render("page.html", &data).expect("renders").body, "N!");
}

#[test]
fn a_removed_template_is_no_last_good_version() {
    // By the history, and by what is remembered of each template beyond it.
    for history_versions in [32, 1] {
        let root = tempfile::tempdir().expect("a directory");
        let limits = Limits {
            history_versions,
            ..Limits::default()
        };
        let builder = Hotplate::builder().root(root.path()).limits(limits);
        let change = |hotplate: &Hotplate, name: &str, text: Option<&str>| {
            match text {
                Some(text) => write(root.path(), name, text),
                None => fs::remove_file(root.path().join(name)).expect("removed"),
            }
            block(hotplate.reload()).expect("reloads");
        };
        write(root.path(), "page.html", "secret {{ call part.html with o }}");
        write(root.path(), "part.html", "one");
        let hotplate = builder.watch(false).start().expect("starts");
        let data = json!({ "o": { "x": 1 } });
        change(&hotplate, "part.html", Some("two"));
        change(&hotplate, "page.html", None);
        for number in 0..3 {
            change(&hotplate, "other.html", Some(&format!("{number}")));
        }
        change(&hotplate, "page.html", Some("{nope}{{ call part.html with o }}"));
        hotplate
            .render("page.html", &data)
            .expect_err("there is no good version of it");
        change(&hotplate, "page.html", Some("back {{ call part.html with o }}"));
        change(&hotplate, "page.html", Some("{nope} again {{ call part.html with o }}"));
        let answer = hotplate.render("page.html", &data).expect("has one since it is back");
        assert_eq!(answer.body, "back two", "with {history_versions} versions kept");
    }
}

#[test]
fn the_stand_in_has_a_last_good_version() {
    let root = tempfile::tempdir().expect("a directory");
    write(root.path(), "down.html", "down");
    write(root.path(), "page.html", "{{ if }}");
    let builder = Hotplate::builder().root(root.path()).fallback("down.html");
    let hotplate = builder.watch(false).start().expect("starts");
    let body = || hotplate.render("page.html", &()).expect("the stand-in").body;
    assert_eq!(body(), "down");
    for bad in ["down {nope}", "{{ for x in }}"] {
        write(root.path(), "down.html", bad);
        block(hotplate.reload()).expect("reloads");
        assert_eq!(body(), "down", "{bad}");
        let said = hotplate.not_current();
        let said: Vec<&str> = said.iter().map(|each| each.template.as_str()).collect();
        assert!(said.contains(&"down.html"), "{said:?}");
    }
    write(root.path(), "down.html", "down again");
    block(hotplate.reload()).expect("reloads");
    assert_eq!(body(), "down again");
}

#[test]
fn directories_are_removed_and_added() {
    let root = tempfile::tempdir().expect("a directory");
    write(root.path(), "a.html", "a");
    write(root.path(), "blog/b.html", "b");
    let hotplate = Hotplate::builder().root(root.path()).start().expect("starts");
    let mut events = hotplate.subscribe();
    fs::remove_file(root.path().join("a.html")).expect("removed");
    fs::remove_dir_all(root.path().join("blog")).expect("removed");
    write(root.path(), "z/new.html", "new");
    write(root.path(), "c.html", "c");
    let there = |name: &str| hotplate.render(name, &()).is_ok();
    while there("a.html") || there("blog/b.html") || !there("z/new.html") || !there("c.html") {
        events.blocking_next();
    }
    let snapshot = hotplate.snapshot();
    assert_eq!(snapshot.snapshot().len(), 2);
}

#[test]
fn a_shutdown_waits_for_a_reload() {
    let root = tempfile::tempdir().expect("a directory");
    write(root.path(), "a.html", "1");
    let hotplate = start(root.path());
    let mut events = hotplate.subscribe();
    write(root.path(), "a.html", "2");
    block(async {
        let second = hotplate.clone();
        let (report, drained) = tokio::join!(hotplate.reload(), second.shutdown(std::time::Duration::from_secs(60)));
        assert!(drained, "in time");
        assert_eq!(report.expect("came to its end").changed.len(), 1);
    });
    assert!(matches!(events.blocking_next(), Some(Event::Published(_))));
    assert!(events.blocking_next().is_none(), "no event comes any more");
    assert_eq!(hotplate.render("a.html", &()).expect("renders on").body, "2");
}

#[test]
fn watching_needs_no_reload() {
    let root = tempfile::tempdir().expect("a directory");
    write(root.path(), "a.html", "1");
    let hotplate = Hotplate::builder().root(root.path()).start().expect("starts");
    let mut events = hotplate.subscribe();
    write(root.path(), "a.html", "2");
    write(root.path(), "new/b.html", "3");
    let mut seen = Vec::new();
    while seen.len() < 2 {
        if let Some(Event::Published(published)) = events.blocking_next() {
            seen.extend(published.changed.iter().map(ToString::to_string));
        }
    }
    assert_eq!(hotplate.render("a.html", &()).expect("renders").body, "2");
    assert_eq!(hotplate.render("new/b.html", &()).expect("renders").body, "3");
}

#[test]
fn a_replaced_root_is_followed() {
    let parent = tempfile::tempdir().expect("a directory");
    let root = parent.path().join("templates");
    write(&root, "a.html", "1");
    let hotplate = Hotplate::builder().root(&root).start().expect("starts");
    let mut events = hotplate.subscribe();
    fs::remove_dir_all(&root).expect("removed");
    write(&root, "a.html", "2");
    let mut wait_for = |text: &str| {
        // Removing it one by one may have been seen as a version of its own.
        while hotplate.render("a.html", &()).is_ok_and(|answer| answer.body != text)
            || hotplate.render("a.html", &()).is_err()
        {
            events.blocking_next();
        }
    };
    wait_for("2");
    write(&root, "a.html", "3");
    wait_for("3");
}

/// Checks that an invalid configuration is rejected at the start, with advice.
#[test]
fn invalid_configurations_are_rejected() {
    let root = tempfile::tempdir().expect("a directory");
    write(root.path(), "down.html", "down");
    write(root.path(), "broken.html", "{{ if }}");
    let builder = || Hotplate::builder().root(root.path()).watch(false);
    for (name, said) in [
        ("dwon.html", "did you mean `down.html`?"),
        ("nope.html", "the first version has no such template"),
        ("../down.html", "the fallback template `../down.html` cannot be used"),
    ] {
        let error = builder().fallback(name).start().expect_err("is refused");
        assert!(
            matches!(&error, StartError::Fallback { name: refused, .. } if refused == name),
            "{error}"
        );
        assert!(error.to_string().contains(said), "{error}");
    }
    builder().fallback("down.html").start().expect("is there");
    builder().fallback("broken.html").start().expect("can be repaired");
    builder()
        .optional_fallback("nope.html")
        .start()
        .expect("may come later");

    let limits = |burst_quiet_ms, burst_max_ms| Limits {
        burst_quiet_ms,
        burst_max_ms,
        ..Limits::default()
    };
    builder().limits(limits(7, 7)).start().expect("agree");
    let error = builder().limits(limits(8, 7)).start().expect_err("is refused");
    assert!(matches!(error, StartError::Limits(_)), "{error}");
    let said = error.to_string();
    assert!(
        said.contains("`burst_quiet_ms` is 8 ms") && said.contains("`burst_max_ms`, 7 ms"),
        "{said}"
    );

    for name in [
        "",
        " ",
        "a b",
        "a|b",
        "price(2)",
        "x}",
        "x-",
        "line\nbreak",
        "a\"b",
        "{",
    ] {
        let error = builder().formatter(name, |_, _| Ok(())).start().err();
        let error = error.unwrap_or_else(|| panic!("`{name}` is not refused"));
        assert!(
            matches!(&error, StartError::Formatter { name: refused, .. } if refused == name),
            "{error}"
        );
        assert!(error.to_string().contains("choose a word"), "{error}");
    }
    for name in ["price", "price-eur", "größe", "_x", "9", "a.b", "-x"] {
        let started = builder().formatter(name, |_, out| out.text("formatted")).start();
        let hotplate = started.unwrap_or_else(|error| panic!("{error}"));
        // And a template can use it.
        write(root.path(), "uses.html", &format!("{{x | {name}}}"));
        block(hotplate.reload()).expect("reloads");
        let answer = hotplate.render("uses.html", &json!({ "x": 1 })).expect(name);
        assert_eq!(answer.body, "formatted", "{name}");
    }
}

/// Checks that a program without a `tracing` subscriber gets one notice on stderr, with the first fault, and in debug builds only.
#[test]
fn a_missing_subscriber_is_reported_once() {
    const INSIDE: &str = "HOTPLATE_TEST_WITHOUT_A_SUBSCRIBER";
    if std::env::var_os(INSIDE).is_some() {
        let root = tempfile::tempdir().expect("a directory");
        write(root.path(), "broken.html", "{{ if }}");
        write(root.path(), "late.html", "{nmae}");
        let hotplate = start(root.path());
        for _ in 0..2 {
            hotplate
                .render("late.html", &json!({ "name": "N" }))
                .expect_err("fails");
        }
        return;
    }
    let this = std::env::current_exe().expect("has a path");
    let child = std::process::Command::new(this)
        .args([
            "engine::a_missing_subscriber_is_reported_once",
            "--exact",
            "--nocapture",
        ])
        .env(INSIDE, "1")
        .output()
        .expect("runs");
    assert!(child.status.success(), "{child:?}");
    let said = String::from_utf8_lossy(&child.stderr);
    let times = said.matches("no `tracing` subscriber is installed").count();
    assert_eq!(times, usize::from(cfg!(debug_assertions)), "{said}");
    assert_eq!(said.contains("broken.html:1:"), cfg!(debug_assertions), "{said}");
}

#[test]
fn leniency_belongs_to_a_root() {
    let (strict, lenient) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("another"));
    let text = "{{ if nick }}{nick}{{ else }}nobody{{ endif }}{{ if not nick }}!{{ endif }}{{ for x in xs }}x{{ endfor }}{nick}";
    write(strict.path(), "a.html", text);
    write(strict.path(), "calls.html", "{{ call b.html with user }}");
    write(lenient.path(), "a.html", text);
    write(lenient.path(), "b.html", text);
    write(
        lenient.path(),
        "calls_back.html",
        "[{nick}{{ call a.html with user }}{{ call a.html with nobody }}]",
    );
    let mounts = [Mount::new("", strict.path()), Mount::new("", lenient.path()).lenient()];
    let hotplate = Hotplate::builder().mounts(mounts).watch(false).start().expect("starts");
    let data = json!({ "user": {} });
    let said = |name| match hotplate.render(name, &data) {
        Ok(page) => page.body,
        Err(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
    };
    assert_eq!(said("b.html"), "nobody!");
    assert_eq!(said("a.html"), "error[missing-path]: there is no `nick` in the data");
    // Leniency belongs to the text, regardless of its caller.
    assert_eq!(said("calls.html"), "nobody!");
    let whole = "error[missing-path]: there is no `nick` in `user`, the value that this template was called with";
    assert_eq!(said("calls_back.html"), whole);

    fs::remove_file(strict.path().join("a.html")).expect("removed");
    let report = block(hotplate.reload()).expect("reloads");
    assert_eq!(report.changed.len(), 1, "the same text, and another meaning");
    assert_eq!(said("a.html"), "nobody!");
    assert_eq!(said("calls_back.html"), "[nobody!]");
}

#[test]
fn a_whole_engine_is_lenient() {
    let texts = [
        (
            "page.html",
            "[{a}{a.b}{x.y}{a | upper}{{ if a }}1{{ else }}2{{ endif }}{{ for x in a }}x{{ endfor }}{{ call part.html with x }}]",
        ),
        ("part.html", "{{ with b as c }}{c}{{ endwith }}{b}"),
    ];
    let engine = || Hotplate::builder().loader(MemoryLoader::of(texts).expect("names"));
    let data = json!({ "x": {} });
    let lenient = engine().lenient().start().expect("starts");
    assert_eq!(lenient.render("page.html", &data).expect("renders").body, "[2]");
    let strict = engine().start().expect("starts");
    let Err(RenderFailure::Failed(error)) = strict.render("page.html", &data) else {
        panic!("strict by default");
    };
    assert_eq!(error.diagnostic.code, "missing-path");
    assert!(MemoryLoader::of([("../a", "")]).is_err());
}

#[test]
fn a_directory_overrides_embedded_templates() {
    let root = tempfile::tempdir().expect("a directory");
    write(root.path(), "a.html", "of the operator");
    let built_in = MemoryLoader::of([("a.html", "built in"), ("b.html", "built in too")]).expect("names");
    let hotplate = Hotplate::builder()
        .root(root.path())
        .loader(built_in)
        .watch(false)
        .start()
        .expect("starts");
    let said = |name| hotplate.render(name, &()).expect("renders").body;
    assert_eq!([said("a.html"), said("b.html")], ["of the operator", "built in too"]);
    fs::remove_file(root.path().join("a.html")).expect("removed");
    block(hotplate.reload()).expect("reloads");
    assert_eq!(said("a.html"), "built in");
}

/// Checks that a layout that breaks is a bounded number of events, and that every page has its reason.
#[test]
fn a_break_of_many_pages_is_few_events() {
    const PAGES: usize = 300;
    let name = |name: &str| TemplateName::new(name).expect("a name");
    let (loader, memory) = MemoryLoader::new();
    let pages = (0..PAGES).map(|number| {
        (
            name(&format!("{number}.html")),
            Some("{{ call layout.html with title }}{title}".to_owned()),
        )
    });
    memory.edit(pages.chain([(name("layout.html"), Some("layout 1 ".to_owned()))]));
    // A subscriber that is behind by more than this loses events.
    let limits = Limits {
        event_names: 10,
        subscriber_events: 16,
        ..Limits::default()
    };
    let builder = Hotplate::builder().loader(loader).watch(false).limits(limits);
    let hotplate = builder.start().expect("starts");
    let mut events = hotplate.subscribe();
    memory.set(name("layout.html"), "{{ if }}");
    let report = block(hotplate.reload()).expect("reloads");
    assert_eq!(report.not_current.len(), PAGES + 1);
    let Some(Event::Published(published)) = block(events.next()) else {
        panic!("no Published")
    };
    assert_eq!((published.stale.count, published.stale.names.len()), (PAGES + 1, 10));
    let of_layout = |fault: &Diagnostic| fault.template == Some(name("layout.html")) && fault.chain.is_empty();
    assert!(published.diagnostics.iter().all(of_layout));
    assert_eq!(published.diagnostics, report.diagnostics);
    for listed in &published.stale {
        let Some(Event::Fallback(fallback)) = block(events.next()) else {
            panic!("no Fallback")
        };
        assert_eq!(fallback.template, *listed);
        assert_eq!(fallback.why.cause, name("layout.html"));
    }
    // The others have the same reason, with their own call.
    let pinned = hotplate.snapshot();
    for number in 0..PAGES {
        let page = format!("{number}.html");
        let id = pinned.snapshot().id(&page).expect("has an id");
        let why = pinned.snapshot().why(id).expect("is stale");
        assert_eq!(why.diagnostics[0].chain[0].template, name(&page));
    }
    let stale = hotplate.render("299.html", &json!({ "title": "T" })).expect("goes on");
    assert_eq!(stale.body, "layout 1 T");
    assert!(matches!(stale.freshness, Freshness::Stale { why, .. } if why.cause == name("layout.html")));

    memory.set(name("layout.html"), "layout 2 ");
    block(hotplate.reload()).expect("reloads");
    let Some(Event::Published(published)) = block(events.next()) else {
        panic!("no Published")
    };
    assert_eq!(
        (published.recovered.count, published.recovered.names.len()),
        (PAGES + 1, 10)
    );
    assert!(
        pinned
            .snapshot()
            .why(pinned.snapshot().id("0.html").expect("has an id"))
            .is_some()
    );
    let now = hotplate.snapshot();
    assert!(
        now.snapshot()
            .why(now.snapshot().id("0.html").expect("has an id"))
            .is_none()
    );
}
