//! Chaos tests: while every actor fails at random, nothing that was acknowledged is lost, and nothing is done twice.
//!
//! `HOTPLATE_CHAOS` is the number of acknowledged operations (600 by default). `HOTPLATE_CHAOS_SEED` repeats a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix::Message;
use hotplate_actors::dialect::RenderError;
use hotplate_actors::supervision::{Behavior, Fault, FaultMoment, Serve, Started, Supervised, Vault};
use hotplate_actors::{
    ActorKind, Builder, Context, Event, Hotplate, Limits, MemoryHandle, MemoryLoader, Policy, Reload, Render,
    RenderFailure, Strategy, TemplateName, Unavailable,
};

const MOMENTS: [FaultMoment; 5] = [
    FaultMoment::Before,
    FaultMoment::After,
    FaultMoment::Reply,
    FaultMoment::Drop,
    FaultMoment::Start,
];

/// A small generator of random numbers (xorshift64*), so that a run is repeated by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).expect("fits")]
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

fn operations() -> u64 {
    number("HOTPLATE_CHAOS").unwrap_or(600)
}

/// Prints the seed, which the output of a failed test shows.
fn seed(test: &str) -> Random {
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(1, |now| now.as_nanos() as u64)
    };
    let seed = number("HOTPLATE_CHAOS_SEED").unwrap_or_else(now) | 1;
    println!("{test}: HOTPLATE_CHAOS={} HOTPLATE_CHAOS_SEED={seed}", operations());
    Random(seed)
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn name(text: &str) -> TemplateName {
    TemplateName::new(text).expect("a valid name")
}

/// Returns a policy whose restart limit is not reached here.
fn unlimited() -> Policy {
    Policy {
        restarts: 100_000,
        period_ms: 1,
        backoff_min_ms: 1,
        backoff_max_ms: 1,
        ..Policy::default()
    }
}

fn start(build: impl FnOnce(Builder) -> Builder) -> (Hotplate, MemoryHandle) {
    let (loader, memory) = MemoryLoader::new();
    let kinds = [
        ActorKind::Watcher,
        ActorKind::Compiler,
        ActorKind::Graph,
        ActorKind::Registry,
        ActorKind::Renderer,
    ];
    let builder = kinds
        .into_iter()
        .fold(Hotplate::builder().loader(loader), |builder, kind| {
            builder.policy(kind, unlimited())
        });
    (build(builder).start().expect("starts"), memory)
}

const WRITERS: u64 = 3;

