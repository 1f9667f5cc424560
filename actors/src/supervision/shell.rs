//! [`Shell`]: the actor that actix knows, around a behaviour that may panic.
//!
//! Every call into the behaviour (start, each poll, `is_finished`, drop) runs under `catch_unwind`, so actix never sees a panic and never
//! ends the actor. One message is served at a time, because the mailbox waits for the reply (`ctx.wait`). A behaviour is replaced after
//! a failure, and when the group orders a newer generation; both happen in `ensure_started`, before a message is served.

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
use super::fault_injection::{FaultMoment, InjectedFaults};
use super::incident::{Fault, FaultKind};
use super::restart_group::MemberDuty;
use super::restarts::EndReason;

/// A new behaviour, or the reason why there is none.
pub type Started<B> = Result<B, Box<dyn Error + Send + Sync>>;

/// The behaviour of an actor. After each failure a new one is started from the same setup.
pub trait Behavior: Sized + Unpin + 'static {
    /// Data that a behaviour is started from. It outlives all failures.
    type Config: Unpin + 'static;

    /// Starts a behaviour. Messages wait meanwhile.
    ///
    /// # Errors
    /// The reason why it cannot start. The restart policy says when it is tried again.
    fn start(setup: &Self::Config) -> Started<Self>;

    /// Returns true if the work is done. It is called after each message; the restart policy decides if another behaviour is started.
    fn is_finished(&self) -> bool {
        false
    }
}

/// A type of message that a behaviour serves, one at a time: the next waits in the mailbox until the reply is ready.
pub trait Serve<M: Message>: Behavior {
    /// Serves one message.
    fn serve(&mut self, message: M) -> impl Future<Output = M::Result>;
}

/// A message with the tracing span in which it is handled.
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

/// The actix actor around a behaviour. Its mailbox outlives every failure of the behaviour, and waits while that is restarted.
pub struct Shell<B: Behavior> {
    core: Rc<ShellCore<B>>,
    /// Restarts the behaviour while no message comes.
    restarter: JoinHandle<()>,
    /// Dropped together with the shell.
    guard: Option<Box<dyn Any>>,
}

struct ShellCore<B: Behavior> {
    setup: B::Config,
    child: Arc<Child>,
    faults: InjectedFaults,
    held: Mutex<CurrentBehavior<B>>,
}

struct CurrentBehavior<B> {
    /// The behaviour stays here while a message is served, so that it is not dropped during unwinding: a second panic, in its `Drop`, would
    /// abort the process.
    behavior: Option<B>,
    /// Generation of the behaviour.
    generation: u64,
}

impl<B: Behavior> Shell<B> {
    /// Creates a shell, which starts its behaviour at once, and again on each order of the group.
    ///
    /// # Panics
    /// Panics outside of an actix arbiter.
    pub fn new(setup: B::Config, child: Arc<Child>, faults: InjectedFaults) -> Self {
        let core = Rc::new(ShellCore {
            setup,
            child,
            faults,
            held: Mutex::new(CurrentBehavior {
                behavior: None,
                generation: 0,
            }),
        });
        let restarter = actix::spawn(restart_when_ordered(Rc::clone(&core)));
        Self {
            core,
            restarter,
            guard: None,
        }
    }

    /// Attaches a guard, which is dropped when actix drops the shell: its arbiter was stopped, or actix itself has failed.
    #[must_use]
    pub(super) fn with_guard(mut self, guard: impl Any) -> Self {
        self.guard = Some(Box::new(guard));
        self
    }
}

/// Starts the behaviour on each order to do so. Without this, an actor that receives no message would not be restarted.
async fn restart_when_ordered<B: Behavior>(core: Rc<ShellCore<B>>) {
    let mut changes = core.child.changes();
    loop {
        changes.mark_unchanged();
        let mut held = core.held.lock().await;
        // An error means that the actor is down, which the answer to the next message says.
        let _ = core.ensure_started(&mut held).await;
        drop(held);
        if changes.changed().await.is_err() {
            return;
        }
    }
}

