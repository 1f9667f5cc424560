//! [`HttpLoader`]: the templates that a manifest behind HTTP names.
//!
//! ```json
//! {
//!   "version": "2026-11-30.4",
//!   "templates": {
//!     "index.html": { "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" },
//!     "mail/welcome.txt": { "sha256": "…", "path": "assets/welcome-4f2a.txt" }
//!   }
//! }
//! ```
//!
//! A sync is one conditional request for the manifest. If it has changed, the files with other digests are requested, from `path` or from
//! the name, below the directory of the manifest. All of them have to have their digests, or nothing is taken: a proxy's error page, a
//! half-written file and a deployment that is not finished leave what was served before. Put the files first, and the manifest last.
//!
//! Each answer has bounds: its size (a larger one is refused, never cut), its time, the number of redirects. A host with a private, local
//! or link-local address is not connected, whatever its name is, unless that is allowed.

mod guard;
mod manifest;

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use hotplate_actors::loader::{BlockingLoader, Changes, Depth, Hints, LoaderError};
use hotplate_actors::{LoaderStatus, Source, TemplateKey, WatchMode};
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use crate::remarks::{Remarks, TEXT_BYTES_MAX, not_utf8, too_large};
use guard::GuardedResolver;
use manifest::{Manifest, ManifestEntry};

/// The most bytes of a manifest.
const MANIFEST_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The most bytes of the file with a token.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// The redirects of one request.
const REDIRECTS_MAX: u32 = 3;

/// Loads the templates of a manifest.
///
/// ```no_run
/// use hotplate_actors::Hotplate;
/// use hotplate_sources::http::HttpLoader;
///
/// let create = || HttpLoader::new("https://assets.example.org/site/manifest.json").expect("a valid URL");
/// let hotplate = Hotplate::builder().loader_with(create).start()?;
/// # Ok::<(), hotplate_actors::StartError>(())
/// ```
pub struct HttpLoader {
    url: String,
    options: Options,
    agent: Agent,
    etag: Option<String>,
    known: HashMap<TemplateKey, String>,
    watching: Option<Sender<()>>,
    status: LoaderStatus,
}

#[derive(Debug, Clone)]
struct Options {
    priority: i32,
    text_bytes: u64,
    timeout: Duration,
    interval: Duration,
    token_file: Option<PathBuf>,
    allows_private: bool,
}

