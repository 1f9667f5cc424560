//! The layout of a site: which files are pages, which data they get, which path shows which.
//!
//! A site is a directory:
//!
//! | where | what |
//! |---|---|
//! | `templates/**` | templates. Under a folder whose name begins with `_` or is `partials` they are pieces for others; all the rest are entries, which can be visited |
//! | `templates/404.html` | the page for paths that lead nowhere; a built-in sentence where it is not there, or has no good version |
//! | `templates/maintenance.html` | the stand-in for a page that has no good version yet, if it is there |
//! | `data/_all.json` | what every entry knows |
//! | `data/a/b.json` | what `a/b.html` (and `a/b.txt`, …) knows besides; `data/a/b.html.json` is laid over that for `a/b.html` alone |
//! | `static/**` | files that are served as they are |
//!
//! Data merges deeply where both sides are objects; anything else, `null` too, replaces. It is read when it changes, never in a
//! request, and what changed together with templates is published together with them: a page that goes on in an older version
//! goes on with its older data.
//!
//! A site may be opened before its `templates/` is there: until it comes there is no page.
//!
//! A directory can also be [opened as a plain folder](Site::folder) of templates: they are in the directory itself, those under a
//! folder whose name begins with `_` or is `partials` are pieces for others, and there is no data. Then every file that is a
//! template by its extension can be visited, notes too: so a directory is one only if somebody says so. [`Site::guess`] is for
//! commands that show nothing to the world.

mod data;
mod json;
mod layout;
mod merge;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotplate_actors::diagnostic::Diagnostic;
use hotplate_actors::dialect::{Closure, Dialect};
use hotplate_actors::loader::{Mount, Rules};
use hotplate_actors::snapshot::{Snapshot, Standing};
use hotplate_actors::value::{Arena, ContextError, Value, build};
use hotplate_actors::{Builder, Hotplate, Limits, Supply, TemplateName};

pub use data::{Parsed, parse};
pub use json::Json;

/// A directory: a site, or a plain folder of templates.
///
/// ```
/// use hotplate::RenderOptions;
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
/// let page = hotplate.render_supplied("index.html", &SiteData, &RenderOptions::default())?;
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
    /// `data`, `static`, and a directory of templates, mostly `templates`.
    Site { templates: PathBuf },
    /// The directory itself is that of the templates.
    Folder,
    /// What a program loads, and data for it.
    #[cfg(feature = "cli")]
    Program { data: Option<PathBuf> },
}

/// Why a directory cannot be opened as a site.
#[derive(Debug)]
pub struct SiteError {
    directory: PathBuf,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    NoDirectory,
    Unreadable(std::io::Error),
}

/// The directory of the templates, below that of the site.
pub const TEMPLATES: &str = "templates";

