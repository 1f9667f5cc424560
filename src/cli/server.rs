//! [`Server`]: serves a site over HTTP until a signal ends it, for `dev` and `serve`.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::ops::ControlFlow;
use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::{Server as Running, ServerHandle};
use actix_web::http::header::HeaderValue;
use actix_web::middleware::Condition;
use actix_web::{App, rt};
use hotplate::config::{Changes, Server as Http};
use hotplate::guard::{ConnectionCounters, GuardedServer};
use hotplate::metrics::Metrics;
use hotplate::scope::{ScopeChooser, ScopeOptions};
use hotplate::site::Site;
use hotplate::web::{Pages, Scopes, VersionPin, Web};
use hotplate::{Event, Hotplate, ReloadReport, Unavailable};

use super::failure::FAILED;
use super::live::LiveSettings;
use super::printer::{EventPrinter, Listening};
use super::setup::CommandSetup;
use super::signals::{Signal, Signals};
use super::{Failure, admin, descriptors, has_become_a_site, output, sidecar, start, systemd};

/// Longest time that requests in progress get when `dev` ends, because an author who presses Ctrl-C wants the prompt back soon.
const AUTHOR_DRAIN_MS: u64 = 1_000;
/// Time within which two signals count as one: a Ctrl-C may arrive from the terminal and from a program in between.
const ONE_PRESS: Duration = Duration::from_millis(500);
/// Minimum time that the engine gets to stop, however long requests took.
const ENGINE_STOP_MS: u64 = 100;
/// The bytes of the key for version cookies that are used; further ones would add nothing.
const PIN_KEY_BYTES_MAX: u64 = 4096;
/// The deadline of the server itself in seconds, which is never reached: the deadlines here are shorter.
const NEVER: u64 = 365 * 24 * 3600;

/// The audience of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// The author of the templates, who sees every event and error.
    Author,
    /// Visitors, who see only pages.
    Visitors,
}

impl Audience {
    /// Returns the time that requests in progress get when the server stops.
    fn drain(self, drain_ms: u64) -> Duration {
        Duration::from_millis(match self {
            Self::Author => drain_ms.min(AUTHOR_DRAIN_MS),
            Self::Visitors => drain_ms,
        })
    }
}

/// Serves a site over HTTP until a signal ends it.
pub(crate) struct Server {
    pub(crate) site: Site,
    pub(crate) setup: CommandSetup,
    pub(crate) audience: Audience,
    /// The address to listen on.
    pub(crate) bind: String,
    pub(crate) http: Http,
    pub(crate) printer: EventPrinter,
    /// Ports after that of `bind` that are tried while it is in use.
    pub(crate) next_ports: u16,
    /// True if a browser is opened with the first page.
    pub(crate) open: bool,
}

/// A reload in progress.
type Reloading = Pin<Box<dyn Future<Output = (Changes, Result<ReloadReport, Unavailable>)>>>;

