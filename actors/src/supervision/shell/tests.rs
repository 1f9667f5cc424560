//! Messages and actors after each kind of failure of a behaviour.

use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::incident::Incident;
use super::super::policy::{Policy, Restart};
use super::super::restart_group::Strategy;
use super::super::strategy_group::StrategyGroup;
use super::super::vault::Vault;
use super::*;

#[derive(Message)]
#[rtype(result = "Result<u32, Fault>")]
enum Ask {
    Count,
    PanicNow,
    PanicLater,
    PanicInDrop,
    Finish,
    /// Commits, and panics before the reply.
    CommitAndPanic,
}

struct Counter {
    asked: u32,
    drops_badly: bool,
    finished: bool,
    vault: Vault<u32>,
}

#[derive(Clone)]
struct Setup {
    vault: Vault<u32>,
    /// Number of starts that fail: odd numbers by a panic, even numbers by an error.
    bad_starts: Arc<AtomicU64>,
}

impl Behavior for Counter {
    type Config = Setup;
    fn start(setup: &Setup) -> Started<Self> {
        let left = setup
            .bad_starts
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match left {
            Ok(odd) if odd % 2 == 1 => panic!("a bad start"),
            Ok(_) => Err("a bad start".into()),
            Err(_) => Ok(Self {
                asked: 0,
                drops_badly: false,
                finished: false,
                vault: setup.vault.open(),
            }),
        }
    }
    fn is_finished(&self) -> bool {
        self.finished
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        assert!(!self.drops_badly, "in drop");
    }
}

impl Serve<Ask> for Counter {
    async fn serve(&mut self, message: Ask) -> Result<u32, Fault> {
        self.asked += 1;
        match message {
            Ask::Count => Ok(self.asked),
            Ask::PanicNow => panic!("now"),
            Ask::PanicLater => {
                actix::clock::sleep(std::time::Duration::ZERO).await;
                panic!("later")
            }
            Ask::PanicInDrop => {
                self.drops_badly = true;
                std::panic::panic_any(7)
            }
            Ask::Finish => {
                self.finished = true;
                Ok(self.asked)
            }
            Ask::CommitAndPanic => {
                let committed = self.vault.commit(self.vault.draft() + 1);
                assert!(committed.is_err(), "after the commit");
                Ok(0)
            }
        }
    }
}

/// A reply that panics when it is dropped.
struct Bad;

impl Drop for Bad {
    fn drop(&mut self) {
        panic!("a reply that drops badly");
    }
}

#[derive(Message)]
#[rtype(result = "Result<Bad, Fault>")]
struct AskBad;

impl Serve<AskBad> for Counter {
    async fn serve(&mut self, _: AskBad) -> Result<Bad, Fault> {
        Ok(Bad)
    }
}

struct Scene {
    setup: Setup,
    faults: InjectedFaults,
    child: Arc<Child>,
    incidents: Arc<StdMutex<Vec<&'static str>>>,
}

fn quick(restart: Restart, restarts: u32) -> Policy {
    Policy {
        restart,
        restarts,
        backoff_min_ms: 1,
        backoff_max_ms: 2,
        ..Policy::default()
    }
}

impl Scene {
    fn new(policy: Policy) -> Self {
        let incidents = Arc::new(StdMutex::new(Vec::new()));
        let listener = Arc::clone(&incidents);
        let whole = quick(Restart::Temporary, 1);
        let group = StrategyGroup::new(Strategy::OneForOne, whole, move |incident| {
            listener.lock().expect("not poisoned").push(match incident {
                Incident::Failed(_) => "failed",
                Incident::Restarted(_) => "restarted",
                Incident::GivenUp(_) => "given up",
            });
        });
        let setup = Setup {
            vault: Vault::new(0),
            bad_starts: Arc::default(),
        };
        Self {
            setup,
            faults: InjectedFaults::default(),
            child: group.add("counter", 0, policy),
            incidents,
        }
    }

    fn play<F: Future<Output = ()>>(&self, act: impl FnOnce(actix::Addr<Shell<Counter>>) -> F) {
        actix::System::new().block_on(async {
            let shell = Shell::new(self.setup.clone(), Arc::clone(&self.child), self.faults.clone());
            act(shell.start()).await;
        });
    }

    fn incidents(&self) -> Vec<&'static str> {
        self.incidents.lock().expect("not poisoned").clone()
    }
}

#[test]
fn queued_messages_are_served_after_a_panic() {
    let scene = Scene::new(quick(Restart::Permanent, 100));
    scene.play(async |shell| {
        for (ask, message) in [
            (Ask::PanicNow, "now"),
            (Ask::PanicLater, "later"),
            (Ask::PanicInDrop, "a panic without a message"),
        ] {
            assert_eq!(shell.send(Ask::Count).await.expect("alive"), Ok(1));
            let queued = shell.send(ask);
            let behind: Vec<_> = std::iter::repeat_with(|| shell.send(Ask::Count)).take(50).collect();
            let fault = queued.await.expect("alive").expect_err("panicked");
            assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::Panicked, message));
            for (number, behind) in (1..).zip(behind) {
                assert_eq!(behind.await.expect("the mailbox outlives the fault"), Ok(number));
            }
            let again = shell.send(Ask::PanicNow).await.expect("alive");
            assert!(again.is_err(), "by a new behaviour");
        }
        assert_eq!(shell.send(Ask::Count).await.expect("alive"), Ok(1));
    });
    assert_eq!(scene.child.restarts(), 6);
    assert_eq!(scene.incidents(), ["failed", "restarted"].repeat(6));
}

