//! The configuration of the command, and of any program that wants the same: `hotplate.toml`, the environment and flags.
//!
//! The sources have this order, and each overrides the ones before it: defaults, the file, variables such as
//! `HOTPLATE_LIMITS__RENDER_MS=500`, flags. The configuration is read strictly and as a whole: one unknown key or invalid value
//! rejects all of it. The error shows the place, the nearest known key and what to write instead. [`sample`] returns every setting
//! with its default and its description.
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
//! let refused = Sources::new().file(&file).read().expect_err("the key does not exist");
//! assert!(refused.to_string().contains("write `render_ms = 2000`"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod keys;
mod sources;
mod file;
mod validate;
mod quantity;
mod suggestion;
mod consistency;
mod folders;
mod finding;
mod change;
mod sample;

use std::path::Path;

use hotplate_actors::dialect::Missing;
use hotplate_actors::judge::{JudgeSettings, Plan, Requirements, Step};
use hotplate_actors::stages::ShadowSettings;
use hotplate_actors::{
    ActorKind, AuditOptions, Builder, ContractPolicy, Limits, Links, OnFailure, Policy, Rules, StoreOptions, WatchBy,
};
use serde::{Deserialize, Serialize};

use crate::scope::ScopeOptions;
use crate::source_url::SourceUrl;
use crate::{ConnectionLimits, LiveLimits};
use folders::FolderDialects;

pub use change::{Change, Changes};
pub use finding::{ConfigError, Finding};
pub use keys::{Key, Kind, Unit, Value, keys};
pub use sample::sample;
pub use sources::{Origin, Settings, Sources};

/// Every setting. [`Default`] has the default of each.
///
/// Its serialized form contains secrets, and deserializing it checks no bounds. To read a configuration, use [`Sources`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Config {
    /// The server of `hotplate serve`.
    pub server: Server,
    /// The server of `hotplate dev`.
    pub dev: Dev,
    /// The admin listener.
    pub admin: Admin,
    /// The render endpoint.
    pub render: Render,
    /// The log on stderr.
    pub log: Log,
    /// The templates, and the answers when one of them fails.
    pub templates: Templates,
    /// The contract between templates and data.
    pub contract: Contract,
    /// The files that are templates, and how changes of them are detected.
    pub files: Files,
    /// The store of published versions.
    pub store: Store,
    /// The audit log.
    pub audit: Audit,
    /// The choice of the scope of a request.
    pub scopes: ScopeOptions,
    /// The thresholds by which a canary is judged.
    pub judge: JudgeSettings,
    /// The promotion of a canary.
    pub promotion: Promotion,
    /// The renders of requests of stable by canary as well.
    pub shadow: ShadowSettings,
    /// The limits of the engine.
    pub limits: Limits,
    /// The limits of live reload, which are in the section `limits` too.
    pub live: LiveLimits,
    /// The restart policies.
    pub supervision: Supervision,
}

/// The server of `hotplate serve`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Server {
    /// The address that it listens on.
    pub bind: String,
    /// Threads that answer requests. 0 is one per processor.
    pub workers: usize,
    /// The time and memory that connections may use. `connections` is the limit of each worker.
    #[serde(flatten)]
    pub connection: ConnectionLimits,
    /// Time that requests under way may take once the server is asked to stop, in milliseconds.
    pub drain_ms: u64,
    /// `Cache-Control` of static files; empty sends none.
    pub static_cache_control: String,
    /// True if pages have headers with their version and their freshness.
    pub version_headers: bool,
    /// The beginnings of the paths whose pages form flows: a visitor stays on the version in which the flow began.
    pub pin_paths: Vec<String>,
    /// The file of the secret key that signs the cookies of such flows.
    pub pin_key_file: String,
    /// Time for which a browser keeps such a cookie, in seconds.
    pub pin_seconds: u32,
}

/// The server of `hotplate dev`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Dev {
    /// The address that it listens on.
    pub bind: String,
    /// Host names that browsers may use for it, besides `localhost` and IP addresses.
    pub hosts: Vec<String>,
    /// The editor that links in the browser open.
    pub editor: String,
    /// True if the overlay with the errors of a page opens by itself.
    pub overlay: bool,
}

/// The admin listener.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Admin {
    /// The address that it listens on; empty disables it.
    pub bind: String,
    /// The bearer token that clients must send; empty requires none.
    pub token: String,
    /// A file with the token; empty is none.
    pub token_file: String,
    /// The secret of the senders of webhooks; empty disables webhooks.
    pub hook_secret: String,
    /// A file with that secret; empty is none.
    pub hook_secret_file: String,
    /// Host names that clients may use for a listener on a loopback address.
    pub hosts: Vec<String>,
    /// People and programs with tokens of their own, each as `name = …; token_hash = …; tenants = …; may = …`.
    pub subject: Vec<String>,
    /// The limits of the listener.
    #[cfg(feature = "admin")]
    pub limits: crate::admin::AdminLimits,
}

