//! [`TemplateHandle`]: a name that is looked up once.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::Serialize;

use super::{Hotplate, RenderRequest};
use crate::dialect::TemplateId;
use crate::protocol::render::{RenderFailure, RenderOptions, Rendered};
use crate::reader::{Reader, Serialized};
use crate::template::Digest;

/// The name of a template that is rendered often, so that it is looked up once.
#[derive(Clone)]
pub struct TemplateHandle {
    name: Arc<str>,
    /// Ids are never reused, so an id that was found stays valid.
    id: OnceLock<TemplateId>,
    reader: Reader,
    /// Keeps the engine running.
    _hotplate: Hotplate,
}

impl TemplateHandle {
    pub(super) fn new(name: &str, reader: Reader, hotplate: Hotplate) -> Self {
        Self {
            name: name.into(),
            id: OnceLock::new(),
            reader,
            _hotplate: hotplate,
        }
    }

    /// Renders the template as it is served now.
    ///
    /// # Errors
    /// The errors of [`Hotplate::render`].
    pub fn render<T: Serialize + ?Sized>(&self, context: &T) -> Result<Rendered, RenderFailure> {
        let (source, options) = (Serialized(context), RenderOptions::default());
        self.reader.render(&self.name, self.id(), &source, &options)
    }

    /// Returns a render of the template that takes options.
    pub fn request(&self) -> RenderRequest<'_> {
        RenderRequest::new(&self.reader, None, &self.name, self.id())
    }

    /// Returns the digest of the text that is served now, without the templates that it calls; `None` if nothing is served.
    #[inline]
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.reader.digest(&self.name, self.id())
    }

    #[inline]
    fn id(&self) -> Option<TemplateId> {
        self.id.get().copied().or_else(|| self.look_up())
    }

    #[cold]
    fn look_up(&self) -> Option<TemplateId> {
        let found = self.reader.current().id(&self.name)?;
        Some(*self.id.get_or_init(|| found))
    }
}

impl fmt::Debug for TemplateHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TemplateHandle").field(&self.name).finish()
    }
}
