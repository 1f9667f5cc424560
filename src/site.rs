//! A site: a directory of templates, data and static files, and the rules by which they become pages.
//!
//! A site is a directory:
//!
//! | where | what |
//! |---|---|
//! | `templates/**` | templates. Below a folder whose name begins with `_` or is `partials` they are partials, which other templates call; all others are pages, called *entries* here |
//! | `templates/404.html` | the page for unknown paths; a built-in sentence if it does not exist, or has no good version |
//! | `templates/maintenance.html` | the stand-in for a page that has no good version yet, if it exists |
//! | `data/_all.json` | the data of every page |
//! | `data/a/b.json` | more data for `a/b.html` (and `a/b.txt`, …); `data/a/b.html.json` is merged over it for `a/b.html` alone |
//! | `samples/a/b.json` | a sample of the context of `a/b.html`, merged over its data: the page is rendered with it before it is published |
//! | `schemas/a/b.json` | the JSON Schema of the context of `a/b.html`: the page may read only what it has |
//! | `static/**` | files that are served as they are |
//! | `templates@canary/**`, `data@canary/**`, `tenants/<id>/**` | texts of a later stage or of a tenant, in place of those of the same names |
//!
//! Data is merged deeply where both sides are objects; any other value, `null` too, replaces. It is read when it changes, never in a
//! request, and data that changes together with templates is published together with them: a stale page keeps its older data as well.
//!
//! A site may be opened before its `templates/` exists. Until then it has no page.
//!
//! A directory can also be [opened as a plain folder](Site::folder) of templates. They are in the directory itself, with the same rule for
//! partials, and there is no data. Then every file with the extension of a template is a page, notes included, so a directory is a plain
//! folder only on request. [`Site::guess`] decides by the content, for commands that publish nothing.

mod data;
mod json;
mod layout;
mod merge;
mod scopes;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotplate_actors::diagnostic::Diagnostic;
use hotplate_actors::dialect::{Closure, Dialect, Unit};
#[cfg(feature = "cli")]
use hotplate_actors::loader::{BlockingLoader, Changes, Depth, DirectoryLoader, LoaderError};
use hotplate_actors::loader::{Mount, Rules};
use hotplate_actors::samples::{SampleJson, SampleSource, SampleTexts};
use hotplate_actors::snapshot::{EntryStatus, Scoped, Snapshot};
#[cfg(feature = "cli")]
use hotplate_actors::template::Layer;
use hotplate_actors::value::{Arena, ContextError, Value, build};
use hotplate_actors::{Builder, ContextSource, Hotplate, Limits, TemplateName};

#[cfg(feature = "cli")]
use crate::source_url::SourceUrl;

pub use data::{Parsed, parse};
pub use json::Json;

/// A directory: a site, or a plain folder of templates.
///
/// ```
/// use hotplate::site::{Site, SiteData};
///
/// # let directory = tempfile::tempdir()?;
/// # let root = directory.path();
/// # std::fs::create_dir_all(root.join("templates"))?;
/// # std::fs::create_dir_all(root.join("data"))?;
/// std::fs::write(root.join("templates/index.html"), "Hello {name}!")?;
/// std::fs::write(root.join("data/index.json"), r#"{"name": "site"}"#)?;
///
/// let site = Site::open(root)?;
/// let hotplate = site.builder().watch(false).start()?;
/// let page = hotplate.request("index.html").with_source(SiteData).render()?;
/// assert_eq!(page.body, "Hello site!");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Site {
    directory: PathBuf,
    layout: Layout,
    rules: Rules,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Layout {
    /// A directory with `data`, `static`, and a directory of templates, usually `templates`.
    Site { templates: PathBuf },
    /// A directory of templates and nothing else.
    Folder,
    /// The templates that a program loads, and a directory of data for them.
    #[cfg(feature = "cli")]
    Program { data: Option<PathBuf> },
    /// The templates of a source that is no directory. All but partials are pages.
    #[cfg(feature = "cli")]
    Source(Box<SourceUrl>),
}

/// The error of a directory that cannot be opened as a site.
#[derive(Debug)]
pub struct SiteError {
    directory: PathBuf,
    reason: SiteErrorReason,
}

#[derive(Debug)]
enum SiteErrorReason {
    NoDirectory,
    Unreadable(std::io::Error),
}

