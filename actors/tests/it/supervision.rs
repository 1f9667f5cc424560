//! Whatever fails: what is seen of it from outside.

use std::time::Duration;

use hotplate_actors::supervision::Moment;
use hotplate_actors::{
    ActorKind, ActorState, CallError, Context, Event, Hotplate, MemoryHandle, MemoryLoader, Policy, Render,
    RenderFailure, StartError, TemplateName,
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
    let (loader, shelf) = MemoryLoader::new();
    shelf.set(name("a.txt"), "0");
    let hotplate = build(Hotplate::builder().loader(loader)).start().expect("starts");
    (hotplate, shelf)
}

/// Waits for an event; each test that calls it knows that it comes.
fn wait_for(events: &mut hotplate_actors::Subscription, wanted: impl Fn(&Event) -> bool) {
    while !wanted(&block(events.next()).expect("the engine is up")) {}
}

#[test]
fn a_policy_that_makes_no_sense_is_refused_with_actor_field_and_what_to_write() {
    let (loader, _shelf) = MemoryLoader::new();
    let nonsense = Policy {
        backoff_min_ms: 500,
        backoff_max_ms: 100,
        ..Policy::default()
    };
    let refused = Hotplate::builder()
        .loader(loader)
        .policy(ActorKind::Graph, nonsense)
        .start();
    let Err(StartError::Policy { actor, error }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((actor, error.field), ("graph", "backoff_min_ms"));
    let said = StartError::Policy { actor, error }.to_string();
    for word in ["graph", "backoff_min_ms", "500", "backoff_max_ms", "100", "write"] {
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn an_actor_that_fails_too_often_is_given_up_rendering_goes_on_and_a_reset_brings_it_back() {
    let policy = Policy {
        restarts: 2,
        backoff_min_ms: 1,
        backoff_max_ms: 2,
        ..Policy::default()
    };
    for actor in ["watcher", "compiler", "graph", "registry"] {
        let (hotplate, shelf) = engine(|builder| {
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
            faults.order(Moment::Before);
            shelf.set(name("a.txt"), number.to_string());
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
                .is_some_and(|said| said.contains("ordered"))
        );
        assert!(hotplate.render("a.txt", &()).is_ok(), "{actor}: renders go on");
        let reloaded = block(hotplate.reload());
        assert!(
            matches!(reloaded, Err(CallError::Down | CallError::Lost(_))),
            "{actor}: {reloaded:?}"
        );
        assert_eq!(hotplate.reset(actor), 1);
        let report = block(hotplate.reload()).expect("is back");
        assert!(report.diagnostics.is_empty());
        assert_eq!(hotplate.render("a.txt", &()).expect("renders").body, "3", "{actor}");
        assert!(hotplate.health().ready, "{:?}", hotplate.health());
    }
}

#[test]
fn health_names_every_part_and_says_when_the_engine_has_ended() {
    let (hotplate, _shelf) = engine(|builder| builder);
    let health = hotplate.health();
    assert!(health.ready && health.reasons.is_empty(), "{health:?}");
    for kind in ["watcher", "compiler", "graph", "registry", "renderer"] {
        let actor = health.actors.iter().find(|each| each.actor == kind).expect(kind);
        assert_eq!((actor.state, actor.backlog), (ActorState::Up, 0));
    }
    let doors: Vec<_> = health.doors.iter().map(|door| door.door).collect();
    assert_eq!(doors, ["reloads", "renders", "queries"]);
    assert_eq!(health.loaders.len(), 1);
    assert!(block(hotplate.shutdown(Duration::from_secs(30))));
    let health = hotplate.health();
    assert!(!health.ready && health.reasons[0].contains("ended"), "{health:?}");
    assert!(health.actors.iter().all(|actor| actor.state == ActorState::Stopped));
    assert!(hotplate.render("a.txt", &()).is_ok(), "renders go on");
    let rendered = block(hotplate.renderer().send(Render::new("a.txt", Context::new(()))));
    assert!(matches!(rendered, Err(RenderFailure::Down)), "{rendered:?}");
    assert_eq!(block(hotplate.history()), Err(CallError::Down));
}
