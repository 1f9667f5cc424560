//! The sources of templates of a [`Builder`], and their order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Builder;
use crate::limits::Limits;
use crate::loader::{DirectoryLoader, Loader, LoaderFactory, Mount, RegisteredLoader, Rules, WatchBy};

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
    /// # Ok::<(), Box<dyn std::error::Error>>(())
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
