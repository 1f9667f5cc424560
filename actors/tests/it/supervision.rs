//! Failures of the engine's actors, threads and loaders, as seen from outside: answers, health and events.

use std::time::Duration;

use hotplate_actors::messages::RolledBack;
use hotplate_actors::supervision::FaultMoment;
use hotplate_actors::{
    ActorKind, ActorState, Context, Event, Hotplate, Limits, MemoryHandle, MemoryLoader, Policy, Reload, Render,
    RenderFailure, StartError, TemplateName, Timeout, Unavailable,
};

fn name(text: &str) -> TemplateName {
    TemplateName::new(text).expect("a valid name")
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn engine(build: impl FnOnce(hotplate_actors::Builder) -> hotplate_actors::Builder) -> (Hotplate, MemoryHandle) {
    let (loader, memory) = MemoryLoader::new();
    memory.set(name("a.txt"), "0");
    let hotplate = build(Hotplate::builder().loader(loader)).start().expect("starts");
    (hotplate, memory)
}

/// Waits for an event that is certain to come.
fn wait_for(events: &mut hotplate_actors::Subscription, wanted: impl Fn(&Event) -> bool) {
    while !wanted(&block(events.next()).expect("the engine is up")) {}
}

#[test]
fn an_invalid_policy_is_rejected() {
    let (loader, _memory) = MemoryLoader::new();
    let invalid = Policy {
        backoff_min_ms: 500,
        backoff_max_ms: 100,
        ..Policy::default()
    };
    let rejected = Hotplate::builder()
        .loader(loader)
        .policy(ActorKind::Graph, invalid)
        .start();
    let Err(StartError::Policy { actor, error }) = rejected else {
        panic!("{rejected:?}")
    };
    assert_eq!((actor, error.field), ("graph", "backoff_min_ms"));
    let message = StartError::Policy { actor, error }.to_string();
    for word in ["graph", "backoff_min_ms", "500", "backoff_max_ms", "100", "write"] {
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn an_actor_at_its_restart_limit_stays_down_until_a_reset() {
    let policy = Policy {
        restarts: 2,
        backoff_min_ms: 1,
        backoff_max_ms: 2,
        ..Policy::default()
    };
    for actor in ["watcher", "compiler", "graph", "registry"] {
        let (hotplate, memory) = engine(|builder| {
            let control = [
                ActorKind::Watcher,
                ActorKind::Compiler,
                ActorKind::Graph,
                ActorKind::Registry,
            ];
            let policies = control.into_iter();
            policies.fold(builder, |builder, kind| builder.policy(kind, policy.clone()))
        });
        let mut events = hotplate.subscribe();
        let (_, faults) = hotplate.faults().find(|(each, _)| *each == actor).expect("is there");
        for number in 1..=3 {
            faults.inject(FaultMoment::Before);
            memory.set(name("a.txt"), number.to_string());
            wait_for(
                &mut events,
                |event| matches!(event, Event::ActorFailed(fault) if fault.actor == actor),
            );
        }
        wait_for(
            &mut events,
            |event| matches!(event, Event::GaveUp(given_up) if given_up.actor == actor),
        );
        let health = hotplate.health();
        assert!(
            !health.ready && health.reasons.iter().any(|reason| reason.contains(actor)),
            "{health:?}"
        );
        let of_actor = health.actors.iter().find(|each| each.actor == actor).expect("is there");
        assert_eq!((of_actor.state, of_actor.restarts), (ActorState::Down, 2));
        assert!(
            of_actor
                .last_fault
                .as_ref()
                .is_some_and(|message| message.contains("injected"))
        );
        assert!(hotplate.render("a.txt", &()).is_ok(), "{actor}: still renders");
        let reloaded = block(hotplate.reload());
        assert!(
            matches!(reloaded, Err(Unavailable::Down(_) | Unavailable::Lost(_))),
            "{actor}: {reloaded:?}"
        );
        assert_eq!(hotplate.reset_named(actor), 1);
        let report = block(hotplate.reload()).expect("is up again");
        assert!(report.diagnostics.is_empty());
        assert_eq!(hotplate.render("a.txt", &()).expect("renders").body, "3", "{actor}");
        assert!(hotplate.health().ready, "{:?}", hotplate.health());
    }
}

#[test]
fn health_names_every_part_and_a_stopped_engine() {
    let (hotplate, _memory) = engine(|builder| builder);
    let health = hotplate.health();
    assert!(health.ready && health.reasons.is_empty(), "{health:?}");
    for kind in ["watcher", "compiler", "graph", "registry", "renderer"] {
        let actor = health.actors.iter().find(|each| each.actor == kind).expect(kind);
        assert_eq!((actor.state, actor.backlog), (ActorState::Up, 0));
    }
    let mailboxes: Vec<_> = health.mailboxes.iter().map(|door| door.mailbox).collect();
    assert_eq!(mailboxes, ["reloads", "renders", "queries"]);
    assert_eq!(health.loaders.len(), 1);
    assert!(block(hotplate.shutdown(Duration::from_secs(30))));
    let health = hotplate.health();
    assert!(!health.ready && health.reasons[0].contains("stopped"), "{health:?}");
    assert!(health.actors.iter().all(|actor| actor.state == ActorState::Stopped));
    assert!(hotplate.render("a.txt", &()).is_ok(), "still renders");
    let rendered = block(hotplate.renderer().send(Render::new("a.txt", Context::new(()))));
    assert!(
        matches!(rendered, Err(RenderFailure::Unavailable(Unavailable::Down(_)))),
        "{rendered:?}"
    );
    let history = block(hotplate.history());
    assert!(matches!(history, Err(Unavailable::Down(_))), "{history:?}");
}

/// Starts an engine with a formatter that blocks until the returned sender is dropped.
fn with_blocking_formatter(
    builder: hotplate_actors::Builder,
    limits: Limits,
) -> (Hotplate, crossbeam_channel::Sender<()>) {
    let (open, gate) = crossbeam_channel::bounded::<()>(0);
    let (loader, memory) = MemoryLoader::new();
    memory.edit([
        (name("hang.txt"), Some("{x | hang}")),
        (name("hang2.txt"), Some("{x | hang}")),
        (name("page.txt"), Some("page {x}")),
    ]);
    let hotplate = builder
        .loader(loader)
        .limits(limits)
        .formatter("hang", move |_, _| {
            let _ = gate.recv();
            Ok(())
        })
        .start()
        .expect("starts");
    (hotplate, open)
}

fn render(template: &str) -> Render {
    Render::new(template, Context::new(serde_json::json!({ "x": 1 })))
}

#[test]
fn blocking_formatters_cost_threads_up_to_a_limit() {
    let limits = Limits {
        render_threads: 1,
        render_hang_ms: 300,
        quarantined_threads: 2,
        ..Limits::default()
    };
    let (hotplate, open) = with_blocking_formatter(Hotplate::builder(), limits);
    let renderer = hotplate.renderer();
    // Two templates, because one that has hung is not tried again so soon.
    for (hanging, template) in [(1, "hang.txt"), (2, "hang2.txt")] {
        let failure = block(renderer.send(render(template))).expect_err("hangs");
        assert!(
            matches!(&failure, RenderFailure::Unavailable(Unavailable::Lost(why)) if why.contains("render_hang_ms")),
            "{failure}"
        );
        assert_eq!(
            block(renderer.send(render("page.txt"))).expect("renders").body,
            "page 1"
        );
        let health = hotplate.health();
        let of_renderer = health
            .actors
            .iter()
            .find(|each| each.actor == "renderer")
            .expect("is there");
        assert_eq!(
            (of_renderer.quarantined, health.ready),
            (hanging, hanging < 2),
            "{health:?}"
        );
    }
    assert!(hotplate.health().reasons[0].contains("quarantined_threads"));
    assert_eq!(
        hotplate
            .render("page.txt", &serde_json::json!({ "x": 2 }))
            .expect("renders")
            .body,
        "page 2"
    );
    drop(open);
    while !hotplate.health().ready {
        std::thread::yield_now();
    }
}

#[test]
fn a_deadline_holds_while_all_threads_block() {
    let limits = Limits {
        render_threads: 1,
        ..Limits::default()
    };
    let (hotplate, open) = with_blocking_formatter(Hotplate::builder(), limits);
    let until = |template| {
        let mut render = render(template);
        render.options.deadline = Some(std::time::Instant::now() + Duration::from_millis(50));
        hotplate.renderer().send(render)
    };
    block(async {
        let (hanging, queued) = tokio::join!(until("hang.txt"), until("page.txt"));
        for failure in [hanging, queued] {
            assert!(
                matches!(failure, Err(RenderFailure::Unavailable(Unavailable::Timeout(_)))),
                "{failure:?}"
            );
        }
    });
    assert_eq!(hotplate.health().mailboxes[1].timeouts, 2);
    drop(open);
    assert!(block(hotplate.renderer().send(render("page.txt"))).is_ok());
}

#[test]
fn a_shutdown_ends_in_time_while_a_thread_hangs() {
    let (hotplate, open) = with_blocking_formatter(Hotplate::builder(), Limits::default());
    let sender = hotplate.renderer();
    let hanging = std::thread::spawn(move || block(sender.send(render("hang.txt"))));
    while hotplate.health().mailboxes[1].in_flight == 0 {
        std::thread::yield_now();
    }
    assert!(
        !block(hotplate.shutdown(Duration::from_millis(50))),
        "not everything was done"
    );
    assert!(
        hotplate.render("page.txt", &serde_json::json!({ "x": 2 })).is_ok(),
        "still renders"
    );
    // The render in flight is answered when it ends.
    drop(open);
    let _ = hanging.join().expect("is answered");
}

#[test]
fn a_panic_in_drop_affects_one_render() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }
    impl serde::Serialize for Bad {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.serialize_str("bad")
        }
    }
    let (loader, memory) = MemoryLoader::new();
    memory.edit([
        (name("a.txt"), Some("{x | bad}")),
        (name("b.txt"), Some("{x | worse}")),
        (name("page.txt"), Some("page {x}")),
    ]);
    let hotplate = Hotplate::builder()
        .loader(loader)
        .formatter("bad", |_, _| {
            let _dropped = Bad;
            Ok(())
        })
        .formatter("worse", |_, _| std::panic::panic_any(Bad))
        .start()
        .expect("starts");
    for template in ["a.txt", "b.txt"] {
        let failure = block(hotplate.renderer().send(render(template))).expect_err("fails");
        assert!(matches!(failure, RenderFailure::Failed(_)), "{failure:?}");
        assert!(hotplate.render(template, &serde_json::json!({ "x": 1 })).is_err());
        assert!(block(hotplate.renderer().send(render("page.txt"))).is_ok());
    }
    let bad_data = Render::new("page.txt", Context::new(std::collections::BTreeMap::from([("x", Bad)])));
    assert_eq!(
        block(hotplate.renderer().send(bad_data)).expect("renders").body,
        "page bad"
    );
    assert!(block(hotplate.renderer().send(render("page.txt"))).is_ok());
    assert!(hotplate.health().ready);
}

