//! [`Builder`]: what an engine is made of.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::Hotplate;
use crate::dialect::tiny::{Tiny, formatters};
use crate::dialect::{Dialect, Formatter, FormatterError, Formatters, Missing, Output};
use crate::engine::{Companions, Dialects, Engine, Entries, StartError, StartPlan};
use crate::fault_log::Wording;
use crate::limits::Limits;
use crate::loader::{DirectoryLoader, Loader, Mount, Rules, WatchBy};
use crate::policies::{ActorKind, Policies};
use crate::protocol::render::OnFailure;
use crate::reader::StandIn;
use crate::supervision::Policy;
use crate::template::{NameError, TemplateName};
use crate::value::Value;

enum LoaderSpec {
    Mounts(Vec<Mount>),
    Loader(Box<dyn Loader>),
}

/// Says what an engine is made of, then starts it.
#[must_use]
pub struct Builder {
    from: Vec<LoaderSpec>,
    dialects: Dialects,
    formatters: Formatters,
    stubs: Vec<String>,
    companions: Companions,
    entries: Entries,
    limits: Limits,
    on_failure: OnFailure,
    stand_in: Option<(String, bool)>,
    watch: bool,
    watch_by: WatchBy,
    policies: Policies,
    foreign: bool,
    wording: Wording,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            from: Vec::new(),
            dialects: Dialects {
                default: Arc::new(Tiny),
                choose: Arc::new(|_| None),
                missing: Missing::Error,
            },
            formatters: formatters::standard(),
            stubs: Vec::new(),
            companions: Companions::default(),
            entries: Entries::default(),
            limits: Limits::default(),
            on_failure: OnFailure::default(),
            stand_in: None,
            watch: true,
            watch_by: WatchBy::default(),
            policies: Policies::default(),
            foreign: false,
            wording: Wording::default(),
        }
    }

    /// Loads the templates below a directory. With several roots, the first that has a name wins it.
    pub fn root(self, directory: impl Into<PathBuf>) -> Self {
        self.mounts([Mount::new("", directory)])
    }

    /// Loads what other [`Rules`] say is a template, below a directory.
    pub fn root_with(self, directory: impl Into<PathBuf>, rules: Rules) -> Self {
        self.mounts([Mount::new("", directory).rules(rules)])
    }

    /// By what directories are watched; [`WatchBy::Auto`] is right nearly always.
    pub fn watch_by(mut self, by: WatchBy) -> Self {
        self.watch_by = by;
        self
    }

    /// Loads from several directories as one set: what changes in several of them is one batch. The first must exist.
    pub fn mounts(mut self, mounts: impl IntoIterator<Item = Mount>) -> Self {
        self.from.push(LoaderSpec::Mounts(mounts.into_iter().collect()));
        self
    }

    /// Loads templates from somewhere else; in order with the roots.
    pub fn loader(mut self, loader: impl Loader) -> Self {
        self.from.push(LoaderSpec::Loader(Box::new(loader)));
        self
    }

    /// The language of the templates; [`Tiny`] unless said otherwise.
    pub fn dialect(mut self, dialect: impl Dialect) -> Self {
        self.dialects.default = Arc::new(dialect);
        self.foreign = true;
        self
    }

    /// The language of some templates, by name; `None` is the language of the others. If it is called several times, the first
    /// function that knows a name decides.
    pub fn dialect_for(
        mut self,
        choose: impl Fn(&TemplateName) -> Option<Arc<dyn Dialect>> + Send + Sync + 'static,
    ) -> Self {
        let before = self.dialects.choose;
        self.dialects.choose = Arc::new(move |name| before(name).or_else(|| choose(name)));
        self.foreign = true;
        self
    }

    /// Lets paths lead nowhere, in every template: such a path prints nothing, is false and has no items. Without this it is an error
    /// that names the path. [`Mount::lenient`] does it for one directory, [`RenderOptions::missing`](crate::RenderOptions) for one
    /// render.
    ///
    /// ```
    /// use hotplate_actors::{Hotplate, MemoryLoader};
    ///
    /// let hello = MemoryLoader::of([("hello.html", "Hello{{ if nick }} {nick}{{ endif }}!")])?;
    /// let hotplate = Hotplate::builder().loader(hello).lenient().start()?;
    /// assert_eq!(hotplate.render("hello.html", &())?.body, "Hello!");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lenient(mut self) -> Self {
        self.dialects.missing = Missing::Lenient;
        self
    }

    /// Adds a formatter, or replaces one that ships. The [default dialect](Builder::dialect) must be able to write its name: a word
    /// without spaces, brackets, quotes or `|`, or [`start`](Builder::start) refuses it.
    ///
    /// ```
    /// use hotplate_actors::{Hotplate, Value};
    ///
    /// let builder = Hotplate::builder().formatter("shout", |value, out| match value {
    ///     Value::Text(text) => out.text(&format!("{text}!")),
    ///     other => out.text(other.kind()),
    /// });
    /// ```
    pub fn formatter<F>(mut self, name: &str, format: F) -> Self
    where
        F: Fn(&Value<'_>, &mut Output<'_, '_>) -> Result<(), FormatterError> + Send + Sync + 'static,
    {
        self.formatters.insert(name, Formatter::new(format));
        self.foreign = true;
        self
    }

    /// Lets names of formatters that another program has stand for the value as it is, so that its templates can be checked and shown
    /// here. A formatter of that name that is registered, before or after, is used instead.
    ///
    /// ```
    /// use hotplate_actors::Hotplate;
    ///
    /// let builder = Hotplate::builder().formatter_stubs(["price", "upper"]);
    /// assert_eq!(builder.stubs().collect::<Vec<_>>(), ["price"]);
    /// ```
    pub fn formatter_stubs<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.stubs.extend(names.into_iter().map(Into::into));
        self
    }

    /// The names of formatters that stand for the value as it is.
    pub fn stubs(&self) -> impl Iterator<Item = &str> {
        let stubs = self.stubs.iter().map(String::as_str);
        stubs.filter(|name| self.formatters.get(name).is_none())
    }

    /// Names that travel with a template without being called, such as its data: they are published and held back with it. If it is
    /// called several times, the names of all functions do.
    pub fn companions(
        mut self,
        companions: impl Fn(&TemplateName) -> Vec<TemplateName> + Send + Sync + 'static,
    ) -> Self {
        let before = self.companions;
        self.companions = Companions::new(move |name| {
            let mut names = before.of(name);
            names.extend(companions(name));
            names
        });
        self
    }

    /// Says which templates visitors ask for; the default is all. While each of them is broken, the engine is not
    /// [ready](crate::Health::ready), and the log counts these alone where it says what visitors get.
    pub fn entries(mut self, is_entry: impl Fn(&TemplateName) -> bool + Send + Sync + 'static) -> Self {
        let is_entry = Arc::new(is_entry);
        self.wording.is_page = Some(Arc::clone(&is_entry) as _);
        self.entries = Entries::new(move |name| is_entry(name));
        self
    }

    /// The edges of everything.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What a render is answered with that fails.
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// The template that stands in for an entry without a good version. Its context is `{name, version, status}`. It must be there
    /// in the first version, or [`start`](Builder::start) refuses it; and it stands in for entries that escape as it does, so
    /// `down.html` stands in for HTML.
    pub fn fallback(mut self, template: &str) -> Self {
        self.stand_in = Some((template.to_owned(), false));
        self
    }

    /// Works like [`fallback`](Builder::fallback) for a template that need not be there: it stands in while it is.
    pub fn optional_fallback(mut self, template: &str) -> Self {
        self.stand_in = Some((template.to_owned(), true));
        self
    }

    /// What the log calls a name, where that is another than the file that it was read from.
    pub fn shown(mut self, shown: impl Fn(&TemplateName) -> TemplateName + Send + Sync + 'static) -> Self {
        self.wording.shown = Some(Arc::new(shown));
        self
    }

    /// For an engine that a library has for itself: that a version is published is logged at `DEBUG`.
    pub fn quiet(mut self) -> Self {
        self.wording.quiet = true;
        self
    }

    /// Whether to watch for changes; without, they are seen by `reload` only.
    pub fn watch(mut self, watch: bool) -> Self {
        self.watch = watch;
        self
    }

    /// How an actor that failed is started again; its [default](ActorKind::default_policy) unless said otherwise.
    ///
    /// ```
    /// use hotplate_actors::{ActorKind, Hotplate, Policy};
    ///
    /// let patient = Policy { restarts: 100, ..ActorKind::Watcher.default_policy() };
    /// let builder = Hotplate::builder().policy(ActorKind::Watcher, patient);
    /// ```
    pub fn policy(mut self, actor: ActorKind, policy: Policy) -> Self {
        self.policies.set(actor, policy);
        self
    }

    /// Starts the engine, and waits until the first version is decided. Broken templates do not keep it from starting.
    ///
    /// # Errors
    /// [`StartError`] says what is missing.
    pub fn start(self) -> Result<Hotplate, StartError> {
        if self.from.is_empty() {
            return Err(StartError::NoLoader);
        }
        self.policies.check().map_err(|(actor, error)| {
            let actor = actor.name();
            StartError::Policy { actor, error }
        })?;
        let (limits, watch_by) = (&self.limits, self.watch_by);
        let loaders = self.from.into_iter().map(|from| match from {
            LoaderSpec::Mounts(mounts) => {
                Box::new(DirectoryLoader::new(mounts, limits).watch_by(watch_by)) as Box<dyn Loader>
            }
            LoaderSpec::Loader(loader) => loader,
        });
        let loaders = loaders.collect();
        for name in self.formatters.names() {
            let reason = self.dialects.default.formatter_name(name).err();
            if let Some(reason) = reason {
                let name = name.to_owned();
                return Err(StartError::Formatter { name, reason });
            }
        }
        let (name, optional) = self.stand_in.unzip();
        let template = name.map(|name| {
            TemplateName::new(&name).map_err(|error: NameError| StartError::Fallback {
                name: name.clone(),
                reason: error.into(),
            })
        });
        let template = template.transpose()?;
        let optional = optional.unwrap_or_default();
        let mut formatters = self.formatters;
        for name in self.stubs {
            if formatters.get(&name).is_none() {
                formatters.insert(&name, formatters::stub());
            }
        }
        let plan = StartPlan {
            loaders,
            dialects: self.dialects,
            formatters,
            companions: self.companions,
            entries: self.entries,
            limits: self.limits,
            on_failure: self.on_failure,
            stand_in: StandIn { template, optional },
            watch: self.watch,
            policies: self.policies,
            foreign: self.foreign,
            wording: self.wording,
        };
        Engine::start(plan).map(|engine| Hotplate(Arc::new(engine)))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
