//! Tests that a bad page does not affect others, and of the answer in its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hotplate_actors::{
    Builder, Context, Freshness, Hotplate, Limits, MemoryHandle, MemoryLoader, Render, RenderFailure, RenderOptions,
    Rendered, TemplateName, Unavailable,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

fn name(text: &str) -> TemplateName {
    TemplateName::new(text).expect("a valid name")
}

const DAY_MS: u64 = 86_400_000;
const LOOPS: &str = "{{ for a in xs }}{{ for b in xs }}{{ for c in xs }}{{ for d in xs }}{{ endfor }}{{ endfor }}{{ endfor }}{{ endfor }}";

fn data() -> Context {
    Context::new(json!({ "x": 1, "own": { "x": 1 }, "xs": vec![0; 1_000] }))
}

fn engine(texts: &[(&str, &str)], build: impl FnOnce(Builder) -> Builder) -> (Hotplate, MemoryHandle) {
    let (loader, texts_of) = MemoryLoader::new();
    for (template, text) in texts {
        texts_of.set(name(template), *text);
    }
    let hotplate = build(Hotplate::builder().loader(loader)).start().expect("starts");
    (hotplate, texts_of)
}

fn edit(hotplate: &Hotplate, texts: &MemoryHandle, template: &str, text: &str) {
    texts.set(name(template), text);
    let system = actix::System::new();
    system.block_on(hotplate.reload()).expect("answered");
}

/// Waits for renders that their callers have cancelled.
async fn all_are_cancelled(visitors: Vec<tokio::task::JoinHandle<Result<Rendered, RenderFailure>>>) {
    for visitor in visitors {
        let rendered = visitor.await.expect("no panic");
        assert!(
            matches!(rendered, Err(RenderFailure::Unavailable(Unavailable::Timeout(_)))),
            "{rendered:?}"
        );
    }
}

#[actix::test]
async fn a_looping_page_delays_no_other_page() {
    let limits = Limits {
        render_ms: DAY_MS,
        render_steps: u64::MAX >> 1,
        render_wait_ms: DAY_MS,
        render_hang_ms: DAY_MS,
        render_threads: 2,
        ..Limits::default()
    };
    let (hotplate, _texts) = engine(&[("loops.txt", LOOPS), ("page.txt", "page {x}")], |builder| {
        builder.limits(limits)
    });
    let (leave, ended) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
    let visitors: Vec<_> = (0..4)
        .map(|_| {
            let (hotplate, ended) = (hotplate.clone(), Arc::clone(&ended));
            let options = RenderOptions {
                cancel: Some(leave.clone()),
                ..RenderOptions::default()
            };
            actix::spawn(async move {
                let pinned = hotplate.snapshot();
                let rendered = hotplate
                    .renderer()
                    .render(pinned.request("loops.txt").with_source(data()).options(&options))
                    .await;
                ended.fetch_add(1, Ordering::SeqCst);
                rendered
            })
        })
        .collect();
    // All of them are tried in this thread first, and then wait for others.
    while hotplate.health().mailboxes[1].in_flight < 4 {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        let pinned = hotplate.snapshot();
        let rendered = hotplate
            .renderer()
            .render(pinned.request("page.txt").with_source(data()))
            .await;
        assert_eq!(rendered.expect("renders").body, "page 1");
    }
    assert_eq!(ended.load(Ordering::SeqCst), 0, "they would loop for days");
    leave.cancel();
    all_are_cancelled(visitors).await;
}

/// Looping renders hold as many threads as the limit says, so that the other threads render other pages.
#[actix::test]
async fn a_template_that_loops_leaves_threads_to_others() {
    for (render_threads, unproven_threads) in [(2, 0), (4, 0), (3, 2)] {
        let limits = Limits {
            render_ms: DAY_MS,
            render_steps: u64::MAX >> 1,
            render_wait_ms: DAY_MS,
            render_hang_ms: DAY_MS,
            render_threads,
            unproven_threads,
            ..Limits::default()
        };
        let (hotplate, _texts) = engine(&[("loops.txt", LOOPS), ("page.txt", "page {x}")], |builder| {
            builder.limits(limits)
        });
        let leave = CancellationToken::new();
        let visit = || {
            let (hotplate, cancel) = (hotplate.clone(), Some(leave.clone()));
            let options = RenderOptions {
                cancel,
                ..RenderOptions::default()
            };
            actix::spawn(async move {
                let pinned = hotplate.snapshot();
                hotplate
                    .renderer()
                    .render(pinned.request("loops.txt").with_source(data()).options(&options))
                    .await
            })
        };
        let visitors: Vec<_> = (0..2 * render_threads).map(|_| visit()).collect();
        while hotplate.health().mailboxes[1].in_flight < visitors.len() {
            tokio::task::yield_now().await;
        }
        for _ in 0..20 {
            let page = hotplate.renderer().pooled().send(Render::new("page.txt", data()));
            let page = tokio::time::timeout(Duration::from_secs(60), page).await;
            assert_eq!(page.expect("a thread is free").expect("renders").body, "page 1");
        }
        leave.cancel();
        all_are_cancelled(visitors).await;
    }
}

