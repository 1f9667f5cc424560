//! A site over HTTP until a signal ends it: what `dev` and `serve` have in common.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use actix_web::dev::{Server as Running, ServerHandle};
use actix_web::http::header::HeaderValue;
use actix_web::{App, rt};
use hotplate::config::{Changes, Server as Http};
use hotplate::guard::{ConnectionCounters, GuardedServer};
use hotplate::metrics::Metrics;
use hotplate::site::Site;
use hotplate::web::{Pages, Web};
use hotplate::{CallError, Event, Hotplate, ReloadReport};

use super::failure::FAILED;
use super::live::LiveSettings;
use super::printer::EventPrinter;
use super::setup::CommandSetup;
use super::signals::{Signal, Signals};
use super::{Failure, admin, descriptors, has_become_a_site, output, start, systemd};

/// An author who presses Ctrl-C wants the prompt back.
const GOODBYE_MS: u64 = 1_000;
/// How far apart two signals are that are meant as two.
const ONE_PRESS: Duration = Duration::from_millis(500);
/// What the engine gets at the end, however long requests took.
const LAST_MS: u64 = 100;
/// The server's own deadline is never the one that counts.
const NEVER: u64 = 365 * 24 * 3600;

/// Who is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// The author, who is told everything.
    Author,
    /// The world, which is told nothing but pages.
    World,
}

impl Audience {
    /// How long requests under way may take at the end.
    fn patience(self, drain_ms: u64) -> Duration {
        Duration::from_millis(match self {
            Self::Author => drain_ms.min(GOODBYE_MS),
            Self::World => drain_ms,
        })
    }
}

/// A site over HTTP until a signal ends it.
pub(crate) struct Server {
    pub(crate) site: Site,
    pub(crate) setup: CommandSetup,
    pub(crate) audience: Audience,
    /// What links on an author's pages open.
    pub(crate) bind: String,
    pub(crate) http: Http,
    pub(crate) tell: EventPrinter,
}

/// A reload under way.
type Reloading = Pin<Box<dyn Future<Output = (Changes, Result<ReloadReport, CallError>)>>>;

