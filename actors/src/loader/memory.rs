//! [`MemoryLoader`]: sources that the program itself sets, for tests and for templates that are built in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Changes, Depth, Hints, Loader, LoaderError};
use crate::template::{NameError, Source, TemplateName};

#[derive(Debug, Default)]
struct MemoryState {
    sources: BTreeMap<TemplateName, Source>,
    touched: BTreeSet<TemplateName>,
    hints: Option<Hints>,
}

/// Loads what is put on its shelf through the [`MemoryHandle`].
#[derive(Debug)]
pub struct MemoryLoader(Arc<Mutex<MemoryState>>);

/// Puts sources on the shelf of a [`MemoryLoader`].
#[derive(Debug, Clone)]
pub struct MemoryHandle(Arc<Mutex<MemoryState>>);

impl MemoryLoader {
    /// A loader of these templates, which stay as they are: for tests, and for templates that are part of the program.
    ///
    /// ```
    /// use hotplate_actors::{Hotplate, MemoryLoader};
    ///
    /// let loader = MemoryLoader::of([("hello.html", "Hello {name}!")])?;
    /// let hotplate = Hotplate::builder().loader(loader).start()?;
    /// assert_eq!(hotplate.render("hello.html", &serde_json::json!({ "name": "you" }))?.body, "Hello you!");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first name that is none of a template.
    pub fn of<N: AsRef<str>, T: Into<Arc<str>>>(
        templates: impl IntoIterator<Item = (N, T)>,
    ) -> Result<Self, NameError> {
        let (loader, handle) = Self::new();
        let named = templates
            .into_iter()
            .map(|(name, text)| Ok((TemplateName::new(name.as_ref())?, Some(text))));
        handle.edit(named.collect::<Result<Vec<_>, NameError>>()?);
        Ok(loader)
    }

    /// An empty shelf, and the handle to fill it.
    #[must_use]
    pub fn new() -> (Self, MemoryHandle) {
        let shelf = Arc::<Mutex<MemoryState>>::default();
        (Self(Arc::clone(&shelf)), MemoryHandle(shelf))
    }
}

impl MemoryHandle {
    /// Sets some texts and removes others (`None`), all seen at once.
    pub fn edit<T: Into<Arc<str>>>(&self, edits: impl IntoIterator<Item = (TemplateName, Option<T>)>) {
        let mut shelf = lock(&self.0);
        for (name, text) in edits {
            shelf.touched.insert(name.clone());
            match text {
                Some(text) => shelf.sources.insert(name.clone(), Source::new(name, text)),
                None => shelf.sources.remove(&name),
            };
        }
        let hints = shelf.hints.clone();
        drop(shelf);
        if let Some(hints) = hints {
            hints.hint();
        }
    }

    /// Sets one text.
    pub fn set(&self, name: TemplateName, text: impl Into<Arc<str>>) {
        self.edit([(name, Some(text))]);
    }

    /// Removes one text.
    pub fn remove(&self, name: TemplateName) {
        self.edit([(name, None::<Arc<str>>)]);
    }
}

impl Loader for MemoryLoader {
    fn describe(&self) -> String {
        "templates in memory".into()
    }

    fn watch(&mut self, hints: Hints) -> Result<(), LoaderError> {
        lock(&self.0).hints = Some(hints);
        Ok(())
    }

    fn sync(&mut self, depth: Depth) -> Result<Changes, LoaderError> {
        let mut shelf = lock(&self.0);
        let touched = std::mem::take(&mut shelf.touched);
        if depth == Depth::Afresh {
            return Ok(Changes {
                complete: true,
                changed: shelf.sources.values().cloned().collect(),
                ..Changes::default()
            });
        }
        let (there, removed): (Vec<_>, Vec<_>) = touched.into_iter().partition(|name| shelf.sources.contains_key(name));
        let changed = there
            .iter()
            .filter_map(|name| shelf.sources.get(name).cloned())
            .collect();
        Ok(Changes {
            changed,
            removed,
            ..Changes::default()
        })
    }
}

fn lock(shelf: &Mutex<MemoryState>) -> MutexGuard<'_, MemoryState> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}
