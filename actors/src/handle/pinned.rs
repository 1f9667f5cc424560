//! [`Pinned`]: one version, to render several entries from.

use std::sync::Arc;

use serde::Serialize;

use super::RenderRequest;
use crate::cause::Cause;
use crate::protocol::render::{RenderFailure, RenderOptions, Rendered};
use crate::reader::{Reader, Serialized};
use crate::snapshot::{HolderGuard, HolderKind, Snapshot};
use crate::version::Version;

/// One version, which this value keeps in memory.
#[derive(Clone, Debug)]
pub struct Pinned {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) reader: Reader,
    /// The name under which this value holds the version.
    pub(super) holder: Option<Arc<HolderGuard>>,
}

impl Pinned {
    /// Returns the number of the version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.snapshot.version()
    }

    /// Returns the snapshot, for reading its entries.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Gives this value a name, by which [`Hotplate::leaks`](crate::Hotplate::leaks) lists it if it holds the version for too long.
    ///
    /// ```
    /// use hotplate_actors::{Cause, Hotplate, MemoryLoader};
    ///
    /// let loader = MemoryLoader::of([("row.txt", "{n}")])?;
    /// let hotplate = Hotplate::builder().loader(loader).start()?;
    /// let pinned = hotplate.snapshot().held_by(Cause::by("nightly export"));
    /// assert_eq!(pinned.render("row.txt", &serde_json::json!({ "n": 1 }))?.body, "1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn held_by(mut self, cause: Cause) -> Self {
        self.holder = self.snapshot.hold(HolderKind::Pin, cause).map(Arc::new);
        self
    }

    /// Renders an entry of this version.
    ///
    /// # Errors
    /// The errors of [`Hotplate::render`](crate::Hotplate::render).
    pub fn render<T: Serialize + ?Sized>(&self, name: &str, context: &T) -> Result<Rendered, RenderFailure> {
        let (source, options) = (Serialized(context), RenderOptions::default());
        self.reader.render_in(&self.snapshot, name, None, &source, &options)
    }

    /// Returns a render of an entry of this version that takes options.
    pub fn request<'r>(&'r self, name: &'r str) -> RenderRequest<'r> {
        RenderRequest::new(&self.reader, Some(&self.snapshot), name, None)
    }
}
