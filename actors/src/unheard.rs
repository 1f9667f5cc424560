//! [`unheard`]: one word on stderr where nobody hears what is logged.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::subscriber::NoSubscriber;

/// Says once on stderr that warnings are logged nowhere, for who embeds the engine and does not know that yet. For debug builds; to be
/// called with each line at `WARN` or above.
#[doc(hidden)]
pub fn unheard(said: impl Display) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !cfg!(debug_assertions) || SAID.load(Ordering::Relaxed) {
        return;
    }
    let nobody = tracing::dispatcher::get_default(tracing::Dispatch::is::<NoSubscriber>);
    if nobody && !SAID.swap(true, Ordering::Relaxed) {
        eprintln!(
            "hotplate: {said}\nhotplate: this and what follows is logged nowhere, for no `tracing` subscriber is installed: call \
             `tracing_subscriber::fmt::init()` first in `main`. This is said once, and in debug builds only."
        );
    }
}
