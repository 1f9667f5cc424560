//! [`GuardedServer`]: an HTTP server of which no client can hold more than its share, however slowly it sends or reads.
//!
//! actix-web's own server bounds the time of the first head on a connection, and idle time between requests. It does not bound the
//! head of a later request, a body that never ends, or a client that reads nothing of a large answer. This server runs the same apps
//! on the same workers and bounds these too: it sees each read and write of a connection, so no other thread has to watch, and no
//! second file descriptor is needed.
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

use body::GuardedBody;
use budget::Budget;
use connection::Connection;
pub use counters::{ConnectionCounters, Connections, EndReason};
use stream::GuardedStream;

/// Who is told of each connection before anything of it is read.
type Connected = Arc<dyn Fn(&dyn Any, &mut Extensions) + Send + Sync>;
/// The answer where an answer is too large for what is left of the budget.
type Busy = fn() -> HttpResponse;

/// What one connection, and all of them together, may hold, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections of each worker at once; more wait in the kernel.
    pub connections: usize,
    /// How long a connection may be idle between two requests, in milliseconds; 0 closes it after each answer.
    pub keep_alive_ms: u64,
    /// How long each request may take to arrive, in milliseconds: its head, and again its body. A client whose first head takes
    /// longer is answered 408; the connection of any other is closed.
    pub request_ms: u64,
    /// How long a client may take to read [`progress_bytes`](Self::progress_bytes) of an answer that waits for it, in milliseconds.
    /// Then its connection is reset.
    pub stalled_ms: u64,
    /// Bytes of an answer that a client has to read within [`stalled_ms`](Self::stalled_ms).
    pub progress_bytes: usize,
    /// Bytes of an answer that wait in the system for one client. Linux counts what is not sent yet, so that a large value is not
    /// needed for fast transfers; elsewhere it is the whole send buffer.
    pub send_buffer_bytes: usize,
    /// Bytes of all answers that wait in this process for their clients. When one more would exceed it, the connections that have
    /// waited longest for their clients are reset; if there are none, the answer is 503. One answer is always let in, and answers
    /// up to [`UNCOUNTED_BYTES`] are not counted.
    pub buffered_bytes: usize,
}

/// Answers up to this size are not counted in [`ConnectionLimits::buffered_bytes`]: they are bounded by the number of connections.
pub const UNCOUNTED_BYTES: usize = 64 * 1024;

/// How far the clock of actix-http may be behind.
const CLOCK: Duration = Duration::from_millis(500);

/// The part of an answer that is handed to a connection at a time.
const WRITE_BYTES: usize = 32 * 1024;

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            keep_alive_ms: 5_000,
            request_ms: 5_000,
            stalled_ms: 30_000,
            progress_bytes: 16 * 1024,
            send_buffer_bytes: 128 * 1024,
            buffered_bytes: 256 * 1024 * 1024,
        }
    }
}

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
/// Set it up, then [`listen`](Self::listen). What is not set is as in [`HttpServer`](actix_web::HttpServer).
#[must_use = "a server does nothing until it listens"]
pub struct GuardedServer<F> {
    factory: F,
    limits: ConnectionLimits,
    builder: ServerBuilder,
    workers: usize,
    connected: Option<Connected>,
    counters: ConnectionCounters,
    busy: Busy,
}

impl<F> GuardedServer<F> {
    /// A server for the app that a function makes, once for each worker.
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

    /// Sets how long requests under way may take once the server is to end, in seconds.
    pub fn shutdown_timeout(mut self, seconds: u64) -> Self {
        self.builder = self.builder.shutdown_timeout(seconds);
        self
    }

    /// Leaves signals to the program.
    pub fn disable_signals(mut self) -> Self {
        self.builder = self.builder.disable_signals();
        self
    }

    /// Calls a function with each new connection, a `TcpStream`, before anything of it is read.
    pub fn on_connect(mut self, connected: impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static) -> Self {
        self.connected = Some(Arc::new(connected));
        self
    }

    /// Counts the connections of this server here, such as for [`Metrics`](crate::metrics::Metrics).
    pub fn counters(mut self, counters: ConnectionCounters) -> Self {
        self.counters = counters;
        self
    }

    /// Sets the answer for when the budget of all answers is used up; the default is 503 in plain words.
    #[cfg(feature = "admin")]
    pub(crate) fn busy(mut self, busy: Busy) -> Self {
        self.busy = busy;
        self
    }

    /// Starts the workers; the server runs as long as it is awaited, or until its handle stops it.
    ///
    /// # Errors
    /// What the system says of the listener.
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
        counters.has_room_for(limits.connections.saturating_mul(workers));
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
                    connection.begin();
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

/// The answer with a body that is handed on in parts and counted as long as it waits for its client.
fn guarded<B: MessageBody>(
    response: Response<B>,
    connection: Option<Rc<Connection>>,
    budget: &Arc<Budget>,
    refusals: &ConnectionCounters,
    busy: Busy,
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
    tracing::warn!("answers that wait for their clients use up the limit `buffered_bytes`: a request is answered 503");
    let (_, body) = response.into_parts();
    let refusal: Response<_> = busy().into();
    refusal.map_body(|_, refusal| body.replaced(refusal))
}

/// In plain words.
fn busy() -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .insert_header((RETRY_AFTER, HeaderValue::from_static("1")))
        .content_type("text/plain; charset=utf-8")
        .body("Too much is under way at the moment. Try again in a second.\n")
}

impl<F> fmt::Debug for GuardedServer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedServer")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
