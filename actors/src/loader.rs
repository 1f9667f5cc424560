//! [`Loader`]: the interface of a source of templates. Events are hints; only content decides what changed.

pub mod directory;
mod embedded;
mod memory;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::diagnostic::Diagnostic;
use crate::dialect::Dialect;
use crate::health::LoaderStatus;
use crate::template::{Source, TemplateKey};

pub use crate::protocol::load::{LoaderError, LoaderFailure};
pub use directory::rules::{Links, RuleError, Rules};
pub use directory::{DirectoryLoader, Mount, WatchBy};
pub use embedded::EmbeddedLoader;
pub use memory::{MemoryHandle, MemoryLoader};

/// The future that a [`Loader`] returns.
pub type BoxFuture<'l, T> = Pin<Box<dyn Future<Output = T> + Send + 'l>>;

/// A function that creates a loader, for the start and whenever the former one hangs or panics.
pub(crate) type LoaderFactory = Arc<dyn Fn() -> Box<dyn Loader> + Send + Sync>;

/// A loader with the function that creates another one, if there is one.
pub(crate) struct RegisteredLoader {
    pub(crate) loader: Box<dyn Loader>,
    pub(crate) factory: Option<LoaderFactory>,
}

/// A source of templates.
///
/// It has a thread of its own with a tokio runtime (current thread, timers and I/O), which also runs the tasks that it spawns. A loader
/// that only blocks implements [`BlockingLoader`] instead, which makes it a `Loader`. [`conformance`](crate::conformance) checks what is
/// promised here.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::{Arc, Mutex};
///
/// use hotplate_actors::loader::{BoxFuture, Changes, Depth, Hints, Loader, LoaderError};
/// use hotplate_actors::{conformance, Source, TemplateKey, TemplateName};
///
/// /// The tables of a service that templates are stored in. A real one would be somewhere else.
/// #[derive(Clone, Default)]
/// struct Service(Arc<Mutex<Tables>>);
///
/// #[derive(Default)]
/// struct Tables {
///     texts: BTreeMap<String, String>,
///     is_down: bool,
/// }
///
/// struct ServiceLoader {
///     service: Service,
///     /// The texts of the last sync that succeeded.
///     known: BTreeMap<String, String>,
/// }
///
/// impl Loader for ServiceLoader {
///     fn describe(&self) -> String {
///         "the templates of the service".into()
///     }
///
///     fn watch(&mut self, _hints: Hints) -> BoxFuture<'_, Result<(), LoaderError>> {
///         // A service that reports changes would be subscribed to here, in a task that calls `hints.hint()`.
///         Box::pin(async { Ok(()) })
///     }
///
///     fn sync(&mut self, depth: Depth) -> BoxFuture<'_, Result<Changes, LoaderError>> {
///         Box::pin(async move {
///             let tables = self.service.0.lock().expect("no panic");
///             if tables.is_down {
///                 return Err(LoaderError::unavailable("the service does not answer"));
///             }
///             let key = |name: &String| TemplateName::new(name).map(TemplateKey::from);
///             let complete = depth == Depth::Afresh;
///             let mut changes = Changes { complete, ..Changes::default() };
///             for (name, text) in &tables.texts {
///                 if complete || self.known.get(name) != Some(text) {
///                     let key = key(name).map_err(|error| LoaderError::new(error.to_string()))?;
///                     changes.changed.push(Source::new(key, text.as_str()));
///                 }
///             }
///             let gone = self.known.keys().filter(|name| !complete && !tables.texts.contains_key(*name));
///             changes.removed = gone.filter_map(|name| key(name).ok()).collect();
///             self.known = tables.texts.clone();
///             Ok(changes)
///         })
///     }
/// }
///
/// /// What the suite needs to do to the source.
/// impl conformance::Fixture for Service {
///     fn loader(&self) -> Box<dyn Loader> {
///         Box::new(ServiceLoader { service: self.clone(), known: BTreeMap::new() })
///     }
///     fn edit(&mut self, edits: &[(&str, Option<&str>)]) {
///         for (name, text) in edits {
///             let texts = &mut self.0.lock().expect("no panic").texts;
///             match text {
///                 Some(text) => texts.insert((*name).into(), (*text).into()),
///                 None => texts.remove(*name),
///             };
///         }
///     }
///     fn set_down(&mut self, down: bool) -> bool {
///         self.0.lock().expect("no panic").is_down = down;
///         true
///     }
///     fn gives_hints(&self) -> bool {
///         false
///     }
/// }
///
/// conformance::check(&mut Service::default());
/// ```
pub trait Loader: Send + 'static {
    /// Returns a short text for messages: what it loads, and from where. Passwords and tokens are left out.
    fn describe(&self) -> String;

    /// Returns the kind of loader in a word: `directory`, `postgres`.
    fn name(&self) -> &'static str {
        "loader"
    }

    /// Returns a text that says where its templates come from, for a store that outlives the process. By default it is that of
    /// [`describe`](Loader::describe).
    fn identity(&self) -> String {
        self.describe()
    }

    /// Returns the priority. Of several loaders that have a name, the one with the highest priority provides the text; of several with the
    /// same priority, the one that was added first. Asked once, before the start.
    fn priority(&self) -> i32 {
        0
    }

    /// Returns the names that it may have. Asked once, before the start, because it has to be known also while the loader is down or hangs.
    fn supports(&self) -> Supports {
        Supports::All
    }

    /// Called before the first sync, if these templates are served already, because an earlier process has stored them, or because this
    /// loader replaces one that has delivered them. A source that is missing is then an error and not an empty source.
    fn restored(&mut self, _keys: &[TemplateKey]) {}

    /// Starts to watch: from now on, a hint is given when something may have changed. Called once.
    ///
    /// # Errors
    /// [`LoaderError`] if it cannot watch. The engine does not start then, unless the source is only unavailable.
    fn watch(&mut self, hints: Hints) -> BoxFuture<'_, Result<(), LoaderError>>;

    /// Returns what differs from the result of the last `sync` that succeeded. It may report too much, never too little. A future that
    /// takes longer than the limit `sync_ms` is dropped, and everything is loaded again, by another instance if there is a
    /// [factory](crate::Builder::loader_with).
    ///
    /// # Errors
    /// [`LoaderError`] if nothing can be loaded, because the source is down for example. The previous version is still served. What was not
    /// reported because of the error is reported by the next sync that succeeds.
    fn sync(&mut self, depth: Depth) -> BoxFuture<'_, Result<Changes, LoaderError>>;

    /// Returns the languages that its sources name by [`Source::dialect`]. Called once, before the start.
    fn dialects(&self) -> Vec<Arc<dyn Dialect>> {
        Vec::new()
    }

    /// Returns how it notices changes, for health and metrics. Called after each sync.
    fn status(&self) -> LoaderStatus {
        LoaderStatus::default()
    }
}

