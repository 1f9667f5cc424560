//! The configuration of the command, and of whoever wants the same: `hotplate.toml`, the environment, flags.
//!
//! Each is laid over the one before: defaults, the file, variables such as `HOTPLATE_LIMITS__RENDER_MS=500`, flags. It is read
//! strictly, as a whole: a key that nobody knows or a value that makes no sense refuses all of it and is shown with its place,
//! the nearest known key and what to write instead. [`sample`] is the whole of it with its defaults and what each is for.
//!
//! ```
//! use hotplate::config::Sources;
//!
//! # let directory = tempfile::tempdir()?;
//! let file = directory.path().join("hotplate.toml");
//! std::fs::write(&file, "[limits]\nrender_ms = 500\n")?;
//! let settings = Sources::new().file(&file).read()?;
//! assert_eq!(settings.config.limits.render_ms, 500);
//!
//! std::fs::write(&file, "[limits]\nrender = \"2s\"\n")?;
//! let refused = Sources::new().file(&file).read().expect_err("there is no such key");
//! assert!(refused.to_string().contains("write `render_ms = 2000`"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod change;
mod file;
mod finding;
mod validate;
mod keys;
mod suggestion;
mod quantity;
mod sample;
mod sources;
mod consistency;

use hotplate_actors::dialect::Missing;
use hotplate_actors::{ActorKind, Builder, Limits, Links, OnFailure, Policy, Rules, WatchBy};

use crate::LiveLimits;

pub use change::{Change, Changes};
pub use finding::{ConfigError, Finding};
pub use keys::{Key, Kind, Unit, Value, keys};
pub use sample::sample;
pub use sources::{Origin, Settings, Sources};

/// Every setting. [`Default`] is what holds where nobody says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Config {
    /// The server of `hotplate serve`.
    pub server: Server,
    /// The server of `hotplate dev`.
    pub dev: Dev,
    /// What operators and programs talk to.
    pub admin: Admin,
    /// The log on stderr.
    pub log: Log,
    /// What is served, and what in its place.
    pub templates: Templates,
    /// Which files are templates, and how changes of them are noticed.
    pub files: Files,
    /// The edges of everything.
    pub limits: Limits,
    /// Those of browsers that follow a site in development, in the same section.
    pub live: LiveLimits,
    /// How what failed is started again.
    pub supervision: Supervision,
}

/// The server of `hotplate serve`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Server {
    /// Where it listens.
    pub bind: String,
    /// Threads that answer requests. 0 is one per processor.
    pub workers: usize,
    /// Connections of each worker at once; more wait in the kernel.
    pub connections: usize,
    /// How long a connection may be idle, in milliseconds.
    pub keep_alive_ms: u64,
    /// How long each request may take to arrive, in milliseconds: its head, and again its body.
    pub request_ms: u64,
    /// How long a client may take to read `progress_bytes` of an answer that waits for it, in milliseconds.
    pub stalled_ms: u64,
    /// Bytes of an answer that a client has to read within `stalled_ms`.
    pub progress_bytes: usize,
    /// Bytes of an answer that wait in the system for one client.
    pub send_buffer_bytes: usize,
    /// Bytes of all answers that wait in the process for their clients.
    pub buffered_bytes: usize,
    /// How long requests under way may take once the server is to end, in milliseconds.
    pub drain_ms: u64,
    /// `Cache-Control` of static files; empty is none.
    pub static_cache_control: String,
    /// Whether pages say which version they are from, and how fresh they are.
    pub version_headers: bool,
}

/// The server of `hotplate dev`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dev {
    /// Where it listens.
    pub bind: String,
    /// Names that browsers may know it by, besides those that always mean this machine.
    pub hosts: Vec<String>,
    /// What links in the browser open.
    pub editor: String,
}

/// What operators and programs talk to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Admin {
    /// Where it listens; empty is nowhere.
    pub bind: String,
    /// What a caller has to know; empty is nothing.
    pub token: String,
    /// A file with the token; empty is none.
    pub token_file: String,
    /// Names that a listener on a loopback address may be called by.
    pub hosts: Vec<String>,
    /// Its edges.
    #[cfg(feature = "admin")]
    pub limits: crate::admin::AdminLimits,
}

/// The log on stderr.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Log {
    /// What is in it, as in `RUST_LOG`.
    pub level: String,
    /// For people or for programs.
    pub format: LogFormat,
    /// Whether the end of each span is logged.
    pub spans: bool,
    /// Bytes that may wait to be read, of the log and again of stdout; lines beyond are dropped and counted.
    pub queue_bytes: usize,
}

/// How the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object on each line.
    Json,
}

/// What is served, and what in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Templates {
    /// Their directory, below that of a site.
    pub directory: String,
    /// True if the directory itself is the folder of templates, without data and static files.
    pub plain: bool,
    /// Whether changes are seen by themselves.
    pub watch: bool,
    /// What a render is answered with that fails.
    pub on_failure: OnFailure,
    /// The page that stands in for one without a good version; empty is that of the site.
    pub fallback: String,
    /// The meaning of a path that leads nowhere.
    pub missing: Missing,
    /// Names of formatters that another program has.
    pub formatters: Vec<String>,
}

