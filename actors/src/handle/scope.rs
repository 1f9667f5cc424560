//! [`ScopeHandle`]: the templates as one scope sees them.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::{Hotplate, RenderRequest};
use crate::protocol::render::{RenderFailure, RenderOptions, Rendered};
use crate::reader::{Reader, Serialized};
use crate::snapshot::{Serving, Status, Why};
use crate::template::{Digest, Scope, Stage, TemplateName, Tenant};

/// The templates as one scope sees them: a tenant or everyone, in one stage. [`Hotplate::scope`] creates one, which costs two reference
/// counts and remembers nothing, so a program may create one for each request.
///
/// The scope need not exist: a render for a tenant without texts is answered [`RenderFailure::NotFound`], and the tenant may be created later.
///
/// ```
/// use hotplate_actors::template::{Layer, Scope, Stage, TemplateKey, Tenant};
/// use hotplate_actors::{Hotplate, MemoryLoader, TemplateName};
///
/// let (loader, memory) = MemoryLoader::new();
/// let acme = Scope { tenant: Some(Tenant::new("acme")?), stage: Stage::Stable };
/// memory.set(TemplateName::new("page.txt")?, "{{ call brand.txt with n }} and more");
/// memory.set(TemplateName::new("brand.txt")?, "ours");
/// let brand = TemplateKey { layer: Layer::of(acme.clone()), name: TemplateName::new("brand.txt")? };
/// memory.set(brand, "ACME");
/// let hotplate = Hotplate::builder().loader(loader).start()?;
/// assert_eq!(hotplate.render("page.txt", &serde_json::json!({ "n": 1 }))?.body, "ours and more");
/// assert_eq!(hotplate.scope(&acme).render("page.txt", &serde_json::json!({ "n": 1 }))?.body, "ACME and more");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ScopeHandle {
    scope: Scope,
    reader: Reader,
    /// Keeps the engine running.
    _hotplate: Hotplate,
}

/// The look-up of one name in a scope, with its misses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The layers in the order in which they are asked.
    pub layers: Vec<ExplainedLayer>,
    /// The status of the template in the scope; `None` if no layer has it.
    pub status: Option<Status>,
    /// The answer to requests, if the newest text is not served.
    pub serving: Option<Serving>,
    /// The faults because of which the newest text is not served.
    pub why: Option<Arc<Why>>,
}

/// One layer that a look-up asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedLayer {
    /// The layer.
    pub layer: crate::template::Layer,
    /// True if it has a text of the name.
    pub has_text: bool,
    /// True if this text is the one in effect.
    pub is_used: bool,
}

impl ScopeHandle {
    pub(super) fn new(scope: Scope, reader: Reader, hotplate: Hotplate) -> Self {
        Self {
            scope,
            reader,
            _hotplate: hotplate,
        }
    }

    /// Returns the scope.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns true if the scope is that of everyone, or its tenant has any text now.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.reader.current().scoped(&self.scope).is_some()
    }

    /// Renders an entry as it is served now, in this thread: no message, no lock, no I/O.
    ///
    /// # Errors
    /// The errors of [`Hotplate::render`]. A tenant without texts has no template.
    pub fn render<T: Serialize + ?Sized>(&self, name: &str, context: &T) -> Result<Rendered, RenderFailure> {
        let options = RenderOptions {
            scope: self.scope.clone(),
            ..RenderOptions::default()
        };
        self.reader.render(name, None, &Serialized(context), &options)
    }

    /// Returns a render of an entry that takes options. [`Renders::render`](crate::Renders::render) takes it as well.
    pub fn request<'r>(&'r self, name: &'r str) -> RenderRequest<'r> {
        RenderRequest::new(&self.reader, None, name, None).scope(&self.scope)
    }

    /// Returns the status of a template; `None` if the scope has none of this name.
    #[must_use]
    pub fn status(&self, name: &str) -> Option<Status> {
        self.reader.current().scoped(&self.scope)?.status_of(name)
    }

    /// Returns the answer to requests for a template, if its newest text is not served.
    #[must_use]
    pub fn serving(&self, name: &str) -> Option<Serving> {
        let snapshot = self.reader.current();
        let scoped = snapshot.scoped(&self.scope)?;
        scoped.serving(scoped.id(name)?)
    }

    /// Returns the faults that keep the newest text of a template from being served; `None` if it is served.
    #[must_use]
    pub fn why(&self, name: &str) -> Option<Arc<Why>> {
        let snapshot = self.reader.current();
        let scoped = snapshot.scoped(&self.scope)?;
        scoped.why(scoped.id(name)?)
    }

    /// Returns the digest of the closure that is served under a name: of its text and all that it calls. Scopes that see the same texts have
    /// the same digest.
    #[must_use]
    pub fn digest(&self, name: &str) -> Option<Digest> {
        let snapshot = self.reader.current();
        let scoped = snapshot.scoped(&self.scope)?;
        scoped.closure_digest(scoped.id(name)?)
    }

    /// Returns the names of all templates of the scope, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<TemplateName> {
        let snapshot = self.reader.current();
        let scoped = snapshot.scoped(&self.scope);
        let mut names: Vec<TemplateName> = scoped
            .into_iter()
            .flat_map(|scoped| scoped.named_entries())
            .map(|(_, name, _)| name.clone())
            .collect();
        names.sort_unstable();
        names
    }

    /// Explains the look-up of a name: which layers have a text of it, and which text is in effect.
    #[must_use]
    pub fn explain(&self, name: &str) -> Explanation {
        let snapshot = self.reader.current();
        let scoped = snapshot.scoped(&self.scope);
        let found = scoped.and_then(|scoped| Some((scoped, scoped.id(name)?)));
        let mut is_found = false;
        let layers = self.scope.layers().into_iter().map(|layer| {
            let has_text = snapshot.has_text(&layer, name);
            let is_used = has_text && !is_found;
            is_found |= has_text;
            ExplainedLayer {
                layer,
                has_text,
                is_used,
            }
        });
        let layers: Vec<ExplainedLayer> = layers.collect();
        Explanation {
            layers,
            status: found.and_then(|(scoped, _)| scoped.status_of(name)),
            serving: found.and_then(|(scoped, id)| scoped.serving(id)),
            why: found.and_then(|(scoped, id)| scoped.why(id)),
        }
    }
}

impl Hotplate {
    /// Returns the templates as one scope sees them.
    #[must_use]
    pub fn scope(&self, scope: &Scope) -> ScopeHandle {
        ScopeHandle::new(scope.clone(), self.0.reader.clone(), self.clone())
    }

    /// Returns the tenants that have a text now, sorted.
    #[must_use]
    pub fn tenants(&self) -> Vec<Tenant> {
        self.0.reader.current().tenants()
    }

    /// Returns the stages beside the stable one that have a text of everyone now.
    #[must_use]
    pub fn later_stages(&self) -> Vec<Stage> {
        self.0.reader.current().later_stages()
    }
}

impl fmt::Debug for ScopeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopeHandle").field(&self.scope).finish()
    }
}
