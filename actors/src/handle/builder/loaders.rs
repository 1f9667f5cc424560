//! The sources of templates of a [`Builder`], and their order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Builder;
use crate::limits::Limits;
use crate::loader::{DirectoryLoader, Loader, LoaderFactory, Mount, RegisteredLoader, Rules, WatchBy};
use crate::template::{Layer, Scope, Stage};

/// A source of templates, in the order in which they were added.
pub(super) enum LoaderSpec {
    Mounts(Vec<Mount>),
    Loader(RegisteredLoader),
}

impl Builder {
    /// Loads the templates below a directory. If a name exists in several roots, the first root takes precedence.
    pub fn root(self, directory: impl Into<PathBuf>) -> Self {
        self.mounts([Mount::new("", directory)])
    }

    /// Loads the templates below a directory, selected by the given [`Rules`] instead of the default ones.
    pub fn root_with(self, directory: impl Into<PathBuf>, rules: Rules) -> Self {
        self.mounts([Mount::new("", directory).rules(rules)])
    }

    /// Sets the method by which directories are watched. The default, [`WatchBy::Auto`], fits nearly always.
    pub fn watch_by(mut self, by: WatchBy) -> Self {
        self.watch_by = by;
        self
    }

    /// Loads from several directories as one set: changes in several of them form one batch. The first must exist.
    pub fn mounts(mut self, mounts: impl IntoIterator<Item = Mount>) -> Self {
        self.loaders.push(LoaderSpec::Mounts(mounts.into_iter().collect()));
        self
    }

    /// Loads the templates of all scopes below a directory, as one set: `templates/` for everyone, `templates@canary/` and
    /// `templates@experimental/` for the later stages, and `tenants/<id>/` and `tenants/<id>@canary/` for tenants. All but the first may be
    /// missing, and a tenant exists while its directory has a template.
    ///
    /// ```
    /// # let site = tempfile::tempdir()?;
    /// # let write = |path: &str, text: &str| {
    /// #     let path = site.path().join(path);
    /// #     std::fs::create_dir_all(path.parent().expect("a directory")).and_then(|()| std::fs::write(path, text))
    /// # };
    /// use hotplate_actors::Hotplate;
    /// use hotplate_actors::template::{Scope, Stage, Tenant};
    ///
    /// write("templates/a.txt", "everyone")?;
    /// write("tenants/acme/a.txt", "acme")?;
    /// let hotplate = Hotplate::builder().scopes(site.path()).start()?;
    /// let acme = Scope { tenant: Some(Tenant::new("acme")?), stage: Stage::Stable };
    /// assert_eq!(hotplate.scope(&acme).render("a.txt", &())?.body, "acme");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scopes(self, directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        let later = [Stage::Canary, Stage::Experimental].map(|stage| {
            let root = directory.join(format!("templates@{}", stage.as_str()));
            Mount::new("", root).layer(Layer::of(Scope { tenant: None, stage }))
        });
        let tenants = Mount::new("", directory.join("tenants")).tenants();
        let everyone = Mount::new("", directory.join("templates"));
        self.mounts([everyone].into_iter().chain(later).chain([tenants]))
    }

    /// Loads templates from another source. Of several sources that have a name, the one with the highest [priority](Loader::priority)
    /// provides it, and of several with one priority the one that was added first. Directories have the priority 0.
    pub fn loader(mut self, loader: impl Loader) -> Self {
        let loader = Box::new(loader);
        self.loaders
            .push(LoaderSpec::Loader(RegisteredLoader { loader, factory: None }));
        self
    }

    /// Works like [`loader`](Builder::loader) for a function that creates the loader. It is called once now, and again whenever the loader
    /// has panicked or has taken longer than the limit `sync_ms`: the new one then replaces it.
    ///
    /// ```
    /// use hotplate_actors::{Hotplate, MemoryLoader};
    ///
    /// let create = || MemoryLoader::of([("hello.html", "Hello!")]).expect("valid names");
    /// let hotplate = Hotplate::builder().loader_with(create).start()?;
    /// assert_eq!(hotplate.render("hello.html", &())?.body, "Hello!");
    /// # Ok::<(), hotplate_actors::StartError>(())
    /// ```
    pub fn loader_with<L: Loader>(mut self, create: impl Fn() -> L + Send + Sync + 'static) -> Self {
        let factory: LoaderFactory = Arc::new(move || Box::new(create()));
        self.loaders.push(LoaderSpec::Loader(RegisteredLoader {
            loader: factory(),
            factory: Some(factory),
        }));
        self
    }
}

/// Returns the directories that are loaded.
pub(super) fn directories(specs: &[LoaderSpec]) -> impl Iterator<Item = &Path> {
    let mounts = specs.iter().flat_map(|spec| match spec {
        LoaderSpec::Mounts(mounts) => &mounts[..],
        LoaderSpec::Loader(_) => &[],
    });
    mounts.map(Mount::directory)
}

/// Returns the loaders in the order of precedence.
pub(super) fn in_precedence(specs: Vec<LoaderSpec>, limits: &Limits, watch_by: WatchBy) -> Vec<RegisteredLoader> {
    let loaders = specs.into_iter().map(|spec| match spec {
        LoaderSpec::Mounts(mounts) => {
            let limits = limits.clone();
            let create = move || DirectoryLoader::new(mounts.clone(), &limits).watch_by(watch_by);
            let factory: LoaderFactory = Arc::new(move || Box::new(create()));
            RegisteredLoader {
                loader: factory(),
                factory: Some(factory),
            }
        }
        LoaderSpec::Loader(registered) => registered,
    });
    let mut loaders: Vec<RegisteredLoader> = loaders.collect();
    // Of those with one priority the first one has precedence, so the order stays.
    loaders.sort_by_key(|registered| std::cmp::Reverse(registered.loader.priority()));
    loaders
}