/// A text that no render has ended with yet does not take the place of the last good one.
#[actix::test]
async fn a_text_that_was_never_rendered_to_its_end_is_no_last_good_version() {
    let limits = Limits {
        render_ms: 1_000,
        render_steps: u64::MAX >> 1,
        history_versions: 2,
        ..Limits::default()
    };
    let good = [("page.txt", "good {x}"), ("other.txt", "0")];
    let (hotplate, texts) = engine(&good, |builder| builder.limits(limits));
    let publish = async |template: &str, text: &str| {
        texts.set(name(template), text);
        hotplate.reload().await.expect("answered");
        hotplate.snapshot().version()
    };
    publish("page.txt", LOOPS).await;
    let leave = CancellationToken::new();
    let visitor = actix::spawn({
        let (hotplate, cancel) = (hotplate.clone(), Some(leave.clone()));
        async move {
            let options = RenderOptions {
                cancel,
                ..RenderOptions::default()
            };
            let pinned = hotplate.snapshot();
            hotplate
                .renderer()
                .render(pinned.request("page.txt").with_source(data()).options(&options))
                .await
        }
    });
    while hotplate.health().mailboxes[1].in_flight < 1 && !visitor.is_finished() {
        tokio::task::yield_now().await;
    }
    leave.cancel();
    let _ = visitor.await.expect("no panic");
    publish("other.txt", "1").await;
    publish("other.txt", "2").await;
    let looping = publish("other.txt", "3").await;
    publish("page.txt", "better {x}").await;
    hotplate.roll_back(looping).await.expect("is kept");
    let rendered = hotplate.render("page.txt", &json!({ "x": 1, "xs": vec![0; 1_000] }));
    assert_eq!(rendered.expect("the last good version").body, "good 1");
}

#[actix::test]
async fn a_restarted_render_keeps_its_version() {
    let limits = Limits {
        inline_steps: 0,
        ..Limits::default()
    };
    let old = [
        (
            "page.txt",
            "old {{ for a in xs }}{{ endfor }}{{ call part.txt with own }}",
        ),
        ("part.txt", "old {x}"),
    ];
    let (hotplate, texts) = engine(&old, |builder| builder.limits(limits));
    let pinned = hotplate.snapshot();
    texts.edit([
        (
            name("page.txt"),
            Some("new {{ for a in xs }}{{ endfor }}{{ call part.txt with own }}"),
        ),
        (name("part.txt"), Some("new {x}")),
    ]);
    hotplate.reload().await.expect("answered");
    for (pinned, body) in [(&pinned, "old old 1"), (&hotplate.snapshot(), "new new 1")] {
        for _ in 0..2 {
            let rendered = hotplate
                .renderer()
                .render(pinned.request("page.txt").with_source(data()))
                .await;
            let rendered = rendered.expect("renders");
            assert_eq!((rendered.body.as_str(), rendered.version), (body, pinned.version()));
        }
    }
}

#[actix::test]
async fn a_deadline_holds_while_a_formatter_blocks() {
    let limits = Limits {
        render_threads: 1,
        render_grace_ms: 1,
        render_hang_ms: DAY_MS,
        render_wait_ms: DAY_MS,
        ..Limits::default()
    };
    let (open, gate) = crossbeam_channel::bounded::<()>(0);
    let (hotplate, _texts) = engine(&[("blocks.txt", "{x | block}"), ("page.txt", "page {x}")], |builder| {
        builder.limits(limits).formatter("block", move |_, _| {
            let _ = gate.recv();
            Ok(())
        })
    });
    let pinned = hotplate.snapshot();
    let options = RenderOptions {
        deadline: Some(Instant::now() + Duration::from_millis(20)),
        ..RenderOptions::default()
    };
    let late = hotplate
        .renderer()
        .render(pinned.request("blocks.txt").with_source(data()).options(&options))
        .await;
    assert!(
        matches!(late, Err(RenderFailure::Unavailable(Unavailable::Timeout(_)))),
        "{late:?}"
    );
    // Without a deadline, so that it waits for the thread that comes in place of the one that is lost.
    let page = hotplate
        .renderer()
        .render(pinned.request("page.txt").with_source(data()))
        .await;
    assert_eq!(page.expect("renders").body, "page 1");
    // It costs no second thread: its breaker is open.
    let again = hotplate
        .renderer()
        .render(pinned.request("blocks.txt").with_source(data()))
        .await;
    let message = again.expect_err("there is no good version").to_string();
    assert!(message.contains("does not end"), "{message}");
    assert_eq!(hotplate.counters().breaker_opened, 1);
    drop(open);
}