/// The name of the directory of templates within the directory of the site.
pub const TEMPLATES: &str = "templates";

impl Site {
    /// Opens a site. Nothing is loaded yet, and `templates/` may be created later.
    ///
    /// # Errors
    /// [`SiteError`] if there is no such directory.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, SiteError> {
        let templates = TEMPLATES.into();
        Self::of(directory.into(), Layout::Site { templates })
    }

    /// Opens a plain folder of templates. Each file that is a template and not a partial is a page.
    ///
    /// # Errors
    /// [`SiteError`] if there is no such directory.
    pub fn folder(directory: impl Into<PathBuf>) -> Result<Self, SiteError> {
        Self::of(directory.into(), Layout::Folder)
    }

    /// Opens a directory as a site or as a plain folder, by its content. It is a site if it contains `templates`, and a plain folder if it
    /// contains templates itself. A directory with neither is a site, unless it contains only folders with other names.
    ///
    /// Do not serve the result to visitors: one file in the wrong place would turn all others into pages.
    ///
    /// # Errors
    /// [`SiteError`] if there is no such directory.
    pub fn guess(directory: impl Into<PathBuf>) -> Result<Self, SiteError> {
        let site = Self::open(directory)?;
        let entries = std::fs::read_dir(&site.directory).into_iter().flatten();
        let names: Vec<PathBuf> = entries.flatten().map(|entry| entry.file_name().into()).collect();
        match layout::looks_like_a_folder(&names) {
            true => Self::folder(site.directory),
            false => Ok(site),
        }
    }

    fn of(directory: PathBuf, layout: Layout) -> Result<Self, SiteError> {
        let reason = match std::fs::metadata(&directory) {
            Ok(found) if found.is_dir() => {
                let rules = Rules::default();
                return Ok(Self {
                    directory,
                    layout,
                    rules,
                });
            }
            Ok(_) => SiteErrorReason::NoDirectory,
            Err(error) => SiteErrorReason::Unreadable(error),
        };
        Err(SiteError { directory, reason })
    }

    /// Returns a site, or a plain folder, whose directory does not exist now: a store has its templates.
    #[cfg(feature = "cli")]
    pub(crate) fn absent(directory: PathBuf, is_folder: bool) -> Self {
        let layout = match is_folder {
            true => Layout::Folder,
            false => Layout::Site {
                templates: TEMPLATES.into(),
            },
        };
        Self {
            directory,
            layout,
            rules: Rules::default(),
        }
    }

    /// Sets the directory of the templates, if it is not `templates`: a path below the directory of the site, or an absolute path. This has
    /// no effect on a plain folder.
    #[must_use]
    pub fn templates(mut self, directory: impl Into<PathBuf>) -> Self {
        if let Layout::Site { templates } = &mut self.layout {
            *templates = directory.into();
        }
        self
    }

    /// Returns true for a plain folder of templates.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        #[cfg(feature = "cli")]
        if matches!(self.layout, Layout::Source(_)) {
            return true;
        }
        self.layout == Layout::Folder
    }

    /// Returns the directory of the templates, which may not exist yet.
    #[must_use]
    pub fn template_directory(&self) -> PathBuf {
        match &self.layout {
            Layout::Site { templates } => self.directory.join(templates),
            _ => self.directory.clone(),
        }
    }

    /// Returns the place of the templates, for a sentence.
    #[cfg(feature = "cli")]
    pub(crate) fn templates_are_in(&self) -> String {
        match &self.layout {
            Layout::Program { .. } => "the program".to_owned(),
            Layout::Source(url) => format!("`{url}`"),
            Layout::Site { .. } | Layout::Folder => format!("`{}`", self.template_directory().display()),
        }
    }

    /// Returns the extensions of templates, or nothing for a program, whose loaders decide.
    #[cfg(feature = "cli")]
    pub(crate) fn extensions(&self) -> Option<&[String]> {
        match &self.layout {
            Layout::Program { .. } | Layout::Source(_) => None,
            Layout::Site { .. } | Layout::Folder => self.rules.extensions.as_deref(),
        }
    }

    /// Sets the rules by which files are templates, instead of the default rules. Data is every `.json`.
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Returns the directory as it was given.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns `static/`, if this is a site and has one.
    #[must_use]
    pub fn static_directory(&self) -> Option<PathBuf> {
        self.static_place().filter(|directory| directory.is_dir())
    }

    /// Returns the path of `static/`, whether it exists or not, if this is a site.
    pub(crate) fn static_place(&self) -> Option<PathBuf> {
        (!self.is_folder()).then(|| self.directory.join("static"))
    }

    /// Returns the rule for symbolic links, which is the same below `templates/`, `data/` and `static/`.
    #[cfg(feature = "web")]
    pub(crate) fn links(&self) -> hotplate_actors::Links {
        self.rules.links
    }

    /// Returns the file that a template or data was read from.
    #[cfg(feature = "web")]
    pub(crate) fn file(&self, name: &TemplateName) -> PathBuf {
        match layout::shown(name, "data").filter(|_| !self.is_folder()) {
            Some(data) => self.directory.join(data.as_str()),
            None => self.template_directory().join(name.as_str()),
        }
    }

    /// Returns the page that would answer a path if it existed.
    #[cfg(feature = "web")]
    pub(crate) fn page_for(path: &str) -> Option<TemplateName> {
        layout::plain_candidates(path).last()
    }

    /// Returns a builder of an engine for this site. Its loader, the dialect of its data, its companions and its fallback are set.
    pub fn builder(&self) -> Builder {
        #[cfg(feature = "cli")]
        if let Layout::Source(source) = &self.layout {
            let site = self.clone();
            let builder = source.add_to(Hotplate::builder());
            return builder.entries(move |name| site.is_entry(name));
        }
        let builder = Hotplate::builder().mounts(self.mounts());
        if self.is_folder() {
            let site = self.clone();
            return builder.entries(move |name| site.is_entry(name));
        }
        let has = |directory: &str| self.has_beside(directory);
        let builder = self.with_data_dialect(builder.optional_fallback("maintenance.html"));
        let builder = builder.samples(SiteSamples {
            are_contract: has(layout::SAMPLES),
        });
        match has(layout::SAMPLES) || has(layout::SCHEMAS) {
            true => builder.contract_texts(layout::schemas_of, layout::is_contract_text),
            false => builder,
        }
    }

    /// Reads everything of everyone once: templates, data, samples and schemas.
    ///
    /// # Errors
    /// A directory that cannot be read.
    #[cfg(feature = "cli")]
    pub(crate) fn load(&self, limits: &Limits) -> Result<Changes, LoaderError> {
        let mut changes = DirectoryLoader::new(self.mounts(), limits).sync(Depth::Afresh)?;
        changes
            .changed
            .retain(|source| source.key.layer == Layer::SHARED_STABLE);
        changes.unreadable.retain(|(key, _)| key.layer == Layer::SHARED_STABLE);
        Ok(changes)
    }

    /// Returns true if the directory of samples or of schemas exists, or may come with templates that are not there yet.
    fn has_beside(&self, directory: &str) -> bool {
        self.directory.join(directory).is_dir() || !self.template_directory().is_dir()
    }

    /// Returns the directories that are loaded. Those of samples and schemas are left out if the templates exist at the start and they do not,
    /// so they are no part of what identifies a site in a store.
    fn mounts(&self) -> Vec<Mount> {
        if self.is_folder() {
            return vec![Mount::new("", &self.directory).rules(self.rules.clone())];
        }
        let templates = Mount::new("", self.template_directory())
            .rules(self.rules.clone())
            .late();
        let mut mounts = vec![templates, self.json(layout::DATA_PREFIX, "data")];
        let others = [
            (layout::SAMPLE_PREFIX, layout::SAMPLES),
            (layout::SCHEMA_PREFIX, layout::SCHEMAS),
        ];
        let there = others.into_iter().filter(|(_, directory)| self.has_beside(directory));
        mounts.extend(there.map(|(prefix, directory)| self.json(prefix, directory).supplementary()));
        mounts.extend(self.scope_mounts());
        mounts
    }

    /// Returns a directory of JSON below that of the site.
    fn json(&self, prefix: &str, directory: &str) -> Mount {
        let rules = Rules {
            links: self.rules.links,
            ..Rules::default()
        };
        let directory = self.directory.join(directory);
        Mount::new(prefix, directory).rules(rules).extensions(["json"])
    }

    /// Makes the engine compile data with its own dialect, and publish it together with the entries that use it.
    fn with_data_dialect(&self, builder: Builder) -> Builder {
        let (site, pages, shown) = (self.clone(), self.clone(), self.clone());
        builder
            .entries(move |name| pages.is_entry(name))
            .shown(move |name| shown.shown(name))
            .data_dialect_for(|name| {
                layout::is_data(name.as_str()).then(|| Arc::new(data::DataDialect) as Arc<dyn Dialect>)
            })
            .companions(move |name| match site.is_entry(name) {
                true => layout::companions_of(name),
                false => Vec::new(),
            })
    }

    /// Creates a site of the templates of a source that is no directory.
    #[cfg(feature = "cli")]
    pub(crate) fn of_source(source: SourceUrl) -> Self {
        Self {
            directory: PathBuf::from(source.to_string()),
            layout: Layout::Source(Box::new(source)),
            rules: Rules::default(),
        }
    }

    /// Creates a site of the templates that a program loads, with a directory of data for them.
    #[cfg(feature = "cli")]
    pub(crate) fn of_program(data: Option<&Path>) -> Self {
        Self {
            directory: PathBuf::from("the program"),
            layout: Layout::Program {
                data: data.map(Path::to_owned),
            },
            rules: Rules::default(),
        }
    }

    /// Adds the directory of data, if there is one, to the engine of a program: `DIR/a/b.json` belongs to `a/b.html`, as in `data/` of
    /// a site.
    #[cfg(feature = "cli")]
    pub(crate) fn with_data(&self, engine: Builder) -> Builder {
        match &self.layout {
            Layout::Program { data: Some(directory) } => {
                let data = Mount::new(layout::DATA_PREFIX, directory).extensions(["json"]);
                self.with_data_dialect(engine.mounts([data]))
            }
            _ => engine,
        }
    }

    /// Returns the prefix of the names of templates in a sentence. It is empty for a program, whose templates may be anywhere.
    fn templates_shown(&self) -> String {
        match &self.layout {
            Layout::Site { templates } => format!("{}/", templates.display()),
            _ => String::new(),
        }
    }

    /// Returns true if a name that people know is that of a file beside the templates: of data, a sample or a schema.
    #[cfg(feature = "cli")]
    pub(crate) fn is_file_of_data(&self, shown: &str) -> bool {
        let directories = ["data", layout::SAMPLES, layout::SCHEMAS];
        let below = shown.split_once('/').map(|(directory, _)| directory);
        matches!(self.layout, Layout::Site { .. }) && below.is_some_and(|below| directories.contains(&below))
    }

    /// Returns true for the templates of a program.
    #[cfg(feature = "cli")]
    pub(crate) fn is_program(&self) -> bool {
        matches!(self.layout, Layout::Program { .. } | Layout::Source(_))
    }

    /// Returns the directory of the data as the prefix of a name: relative and with slashes, or its last component.
    fn data_shown(&self) -> String {
        match &self.layout {
            #[cfg(feature = "cli")]
            Layout::Program { data: Some(directory) } => layout::as_name(directory),
            _ => "data".to_owned(),
        }
    }

    /// Returns true for the name of a template, and false for the name of data.
    #[must_use]
    pub fn is_template(&self, name: &TemplateName) -> bool {
        self.is_folder() || !layout::is_data(name.as_str())
    }

    /// Returns true for the name of a page, which is a template that is not a partial.
    #[must_use]
    pub fn is_entry(&self, name: &TemplateName) -> bool {
        self.is_template(name) && !layout::is_partial(name.as_str())
    }

    /// Returns the entry that answers a path, if there is one: `index.html` for `/`, `a/b.html` for `/a/b`, `x/index.html` for `/x/`, and
    /// `feed.xml` for `/feed.xml`, and where there is none, with the feature `jinja`, the template in Jinja with an extension for it,
    /// such as `index.html.j2`. The path is decoded and has no query. If no entry has exactly that name, one with a canonically
    /// equivalent name (Unicode NFC or NFD) answers.
    #[must_use]
    pub fn entry_at(&self, snapshot: &Snapshot, path: &str) -> Option<TemplateName> {
        self.entry_in(snapshot.everyone(), path)
    }

    /// Works like [`entry_at`](Self::entry_at) for the entries of a scope.
    #[must_use]
    pub fn entry_in(&self, scoped: Scoped<'_>, path: &str) -> Option<TemplateName> {
        let exists = |name: &TemplateName| scoped.status_of(name.as_str()).is_some();
        let is_entry = |name: &TemplateName| self.is_entry(name) && exists(name);
        let equivalent = || layout::candidates(path).find_map(|name| scoped.equivalent(name.as_str()).filter(is_entry));
        layout::candidates(path).find(is_entry).or_else(equivalent)
    }

    /// Returns true if there is no template because their directory does not exist and never did.
    #[must_use]
    pub fn is_awaited(&self, hotplate: &Hotplate) -> bool {
        let pinned = hotplate.snapshot();
        let mut entries = pinned.snapshot().entries();
        !entries.any(|(_, name, _)| self.is_template(name))
            && hotplate
                .health()
                .loaders
                .iter()
                .any(|loader| !loader.status.missing.is_empty())
    }

    /// Returns true if an entry has data: its own, or the data of all entries.
    #[must_use]
    pub fn has_data(&self, snapshot: &Snapshot, entry: &TemplateName) -> bool {
        !self.is_folder() && layout::companions_of(entry).iter().any(|name| exists(snapshot, name))
    }

    /// Returns the names of the data that an entry may have.
    #[cfg(feature = "cli")]
    pub(crate) fn data_names(&self, entry: &TemplateName) -> Vec<TemplateName> {
        match self.is_folder() {
            true => Vec::new(),
            false => layout::companions_of(entry),
        }
    }

    /// Returns true if an entry has a sample beside its data.
    #[cfg(feature = "cli")]
    pub(crate) fn has_sample(&self, snapshot: &Snapshot, entry: &TemplateName) -> bool {
        !self.is_folder() && layout::samples_of(entry).iter().any(|name| exists(snapshot, name))
    }

    /// Returns a warning for each file of data that no entry uses, usually because its name is misspelt.
    #[must_use]
    pub fn unused_data(&self, snapshot: &Snapshot) -> Vec<Diagnostic> {
        let names = || snapshot.entries().map(|(_, name, _)| name);
        let entries = names().filter(|name| self.is_entry(name));
        let of_entry = |entry: &TemplateName| {
            let others = layout::samples_of(entry).into_iter().chain(layout::schemas_of(entry));
            layout::companions_of(entry).into_iter().chain(others)
        };
        let used: std::collections::HashSet<TemplateName> = entries.flat_map(of_entry).collect();
        let mut unused: Vec<&TemplateName> = names().filter(|name| !self.is_template(name)).collect();
        unused.retain(|name| !used.contains(*name));
        unused.sort_unstable();
        let (data, templates) = (self.data_shown(), self.templates_shown());
        let warning = |name| {
            Diagnostic::warning("unused-data", "no entry uses this data")
                .in_template(&self.shown(name))
                .help(format!("`{data}/a/b.json` belongs to `{templates}a/b.html`"))
        };
        unused.into_iter().map(warning).collect()
    }

    /// Returns a warning for each key that an object of the data contains more than once.
    #[must_use]
    pub fn data_warnings(&self, snapshot: &Snapshot) -> Vec<Diagnostic> {
        let data = snapshot.entries().filter(|(_, name, _)| !self.is_template(name));
        let members = data.filter_map(|(_, _, status)| status.closure().map(|closure| closure.top()));
        let warnings = members.flat_map(|member| {
            let warnings = member.unit.warnings().iter();
            warnings.map(|warning| warning.clone().in_template(&self.shown(&member.name)))
        });
        let mut warnings: Vec<Diagnostic> = warnings.collect();
        warnings.sort_by(|one, other| one.template.cmp(&other.template));
        warnings
    }

    /// Returns a name as people know it: for data the name of its file, for a template the name itself.
    #[must_use]
    pub fn shown(&self, name: &TemplateName) -> TemplateName {
        layout::shown(name, &self.data_shown()).unwrap_or_else(|| name.clone())
    }
}