/// A [`Loader`] whose calls block. Each has a thread of its own, so that delays nobody else. The methods are those of [`Loader`].
pub trait BlockingLoader: Send + 'static {
    /// Returns what it loads, and from where; see [`Loader::describe`].
    fn describe(&self) -> String;

    /// Returns the kind of loader in a word; see [`Loader::name`].
    fn name(&self) -> &'static str {
        "loader"
    }

    /// Returns what identifies its templates in a store; see [`Loader::identity`].
    fn identity(&self) -> String {
        self.describe()
    }

    /// Returns the priority; see [`Loader::priority`].
    fn priority(&self) -> i32 {
        0
    }

    /// Returns the names that it may have; see [`Loader::supports`].
    fn supports(&self) -> Supports {
        Supports::All
    }

    /// Notes templates that are served already; see [`Loader::restored`].
    fn restored(&mut self, _keys: &[TemplateKey]) {}

    /// Starts to watch; see [`Loader::watch`].
    ///
    /// # Errors
    /// [`LoaderError`] if it cannot watch.
    fn watch(&mut self, hints: Hints) -> Result<(), LoaderError>;

    /// Returns what differs from the last result; see [`Loader::sync`].
    ///
    /// # Errors
    /// [`LoaderError`] if nothing can be loaded.
    fn sync(&mut self, depth: Depth) -> Result<Changes, LoaderError>;

    /// Returns the languages that its sources name; see [`Loader::dialects`].
    fn dialects(&self) -> Vec<Arc<dyn Dialect>> {
        Vec::new()
    }

    /// Returns how it notices changes; see [`Loader::status`].
    fn status(&self) -> LoaderStatus {
        LoaderStatus::default()
    }
}

