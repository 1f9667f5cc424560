//! The signals that a command that goes on listens to.

use super::failure::Failure;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGHUP: read the configuration again, and look at everything.
    Reload,
    /// SIGTERM or SIGINT (Ctrl-C): come to an end.
    End,
}

/// The signals from now on. Inside a runtime.
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
        let failed = |error| Failure::Failed(format!("signals cannot be waited for: {error}"));
        Ok(Self {
            hangup: signal(SignalKind::hangup()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
        })
    }

    /// The next.
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

    /// The next: only Ctrl-C here.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::End,
            Err(_) => std::future::pending().await,
        }
    }

    /// The next that ends the command. One that asks for a reload is kept for [`next`](Self::next).
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

    /// The next that ends the command.
    #[cfg(not(unix))]
    pub(crate) async fn end(&mut self) {
        self.next().await;
    }
}
