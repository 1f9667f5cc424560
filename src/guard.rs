//! [`GuardedServer`]: an HTTP server that bounds the resources of each client, however slowly the client sends or reads.
//!
//! actix-web's own server bounds the time of the first head on a connection, and the idle time between requests. It does not bound the
//! head of a later request, a body that never ends, or a client that does not read a large answer. These are the attacks known as
//! Slowloris, R.U.D.Y. and slow read. This server runs the same apps on the same workers and bounds these too:
//!
//! - **Reading.** `Connection` keeps the phase of a connection and the deadline of its next head: waiting for the first head, idle, in the
//!   middle of a head, or answering. A deadline is set once and does not move with each byte, so sending one byte at a time gains nothing.
//!   A body has a deadline of its own (`payload`).
//! - **Writing.** While an answer waits for its client, the client must read `progress_bytes` within each period of `stalled_ms`
//!   (`Progress`). Otherwise the connection is reset, so the system drops its buffered bytes too. On Linux, `TCP_USER_TIMEOUT` does the
//!   same for the rest that is in the system when the connection is closed, and `TCP_NOTSENT_LOWAT` keeps that rest small (tcp(7)).
//! - **Memory.** `Budget` counts the bytes of all large answers in the process. When they exceed `buffered_bytes`, the connections that
//!   have waited longest for their clients are reset; if there are none, the new answer is 503.
//!
//! All of this happens in the reads and writes of a connection, so it needs no additional thread and no second file descriptor.
//!
//! ```no_run
//! use actix_web::{App, web};
//! use hotplate::guard::{ConnectionLimits, GuardedServer};
//!
//! # async fn serve() -> std::io::Result<()> {
//! let listener = std::net::TcpListener::bind("127.0.0.1:8080")?;
//! let limits = ConnectionLimits { stalled_ms: 10_000, ..ConnectionLimits::default() };
//! GuardedServer::new(|| App::new().route("/", web::get().to(|| async { "hello" })))
//!     .limits(limits)
//!     .listen(listener)?
//!     .await
//! # }
//! ```

mod body;
mod budget;
mod connection;
mod counters;
mod payload;
mod stream;

use std::any::Any;
use std::fmt;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::{HttpService, Request, Response};
use actix_server::ServerBuilder;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service, map_config,
};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Extensions, Server};
use actix_web::http::KeepAlive;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::rt::net::TcpStream;
use actix_web::{Error, HttpResponse};

pub use crate::ConnectionLimits;
use body::GuardedBody;
use budget::Budget;
use connection::Connection;
pub use counters::{ConnectionCounters, Connections, EndReason};
use stream::GuardedStream;

/// A function that is called with each new connection.
type OnConnect = Arc<dyn Fn(&dyn Any, &mut Extensions) + Send + Sync>;
/// A function that makes the answer to a request whose own answer exceeds the budget.
type BusyAnswer = fn() -> HttpResponse;

/// Answers up to this size are not counted in [`ConnectionLimits::buffered_bytes`]: they are bounded by the number of connections.
pub const UNCOUNTED_BYTES: usize = 64 * 1024;

/// Longest delay of the clock of actix-http, which it updates every 500 ms.
const CLOCK: Duration = Duration::from_millis(500);

/// Bytes of an answer that are passed to its connection at once.
const WRITE_BYTES: usize = 32 * 1024;

impl ConnectionLimits {
    fn request(&self) -> Duration {
        Duration::from_millis(self.request_ms)
    }

    fn stalled(&self) -> Duration {
        Duration::from_millis(self.stalled_ms)
    }
}

/// A server for an actix-web app that bounds each connection by [`ConnectionLimits`]. It speaks HTTP/1.1 without TLS.
///
/// Configure it, then call [`listen`](Self::listen). The defaults are the same as for [`HttpServer`](actix_web::HttpServer).
#[must_use = "a server does nothing until it listens"]
pub struct GuardedServer<F> {
    factory: F,
    limits: ConnectionLimits,
    builder: ServerBuilder,
    workers: usize,
    connected: Option<OnConnect>,
    counters: ConnectionCounters,
    busy: BusyAnswer,
}

impl<F> GuardedServer<F> {
    /// Creates a server. Each worker calls `factory` once to create its app.
    pub fn new(factory: F) -> Self {
        Self {
            factory,
            limits: ConnectionLimits::default(),
            builder: ServerBuilder::default(),
            workers: std::thread::available_parallelism().map_or(2, NonZeroUsize::get),
            connected: None,
            counters: ConnectionCounters::default(),
            busy,
        }
    }