/// Returns true if a name is served, as it is or in an older version.
fn exists(snapshot: &Snapshot, name: &TemplateName) -> bool {
    let status = snapshot.id(name.as_str()).map(|id| snapshot.status(id));
    !matches!(status, None | Some(EntryStatus::Gone))
}

/// The context of a page of a site: its data, from the same version as its template. Without data it is empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct SiteData;

impl ContextSource for SiteData {
    fn build<'a>(&self, closure: &Closure<'_>, arena: &'a Arena, limits: &Limits) -> Result<Value<'a>, ContextError> {
        build(&merge::Merged(data_layers(closure)), arena, limits)
    }
}

/// Returns the data of an entry, each to be merged over the one before.
fn data_layers<'s>(closure: &Closure<'s>) -> Vec<&'s Json> {
    let mut members: Vec<_> = closure.companions().collect();
    let entry = &closure.top().name;
    // ASCII names have one Unicode form, so nothing has to be chosen.
    if !entry.as_str().is_ascii() {
        members = layout::chosen(entry, &members, |member| member.name.clone());
    }
    members
        .into_iter()
        .filter_map(|member| value_of(&*member.unit))
        .collect()
}

/// Returns the value of a unit of data.
fn value_of(unit: &dyn Unit) -> Option<&Json> {
    let data: &data::DataUnit = unit.as_any().downcast_ref()?;
    Some(&data.value)
}