impl Server {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        rt::System::new().block_on(self.serve())
    }

    async fn serve(mut self) -> Result<ExitCode, Failure> {
        // First of all: an early SIGHUP would end the process.
        let mut signals = Signals::listen()?;
        let listener = listen(&self.bind)?;
        loop {
            // Who connects in between waits for the next one.
            let listener = listener.try_clone().map_err(cannot_serve)?;
            match self.serve_once(listener, &mut signals).await? {
                ControlFlow::Break(code) => return Ok(code),
                ControlFlow::Continue(site) => {
                    let told = self.tell.became_a_site();
                    self.heard(told)?;
                    self.tell = self.tell.again(&site);
                    self.site = site;
                }
            }
        }
    }

    /// Serves the site until a signal ends it, or it turns out to be another kind of site.
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
        let admin = admin::start(&self.setup.settings, &hotplate, &metrics, &self.setup.log)?;

        let pages = self.pages(&hotplate);
        let web = pages.web().clone();
        let server = self.listen_with(listener, pages, connections).map_err(cannot_serve)?;
        let handle = server.handle();
        let mut serving = rt::spawn(server);

        let url = url(address);
        let admin_url = admin.as_ref().map(|admin| self::url(admin.address()) + "_hotplate/");
        let told = self.tell.started(&hotplate, &url, admin_url.as_deref(), took);
        self.heard(told)?;
        if self.site.is_awaited(&hotplate) {
            let templates = self.site.template_directory();
            tracing::warn!(
                "{} is not there: pages are answered 503 until it is. For a folder of templates and nothing else, say `--plain`",
                templates.display()
            );
        }
        let status = format!("answers at {url}");
        self.systemd(|| systemd::ready(&status));
        tracing::info!(
            url,
            version = hotplate.snapshot().version().number(),
            "requests are answered"
        );

        let within = tokio::select! {
            ended = &mut serving => {
                let why = match ended {
                    Ok(Ok(())) => "it was told to".to_owned(),
                    Ok(Err(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                };
                return Err(Failure::Failed(format!("the server ended: {why}")));
            }
            within = self.attend(&hotplate, metrics, subscription, signals, &status) => within?,
        };
        // They would go on until they are cut off.
        web.end_streams();
        let ended = match within {
            ControlFlow::Break(within) => self
                .end(&hotplate, &handle, signals, within)
                .await
                .map(ControlFlow::Break),
            ControlFlow::Continue(site) => {
                let goodbye = Duration::from_millis(GOODBYE_MS);
                let _ = tokio::time::timeout(goodbye, handle.stop(true)).await;
                hotplate.shutdown(goodbye).await;
                Ok(ControlFlow::Continue(site))
            }
        };
        // Until here, operators see how it comes to its end.
        drop(admin);
        ended
    }

    /// Loads the first version on a thread of its own, so that signals are heard meanwhile. Answers nothing if one ended the command.
    async fn load(&self, signals: &mut Signals) -> Result<Option<Hotplate>, Failure> {
        let (site, builder) = (self.site.clone(), self.setup.config().apply(self.site.builder()));
        let (sender, loaded) = tokio::sync::oneshot::channel();
        let load = move || {
            // After a signal nobody waits for it any more.
            let _ = sender.send(start(&site, builder));
        };
        let thread = std::thread::Builder::new().name("hotplate-load".to_owned());
        thread.spawn(load).map_err(cannot_serve)?;
        tokio::select! {
            loaded = loaded => match loaded {
                Ok(loaded) => loaded.map(Some),
                Err(_) => Err(Failure::Failed("the server does not start: loading it failed".to_owned())),
            },
            () = signals.end() => Ok(None),
        }
    }

    /// Ends before anything was served. What is still being loaded ends with the process.
    fn leave(&mut self) -> Result<ExitCode, Failure> {
        self.systemd(|| systemd::stopping(Duration::ZERO));
        let told = self.tell.stopping(0);
        self.heard(told)?;
        let told = self.tell.stopped(true);
        self.heard(told)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The pages of the site, as they are for this audience.
    fn pages(&self, hotplate: &Hotplate) -> Pages {
        let config = self.setup.config();
        let dev = &config.dev;
        let web = Web::new(hotplate.clone()).development(self.audience == Audience::Author);
        let web = web
            .editor(dev.editor.parse().unwrap_or_default())
            .live_limits(config.live.clone());
        let web = dev.hosts.iter().fold(web, Web::host);
        let cache_control = Some(self.http.static_cache_control.as_str()).filter(|value| !value.is_empty());
        let cache_control = cache_control.and_then(|value| HeaderValue::from_str(value).ok());
        let version_headers = self.audience == Audience::Author || self.http.version_headers;
        let pages = Pages::of(web, self.site.clone()).static_cache_control(cache_control);
        pages.version_headers(version_headers)
    }

    fn listen_with(
        &self,
        listener: TcpListener,
        pages: Pages,
        connections: ConnectionCounters,
    ) -> std::io::Result<Running> {
        let connected = pages.web().connected();
        let mut limits = self.http.connection.clone();
        limits.connections = descriptors::connections(limits.connections, self.http.workers);
        let server = GuardedServer::new(move || App::new().configure(|app| pages.configure(app)))
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

    /// Tells events and follows signals, until one ends it; answers how long that may take, or what the directory is now.
    async fn attend(
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
        let period = systemd::watchdog().filter(|_| self.audience == Audience::World);
        let mut watchdog = period.map(tokio::time::interval);
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::End => {
                        let within = self.audience.patience(live.config().server.drain_ms);
                        return Ok(ControlFlow::Break(within));
                    }
                    Signal::Reload if reloading.is_some() => again = true,
                    Signal::Reload => reloading = self.reload(&mut live, hotplate, status)?,
                },
                (changes, report) = due(&mut reloading) => {
                    reloading = None;
                    if let Err(error) = &report {
                        tracing::error!(%error, "the reload has no answer");
                    }
                    let told = self.tell.reloaded(&changes, &report);
                    self.heard(told)?;
                    self.systemd(|| systemd::ready(status));
                    if std::mem::take(&mut again) {
                        reloading = self.reload(&mut live, hotplate, status)?;
                    }
                }
                Some(event) = subscription.next() => {
                    let told = self.tell.event(&event, hotplate);
                    self.heard(told)?;
                    if let (Event::Published(_), Some(site)) = (event, has_become_a_site(&self.site, &self.setup)) {
                        return Ok(ControlFlow::Continue(site));
                    }
                }
                () = tick(&mut watchdog) => systemd::alive(),
                error = output::closed(), if self.audience == Audience::Author => return Err(error.into()),
            }
        }
    }

    /// SIGHUP: the configuration first, as a whole; only if it is good, a look at everything.
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
                let told = self.tell.refused(&error);
                self.heard(told)?;
                self.systemd(|| systemd::ready(status));
                Ok(None)
            }
        }
    }

    /// Lets nobody in any more, answers what is under way, and stops the engine. A second signal cuts it short.
    async fn end(
        &mut self,
        hotplate: &Hotplate,
        server: &ServerHandle,
        signals: &mut Signals,
        within: Duration,
    ) -> Result<ExitCode, Failure> {
        self.systemd(|| systemd::stopping(within));
        let told = self
            .tell
            .stopping(u64::try_from(within.as_millis()).unwrap_or(u64::MAX));
        self.heard(told)?;
        let until = Instant::now() + within;
        let answered = tokio::select! {
            () = server.stop(true) => true,
            () = tokio::time::sleep(within) => false,
            () = insisted(signals) => false,
        };
        let left = until.saturating_duration_since(Instant::now());
        let left = if answered { left } else { Duration::ZERO };
        let stopped = hotplate.shutdown(left.max(Duration::from_millis(LAST_MS))).await;
        let drained = answered && stopped;
        let told = self.tell.stopped(drained);
        self.heard(told)?;
        match drained || self.audience == Audience::Author {
            true => Ok(ExitCode::SUCCESS),
            false => {
                tracing::warn!(drain_ms = within.as_millis(), "requests under way were cut off");
                Ok(ExitCode::from(FAILED))
            }
        }
    }

    /// The world is served whether anybody reads stdout or not; an author who closes it is gone.
    fn heard(&mut self, told: std::io::Result<()>) -> Result<(), Failure> {
        match (told, self.audience) {
            (Err(_), Audience::World) => {
                self.tell.fall_silent();
                Ok(())
            }
            (told, _) => Ok(told?),
        }
    }

    fn systemd(&self, tell: impl FnOnce()) {
        if self.audience == Audience::World {
            tell();
        }
    }
}