impl Site {
    /// Opens a site. Nothing is loaded yet, and `templates/` may come later.
    ///
    /// # Errors
    /// [`SiteError`] where there is no such directory.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, SiteError> {
        let templates = TEMPLATES.into();
        Self::of(directory.into(), Layout::Site { templates })
    }

    /// Opens a plain folder of templates. Each that is no piece for others can be visited, so it has to be meant as one.
    ///
    /// # Errors
    /// [`SiteError`] where there is no such directory.
    pub fn folder(directory: impl Into<PathBuf>) -> Result<Self, SiteError> {
        Self::of(directory.into(), Layout::Folder)
    }

    /// Opens a directory as what it looks like, for whoever shows nothing to the world: with `templates` in it it is a site, with
    /// templates in itself a plain folder of them. One with neither is a site to come, unless there are only other folders in it.
    ///
    /// # Errors
    /// [`SiteError`] where there is no such directory.
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
            Ok(_) => Reason::NoDirectory,
            Err(error) => Reason::Unreadable(error),
        };
        Err(SiteError { directory, reason })
    }

    /// The directory of its templates, where it is not `templates`: below that of the site, or an absolute path. Without effect on
    /// a plain folder.
    #[must_use]
    pub fn templates(mut self, directory: impl Into<PathBuf>) -> Self {
        if let Layout::Site { templates } = &mut self.layout {
            *templates = directory.into();
        }
        self
    }

    /// Returns true if it was opened as a plain folder of templates.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.layout == Layout::Folder
    }

    /// Returns the directory of its templates, which may come later.
    #[must_use]
    pub fn template_directory(&self) -> PathBuf {
        match &self.layout {
            Layout::Site { templates } => self.directory.join(templates),
            _ => self.directory.clone(),
        }
    }

    /// Returns the place of its templates, for a sentence.
    #[cfg(feature = "cli")]
    pub(crate) fn templates_are_in(&self) -> String {
        match &self.layout {
            Layout::Program { .. } => "the program".to_owned(),
            Layout::Site { .. } | Layout::Folder => format!("`{}`", self.template_directory().display()),
        }
    }

    /// The extensions of its templates. What a program loads it says itself.
    #[cfg(feature = "cli")]
    pub(crate) fn extensions(&self) -> Option<&[String]> {
        match &self.layout {
            Layout::Program { .. } => None,
            Layout::Site { .. } | Layout::Folder => self.rules.extensions.as_deref(),
        }
    }

    /// Which of its files are templates, where that is not as usual. Its data is every `.json`.
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// The directory as it was given.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// `static/`, if this is a site and has one.
    #[must_use]
    pub fn static_directory(&self) -> Option<PathBuf> {
        self.static_place().filter(|directory| directory.is_dir())
    }

    /// Where `static/` is or may come to be, if this is a site.
    pub(crate) fn static_place(&self) -> Option<PathBuf> {
        (!self.is_folder()).then(|| self.directory.join("static"))
    }

    /// Returns the rule for symbolic links, below `templates/`, `data/` and `static/` alike.
    #[cfg(feature = "web")]
    pub(crate) fn links(&self) -> hotplate_actors::Links {
        self.rules.links
    }

    /// The file that a name was read from.
    #[cfg(feature = "web")]
    pub(crate) fn file(&self, name: &TemplateName) -> PathBuf {
        match layout::shown(name, "data").filter(|_| !self.is_folder()) {
            Some(data) => self.directory.join(data.as_str()),
            None => self.template_directory().join(name.as_str()),
        }
    }

    /// The page that would answer a path if it were written, for a path that nothing answers.
    #[cfg(feature = "web")]
    pub(crate) fn page_for(path: &str) -> Option<TemplateName> {
        layout::candidates(path).last()
    }

    /// An engine for this site, to be set further and started. Its loader, the dialect of
    /// its data, its companions and its fallback are set.
    pub fn builder(&self) -> Builder {
        let builder = Hotplate::builder();
        if self.is_folder() {
            let site = self.clone();
            let builder = builder.mounts([Mount::new("", &self.directory).rules(self.rules.clone())]);
            return builder.entries(move |name| site.is_entry(name));
        }
        let templates = Mount::new("", self.template_directory())
            .rules(self.rules.clone())
            .late();
        let data = Rules {
            links: self.rules.links,
            ..Rules::default()
        };
        let data = Mount::new(layout::DATA_PREFIX, self.directory.join("data"))
            .rules(data)
            .extensions(["json"]);
        let builder = builder.mounts([templates, data]).optional_fallback("maintenance.html");
        self.understand_data(builder)
    }

    /// Has data compiled as such, and travel with its entries.
    fn understand_data(&self, builder: Builder) -> Builder {
        let (site, pages, shown) = (self.clone(), self.clone(), self.clone());
        builder
            .entries(move |name| pages.is_entry(name))
            .shown(move |name| shown.shown(name))
            .dialect_for(|name| layout::is_data(name.as_str()).then(|| Arc::new(data::Data) as Arc<dyn Dialect>))
            .companions(move |name| match site.is_entry(name) {
                true => layout::companions_of(name),
                false => Vec::new(),
            })
    }

    /// Makes a site of the templates that a program loads: its templates are where its engine has them, their data below a directory.
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

    /// An engine of a program, with the directory of data for its entries if it has one: `DIR/a/b.json` for `a/b.html`, as in
    /// `data/` of a site.
    #[cfg(feature = "cli")]
    pub(crate) fn with_data(&self, engine: Builder) -> Builder {
        match &self.layout {
            Layout::Program { data: Some(directory) } => {
                let data = Mount::new(layout::DATA_PREFIX, directory).extensions(["json"]);
                self.understand_data(engine.mounts([data]))
            }
            _ => engine,
        }
    }

    /// What stands before the name of a template in a sentence: a program has its templates anywhere.
    fn templates_shown(&self) -> String {
        match &self.layout {
            Layout::Site { templates } => format!("{}/", templates.display()),
            _ => String::new(),
        }
    }

    /// Whether it is what a program loads.
    #[cfg(feature = "cli")]
    pub(crate) fn is_program(&self) -> bool {
        matches!(self.layout, Layout::Program { .. })
    }

    /// The directory of its data as a name begins with it: relative and with slashes, or its last component.
    fn data_shown(&self) -> String {
        match &self.layout {
            #[cfg(feature = "cli")]
            Layout::Program { data: Some(directory) } => layout::as_name(directory),
            _ => "data".to_owned(),
        }
    }

    /// Whether a name is a template rather than data.
    #[must_use]
    pub fn is_template(&self, name: &TemplateName) -> bool {
        self.is_folder() || !layout::is_data(name.as_str())
    }

    /// Whether a name is a template that can be visited.
    #[must_use]
    pub fn is_entry(&self, name: &TemplateName) -> bool {
        self.is_template(name) && !layout::is_partial(name.as_str())
    }

    /// The entry that a path shows, if there is one: `/` is `index.html`, `/a/b` is `a/b.html`, `/x/` is `x/index.html`, and
    /// exact names such as `/feed.xml` are themselves. The path is decoded and has no query. Where no entry has the name, one that is
    /// written with the same characters in other code points is meant.
    #[must_use]
    pub fn entry_at(&self, snapshot: &Snapshot, path: &str) -> Option<TemplateName> {
        let is_entry = |name: &TemplateName| self.is_entry(name) && exists(snapshot, name);
        let equivalent =
            || layout::candidates(path).find_map(|name| snapshot.equivalent(name.as_str()).filter(is_entry));
        layout::candidates(path).find(is_entry).or_else(equivalent)
    }

    /// Returns true if it has no template yet because their directory is not there, and never was.
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

    /// Whether an entry has data: its own, or that of all entries.
    #[must_use]
    pub fn has_data(&self, snapshot: &Snapshot, entry: &TemplateName) -> bool {
        !self.is_folder() && layout::companions_of(entry).iter().any(|name| exists(snapshot, name))
    }

    /// A warning for each file of data that no entry uses: mostly a name that was misspelt.
    #[must_use]
    pub fn unused_data(&self, snapshot: &Snapshot) -> Vec<Diagnostic> {
        let names = || snapshot.entries().map(|(_, name, _)| name);
        let entries = names().filter(|name| self.is_entry(name));
        let used: std::collections::HashSet<TemplateName> = entries.flat_map(layout::companions_of).collect();
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

    /// Returns a warning for each key that stands in one object of its data twice.
    #[must_use]
    pub fn data_warnings(&self, snapshot: &Snapshot) -> Vec<Diagnostic> {
        let data = snapshot.entries().filter(|(_, name, _)| !self.is_template(name));
        let members = data.filter_map(|(_, _, standing)| standing.closure().map(|closure| closure.top()));
        let warnings = members.flat_map(|member| {
            let warnings = member.unit.warnings().iter();
            warnings.map(|warning| warning.clone().in_template(&self.shown(&member.name)))
        });
        let mut warnings: Vec<Diagnostic> = warnings.collect();
        warnings.sort_by(|one, other| one.template.cmp(&other.template));
        warnings
    }

    /// A name as people know it: that of a template as it is, that of data as its file.
    #[must_use]
    pub fn shown(&self, name: &TemplateName) -> TemplateName {
        layout::shown(name, &self.data_shown()).unwrap_or_else(|| name.clone())
    }
}

