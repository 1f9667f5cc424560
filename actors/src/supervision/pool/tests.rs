//! Jobs that panic, that hang, and that find no thread.

use super::*;

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn pool(threads: usize, quarantined: usize) -> Pool {
    let policy = HangPolicy {
        timers: Timers::start("test").expect("a thread"),
        hang: Duration::from_millis(250),
        limit: "the limit `hang_ms`",
        quarantined,
    };
    Pool::start("test", threads, 16, Some(policy)).expect("threads")
}

/// Waits for a condition that is certain to become true.
fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        std::thread::yield_now();
    }
}

#[test]
fn a_panic_affects_only_its_job() {
    let pool = Pool::start("test", 1, 4, None).expect("threads");
    block(async {
        assert_eq!(
            pool.run(|| -> u8 { panic!("no") }).await,
            Err(Unavailable::Lost("no".into()))
        );
        assert_eq!(pool.run(|| 7).await, Ok(7));
    });
}

#[test]
fn a_full_queue_rejects() {
    let pool = Pool::start("test", 1, 1, None).expect("threads");
    let (open, gate) = crossbeam_channel::bounded::<()>(0);
    let (started, has_started) = crossbeam_channel::bounded::<()>(0);
    block(async {
        let busy = pool.run(move || {
            let _ = started.send(());
            let _ = gate.recv();
        });
        has_started.recv().expect("the first job runs");
        let waits = pool.run(|| 1);
        assert!(pool.run(|| 2).await.is_err());
        drop(open);
        assert_eq!((busy.await, waits.await), (Ok(()), Ok(1)));
    });
}

#[test]
fn hanging_threads_are_replaced_up_to_a_limit() {
    let pool = pool(1, 2);
    let (open, gate) = crossbeam_channel::bounded::<()>(0);
    block(async {
        for hanging in 1..=2 {
            let gate = gate.clone();
            let lost = pool.run(move || gate.recv().is_ok()).await.expect_err("hangs");
            assert!(lost.to_string().contains("250 ms"), "{lost}");
            assert_eq!(pool.quarantined(), hanging);
            assert_eq!(pool.run(|| 1).await, Ok(1), "another took its place");
        }
        assert!(pool.is_exhausted());
        // The third thread that hangs is not replaced, so no thread is left, and queued and new jobs are answered at once.
        let third = gate.clone();
        let (third, waits) = (pool.run(move || third.recv().is_ok()), pool.run(|| 2));
        assert!(third.await.is_err());
        assert!(waits.await.is_err());
        assert!(pool.run(|| 3).await.is_err());
        // All jobs end after all, and the thread that was not replaced takes jobs again.
        drop(open);
        wait_until(|| pool.quarantined() == 0);
        assert_eq!(pool.run(|| 4).await, Ok(4));
        assert!(!pool.is_exhausted());
    });
}

#[test]
fn a_closed_pool_finishes_its_queue_and_rejects() {
    let pool = pool(2, 2);
    block(async {
        let queued: Vec<_> = (0..10).map(|number| pool.run(move || number)).collect();
        pool.close();
        for (number, queued) in (0..).zip(queued) {
            assert_eq!(queued.await, Ok(number));
        }
        wait_until(|| pool.has_ended());
        assert!(pool.run(|| 1).await.is_err());
    });
}
