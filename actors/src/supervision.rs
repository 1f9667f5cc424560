//! Fault isolation: actors that fail without losing messages, acknowledged state or their address. Knows nothing of templates.
//!
//! The model is taken from Erlang/OTP (*Supervisor Behaviour* in its design principles), adapted to actix, which ends an actor with its
//! first panic and drops its mailbox, also under its own `Supervisor`.
//!
//! - **Shell.** A [`Shell`] is the actor that actix knows. It runs a [`Behavior`] under `catch_unwind`, one message at a time. After a
//!   panic the message in hand is answered with a [`Fault`], the mailbox waits, and a new behaviour serves it at the same address.
//! - **Vault and fencing.** State that was acknowledged lives outside the behaviour, in a [`Vault`], and is committed before the reply
//!   leaves. Each start opens the vault under a higher epoch. A commit of a lower epoch is rejected as [`Fenced`], so an incarnation
//!   that hung and was replaced cannot overwrite the work of its successor (the fencing tokens of M. Kleppmann, *How to do
//!   distributed locking*, 2016).
//! - **Restart policy.** A [`Policy`] has the restart types of OTP (permanent, transient, temporary) and its intensity and period: more
//!   than `restarts` restarts within `period_ms` reach the limit, and the actor stays down until an operator resets it. The pauses
//!   between restarts grow exponentially with full jitter (M. Brooker, *Exponential Backoff And Jitter*, 2015).
//! - **Strategies.** A [`Strategy`] says which members of a group are restarted together: one-for-one, rest-for-one, one-for-all. Every
//!   order to start again increases the generation of a member, and reports about an older generation are ignored. A member that
//!   reaches its own limit is passed to the policy of the group, which may grant a further round.
//! - **Bounded recipient.** The capacity of an actix mailbox does not limit senders that clone its address. A semaphore in front of it
//!   does: a message that finds no room is rejected as busy, and every reply has a deadline.
//! - **Hang detection.** A thread cannot be killed. A job of a [`Pool`] that exceeds its time is answered as abandoned, its thread is
//!   counted as quarantined, and a new thread takes its place, up to a limit.
//!
//! Pure functions of events, time and a random number decide the consequences of a failure; the other modules carry them out.

mod mailbox_slot;
mod policy;
mod restarts;
mod restart_group;
mod meter;
mod incident;
mod strategy_group;
mod child;
mod fault_injection;
mod vault;
pub(crate) mod contained;
mod shell;
mod unavailable;
mod bounded_recipient;
mod timers;
mod pool;
mod actor_slot;
mod supervised;
mod group;
mod supervisor;
#[cfg(test)]
mod interleavings;

/// The locks of the vault, which the interleaving tests replace by the locks of loom.
mod sync {
    pub(super) use std::sync::{Arc, Mutex};
}

use std::any::Any;

pub use fault_injection::{FaultMoment, InjectedFaults};
pub use group::{Group, GroupError};
pub use incident::{Fault, FaultKind, GivenUp, Restarted};
pub use policy::{Escalation, Policy, PolicyError, RESTARTS_MAX, Restart, TIME_MAX_MS};
pub use restart_group::Strategy;
pub use shell::{Behavior, Serve, Started};
pub use supervised::Supervised;
pub use unavailable::{Timeout, Unavailable};
pub use vault::{Fenced, Vault};

/// The parts that the engine is built of. A program that only supervises its own actors needs none of them.
mod parts {
    pub use super::bounded_recipient::{BoundedRecipient, Permit};
    pub use super::child::Child;
    pub use super::incident::Incident;
    pub use super::mailbox_slot::{MailboxSlot, TakenSlot};
    pub use super::meter::{Meter, MeteredRecipient, Ticket};
    pub use super::pool::{AfterJob, HangPolicy, OneShotAnswer, Pool};
    pub use super::restart_group::{EndConsequence, MemberDuty, MemberOrders, RestartGroup};
    pub use super::restarts::{EndReason, RestartDecision, Restarts};
    pub use super::shell::{PendingReply, Shell, Traced};
    pub use super::strategy_group::StrategyGroup;
    pub use super::supervisor::Supervisor;
    pub use super::timers::{Timer, Timers};
}
#[doc(hidden)]
pub use parts::*;

#[cfg(panic = "abort")]
compile_error!("hotplate isolates faults by unwinding: `panic = \"abort\"` cannot be supported");

/// Returns the message of a panic. The payload is dropped under `catch_unwind`, because its `Drop` may panic too.
#[must_use]
pub fn panic_text(payload: Box<dyn Any + Send>) -> String {
    let text = payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "a panic without a message".into());
    let _ = contain(move || drop(payload));
    text
}

/// Builds a tokio runtime for the current thread. actix would build its own, and panic if no file descriptors are left.
///
/// # Errors
/// The errors of the system.
#[doc(hidden)]
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Runs a closure that may panic.
///
/// # Errors
/// The message of the panic.
pub fn contain<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).map_err(panic_text)
}