impl<L: BlockingLoader> Loader for L {
    fn describe(&self) -> String {
        BlockingLoader::describe(self)
    }

    fn name(&self) -> &'static str {
        BlockingLoader::name(self)
    }

    fn identity(&self) -> String {
        BlockingLoader::identity(self)
    }

    fn priority(&self) -> i32 {
        BlockingLoader::priority(self)
    }

    fn supports(&self) -> Supports {
        BlockingLoader::supports(self)
    }

    fn restored(&mut self, keys: &[TemplateKey]) {
        BlockingLoader::restored(self, keys);
    }

    fn watch(&mut self, hints: Hints) -> BoxFuture<'_, Result<(), LoaderError>> {
        Box::pin(async move { BlockingLoader::watch(self, hints) })
    }

    fn sync(&mut self, depth: Depth) -> BoxFuture<'_, Result<Changes, LoaderError>> {
        Box::pin(async move { BlockingLoader::sync(self, depth) })
    }

    fn dialects(&self) -> Vec<Arc<dyn Dialect>> {
        BlockingLoader::dialects(self)
    }

    fn status(&self) -> LoaderStatus {
        BlockingLoader::status(self)
    }
}

impl Loader for Box<dyn Loader> {
    fn describe(&self) -> String {
        (**self).describe()
    }

    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn identity(&self) -> String {
        (**self).identity()
    }

    fn priority(&self) -> i32 {
        (**self).priority()
    }

    fn supports(&self) -> Supports {
        (**self).supports()
    }

    fn restored(&mut self, keys: &[TemplateKey]) {
        (**self).restored(keys);
    }

    fn watch(&mut self, hints: Hints) -> BoxFuture<'_, Result<(), LoaderError>> {
        (**self).watch(hints)
    }

    fn sync(&mut self, depth: Depth) -> BoxFuture<'_, Result<Changes, LoaderError>> {
        (**self).sync(depth)
    }

    fn dialects(&self) -> Vec<Arc<dyn Dialect>> {
        (**self).dialects()
    }

    fn status(&self) -> LoaderStatus {
        (**self).status()
    }
}

/// The names that a loader may have.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Supports {
    /// Any name.
    #[default]
    All,
    /// Names that begin with this text, such as `mail:` or `mail/`.
    Prefix(Arc<str>),
    /// Keys for which the function returns true.
    Only(Arc<dyn Fn(&TemplateKey) -> bool + Send + Sync>),
}

impl Supports {
    /// Returns true if the loader may have a text of this key.
    #[must_use]
    pub fn has(&self, key: &TemplateKey) -> bool {
        match self {
            Self::All => true,
            Self::Prefix(prefix) => key.name.as_str().starts_with(&**prefix),
            Self::Only(is_supported) => is_supported(key),
        }
    }
}

impl std::fmt::Debug for Supports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("All"),
            Self::Prefix(prefix) => f.debug_tuple("Prefix").field(prefix).finish(),
            Self::Only(_) => f.write_str("Only(..)"),
        }
    }
}

