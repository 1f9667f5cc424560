//! What keeps a fault where it happened. Knows nothing of templates.
//!
//! actix ends an actor with its first panic and loses what its mailbox held. Here every line of ours runs inside a [`Shell`],
//! which is all that actix sees and which cannot panic; what was acknowledged lives outside, in a [`Vault`]; and a [`Policy`]
//! says how often, and after how long, what failed is started again.

mod policy;
mod restarts;
mod family;
mod meter;
mod incident;
mod strategy_group;
mod child;
mod drill;
mod vault;
mod contained;
mod shell;
mod door;
mod alarm;
mod pool;
mod actor_slot;
mod supervised;
mod group;
mod supervisor;
#[cfg(test)]
mod interleavings;

/// What is tried with other locks as well.
mod sync {
    pub(super) use std::sync::{Arc, Mutex};
}

use std::any::Any;

pub use alarm::{Alarm, Alarms};
pub use child::Child;
pub use door::{Admitted, Door, Turned};
pub use drill::{Faults, Moment};
pub use family::{Family, Fate, Orders, Standing, Strategy};
pub use group::{Group, GroupError};
pub use incident::{Fault, FaultKind, GivenUp, Incident, Restarted};
pub use meter::{Line, Meter, Ticket};
pub use policy::{Escalation, Policy, PolicyError, RESTARTS_MAX, Restart, TIME_MAX_MS};
pub use pool::{Abandoned, Lost, Once, Patience, Pool, Rest};
pub use restarts::{Ending, Restarts, Verdict};
pub use shell::{Answer, Behavior, Serve, Shell, Started, Traced};
pub use strategy_group::Circle;
pub use supervised::{Supervised, Undelivered};
pub use supervisor::Supervisor;
pub use vault::{Fenced, Vault};

#[cfg(panic = "abort")]
compile_error!("hotplate isolates faults by unwinding: `panic = \"abort\"` cannot be supported");

/// What a panic said, as far as it said anything. Drops the payload under guard: its `Drop` may panic too.
#[must_use]
pub fn panic_text(payload: Box<dyn Any + Send>) -> String {
    let text = payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "it did not say why".into());
    let _ = contain(move || drop(payload));
    text
}

/// A runtime for one thread, as actix makes its own, which panics where the system has no file descriptors left.
///
/// # Errors
/// Those of the system.
#[doc(hidden)]
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Runs something that may panic.
///
/// # Errors
/// What the panic said.
pub fn contain<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).map_err(panic_text)
}
