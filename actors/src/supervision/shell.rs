//! [`Shell`]: the actor that actix knows, around a behaviour that may fail.

use std::any::Any;
use std::error::Error;
use std::rc::Rc;
use std::sync::Arc;

use actix::dev::{MessageResponse, OneshotSender};
use actix::{Actor, AsyncContext, Context, Handler, Message};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tracing::{Instrument, Span};

use super::child::Child;
use super::contain;
use super::contained::Contained;
use super::drill::{Faults, Moment};
use super::family::Standing;
use super::incident::{Fault, FaultKind};
use super::restarts::Ending;

/// A fresh behaviour, or why there is none.
pub type Started<B> = Result<B, Box<dyn Error + Send + Sync>>;

/// What an actor does, made anew after each fault from a setup that no fault reaches.
pub trait Behavior: Sized + Unpin + 'static {
    /// What it is started from.
    type Setup: Unpin + 'static;

    /// A fresh behaviour. Messages wait until there is one.
    ///
    /// # Errors
    /// Why it cannot start. It is tried again by its policy.
    fn start(setup: &Self::Setup) -> Started<Self>;

    /// Whether its work is done. Asked after each message; its policy says whether it is then started again.
    fn is_finished(&self) -> bool {
        false
    }
}

/// A message that a behaviour serves. One at a time: the next waits in the mailbox until the reply is ready.
pub trait Serve<M: Message>: Behavior {
    /// Serves one message.
    fn serve(&mut self, message: M) -> impl Future<Output = M::Result>;
}

/// A message and the span that serving it is.
pub struct Traced<M> {
    pub(super) message: M,
    pub(super) span: Span,
}

impl<M: Message> Message for Traced<M> {
    type Result = M::Result;
}

impl<B: Serve<M>, M: Message> Serve<Traced<M>> for B {
    async fn serve(&mut self, Traced { message, span }: Traced<M>) -> M::Result {
        self.serve(message).instrument(span).await
    }
}

/// All that actix sees of an actor of ours. Its mailbox outlives every fault of the behaviour inside, and waits while that is
/// started again.
pub struct Shell<B: Behavior> {
    core: Rc<Core<B>>,
    caretaker: JoinHandle<()>,
    /// Dropped with it.
    kept: Option<Box<dyn Any>>,
}

struct Core<B: Behavior> {
    setup: B::Setup,
    child: Arc<Child>,
    faults: Faults,
    held: Mutex<Held<B>>,
}

struct Held<B> {
    /// Stays here while a message is served, so that a panic does not drop it while it unwinds: a second panic in its `Drop` would
    /// end the process.
    behavior: Option<B>,
    /// Which start it is of.
    generation: u64,
}

impl<B: Behavior> Shell<B> {
    /// A shell that starts its behaviour by itself, and again whenever it is ordered to.
    ///
    /// # Panics
    /// Outside of an arbiter.
    pub fn new(setup: B::Setup, child: Arc<Child>, faults: Faults) -> Self {
        let core = Rc::new(Core {
            setup,
            child,
            faults,
            held: Mutex::new(Held {
                behavior: None,
                generation: 0,
            }),
        });
        let caretaker = actix::spawn(take_care(Rc::clone(&core)));
        Self {
            core,
            caretaker,
            kept: None,
        }
    }

    /// Keeps something until actix lets go of it, because its arbiter was stopped or something of actix's has failed.
    #[must_use]
    pub(super) fn keeping(mut self, kept: impl Any) -> Self {
        self.kept = Some(Box::new(kept));
        self
    }
}

/// Starts the behaviour whenever it is to be started and no message is there to make it.
async fn take_care<B: Behavior>(core: Rc<Core<B>>) {
    let mut changes = core.child.changes();
    loop {
        changes.mark_unchanged();
        let mut held = core.held.lock().await;
        // While it is down, whoever asks is told; here is nothing to do.
        let _ = core.rise(&mut held).await;
        drop(held);
        if changes.changed().await.is_err() {
            return;
        }
    }
}

impl<B: Behavior> Core<B> {
    /// Makes sure that there is a behaviour of the start that was ordered last.
    async fn rise(&self, held: &mut Held<B>) -> Result<(), Fault> {
        loop {
            let orders = self.child.orders();
            if held.behavior.is_some() && held.generation == orders.generation && orders.standing == Standing::Up {
                return Ok(());
            }
            self.discard(held);
            held.generation = self.child.turn().await?;
            let started = contain(|| {
                self.faults.strike(Moment::Start);
                B::start(&self.setup).map_err(|error| error.to_string())
            });
            match started.and_then(|started| started) {
                Ok(behavior) => {
                    held.behavior = Some(behavior);
                    self.child.up(held.generation);
                }
                Err(said) => {
                    self.fail(held, FaultKind::NotStarted, said);
                }
            }
        }
    }

