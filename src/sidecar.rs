//! The render endpoint: `POST /render/{name}` with JSON, on a listener of its own, for services in other languages.
//!
//! Such a service runs hotplate beside itself (a *sidecar*) and sends the data of each page. Its templates are reloaded with all guarantees
//! of hotplate, and it never sees a failed edit. Callers prove by a token that they may render, or reach the listener by a Unix socket
//! whose file they may open. `docs/sidecar.md` describes requests and answers.

mod answer;
mod limits;
mod listener;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, Error};
use hotplate_actors::Hotplate;

use crate::admin::access::{self, Access};
use crate::admin::problem::Problem;
use crate::guard::{ConnectionCounters, ConnectionLimits, GuardedServer};
use crate::site::Site;
use listener::RenderListener;

pub use limits::SidecarLimits;

/// The default address of the render endpoint.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:9902";

/// Builds a render endpoint.
///
/// ```no_run
/// use hotplate::sidecar::Sidecar;
/// # async fn serve(hotplate: hotplate::Hotplate) -> Result<(), Box<dyn std::error::Error>> {
///
/// let (server, address) = Sidecar::new(hotplate).bind("unix:/run/shop/render.sock").listen()?;
/// println!("templates are rendered at {address}");
/// server.await?;
/// # Ok(()) }
/// ```
#[must_use]
pub struct Sidecar {
    hotplate: Hotplate,
    site: Option<Site>,
    bind: String,
    token: Option<String>,
    hosts: Vec<String>,
    limits: SidecarLimits,
    counters: ConnectionCounters,
}

/// A reason why a render endpoint does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SidecarError {
    /// The address can be reached from other machines, which could render every template.
    #[error(
        "{address} can be reached from other machines, so the render endpoint needs a token: set one, or bind it to 127.0.0.1 or to a Unix \
         socket (`unix:PATH`)"
    )]
    TokenRequired {
        /// The address to listen on.
        address: SocketAddr,
    },
    /// The token contains characters that a header cannot carry, or is empty or too long.
    #[error(
        "the token of the render endpoint must be visible ASCII characters without blanks, at least one and at most 1024"
    )]
    UnusableToken,
    /// Another process listens on the address or socket.
    #[error("{address} is in use by another process: end it, or choose another address for the render endpoint")]
    AddressInUse {
        /// The address to listen on.
        address: String,
    },
    /// The text is not an address, or not one of this machine, or the socket cannot be created.
    #[error("the render endpoint cannot listen on {address}: {error}")]
    Address {
        /// The address to listen on.
        address: String,
        /// The error of the system.
        error: std::io::Error,
    },
    /// The system cannot start a thread.
    #[error("the render endpoint does not start: {0}")]
    Start(std::io::Error),
}

/// The state that all requests share.
struct SidecarState {
    hotplate: Hotplate,
    site: Option<Site>,
    access: Access,
    limits: SidecarLimits,
}

impl Sidecar {
    /// Creates a render endpoint for an engine, on [`DEFAULT_ADDRESS`] and without a token.
    pub fn new(hotplate: Hotplate) -> Self {
        Self {
            hotplate,
            site: None,
            bind: DEFAULT_ADDRESS.to_owned(),
            token: None,
            hosts: Vec::new(),
            limits: SidecarLimits::default(),
            counters: ConnectionCounters::default(),
        }
    }

    /// Sets the address to listen on, such as `127.0.0.1:9902` (port 0 lets the system choose), or `unix:` and the path of a Unix socket.
    /// The owner and the group of the process may use the socket.
    pub fn bind(mut self, address: impl Into<String>) -> Self {
        self.bind = address.into();
        self
    }

    /// Names the site of the templates. Its data is not rendered, and is the data of a template for a request without a body.
    pub fn site(mut self, site: Site) -> Self {
        self.site = Some(site);
        self
    }

