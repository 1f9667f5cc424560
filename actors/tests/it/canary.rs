//! Canaries from end to end: they are judged, stopped, answered by stable, promoted and aborted.

use hotplate_actors::judge::{BUCKETS, Plan, Requirements, Step};
use hotplate_actors::messages::{RolledBack, StageAction};
use hotplate_actors::stages::Halt;
use hotplate_actors::supervision::FaultMoment;
use hotplate_actors::template::{Layer, Scope, Stage, Tenant};
use hotplate_actors::{
    AuditOptions, Builder, Cause, Event, Freshness, Hotplate, MemoryHandle, MemoryLoader, TemplateKey, TemplateName,
    audit,
};

fn name(text: &str) -> TemplateName {
    TemplateName::new(text).expect("a valid name")
}

const CANARY: Scope = Scope {
    tenant: None,
    stage: Stage::Canary,
};

fn key(scope: Scope, of: &str) -> TemplateKey {
    TemplateKey {
        layer: Layer::of(scope),
        name: name(of),
    }
}

fn acme(stage: Stage) -> Scope {
    let tenant = Some(Tenant::new("acme").expect("valid"));
    Scope { tenant, stage }
}

/// Starts an engine whose stable page is `one`, and whose canary has this text.
fn start(canary: &str, set: impl FnOnce(Builder) -> Builder) -> (Hotplate, MemoryHandle) {
    let (loader, memory) = MemoryLoader::new();
    memory.set(name("page.txt"), "one {n}");
    memory.set(name("same.txt"), "same {n}");
    memory.set(key(CANARY, "page.txt"), canary);
    let hotplate = set(Hotplate::builder().loader(loader).watch(false))
        .start()
        .expect("starts");
    (hotplate, memory)
}

fn data() -> serde_json::Value {
    serde_json::json!({ "n": 1 })
}

/// Renders a page of canary.
fn canary(hotplate: &Hotplate, page: &str) -> (String, Freshness) {
    let rendered = hotplate.scope(&CANARY).render(page, &data()).expect("an answer");
    (rendered.body, rendered.freshness)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    actix::System::new().block_on(future)
}

fn by_alice(hotplate: &Hotplate) -> hotplate_actors::Commands {
    hotplate.commands().cause(Cause::by("alice").reason("a drill"))
}

/// Returns the number of renders that the judge has seen, and of those that failed.
fn seen(hotplate: &Hotplate) -> (u64, u64) {
    let evidence = hotplate.stages()[0].evidence;
    (evidence.renders, evidence.failed)
}

#[test]
fn a_canary_that_fails_is_answered_by_stable_and_stopped() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("audit");
    let (hotplate, memory) = start("two {missing}", |builder| builder.audit(AuditOptions::new(&log)));
    let mut events = hotplate.subscribe();
    for number in 1..=4 {
        assert!(hotplate.stages()[0].is_on, "after {number} renders");
        let (body, freshness) = canary(&hotplate, "page.txt");
        assert_eq!(body, "one 1");
        let Freshness::Stable { why: Some(why) } = freshness else {
            panic!("{freshness:?}");
        };
        assert_eq!(why.cause, name("page.txt"));
    }
    let status = hotplate.stages().swap_remove(0);
    assert_eq!((status.is_on, status.rescued, status.diverted), (false, 4, 0));
    assert_eq!(status.stops["failures"], 1);
    assert!(
        matches!(status.halt.as_deref(), Some(Halt::Judge(stopped)) if stopped.failed == 4),
        "{status:?}"
    );
    let stopped = std::iter::from_fn(|| events.blocking_next()).find_map(|event| match event {
        Event::StageStopped(stopped) => Some(stopped),
        _ => None,
    });
    assert_eq!(stopped.expect("an event").renders, 4);
    let health = hotplate.health();
    assert!(
        health.ready
            && health
                .degraded
                .iter()
                .any(|sentence| sentence.contains("canary is stopped")),
        "{health:?}"
    );
    // From now on stable answers, and a new text does not lift the stop.
    assert!(matches!(canary(&hotplate, "page.txt"), (body, Freshness::Stable { why: None }) if body == "one 1"));
    memory.set(key(CANARY, "page.txt"), "two {n}");
    run(async {
        hotplate.reload().await.expect("reloads");
        assert!(matches!(
            canary(&hotplate, "page.txt").1,
            Freshness::Stable { why: None }
        ));
        assert_eq!(hotplate.stages()[0].diverted, 2);
        let resumed = by_alice(&hotplate).stage(Stage::Canary, StageAction::Resume).await;
        assert!(matches!(resumed, Ok(RolledBack::Unchanged(_))), "{resumed:?}");
        assert!(matches!(canary(&hotplate, "page.txt"), (body, Freshness::Current) if body == "two 1"));
        assert_eq!(seen(&hotplate), (1, 0));
        hotplate.shutdown(std::time::Duration::from_secs(60)).await;
    });
    drop(hotplate);
    let mut actions = Vec::new();
    audit::read(&log, |line| {
        let text = |field: &str| {
            line.fields
                .get(field)
                .and_then(|value| value.as_str())
                .unwrap_or("-")
                .to_owned()
        };
        actions.push([text("action"), text("by"), text("stage")].join(" "));
    })
    .expect("a log");
    let stages: Vec<&String> = actions.iter().filter(|action| !action.ends_with('-')).collect();
    assert_eq!(
        stages,
        ["stop judge shared@canary", "resume alice shared@canary"],
        "{actions:?}"
    );
}

