//! Waiting for a process that sends no event: the only place of these tests that asks again and again.

use std::thread::park_timeout;
use std::time::Duration;

/// Asks until there is an answer, for a minute at most.
pub(crate) fn answer<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    (0..3_000).find_map(|_| {
        let answer = ask();
        if answer.is_none() {
            park_timeout(Duration::from_millis(20));
        }
        answer
    })
}

/// Asks until the answer is yes.
///
/// # Panics
/// After a minute, with `otherwise`.
pub(crate) fn until(otherwise: &str, mut ask: impl FnMut() -> bool) {
    assert!(answer(|| ask().then_some(())).is_some(), "{otherwise}");
}
