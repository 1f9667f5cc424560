//! [`Pinned`]: one version, to render several entries from.

use std::sync::Arc;

use serde::Serialize;

use super::RenderRequest;
use crate::protocol::render::{RenderFailure, RenderOptions, Rendered};
use crate::reader::{Reader, Serialized};
use crate::snapshot::Snapshot;
use crate::version::Version;

/// One version, which this value keeps in memory.
#[derive(Clone, Debug)]
pub struct Pinned {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) reader: Reader,
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