/// A page that fails in stable as well says nothing about the canary.
#[test]
fn a_fault_of_stable_is_not_that_of_the_canary() {
    let (hotplate, memory) = start("two {n}", |builder| builder);
    memory.set(name("same.txt"), "same {missing}");
    run(hotplate.reload()).expect("reloads");
    for _ in 0..20 {
        let _ = hotplate.scope(&CANARY).render("same.txt", &data());
    }
    assert!(hotplate.stages()[0].is_on);
    assert_eq!(seen(&hotplate), (0, 0));
    // A page that canary alone has is not found while canary is stopped, and its failure is shown.
    memory.set(key(CANARY, "new.txt"), "new {missing}");
    run(hotplate.reload()).expect("reloads");
    hotplate
        .scope(&CANARY)
        .render("new.txt", &data())
        .expect_err("stable has none");
    assert_eq!(seen(&hotplate), (1, 1));
}

#[test]
fn the_failure_of_a_tenant_is_answered_by_its_own_stable() {
    let (hotplate, memory) = start("two {n}", |builder| builder);
    memory.set(key(acme(Stage::Stable), "page.txt"), "acme {n}");
    memory.set(key(acme(Stage::Canary), "page.txt"), "acme {missing}");
    run(hotplate.reload()).expect("reloads");
    let rendered = hotplate
        .scope(&acme(Stage::Canary))
        .render("page.txt", &data())
        .expect("an answer");
    assert_eq!(
        (rendered.body.as_str(), rendered.freshness.as_str()),
        ("acme 1", "stable")
    );
}

/// Messages to the Renderer are judged once, also if they begin in place and end on the pool.
#[test]
fn renders_by_message_are_judged_once() {
    let (hotplate, _memory) = start("two {missing}", |builder| builder);
    run(async {
        let scope = hotplate.scope(&CANARY);
        for renders in [hotplate.renderer(), hotplate.renderer().pooled()] {
            let before = seen(&hotplate).0;
            let request = scope
                .request("page.txt")
                .with_source(hotplate_actors::Context::new(data()));
            let rendered = renders.render(request).await.expect("an answer");
            assert_eq!(
                (rendered.body.as_str(), rendered.freshness.as_str()),
                ("one 1", "stable")
            );
            assert_eq!(seen(&hotplate).0, before + 1);
        }
    });
}