/// The render endpoint, for services in other languages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Render {
    /// The address that it listens on, or `unix:` and the path of a socket; empty disables it.
    pub bind: String,
    /// The bearer token that callers must send; empty requires none.
    pub token: String,
    /// A file with the token; empty is none.
    pub token_file: String,
    /// Host names that callers may use for a listener on a loopback address.
    pub hosts: Vec<String>,
    /// The limits of the listener.
    #[cfg(feature = "sidecar")]
    #[serde(flatten)]
    pub limits: crate::sidecar::SidecarLimits,
}

/// The log on stderr.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Log {
    /// The levels that are logged, in the syntax of `RUST_LOG`.
    pub level: String,
    /// The format.
    pub format: LogFormat,
    /// True if the end of each span is logged.
    pub spans: bool,
    /// Bytes of the log, and as many of stdout, that wait for a slow reader. Further lines are dropped and counted.
    pub queue_bytes: usize,
}

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Human,
    /// One JSON object on each line.
    Json,
}

/// The templates, and the answers when one of them fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Templates {
    /// Their directory, relative to the directory of a site.
    pub directory: String,
    /// True if the directory itself is the folder of templates, without data and static files.
    pub plain: bool,
    /// True if the files are watched for changes.
    pub watch: bool,
    /// The answer to a render that fails.
    pub on_failure: OnFailure,
    /// The page that is shown instead of one without a good version; empty is the fallback page of the site.
    pub fallback: String,
    /// The meaning of a path that does not exist in the data.
    pub missing: Missing,
    /// The language of the templates.
    pub dialect: TemplateDialect,
    /// The languages of folders that differ from `dialect`, each as `folder/ = language`.
    pub dialects: Vec<String>,
    /// Sources of templates besides the directory, by URL.
    pub sources: Vec<String>,
    /// Names of formatters that another program provides.
    pub formatters: Vec<String>,
    /// Names of templates without which a server does not start.
    pub required_at_start: Vec<String>,
}

/// The contract between templates and data. The schemas and samples are files of the site.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Contract {
    /// The treatment of a page that breaks its contract.
    pub policy: ContractPolicy,
    /// Names of templates that have to exist.
    pub required: Vec<String>,
}

/// The language of the templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TemplateDialect {
    /// The language of the crate `tinytemplate`; with the feature `jinja`, files that end in `.j2`, `.jinja` or `.jinja2` are written in
    /// Jinja.
    #[default]
    Tiny,
    /// Jinja, whatever the extension of a file is.
    #[cfg(feature = "jinja")]
    Jinja,
}

/// The files that are templates, and how changes of them are detected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Files {
    /// Patterns of the files to use; empty is all.
    pub include: Vec<String>,
    /// Patterns of the files to ignore.
    pub exclude: Vec<String>,
    /// Extensions of the files to use; `*` is all.
    pub extensions: Vec<String>,
    /// The symbolic links that are followed.
    pub links: Links,
    /// The method by which changes are detected.
    pub watch_by: WatchBy,
}

impl Files {
    /// Returns the rules that select the files.
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

/// The store of published versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Store {
    /// The directory; empty is none.
    pub dir: String,
    /// The number of versions that are kept.
    pub keep: usize,
}

/// The audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Audit {
    /// The directory; empty is none.
    pub dir: String,
    /// The size of a file at which the next one begins, in bytes.
    pub file_bytes: u64,
    /// The number of files that are kept.
    pub files: usize,
    /// True if records have the commit of the site's work tree.
    pub git: bool,
    /// The file of the private key with which records are signed; empty signs none.
    pub key: String,
}

/// The promotion of a canary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Promotion {
    /// The number of 10,000 buckets that get canary in each step.
    pub steps: Vec<String>,
    /// The time that each step lasts at least, in milliseconds.
    pub bake_ms: u64,
    /// True if steps begin by themselves.
    pub automatic: bool,
    /// The number of renders without which a canary gets no more visitors.
    pub renders_min: u64,
    /// The share of renders that have to be good, in parts per million.
    pub good_ppm: u32,
    /// The largest p99, in per cent of the p99 of stable.
    pub p99_percent: u32,
}

impl Promotion {
    /// Returns the plan by which a canary is promoted.
    ///
    /// # Errors
    /// A text that says what is wrong with the steps.
    pub fn plan(&self) -> Result<Plan, String> {
        let step = |text: &String| match text.trim().parse() {
            Ok(buckets) => Ok(Step {
                buckets,
                bake_ms: self.bake_ms,
            }),
            Err(_) => Err(format!("`{}` is not a number of buckets", text.escape_debug())),
        };
        let steps = self.steps.iter().map(step).collect::<Result<_, _>>()?;
        let mut plan = Plan::new(steps).map_err(|error| error.to_string())?;
        plan.is_automatic = self.automatic;
        plan.requirements = Requirements {
            renders: self.renders_min,
            good_ppm: self.good_ppm,
            p99_percent: self.p99_percent,
        };
        Ok(plan)
    }
}

/// The restart policy of each actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the policy of the actor of that name")]
pub struct Supervision {
    pub watcher: Policy,
    pub compiler: Policy,
    pub graph: Policy,
    pub registry: Policy,
    pub renderer: Policy,
    pub store: Policy,
    /// The policy for the whole engine, which applies once an actor has reached its restart limit.
    pub engine: Policy,
}

