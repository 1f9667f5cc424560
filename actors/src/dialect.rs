//! The interface between the engine and a template language.
//!
//! A [`Dialect`] compiles one text into a [`Unit`], without knowing any other template. The engine puts a unit under a name and resolves
//! its calls and formatters, which makes a [`Member`]. A render runs the unit of one member with its [`Closure`], through which it reaches
//! the templates that it calls, all from one snapshot.

#[cfg(feature = "jinja")]
pub mod jinja;
pub mod tiny;

pub(crate) mod body;
pub mod escape;
mod formatter;
mod html_position;
pub mod reads;
mod print;
mod scope_view;
pub(crate) mod shorten;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::budget::{Budget, Exceeded};
use crate::diagnostic::{Diagnostic, Span};
use crate::limits::Limits;
use crate::template::{Digest, TemplateName};
use crate::value::Value;

pub use crate::template::Missing;
pub use body::Body;
pub(crate) use formatter::formatter_elsewhere;
pub use formatter::{Formatter, FormatterError, Formatters, Output};
pub use reads::Reads;
pub use scope_view::{Overlay, ScopeView};

/// A template language.
pub trait Dialect: Send + Sync + 'static {
    /// Returns a short stable name, such as `tiny`.
    fn id(&self) -> &'static str;

    /// Compiles one text, independently of its name and of other texts. Takes time linear in the length of the text, keeps to `limits`
    /// and never panics.
    ///
    /// # Errors
    /// Diagnostics of everything that the author of the text has to change.
    fn compile(&self, text: &str, limits: &Limits) -> Result<Arc<dyn Unit>, Vec<Diagnostic>>;

    /// Checks that a template can use a formatter under this name.
    ///
    /// # Errors
    /// The reason why no template can, and which names are possible.
    fn formatter_name(&self, _name: &str) -> Result<(), String> {
        Ok(())
    }

    /// Returns true if renders keep to their budget, whatever the texts and the data are: only then short renders run in the thread of the
    /// caller.
    fn is_bounded(&self) -> bool {
        false
    }

    /// Returns a variant of this language that accepts missing paths ([`Missing::Lenient`]). Without one, all templates are strict,
    /// wherever they come from.
    fn lenient(&self) -> Option<Arc<dyn Dialect>> {
        None
    }

    /// Returns a variant of this language with the filters, tests, functions and globals of a program, if it can have them.
    #[cfg(feature = "jinja")]
    #[doc(hidden)]
    fn extended(&self, _extensions: &Arc<jinja::Extensions>) -> Option<Arc<dyn Dialect>> {
        None
    }
}

impl fmt::Debug for dyn Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dialect").field(&self.id()).finish()
    }
}

/// A compiled text. Immutable, and shared by all versions, names and threads that have the same text.
pub trait Unit: Send + Sync + 'static {
    /// Returns the text that was compiled.
    fn text(&self) -> &str;

    /// Returns the calls in the text. A unit refers to a call by its index in this list.
    fn calls(&self) -> &[Call];

    /// Returns the uses of formatters in the text. A unit refers to a use by its index in this list.
    fn formatters(&self) -> &[FormatterUse];

    /// Returns true if the text computes the name of a template that it calls. Which templates it reaches is known only when it is rendered
    /// ([`Closure::find`]), so these calls are not in [`Unit::calls`], and no fault of another template is one of this text.
    fn reaches_any(&self) -> bool {
        false
    }

    /// Returns warnings about a text that compiles. They are shown only for templates whose output is escaped as HTML.
    fn warnings(&self) -> &[Diagnostic] {
        &[]
    }

    /// Returns the paths that the text reads from its context, as far as the language can tell. It is called only for templates whose context
    /// has a schema.
    fn reads(&self) -> &Reads {
        static NONE: Reads = Reads::NONE;
        &NONE
    }

    /// Returns the fault of a formatter that is not among the registered ones, without a position, if the language has names of its own for
    /// what formatters do.
    fn unknown_formatter(&self, _name: &str, _registered: &[&str]) -> Option<Diagnostic> {
        None
    }

    /// Returns the memory of the unit in bytes, its text included. The compiler's cache is bounded by the sum, so a dialect overrides this
    /// if its units hold more than texts and lists.
    fn bytes(&self) -> usize {
        size_of_val(self) + self.text().len() + lists_bytes(self.calls(), self.formatters())
    }

    /// Renders the template of `closure`, which also resolves every call, so that the whole render reads one snapshot.
    ///
    /// # Errors
    /// [`RenderError`]. The caller discards the output that was written until then.
    fn render(&self, closure: &Closure<'_>, context: &Value<'_>, frame: &mut Frame<'_>) -> Result<(), RenderError>;

    /// Returns the unit as [`Any`], for dialects whose units hold more than text, such as the data of a site.
    fn as_any(&self) -> &dyn Any;
}