#[test]
fn the_next_message_is_served_after_each_injected_fault() {
    let scene = Scene::new(quick(Restart::Permanent, 100));
    scene.play(async |shell| {
        for moment in [FaultMoment::Before, FaultMoment::After, FaultMoment::Reply] {
            scene.faults.inject(moment);
            let fault = shell.send(Ask::Count).await.expect("alive").expect_err("injected");
            assert_eq!(fault.message, "an injected fault", "{moment:?}");
            assert_eq!(shell.send(Ask::Count).await.expect("alive"), Ok(1), "{moment:?}");
        }
        for moment in [FaultMoment::Drop, FaultMoment::Start] {
            scene.faults.inject(moment);
            assert!(shell.send(Ask::PanicNow).await.expect("alive").is_err());
            assert_eq!(shell.send(Ask::Count).await.expect("alive"), Ok(1), "{moment:?}");
        }
    });
    assert_eq!(scene.faults.count(), 3 + 2 * 2);
}

#[test]
fn failed_starts_lose_no_message_and_count() {
    let scene = Scene::new(quick(Restart::Permanent, 4));
    scene.setup.bad_starts.store(4, Ordering::Relaxed);
    scene.play(async |shell| {
        let waiting: Vec<_> = std::iter::repeat_with(|| shell.send(Ask::Count)).take(20).collect();
        for (number, waiting) in (1..).zip(waiting) {
            assert_eq!(waiting.await.expect("alive"), Ok(number));
        }
        // The failed starts have used up the restarts, so the actor is down from here on, and answers at once.
        let fault = shell.send(Ask::PanicNow).await.expect("alive").expect_err("panicked");
        assert_eq!(fault.kind, FaultKind::Panicked);
        let fault = shell.send(Ask::Count).await.expect("alive").expect_err("down");
        assert_eq!(fault.kind, FaultKind::Down, "{fault}");
        assert!(fault.message.contains("now"), "{fault}");
        assert_eq!(scene.child.orders().duty, MemberDuty::Down);
        assert!(scene.child.reset());
        assert_eq!(shell.send(Ask::Count).await.expect("alive"), Ok(1), "after a reset");
    });
    assert_eq!(
        scene
            .incidents()
            .iter()
            .filter(|incident| **incident == "given up")
            .count(),
        1
    );
}

#[test]
fn restart_types_after_a_failure_and_an_end() {
    // The columns: the restart type, if it serves on after a failure, and if it serves on after it has finished.
    for (restart, failed, finished) in [
        (Restart::Permanent, true, true),
        (Restart::Transient, true, false),
        (Restart::Temporary, false, false),
    ] {
        for (last, serves_on) in [(Ask::PanicNow, failed), (Ask::Finish, finished)] {
            let scene = Scene::new(quick(restart, 100));
            scene.play(async |shell| {
                let _ = shell.send(last).await.expect("alive");
                let next = shell.send(Ask::Count).await.expect("answers in any case");
                assert_eq!(next.is_ok(), serves_on, "{restart:?}");
                assert!(next.is_ok_and(|asked| asked == 1) == serves_on, "a new behaviour");
            });
        }
    }
}

#[test]
fn the_limit_holds_for_an_actor_that_finishes_at_once() {
    let scene = Scene::new(quick(Restart::Permanent, 3));
    scene.play(async |shell| {
        let mut served = 0;
        while shell.send(Ask::Finish).await.expect("answers in any case").is_ok() {
            served += 1;
        }
        assert_eq!(served, 4, "the first, and each restart");
    });
}

#[test]
fn a_commit_survives_a_panic_before_the_reply() {
    let scene = Scene::new(quick(Restart::Permanent, 100));
    scene.play(async |shell| {
        for committed in 1..=3 {
            assert!(shell.send(Ask::CommitAndPanic).await.expect("alive").is_err());
            assert_eq!(scene.setup.vault.draft(), committed);
        }
    });
}

#[test]
fn an_unwanted_reply_may_panic_in_its_drop() {
    let scene = Scene::new(quick(Restart::Permanent, 100));
    scene.play(async |shell| {
        let asked = shell.send(AskBad);
        let behind = shell.send(Ask::Count);
        drop(asked);
        assert!(behind.await.expect("alive").is_ok());
        #[expect(clippy::disallowed_methods, reason = "the test is about an answer that is dropped")]
        shell.do_send(AskBad);
        assert!(shell.send(Ask::Count).await.expect("alive").is_ok());
    });
}

#[derive(Message)]
#[rtype(result = "()")]
struct PanicWithoutReply;

impl Serve<PanicWithoutReply> for Counter {
    async fn serve(&mut self, _: PanicWithoutReply) {
        panic!("a panic that no reply reports");
    }
}

#[test]
fn an_idle_actor_restarts_without_a_message() {
    let scene = Scene::new(quick(Restart::Permanent, 100));
    scene.play(async |shell| {
        shell.send(PanicWithoutReply).await.expect("alive");
        while scene.child.restarts() == 0 {
            actix::clock::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
    assert_eq!(scene.incidents(), ["failed", "restarted"]);
}