impl Supervision {
    /// Returns each policy with its actor.
    pub fn policies(&self) -> impl Iterator<Item = (ActorKind, &Policy)> {
        let Self {
            watcher,
            compiler,
            graph,
            registry,
            renderer,
            store,
            engine,
        } = self;
        let all = [
            (ActorKind::Watcher, watcher),
            (ActorKind::Compiler, compiler),
            (ActorKind::Graph, graph),
            (ActorKind::Registry, registry),
            (ActorKind::Renderer, renderer),
            (ActorKind::Store, store),
            (ActorKind::Engine, engine),
        ];
        all.into_iter()
    }
}

impl Config {
    /// Applies the settings of the engine to a builder.
    pub fn apply(&self, builder: Builder) -> Builder {
        let Templates {
            watch,
            on_failure,
            fallback,
            missing,
            dialect,
            dialects,
            sources,
            formatters,
            ..
        } = &self.templates;
        // Those that are wrong are refused with the configuration.
        let sources = sources.iter().filter_map(|source| SourceUrl::parse(source).ok());
        let builder = sources.fold(builder, |builder, source| source.add_to(builder));
        let builder = builder
            .limits(self.limits.clone())
            .on_failure(*on_failure)
            .watch(*watch)
            .contract_policy(self.contract.policy)
            .required(&self.contract.required)
            .formatter_stubs(formatters);
        let builder = match missing {
            Missing::Error => builder,
            Missing::Lenient => builder.lenient(),
        };
        let builder = match dialect {
            TemplateDialect::Tiny => builder,
            #[cfg(feature = "jinja")]
            TemplateDialect::Jinja => builder.jinja(),
        };
        let builder = match dialects.as_slice() {
            [] => builder,
            folders => {
                let folders = FolderDialects::of(folders);
                // Both languages are bounded, so short renders may still run in the thread of the caller.
                builder.data_dialect_for(move |name| folders.dialect(name))
            }
        };
        match fallback.as_str() {
            "" => builder,
            fallback => builder.fallback(fallback),
        }
    }
}

impl Config {
    /// Applies the settings of an engine that serves a site: what it keeps on disk, as far as directories are set, and the templates without
    /// which it does not start. Commands that publish nothing do not call this.
    pub fn apply_serving(&self, builder: Builder, site: &Path) -> Builder {
        let builder = builder
            .required_at_start(&self.templates.required_at_start)
            .judge(self.judge.clone())
            // The steps were checked when the settings were read.
            .rollout(self.promotion.plan().unwrap_or_default())
            .canary_buckets(self.scopes.canary_buckets)
            .shadow(self.shadow.clone());
        let Store { dir, keep } = &self.store;
        let builder = match dir.as_str() {
            "" => builder,
            dir => builder.store(StoreOptions::new(dir).keep(*keep)),
        };
        let Audit {
            dir,
            file_bytes,
            files,
            git,
            key,
        } = &self.audit;
        let options = AuditOptions::new(dir).file_bytes(*file_bytes).files(*files);
        let options = match key.as_str() {
            "" => options,
            key => options.key(key),
        };
        match (dir.as_str(), git) {
            ("", _) => builder,
            (_, false) => builder.audit(options),
            (_, true) => builder.audit(options.work_tree(site)),
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            dir: String::new(),
            keep: StoreOptions::new("").keep,
        }
    }
}

impl Default for Audit {
    fn default() -> Self {
        let AuditOptions { file_bytes, files, .. } = AuditOptions::new("");
        Self {
            dir: String::new(),
            file_bytes,
            files,
            git: false,
            key: String::new(),
        }
    }
}

impl Default for Promotion {
    fn default() -> Self {
        let plan = Plan::default();
        let Requirements {
            renders,
            good_ppm,
            p99_percent,
        } = plan.requirements;
        Self {
            steps: plan.steps().iter().map(|step| step.buckets.to_string()).collect(),
            bake_ms: plan.steps().first().map_or(0, |step| step.bake_ms),
            automatic: plan.is_automatic,
            renders_min: renders,
            good_ppm,
            p99_percent,
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            bind: "127.0.0.1:7878".to_owned(),
            workers: 0,
            connection: ConnectionLimits::default(),
            drain_ms: 10_000,
            static_cache_control: "no-cache".to_owned(),
            pin_paths: Vec::new(),
            pin_key_file: String::new(),
            pin_seconds: 3_600,
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
            overlay: true,
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
            store: ActorKind::Store.default_policy(),
            engine: ActorKind::Engine.default_policy(),
        }
    }
}

impl Default for Templates {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            directory: "templates".to_owned(),
            plain: false,
            watch: true,
            on_failure: OnFailure::default(),
            fallback: String::new(),
            missing: Missing::default(),
            dialect: TemplateDialect::default(),
            dialects: Vec::new(),
            formatters: Vec::new(),
            required_at_start: Vec::new(),
        }
    }
}