#[test]
fn a_text_that_hangs_its_dialect_is_broken_alone() {
    use hotplate_actors::dialect::{Dialect, Unit, tiny::Tiny};
    struct Hangs(crossbeam_channel::Receiver<()>);
    impl Dialect for Hangs {
        fn id(&self) -> &'static str {
            "hangs"
        }
        fn compile(
            &self,
            text: &str,
            limits: &Limits,
        ) -> Result<std::sync::Arc<dyn Unit>, Vec<hotplate_actors::Diagnostic>> {
            if text == "hang" {
                let _ = self.0.recv();
            }
            Tiny.compile(text, limits)
        }
    }
    let (_open, gate) = crossbeam_channel::bounded::<()>(0);
    let (loader, memory) = MemoryLoader::new();
    memory.edit([(name("a.txt"), Some("1")), (name("b.txt"), Some("1"))]);
    let limits = Limits {
        compile_hang_ms: 300,
        ..Limits::default()
    };
    let builder = Hotplate::builder().loader(loader).limits(limits).dialect(Hangs(gate));
    let hotplate = builder.start().expect("starts");
    memory.edit([(name("a.txt"), Some("hang")), (name("b.txt"), Some("2"))]);
    let report = block(hotplate.reload()).expect("reloads");
    let codes: Vec<_> = report.diagnostics.iter().map(|each| each.code).collect();
    assert_eq!(codes, ["dialect-hangs"], "{report:?}");
    assert_eq!(hotplate.render("a.txt", &()).expect("the last good").body, "1");
    assert_eq!(hotplate.render("b.txt", &()).expect("the new version").body, "2");
    let health = hotplate.health();
    let compiler = health
        .actors
        .iter()
        .find(|each| each.actor == "compiler")
        .expect("is there");
    assert_eq!((compiler.quarantined, health.ready), (1, true));
}

