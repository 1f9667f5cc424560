//! What a template language is to the engine: [`Dialect`] makes a [`Unit`] of one text, a unit renders inside its [`Closure`].

pub mod tiny;

pub(crate) mod body;
pub mod escape;
mod formatter;

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

/// A template language.
pub trait Dialect: Send + Sync + 'static {
    /// A short stable name, such as `tiny`.
    fn id(&self) -> &'static str;

    /// Makes a unit of one text, alone; knows no name. Linear, bounded, never panics.
    ///
    /// # Errors
    /// What its author has to change.
    fn compile(&self, text: &str, limits: &Limits) -> Result<Arc<dyn Unit>, Vec<Diagnostic>>;

    /// Checks that a text can name a formatter like this.
    ///
    /// # Errors
    /// The reason why none can, and what is possible instead.
    fn formatter_name(&self, _name: &str) -> Result<(), String> {
        Ok(())
    }

    /// Returns this language for texts whose paths may lead nowhere, as [`Missing::Lenient`] says. Without one, templates are strict
    /// wherever they come from.
    fn lenient(&self) -> Option<Arc<dyn Dialect>> {
        None
    }
}

/// One compiled text: immutable, shared by every version, name and thread that has the same text.
pub trait Unit: Send + Sync + 'static {
    /// The text that it was made of.
    fn text(&self) -> &str;

    /// The calls in the text. A unit names a call by its index here.
    fn calls(&self) -> &[Call];

    /// The formatters used in the text. A unit names a use by its index here.
    fn formatters(&self) -> &[FormatterUse];

    /// What probably is not meant, although it compiles. Only shown for templates whose output is escaped as HTML.
    fn warnings(&self) -> &[Diagnostic] {
        &[]
    }

    /// What it takes in memory, its text and everything that it was compiled to included: the compiler's cache is bounded by the sum. A
    /// dialect whose units hold more than this counts says so.
    fn bytes(&self) -> usize {
        size_of_val(self) + self.text().len() + lists_bytes(self.calls(), self.formatters())
    }

    /// Renders the template of `closure`. Every call of this render is answered by `closure`, from one snapshot.
    ///
    /// # Errors
    /// [`RenderError`]; what was appended to the output until then is thrown away.
    fn render(&self, closure: &Closure<'_>, context: &Value<'_>, frame: &mut Frame<'_>) -> Result<(), RenderError>;

    /// For a dialect whose units hold more than text, such as the data of a site.
    fn as_any(&self) -> &dyn Any;
}

/// What the calls and formatters of a unit take in memory.
pub(crate) fn lists_bytes(calls: &[Call], formatters: &[FormatterUse]) -> usize {
    let names: usize = formatters.iter().map(|used| used.name.len()).sum();
    size_of_val(calls) + size_of_val(formatters) + names
}

/// A call of another template in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Who is called.
    pub name: TemplateName,
    /// Where the name stands.
    pub span: Span,
}

/// A use of a formatter in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatterUse {
    /// Its name.
    pub name: Box<str>,
    /// Where the name stands.
    pub span: Span,
}

/// A dense number for a name that was ever defined or called. Never reused, never given by a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TemplateId(pub(crate) u32);

impl TemplateId {
    /// The id with a number: for those who answer [`Members`] themselves.
    #[must_use]
    pub fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number as a position.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A unit under a name, with its calls and formatters resolved.
pub struct Member {
    /// Its name.
    pub name: TemplateName,
    /// The digest of its text.
    pub digest: Digest,
    /// What it does.
    pub unit: Arc<dyn Unit>,
    /// For each of [`Unit::calls`], who that is.
    pub callees: Box<[TemplateId]>,
    /// For each of [`Unit::formatters`], which that is.
    pub formatters: Box<[Formatter]>,
    /// What travels with it without being called, such as the data of a page: published in one swap with it, and held back
    /// with it. Unlike a callee it may be absent.
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

/// Where the members of a closure are found: one view of one snapshot.
pub trait Members: Sync {
    /// The member with this id, if the view has it.
    fn member(&self, id: TemplateId) -> Option<&Member>;
}

/// A template and everything that it can reach by `call`, in one view of one snapshot.
#[derive(Clone, Copy)]
pub struct Closure<'s> {
    members: &'s dyn Members,
    top: &'s Member,
}

impl<'s> Closure<'s> {
    /// The closure of `top` in a view.
    #[must_use]
    pub fn new(members: &'s dyn Members, top: &'s Member) -> Self {
        Self { members, top }
    }

    /// The template that this closure begins with.
    #[must_use]
    pub fn top(&self) -> &'s Member {
        self.top
    }

