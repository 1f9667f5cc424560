//! Waits for processes that send no event: the only polling in these tests.

use std::thread::park_timeout;
use std::time::Duration;

/// Polls until there is an answer, for a minute at most.
pub(crate) fn answer<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    (0..3_000).find_map(|_| {
        let answer = ask();
        if answer.is_none() {
            park_timeout(Duration::from_millis(20));
        }
        answer
    })
}

/// Polls until a condition is true.
///
/// # Panics
/// Panics with `otherwise` after a minute.
pub(crate) fn until(otherwise: &str, mut ask: impl FnMut() -> bool) {
    assert!(answer(|| ask().then_some(())).is_some(), "{otherwise}");
}
