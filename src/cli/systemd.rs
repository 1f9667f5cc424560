//! What systemd is told (`Type=notify` or `notify-reload`). Where nobody listens, nothing. One that does not read what it is told holds
//! up signals for [`PATIENCE`] at most, and pages not at all.

use std::time::Duration;

/// How long a message may wait for room in the socket of systemd. Then it is lost, which is logged.
#[cfg(unix)]
const PATIENCE: Duration = Duration::from_millis(100);

/// Requests are answered.
pub(crate) fn ready(status: &str) {
    tell(&[ServiceState::Ready, ServiceState::Status(status)]);
}

/// A reload begins; [`ready`] ends it.
pub(crate) fn reloading() {
    tell(&[ServiceState::Reloading]);
}

/// The server comes to an end, within this time.
pub(crate) fn stopping(within: Duration) {
    tell(&[ServiceState::Stopping(within)]);
}

/// The process is alive. To be said within each period of [`watchdog`].
pub(crate) fn alive() {
    tell(&[ServiceState::Alive]);
}

#[cfg_attr(not(unix), expect(dead_code, reason = "nobody is told"))]
enum ServiceState<'s> {
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
fn tell(states: &[ServiceState<'_>]) {
    use sd_notify::NotifyState;
    let mut said = Vec::new();
    for state in states {
        match state {
            ServiceState::Ready => said.push(NotifyState::Ready),
            ServiceState::Status(status) => said.push(NotifyState::Status(status)),
            ServiceState::Reloading => {
                said.push(NotifyState::Reloading);
                // By this systemd knows that the answer belongs to its own signal.
                said.extend(NotifyState::monotonic_usec_now());
            }
            ServiceState::Stopping(within) => {
                let micros = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
                said.extend([NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(micros)]);
            }
            ServiceState::Alive => said.push(NotifyState::Watchdog),
        }
    }
    use std::sync::atomic::{AtomicBool, Ordering};

    /// True while messages are lost: it is said once, and not with each tick of the watchdog.
    static LOST: AtomicBool = AtomicBool::new(false);
    let message: String = said.iter().map(|state| format!("{state}\n")).collect();
    match send(message.as_bytes()) {
        Ok(()) => LOST.store(false, Ordering::Relaxed),
        Err(error) if LOST.swap(true, Ordering::Relaxed) => tracing::debug!(%error, "systemd cannot be told"),
        Err(error) => {
            tracing::warn!(%error, "systemd cannot be told how the server is; requests are answered all the same");
        }
    }
}

/// Sends a message to the socket that systemd has named, if it has. `sd_notify::notify` would wait for room in it for ever.
#[cfg(unix)]
fn send(message: &[u8]) -> std::io::Result<()> {
    use std::os::unix::net::UnixDatagram;

    let Some(path) = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.connect_addr(&address(&path)?)?;
    socket.send(message).map(drop)
}

/// Returns the address of the socket: a path, or on Linux a name that begins with `@`, which is in no file system.
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
fn tell(_: &[ServiceState<'_>]) {}
