//! The listener itself: its threads, and the checks that every request passes first.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data};
use actix_web::{App, Error, HttpMessage, HttpRequest, rt};
use hotplate_actors::supervision::runtime;

use super::body::{self, WithUnread};
use super::limits::AdminLimits;
use super::needs::needed;
use super::problem::Problem;
use super::state::AdminState;
use super::stream::ClientSlots;
use super::{AdminError, api, dashboard, forwarder};
use crate::guard::{ConnectionLimits, GuardedServer};
use crate::metrics::now_ms;

/// Threads that answer requests. Long computations run on other threads.
const WORKERS: usize = 2;
/// Threads for long computations: lists of templates, comparisons of versions, the layout of the graph.
const BLOCKING_THREADS: usize = 2;
/// The time that answers in progress have when the listener stops.
const SHUTDOWN_SECONDS: u64 = 1;

/// A running admin listener. It ends when this is dropped.
#[must_use = "the listener ends when this is dropped"]
pub struct AdminHandle {
    address: SocketAddr,
    server: ServerHandle,
    client_slots: ClientSlots,
    thread: Option<JoinHandle<()>>,
}

impl AdminHandle {
    /// Returns the address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops the listener. Streams of events end at once; other answers in progress have one second.
    pub fn stop(self) {}
}

impl Drop for AdminHandle {
    fn drop(&mut self) {
        // Streams do not end until they are closed.
        self.client_slots.close();
        // The command is sent at once. Its result is not awaited, because joining the thread waits for the same.
        drop(self.server.stop(true));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for AdminHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("AdminHandle").field(&self.address).finish()
    }
}

/// Starts the threads.
pub(super) fn start(listener: TcpListener, address: SocketAddr, state: AdminState) -> Result<AdminHandle, AdminError> {
    let (ready, is_ready) = sync_channel(1);
    let client_slots = state.client_slots.clone();
    let state = Data::new(state);
    let run = move || {
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        };
        rt::System::with_tokio_rt(move || runtime).block_on(async move {
            match serve(listener, state.clone()) {
                Ok(server) => {
                    let _ = ready.send(Ok(server.handle()));
                    let forwarder = rt::spawn(forwarder::run(Arc::downgrade(&state.into_inner())));
                    let _ = server.await;
                    forwarder.abort();
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        });
    };
    let thread = std::thread::Builder::new()
        .name("hotplate-admin".into())
        .spawn(run)
        .map_err(AdminError::Start)?;
    let ended = || AdminError::Start(std::io::Error::other("its thread ended"));
    let server = is_ready.recv().map_err(|_| ended())?.map_err(AdminError::Start)?;
    Ok(AdminHandle {
        address,
        server,
        client_slots,
        thread: Some(thread),
    })
}

fn serve(listener: TcpListener, state: Data<AdminState>) -> std::io::Result<Server> {
    let (limits, counters) = (state.limits.clone(), state.connections.clone());
    let connection = ConnectionLimits {
        connections: limits.connection.connections.div_ceil(WORKERS),
        ..limits.connection.clone()
    };
    let app = move || {
        App::new()
            .app_data(state.clone())
            .wrap(from_fn(admit))
            .configure(api::configure)
            .configure(dashboard::configure)
            .default_service(web::to(nothing_here))
    };
    GuardedServer::new(app)
        .limits(connection)
        .counters(counters)
        .busy(Problem::unread_answers)
        .workers(WORKERS)
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .disable_signals()
        .listen(listener)
}

/// Checks every request by its head before it is handled.
async fn admit(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let admitted = match refuse(&request) {
        Ok(limits) => body::arrive(&mut request, &limits).await,
        Err(problem) => Err(problem.into()),
    };
    let response = match admitted {
        Ok(()) => next.call(request).await?.map_into_left_body(),
        Err(refused) => {
            let response = request.error_response(refused.problem);
            response
                .map_body(|_, body| WithUnread::new(body, refused.unread))
                .map_into_right_body()
        }
    };
    Ok(with_headers(response))
}

fn refuse(request: &ServiceRequest) -> Result<AdminLimits, Problem> {
    let Some(state) = request.app_data::<Data<AdminState>>() else {
        return Err(Problem::internal("the listener is not complete"));
    };
    state.access.same_site(request.request())?;
    within_rate(state, request).map_err(Problem::too_many)?;
    permit(state, request)?;
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    let length = length.and_then(|length| length.parse::<u64>().ok()).unwrap_or_default();
    // Only somebody with the token may send the body of a preview.
    let is_known = state.access.is_known(request.headers(), now_ms());
    let limits = state.limits.for_path(request.path(), is_known);
    if length > limits.body_bytes as u64 {
        return Err(Problem::too_large(limits.body_bytes));
    }
    Ok(limits)
}

/// Checks that the caller of a request may send it, before anything is looked up. The handlers find the [`Caller`] in the extensions. A request
/// that is not admitted has no caller, and its handler asks for a token.
fn permit(state: &AdminState, request: &ServiceRequest) -> Result<(), Problem> {
    let Some(caller) = state.access.caller(request.headers(), now_ms()) else {
        return Ok(());
    };
    let denied = needed(request.method(), request.path(), request.query_string())
        .filter(|need| !caller.may(need.permission, need.extent));
    match denied {
        None => {
            request.extensions_mut().insert(caller);
            Ok(())
        }
        Some(need) if need.is_hidden => Err(Problem::nothing_here(request.path())),
        Some(need) => Err(Problem::forbidden(caller.name(), need.permission)),
    }
}

/// Counts a request against the rate of its kind. Probes are always answered, because a process whose probe fails is restarted.
fn within_rate(state: &AdminState, request: &ServiceRequest) -> Result<(), Duration> {
    if api::PROBES.contains(&request.path()) {
        return Ok(());
    }
    let now = Instant::now();
    if !state.access.is_known(request.headers(), now_ms()) {
        return state.unauthenticated.take(now);
    }
    state.requests.take(now)?;
    match *request.method() {
        Method::GET | Method::HEAD => Ok(()),
        _ => state.changes.take(now),
    }
}

fn with_headers<B>(mut response: ServiceResponse<B>) -> ServiceResponse<B> {
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        let name = HeaderName::from_static(name);
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    set("cache-control", "no-store");
    set("x-content-type-options", "nosniff");
    // With `no-referrer` a browser would send `Origin: null` with the forms of the dashboard.
    set("referrer-policy", "same-origin");
    set("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
    response
}

async fn nothing_here(request: HttpRequest, state: Data<AdminState>) -> Result<actix_web::HttpResponse, Problem> {
    let _caller = state.access.program(request.headers())?;
    Err(Problem::nothing_here(request.path()))
}