#[test]
fn an_open_breaker_serves_the_last_good_version() {
    let limits = Limits {
        render_steps: 2_000,
        breaker_failures: 3,
        breaker_pause_ms: DAY_MS,
        breaker_pause_max_ms: DAY_MS,
        ..Limits::default()
    };
    let tried = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&tried);
    let (hotplate, texts) = engine(&[("page.txt", "good {x}"), ("other.txt", "other")], |builder| {
        builder.limits(limits).formatter("count", move |_, _| {
            counts.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    });
    let data = json!({ "x": 1, "own": { "x": 1 }, "xs": vec![0; 1_000] });
    edit(&hotplate, &texts, "page.txt", &format!("{{x | count}}{LOOPS}"));
    for _ in 0..10 {
        let rendered = hotplate.render("page.txt", &data).expect("the last good version");
        assert_eq!(rendered.body, "good 1");
        assert!(matches!(rendered.freshness, Freshness::Stale { .. }), "{rendered:?}");
    }
    assert_eq!(tried.load(Ordering::SeqCst), 3, "as often as `breaker_failures` says");
    let counters = hotplate.counters();
    let counted = (counters.breaker_opened, counters.breaker_probes, counters.breakers_open);
    assert_eq!((counted, counters.renders_rescued), ((1, 0, 1), 10));
    let not_current: Vec<_> = hotplate.not_current().into_iter().map(|each| each.template).collect();
    assert_eq!(not_current, [name("page.txt")]);
    // An edit of another template changes nothing of that; one of its own is tried at once.
    edit(&hotplate, &texts, "other.txt", "another");
    assert_eq!(hotplate.render("page.txt", &data).expect("renders").body, "good 1");
    assert_eq!(tried.load(Ordering::SeqCst), 3);
    edit(&hotplate, &texts, "page.txt", "repaired {x}");
    let rendered = hotplate.render("page.txt", &data).expect("renders");
    assert_eq!(rendered.body, "repaired 1");
    assert!(matches!(rendered.freshness, Freshness::Current), "{rendered:?}");
    assert_eq!(hotplate.counters().breakers_open, 0);
}

#[test]
fn excessive_data_affects_one_visitor() {
    let limits = Limits {
        render_steps: 2_000,
        ..Limits::default()
    };
    let (hotplate, texts) = engine(&[("page.txt", "old {x}")], |builder| builder.limits(limits));
    edit(&hotplate, &texts, "page.txt", &format!("new {{x}}{LOOPS}"));
    for _ in 0..10 {
        for _ in 0..2 {
            let many = hotplate.render("page.txt", &json!({ "x": 1, "own": { "x": 1 }, "xs": vec![0; 1_000] }));
            assert_eq!(many.expect("the last good version").body, "old 1");
        }
        let few = hotplate
            .render("page.txt", &json!({ "x": 2, "xs": [] }))
            .expect("renders");
        assert_eq!(few.body, "new 2");
    }
    assert_eq!(hotplate.counters().breaker_opened, 0);
}

#[test]
fn an_open_breaker_without_a_good_version_fails_fast() {
    let limits = Limits {
        render_steps: 2_000,
        breaker_pause_ms: DAY_MS,
        ..Limits::default()
    };
    let tried = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&tried);
    let text = format!("{{x | count}}{LOOPS}");
    let (hotplate, _texts) = engine(&[("page.txt", text.as_str())], |builder| {
        builder.limits(limits).formatter("count", move |_, _| {
            counts.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    });
    let data = json!({ "x": 1, "own": { "x": 1 }, "xs": vec![0; 1_000] });
    for stand_in in [false, false, false, false, true, true] {
        let options = RenderOptions {
            stand_in,
            ..RenderOptions::default()
        };
        match hotplate.request("page.txt").with(&data).options(&options).render() {
            Ok(rendered) => assert!(stand_in && matches!(rendered.freshness, Freshness::Fallback { .. })),
            Err(failure) => assert!(!stand_in && failure.to_string().contains("render_steps"), "{failure}"),
        }
    }
    assert_eq!(tried.load(Ordering::SeqCst), 3);
}

#[test]
fn an_older_good_version_is_found() {
    let limits = Limits {
        render_ms: 400,
        render_steps: u64::MAX >> 1,
        ..Limits::default()
    };
    let good = [("page.txt", "good {x}{{ call part.txt with own }}"), ("part.txt", "!")];
    let (hotplate, texts) = engine(&good, |builder| builder.limits(limits));
    edit(
        &hotplate,
        &texts,
        "page.txt",
        &format!("{{{{ call part.txt with own }}}}{LOOPS}"),
    );
    edit(&hotplate, &texts, "part.txt", "?");
    edit(&hotplate, &texts, "part.txt", "??");
    let data = json!({ "x": 1, "own": { "x": 1 }, "xs": vec![0; 1_000] });
    assert_eq!(
        hotplate.render("page.txt", &data).expect("the last good version").body,
        "good 1!"
    );
}
