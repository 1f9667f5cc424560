//! [`ShutdownSignal`]: notices the signals that end the process.
//!
//! A server that shuts down waits for open responses, and an event stream never completes, so the stream has to end itself. actix
//! does not inform response bodies of a shutdown, but any task can listen to the signal that causes it.

/// Listens to SIGTERM and SIGINT if the program handles them. If it does not, they end the process by default, and listening
/// would suppress that.
pub(super) struct ShutdownSignal {
    #[cfg(target_os = "linux")]
    terminate: Option<tokio::signal::unix::Signal>,
    #[cfg(target_os = "linux")]
    interrupt: Option<tokio::signal::unix::Signal>,
}

#[cfg(target_os = "linux")]
impl ShutdownSignal {
    /// Starts to listen. Must be called inside a runtime.
    pub(super) fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};

        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let listener = |kind: SignalKind| {
            is_caught(&status, kind.as_raw_value())
                .then(|| signal(kind).ok())
                .flatten()
        };
        Self {
            terminate: listener(SignalKind::terminate()),
            interrupt: listener(SignalKind::interrupt()),
        }
    }

    /// Waits for one of the signals.
    pub(super) async fn received(&mut self) {
        tokio::select! {
            () = next(&mut self.terminate) => {}
            () = next(&mut self.interrupt) => {}
        }
    }
}

#[cfg(target_os = "linux")]
async fn next(signal: &mut Option<tokio::signal::unix::Signal>) {
    let received = match signal {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if received.is_none() {
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

/// On other systems it cannot be determined if the program handles the signals, so the program has to call
/// [`Web::end_streams`](crate::web::Web::end_streams).
#[cfg(not(target_os = "linux"))]
impl ShutdownSignal {
    pub(super) fn listen() -> Self {
        Self {}
    }

    pub(super) async fn received(&mut self) {
        std::future::pending().await
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_caught_signal_is_recognised() {
        let status = "Name:\tapp\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000004002\n";
        assert!(is_caught(status, 15) && is_caught(status, 2));
        assert!(!is_caught(status, 1) && !is_caught(status, 13) && !is_caught("", 15));
    }
}