impl HttpLoader {
    /// Creates a loader of the manifest at a URL. Nothing is requested yet.
    ///
    /// # Errors
    /// [`LoaderError`] if the URL is not one of HTTP, or has a password: name a file with a token instead.
    pub fn new(url: &str) -> Result<Self, LoaderError> {
        let parsed = url.parse::<ureq::http::Uri>().ok();
        let parsed = parsed.filter(|url| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some());
        let Some(parsed) = parsed else {
            return Err(LoaderError::new(
                "the URL of the manifest is invalid: write `https://host/path/manifest.json`",
            ));
        };
        if parsed
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(LoaderError::new(
                "the URL of the manifest has a password, which would appear in logs: name a file with a token",
            ));
        }
        let options = Options {
            priority: 0,
            text_bytes: TEXT_BYTES_MAX,
            timeout: Duration::from_secs(20),
            interval: Duration::from_secs(10),
            token_file: None,
            allows_private: false,
        };
        Ok(Self::of(url.to_owned(), options))
    }

    fn of(url: String, options: Options) -> Self {
        Self {
            agent: agent(&url, &options),
            url,
            options,
            etag: None,
            known: HashMap::new(),
            watching: None,
            status: LoaderStatus::default(),
        }
    }

    /// Sets the [priority](BlockingLoader::priority); 0 by default.
    #[must_use]
    pub fn with_priority(mut self, priority: i32) -> Self {
        self.options.priority = priority;
        self
    }

    /// Sets the time between two requests, which varies by a tenth; 10 s by default.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.options.interval = interval;
        self
    }

    /// Sets the time that one request may take in all; 20 s by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout;
        self.agent = agent(&self.url, &self.options);
        self
    }

    /// Sets the size of a text in bytes beyond which it is a fault of its template; a mebibyte by default.
    #[must_use]
    pub fn text_bytes(mut self, bytes: u64) -> Self {
        self.options.text_bytes = bytes;
        self
    }

    /// Sends the token in a file with each request (`Authorization: Bearer`). It is read for each sync, so that it may change.
    #[must_use]
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.token_file = Some(path.into());
        self
    }

    /// Allows addresses that are private, local or link-local: for a server in the same network.
    #[must_use]
    pub fn allow_private_addresses(mut self) -> Self {
        self.options.allows_private = true;
        self.agent = agent(&self.url, &self.options);
        self
    }

    fn token(&self) -> Result<Option<String>, LoaderError> {
        let Some(path) = &self.options.token_file else {
            return Ok(None);
        };
        let shown = path.display();
        let read = std::fs::read_to_string(path);
        let text =
            read.map_err(|error| LoaderError::unavailable(format!("the token in {shown} cannot be read: {error}")))?;
        let token = text.trim();
        let is_plain = token.bytes().all(|byte| byte.is_ascii_graphic()) && token.len() <= TOKEN_BYTES_MAX;
        match is_plain && !token.is_empty() {
            true => Ok(Some(format!("Bearer {token}"))),
            false => Err(LoaderError::new(format!(
                "{shown} has no token: it is one word of visible ASCII characters"
            ))),
        }
    }

    fn get(&self, url: &str, token: Option<&str>, etag: Option<&str>) -> Result<Response<Body>, LoaderError> {
        let mut request = self.agent.get(url);
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        if let Some(etag) = etag {
            request = request.header("if-none-match", etag);
        }
        let answer = request.call().map_err(|error| unavailable(url, error))?;
        let status = answer.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(answer);
        }
        let message = format!("{url} is answered {status}");
        let seconds = answer
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let error = match status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) {
            true => LoaderError::unavailable(message),
            false => LoaderError::new(message),
        };
        Err(match seconds {
            Some(seconds) => error.retry_after(Duration::from_secs(seconds)),
            None => error,
        })
    }

    /// Returns the text of an entry, or the fault because of which it has none.
    fn text(
        &self,
        key: &TemplateKey,
        entry: &ManifestEntry,
        token: Option<&str>,
        changes: &mut Changes,
    ) -> Result<(), LoaderError> {
        let url = manifest::url_of(&self.url, entry.path.as_deref().unwrap_or(key.as_str()));
        let mut answer = self.get(&url, token, None)?;
        let limit = self.options.text_bytes;
        let length = answer.body().content_length();
        if let Some(bytes) = length.filter(|bytes| *bytes > limit) {
            changes.unreadable.push(too_large(key.clone(), bytes, limit));
            return Ok(());
        }
        let bytes = match answer.body_mut().with_config().limit(limit).read_to_vec() {
            Err(ureq::Error::BodyExceedsLimit(_)) => {
                changes.unreadable.push(too_large(key.clone(), limit + 1, limit));
                return Ok(());
            }
            read => read.map_err(|error| unavailable(&url, error))?,
        };
        if !entry.is_digest_of(&bytes) {
            let kind = content_type(&answer);
            return Err(LoaderError::unavailable(format!(
                "the answer to {url} ({} bytes, {kind}) has not the digest that the manifest names: is it still being deployed, or an error page?",
                bytes.len()
            )));
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => changes.changed.push(Source::new(key.clone(), text)),
            Err(error) => changes.unreadable.push(not_utf8(key.clone(), &error)),
        }
        Ok(())
    }

    /// Returns the manifest and its `ETag`; no manifest if it has not changed.
    fn manifest(&self, token: Option<&str>, whole: bool) -> Result<(Option<Manifest>, Option<String>), LoaderError> {
        let etag = self.etag.as_deref().filter(|_| !whole);
        let mut answer = self.get(&self.url, token, etag)?;
        if answer.status() == StatusCode::NOT_MODIFIED {
            return Ok((None, self.etag.clone()));
        }
        let kind = content_type(&answer);
        if kind.contains("html") {
            return Err(LoaderError::unavailable(format!(
                "{} is answered with {kind} and not with a manifest: is a proxy or a login page in between?",
                self.url
            )));
        }
        let etag = answer
            .headers()
            .get("etag")
            .and_then(|etag| Some(etag.to_str().ok()?.to_owned()));
        let read = answer.body_mut().with_config().limit(MANIFEST_BYTES_MAX).read_to_vec();
        let bytes = read.map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(_) => LoaderError::new(format!(
                "the manifest at {} is larger than {MANIFEST_BYTES_MAX} bytes",
                self.url
            )),
            error => unavailable(&self.url, error),
        })?;
        let manifest = Manifest::parse(&bytes);
        let manifest =
            manifest.map_err(|error| LoaderError::new(format!("the manifest at {} is invalid: {error}", self.url)))?;
        Ok((Some(manifest), etag))
    }
}

