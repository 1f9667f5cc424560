//! The render endpoint of `dev` and `serve`, and its token.

use actix_web::dev::ServerHandle;
use actix_web::rt;
use hotplate::Hotplate;
use hotplate::config::Settings;
use hotplate::guard::ConnectionCounters;
use hotplate::metrics::Metrics;
use hotplate::sidecar::{Sidecar, SidecarError};
use hotplate::site::Site;

use super::Failure;
use super::admin::Secret;

/// A running render endpoint.
pub(crate) struct RenderEndpoint {
    /// Its URL, or `unix:` and the path of its socket.
    pub(crate) address: String,
    pub(crate) server: ServerHandle,
    counters: ConnectionCounters,
    /// The socket in the file system that is its own.
    file: Option<FileId>,
}

/// The device and the number of a file.
type FileId = (u64, u64);

/// Returns what identifies the file of a socket.
fn file_of(path: &str) -> Option<FileId> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let metadata = std::fs::symlink_metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

impl RenderEndpoint {
    /// Adds its connections to the metrics. Those of a Unix socket are not counted.
    pub(crate) fn measured_by(&self, metrics: Metrics) -> Metrics {
        match self.socket() {
            Some(_) => metrics,
            None => metrics.listener("render", self.counters.clone()),
        }
    }

    fn socket(&self) -> Option<&str> {
        self.address.strip_prefix("unix:")
    }
}

impl Drop for RenderEndpoint {
    fn drop(&mut self) {
        // Another process may have put its own socket there meanwhile.
        if let Some(socket) = self.socket()
            && file_of(socket) == self.file
        {
            let _ = std::fs::remove_file(socket);
        }
    }
}

/// Starts the render endpoint, if an address is set for it.
pub(crate) fn start(settings: &Settings, hotplate: &Hotplate, site: &Site) -> Result<Option<RenderEndpoint>, Failure> {
    let config = &settings.config.render;
    if config.bind.is_empty() {
        return Ok(None);
    }
    let counters = ConnectionCounters::default();
    let sidecar = Sidecar::new(hotplate.clone())
        .bind(&config.bind)
        .site(site.clone())
        .limits(config.limits.clone())
        .counters(counters.clone());
    let sidecar = config.hosts.iter().fold(sidecar, |sidecar, host| sidecar.host(host));
    let token = Secret {
        key: "render.token_file",
        what: "token of the render endpoint",
    };
    let sidecar = match token.read(settings, &config.token, &config.token_file)? {
        Some(token) => sidecar.token(token),
        None => sidecar,
    };
    let (server, address) = sidecar.listen().map_err(|error| match error {
        SidecarError::Start(_) => Failure::Failed(error.to_string()),
        SidecarError::TokenRequired { .. } => {
            Failure::Wrong(format!("{error} (HOTPLATE_RENDER__TOKEN, or `render.token_file`)"))
        }
        _ => Failure::Wrong(error.to_string()),
    })?;
    let handle = server.handle();
    rt::spawn(server);
    Ok(Some(RenderEndpoint {
        file: address.strip_prefix("unix:").and_then(file_of),
        address,
        server: handle,
        counters,
    }))
}