#[test]
fn a_keyed_command_is_done_once() {
    let (hotplate, memory) = engine(|builder| builder);
    let first = hotplate.snapshot().version();
    memory.set(name("a.txt"), "1");
    let version = || hotplate.snapshot().version();
    let report = block(hotplate.keyed("k").reload(Reload::default())).expect("reloads");
    memory.set(name("a.txt"), "2");
    let again = block(hotplate.keyed("k").reload(Reload::default())).expect("answers");
    assert_eq!(again, report, "as it was");
    block(hotplate.keyed("l").reload(Reload::default())).expect("reloads");
    assert_eq!(hotplate.render("a.txt", &()).expect("renders").body, "2");

    let (_, faults) = hotplate
        .faults()
        .find(|(each, _)| *each == "registry")
        .expect("is there");
    let before = version();
    for moment in [FaultMoment::Before, FaultMoment::After, FaultMoment::Reply] {
        let key = format!("back {moment:?}");
        let began = version();
        faults.inject(moment);
        let answer = block(hotplate.keyed(&key).roll_back(first)).expect("answers");
        assert!(matches!(answer, RolledBack::Published(_)), "{moment:?}: {answer:?}");
        assert_eq!(version().number(), began.number() + 1, "{moment:?}: done once");
        block(hotplate.keyed(&key).roll_back(first)).expect("answers");
        assert_eq!(version().number(), began.number() + 1, "{moment:?}: and not again");
        faults.inject(moment);
        block(hotplate.keyed(&key).resume()).expect("answers");
        assert_eq!(version().number(), began.number() + 2, "{moment:?}");
    }
    // Without a key of the caller's, a lost command is repeated under a key that the handle makes.
    faults.inject(FaultMoment::After);
    block(hotplate.roll_back(first)).expect("answers");
    assert_eq!(version().number(), before.number() + 7);
    block(hotplate.resume()).expect("answers");
    assert_eq!(version().number(), before.number() + 8);
}