impl Server {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        rt::System::new().block_on(self.serve())
    }

    async fn serve(mut self) -> Result<ExitCode, Failure> {
        // This comes first, because a SIGHUP without a handler ends the process.
        let mut signals = Signals::listen()?;
        let listener = self.listen()?;
        loop {
            // Clients that connect between two servers wait in the queue of the listener.
            let listener = listener.try_clone().map_err(cannot_serve)?;
            match self.serve_once(listener, &mut signals).await? {
                ControlFlow::Break(code) => return Ok(code),
                ControlFlow::Continue(site) => {
                    let printed = self.printer.became_a_site();
                    self.check(printed)?;
                    self.printer = self.printer.again(&site);
                    self.site = site;
                }
            }
        }
    }

    /// Serves the site until a signal ends it, or until the plain folder has become a site, which it returns.
    async fn serve_once(
        &mut self,
        listener: TcpListener,
        signals: &mut Signals,
    ) -> Result<ControlFlow<ExitCode, Site>, Failure> {
        let began = Instant::now();
        let address = listener.local_addr().map_err(cannot_serve)?;
        let Some(hotplate) = self.load(signals).await? else {
            return Ok(ControlFlow::Break(self.leave()?));
        };
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let subscription = hotplate.subscribe();
        let connections = ConnectionCounters::default();
        let metrics = Metrics::new(hotplate.clone())
            .dropped_lines(output::dropped)
            .listener("pages", connections.clone());
        let render = sidecar::start(&self.setup.settings, &hotplate, &self.site)?;
        let metrics = match &render {
            Some(render) => render.measured_by(metrics),
            None => metrics,
        };
        let admin = admin::start(
            &self.setup.settings,
            &hotplate,
            self.setup.sources.path(),
            &metrics,
            &self.setup.log,
        )?;

        let pages = self.pages(&hotplate)?;
        let web = pages.web().clone();
        let scopes = self.scopes(&hotplate)?;
        let server = self
            .listen_with(listener, (pages, scopes), connections)
            .map_err(cannot_serve)?;
        let handle = server.handle();
        let mut serving = rt::spawn(server);

        let url = url(address);
        let admin_url = admin.as_ref().map(|admin| self::url(admin.address()) + "_hotplate/");
        let render_address = render.as_ref().map(|render| render.address.as_str());
        let listening = Listening {
            url: &url,
            admin: admin_url.as_deref(),
            render: render_address,
        };
        let printed = self.printer.started(&hotplate, listening, took);
        self.check(printed)?;
        if std::mem::take(&mut self.open)
            && let Err(error) = open::that_detached(&url)
        {
            tracing::warn!(%error, "no browser can be opened: open {url} yourself");
        }
        if self.site.is_awaited(&hotplate) {
            let templates = self.site.template_directory();
            tracing::warn!(
                "{} does not exist: pages are answered 503 until it does. Use `--plain` to serve a plain folder of templates",
                templates.display()
            );
        }
        let status = format!("serving at {url}");
        self.systemd(|| systemd::ready(&status));
        tracing::info!(
            url,
            version = hotplate.snapshot().version().number(),
            "serving requests"
        );

        let within = tokio::select! {
            ended = &mut serving => {
                let why = match ended {
                    Ok(Ok(())) => "it was stopped".to_owned(),
                    Ok(Err(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                };
                return Err(Failure::Failed(format!("the server stopped: {why}")));
            }
            within = self.run_events(&hotplate, metrics, subscription, signals, &status) => within?,
        };
        // Streams do not end until they are closed.
        web.end_streams();
        let mut servers = vec![handle];
        servers.extend(render.as_ref().map(|render| render.server.clone()));
        let ended = match within {
            ControlFlow::Break(within) => self
                .end(&hotplate, &servers, signals, within)
                .await
                .map(ControlFlow::Break),
            ControlFlow::Continue(site) => {
                let within = Duration::from_millis(AUTHOR_DRAIN_MS);
                let _ = tokio::time::timeout(within, stop_all(&servers)).await;
                hotplate.shutdown(within).await;
                Ok(ControlFlow::Continue(site))
            }
        };
        drop(render);
        // The admin listener ends here and not earlier, so that operators can watch the shutdown.
        drop(admin);
        ended
    }

    /// Listens on the address or, if others may be taken and it is in use, on the next port that is free.
    fn listen(&mut self) -> Result<TcpListener, Failure> {
        let refused = match bind_to(&self.bind) {
            Ok(listener) => return Ok(listener),
            Err(error) => error,
        };
        let next = (refused.kind() == std::io::ErrorKind::AddrInUse)
            .then(|| self.next_free())
            .flatten();
        let Some((listener, port)) = next else {
            return Err(cannot_listen(&self.bind, &refused));
        };
        let printed = self.printer.moved(&self.bind, port);
        self.check(printed)?;
        Ok(listener)
    }

    fn next_free(&self) -> Option<(TcpListener, u16)> {
        let (host, port) = self.bind.rsplit_once(':')?;
        let port: u16 = port.parse().ok()?;
        let mut ports = (1..=self.next_ports).filter_map(|further| port.checked_add(further));
        ports.find_map(|port| Some((bind_to(&format!("{host}:{port}")).ok()?, port)))
    }

    /// Loads the first version on a thread of its own, so that signals are handled meanwhile. Returns `None` if one ended the command.
    async fn load(&self, signals: &mut Signals) -> Result<Option<Hotplate>, Failure> {
        let (site, builder) = (self.site.clone(), self.setup.config().apply(self.site.builder()));
        let builder = self.setup.config().apply_serving(builder, self.site.directory());
        let (sender, loaded) = tokio::sync::oneshot::channel();
        let load = move || {
            // After a signal, the receiver is gone.
            let _ = sender.send(start(&site, builder));
        };
        let thread = std::thread::Builder::new().name("hotplate-load".to_owned());
        thread.spawn(load).map_err(cannot_serve)?;
        tokio::select! {
            loaded = loaded => match loaded {
                Ok(loaded) => loaded.map(Some),
                Err(_) => Err(Failure::Failed("the server does not start: the thread that loads the templates failed".to_owned())),
            },
            () = signals.end() => Ok(None),
        }
    }

    /// Ends the command before anything was served. The thread that still loads ends with the process.
    fn leave(&mut self) -> Result<ExitCode, Failure> {
        self.systemd(|| systemd::stopping(Duration::ZERO));
        let printed = self.printer.stopping(0);
        self.check(printed)?;
        let printed = self.printer.stopped(true);
        self.check(printed)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Returns the pages of the site, configured for this audience.
    fn pages(&self, hotplate: &Hotplate) -> Result<Pages, Failure> {
        let config = self.setup.config();
        let dev = &config.dev;
        let web = Web::new(hotplate.clone()).development(self.audience == Audience::Author);
        let web = web
            .editor(dev.editor.parse().unwrap_or_default())
            .overlay(dev.overlay)
            .live_limits(config.live.clone());
        let web = dev.hosts.iter().fold(web, Web::host);
        let cache_control = Some(self.http.static_cache_control.as_str()).filter(|value| !value.is_empty());
        let cache_control = cache_control.and_then(|value| HeaderValue::from_str(value).ok());
        let version_headers = self.audience == Audience::Author || self.http.version_headers;
        let pages = Pages::of(web, self.site.clone()).static_cache_control(cache_control);
        let pages = pages.version_headers(version_headers);
        let file = self.http.pin_key_file.as_str();
        // Authors want to see each edit.
        if file.is_empty() || self.audience == Audience::Author {
            return Ok(pages);
        }
        let refuse = |why: String| {
            let message = format!("the key for version cookies cannot be read from `{file}`: {why}");
            let help = "name a file with 32 random bytes or more that this user can read";
            Failure::from(self.setup.settings.refuse("server.pin_key_file", message, help))
        };
        let key = read_key(Path::new(file)).map_err(|error| refuse(error.to_string()))?;
        let pin = VersionPin::new(&key).map_err(|error| refuse(error.to_string()))?;
        Ok(pages.pin(pin.seconds(self.http.pin_seconds), self.http.pin_paths.clone()))
    }

    /// Returns the middleware that chooses the scope of a request, and true if the settings name any.
    fn scopes(&self, hotplate: &Hotplate) -> Result<(bool, Scopes), Failure> {
        let options = &self.setup.config().scopes;
        let chooser = ScopeChooser::new(options).map_err(|error| {
            let key = format!("scopes.{}", error.field);
            Failure::from(self.setup.settings.refuse(&key, error.problem, error.help))
        })?;
        let known = hotplate.clone();
        let chooser = chooser
            .switch(Arc::clone(hotplate.stage_switch()))
            .tenants(move |id| known.snapshot().snapshot().tenant(id));
        Ok((*options != ScopeOptions::default(), Scopes::new(Arc::new(chooser))))
    }

    /// Starts the HTTP server on a listener.
    fn listen_with(
        &self,
        listener: TcpListener,
        (pages, (chooses, scopes)): (Pages, (bool, Scopes)),
        connections: ConnectionCounters,
    ) -> std::io::Result<Running> {
        let connected = pages.web().connected();
        let mut limits = self.http.connection.clone();
        limits.connections = descriptors::connections(limits.connections, self.http.workers);
        let server = GuardedServer::new(move || {
            let scopes = Condition::new(chooses, scopes.clone());
            App::new().wrap(scopes).configure(|app| pages.configure(app))
        });
        let server = server
            .limits(limits)
            .counters(connections)
            .on_connect(connected)
            .disable_signals()
            .shutdown_timeout(NEVER);
        let server = match self.http.workers {
            0 => server,
            workers => server.workers(workers),
        };
        server.listen(listener)
    }

    /// Prints events and handles signals until one ends the server. Returns the time for requests under way, or the site that the plain
    /// folder has become.
    async fn run_events(
        &mut self,
        hotplate: &Hotplate,
        metrics: Metrics,
        mut subscription: hotplate::Subscription,
        signals: &mut Signals,
        status: &str,
    ) -> Result<ControlFlow<Duration, Site>, Failure> {
        let mut live = LiveSettings::new(self.setup.clone()).measured_by(metrics);
        let mut reloading: Option<Reloading> = None;
        let mut again = false;
        let period = systemd::watchdog().filter(|_| self.audience == Audience::Visitors);
        let mut watchdog = period.map(tokio::time::interval);
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::End => {
                        let within = self.audience.drain(live.config().server.drain_ms);
                        return Ok(ControlFlow::Break(within));
                    }
                    Signal::Reload if reloading.is_some() => again = true,
                    Signal::Reload => reloading = self.reload(&mut live, hotplate, status)?,
                },
                (changes, report) = finished(&mut reloading) => {
                    reloading = None;
                    if let Err(error) = &report {
                        tracing::error!(%error, "the reload failed");
                    }
                    let printed = self.printer.reloaded(&changes, &report);
                    self.check(printed)?;
                    self.systemd(|| systemd::ready(status));
                    if std::mem::take(&mut again) {
                        reloading = self.reload(&mut live, hotplate, status)?;
                    }
                }
                Some(event) = subscription.next() => {
                    let printed = self.printer.event(&event, hotplate);
                    self.check(printed)?;
                    if let (Event::Published(_), Some(site)) = (event, has_become_a_site(&self.site, &self.setup)) {
                        return Ok(ControlFlow::Continue(site));
                    }
                }
                () = tick(&mut watchdog) => systemd::alive(),
                error = output::closed(), if self.audience == Audience::Author => return Err(error.into()),
            }
        }
    }

    /// Handles SIGHUP: reads the configuration as a whole and, only if it is valid, starts a reload of all templates.
    fn reload(
        &mut self,
        live: &mut LiveSettings,
        hotplate: &Hotplate,
        status: &str,
    ) -> Result<Option<Reloading>, Failure> {
        self.systemd(systemd::reloading);
        match live.reread() {
            Ok(changes) => {
                let hotplate = hotplate.clone();
                Ok(Some(Box::pin(async move { (changes, hotplate.reload().await) })))
            }
            Err(error) => {
                let printed = self.printer.refused(&error);
                self.check(printed)?;
                self.systemd(|| systemd::ready(status));
                Ok(None)
            }
        }
    }

    /// Accepts no further connection, answers the requests under way, and stops the engine. A second signal skips the rest.
    async fn end(
        &mut self,
        hotplate: &Hotplate,
        servers: &[ServerHandle],
        signals: &mut Signals,
        within: Duration,
    ) -> Result<ExitCode, Failure> {
        self.systemd(|| systemd::stopping(within));
        let printed = self
            .printer
            .stopping(u64::try_from(within.as_millis()).unwrap_or(u64::MAX));
        self.check(printed)?;
        let until = Instant::now() + within;
        let answered = tokio::select! {
            () = stop_all(servers) => true,
            () = tokio::time::sleep(within) => false,
            () = second_signal(signals) => false,
        };
        let left = until.saturating_duration_since(Instant::now());
        let left = if answered { left } else { Duration::ZERO };
        let stopped = hotplate.shutdown(left.max(Duration::from_millis(ENGINE_STOP_MS))).await;
        let drained = answered && stopped;
        let printed = self.printer.stopped(drained);
        self.check(printed)?;
        match drained || self.audience == Audience::Author {
            true => Ok(ExitCode::SUCCESS),
            false => {
                tracing::warn!(drain_ms = within.as_millis(), "requests under way were cut off");
                Ok(ExitCode::from(FAILED))
            }
        }
    }

    /// Handles the result of a print. For visitors the server continues without stdout; an author who closes stdout has left, so the server
    /// ends.
    fn check(&mut self, printed: std::io::Result<()>) -> Result<(), Failure> {
        match (printed, self.audience) {
            (Err(_), Audience::Visitors) => {
                self.printer.fall_silent();
                Ok(())
            }
            (printed, _) => Ok(printed?),
        }
    }

    /// Notifies systemd, in a server for visitors only.
    fn systemd(&self, notify: impl FnOnce()) {
        if self.audience == Audience::Visitors {
            notify();
        }
    }
}

