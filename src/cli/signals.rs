//! [`Signals`]: the signals that a running command handles.

use super::failure::Failure;

/// The request that a signal expresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGHUP: read the configuration again, and sync all sources.
    Reload,
    /// SIGTERM or SIGINT (Ctrl-C): end.
    End,
}

/// The signals since it was created. It needs a runtime.
pub(crate) struct Signals {
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    pub(crate) fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |error| Failure::Failed(format!("signals cannot be received: {error}"));
        Ok(Self {
            hangup: signal(SignalKind::hangup()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
        })
    }

    /// Waits for the next signal.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> Signal {
        let signal = tokio::select! {
            reload = self.hangup.recv() => reload.map(|()| Signal::Reload),
            end = self.terminate.recv() => end.map(|()| Signal::End),
            end = self.interrupt.recv() => end.map(|()| Signal::End),
        };
        match signal {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Waits for the next signal, which is Ctrl-C on this system.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::End,
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits for the next signal that ends the command. A reload that is requested meanwhile is left to [`next`](Self::next).
    #[cfg(unix)]
    pub(crate) async fn end(&mut self) {
        let signal = tokio::select! {
            end = self.terminate.recv() => end,
            end = self.interrupt.recv() => end,
        };
        if signal.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for the next signal that ends the command.
    #[cfg(not(unix))]
    pub(crate) async fn end(&mut self) {
        self.next().await;
    }
}
