//! Failures that actix does not survive, each as a test of what a supervised actor does instead.
//!
//! The comment of each test says what plain actix 0.13 does in the same case.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::Message;
use hotplate_actors::supervision::{
    Behavior, Escalation, Fault, FaultKind, Group, MemberDuty, Serve, Started, Supervised, Timeout, Unavailable, Vault,
};
use hotplate_actors::{
    ActorState, Context, Event, Hotplate, MemoryLoader, Policy, Render, RenderFailure, Rendered, Restart, Strategy,
};

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn quick() -> Policy {
    Policy {
        restarts: 100,
        backoff_min_ms: 1,
        backoff_max_ms: 2,
        ..Policy::default()
    }
}

struct Scene {
    hotplate: Hotplate,
    group: Group,
}

fn scene(strategy: Strategy) -> Scene {
    let hotplate = Hotplate::builder()
        .loader(MemoryLoader::new().0)
        .watch(false)
        .start()
        .expect("starts");
    let group = hotplate.group("test", strategy, Policy::never()).expect("a group");
    Scene { hotplate, group }
}

#[derive(Clone)]
struct Setup {
    sum: Vault<u64>,
    starts: Arc<AtomicU64>,
    never_starts: bool,
}

impl Setup {
    fn new() -> Self {
        Self {
            sum: Vault::new(0),
            starts: Arc::default(),
            never_starts: false,
        }
    }
}

/// Adds up the numbers that it is sent.
struct Adder {
    sum: Vault<u64>,
    is_finished: bool,
    fails_in_drop: bool,
}

impl Behavior for Adder {
    type Config = Setup;
    fn start(setup: &Setup) -> Started<Self> {
        setup.starts.fetch_add(1, Ordering::SeqCst);
        if setup.never_starts {
            return Err("its file is missing".into());
        }
        Ok(Self {
            sum: setup.sum.open(),
            is_finished: false,
            fails_in_drop: false,
        })
    }
    fn is_finished(&self) -> bool {
        self.is_finished
    }
}

impl Drop for Adder {
    fn drop(&mut self) {
        assert!(!self.fails_in_drop, "in its drop");
    }
}

#[derive(Message)]
#[rtype(result = "Result<u64, Fault>")]
enum Do {
    Add(u64),
    Panic,
    PanicLater,
    PanicAlsoInDrop,
    StopArbiter,
    StopSystem,
    Finish,
    Hang,
}

impl Serve<Do> for Adder {
    async fn serve(&mut self, message: Do) -> Result<u64, Fault> {
        match message {
            Do::Add(number) => {
                let sum = self.sum.draft() + number;
                self.sum.commit(sum).expect("no later incarnation");
                return Ok(sum);
            }
            Do::Panic => panic!("at once"),
            Do::PanicLater => {
                tokio::task::yield_now().await;
                panic!("later")
            }
            Do::PanicAlsoInDrop => {
                self.fails_in_drop = true;
                panic!("at once")
            }
            Do::StopArbiter => {
                actix::Arbiter::current().stop();
            }
            Do::StopSystem => actix::System::current().stop(),
            Do::Finish => self.is_finished = true,
            Do::Hang => std::future::pending().await,
        }
        Ok(self.sum.draft())
    }
}

fn adder(group: &Group, setup: &Setup) -> Supervised<Adder> {
    group.start("adder", setup.clone(), quick()).expect("starts")
}

/// Sends a message that fails, with others queued behind it. All of those are served, at the same address.
fn check_that_queued_messages_are_served(fails: Do, expected: &str) {
    let scene = scene(Strategy::OneForOne);
    let setup = Setup::new();
    let adder = adder(&scene.group, &setup);
    block(async {
        assert_eq!(adder.send(Do::Add(1)).await, Ok(Ok(1)));
        let failing = adder.send(fails);
        let behind: Vec<_> = std::iter::repeat_with(|| adder.send(Do::Add(1))).take(20).collect();
        // Polled in this order, so that the failing message is the first in the mailbox.
        let all = async {
            let mut sums = Vec::new();
            for behind in behind {
                sums.push(behind.await.expect("delivered").expect("served"));
            }
            sums
        };
        let (failed, sums) = tokio::join!(biased; failing, all);
        let fault = failed.expect("answered").expect_err("failed");
        assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::Panicked, expected));
        assert_eq!(sums, (2..22).collect::<Vec<_>>());
    });
    assert_eq!(setup.starts.load(Ordering::SeqCst), 2);
}

/// actix loses the mailbox, and the address is dead.
#[test]
fn a_panic_in_a_handler() {
    check_that_queued_messages_are_served(Do::Panic, "at once");
}

/// actix ends the actor.
#[test]
fn a_panic_in_a_future() {
    check_that_queued_messages_are_served(Do::PanicLater, "later");
}

/// actix drops the actor while the first panic unwinds, so the second one aborts the process.
#[test]
fn a_second_panic_in_drop() {
    check_that_queued_messages_are_served(Do::PanicAlsoInDrop, "at once");
}