/// Stops servers at the same time, and waits until each has answered the requests under way.
async fn stop_all(servers: &[ServerHandle]) {
    let stopping: Vec<_> = servers.iter().map(|server| server.stop(true)).collect();
    for stopping in stopping {
        stopping.await;
    }
}

/// Waits for a further signal to end. Signals within [`ONE_PRESS`] count as the first one.
async fn second_signal(signals: &mut Signals) {
    let since = Instant::now();
    while since.elapsed() < ONE_PRESS {
        signals.end().await;
    }
}

/// Waits for the outcome of the reload in progress, if there is one.
async fn finished(reloading: &mut Option<Reloading>) -> (Changes, Result<ReloadReport, Unavailable>) {
    match reloading {
        Some(reloading) => reloading.await,
        None => std::future::pending().await,
    }
}

async fn tick(watchdog: &mut Option<tokio::time::Interval>) {
    match watchdog {
        Some(watchdog) => drop(watchdog.tick().await),
        None => std::future::pending().await,
    }
}

/// Returns the bytes of the key for version cookies.
fn read_key(file: &Path) -> std::io::Result<Vec<u8>> {
    if !std::fs::metadata(file)?.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    let mut key = Vec::new();
    std::fs::File::open(file)?
        .take(PIN_KEY_BYTES_MAX)
        .read_to_end(&mut key)?;
    Ok(key)
}

