//! [`warn_without_subscriber`]: a notice on stderr for programs that have not installed a `tracing` subscriber.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::subscriber::NoSubscriber;

/// Prints a warning to stderr if no `tracing` subscriber is installed, so that developers who embed the engine do not miss it. This happens
/// once for each process and only in debug builds. Call it with each line that is logged at `WARN` or above.
#[doc(hidden)]
pub fn warn_without_subscriber(warning: impl Display) {
    static PRINTED: AtomicBool = AtomicBool::new(false);
    if !cfg!(debug_assertions) || PRINTED.load(Ordering::Relaxed) {
        return;
    }
    let no_subscriber = tracing::dispatcher::get_default(tracing::Dispatch::is::<NoSubscriber>);
    if no_subscriber && !PRINTED.swap(true, Ordering::Relaxed) {
        eprintln!(
            "hotplate: {warning}\nhotplate: this warning and later ones are not logged, because no `tracing` subscriber is installed: call \
             `tracing_subscriber::fmt::init()` at the beginning of `main`. This notice is printed once, and in debug builds only."
        );
    }
}
