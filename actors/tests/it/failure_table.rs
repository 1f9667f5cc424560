//! What actix does when an actor fails (each test names it), and what a supervised actor does instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::Message;
use hotplate_actors::supervision::{
    Behavior, Escalation, Fault, FaultKind, Group, Serve, Standing, Started, Supervised, Undelivered, Vault,
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

/// Adds up what it is sent.
struct Adder {
    sum: Vault<u64>,
    is_finished: bool,
    fails_in_drop: bool,
}

impl Behavior for Adder {
    type Setup = Setup;
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
                self.sum.commit(sum).expect("nobody has taken over");
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

/// Sends something that fails with messages queued behind it. All of those are served, at the same address.
fn fails_and_serves_on(fails: Do, expected: &str) {
    let scene = scene(Strategy::OneForOne);
    let setup = Setup::new();
    let adder = adder(&scene.group, &setup);
    block(async {
        assert_eq!(adder.send(Do::Add(1)).await, Ok(Ok(1)));
        let failing = adder.send(fails);
        let behind: Vec<_> = std::iter::repeat_with(|| adder.send(Do::Add(1))).take(20).collect();
        // In this order: the first is in the mailbox before the others.
        let all = async {
            let mut sums = Vec::new();
            for behind in behind {
                sums.push(behind.await.expect("delivered").expect("served"));
            }
            sums
        };
        let (failed, sums) = tokio::join!(biased; failing, all);
        let fault = failed.expect("answered").expect_err("failed");
        assert_eq!((fault.kind, fault.said.as_str()), (FaultKind::Panicked, expected));
        assert_eq!(sums, (2..22).collect::<Vec<_>>());
    });
    assert_eq!(setup.starts.load(Ordering::SeqCst), 2);
}

#[test]
fn a_panic_in_a_handler_would_lose_the_mailbox_and_kill_the_address() {
    fails_and_serves_on(Do::Panic, "at once");
}

#[test]
fn a_panic_in_a_future_would_kill_the_actor() {
    fails_and_serves_on(Do::PanicLater, "later");
}

#[test]
fn a_second_panic_in_stopping_would_end_the_process() {
    fails_and_serves_on(Do::PanicAlsoInDrop, "at once");
}

#[test]
fn a_panic_under_the_supervisor_of_actix_would_be_the_end_of_it() {
    let scene = scene(Strategy::OneForOne);
    let setup = Setup::new();
    let adder = adder(&scene.group, &setup);
    for round in 1..=5 {
        assert!(block(adder.send(Do::Panic)).expect("answered").is_err());
        assert_eq!(
            block(adder.send(Do::Add(1))),
            Ok(Ok(round)),
            "what was committed is kept"
        );
    }
    assert_eq!(adder.child().restarts(), 5);
}

#[test]
fn an_actor_that_stops_itself_would_be_restarted_without_any_limit() {
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

#[test]
fn an_actor_whose_start_fails_would_be_restarted_millions_of_times_a_second() {
    let scene = scene(Strategy::OneForOne);
    let mut events = scene.hotplate.subscribe();
    let setup = Setup {
        never_starts: true,
        ..Setup::new()
    };
    let policy = Policy { restarts: 3, ..quick() };
    let adder: Supervised<Adder> = scene.group.start("adder", setup.clone(), policy).expect("is tried");
    let answer = block(adder.send(Do::Add(1)));
    let down = match &answer {
        Ok(Err(fault)) => fault.kind == FaultKind::Down && fault.said.contains("its file is missing"),
        Err(Undelivered::Down(said)) => said.contains("its file is missing"),
        _ => false,
    };
    assert!(down, "{answer:?}");
    while !matches!(block(events.next()), Some(Event::GaveUp(given_up)) if given_up.actor == "adder") {}
    assert_eq!(setup.starts.load(Ordering::SeqCst), 4);
    let health = scene.hotplate.health();
    let of_adder = health
        .actors
        .iter()
        .find(|actor| actor.actor == "adder")
        .expect("is there");
    assert_eq!(of_adder.state, ActorState::Down);
    assert!(
        health.ready && health.degraded[0].contains("its file is missing"),
        "{health:?}"
    );
}

/// The engine goes on without an actor of a user's; whoever needs it for being ready says so, or has it render.
#[test]
fn what_it_means_that_an_actor_of_a_user_is_given_up_is_what_its_policy_says() {
    for (escalation, renders, ready, degraded) in [
        (Escalation::Auto, false, true, 1),
        (Escalation::Degraded, false, true, 1),
        (Escalation::NotReady, false, false, 0),
        (Escalation::Tell, false, true, 0),
        // Nobody renders by message any more.
        (Escalation::Auto, true, false, 0),
        (Escalation::Tell, true, false, 0),
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
        assert!(matches!(answer, Ok(Err(RenderFailure::Lost(_)))), "{answer:?}");
        while !matches!(block(events.next()), Some(Event::GaveUp(_))) {}
        let health = scene.hotplate.health();
        assert_eq!(
            (health.ready, health.degraded.len()),
            (ready, degraded),
            "{escalation:?}: {health:?}"
        );
        let said = [health.reasons, health.degraded].concat();
        assert!(said.iter().all(|said| said.contains("no paint")), "{said:?}");
        assert_eq!(scene.hotplate.reset("painter"), 1);
        let health = scene.hotplate.health();
        assert!(health.ready && health.degraded.is_empty(), "{health:?}");
    }
}

/// Renders nothing.
struct Painter;

impl Behavior for Painter {
    type Setup = ();

    fn start((): &()) -> Started<Self> {
        Ok(Self)
    }
}

impl Serve<Render> for Painter {
    async fn serve(&mut self, _: Render) -> Result<Rendered, RenderFailure> {
        panic!("no paint")
    }
}

#[test]
fn an_actor_that_has_finished_would_lose_its_mailbox_in_silence() {
    let scene = scene(Strategy::OneForOne);
    let policy = Policy {
        restart: Restart::Transient,
        ..quick()
    };
    let adder: Supervised<Adder> = scene.group.start("adder", Setup::new(), policy).expect("starts");
    block(async {
        let (finished, behind) = tokio::join!(biased; adder.send(Do::Finish), adder.send(Do::Add(1)));
        assert!(finished.expect("answered").is_ok());
        // It was behind in the mailbox, or came when nobody was there any more: not silence, and not unknown.
        let is_down = match &behind {
            Ok(Err(fault)) => fault.kind == FaultKind::Down,
            Err(undelivered) => matches!(undelivered, Undelivered::Down(_)),
            Ok(Ok(_)) => false,
        };
        assert!(is_down, "{behind:?}");
        assert!(matches!(adder.send(Do::Add(1)).await, Err(Undelivered::Down(_))));
    });
    assert!(adder.reset());
    assert_eq!(block(adder.send(Do::Add(1))), Ok(Ok(1)));
}

#[test]
fn a_stopped_arbiter_would_leave_a_dead_address() {
    for stops in [|| Do::StopArbiter, || Do::StopSystem] {
        let scene = scene(Strategy::OneForOne);
        let setup = Setup::new();
        let adder = adder(&scene.group, &setup);
        for round in 1..=5 {
            // Its answer may or may not leave before the thread ends.
            let _ = block(adder.send(stops()));
            // What was sent before it was noticed is lost, and said to be: it can be sent again.
            let mut sum = block(adder.send(Do::Add(1)));
            while sum == Err(Undelivered::Lost("adder")) {
                sum = block(adder.send(Do::Add(1)));
            }
            assert_eq!(sum, Ok(Ok(round)));
        }
        // A thread that is about to end may serve some more, so several stops may be one.
        while adder.child().restarts() == 0 {
            std::thread::yield_now();
        }
        assert!(scene.hotplate.health().ready, "{:?}", scene.hotplate.health());
    }
}

#[test]
fn a_hung_actor_would_let_its_callers_wait_and_its_mailbox_grow() {
    let scene = scene(Strategy::OneForOne);
    let patient = adder(&scene.group.clone().capacity(2), &Setup::new());
    block(async {
        tokio::select! {
            biased;
            _ = patient.send(Do::Hang) => panic!("it hangs"),
            _ = patient.send(Do::Add(1)) => panic!("it waits behind"),
            third = patient.send(Do::Add(1)) => assert_eq!(third, Err(Undelivered::Busy("adder"))),
        }
    });
    let group = scene.group.clone().within(Duration::from_millis(50));
    let hurried = adder(&group, &Setup::new());
    block(async {
        // Once it is there, messages come to it in the order in which they are sent.
        while hurried.send(Do::Add(0)).await.is_err() {}
        let (hanging, behind) = tokio::join!(biased; hurried.send(Do::Hang), hurried.send(Do::Add(1)));
        assert_eq!(
            (hanging, behind),
            (Err(Undelivered::Timeout(50)), Err(Undelivered::Timeout(50)))
        );
    });
}

/// Who is started again with whom, by the number of starts.
fn starts_after(strategy: Strategy, failing: usize) -> Vec<u64> {
    let scene = scene(strategy);
    let setups: Vec<Setup> = std::iter::repeat_with(Setup::new).take(3).collect();
    let actors: Vec<_> = setups.iter().map(|setup| adder(&scene.group, setup)).collect();
    for actor in &actors {
        assert_eq!(block(actor.send(Do::Add(1))), Ok(Ok(1)));
    }
    assert!(block(actors[failing].send(Do::Panic)).expect("answered").is_err());
    for actor in &actors {
        assert_eq!(block(actor.send(Do::Add(1))), Ok(Ok(2)), "what was committed is kept");
        assert_eq!(actor.child().orders().standing, Standing::Up);
    }
    setups.iter().map(|setup| setup.starts.load(Ordering::SeqCst)).collect()
}

#[test]
fn each_strategy_starts_those_again_that_it_names() {
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
    assert!(matches!(block(adder.send(Do::Add(1))), Err(Undelivered::Down(_))));
    assert!(scene.group.start::<Adder>("late", Setup::new(), quick()).is_err());
    assert!(scene.hotplate.group("late", Strategy::OneForOne, quick()).is_err());
}