    async fn serve<M>(&self, message: M) -> Result<M::Result, Fault>
    where
        B: Serve<M>,
        M: Message,
    {
        let _begun = self.child.in_hand().ticket();
        let mut held = self.held.lock().await;
        self.rise(&mut held).await?;
        if let Err(said) = contain(|| self.faults.strike(Moment::Before)) {
            // Before anybody is told: who hears of the fault may send the same again, and some messages are sent once at a time.
            let _ = contain(move || drop(message));
            return Err(self.fail(&mut held, FaultKind::Panicked, said));
        }
        let Some(behavior) = held.behavior.as_mut() else {
            return Err(self.child.down());
        };
        let served = Contained::new(async {
            let reply = behavior.serve(message).await;
            self.faults.strike(Moment::After);
            reply
        });
        let (actor, number) = (self.child.actor(), self.child.number());
        let span = tracing::debug_span!("serve", actor, number, message = std::any::type_name::<M>());
        let served = served.instrument(span).await;
        let finished = || contain(|| held.behavior.as_ref().is_some_and(B::is_finished));
        match served.and_then(|reply| Ok((reply, finished()?))) {
            Ok((reply, finished)) => {
                if finished {
                    self.discard(&mut held);
                    self.child.ended(held.generation, Ending::Finished);
                }
                Ok(reply)
            }
            Err(said) => Err(self.fail(&mut held, FaultKind::Panicked, said)),
        }
    }

    fn fail(&self, held: &mut Held<B>, kind: FaultKind, said: String) -> Fault {
        self.discard(held);
        self.faults.note();
        self.child.failed(held.generation, kind, said)
    }

    fn discard(&self, held: &mut Held<B>) {
        let Some(behavior) = held.behavior.take() else { return };
        let dropped = contain(move || drop(behavior)).and_then(|()| contain(|| self.faults.strike(Moment::Drop)));
        if let Err(said) = dropped {
            // It is gone all the same, and its successor begins as any other.
            tracing::error!(actor = self.child.actor(), said, "a behaviour failed in its Drop");
            crate::fault_log::unheard(format_args!(
                "a behaviour of the {} failed in its Drop",
                self.child.actor()
            ));
            self.faults.note();
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
    type Result = Answer<B, M>;

    fn handle(&mut self, message: M, _: &mut Context<Self>) -> Self::Result {
        let core = Rc::clone(&self.core);
        let serving = Rc::clone(&core);
        // Whatever of this panics is known by `serve` already; this guards what a reply's own conversion does.
        let reply = Contained::new(async move { Core::serve(&serving, message).await.unwrap_or_else(Into::into) });
        Answer { core, reply }
    }
}

/// A reply that is awaited. The mailbox waits with it.
pub struct Answer<B: Behavior, M: Message> {
    core: Rc<Core<B>>,
    reply: Contained<'static, M::Result>,
}

impl<B, M> MessageResponse<Shell<B>, M> for Answer<B, M>
where
    B: Serve<M>,
    M: Message + 'static,
    M::Result: From<Fault>,
{
    fn handle(self, context: &mut Context<Shell<B>>, to: Option<OneshotSender<M::Result>>) {
        let Self { core, reply } = self;
        let answered = async move {
            let Ok(reply) = reply.await else { return };
            let reply = match contain(|| core.faults.strike(Moment::Reply)) {
                Ok(()) => reply,
                Err(said) => {
                    let _ = contain(move || drop(reply));
                    let mut held = core.held.lock().await;
                    core.fail(&mut held, FaultKind::Panicked, said).into()
                }
            };
            // Nobody may wait for it any more: then it is dropped here, and its `Drop` may panic.
            let _ = contain(move || to.map(|to| drop(to.send(reply))));
        };
        context.wait(actix::fut::wrap_future::<_, Shell<B>>(answered));
    }
}

impl<B: Behavior> Drop for Shell<B> {
    fn drop(&mut self) {
        self.caretaker.abort();
    }
}

impl<B: Behavior> Drop for Core<B> {
    fn drop(&mut self) {
        let behavior = self.held.get_mut().behavior.take();
        let _ = contain(move || drop(behavior));
    }
}

#[cfg(test)]
mod tests;
