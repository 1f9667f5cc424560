//! [`Ending`] hears that the process is told to end.
//!
//! A server that ends waits for what is under way, and a stream goes on for ever: so it has to end by itself, at once. actix does
//! not tell bodies that its server ends, but the signal that ends it can be heard by anybody.

/// Hears the signals that end a process, where the program handles them itself. Where it does not, they end it anyway, and
/// listening to them would keep them from doing so.
pub(super) struct ShutdownSignal {
    #[cfg(target_os = "linux")]
    terminate: Option<tokio::signal::unix::Signal>,
    #[cfg(target_os = "linux")]
    interrupt: Option<tokio::signal::unix::Signal>,
}

#[cfg(target_os = "linux")]
impl ShutdownSignal {
    /// Begins to listen. Inside a runtime.
    pub(super) fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};

        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let heard = |kind: SignalKind| {
            is_caught(&status, kind.as_raw_value())
                .then(|| signal(kind).ok())
                .flatten()
        };
        Self {
            terminate: heard(SignalKind::terminate()),
            interrupt: heard(SignalKind::interrupt()),
        }
    }

    /// Waits for one of them.
    pub(super) async fn told(&mut self) {
        tokio::select! {
            () = next(&mut self.terminate) => {}
            () = next(&mut self.interrupt) => {}
        }
    }
}

#[cfg(target_os = "linux")]
async fn next(signal: &mut Option<tokio::signal::unix::Signal>) {
    let heard = match signal {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if heard.is_none() {
        std::future::pending().await
    }
}

/// Returns true if a process has a handler for a signal, by the text of `/proc/self/status` on Linux.
#[cfg(target_os = "linux")]
fn is_caught(status: &str, signal: i32) -> bool {
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Elsewhere nobody can say whether the program handles them, so it has to tell: see [`Web::end_streams`](crate::web::Web::end_streams).
#[cfg(not(target_os = "linux"))]
impl ShutdownSignal {
    pub(super) fn listen() -> Self {
        Self {}
    }

    pub(super) async fn told(&mut self) {
        std::future::pending().await
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_is_caught_is_known() {
        let status = "Name:\tapp\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000004002\n";
        assert!(is_caught(status, 15) && is_caught(status, 2));
        assert!(!is_caught(status, 1) && !is_caught(status, 13) && !is_caught("", 15));
    }
}