/// Returns the memory of the calls and formatters of a unit, in bytes.
pub(crate) fn lists_bytes(calls: &[Call], formatters: &[FormatterUse]) -> usize {
    let names: usize = formatters.iter().map(|used| used.name.len()).sum();
    size_of_val(calls) + size_of_val(formatters) + names
}

/// A call of another template in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The template that is called.
    pub name: TemplateName,
    /// The position of the name in the text.
    pub span: Span,
    /// The meaning of a template that does not exist.
    pub kind: CallKind,
}

/// The meaning of a called template that does not exist. Either way the caller belongs to its dependents, so that it changes with the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CallKind {
    /// A fault of the caller.
    #[default]
    Required,
    /// No fault: the caller knows what to do without it.
    Optional,
    /// A fault of the caller, which always extends the template. So a cycle of such calls is a fault as well.
    Extends,
}

/// A use of a formatter in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatterUse {
    /// The name of the formatter.
    pub name: Box<str>,
    /// The position of the name in the text.
    pub span: Span,
}

/// A dense number of a template name that was ever defined or called. It is never reused, and looking up an unknown name assigns none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TemplateId(pub(crate) u32);

impl TemplateId {
    /// Returns the id with a number, for implementations of [`Members`].
    #[must_use]
    pub fn new(number: u32) -> Self {
        Self(number)
    }

    /// Returns the number as an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A unit under a name, with its calls and formatters resolved.
pub struct Member {
    /// The name of the template.
    pub name: TemplateName,
    /// The digest of its text.
    pub digest: Digest,
    /// The compiled text.
    pub unit: Arc<dyn Unit>,
    /// The template that each of [`Unit::calls`] calls.
    pub callees: Box<[TemplateId]>,
    /// The formatter that each of [`Unit::formatters`] uses.
    pub formatters: Box<[Formatter]>,
    /// Templates that belong to this one without being called, such as the data of a page. They are published in the same swap, and stay
    /// at their last good version together with it. Unlike a callee, a companion may be absent.
    pub companions: Box<[TemplateId]>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("name", &self.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// A view of one snapshot, in which the members of a closure are looked up.
pub trait Members: Sync {
    /// Returns the member with this id, if the view has one.
    fn member(&self, id: TemplateId) -> Option<&Member>;

    /// Returns the id of a name that is, or was, defined or called.
    fn id(&self, name: &str) -> Option<TemplateId>;

    /// Returns true if a template has no fault in this view and reaches none, so that everything that it calls is of one version.
    fn is_whole(&self, id: TemplateId) -> bool;

    /// Returns the names that [`Members::id`] knows, for suggestions.
    fn names(&self) -> Box<dyn Iterator<Item = &TemplateName> + '_>;

    /// Returns a digest of all that [`Closure::find`] can find.
    fn digest(&self) -> Digest;
}

/// The template of a name that was computed in a render.
#[derive(Debug, Clone, Copy)]
pub enum Found<'s> {
    /// It exists, and it and all that it calls are of one version.
    Whole(Closure<'s>),
    /// It exists, but its newest text, or one that it calls, has a fault. So there is only a mixture of versions in this view.
    Faulty,
    /// There is none.
    Unknown,
}

/// A template and everything that it can reach by `call`, in one view of one snapshot.
#[derive(Clone, Copy)]
pub struct Closure<'s> {
    view: ScopeView<'s>,
    top: &'s Member,
}

impl<'s> Closure<'s> {
    /// Returns the closure of `top` in a view.
    #[must_use]
    pub fn new(members: &'s dyn Members, top: &'s Member) -> Self {
        Self::in_scope(ScopeView::shared(members), top)
    }

