//! [`MemoryLoader`]: sources that the program itself sets, for tests and for templates that are part of the program.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{BlockingLoader, Changes, Depth, Hints, LoaderError};
use crate::template::{NameError, Source, TemplateKey, TemplateName};

/// The sources, and the names that changed since the last sync.
#[derive(Debug, Default)]
struct MemoryState {
    sources: BTreeMap<TemplateKey, Source>,
    touched: BTreeSet<TemplateKey>,
    hints: Option<Hints>,
}

/// Loads the sources that are set through its [`MemoryHandle`]: for templates that a program makes itself, and to test handlers without a
/// disk. What one call of [`MemoryHandle::edit`] changes is one batch, and so one version.
#[derive(Debug)]
pub struct MemoryLoader(Arc<Mutex<MemoryState>>);

/// Sets the sources of a [`MemoryLoader`].
#[derive(Debug, Clone)]
pub struct MemoryHandle(Arc<Mutex<MemoryState>>);

impl MemoryLoader {
    /// Creates a loader of these templates, which never change: for tests, and for templates that are part of the program.
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
    /// The first name that is not valid for a template.
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

    /// Creates an empty loader, and the handle that sets its sources.
    #[must_use]
    pub fn new() -> (Self, MemoryHandle) {
        let state = Arc::<Mutex<MemoryState>>::default();
        (Self(Arc::clone(&state)), MemoryHandle(state))
    }
}

impl MemoryHandle {
    /// Sets some texts and removes others (`None`), all in one batch. A name alone is that of a text of the shared stable layer.
    pub fn edit<K: Into<TemplateKey>, T: Into<Arc<str>>>(&self, edits: impl IntoIterator<Item = (K, Option<T>)>) {
        let mut state = lock(&self.0);
        for (key, text) in edits {
            let key = key.into();
            state.touched.insert(key.clone());
            match text {
                Some(text) => state.sources.insert(key.clone(), Source::new(key, text)),
                None => state.sources.remove(&key),
            };
        }
        let hints = state.hints.clone();
        drop(state);
        if let Some(hints) = hints {
            hints.hint();
        }
    }

    /// Sets one text.
    pub fn set(&self, key: impl Into<TemplateKey>, text: impl Into<Arc<str>>) {
        self.edit([(key, Some(text))]);
    }

    /// Removes one text.
    pub fn remove(&self, key: impl Into<TemplateKey>) {
        self.edit([(key, None::<Arc<str>>)]);
    }
}

impl BlockingLoader for MemoryLoader {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn describe(&self) -> String {
        "templates in memory".into()
    }

    fn watch(&mut self, hints: Hints) -> Result<(), LoaderError> {
        lock(&self.0).hints = Some(hints);
        Ok(())
    }

    fn sync(&mut self, depth: Depth) -> Result<Changes, LoaderError> {
        let mut state = lock(&self.0);
        let touched = std::mem::take(&mut state.touched);
        if depth == Depth::Afresh {
            return Ok(Changes {
                complete: true,
                changed: state.sources.values().cloned().collect(),
                ..Changes::default()
            });
        }
        let (there, removed): (Vec<_>, Vec<_>) = touched.into_iter().partition(|key| state.sources.contains_key(key));
        let changed = there.iter().filter_map(|key| state.sources.get(key).cloned()).collect();
        Ok(Changes {
            changed,
            removed,
            ..Changes::default()
        })
    }
}

fn lock(state: &Mutex<MemoryState>) -> MutexGuard<'_, MemoryState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