impl<B: Behavior> ShellCore<B> {
    /// Makes sure that there is a behaviour of the newest generation. Waits while a start is due later or fails.
    async fn ensure_started(&self, held: &mut CurrentBehavior<B>) -> Result<(), Fault> {
        loop {
            let orders = self.child.orders();
            if held.behavior.is_some() && held.generation == orders.generation && orders.duty == MemberDuty::Up {
                return Ok(());
            }
            self.discard(held);
            held.generation = self.child.wait_to_start().await?;
            let started = contain(|| {
                self.faults.trigger(FaultMoment::Start);
                B::start(&self.setup).map_err(|error| error.to_string())
            });
            match started.and_then(|started| started) {
                Ok(behavior) => {
                    held.behavior = Some(behavior);
                    self.child.report_up(held.generation);
                }
                Err(message) => {
                    self.fail(held, FaultKind::NotStarted, message);
                }
            }
        }
    }

    async fn serve<M>(&self, message: M) -> Result<M::Result, Fault>
    where
        B: Serve<M>,
        M: Message,
    {
        let _in_progress = self.child.in_progress().ticket();
        let mut held = self.held.lock().await;
        self.ensure_started(&mut held).await?;
        if let Err(panic) = contain(|| self.faults.trigger(FaultMoment::Before)) {
            // The message is dropped before the fault is reported, because some messages may be sent again only after their drop.
            let _ = contain(move || drop(message));
            return Err(self.fail(&mut held, FaultKind::Panicked, panic));
        }
        let Some(behavior) = held.behavior.as_mut() else {
            return Err(self.child.down_fault());
        };
        let served = Contained::new(async {
            let reply = behavior.serve(message).await;
            self.faults.trigger(FaultMoment::After);
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
                    self.child.report_end(held.generation, EndReason::Finished);
                }
                Ok(reply)
            }
            Err(panic) => Err(self.fail(&mut held, FaultKind::Panicked, panic)),
        }
    }

    fn fail(&self, held: &mut CurrentBehavior<B>, kind: FaultKind, message: String) -> Fault {
        self.discard(held);
        self.faults.increment();
        self.child.report_failure(held.generation, kind, message)
    }

    fn discard(&self, held: &mut CurrentBehavior<B>) {
        let Some(behavior) = held.behavior.take() else { return };
        let dropped = contain(move || drop(behavior)).and_then(|()| contain(|| self.faults.trigger(FaultMoment::Drop)));
        if let Err(panic) = dropped {
            // A successor starts anyway.
            let actor = self.child.actor();
            tracing::error!(actor, message = panic, "a behaviour panicked while it was dropped");
            crate::without_subscriber::warn_without_subscriber(format_args!(
                "a behaviour of the {actor} panicked while it was dropped"
            ));
            self.faults.increment();
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
    type Result = PendingReply<B, M>;

    fn handle(&mut self, message: M, _: &mut Context<Self>) -> Self::Result {
        let core = Rc::clone(&self.core);
        let serving = Rc::clone(&core);
        // `serve` catches panics of the behaviour; this catches panics of the conversion into a reply.
        let reply = Contained::new(async move { ShellCore::serve(&serving, message).await.unwrap_or_else(Into::into) });
        PendingReply { core, reply }
    }
}

/// A reply in preparation. The mailbox waits for it.
pub struct PendingReply<B: Behavior, M: Message> {
    core: Rc<ShellCore<B>>,
    reply: Contained<'static, M::Result>,
}

impl<B, M> MessageResponse<Shell<B>, M> for PendingReply<B, M>
where
    B: Serve<M>,
    M: Message + 'static,
    M::Result: From<Fault>,
{
    fn handle(self, context: &mut Context<Shell<B>>, to: Option<OneshotSender<M::Result>>) {
        let Self { core, reply } = self;
        let answered = async move {
            let Ok(reply) = reply.await else { return };
            let reply = match contain(|| core.faults.trigger(FaultMoment::Reply)) {
                Ok(()) => reply,
                Err(panic) => {
                    let _ = contain(move || drop(reply));
                    let mut held = core.held.lock().await;
                    core.fail(&mut held, FaultKind::Panicked, panic).into()
                }
            };
            // If the sender no longer waits, the reply is dropped here, and its `Drop` may panic.
            let _ = contain(move || to.map(|to| drop(to.send(reply))));
        };
        context.wait(actix::fut::wrap_future::<_, Shell<B>>(answered));
    }
}

impl<B: Behavior> Drop for Shell<B> {
    fn drop(&mut self) {
        self.restarter.abort();
    }
}

impl<B: Behavior> Drop for ShellCore<B> {
    fn drop(&mut self) {
        let behavior = self.held.get_mut().behavior.take();
        let _ = contain(move || drop(behavior));
    }
}

#[cfg(test)]
mod tests;