    /// Returns the closure of `top` in the view of a scope.
    #[inline]
    #[must_use]
    pub fn in_scope(view: ScopeView<'s>, top: &'s Member) -> Self {
        Self { view, top }
    }

    /// Returns the template that this closure begins with.
    #[must_use]
    pub fn top(&self) -> &'s Member {
        self.top
    }

    /// Returns the closure of the template that the `call`-th of [`Unit::calls`] calls.
    #[inline]
    #[must_use]
    pub fn callee(&self, call: usize) -> Option<Closure<'s>> {
        let id = *self.top.callees.get(call)?;
        let top = self.view.member(id)?;
        Some(Closure { view: self.view, top })
    }

    /// Returns the template of a name that was computed, in the view of this closure. A name is compared with those of the templates and is
    /// never a path.
    #[must_use]
    pub fn find(&self, name: &str) -> Found<'s> {
        let view = self.view;
        let found = view.id(name).map(|id| (view.is_whole(id), view.member(id)));
        match found {
            Some((true, Some(top))) => Found::Whole(Closure { view, top }),
            Some((false, _)) => Found::Faulty,
            Some((true, None)) | None => Found::Unknown,
        }
    }

    /// Returns the template that is probably meant by a name that does not exist. Compares it with `comparisons` names at most.
    #[cold]
    #[must_use]
    pub fn suggestion(&self, name: &str, comparisons: usize) -> Option<&'s TemplateName> {
        let is_found = |name: &&TemplateName| matches!(self.find(name.as_str()), Found::Whole(_));
        crate::suggestion::suggested_template(name, self.view.names().take(comparisons).filter(is_found))
    }

    /// Returns another member of the view in which this closure is resolved.
    pub(crate) fn neighbour(&self, id: TemplateId) -> Option<&'s Member> {
        self.view.member(id)
    }

    /// Returns the companions that exist, in their order.
    pub fn companions(&self) -> impl Iterator<Item = &'s Member> + use<'s> {
        let Self { view, top } = *self;
        top.companions.iter().filter_map(move |id| view.member(*id))
    }

    /// Returns every member once, in breadth-first order of the calls; the top comes first.
    #[must_use]
    pub fn members(&self) -> Vec<&'s Member> {
        // By address: a tenant may have a text of the same name as one that is not exported to it.
        let mut seen = std::collections::HashSet::from([std::ptr::from_ref(self.top)]);
        let mut members = vec![self.top];
        let mut next = 0;
        while let Some(member) = members.get(next).copied() {
            next += 1;
            for callee in member.callees.iter().filter_map(|id| self.view.member(*id)) {
                if seen.insert(std::ptr::from_ref(callee)) {
                    members.push(callee);
                }
            }
        }
        members
    }

    /// Returns a digest of the names and texts of all members and companions, and of all templates if a member computes names. Closures with
    /// equal digests render a context identically.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut members = self.members();
        let reaches_any = members.iter().any(|member| member.unit.reaches_any());
        let all = reaches_any.then(|| self.view.digest());
        members.extend(self.companions());
        members[1..].sort_unstable_by(|a, b| (&a.name, &a.digest).cmp(&(&b.name, &b.digest)));
        let texts = members.iter().flat_map(|member| {
            [
                member.name.as_str().as_bytes(),
                &[0],
                member.digest.as_bytes().as_slice(),
            ]
        });
        Digest::over(texts.chain(all.iter().map(|all| all.as_bytes().as_slice())))
    }

    /// Returns true if this template, or one that it calls, computes the name of a template.
    #[must_use]
    pub fn reaches_any(&self) -> bool {
        self.members().iter().any(|member| member.unit.reaches_any())
    }
}

