//! [`RenderRequest`]: a render with data and options.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::dialect::{Missing, TemplateId};
use crate::protocol::render::{RenderFailure, RenderOptions, Rendered};
use crate::reader::{ContextSource, Reader, Serialized};
use crate::snapshot::Snapshot;
use crate::template::Scope;
use crate::version::Version;

/// A render of one entry. [`RenderRequest::render`] runs it in the thread of the caller; [`Renders::render`](crate::Renders::render) moves
/// it to the Renderer if it takes long. [`Hotplate::request`](crate::Hotplate::request), [`Pinned::request`](crate::Pinned::request) and
/// [`TemplateHandle::request`](crate::TemplateHandle::request) create one; without data its context is empty.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use hotplate_actors::dialect::Missing;
/// use hotplate_actors::{Hotplate, MemoryLoader};
///
/// let loader = MemoryLoader::of([("hello.html", "Hello {name}{{ if title }}, {title}{{ endif }}!")])?;
/// let hotplate = Hotplate::builder().loader(loader).start()?;
/// let data = serde_json::json!({ "name": "World" });
/// let request = hotplate.request("hello.html").with(&data).missing(Missing::Lenient);
/// let rendered = request.deadline(Instant::now() + Duration::from_secs(1)).render()?;
/// assert_eq!(rendered.body, "Hello World!");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a request does nothing until it is rendered"]
pub struct RenderRequest<'r, S = Serialized<'static, ()>> {
    reader: &'r Reader,
    /// The version to render; `None` for the one that is served when the render begins.
    pub(super) snapshot: Option<&'r Arc<Snapshot>>,
    pub(super) name: &'r str,
    id: Option<TemplateId>,
    pub(super) source: S,
    pub(super) options: RenderOptions,
}

impl<'r> RenderRequest<'r> {
    pub(super) fn new(
        reader: &'r Reader,
        snapshot: Option<&'r Arc<Snapshot>>,
        name: &'r str,
        id: Option<TemplateId>,
    ) -> Self {
        Self {
            reader,
            snapshot,
            name,
            id,
            source: Serialized(&()),
            options: RenderOptions::default(),
        }
    }
}

impl<'r, S> RenderRequest<'r, S> {
    /// Sets the data, which is serialized for the render.
    pub fn with<T: Serialize + ?Sized>(self, data: &T) -> RenderRequest<'r, Serialized<'_, T>> {
        self.with_source(Serialized(data))
    }

    /// Sets a source of data: a context that was prepared, or one that is built from data files of the template.
    pub fn with_source<C: ContextSource>(self, source: C) -> RenderRequest<'r, C> {
        RenderRequest {
            reader: self.reader,
            snapshot: self.snapshot,
            name: self.name,
            id: self.id,
            source,
            options: self.options,
        }
    }

    /// Sets the deadline, at which the render ends with [`Timeout`](crate::Unavailable::Timeout).
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.options.deadline = Some(deadline);
        self
    }

    /// Sets a token that ends the render at its next step when it is cancelled.
    pub fn cancel(mut self, cancel: CancellationToken) -> Self {
        self.options.cancel = Some(cancel);
        self
    }

    /// Sets the treatment of a path that does not exist in the data.
    pub fn missing(mut self, missing: Missing) -> Self {
        self.options.missing = missing;
        self
    }

    /// Renders a kept version instead of the one that is served, or of the one that is pinned.
    pub fn at(mut self, version: Version) -> Self {
        self.options.at = Some(version);
        self
    }

    /// Renders the entry as a scope sees it, in place of the shared stable one.
    pub fn scope(mut self, scope: &Scope) -> Self {
        self.options.scope = scope.clone();
        self
    }

    /// Answers with the stand-in if the render fails and no kept version can be rendered either.
    pub fn stand_in(mut self) -> Self {
        self.options.stand_in = true;
        self
    }

    /// Replaces all options at once.
    pub fn options(mut self, options: &RenderOptions) -> Self {
        self.options = options.clone();
        self
    }
}

impl<S: ContextSource> RenderRequest<'_, S> {
    /// Renders the entry in this thread.
    ///
    /// # Errors
    /// The errors of [`Hotplate::render`](crate::Hotplate::render).
    pub fn render(self) -> Result<Rendered, RenderFailure> {
        let Self {
            reader,
            snapshot,
            name,
            id,
            source,
            options,
        } = self;
        match snapshot {
            Some(snapshot) => reader.render_in(snapshot, name, id, &source, &options),
            None => reader.render(name, id, &source, &options),
        }
    }
}

impl<S> fmt::Debug for RenderRequest<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderRequest")
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