/// actix ends the actor, also under its own supervisor.
#[test]
fn repeated_panics() {
    let scene = scene(Strategy::OneForOne);
    let setup = Setup::new();
    let adder = adder(&scene.group, &setup);
    for round in 1..=5 {
        assert!(block(adder.send(Do::Panic)).expect("answered").is_err());
        assert_eq!(block(adder.send(Do::Add(1))), Ok(Ok(round)), "commits are kept");
    }
    assert_eq!(adder.child().restarts(), 5);
}

/// The supervisor of actix restarts it without a limit.
#[test]
fn an_actor_that_stops_itself() {
    let scene = scene(Strategy::OneForOne);
    let setup = Setup::new();
    let policy = Policy { restarts: 3, ..quick() };
    let adder: Supervised<Adder> = scene.group.start("adder", setup.clone(), policy).expect("starts");
    let mut served = 0;
    while matches!(block(adder.send(Do::Finish)), Ok(Ok(_))) {
        served += 1;
    }
    assert_eq!(served, 4);
    assert_eq!(setup.starts.load(Ordering::SeqCst), 4, "the first, and each restart");
}

/// The supervisor of actix restarts it millions of times a second.
#[test]
fn an_actor_whose_start_fails() {
    let scene = scene(Strategy::OneForOne);
    let mut events = scene.hotplate.subscribe();
    let setup = Setup {
        never_starts: true,
        ..Setup::new()
    };
    let policy = Policy { restarts: 3, ..quick() };
    let adder: Supervised<Adder> = scene.group.start("adder", setup.clone(), policy).expect("a slot");
    let answer = block(adder.send(Do::Add(1)));
    let down = match &answer {
        Ok(Err(fault)) => fault.kind == FaultKind::Down && fault.message.contains("its file is missing"),
        Err(Unavailable::Down(message)) => message.contains("its file is missing"),
        _ => false,
    };
    assert!(down, "{answer:?}");
    while !matches!(block(events.next()), Some(Event::GaveUp(given_up)) if given_up.actor == "adder") {}
    assert_eq!(setup.starts.load(Ordering::SeqCst), 4);
    let health = scene.hotplate.health();
    let adder_health = health
        .actors
        .iter()
        .find(|actor| actor.actor == "adder")
        .expect("is there");
    assert_eq!(adder_health.state, ActorState::Down);
    assert!(
        health.ready && health.degraded[0].contains("its file is missing"),
        "{health:?}"
    );
}

/// The engine stays ready without an actor of a user's, unless the policy says otherwise or the actor renders.
#[test]
fn escalation_of_an_actor_that_stays_down() {
    for (escalation, renders, ready, degraded) in [
        (Escalation::Auto, false, true, 1),
        (Escalation::Degraded, false, true, 1),
        (Escalation::NotReady, false, false, 0),
        (Escalation::EventOnly, false, true, 0),
        // No render by message is answered any more.
        (Escalation::Auto, true, false, 0),
        (Escalation::EventOnly, true, false, 0),
    ] {
        let scene = scene(Strategy::OneForOne);
        let mut events = scene.hotplate.subscribe();
        let policy = Policy {
            escalation,
            ..Policy::never()
        };
        let painter: Supervised<Painter> = scene.group.start("painter", (), policy).expect("starts");
        if renders {
            scene.hotplate.renderer().replace_by(&painter);
        }
        let health = scene.hotplate.health();
        assert!(health.ready && health.degraded.is_empty(), "{health:?}");
        let answer = block(painter.send(Render::new("a.html", Context::new(()))));
        assert!(
            matches!(answer, Ok(Err(RenderFailure::Unavailable(Unavailable::Lost(_))))),
            "{answer:?}"
        );
        while !matches!(block(events.next()), Some(Event::GaveUp(_))) {}
        let health = scene.hotplate.health();
        assert_eq!(
            (health.ready, health.degraded.len()),
            (ready, degraded),
            "{escalation:?}: {health:?}"
        );
        let reasons = [health.reasons, health.degraded].concat();
        assert!(reasons.iter().all(|reason| reason.contains("no paint")), "{reasons:?}");
        assert_eq!(scene.hotplate.reset_named("painter"), 1);
        let health = scene.hotplate.health();
        assert!(health.ready && health.degraded.is_empty(), "{health:?}");
    }
}

/// A renderer whose renders all panic.
struct Painter;

impl Behavior for Painter {
    type Config = ();

    fn start((): &()) -> Started<Self> {
        Ok(Self)
    }
}

impl Serve<Render> for Painter {
    async fn serve(&mut self, _: Render) -> Result<Rendered, RenderFailure> {
        panic!("no paint")
    }
}