    /// Sets the token that callers send as `Authorization: Bearer …`.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Adds a name by which a listener on a loopback address may be called, such as the name of a container.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Sets the limits.
    pub fn limits(mut self, limits: SidecarLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the counters of connections, for [`Metrics::listener`](crate::metrics::Metrics::listener). Connections of a Unix socket are not
    /// counted.
    pub fn counters(mut self, counters: ConnectionCounters) -> Self {
        self.counters = counters;
        self
    }

    /// Starts the workers. The server runs while it is awaited, until its handle stops it. Returns it with the address as text, which is a
    /// URL for a TCP address. To be called in an actix system or a tokio runtime.
    ///
    /// # Errors
    /// [`SidecarError`] says what to change.
    pub fn listen(self) -> Result<(Server, String), SidecarError> {
        if self.token.as_deref().is_some_and(|token| !access::is_usable(token)) {
            return Err(SidecarError::UnusableToken);
        }
        let token = self.token.as_deref();
        match listener::listen(&self.bind)? {
            RenderListener::Tcp(_, address) if !address.ip().is_loopback() && token.is_none() => {
                Err(SidecarError::TokenRequired { address })
            }
            RenderListener::Tcp(listener, address) => {
                let access = Access::new(token, address, &self.hosts, 0);
                let (limits, counters) = (self.limits.clone(), self.counters.clone());
                let state = self.state(access);
                let workers = limits.workers.max(1);
                let connection = ConnectionLimits {
                    connections: limits.connection.connections.div_ceil(workers),
                    ..limits.connection
                };
                let server = GuardedServer::new(move || App::new().wrap(from_fn(admit)).configure(routes(&state)))
                    .limits(connection)
                    .counters(counters)
                    .busy(Problem::unread_answers)
                    .workers(workers)
                    .disable_signals()
                    .listen(listener)
                    .map_err(SidecarError::Start)?;
                Ok((server, format!("http://{address}/")))
            }
            #[cfg(unix)]
            RenderListener::Unix(listener) => {
                let (bind, limits) = (self.bind.clone(), self.limits.clone());
                let access = Access::of_socket(token);
                let state = self.state(access);
                let (workers, connection) = (limits.workers.max(1), limits.connection);
                let server =
                    actix_web::HttpServer::new(move || App::new().wrap(from_fn(admit)).configure(routes(&state)))
                        .workers(workers)
                        .max_connections(connection.connections.div_ceil(workers))
                        .keep_alive(Duration::from_millis(connection.keep_alive_ms.max(1)))
                        .client_request_timeout(Duration::from_millis(connection.request_ms))
                        .disable_signals()
                        .listen_uds(listener)
                        .map_err(SidecarError::Start)?;
                Ok((server.run(), bind))
            }
        }
    }

    fn state(self, access: Access) -> Data<SidecarState> {
        Data::new(SidecarState {
            hotplate: self.hotplate,
            site: self.site,
            access,
            limits: self.limits,
        })
    }
}

fn routes(state: &Data<SidecarState>) -> impl FnOnce(&mut ServiceConfig) {
    let state = state.clone();
    move |app| {
        app.app_data(state)
            .service(
                web::resource("/render/{name:.+}")
                    .route(web::post().to(answer::render))
                    .default_service(web::to(answer::other_method)),
            )
            .default_service(web::to(answer::nothing_here));
    }
}

/// Refuses requests of pages in a browser, before they are handled.
async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let state = request.app_data::<Data<SidecarState>>();
    let admitted = match state {
        Some(state) => state.access.same_site(request.request()),
        None => Err(Problem::internal("the listener is not complete")),
    };
    let mut response = match admitted {
        Ok(()) => next.call(request).await?.map_into_left_body(),
        Err(problem) => request.error_response(problem).map_into_right_body(),
    };
    let headers = response.headers_mut();
    headers.insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    Ok(response)
}

impl fmt::Debug for Sidecar {
    /// Formats the endpoint without its token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sidecar")
            .field("bind", &self.bind)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