/// Which files are templates, and how changes of them are noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Files {
    /// Only what one of these patterns names; empty is everything.
    pub include: Vec<String>,
    /// Nothing that these patterns name.
    pub exclude: Vec<String>,
    /// Only files with one of these extensions; `*` is all.
    pub extensions: Vec<String>,
    /// Which symbolic links are followed.
    pub links: Links,
    /// How changes are noticed.
    pub watch_by: WatchBy,
}

impl Files {
    /// Which files are templates.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let any = self.extensions.iter().any(|extension| extension == "*");
        Rules {
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            extensions: (!any).then(|| self.extensions.clone()),
            links: self.links,
            ..Rules::default()
        }
    }
}

/// How each actor that failed is started again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the actor of that name")]
pub struct Supervision {
    pub watcher: Policy,
    pub compiler: Policy,
    pub graph: Policy,
    pub registry: Policy,
    pub renderer: Policy,
    /// What happens once one of them is given up.
    pub engine: Policy,
}

impl Supervision {
    /// Each with its actor.
    pub fn policies(&self) -> impl Iterator<Item = (ActorKind, &Policy)> {
        let Self {
            watcher,
            compiler,
            graph,
            registry,
            renderer,
            engine,
        } = self;
        let all = [
            (ActorKind::Watcher, watcher),
            (ActorKind::Compiler, compiler),
            (ActorKind::Graph, graph),
            (ActorKind::Registry, registry),
            (ActorKind::Renderer, renderer),
            (ActorKind::Engine, engine),
        ];
        all.into_iter()
    }
}

impl Config {
    /// Sets what this says about an engine.
    pub fn apply(&self, builder: Builder) -> Builder {
        let Templates {
            watch,
            on_failure,
            fallback,
            missing,
            formatters,
            ..
        } = &self.templates;
        let builder = builder
            .limits(self.limits.clone())
            .on_failure(*on_failure)
            .watch(*watch)
            .formatter_stubs(formatters);
        let builder = match missing {
            Missing::Error => builder,
            Missing::Lenient => builder.lenient(),
        };
        match fallback.as_str() {
            "" => builder,
            fallback => builder.fallback(fallback),
        }
    }
}

#[cfg(feature = "guard")]
impl Server {
    /// What one connection, and all of them together, may hold.
    #[must_use]
    pub fn connection_limits(&self) -> crate::guard::ConnectionLimits {
        crate::guard::ConnectionLimits {
            connections: self.connections,
            keep_alive_ms: self.keep_alive_ms,
            request_ms: self.request_ms,
            stalled_ms: self.stalled_ms,
            progress_bytes: self.progress_bytes,
            send_buffer_bytes: self.send_buffer_bytes,
            buffered_bytes: self.buffered_bytes,
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            bind: "127.0.0.1:7878".to_owned(),
            workers: 0,
            connections: 10_000,
            keep_alive_ms: 5_000,
            request_ms: 5_000,
            stalled_ms: 30_000,
            progress_bytes: 16 * 1024,
            send_buffer_bytes: 128 * 1024,
            buffered_bytes: 256 * 1024 * 1024,
            drain_ms: 10_000,
            static_cache_control: "no-cache".to_owned(),
            version_headers: false,
        }
    }
}

impl Default for Dev {
    fn default() -> Self {
        Self {
            bind: "127.0.0.1:7878".to_owned(),
            hosts: Vec::new(),
            editor: "vscode".to_owned(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "warn".to_owned(),
            format: LogFormat::default(),
            spans: false,
            queue_bytes: 1024 * 1024,
        }
    }
}

impl Default for Files {
    fn default() -> Self {
        let Rules {
            include,
            exclude,
            extensions,
            links,
            ..
        } = Rules::default();
        Self {
            include,
            exclude,
            extensions: extensions.unwrap_or_else(|| vec!["*".to_owned()]),
            links,
            watch_by: WatchBy::default(),
        }
    }
}

impl Default for Supervision {
    fn default() -> Self {
        Self {
            watcher: ActorKind::Watcher.default_policy(),
            compiler: ActorKind::Compiler.default_policy(),
            graph: ActorKind::Graph.default_policy(),
            registry: ActorKind::Registry.default_policy(),
            renderer: ActorKind::Renderer.default_policy(),
            engine: ActorKind::Engine.default_policy(),
        }
    }
}

impl Default for Templates {
    fn default() -> Self {
        Self {
            directory: "templates".to_owned(),
            plain: false,
            watch: true,
            on_failure: OnFailure::default(),
            fallback: String::new(),
            missing: Missing::default(),
            formatters: Vec::new(),
        }
    }
}
