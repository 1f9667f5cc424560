//! [`Preview`]: a version that is not served.

use std::sync::Arc;

use serde::Serialize;

use super::Hotplate;
use crate::engine::Draft;
use crate::limits::Limits;
use crate::protocol::preview::{PreviewError, PreviewReport, PreviewRequest};
use crate::protocol::render::{RenderFailure, RenderOptions, Rendered};
use crate::reader::unserved::render_entry;
use crate::reader::{ContextSource, Serialized};
use crate::samples::{SampleTexts, Samples};
use crate::snapshot::Snapshot;

/// A version that would be served with other texts, which this value keeps in memory. It can be rendered from, and never reaches visitors.
///
/// ```
/// use std::collections::BTreeMap;
/// use hotplate_actors::{Hotplate, MemoryLoader, PreviewRequest, TemplateName};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hotplate = Hotplate::builder().loader(MemoryLoader::of([("hello.html", "Hello {name}!")])?).start()?;
/// let edits = BTreeMap::from([(TemplateName::new("hello.html")?, Some("Good morning {name}!".into()))]);
/// let preview = hotplate.preview(PreviewRequest { edits, ..PreviewRequest::default() }).await?;
/// assert_eq!(preview.report().changed[0].as_str(), "hello.html");
///
/// let you = serde_json::json!({ "name": "you" });
/// assert_eq!(preview.render("hello.html", &you)?.body, "Good morning you!");
/// assert_eq!(hotplate.render("hello.html", &you)?.body, "Hello you!");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Preview {
    draft: Arc<Draft>,
    limits: Arc<Limits>,
    samples: Arc<Samples>,
}

impl Hotplate {
    /// Computes the effect that some texts would have, without publishing them. It runs on a thread of its own; renders and edits do not wait
    /// for it.
    ///
    /// # Errors
    /// [`PreviewError`] if the texts exceed a limit, or there is no answer. Faults of the texts are no error, but part of the report.
    pub async fn preview(&self, request: PreviewRequest) -> Result<Preview, PreviewError> {
        let mailbox = &self.0.mailboxes.queries;
        let _permit = mailbox.admit()?;
        let previews = &self.0.actors.previews;
        let draft = previews.make(request).await.inspect_err(|error| {
            if let PreviewError::Unavailable(error) = error {
                mailbox.count(error);
            }
        })?;
        Ok(Preview {
            draft: Arc::new(draft),
            limits: Arc::clone(&self.0.limits),
            samples: Arc::clone(previews.samples()),
        })
    }
}

impl Preview {
    /// Returns the report.
    #[must_use]
    pub fn report(&self) -> &PreviewReport {
        &self.draft.report
    }

    /// Returns the snapshot, for reading its entries. Its version is the one after the version that was served.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.draft.snapshot
    }

    /// Returns the approximate memory in bytes that only this preview takes: changed texts and outputs.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let report = self.report();
        let members = report
            .changed
            .iter()
            .filter_map(|name| self.snapshot().member(name.as_str()));
        let texts = members.map(|member| member.unit.bytes());
        let outputs = report
            .renders
            .iter()
            .flat_map(|render| [&render.before.body, &render.after.body]);
        let outputs = outputs.flatten().map(|body| body.len());
        texts.chain(outputs).fold(size_of::<Draft>(), usize::saturating_add)
    }

    /// Renders an entry as it would be served, in this thread. Nothing is counted or logged, and no earlier version answers in place of a
    /// failure; a template that would be stale is rendered from its last good version.
    ///
    /// # Errors
    /// [`RenderFailure`].
    pub fn render<T: Serialize + ?Sized>(&self, name: &str, context: &T) -> Result<Rendered, RenderFailure> {
        self.render_with(name, &Serialized(context), &RenderOptions::default())
    }

    /// Works like [`Preview::render`] with any source of the context, and with options.
    ///
    /// # Errors
    /// The errors of [`Preview::render`].
    pub fn render_with(
        &self,
        name: &str,
        source: &dyn ContextSource,
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        render_entry(&self.limits, &self.draft.snapshot, name, source, options)
    }

    /// Renders an entry with its sample, or with an empty context if it has none.
    ///
    /// # Errors
    /// The errors of [`Preview::render`].
    pub fn render_sample(&self, name: &str, options: &RenderOptions) -> Result<Rendered, RenderFailure> {
        let snapshot = &self.draft.snapshot;
        let closure = snapshot.id(name).and_then(|id| snapshot.status(id).closure());
        let texts = closure.map(|closure| SampleTexts::new(closure, snapshot.names()));
        match texts.as_ref().and_then(|texts| self.samples.of(texts)) {
            Some(sample) => self.render_with(name, &*sample, options),
            None => self.render_with(name, &Serialized(&()), options),
        }
    }
}

impl std::fmt::Debug for Preview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Preview").field(&self.draft).finish()
    }
}