#[test]
fn a_full_mailbox_rejects_and_counts() {
    let limits = Limits {
        queries_in_flight: 0,
        renders_in_flight: 0,
        reloads_in_flight: 1,
        ..Limits::default()
    };
    let (hotplate, _memory) = engine(|builder| builder.limits(limits));
    let busy = |mailbox, limit| Unavailable::Busy {
        mailbox,
        limit: Some(limit),
    };
    assert_eq!(
        block(hotplate.history()),
        Err(busy("queries", "the limit `queries_in_flight`"))
    );
    let rejected = block(hotplate.renderer().send(render("a.txt")));
    assert!(matches!(
        rejected,
        Err(RenderFailure::Unavailable(Unavailable::Busy { .. }))
    ));
    // The first may have ended before the second comes, so pairs are sent until one is rejected.
    let rejected = (0..1_000).any(|_| {
        let (first, second) = block(async { tokio::join!(hotplate.reload(), hotplate.reload()) });
        assert!(first.is_ok());
        second == Err(busy("reloads", "the limit `reloads_in_flight`"))
    });
    assert!(rejected, "a thousand pairs, and none at once");
    let busy: Vec<_> = hotplate.health().mailboxes.iter().map(|door| door.busy).collect();
    assert_eq!(busy, [1, 1, 1]);
}

#[test]
fn a_caller_in_an_arbiter_is_answered_in_place() {
    struct Where;
    impl serde::Serialize for Where {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.serialize_str(std::thread::current().name().unwrap_or("here"))
        }
    }
    let render = || Render::new("a.txt", Context::new(std::collections::BTreeMap::from([("x", Where)])));
    let here = std::thread::current().name().unwrap_or("here").to_owned();
    for foreign in [false, true] {
        let (hotplate, memory) = engine(|builder| match foreign {
            true => builder.formatter("mine", |_, _| Ok(())),
            false => builder,
        });
        memory.set(name("a.txt"), "{x}");
        let (in_place, pooled) = actix::System::new().block_on(async {
            hotplate.reload().await.expect("reloads");
            let renderer = hotplate.renderer();
            (renderer.send(render()).await, renderer.pooled().send(render()).await)
        });
        let (in_place, pooled) = (in_place.expect("renders").body, pooled.expect("renders").body);
        assert_eq!(in_place == here, !foreign, "{in_place}");
        assert!(pooled.starts_with("hotplate-render"), "{pooled}");
        // A thread of its own, because this one belongs to an arbiter by now.
        let outside = std::thread::spawn(move || block(hotplate.renderer().send(render())));
        let outside = outside.join().expect("no panic").expect("renders").body;
        assert!(outside.starts_with("hotplate-render"), "{outside}");
    }
}