/// The depth of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Depth {
    /// Only what hints were given for.
    Hinted,
    /// Everything, by cheap signs of a change such as time stamps.
    Everything,
    /// Everything, by every byte.
    Bytes,
    /// Everything, reported as if nothing had been reported before.
    Afresh,
}

/// The changes that a sync found.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Set if `changed` and `unreadable` are all that exists.
    pub complete: bool,
    /// Sources that are new or may have changed.
    pub changed: Vec<Source>,
    /// Sources that exist and cannot be read, with the reasons.
    pub unreadable: Vec<(TemplateKey, Arc<[Diagnostic]>)>,
    /// Sources that do not exist any more.
    pub removed: Vec<TemplateKey>,
    /// The state of the source that this is, in its own terms: a commit, an `ETag`, a revision. It appears in the health of the loader and
    /// in the cause of the change.
    pub tag: Option<Arc<str>>,
}

impl Changes {
    /// Returns true if there is nothing to report.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.complete && self.changed.is_empty() && self.unreadable.is_empty() && self.removed.is_empty()
    }

    /// Returns the keys of all texts that are new, changed or unreadable.
    pub(crate) fn present(&self) -> impl Iterator<Item = &TemplateKey> {
        let unreadable = self.unreadable.iter().map(|(key, _)| key);
        self.changed.iter().map(|source| &source.key).chain(unreadable)
    }

    /// Checks that the loader supports the names of all texts.
    ///
    /// # Errors
    /// [`LoaderError`] names the first text with another name.
    pub(crate) fn check_names(&self, supports: &Supports) -> Result<(), LoaderError> {
        match self.present().find(|key| !supports.has(key)) {
            None => Ok(()),
            Some(key) => Err(LoaderError::new(format!(
                "the loader delivers `{key}`, which is not among the names that it supports: leave it out, or correct `supports`"
            ))),
        }
    }
}

/// The receiver of hints that something may have changed. A hint is cheap and never blocks; many hints lead to one sync.
#[derive(Clone)]
pub struct Hints {
    hint: Arc<dyn Fn() + Send + Sync>,
    remind: Arc<dyn Fn() + Send + Sync>,
    over: Arc<AtomicBool>,
    /// Set when the loader that has these hints was replaced.
    replaced: Arc<AtomicBool>,
}

impl Hints {
    /// Creates a receiver that calls `hint` for each hint.
    pub fn new(hint: impl Fn() + Send + Sync + 'static) -> Self {
        let hint: Arc<dyn Fn() + Send + Sync> = Arc::new(hint);
        Self {
            remind: Arc::clone(&hint),
            hint,
            over: Arc::default(),
            replaced: Arc::default(),
        }
    }

    /// Creates a receiver that calls `hint` for each hint and `remind` for each reminder.
    pub(crate) fn with_reminders(
        hint: impl Fn() + Send + Sync + 'static,
        remind: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            remind: Arc::new(remind),
            ..Self::new(hint)
        }
    }

    /// Gives a hint: something may have changed.
    pub fn hint(&self) {
        (self.hint)();
    }

    /// Gives a reminder that something is due, maybe since an earlier hint. It leads to a sync, but nothing new has happened, so a burst of
    /// changes that are to be one batch does not last longer because of it.
    pub(crate) fn remind(&self) {
        (self.remind)();
    }

    /// Returns true if the result of a sync is not needed any more, because the engine has stopped, its start took too long, or the loader
    /// took so long that another one has replaced it. A long sync asks now and then, and stops.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed) || self.replaced.load(Ordering::Relaxed)
    }

    /// Returns the same hints for one instance of a loader, which can be replaced.
    pub(crate) fn of_instance(&self) -> Self {
        Self {
            replaced: Arc::default(),
            ..self.clone()
        }
    }

    /// Notes that the loader was replaced.
    pub(crate) fn replace(&self) {
        self.replaced.store(true, Ordering::Relaxed);
    }

    /// Notes that no result is needed any more.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Hints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hints(..)")
    }
}
