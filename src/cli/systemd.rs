//! Notifications to systemd (`Type=notify` or `notify-reload`), if it listens. If systemd does not read them, signals are delayed by
//! [`SEND_TIMEOUT`] at most, and pages not at all.
//!
//! The protocol is in sd_notify(3).

use std::time::Duration;

/// Time that a message may wait for room in the socket of systemd. After that the message is lost, which is logged.
#[cfg(unix)]
const SEND_TIMEOUT: Duration = Duration::from_millis(100);

/// Reports that requests are answered.
pub(crate) fn ready(status: &str) {
    notify(&[ServiceState::Ready, ServiceState::Status(status)]);
}

/// Reports the start of a reload. [`ready`] reports its end.
pub(crate) fn reloading() {
    notify(&[ServiceState::Reloading]);
}

/// Reports that the server stops within this time.
pub(crate) fn stopping(within: Duration) {
    notify(&[ServiceState::Stopping(within)]);
}

/// Reports that the process is alive, which systemd expects once in each period of [`watchdog`].
pub(crate) fn alive() {
    notify(&[ServiceState::Alive]);
}

#[cfg_attr(not(unix), expect(dead_code, reason = "there is no systemd"))]
enum ServiceState<'s> {
    Ready,
    Status(&'s str),
    Reloading,
    Stopping(Duration),
    Alive,
}

/// Returns the period in which to call [`alive`]: half of systemd's watchdog period, so that one late call does not end the process.
pub(crate) fn watchdog() -> Option<Duration> {
    #[cfg(unix)]
    let period = sd_notify::watchdog_enabled();
    #[cfg(not(unix))]
    let period: Option<Duration> = None;
    period.map(|period| (period / 2).max(Duration::from_millis(1)))
}

#[cfg(unix)]
fn notify(states: &[ServiceState<'_>]) {
    use sd_notify::NotifyState;
    let mut notifications = Vec::new();
    for state in states {
        match state {
            ServiceState::Ready => notifications.push(NotifyState::Ready),
            ServiceState::Status(status) => notifications.push(NotifyState::Status(status)),
            ServiceState::Reloading => {
                notifications.push(NotifyState::Reloading);
                // The time tells systemd that this is the answer to its own signal.
                notifications.extend(NotifyState::monotonic_usec_now());
            }
            ServiceState::Stopping(within) => {
                let micros = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
                notifications.extend([NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(micros)]);
            }
            ServiceState::Alive => notifications.push(NotifyState::Watchdog),
        }
    }
    use std::sync::atomic::{AtomicBool, Ordering};

    /// True while messages are lost, so that the warning is logged once and not with each tick of the watchdog.
    static LOST: AtomicBool = AtomicBool::new(false);
    let message: String = notifications.iter().map(|state| format!("{state}\n")).collect();
    match send(message.as_bytes()) {
        Ok(()) => LOST.store(false, Ordering::Relaxed),
        Err(error) if LOST.swap(true, Ordering::Relaxed) => tracing::debug!(%error, "systemd cannot be notified"),
        Err(error) => {
            tracing::warn!(%error, "systemd cannot be notified of the state of the server; requests are still answered");
        }
    }
}

/// Sends a message to the socket of systemd, if there is one. `sd_notify::notify` could wait for room in it for ever.
#[cfg(unix)]
fn send(message: &[u8]) -> std::io::Result<()> {
    use std::os::unix::net::UnixDatagram;

    let Some(path) = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    socket.connect_addr(&address(&path)?)?;
    socket.send(message).map(drop)
}

/// Returns the address of the socket: a path, or on Linux a name that begins with `@`, which is in no file system (unix(7)).
#[cfg(unix)]
fn address(path: &std::ffi::OsStr) -> std::io::Result<std::os::unix::net::SocketAddr> {
    use std::os::unix::net::SocketAddr;
    #[cfg(target_os = "linux")]
    {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::ffi::OsStrExt;

        if let Some(name) = path.as_bytes().strip_prefix(b"@") {
            return SocketAddr::from_abstract_name(name);
        }
    }
    SocketAddr::from_pathname(path)
}

#[cfg(not(unix))]
fn notify(_: &[ServiceState<'_>]) {}