#[test]
fn a_loader_that_hangs_is_shown_and_delays_no_shutdown() {
    use hotplate_actors::loader::{Changes, Depth, Hints, LoaderError};
    struct Hangs {
        syncs: u32,
        gate: crossbeam_channel::Receiver<()>,
    }
    impl hotplate_actors::BlockingLoader for Hangs {
        fn describe(&self) -> String {
            "a loader that hangs".into()
        }
        fn watch(&mut self, _: Hints) -> Result<(), LoaderError> {
            Ok(())
        }
        fn sync(&mut self, _: Depth) -> Result<Changes, LoaderError> {
            self.syncs += 1;
            if self.syncs > 1 {
                let _ = self.gate.recv();
            }
            Ok(Changes::default())
        }
    }
    let (open, gate) = crossbeam_channel::bounded(0);
    let limits = Limits {
        reload_ms: 50,
        ..Limits::default()
    };
    let builder = Hotplate::builder().loader(Hangs { syncs: 0, gate }).limits(limits);
    let hotplate = builder.start().expect("starts");
    assert_eq!(
        block(hotplate.reload()),
        Err(Unavailable::Timeout(Timeout::Waited {
            ms: 50,
            limit: "the limit `reload_ms`"
        }))
    );
    while hotplate.health().ready {
        std::thread::yield_now();
    }
    let health = hotplate.health();
    assert!(health.reasons[0].contains("watcher"), "{health:?}");
    assert!(
        health.actors[0].oldest_ms >= 50 && health.mailboxes[0].timeouts == 1,
        "{health:?}"
    );
    assert!(!block(hotplate.shutdown(Duration::from_millis(50))));
    drop(open);
}

#[test]
fn a_renderer_at_its_limit_is_down_for_messages_only() {
    let policy = Policy {
        restarts: 1,
        backoff_min_ms: 1,
        backoff_max_ms: 1,
        ..Policy::default()
    };
    let (hotplate, _memory) = engine(|builder| builder.policy(ActorKind::Renderer, policy));
    let (_, faults) = hotplate
        .faults()
        .find(|(each, _)| *each == "renderer")
        .expect("is there");
    let send = || block(hotplate.renderer().send(render("a.txt")));
    for _ in 0..2 {
        faults.inject(FaultMoment::Before);
        assert!(matches!(send(), Err(RenderFailure::Unavailable(Unavailable::Lost(_)))));
    }
    assert!(matches!(send(), Err(RenderFailure::Unavailable(Unavailable::Down(_)))));
    let health = hotplate.health();
    assert!(!health.ready && health.reasons[0].contains("renderer"), "{health:?}");
    assert!(hotplate.render("a.txt", &()).is_ok());
    assert_eq!(hotplate.reset(ActorKind::Engine), 1, "only it was down");
    assert!(send().is_ok() && hotplate.health().ready);
}

#[test]
fn events_are_messages_to_any_actor() {
    struct Listener(tokio::sync::mpsc::UnboundedSender<Event>);
    impl actix::Actor for Listener {
        type Context = actix::Context<Self>;
    }
    impl actix::Handler<Event> for Listener {
        type Result = ();
        fn handle(&mut self, event: Event, _: &mut actix::Context<Self>) {
            let _ = self.0.send(event);
        }
    }
    let (hotplate, memory) = engine(|builder| builder);
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    actix::System::new().block_on(async {
        let listener = actix::Actor::start(Listener(sender));
        hotplate
            .subscribe_recipient(listener.recipient())
            .expect("the engine is up");
        // The subscription starts with the call above, so it receives what is published from here on.
        memory.set(name("a.txt"), "1");
        hotplate.reload().await.expect("reloads");
        assert!(matches!(events.recv().await, Some(Event::Published(_))));
        let (_, faults) = hotplate.faults().find(|(each, _)| *each == "graph").expect("is there");
        faults.inject(FaultMoment::Before);
        memory.set(name("a.txt"), "2");
        hotplate.reload().await.expect("reloads");
        let mut received = Vec::new();
        while received.len() < 3 {
            received.push(match events.recv().await.expect("the engine is up") {
                Event::ActorFailed(fault) => format!("failed {}", fault.actor),
                Event::ActorRestarted(restarted) => format!("restarted {}", restarted.actor),
                Event::Published(_) => "published".into(),
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(received, ["failed graph", "restarted graph", "published"]);
    });
}