/// Somebody wants it to end now. One Ctrl-C may arrive twice: from the terminal, and from a program in between.
async fn insisted(signals: &mut Signals) {
    let since = Instant::now();
    while since.elapsed() < ONE_PRESS {
        signals.end().await;
    }
}

/// What a reload came to, once one is under way.
async fn due(reloading: &mut Option<Reloading>) -> (Changes, Result<ReloadReport, CallError>) {
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

fn cannot_serve(error: std::io::Error) -> Failure {
    Failure::Failed(format!("the server does not start: {error}"))
}

/// As a browser reaches it from here.
fn url(address: SocketAddr) -> String {
    let host = match address {
        SocketAddr::V4(address) if address.ip().is_unspecified() => "127.0.0.1".to_owned(),
        SocketAddr::V6(address) if address.ip().is_unspecified() => "[::1]".to_owned(),
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    };
    format!("http://{host}:{}/", address.port())
}

fn listen(bind: &str) -> Result<TcpListener, Failure> {
    let wrong = |error: std::io::Error| {
        Failure::Wrong(match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("{bind} is in use by another program: end it, or choose another with `--bind 127.0.0.1:0`")
            }
            std::io::ErrorKind::PermissionDenied => {
                format!("{bind} is not allowed to you ({error}): choose a port above 1023 with `--bind`")
            }
            std::io::ErrorKind::AddrNotAvailable => {
                format!("{bind} is no address of this machine: listen on all of them with `--bind 0.0.0.0:80`")
            }
            _ => format!("{bind} cannot be listened on: {error}"),
        })
    };
    let addresses: Vec<_> = bind.to_socket_addrs().map_err(wrong)?.collect();
    TcpListener::bind(&addresses[..]).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_one_to_open() {
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
