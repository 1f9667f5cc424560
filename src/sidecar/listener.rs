//! [`RenderListener`]: the TCP or Unix socket on which the render endpoint listens.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use super::SidecarError;

/// The prefix of the path of a Unix socket.
const UNIX: &str = "unix:";

/// A bound socket.
pub(super) enum RenderListener {
    Tcp(TcpListener, SocketAddr),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
}

/// Binds an address, or `unix:` and the path of a socket.
pub(super) fn listen(bind: &str) -> Result<RenderListener, SidecarError> {
    match bind.strip_prefix(UNIX) {
        Some(path) => unix(bind, path),
        None => {
            let failed = |error: std::io::Error| refused(bind, error);
            let addresses: Vec<_> = bind.to_socket_addrs().map_err(failed)?.collect();
            let listener = TcpListener::bind(&addresses[..]).map_err(failed)?;
            let address = listener.local_addr().map_err(SidecarError::Start)?;
            Ok(RenderListener::Tcp(listener, address))
        }
    }
}

fn refused(bind: &str, error: std::io::Error) -> SidecarError {
    let address = bind.to_owned();
    match error.kind() {
        std::io::ErrorKind::AddrInUse => SidecarError::AddressInUse { address },
        _ => SidecarError::Address { address, error },
    }
}

/// Binds a Unix socket that its owner and its group may use. A socket that a process has left behind is replaced.
#[cfg(unix)]
fn unix(bind: &str, path: &str) -> Result<RenderListener, SidecarError> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    use std::os::unix::net::UnixStream;
    use std::path::Path;

    use socket2::{Domain, SockAddr, Socket, Type};

    /// Connections that wait until a worker accepts them.
    const BACKLOG: i32 = 1_024;

    let path = Path::new(path);
    let failed = |error: std::io::Error| refused(bind, error);
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket {
        match UnixStream::connect(path) {
            Ok(_) => return Err(failed(std::io::ErrorKind::AddrInUse.into())),
            // Nobody listens on it any more.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
    socket.bind(&SockAddr::unix(path).map_err(failed)?).map_err(failed)?;
    // Nobody can connect before `listen`, so the permissions hold from the first connection on.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(failed)?;
    socket.listen(BACKLOG).map_err(failed)?;
    Ok(RenderListener::Unix(socket.into()))
}

#[cfg(not(unix))]
fn unix(bind: &str, _: &str) -> Result<RenderListener, SidecarError> {
    Err(refused(bind, std::io::ErrorKind::Unsupported.into()))
}