fn agent(url: &str, options: &Options) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        // An answer over TLS is not replaced by one without it.
        .https_only(url.starts_with("https:"))
        .max_redirects(REDIRECTS_MAX)
        .max_redirects_will_error(true)
        // A proxy would resolve names itself, past the check of addresses.
        .proxy(None)
        .timeout_global(Some(options.timeout))
        .user_agent(concat!("hotplate/", env!("CARGO_PKG_VERSION")))
        .build();
    let resolver = GuardedResolver::new(options.allows_private);
    Agent::with_parts(
        config,
        ureq::unversioned::transport::DefaultConnector::default(),
        resolver,
    )
}

fn unavailable(url: &str, error: ureq::Error) -> LoaderError {
    let what = match &error {
        ureq::Error::TooManyRedirects => format!("it is redirected more than {REDIRECTS_MAX} times"),
        error => error.to_string(),
    };
    LoaderError::unavailable(format!("{url} cannot be requested: {what}")).caused_by(error)
}

fn content_type(answer: &Response<Body>) -> String {
    let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or("no content type");
    kind.chars().take(100).collect()
}

impl BlockingLoader for HttpLoader {
    fn describe(&self) -> String {
        // A query may have a secret.
        self.url.split(['?', '#']).next().unwrap_or_default().to_owned()
    }

    fn name(&self) -> &'static str {
        "http"
    }

    fn priority(&self) -> i32 {
        self.options.priority
    }

    fn watch(&mut self, hints: Hints) -> Result<(), LoaderError> {
        let (end, ended) = channel::<()>();
        let interval = self.options.interval;
        let watch = move || {
            let random = RandomState::new();
            let mut number = 0_u64;
            loop {
                number += 1;
                // Many instances that start at once do not ask at once for ever.
                let tenths = 900 + random.hash_one(number) % 200;
                let pause = interval.mul_f64(f64::from(u32::try_from(tenths).unwrap_or(1_000)) / 1_000.0);
                if ended.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                hints.hint();
            }
        };
        let thread = std::thread::Builder::new().name("hotplate-http".into()).spawn(watch);
        thread
            .map_err(|error| LoaderError::unavailable(format!("no thread can be started: {error}")).caused_by(error))?;
        self.watching = Some(end);
        self.status.watch_mode = WatchMode::Poll;
        self.status.why = format!("the manifest is requested each {} ms", interval.as_millis());
        Ok(())
    }

    fn sync(&mut self, depth: Depth) -> Result<Changes, LoaderError> {
        let whole = matches!(depth, Depth::Afresh | Depth::Bytes);
        let token = self.token()?;
        let token = token.as_deref();
        let (manifest, etag) = self.manifest(token, whole)?;
        let Some(manifest) = manifest else {
            return Ok(Changes::default());
        };
        let mut remarks = Remarks::default();
        let mut changes = Changes {
            complete: depth == Depth::Afresh,
            tag: manifest.version.as_deref().or(etag.as_deref()).map(Into::into),
            ..Changes::default()
        };
        let mut known = HashMap::with_capacity(manifest.templates.len());
        for (name, entry) in &manifest.templates {
            let Some(key) = remarks.name(name).map(TemplateKey::from) else {
                continue;
            };
            if whole || self.known.get(&key) != Some(&entry.sha256) {
                self.text(&key, entry, token, &mut changes)?;
            }
            known.insert(key, entry.sha256.clone());
        }
        if !changes.complete {
            let gone = self.known.keys().filter(|key| !known.contains_key(*key));
            changes.removed = gone.cloned().collect();
        }
        self.status.files = known.len() as u64;
        self.status.unreadable = changes.unreadable.len() as u64;
        self.status.reconciles += 1;
        self.status.remarks = remarks.list();
        (self.known, self.etag) = (known, etag);
        Ok(changes)
    }

    fn status(&self) -> LoaderStatus {
        self.status.clone()
    }
}

/// A clone is a loader of the same manifest that has not loaded anything yet.
impl Clone for HttpLoader {
    fn clone(&self) -> Self {
        Self::of(self.url.clone(), self.options.clone())
    }
}

impl fmt::Debug for HttpLoader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpLoader")
            .field("source", &BlockingLoader::describe(self))
            .finish_non_exhaustive()
    }
}