#[test]
fn a_promotion_needs_evidence_or_force_and_is_one_version() {
    let (hotplate, memory) = start("two {n}", |builder| builder);
    run(async {
        let alice = by_alice(&hotplate);
        let refused = alice.promote(None, false).await;
        assert!(
            matches!(&refused, Ok(RolledBack::Refused(reason)) if reason.contains("1000 are required")),
            "{refused:?}"
        );
        let unexplained = hotplate.commands().promote(None, true).await;
        assert!(
            matches!(&unexplained, Ok(RolledBack::Refused(reason)) if reason.contains("reason")),
            "{unexplained:?}"
        );
        let seen = hotplate.snapshot().version();
        // Two at once: one wins.
        let (one, other) = (
            alice.clone().expecting(seen),
            hotplate
                .commands()
                .cause(Cause::by("bob").reason("too"))
                .expecting(seen),
        );
        let (one, other) = tokio::join!(one.promote(None, true), other.promote(None, true));
        let Ok(RolledBack::Published(report)) = one else {
            panic!("{one:?}");
        };
        assert_eq!(report.cause.name(), Some("alice"));
        assert!(matches!(other, Ok(RolledBack::Conflict(_))), "{other:?}");
        assert_eq!(hotplate.render("page.txt", &data()).expect("renders").body, "two 1");
        assert_eq!(report.version, seen.next());
        let history = hotplate.history().await.expect("kept");
        assert_eq!(history.waiting.count, 1);
        // The disk says the same as before, then something new.
        hotplate.reload_full().await.expect("reloads");
        assert_eq!(hotplate.render("page.txt", &data()).expect("renders").body, "two 1");
        memory.set(name("page.txt"), "three {n}");
        hotplate.reload().await.expect("reloads");
        assert_eq!(hotplate.render("page.txt", &data()).expect("renders").body, "three 1");
        let nothing = alice.promote(Some(Tenant::new("acme").expect("valid")), true).await;
        assert!(
            matches!(&nothing, Ok(RolledBack::Refused(reason)) if reason.contains("tenant acme@canary")),
            "{nothing:?}"
        );
    });
}

#[test]
fn a_rollout_widens_by_command_and_ends_with_an_abort() {
    let mut plan = Plan::new(vec![
        Step {
            buckets: 500,
            bake_ms: 0,
        },
        Step {
            buckets: BUCKETS,
            bake_ms: 0,
        },
    ])
    .expect("a plan");
    plan.requirements = Requirements {
        renders: 3,
        p99_percent: 0,
        ..Requirements::default()
    };
    let (hotplate, _memory) = start("two {n}", |builder| builder.rollout(plan).canary_buckets(7));
    let switch = hotplate.stage_switch().clone();
    assert_eq!(switch.canary(), 7);
    run(async {
        let alice = by_alice(&hotplate);
        let act = async |action| alice.stage(Stage::Canary, action).await.expect("an answer");
        assert!(matches!(act(StageAction::Start).await, RolledBack::Unchanged(_)));
        assert_eq!(switch.canary(), 500);
        let advance = StageAction::Advance { is_forced: false };
        assert!(matches!(act(advance.clone()).await, RolledBack::Refused(_)));
        (0..3).for_each(|_| _ = canary(&hotplate, "page.txt"));
        assert!(matches!(act(advance).await, RolledBack::Unchanged(_)));
        assert_eq!(switch.canary(), BUCKETS);
        assert!(matches!(act(StageAction::Abort).await, RolledBack::Unchanged(_)));
        assert_eq!((switch.canary(), switch.is_on(Stage::Canary)), (0, false));
        assert_eq!(canary(&hotplate, "page.txt").0, "one 1");
        let status = hotplate.stages().swap_remove(0);
        assert!(matches!(status.halt.as_deref(), Some(Halt::Aborted { cause, .. }) if cause.name() == Some("alice")));
        let stable = alice.stage(Stage::Stable, StageAction::Abort).await.expect("an answer");
        assert!(matches!(stable, RolledBack::Refused(_)));
    });
}

/// What was decided outlives a fault of the Registry.
#[test]
fn an_abort_outlives_the_registry() {
    let (hotplate, _memory) = start("two {n}", |builder| builder);
    run(async {
        by_alice(&hotplate)
            .stage(Stage::Canary, StageAction::Abort)
            .await
            .expect("aborts");
        let faults = hotplate
            .faults()
            .find(|(actor, _)| *actor == "registry")
            .expect("exists")
            .1;
        faults.inject(FaultMoment::Before);
        hotplate.history().await.ok();
        hotplate.history().await.expect("it is back");
        assert!(!hotplate.stages()[0].is_on);
        let resumed = by_alice(&hotplate).stage(Stage::Canary, StageAction::Resume).await;
        assert!(matches!(resumed, Ok(RolledBack::Unchanged(_))), "{resumed:?}");
        assert!(hotplate.stages()[0].is_on);
    });
}