/// The samples of the pages of a site: their data, with `samples/a/b.json` merged over that of `a/b.html`.
struct SiteSamples {
    /// True if there is a directory of samples.
    are_contract: bool,
}

/// The layers of one sample, each merged over the one before.
struct SampleLayers<'s>(Vec<&'s Json>);

impl SampleSource for SiteSamples {
    fn sample<'s>(&'s self, texts: &SampleTexts<'s>) -> Option<Box<dyn ContextSource + 's>> {
        let data = data_layers(&texts.closure());
        let layers: Vec<&Json> = data.into_iter().chain(own_samples(texts)).collect();
        let sample = SampleLayers(layers);
        (!sample.0.is_empty()).then(|| Box::new(sample) as Box<dyn ContextSource>)
    }

    fn json(&self, texts: &SampleTexts<'_>) -> Option<SampleJson> {
        let data = data_layers(&texts.closure());
        let own = layout::samples_of(texts.entry());
        let own = own
            .into_iter()
            .filter_map(|name| Some((value_of(texts.unit(name.as_str())?)?, name)));
        let own: Vec<(&Json, TemplateName)> = own.collect();
        let layers: Vec<&Json> = data.into_iter().chain(own.iter().map(|(value, _)| *value)).collect();
        let merged = SampleJson::new(serde_json::to_value(merge::Merged(layers)).ok()?);
        own.into_iter().try_fold(merged, |sample, (value, name)| {
            Some(sample.file(name, serde_json::to_value(value).ok()?))
        })
    }

