//! What keeps a fault where it happened. Knows nothing of templates.
//!
//! actix ends an actor with its first panic and loses what its mailbox held. Here every line of ours runs inside a [`Shell`],
//! which is all that actix sees and which cannot panic; what was acknowledged lives outside, in a [`Vault`].

mod door;
mod pool;
mod shell;
mod vault;

use std::any::Any;

pub use door::{Admitted, Door, Turned};
pub use pool::{Lost, Pool};
pub use shell::{Behavior, Fault, Faults, Moment, Serve, Shell};
pub use vault::Vault;

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

/// Runs something that may panic.
///
/// # Errors
/// What the panic said.
pub fn contain<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).map_err(panic_text)
}