fn exists(snapshot: &Snapshot, name: &TemplateName) -> bool {
    let standing = snapshot.id(name.as_str()).map(|id| snapshot.standing(id));
    !matches!(standing, None | Some(Standing::Gone))
}

/// The context of an entry of a site: its data, from the very version that it is rendered from. Without data it is empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct SiteData;

impl Supply for SiteData {
    fn supply<'a>(&self, closure: &Closure<'_>, arena: &'a Arena, limits: &Limits) -> Result<Value<'a>, ContextError> {
        let mut members: Vec<_> = closure.companions().collect();
        let entry = &closure.top().name;
        // Names of plain ASCII have one spelling.
        if !entry.as_str().is_ascii() {
            members = layout::chosen(entry, &members, |member| member.name.clone());
        }
        let units = members
            .into_iter()
            .filter_map(|member| member.unit.as_any().downcast_ref());
        let layers = units.map(|unit: &data::DataUnit| &unit.value).collect();
        build(&merge::Merged(layers), arena, limits)
    }
}

impl fmt::Display for SiteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directory = self.directory.display();
        match &self.reason {
            Reason::NoDirectory => write!(
                f,
                "`{directory}` is not a directory: name the site, or a folder of templates"
            ),
            Reason::Unreadable(error) => write!(f, "`{directory}` cannot be opened: {error}"),
        }
    }
}

impl std::error::Error for SiteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            Reason::NoDirectory => None,
            Reason::Unreadable(error) => Some(error),
        }
    }
}