    /// The closure of the template that the `call`-th of [`Unit::calls`] calls.
    #[inline]
    #[must_use]
    pub fn callee(&self, call: usize) -> Option<Closure<'s>> {
        let id = *self.top.callees.get(call)?;
        let top = self.members.member(id)?;
        Some(Closure {
            members: self.members,
            top,
        })
    }

    /// The companions that are there, in their order.
    pub fn companions(&self) -> impl Iterator<Item = &'s Member> + use<'s> {
        let Self { members, top } = *self;
        top.companions.iter().filter_map(move |id| members.member(*id))
    }

    /// Every member, each once, this one first, in the order in which calls reach them.
    #[must_use]
    pub fn members(&self) -> Vec<&'s Member> {
        let mut seen = std::collections::HashSet::from([&self.top.name]);
        let mut members = vec![self.top];
        let mut next = 0;
        while let Some(member) = members.get(next).copied() {
            next += 1;
            for callee in member.callees.iter().filter_map(|id| self.members.member(*id)) {
                if seen.insert(&callee.name) {
                    members.push(callee);
                }
            }
        }
        members
    }

    /// A digest of the names and texts of every member and companion: equal closures print the same for the same context.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut members = self.members();
        members.extend(self.companions());
        members[1..].sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Digest::over(members.iter().flat_map(|member| {
            [
                member.name.as_str().as_bytes(),
                &[0],
                member.digest.as_bytes().as_slice(),
            ]
        }))
    }
}

impl fmt::Debug for Closure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Closure").field(&self.top.name).finish()
    }
}

/// Whether values are escaped as HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Escape {
    /// `< > & ' "` become entities: right for text and for quoted attributes.
    Html,
    /// Values appear as they are.
    None,
}

impl Escape {
    /// By the extension of an entry: `html htm xml svg` escape, others do not.
    #[must_use]
    pub fn of(name: &TemplateName) -> Self {
        let escaped = [".html", ".htm", ".xml", ".svg"];
        if escaped.iter().any(|extension| name.as_str().ends_with(extension)) {
            Self::Html
        } else {
            Self::None
        }
    }
}

/// What one render carries through all its templates: the output, the budget, the modes.
#[derive(Debug)]
pub struct Frame<'f> {
    /// What was rendered so far.
    pub body: Body,
    /// What may still be spent.
    pub budget: &'f mut Budget,
    /// Follows the entry: a partial is escaped as the page that calls it.
    pub escape: Escape,
    /// What a missing path means.
    pub missing: Missing,
    /// Calls inside calls, now.
    pub depth: u32,
}

impl<'f> Frame<'f> {
    /// A frame at the start of a render.
    #[must_use]
    pub fn new(budget: &'f mut Budget, escape: Escape, missing: Missing) -> Self {
        let body = Body::new(budget.output_bytes, 0);
        Self::writing_to(body, budget, escape, missing)
    }

    /// The same, with a body that has room already.
    pub(crate) fn writing_to(body: Body, budget: &'f mut Budget, escape: Escape, missing: Missing) -> Self {
        Self {
            body,
            budget,
            escape,
            missing,
            depth: 0,
        }
    }

    /// Appends text as it is.
    ///
    /// # Errors
    /// [`Exceeded::Output`] when the output would go over its limit.
    #[inline]
    pub fn append(&mut self, text: &str) -> Result<(), Exceeded> {
        self.body.push(text)
    }
}

/// Why a render failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RenderFault {
    /// A path leads nowhere.
    MissingPath,
    /// A loop over something that is no array.
    NotIterable,
    /// An array or an object where text is printed.
    Unprintable,
    /// A formatter refused a value, or panicked.
    Formatter,
    /// A call to a template that is not there.
    UnknownTemplate,
    /// A limit or the caller ended it.
    Budget(Exceeded),
    /// The engine of the dialect failed in a way of its own.
    Internal,
}

impl RenderFault {
    /// Whether the reason lies in the template, so that an older one may do better with the same context.
    #[must_use]
    pub fn lies_in_the_template(self) -> bool {
        match self {
            Self::Budget(exceeded) => !exceeded.by_caller(),
            _ => true,
        }
    }
}

/// A render that failed: the reason for programs, the diagnostic for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderError {
    /// For programs.
    pub fault: RenderFault,
    /// For people: where, and through which calls.
    pub diagnostic: Box<Diagnostic>,
}

impl RenderError {
    /// A fault with what to tell people.
    #[must_use]
    pub fn new(fault: RenderFault, diagnostic: Diagnostic) -> Self {
        Self {
            fault,
            diagnostic: Box::new(diagnostic),
        }
    }
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostic.fmt(f)
    }
}

impl std::error::Error for RenderError {}
