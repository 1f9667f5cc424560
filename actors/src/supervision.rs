//! What keeps a fault where it happened. Knows nothing of templates.

use std::any::Any;

/// What a panic said, as far as it said anything. Drops the payload under guard: its `Drop` may panic too.
#[must_use]
pub fn panic_text(payload: Box<dyn Any + Send>) -> String {
    let text = payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "it did not say why".into());
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || drop(payload)));
    text
}
