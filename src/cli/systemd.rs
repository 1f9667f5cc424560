//! What systemd is told (`Type=notify` or `notify-reload`). Where nobody listens, nothing.

use std::time::Duration;

/// Requests are answered.
pub(crate) fn ready(status: &str) {
    tell(&[State::Ready, State::Status(status)]);
}

/// A reload begins; [`ready`] ends it.
pub(crate) fn reloading() {
    tell(&[State::Reloading]);
}

/// The server comes to an end, within this time.
pub(crate) fn stopping(within: Duration) {
    tell(&[State::Stopping(within)]);
}

/// The process is alive. To be said within each period of [`watchdog`].
pub(crate) fn alive() {
    tell(&[State::Alive]);
}

#[cfg_attr(not(unix), expect(dead_code, reason = "nobody is told"))]
enum State<'s> {
    Ready,
    Status(&'s str),
    Reloading,
    Stopping(Duration),
    Alive,
}

/// How often systemd wants to hear [`alive`]: twice in its period, so that a late tick does not end the process.
pub(crate) fn watchdog() -> Option<Duration> {
    #[cfg(unix)]
    let period = sd_notify::watchdog_enabled();
    #[cfg(not(unix))]
    let period: Option<Duration> = None;
    period.map(|period| (period / 2).max(Duration::from_millis(1)))
}

#[cfg(unix)]
fn tell(states: &[State<'_>]) {
    use sd_notify::NotifyState;
    let mut said = Vec::new();
    for state in states {
        match state {
            State::Ready => said.push(NotifyState::Ready),
            State::Status(status) => said.push(NotifyState::Status(status)),
            State::Reloading => {
                said.push(NotifyState::Reloading);
                // By this systemd knows that the answer belongs to its own signal.
                said.extend(NotifyState::monotonic_usec_now());
            }
            State::Stopping(within) => {
                let micros = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
                said.extend([NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(micros)]);
            }
            State::Alive => said.push(NotifyState::Watchdog),
        }
    }
    if let Err(error) = sd_notify::notify(&said) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}

#[cfg(not(unix))]
fn tell(_: &[State<'_>]) {}