    /// The data of a page is what visitors get, and a page that fails with it is answered from its last good version. A sample is a promise.
    fn is_contract(&self, texts: &SampleTexts<'_>) -> bool {
        self.are_contract && !own_samples(texts).is_empty()
    }

    fn may_be_contract(&self) -> bool {
        self.are_contract
    }
}

/// Returns the files of samples of an entry.
fn own_samples<'s>(texts: &SampleTexts<'s>) -> Vec<&'s Json> {
    let samples = layout::samples_of(texts.entry());
    let units = samples.iter().filter_map(|name| texts.unit(name.as_str()));
    units.filter_map(value_of).collect()
}

impl ContextSource for SampleLayers<'_> {
    fn build<'a>(&'a self, _: &Closure<'_>, arena: &'a Arena, limits: &Limits) -> Result<Value<'a>, ContextError> {
        build(&merge::Merged(self.0.clone()), arena, limits)
    }
}

impl fmt::Display for SiteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directory = self.directory.display();
        match &self.reason {
            SiteErrorReason::NoDirectory => write!(
                f,
                "`{directory}` is not a directory: name the directory of a site, or a folder of templates"
            ),
            SiteErrorReason::Unreadable(error) => write!(f, "`{directory}` cannot be opened: {error}"),
        }
    }
}

impl std::error::Error for SiteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            SiteErrorReason::NoDirectory => None,
            SiteErrorReason::Unreadable(error) => Some(error),
        }
    }
}
