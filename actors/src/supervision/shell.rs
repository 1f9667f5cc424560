//! [`Shell`]: the actor that actix knows, around a behaviour that may fail.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll};

use actix::{Actor, ActorFutureExt, AtomicResponse, Context, Handler, Message, WrapFuture};

use super::contain;

/// What an actor does, made anew after each fault from a setup that no fault reaches.
pub trait Behavior: Sized + Unpin + 'static {
    /// What it is started from.
    type Setup: Unpin + 'static;

    /// A fresh behaviour.
    fn start(setup: &Self::Setup) -> Self;
}

/// A message that a behaviour serves. One at a time: the next waits in the mailbox until the reply is ready.
pub trait Serve<M: Message>: Behavior {
    /// Serves one message.
    fn serve(&mut self, message: M) -> impl Future<Output = M::Result>;
}

/// A behaviour panicked. It is unknown whether the work in hand was done; the next message is served by a fresh behaviour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {actor} failed: {said}")]
pub struct Fault {
    /// Whose behaviour.
    pub actor: &'static str,
    /// What the panic said.
    pub said: String,
}

/// A reply that can fail says so with its error.
impl<T, E: From<Fault>> From<Fault> for Result<T, E> {
    fn from(fault: Fault) -> Self {
        Err(fault.into())
    }
}

/// Counts the faults of one actor and tells who wants to know.
#[derive(Clone)]
pub struct Faults {
    count: Arc<AtomicU64>,
    tell: Arc<dyn Fn(&Fault) + Send + Sync>,
    /// A fault that somebody ordered: 0 for none, else a [`Moment`].
    ordered: Arc<AtomicU8>,
}

/// When an ordered fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Moment {
    /// Before the message is served.
    Before = 1,
    /// After it is served, and before it is answered.
    After = 2,
}

impl Faults {
    /// `tell` is called in the actor's thread, once for each fault.
    pub fn new(tell: impl Fn(&Fault) + Send + Sync + 'static) -> Self {
        Self {
            count: Arc::default(),
            tell: Arc::new(tell),
            ordered: Arc::default(),
        }
    }

    /// Makes the next message of this actor fail, to see in a drill that nothing comes of it.
    pub fn order(&self, moment: Moment) {
        self.ordered.store(moment as u8, Ordering::Relaxed);
    }

    fn strike(&self, moment: Moment) {
        let due = self
            .ordered
            .compare_exchange(moment as u8, 0, Ordering::Relaxed, Ordering::Relaxed);
        assert!(due.is_err(), "a fault was ordered");
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn note(&self, fault: &Fault) {
        self.count.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            actor = fault.actor,
            said = fault.said,
            "an actor failed and is started again"
        );
        let _ = contain(|| (self.tell)(fault));
    }
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Faults").field(&self.count()).finish()
    }
}

/// All that actix sees of an actor of ours. Its mailbox outlives every fault of the behaviour inside.
pub struct Shell<B: Behavior> {
    actor: &'static str,
    setup: B::Setup,
    /// Absent until the first message, while one is served, and after a fault.
    behavior: Option<B>,
    faults: Faults,
}

impl<B: Behavior> Shell<B> {
    /// A shell that starts its behaviour with the first message.
    pub fn new(actor: &'static str, setup: B::Setup, faults: Faults) -> Self {
        Self {
            actor,
            setup,
            behavior: None,
            faults,
        }
    }

    fn take_behavior(&mut self) -> Result<B, String> {
        match self.behavior.take() {
            Some(behavior) => Ok(behavior),
            None => contain(|| B::start(&self.setup)),
        }
    }
}

impl<B: Behavior> Actor for Shell<B> {
    type Context = Context<Self>;
}

impl<B, M> Handler<M> for Shell<B>
where
    B: Serve<M>,
    M: Message + 'static,
    M::Result: From<Fault>,
{
    type Result = AtomicResponse<Self, M::Result>;

    fn handle(&mut self, message: M, _: &mut Context<Self>) -> Self::Result {
        let behavior = self.take_behavior();
        let faults = self.faults.clone();
        let served = Contained::new(async move {
            let mut behavior = behavior?;
            faults.strike(Moment::Before);
            let reply = behavior.serve(message).await;
            faults.strike(Moment::After);
            Ok((behavior, reply))
        });
        AtomicResponse::new(Box::pin(served.into_actor(self).map(|served, shell, _| match served {
            Ok((behavior, reply)) => {
                shell.behavior = Some(behavior);
                reply
            }
            Err(said) => {
                let fault = Fault {
                    actor: shell.actor,
                    said,
                };
                shell.faults.note(&fault);
                fault.into()
            }
        })))
    }
}

/// A future whose panics, in `poll` or in `Drop`, become its error.
struct Contained<F>(Option<Pin<Box<F>>>);

impl<F> Contained<F> {
    fn new(future: F) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl<T, F: Future<Output = Result<T, String>>> Future for Contained<F> {
    type Output = Result<T, String>;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let Some(future) = self.0.as_mut() else {
            return Poll::Ready(Err("it was asked after its end".into()));
        };
        let polled = contain(|| future.as_mut().poll(task));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            ended => {
                let future = self.0.take();
                let dropped = contain(move || drop(future));
                match (ended, dropped) {
                    (Ok(Poll::Ready(ready)), Ok(())) => Poll::Ready(ready),
                    (Err(said), _) | (_, Err(said)) => Poll::Ready(Err(said)),
                    (Ok(Poll::Pending), Ok(())) => Poll::Pending,
                }
            }
        }
    }
}

impl<F> Drop for Contained<F> {
    fn drop(&mut self) {
        let future = self.0.take();
        let _ = contain(move || drop(future));
    }
}

impl<B: Behavior> Drop for Shell<B> {
    fn drop(&mut self) {
        let behavior = self.behavior.take();
        let _ = contain(move || drop(behavior));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Message)]
    #[rtype(result = "Result<u32, Fault>")]
    enum Ask {
        Count,
        PanicNow,
        PanicLater,
        PanicInDrop,
    }

    struct Counter {
        asked: u32,
        drops_badly: bool,
    }

    impl Behavior for Counter {
        type Setup = u32;
        fn start(setup: &u32) -> Self {
            Self {
                asked: *setup,
                drops_badly: false,
            }
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
            }
        }
    }

    #[test]
    fn after_every_kind_of_panic_the_next_message_is_served_by_a_fresh_behavior() {
        let told = Arc::new(AtomicU64::new(0));
        let teller = Arc::clone(&told);
        let faults = Faults::new(move |_| {
            teller.fetch_add(1, Ordering::Relaxed);
            panic!("who listens may fail too")
        });
        let seen = faults.clone();
        actix::System::new().block_on(async move {
            let shell = Shell::<Counter>::new("counter", 10, faults).start();
            for (ask, said) in [
                (Ask::PanicNow, "now"),
                (Ask::PanicLater, "later"),
                (Ask::PanicInDrop, "it did not say why"),
            ] {
                assert_eq!(shell.send(Ask::Count).await.expect("alive"), Ok(11));
                let queued = shell.send(ask);
                let behind = shell.send(Ask::Count);
                let fault = queued.await.expect("alive").expect_err("panicked");
                assert_eq!((fault.actor, fault.said.as_str()), ("counter", said));
                assert_eq!(behind.await.expect("the mailbox outlives the fault"), Ok(11));
                let restarted = shell.send(Ask::PanicNow).await.expect("alive");
                assert!(restarted.is_err(), "back to a fresh one");
            }
        });
        assert_eq!(seen.count(), 6);
        assert_eq!(told.load(Ordering::Relaxed), 6);
    }
}