fn cannot_serve(error: std::io::Error) -> Failure {
    Failure::Failed(format!("the server does not start: {error}"))
}

/// Returns the URL at which a browser on this machine reaches an address.
fn url(address: SocketAddr) -> String {
    let host = match address {
        SocketAddr::V4(address) if address.ip().is_unspecified() => "127.0.0.1".to_owned(),
        SocketAddr::V6(address) if address.ip().is_unspecified() => "[::1]".to_owned(),
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    };
    format!("http://{host}:{}/", address.port())
}

fn bind_to(bind: &str) -> std::io::Result<TcpListener> {
    let addresses: Vec<_> = bind.to_socket_addrs()?.collect();
    TcpListener::bind(&addresses[..])
}

/// Says what to do about an address that cannot be listened on.
fn cannot_listen(bind: &str, error: &std::io::Error) -> Failure {
    Failure::Wrong(match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!(
                "{bind} is in use by another program: stop it, or let the system choose a free port with `--bind 127.0.0.1:0`"
            )
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("you have no permission to listen on {bind} ({error}): choose a port above 1023 with `--bind`")
        }
        std::io::ErrorKind::AddrNotAvailable => {
            format!("{bind} is not an address of this machine: listen on all addresses with `--bind 0.0.0.0:80`")
        }
        _ => format!("cannot listen on {bind}: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_can_be_opened() {
        for (address, expected) in [
            ("127.0.0.1:80", "http://127.0.0.1:80/"),
            ("0.0.0.0:80", "http://127.0.0.1:80/"),
            ("[::]:80", "http://[::1]:80/"),
            ("[2001:db8::1]:80", "http://[2001:db8::1]:80/"),
        ] {
            assert_eq!(url(address.parse().expect("an address")), expected);
        }
    }
}
