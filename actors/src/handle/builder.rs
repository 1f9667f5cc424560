//! [`Builder`]: the configuration of an engine.

mod directories;
mod stages;
mod loaders;
#[cfg(feature = "jinja")]
mod jinja;
mod scopes;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use serde::Serialize;

use super::Hotplate;
use crate::audit::AuditOptions;
use crate::contract::{Contract, ContractPolicy};
use crate::dialect::tiny::{Tiny, formatters};
use crate::dialect::{Dialect, Formatter, FormatterError, Formatters, Missing, Output};
use crate::engine::{Companions, Dialects, Engine, Entries, StartError, StartPlan};
use crate::fault_log::Wording;
use crate::limits::Limits;
use crate::loader::WatchBy;
use crate::policies::{ActorKind, Policies};
use crate::protocol::render::OnFailure;
use crate::reader::StandIn;
use crate::samples::{SampleSource, Samples};
use crate::snapshot::scopes::ExportedNames;
use crate::stages::StageSettings;
use crate::store::StoreOptions;
use crate::supervision::Policy;
use crate::template::{NameError, TemplateName};
use crate::value::Value;

use loaders::LoaderSpec;

/// The configuration of an engine, which [`Builder::start`] checks and starts.
#[must_use]
pub struct Builder {
    loaders: Vec<LoaderSpec>,
    dialects: Dialects,
    formatters: Formatters,
    stubs: Vec<String>,
    companions: Companions,
    exported: ExportedNames,
    entries: Entries,
    samples: Samples,
    contract: Contract,
    limits: Limits,
    on_failure: OnFailure,
    stand_in: Option<(String, bool)>,
    watch: bool,
    watch_by: WatchBy,
    policies: Policies,
    foreign: bool,
    wording: Wording,
    progress: Option<Arc<AtomicUsize>>,
    store: Option<StoreOptions>,
    audit: Option<AuditOptions>,
    /// The first filter, test, function or global that no template could use, with the reason.
    #[cfg(feature = "jinja")]
    extension_fault: Option<(String, String)>,
    required_at_start: Vec<String>,
    stages: StageSettings,
    /// The first thing that cannot be used of what the contract was given.
    invalid: Option<StartError>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            loaders: Vec::new(),
            dialects: Dialects {
                default: Arc::new(Tiny),
                choose: Arc::new(|_| None),
                of_sources: Vec::new(),
                by_extension: true,
                missing: Missing::Error,
                #[cfg(feature = "jinja")]
                extensions: Arc::default(),
            },
            formatters: formatters::standard(),
            stubs: Vec::new(),
            companions: Companions::default(),
            exported: ExportedNames::default(),
            entries: Entries::default(),
            samples: Samples::default(),
            contract: Contract::default(),
            limits: Limits::default(),
            on_failure: OnFailure::default(),
            stand_in: None,
            watch: true,
            watch_by: WatchBy::default(),
            policies: Policies::default(),
            foreign: false,
            wording: Wording::default(),
            progress: None,
            store: None,
            audit: None,
            #[cfg(feature = "jinja")]
            extension_fault: None,
            required_at_start: Vec::new(),
            stages: StageSettings::default(),
            invalid: None,
        }
    }

    /// Sets the language of all templates for which [`Builder::dialect_for`] chooses none. Without this, it is [`Tiny`], and with the feature
    /// `jinja` that of Jinja for names that end in `.j2`, `.jinja` or `.jinja2`.
    pub fn dialect(mut self, dialect: impl Dialect) -> Self {
        self.dialects.default = Arc::new(dialect);
        self.dialects.by_extension = false;
        self.foreign = true;
        self
    }

    /// Sets the language of Jinja for all templates for which [`Builder::dialect_for`] chooses none, whatever their extension is.
    ///
    /// ```
    /// use hotplate_actors::{Hotplate, MemoryLoader};
    ///
    /// let hello = MemoryLoader::of([("hello.html", "Hello {{ name|default('you') }}!")])?;
    /// let hotplate = Hotplate::builder().loader(hello).jinja().start()?;
    /// let context = std::collections::BTreeMap::from([("name", "<World>")]);
    /// assert_eq!(hotplate.render("hello.html", &context)?.body, "Hello &lt;World&gt;!");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "jinja")]
    pub fn jinja(mut self) -> Self {
        self.dialects.default = Arc::new(crate::dialect::jinja::Jinja);
        self
    }

    /// Sets the language of some templates by name; `None` leaves the default. If this is called several times, the first function that
    /// returns a language decides.
    pub fn dialect_for(
        mut self,
        choose: impl Fn(&TemplateName) -> Option<Arc<dyn Dialect>> + Send + Sync + 'static,
    ) -> Self {
        self.foreign = true;
        self.data_dialect_for(choose)
    }

    /// Sets the language of data files as [`Builder::dialect_for`] does. Their units are never rendered, so short renders of templates may
    /// still run in the thread of the caller.
    #[doc(hidden)]
    pub fn data_dialect_for(
        mut self,
        choose: impl Fn(&TemplateName) -> Option<Arc<dyn Dialect>> + Send + Sync + 'static,
    ) -> Self {
        let before = self.dialects.choose;
        self.dialects.choose = Arc::new(move |name| before(name).or_else(|| choose(name)));
        self
    }

    /// Allows paths that do not exist in the data, in every template: such a path prints nothing, is false and has no items. Without this
    /// setting it is an error that names the path. [`Mount::lenient`](crate::Mount::lenient) does it for one directory,
    /// [`RenderOptions::missing`](crate::RenderOptions) for one render.
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

    /// Adds a formatter, or replaces a built-in one. In Jinja it is a filter without arguments, unless the language or the program has
    /// one of that name. The [default dialect](Builder::dialect) must be able to write its name: a word
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

    /// Adds stubs, which print the value unchanged, for formatters of another program. So this program can check and show templates of that
    /// program. A real formatter with the same name takes precedence, whether it is registered before or after. In Jinja a stub takes any
    /// arguments, and a real filter takes precedence as well.
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

    /// Returns the names of formatter stubs, which print the value unchanged.
    pub fn stubs(&self) -> impl Iterator<Item = &str> {
        let stubs = self.stubs.iter().map(String::as_str);
        stubs.filter(|name| self.formatters.get(name).is_none())
    }

    /// Names the data files of a template, which it does not call: they are published together with it, and stay with its last good version.
    /// If this is called several times, the names of all functions count.
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

    /// Selects the templates that visitors request; the default is all. While each of them is broken, the engine is not
    /// [ready](crate::Health::ready). The log counts only these when it reports the effect on visitors.
    pub fn entries(mut self, is_entry: impl Fn(&TemplateName) -> bool + Send + Sync + 'static) -> Self {
        let is_entry = Arc::new(is_entry);
        self.wording.is_page = Some(Arc::clone(&is_entry) as _);
        self.entries = Entries::new(move |name| is_entry(name));
        self
    }

    /// Adds a sample of the context of an entry, with which [previews](Hotplate::preview) and contracts render it. A later sample replaces an
    /// earlier one. The start fails if the name is not valid for a template, or if the data does not serialize to JSON.
    ///
    /// ```
    /// use hotplate_actors::Hotplate;
    ///
    /// let builder = Hotplate::builder().sample("hello.html", &serde_json::json!({ "name": "World" }));
    /// ```
    pub fn sample<T: Serialize + ?Sized>(mut self, entry: &str, sample: &T) -> Self {
        if let Some(entry) = self.entry(entry) {
            match serde_json::to_value(sample) {
                Ok(sample) => self.samples.register(entry, sample),
                Err(error) => {
                    let name = entry.to_string();
                    self.invalid.get_or_insert(StartError::Sample { name, error });
                }
            }
        }
        self
    }

    /// Adds a source of samples for entries that have no [sample](Builder::sample) in code.
    pub fn samples(mut self, source: impl SampleSource) -> Self {
        self.samples.add(source);
        self
    }

    /// Adds templates that have to exist. If one of them does not, a batch is refused, also the first one, unless the
    /// [policy](Builder::contract_policy) is to warn. The start fails if a name is not valid for a template.
    pub fn required<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        for name in names {
            if let Some(name) = self.entry(name.as_ref()) {
                self.contract.require(name);
            }
        }
        self
    }

    /// Returns the name of an entry of the contract, and remembers the first one that is not valid.
    fn entry(&mut self, name: &str) -> Option<TemplateName> {
        match TemplateName::new(name) {
            Ok(entry) => Some(entry),
            Err(error) => {
                let name = name.to_owned();
                self.invalid.get_or_insert(StartError::Name { name, error });
                None
            }
        }
    }

    /// Sets the JSON Schema of the context of an entry. The entry, and the templates that it calls, may read only what the schema has: an edit
    /// that reads another field is treated by the [policy](Builder::contract_policy). References to other documents are never fetched.
    ///
    /// ```
    /// use hotplate_actors::{Hotplate, MemoryLoader};
    ///
    /// let schema = serde_json::json!({ "type": "object", "properties": { "name": { "type": "string" } } });
    /// let hello = MemoryLoader::of([("hello.html", "Hello {nmae}!")])?;
    /// let hotplate = Hotplate::builder().loader(hello).schema("hello.html", schema).start()?;
    /// assert_eq!(hotplate.diagnostics()[0].help.as_deref(), Some("did you mean `name`?"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn schema(mut self, entry: &str, schema: serde_json::Value) -> Self {
        if let Some(entry) = self.entry(entry) {
            self.contract.schema(entry, schema);
        }
        self
    }

    /// Sets the schema of the context of an entry to that of the type with which the program renders it.
    ///
    /// ```
    /// use hotplate_actors::{Hotplate, MemoryLoader};
    ///
    /// #[derive(serde::Serialize, schemars::JsonSchema)]
    /// struct Page { name: String }
    ///
    /// let hello = MemoryLoader::of([("hello.html", "Hello {nmae}!")])?;
    /// let hotplate = Hotplate::builder().loader(hello).contract::<Page>("hello.html").start()?;
    /// assert_eq!(hotplate.diagnostics()[0].code, "contract-missing-field");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "contract")]
    pub fn contract<T: schemars::JsonSchema>(self, entry: &str) -> Self {
        let generator = schemars::generate::SchemaSettings::draft2020_12()
            .for_serialize()
            .into_generator();
        let schema = generator.into_root_schema_for::<T>();
        self.schema(entry, schema.into())
    }

    /// Sets the names of the texts that may be the schema of an entry; the last one that exists counts. `is_text` returns true for the name of
    /// any schema or sample.
    #[doc(hidden)]
    pub fn contract_texts(
        mut self,
        schemas: impl Fn(&TemplateName) -> Vec<TemplateName> + Send + Sync + 'static,
        is_text: impl Fn(&TemplateName) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.contract.schema_names(schemas);
        self.contract.contract_texts(is_text);
        self
    }

    /// Sets the treatment of entries that break their contract. The default is [`ContractPolicy::RefuseEntry`].
    pub fn contract_policy(mut self, policy: ContractPolicy) -> Self {
        self.contract.set_policy(policy);
        self
    }

    /// Refuses no batch because of its contract, so that a check finds all violations at once.
    #[doc(hidden)]
    pub fn contract_only_reports(mut self) -> Self {
        self.contract.only_report();
        self
    }

    /// Sets the treatment of some entries by name, such as those of one root; `None` leaves the [policy](Builder::contract_policy) of all. If
    /// this is called several times, the first function that returns a policy decides.
    pub fn contract_policy_for(
        mut self,
        choose: impl Fn(&TemplateName) -> Option<ContractPolicy> + Send + Sync + 'static,
    ) -> Self {
        self.contract.choose_policy(choose);
        self
    }

    /// Sets the limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the answer to a render that fails.
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// Sets the template that stands in for an entry without a good version. Its context is `{name, version, status}`. It must exist in the
    /// first version, or [`start`](Builder::start) fails. It is used only for entries that escape in the same way: `down.html` for HTML.
    pub fn fallback(mut self, template: &str) -> Self {
        self.stand_in = Some((template.to_owned(), false));
        self
    }

    /// Works like [`fallback`](Builder::fallback) for a template that need not exist: it is used while it exists.
    pub fn optional_fallback(mut self, template: &str) -> Self {
        self.stand_in = Some((template.to_owned(), true));
        self
    }

    /// Sets the name that the log uses for a template, if its file has another name.
    pub fn shown(mut self, shown: impl Fn(&TemplateName) -> TemplateName + Send + Sync + 'static) -> Self {
        self.wording.shown = Some(Arc::new(shown));
        self
    }

    /// Logs new versions at `DEBUG`, for an engine that a library uses internally.
    pub fn quiet(mut self) -> Self {
        self.wording.quiet = true;
        self
    }

    /// Adds one to `counter` for each text that was compiled or found in the cache, so that a program can show the progress of a long start.
    pub fn count_compiled(mut self, counter: Arc<AtomicUsize>) -> Self {
        self.progress = Some(counter);
        self
    }

    /// Sets whether to watch for changes. Without watching, only `reload` finds them. The default is true.
    pub fn watch(mut self, watch: bool) -> Self {
        self.watch = watch;
        self
    }

    /// Stores published versions in a directory, and serves the last one at the next start: at once, whatever the loaders find, which becomes
    /// the version after it. A loader that cannot be loaded then does not prevent the start; [`Health`](crate::Health) names it.
    ///
    /// Several processes may share a directory if they load from the same sources. See [`store`](crate::store).
    ///
    /// ```
    /// use hotplate_actors::{Hotplate, StoreOptions};
    ///
    /// let directory = tempfile::tempdir()?;
    /// let (site, store) = (directory.path().join("site"), directory.path().join("store"));
    /// std::fs::create_dir(&site)?;
    /// std::fs::write(site.join("hello.html"), "Hello {name}!")?;
    /// let builder = || Hotplate::builder().root(&site).store(StoreOptions::new(&store));
    /// let hotplate = builder().start()?;
    /// # actix::System::new().block_on(hotplate.shutdown(std::time::Duration::from_secs(60)));
    /// # drop(hotplate);
    ///
    /// std::fs::remove_dir_all(&site)?;
    /// let hotplate = builder().start()?;
    /// assert_eq!(hotplate.render("hello.html", &serde_json::json!({ "name": "you" }))?.body, "Hello you!");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn store(mut self, options: StoreOptions) -> Self {
        self.store = Some(options);
        self
    }

    /// Writes an audit log into a directory: a record of each change of what is served, and of each refusal. See [`audit`](crate::audit).
    ///
    /// ```
    /// use hotplate_actors::{AuditOptions, Hotplate, MemoryLoader, audit};
    ///
    /// let directory = tempfile::tempdir()?;
    /// let log = directory.path().join("audit");
    /// let hello = MemoryLoader::of([("hello.html", "Hello!")])?;
    /// let hotplate = Hotplate::builder().loader(hello).audit(AuditOptions::new(&log)).start()?;
    /// # actix::System::new().block_on(hotplate.shutdown(std::time::Duration::from_secs(60)));
    /// # drop(hotplate);
    /// assert_eq!(audit::verify(&log)?.lines, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn audit(mut self, options: AuditOptions) -> Self {
        self.audit = Some(options);
        self
    }

    /// Names templates without which the engine does not start: if one of them does not exist or is broken, and no stored version has it
    /// either, [`start`](Builder::start) fails. Without this, broken templates do not prevent the start.
    ///
    /// ```
    /// use hotplate_actors::{Hotplate, MemoryLoader, StartError};
    ///
    /// let broken = MemoryLoader::of([("index.html", "{{ if }}")])?;
    /// let started = Hotplate::builder().loader(broken).required_at_start(["index.html"]).start();
    /// assert!(matches!(started, Err(StartError::Required { .. })));
    /// # Ok::<(), hotplate_actors::NameError>(())
    /// ```
    pub fn required_at_start<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.required_at_start.extend(names.into_iter().map(Into::into));
        self
    }

    /// Sets the restart policy of an actor, instead of its [default](ActorKind::default_policy).
    ///
    /// ```
    /// use hotplate_actors::{ActorKind, Hotplate, Policy};
    ///
    /// let more_restarts = Policy { restarts: 100, ..ActorKind::Watcher.default_policy() };
    /// let builder = Hotplate::builder().policy(ActorKind::Watcher, more_restarts);
    /// ```
    pub fn policy(mut self, actor: ActorKind, policy: Policy) -> Self {
        self.policies.set(actor, policy);
        self
    }

    /// Starts the engine, and waits until the first version is published. Broken templates do not prevent the start.
    ///
    /// # Errors
    /// [`StartError`] names the setting or the failure.
    #[cfg_attr(
        not(feature = "jinja"),
        expect(unused_mut, reason = "only the dialect `jinja` has extensions")
    )]
    pub fn start(mut self) -> Result<Hotplate, StartError> {
        #[cfg(feature = "jinja")]
        self.check_extensions()?;
        if self.loaders.is_empty() {
            return Err(StartError::NoLoader);
        }
        if let Some(invalid) = self.invalid {
            return Err(invalid);
        }
        self.limits.check().map_err(StartError::Limits)?;
        self.policies.check().map_err(|(actor, error)| {
            let actor = actor.name();
            StartError::Policy { actor, error }
        })?;
        let roots: Vec<_> = loaders::directories(&self.loaders).collect();
        let store = self.store.iter().map(|store| ("store", &*store.directory));
        let audit = self.audit.iter().map(|audit| ("audit log", &*audit.directory));
        directories::check_apart(store.chain(audit), &roots)?;
        let loaders = loaders::in_precedence(self.loaders, &self.limits, self.watch_by);
        let mut dialects = self.dialects;
        let of_sources = loaders.iter().flat_map(|registered| registered.loader.dialects());
        dialects.of_sources = of_sources.collect();
        let foreign = self.foreign || dialects.of_sources.iter().any(|dialect| !dialect.is_bounded());
        for name in self.formatters.names() {
            let reason = dialects.default.formatter_name(name).err();
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
        let required = self.required_at_start.iter().map(|name| {
            TemplateName::new(name).map_err(|error| StartError::Name {
                name: name.clone(),
                error,
            })
        });
        let required_at_start = required.collect::<Result<Vec<_>, _>>()?;
        let mut formatters = self.formatters;
        #[cfg(feature = "jinja")]
        jinja::add_stubs(&mut dialects.extensions, &self.stubs, &formatters);
        for name in self.stubs {
            if formatters.get(&name).is_none() {
                formatters.insert(&name, formatters::stub());
            }
        }
        let plan = StartPlan {
            loaders,
            dialects,
            formatters,
            companions: self.companions,
            exported: self.exported,
            entries: self.entries,
            samples: self.samples,
            contract: self.contract,
            limits: self.limits,
            on_failure: self.on_failure,
            stand_in: StandIn { template, optional },
            watch: self.watch,
            policies: self.policies,
            foreign,
            wording: self.wording,
            progress: self.progress,
            store: self.store,
            audit: self.audit,
            required_at_start,
            stages: self.stages,
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