/// actix drops the mailbox of an actor that stops, without an answer.
#[test]
fn an_actor_that_has_finished() {
    let scene = scene(Strategy::OneForOne);
    let policy = Policy {
        restart: Restart::Transient,
        ..quick()
    };
    let adder: Supervised<Adder> = scene.group.start("adder", Setup::new(), policy).expect("starts");
    block(async {
        let (finished, behind) = tokio::join!(biased; adder.send(Do::Finish), adder.send(Do::Add(1)));
        assert!(finished.expect("answered").is_ok());
        // The second message was in the mailbox, or came after the end. Either way the answer is `Down`: nothing was done.
        let is_down = match &behind {
            Ok(Err(fault)) => fault.kind == FaultKind::Down,
            Err(undelivered) => matches!(undelivered, Unavailable::Down(_)),
            Ok(Ok(_)) => false,
        };
        assert!(is_down, "{behind:?}");
        assert!(matches!(adder.send(Do::Add(1)).await, Err(Unavailable::Down(_))));
    });
    assert!(adder.reset());
    assert_eq!(block(adder.send(Do::Add(1))), Ok(Ok(1)));
}

/// actix drops the actor, and the address is dead.
#[test]
fn a_stopped_arbiter() {
    for stops in [|| Do::StopArbiter, || Do::StopSystem] {
        let scene = scene(Strategy::OneForOne);
        let setup = Setup::new();
        let adder = adder(&scene.group, &setup);
        for round in 1..=5 {
            // The answer may or may not be sent before the thread ends.
            let _ = block(adder.send(stops()));
            // A message that was sent before the stop was noticed is answered `Lost`, and sent again.
            let mut sum = block(adder.send(Do::Add(1)));
            while matches!(&sum, Err(Unavailable::Lost(why)) if why.contains("adder")) {
                sum = block(adder.send(Do::Add(1)));
            }
            assert_eq!(sum, Ok(Ok(round)));
        }
        // A thread that is about to end may serve further messages, so several stops may count as one.
        while adder.child().restarts() == 0 {
            std::thread::yield_now();
        }
        assert!(scene.hotplate.health().ready, "{:?}", scene.hotplate.health());
    }
}

/// actix lets the callers wait for ever, and the mailbox grows.
#[test]
fn a_hung_actor() {
    let scene = scene(Strategy::OneForOne);
    let bounded = adder(&scene.group.clone().capacity(2), &Setup::new());
    let busy = Unavailable::Busy {
        mailbox: "adder",
        limit: Some("`Group::capacity`"),
    };
    block(async {
        tokio::select! {
            biased;
            _ = bounded.send(Do::Hang) => panic!("it hangs"),
            _ = bounded.send(Do::Add(1)) => panic!("it waits behind"),
            third = bounded.send(Do::Add(1)) => assert_eq!(third, Err(busy)),
        }
    });
    let group = scene.group.clone().within(Duration::from_millis(50));
    let timed = adder(&group, &Setup::new());
    block(async {
        // Once it has started, messages reach it in the order in which they are sent.
        while timed.send(Do::Add(0)).await.is_err() {}
        let (hanging, behind) = tokio::join!(biased; timed.send(Do::Hang), timed.send(Do::Add(1)));
        let late = Unavailable::Timeout(Timeout::Waited {
            ms: 50,
            limit: "`Group::within`",
        });
        assert_eq!((hanging, behind), (Err(late.clone()), Err(late)));
    });
}

/// Returns the number of starts of three actors after one of them has failed.
fn starts_after(strategy: Strategy, failing: usize) -> Vec<u64> {
    let scene = scene(strategy);
    let setups: Vec<Setup> = std::iter::repeat_with(Setup::new).take(3).collect();
    let actors: Vec<_> = setups.iter().map(|setup| adder(&scene.group, setup)).collect();
    for actor in &actors {
        assert_eq!(block(actor.send(Do::Add(1))), Ok(Ok(1)));
    }
    assert!(block(actors[failing].send(Do::Panic)).expect("answered").is_err());
    for actor in &actors {
        assert_eq!(block(actor.send(Do::Add(1))), Ok(Ok(2)), "commits are kept");
        assert_eq!(actor.child().orders().duty, MemberDuty::Up);
    }
    setups.iter().map(|setup| setup.starts.load(Ordering::SeqCst)).collect()
}

#[test]
fn each_strategy_restarts_the_members_it_names() {
    assert_eq!(starts_after(Strategy::OneForOne, 1), [1, 2, 1]);
    assert_eq!(starts_after(Strategy::RestForOne, 1), [1, 2, 2]);
    assert_eq!(starts_after(Strategy::OneForAll, 1), [2, 2, 2]);
}

#[test]
fn actors_of_users_end_with_the_engine() {
    let scene = scene(Strategy::OneForOne);
    let adder = adder(&scene.group, &Setup::new());
    assert_eq!(block(adder.send(Do::Add(1))), Ok(Ok(1)));
    assert!(block(scene.hotplate.shutdown(Duration::from_secs(60))));
    assert!(matches!(block(adder.send(Do::Add(1))), Err(Unavailable::Down(_))));
    assert!(scene.group.start::<Adder>("late", Setup::new(), quick()).is_err());
    assert!(scene.hotplate.group("late", Strategy::OneForOne, quick()).is_err());
}