/// An edit is acknowledged by `reload`, and served from then on.
#[test]
fn acknowledged_edits_are_served() {
    let mut random = seed("edits");
    let (open, gate) = crossbeam_channel::bounded::<()>(0);
    let limits = Limits {
        render_hang_ms: 2_000,
        ..Limits::default()
    };
    let (hotplate, memory) = start(|builder| {
        builder.limits(limits).formatter("hang", move |_, _| {
            let _ = gate.recv();
            Ok(())
        })
    });
    memory.set(name("hang.txt"), "{x | hang}");
    for writer in 0..WRITERS {
        memory.set(name(&format!("{writer}.txt")), "0");
    }
    let mut events = hotplate.subscribe();
    block(hotplate.reload()).expect("reloads");
    // Published versions increase.
    let versions = std::thread::spawn(move || {
        let (mut newest, mut events_seen) = (0, 0_u64);
        while let Some(event) = block(events.next()) {
            if let Event::Published(published) = event {
                assert!(published.version.number() > newest, "versions increase");
                (newest, events_seen) = (published.version.number(), events_seen + 1);
            }
        }
        events_seen
    });
    let over = AtomicBool::new(false);
    let (faults, renders, lost) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (hotplate, memory) = (hotplate.clone(), memory.clone());
                scope.spawn(move || {
                    let page = format!("{writer}.txt");
                    for edit in 1..=operations() / (2 * WRITERS) {
                        memory.set(name(&page), edit.to_string());
                        let key = format!("{writer} {edit}");
                        let report = loop {
                            match block(hotplate.keyed(&key).reload(Reload::default())) {
                                Ok(report) => break report,
                                Err(Unavailable::Lost(_) | Unavailable::Busy { .. }) => {}
                                Err(other) => panic!("{other}"),
                            }
                        };
                        let served = hotplate.render(&page, &()).expect("renders");
                        assert_eq!(served.body, edit.to_string(), "lost: {report:?}");
                        assert!(served.version >= report.version);
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let injectors: Vec<_> = hotplate.faults().collect();
            while !over.load(Ordering::Relaxed) {
                let (_, injector) = random.pick(&injectors);
                injector.inject(random.pick(&MOMENTS));
                faults.fetch_add(1, Ordering::Relaxed);
                std::thread::park_timeout(Duration::from_micros(random.below(2_000)));
            }
        });
        // Every render is answered: a direct one with a page, one by message with a page or `Lost`.
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                hotplate
                    .render("0.txt", &())
                    .expect("a direct render is answered with a page");
                match block(hotplate.renderer().send(Render::new("1.txt", Context::new(())))) {
                    Ok(_) => {}
                    Err(RenderFailure::Unavailable(Unavailable::Lost(_))) => drop(lost.fetch_add(1, Ordering::Relaxed)),
                    Err(other) => panic!("{other}"),
                }
                renders.fetch_add(1, Ordering::Relaxed);
            }
        });
        scope.spawn(|| {
            for _ in 0..3 {
                let hanging = Render::new("hang.txt", Context::new(serde_json::json!({ "x": 1 })));
                let answer = block(hotplate.renderer().send(hanging));
                // After the first one the circuit breaker is open, and answers at once with the reason.
                let is_hang = |error: &RenderError| error.diagnostic.code == "hangs";
                assert!(
                    matches!(&answer, Err(RenderFailure::Unavailable(Unavailable::Lost(_))))
                        || matches!(&answer, Err(RenderFailure::Failed(error)) if is_hang(error)),
                    "{answer:?}"
                );
            }
        });
        for writer in writers {
            if let Err(panic) = writer.join() {
                over.store(true, Ordering::Relaxed);
                std::panic::resume_unwind(panic);
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    drop(open);
    let triggered: u64 = hotplate.faults().map(|(_, faults)| faults.count()).sum();
    println!(
        "edits: {} acknowledged, {triggered} faults triggered, {} renders answered, {} of them `Lost`, {} threads hung",
        operations() / (2 * WRITERS) * WRITERS,
        renders.into_inner(),
        lost.into_inner(),
        hotplate
            .health()
            .actors
            .iter()
            .map(|actor| actor.quarantined)
            .sum::<usize>(),
    );
    assert!(triggered > 0 && hotplate.snapshot().version().number() > operations() / (2 * WRITERS));
    assert!(block(hotplate.shutdown(Duration::from_secs(60))));
    assert!(versions.join().expect("versions increase") > 0);
}

/// The payments into an account, by their idempotency keys.
#[derive(Clone)]
struct Setup(Vault<Arc<BTreeMap<u64, u64>>>);

struct Account(Setup);

#[derive(Clone, Copy, Message)]
#[rtype(result = "Result<u64, Fault>")]
struct Pay {
    key: u64,
    amount: u64,
}

#[derive(Message)]
#[rtype(result = "()")]
struct StopArbiter;

impl Behavior for Account {
    type Config = Setup;
    fn start(setup: &Setup) -> Started<Self> {
        Ok(Self(Setup(setup.0.open())))
    }
}

impl Serve<Pay> for Account {
    async fn serve(&mut self, pay: Pay) -> Result<u64, Fault> {
        let mut paid = self.0.0.draft();
        assert!(
            pay.key % 17 != 3 || !pay.amount.is_multiple_of(3),
            "before the mutation"
        );
        // Paid before; the answer was lost.
        if let Some(amount) = paid.get(&pay.key) {
            return Ok(*amount);
        }
        Arc::make_mut(&mut paid).insert(pay.key, pay.amount);
        assert!(
            pay.key % 23 != 5 || pay.amount % 3 != 1,
            "after the mutation of the draft"
        );
        self.0.0.commit(paid).expect("no later incarnation");
        assert!(pay.key % 29 != 7, "after the commit");
        Ok(pay.amount)
    }
}

impl Serve<StopArbiter> for Account {
    async fn serve(&mut self, _: StopArbiter) {
        actix::Arbiter::current().stop();
    }
}

#[test]
fn acknowledged_payments_exist_once() {
    let mut random = seed("payments");
    let (hotplate, _memory) = start(|builder| builder);
    let group = hotplate
        .group("bank", Strategy::OneForAll, Policy::never())
        .expect("a group");
    let vault = Vault::new(Arc::default());
    let account: Supervised<Account> = group
        .start("account", Setup(vault.clone()), unlimited())
        .expect("starts");
    let payments = operations() - operations() / (2 * WRITERS) * WRITERS;
    let over = AtomicBool::new(false);
    let (stopped, repeated) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let payers: Vec<_> = (0..4)
            .map(|payer| {
                let (account, repeated) = (account.clone(), &repeated);
                scope.spawn(move || {
                    for key in (payer..payments).step_by(4) {
                        let mut amount = key * 3;
                        // The amount of the first attempt that is committed counts, and is answered.
                        loop {
                            match block(account.send(Pay { key, amount })) {
                                Ok(Ok(_)) => break,
                                Ok(Err(_)) | Err(_) => drop(repeated.fetch_add(1, Ordering::Relaxed)),
                            }
                            amount += 1;
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                match random.below(20) {
                    0 => {
                        let _ = block(account.send(StopArbiter));
                        stopped.fetch_add(1, Ordering::Relaxed);
                    }
                    _ => account.faults().inject(random.pick(&MOMENTS)),
                }
                std::thread::park_timeout(Duration::from_micros(random.below(2_000)));
            }
        });
        for payer in payers {
            if let Err(panic) = payer.join() {
                over.store(true, Ordering::Relaxed);
                std::panic::resume_unwind(panic);
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    let paid = vault.draft();
    println!(
        "payments: {payments} acknowledged, {} faults, {} threads stopped, {} sent again",
        account.faults().count(),
        stopped.into_inner(),
        repeated.into_inner()
    );
    assert_eq!(paid.len() as u64, payments, "nothing is lost or invented");
    assert!(paid.keys().copied().eq(0..payments));
    assert!(account.faults().count() > 0);
    assert!(block(hotplate.shutdown(Duration::from_secs(60))));
}
