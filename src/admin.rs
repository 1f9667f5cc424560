//! The admin listener: a dashboard for people at `/_hotplate/`, an API for programs at `/admin/v1/`, metrics.
//!
//! It has threads and an address of its own, so that nothing of it is in the way of visitors. On a loopback address it works
//! without a token and answers only to names of this machine; beyond, it does not start without one.
//! `docs/admin.md` lists the API, `/admin/v1/openapi.json` describes it for programs.

mod access;
mod api;
mod body;
mod calls;
mod dashboard;
mod feed;
mod limits;
mod model;
mod idempotency;
mod problem;
mod vitals;
mod rate;
mod server;
mod state;
mod stream;

use std::fmt;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;

use hotplate_actors::Hotplate;

use crate::metrics::Metrics;

pub use limits::AdminLimits;
pub use server::AdminHandle;

use access::Access;

/// Where the admin listener is, unless told otherwise.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:9901";

/// Says what an admin listener is to be, then starts it.
///
/// ```
/// use hotplate::admin::Admin;
/// # let (loader, memory) = hotplate::MemoryLoader::new();
/// # memory.set(hotplate::TemplateName::new("hello.html")?, "Hello!");
/// # let hotplate = hotplate::Hotplate::builder().loader(loader).start()?;
///
/// let admin = Admin::new(hotplate).bind("127.0.0.1:0").start()?;
/// println!("the dashboard is at http://{}/_hotplate/", admin.address());
/// admin.stop();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct Admin {
    hotplate: Hotplate,
    metrics: Metrics,
    address: String,
    token: Option<String>,
    hosts: Vec<String>,
    limits: AdminLimits,
    log: Option<Arc<dyn LogLevel>>,
}

/// Reads and changes what the log is about, for `/admin/v1/log-level`. Whoever sets up the log knows how.
pub trait LogLevel: Send + Sync + 'static {
    /// The filter that is in force, as `RUST_LOG` writes it.
    fn filter(&self) -> String;

    /// Puts another in force.
    ///
    /// # Errors
    /// What is wrong with it.
    fn set_filter(&self, filter: &str) -> Result<(), String>;
}

/// Why an admin listener does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// Whoever reaches it could reload, roll back and read every template.
    #[error(
        "{address} can be reached from other machines, so the admin listener needs a token: set one, or bind it to 127.0.0.1"
    )]
    TokenRequired {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// It cannot be sent in a header.
    #[error("the admin token must be visible ASCII characters without blanks, at least one and at most 1024")]
    UnusableToken,
    /// Another program listens there.
    #[error(
        "{address} is in use by another program: end it, or choose another address for the admin listener (port 0 lets the system choose)"
    )]
    AddressInUse {
        /// Where it was to listen.
        address: String,
    },
    /// It is no address, or none of this machine.
    #[error("the admin listener cannot listen on {address}: {error}")]
    Address {
        /// Where it was to listen.
        address: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The dashboard's own templates do not load.
    #[error("the dashboard does not start: {0}")]
    Dashboard(String),
    /// The system has no threads or no randomness left.
    #[error("the admin listener does not start: {0}")]
    Start(std::io::Error),
}

impl Admin {
    /// An admin listener for an engine, at [`DEFAULT_ADDRESS`], without a token.
    pub fn new(hotplate: Hotplate) -> Self {
        Self {
            metrics: Metrics::new(hotplate.clone()),
            hotplate,
            address: DEFAULT_ADDRESS.to_owned(),
            token: None,
            hosts: Vec::new(),
            limits: AdminLimits::default(),
            log: None,
        }
    }

    /// The address to listen on, such as `127.0.0.1:9901`; port 0 lets the system choose.
    pub fn bind(mut self, address: impl Into<String>) -> Self {
        self.address = address.into();
        self
    }

    /// What callers have to send as `Authorization: Bearer …`, and people have to know for the dashboard.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Another name by which a listener on a loopback address may be called, such as that of a proxy in front of it. Requests
    /// for names that are not known are refused there, for a web page could have its own name point at this machine.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// The edges of everything.
    pub fn limits(mut self, limits: AdminLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Metrics that the program holds too, to say in them what became of its configuration.
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Lets the log be changed at run time.
    pub fn log_level(mut self, log: impl LogLevel) -> Self {
        self.log = Some(Arc::new(log));
        self
    }

    /// Starts it. It runs until its handle is dropped.
    ///
    /// # Errors
    /// [`AdminError`] says what to change.
    pub fn start(self) -> Result<AdminHandle, AdminError> {
        let listener = listen(&self.address)?;
        let address = listener.local_addr().map_err(AdminError::Start)?;
        if !address.ip().is_loopback() && self.token.is_none() {
            return Err(AdminError::TokenRequired { address });
        }
        let usable =
            |token: &String| (1..=1024).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
        if self.token.as_ref().is_some_and(|token| !usable(token)) {
            return Err(AdminError::UnusableToken);
        }
        let access = Access::new(self.token.as_deref(), address, self.hosts, self.limits.sessions);
        let state = state::AdminState::new(self.hotplate, self.metrics, access, self.limits, self.log)?;
        server::start(listener, address, state)
    }
}

fn listen(address: &str) -> Result<TcpListener, AdminError> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AddrInUse => AdminError::AddressInUse {
            address: address.to_owned(),
        },
        _ => AdminError::Address {
            address: address.to_owned(),
            error,
        },
    };
    let addresses: Vec<_> = address.to_socket_addrs().map_err(failed)?.collect();
    TcpListener::bind(&addresses[..]).map_err(failed)
}

impl fmt::Debug for Admin {
    /// Never shows the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("address", &self.address)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
