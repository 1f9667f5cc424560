//! The admin listener: a dashboard for people at `/_hotplate/`, an API for programs at `/admin/v1/`, and metrics.
//!
//! It has its own threads and address, so it does not slow down visitors. On a loopback address it works without a token and answers
//! only requests for a name of this machine; on any other address it does not start without a token.
//! `docs/admin.md` lists the API, `/admin/v1/openapi.json` describes it for programs.

mod server;
pub(crate) mod access;
mod needs;
pub(crate) mod subjects;
mod rate;
pub(crate) mod body;
mod operator;
pub(crate) mod problem;
mod api;
mod dashboard;
mod page_renderer;
mod state;
mod forwarder;
mod feed;
mod stream;
mod idempotency;
mod calls;
mod vitals;
mod visitors;
mod instance;
pub(crate) mod phrases;
mod previews;
mod hooks;
mod model;
mod limits;

use std::fmt;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;

use hotplate_actors::Hotplate;

use crate::metrics::Metrics;

pub use limits::AdminLimits;
pub use server::AdminHandle;
pub use subjects::{Permission, SUBJECTS_MAX, Subject, SubjectError, new_token, token_hash};

use access::Access;

/// Describes a preview as the API does, as a JSON object.
#[cfg(feature = "cli")]
pub(crate) fn describe_preview(preview: &hotplate_actors::Preview) -> serde_json::Value {
    serde_json::to_value(model::PreviewReportAnswer::of(preview)).unwrap_or_default()
}

/// The default address of the admin listener.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:9901";

/// Builds an admin listener.
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
    subjects: Vec<Subject>,
    hosts: Vec<String>,
    limits: AdminLimits,
    log: Option<Arc<dyn LogLevel>>,
    configuration: Option<String>,
    hook_secret: Option<String>,
}

/// Reads and changes the filter of the log, for `/admin/v1/log-level`. The program that sets up the log implements it.
pub trait LogLevel: Send + Sync + 'static {
    /// Returns the filter in force, in the form of `RUST_LOG`.
    fn filter(&self) -> String;

    /// Puts another filter in force.
    ///
    /// # Errors
    /// A message for the operator if the filter is not valid.
    fn set_filter(&self, filter: &str) -> Result<(), String>;
}

/// A reason why an admin listener does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The address can be reached from other machines, which could reload, roll back and read every template.
    #[error(
        "{address} can be reached from other machines, so the admin listener needs a token: set one, or bind it to 127.0.0.1"
    )]
    TokenRequired {
        /// The address to listen on.
        address: SocketAddr,
    },
    /// The token contains characters that a header cannot carry, or is empty or too long.
    #[error("the admin token must be visible ASCII characters without blanks, at least one and at most 1024")]
    UnusableToken,
    /// Another program listens on the address.
    #[error(
        "{address} is in use by another program: end it, or choose another address for the admin listener (port 0 lets the system choose)"
    )]
    AddressInUse {
        /// The address to listen on.
        address: String,
    },
    /// The text is not an address, or not one of this machine.
    #[error("the admin listener cannot listen on {address}: {error}")]
    Address {
        /// The address to listen on.
        address: String,
        /// The error of the system.
        error: std::io::Error,
    },
    /// The dashboard's own templates do not load.
    #[error("the dashboard does not start: {0}")]
    Dashboard(String),
    /// The system cannot start a thread.
    #[error("the admin listener does not start: {0}")]
    Start(std::io::Error),
}

impl Admin {
    /// Creates an admin listener for an engine, on [`DEFAULT_ADDRESS`] and without a token.
    pub fn new(hotplate: Hotplate) -> Self {
        Self {
            metrics: Metrics::new(hotplate.clone()),
            hotplate,
            address: DEFAULT_ADDRESS.to_owned(),
            token: None,
            subjects: Vec::new(),
            hosts: Vec::new(),
            limits: AdminLimits::default(),
            log: None,
            configuration: None,
            hook_secret: None,
        }
    }

    /// Sets the address to listen on, such as `127.0.0.1:9901`; port 0 lets the system choose.
    pub fn bind(mut self, address: impl Into<String>) -> Self {
        self.address = address.into();
        self
    }

    /// Sets the token that programs send as `Authorization: Bearer …` and people enter in the dashboard. Its holder may do everything.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Adds a person or program with a token of its own, who may do only what is listed. The first [`SUBJECTS_MAX`] count.
    pub fn subject(mut self, subject: Subject) -> Self {
        if self.subjects.len() < SUBJECTS_MAX {
            self.subjects.push(subject);
        }
        self
    }

    /// Adds a name by which a listener on a loopback address may be called, such as the name of a proxy in front of it. Such a listener
    /// refuses requests for any other name, because a web page could let its own name point at this machine (DNS rebinding).
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Sets the limits.
    pub fn limits(mut self, limits: AdminLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the metrics to export. The program keeps a clone to report reloads of its configuration in them.
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Allows operators to change the filter of the log at run time.
    pub fn log_level(mut self, log: impl LogLevel) -> Self {
        self.log = Some(Arc::new(log));
        self
    }

    /// Names the configuration file that the program was started with, which the dashboard shows.
    pub fn configuration(mut self, file: impl Into<String>) -> Self {
        self.configuration = Some(file.into());
        self
    }

    /// Allows webhooks at `/admin/v1/hooks/{loader}`, from senders that know this secret. Without it, or if it is empty, they are answered
    /// 404.
    pub fn hook_secret(mut self, secret: impl Into<String>) -> Self {
        self.hook_secret = Some(secret.into());
        self
    }

    /// Starts the listener. It runs until its handle is dropped.
    ///
    /// # Errors
    /// [`AdminError`] says what to change.
    pub fn start(self) -> Result<AdminHandle, AdminError> {
        let listener = listen(&self.address)?;
        let address = listener.local_addr().map_err(AdminError::Start)?;
        if !address.ip().is_loopback() && self.token.is_none() && self.subjects.is_empty() {
            return Err(AdminError::TokenRequired { address });
        }
        if self.token.as_deref().is_some_and(|token| !access::is_usable(token)) {
            return Err(AdminError::UnusableToken);
        }
        let access = Access::new(self.token.as_deref(), address, &self.hosts, self.limits.sessions);
        let access = access.subjects(self.subjects);
        let mut state = state::AdminState::new(self.hotplate, self.metrics, access, self.limits, self.log)?;
        state.configuration = self.configuration;
        state.hook_secret = self.hook_secret.as_deref().and_then(hooks::HookSecret::new);
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
    /// Formats the listener without its token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("address", &self.address)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