impl fmt::Debug for Closure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Closure").field(&self.top.name).finish()
    }
}

/// The escaping of printed values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Escape {
    /// Replaces `< > & ' "` by entities, which protects text and quoted attributes.
    Html,
    /// Prints values as JSON: texts in quotes. Only templates in Jinja are escaped so by their names.
    Json,
    /// Prints values unchanged.
    None,
}

impl Escape {
    /// Returns the escaping of a template that is rendered as an entry: HTML for the extensions `html htm xml svg`, also with an extension
    /// of [`JINJA_EXTENSIONS`](crate::template::JINJA_EXTENSIONS) behind it, none for others.
    #[must_use]
    pub fn of(name: &TemplateName) -> Self {
        let escaped = [".html", ".htm", ".xml", ".svg"];
        let output = name.output_name();
        if escaped.iter().any(|extension| output.ends_with(extension)) {
            Self::Html
        } else {
            Self::None
        }
    }
}

/// The state of one render that all its templates share: output, budget and modes.
#[derive(Debug)]
pub struct Frame<'f> {
    /// The output so far.
    pub body: Body,
    /// The remaining budget.
    pub budget: &'f mut Budget,
    /// The escaping, which follows the entry: a partial is escaped like the page that calls it.
    pub escape: Escape,
    /// The treatment of missing paths.
    pub missing: Missing,
    /// The current depth of calls inside calls.
    pub depth: u32,
}

impl<'f> Frame<'f> {
    /// Returns a frame for the start of a render.
    #[must_use]
    pub fn new(budget: &'f mut Budget, escape: Escape, missing: Missing) -> Self {
        let body = Body::new(budget.output_bytes, 0);
        Self::writing_to(body, budget, escape, missing)
    }

    /// Returns a frame that writes to an existing body, whose buffer is reused.
    pub(crate) fn writing_to(body: Body, budget: &'f mut Budget, escape: Escape, missing: Missing) -> Self {
        Self {
            body,
            budget,
            escape,
            missing,
            depth: 0,
        }
    }

    /// Appends text unchanged.
    ///
    /// # Errors
    /// [`Exceeded::Output`] if the output would exceed its limit.
    #[inline]
    pub fn append(&mut self, text: &str) -> Result<(), Exceeded> {
        self.body.push(text)
    }
}

/// The reason why a render failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RenderFault {
    /// A path does not exist in the context.
    MissingPath,
    /// A loop over a value that is not an array.
    NotIterable,
    /// A printed array or object.
    Unprintable,
    /// An operator, filter, test or function that its operands do not support.
    Operation,
    /// A formatter, or a filter, test or function of the program, that rejected a value or panicked.
    Formatter,
    /// A call of a template that does not exist.
    UnknownTemplate,
    /// A limit or the caller ended the render.
    Budget(Exceeded),
    /// A failure inside the implementation of the dialect.
    Internal,
}

impl RenderFault {
    /// Returns true if an older version of the template may succeed with the same context.
    #[must_use]
    pub fn lies_in_the_template(self) -> bool {
        match self {
            Self::Budget(exceeded) => !exceeded.by_caller(),
            _ => true,
        }
    }
}

/// A failed render, as a reason for programs and a diagnostic for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderError {
    /// The reason, for programs.
    pub fault: RenderFault,
    /// The explanation for people, with the position and the chain of calls.
    pub diagnostic: Box<Diagnostic>,
}

impl RenderError {
    /// Returns an error with a reason and its explanation. Of a very long message or help, the part beyond 4096 bytes is cut off.
    #[must_use]
    pub fn new(fault: RenderFault, diagnostic: Diagnostic) -> Self {
        Self {
            fault,
            diagnostic: Box::new(diagnostic.shortened()),
        }
    }
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostic.fmt(f)
    }
}

impl std::error::Error for RenderError {}