    /// Sets the limits.
    pub fn limits(mut self, limits: ConnectionLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the number of worker threads, at least one; the default is one per processor.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// Sets the number of threads for blocking work of each worker.
    pub fn worker_max_blocking_threads(mut self, threads: usize) -> Self {
        self.builder = self.builder.worker_max_blocking_threads(threads);
        self
    }

    /// Sets the time that requests under way may take once the server is asked to stop, in seconds.
    pub fn shutdown_timeout(mut self, seconds: u64) -> Self {
        self.builder = self.builder.shutdown_timeout(seconds);
        self
    }

    /// Installs no signal handlers, so that the program can handle signals itself.
    pub fn disable_signals(mut self) -> Self {
        self.builder = self.builder.disable_signals();
        self
    }

    /// Sets a function that is called with each new connection, a `TcpStream`, before anything is read from it.
    pub fn on_connect(mut self, connected: impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static) -> Self {
        self.connected = Some(Arc::new(connected));
        self
    }

    /// Sets the counters of connections, for example to add them to [`Metrics`](crate::metrics::Metrics).
    pub fn counters(mut self, counters: ConnectionCounters) -> Self {
        self.counters = counters;
        self
    }

    /// Sets the answer to a request whose own answer exceeds the budget. The default is 503 with a sentence.
    #[cfg(feature = "admin")]
    pub(crate) fn busy(mut self, busy: BusyAnswer) -> Self {
        self.busy = busy;
        self
    }

    /// Starts the workers. The server runs while it is awaited, until its handle stops it.
    ///
    /// # Errors
    /// The error of the system about the listener.
    pub fn listen<I, S, B>(self, listener: TcpListener) -> std::io::Result<Server>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        <S::Service as Service<Request>>::Future: 'static,
        S::Service: 'static,
        B: MessageBody + 'static,
    {
        let Self {
            factory,
            limits,
            builder,
            workers,
            connected,
            counters,
            busy,
        } = self;
        counters.add_capacity(limits.connections.saturating_mul(workers));
        let address = listener.local_addr()?;
        let ending = builder.graceful_shutdown_signal();
        let budget = Arc::new(Budget::new(limits.buffered_bytes));
        let limits = Arc::new(limits);
        let keep_alive = match limits.keep_alive_ms {
            0 => KeepAlive::Disabled,
            ms => KeepAlive::Timeout(Duration::from_millis(ms)),
        };
        let builder = builder.workers(workers).max_concurrent_connections(limits.connections);
        let builder = builder.listen("hotplate", listener, move || {
            let (limits, budget, connected, ending) =
                (limits.clone(), budget.clone(), connected.clone(), ending.clone());
            let (counters, refusals) = (counters.clone(), counters.clone());
            let http = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let ending = ending.clone();
                    async move { ending.notified().await }
                })
                .keep_alive(keep_alive)
                // The stream bounds each head, the first one included.
                .client_request_timeout(Duration::ZERO)
                .client_disconnect_timeout(limits.stalled() + CLOCK)
                .h1_write_buffer_size(WRITE_BYTES)
                .local_addr(address)
                .on_connect_ext(move |stream: &GuardedStream, extensions: &mut Extensions| {
                    if let Some(connected) = &connected {
                        connected(stream.inner(), extensions);
                    }
                    extensions.insert(Rc::clone(stream.connection()));
                });
            let app = factory().into_factory().map_err(|error| error.into().error_response());
            let app = map_config(app, |()| AppConfig::default());
            let request_limit = limits.request();
            let answers = budget.clone();
            let app = apply_fn_factory(app, move |mut request: Request, app: &_| {
                let connection = request.conn_data::<Rc<Connection>>().cloned();
                if let Some(connection) = &connection {
                    connection.head_complete();
                }
                payload::bound(&mut request, request_limit, connection.as_ref());
                let answering = Service::<Request>::call(app, request);
                let (answers, refusals) = (answers.clone(), refusals.clone());
                async move {
                    let answered: Result<_, HttpResponse> = answering.await;
                    match answered {
                        Ok(response) => {
                            let response: Response<B> = response.into();
                            Ok::<_, HttpResponse>(guarded(response, connection, &answers, &refusals, busy))
                        }
                        Err(error) => {
                            if let Some(connection) = connection {
                                connection.answered(Instant::now());
                            }
                            Err(error)
                        }
                    }
                }
            });
            fn_service(move |stream: TcpStream| {
                let peer = stream.peer_addr().ok();
                let stream = GuardedStream::new(stream, &limits, &budget, &counters, Instant::now());
                async move { Ok((stream, peer)) }
            })
            .and_then(http.h1(app))
        })?;
        Ok(builder.run())
    }
}

/// Gives an answer a body that is sent in parts and counted while it waits for its client, or replaces the answer if it exceeds the
/// budget.
fn guarded<B: MessageBody>(
    response: Response<B>,
    connection: Option<Rc<Connection>>,
    budget: &Arc<Budget>,
    refusals: &ConnectionCounters,
    busy: BusyAnswer,
) -> Response<GuardedBody<B>> {
    let mut admitted = true;
    let response = response.map_body(|_, body| {
        let body = GuardedBody::new(body, connection, budget);
        admitted = body.is_admitted();
        body
    });
    if admitted {
        return response;
    }
    refusals.refused();
    tracing::warn!("answers that wait for their clients exceed the limit `buffered_bytes`: a request is answered 503");
    let (_, body) = response.into_parts();
    let refusal: Response<_> = busy().into();
    refusal.map_body(|_, refusal| body.replaced_by(refusal))
}

/// The default answer to a request whose own answer exceeds the budget.
fn busy() -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .insert_header((RETRY_AFTER, HeaderValue::from_static("1")))
        .content_type("text/plain; charset=utf-8")
        .body("The server is busy. Try again in a second.\n")
}

impl<F> fmt::Debug for GuardedServer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedServer")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
