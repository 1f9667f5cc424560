//! Values that templates call, and imported templates.
//!
//! Only the executor calls a macro. A value knows the template that defines it, and what that says of it.

use std::cell::Cell;

use super::{Namespace, Space, Val};
use crate::dialect::Closure;
use crate::dialect::jinja::failure::Outcome;

/// A function that every template has, or the result of one.
#[derive(Clone, Copy)]
pub(in crate::dialect::jinja) enum Function<'r> {
    Range,
    Dict,
    Debug,
    Namespace,
    MakeCycler,
    MakeJoiner,
    RandRange,
    Lipsum,
    Now,
    /// The result of `cycler`.
    Cycler(&'r Cycler<'r>),
    /// The result of `joiner`.
    Joiner(&'r Joiner<'r>),
}

/// Values that are printed in turn.
pub(in crate::dialect::jinja) struct Cycler<'r> {
    items: &'r [Val<'r>],
    next: Cell<usize>,
}

/// A separator, which is printed from the second time on.
pub(in crate::dialect::jinja) struct Joiner<'r> {
    separator: Val<'r>,
    used: Cell<bool>,
}

impl<'r> Function<'r> {
    const ALL: [Self; 9] = [
        Self::Range,
        Self::Dict,
        Self::Debug,
        Self::Namespace,
        Self::MakeCycler,
        Self::MakeJoiner,
        Self::RandRange,
        Self::Lipsum,
        Self::Now,
    ];

    /// Returns the function of the language that has a name.
    pub(in crate::dialect::jinja) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.name() == name)
    }

    /// Returns the names of all functions of the language.
    pub(in crate::dialect::jinja) fn names() -> impl Iterator<Item = &'static str> {
        Function::<'static>::ALL.into_iter().map(Function::name)
    }

    pub(in crate::dialect::jinja) fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::Dict => "dict",
            Self::Debug => "debug",
            Self::Namespace => "namespace",
            Self::MakeCycler | Self::Cycler(_) => "cycler",
            Self::MakeJoiner | Self::Joiner(_) => "joiner",
            Self::RandRange => "randrange",
            Self::Lipsum => "lipsum",
            Self::Now => "now",
        }
    }
}

impl<'r> Cycler<'r> {
    /// Returns a cycler of values, of which there is at least one.
    pub(in crate::dialect::jinja) fn new(items: &'r [Val<'r>]) -> Self {
        let next = Cell::new(0);
        Self { items, next }
    }

    /// Returns the value whose turn it is.
    pub(in crate::dialect::jinja) fn next(&self) -> Val<'r> {
        let at = self.next.get();
        self.next.set((at + 1) % self.items.len().max(1));
        self.items.get(at).copied().unwrap_or(Val::Silent)
    }
}

impl<'r> Joiner<'r> {
    pub(in crate::dialect::jinja) fn new(separator: Val<'r>) -> Self {
        let used = Cell::new(false);
        Self { separator, used }
    }

    /// Returns the separator, but nothing the first time.
    pub(in crate::dialect::jinja) fn next(&self) -> Val<'r> {
        match self.used.replace(true) {
            true => self.separator,
            false => Val::Str(""),
        }
    }
}

/// The definitions of macros in a text.
pub(in crate::dialect::jinja) trait Definitions {
    /// Returns the name of a macro.
    fn name(&self, index: u32) -> &str;

    /// Returns a parameter of a macro.
    fn parameter(&self, index: u32, at: usize) -> Option<&str>;

    /// Returns true if a macro uses `caller`.
    fn uses_caller(&self, index: u32) -> bool;
}

/// A macro together with the variables of the scope in which it was defined.
pub(in crate::dialect::jinja) struct Macro<'r> {
    /// The template with the text that defines it.
    pub(in crate::dialect::jinja) template: Closure<'r>,
    pub(in crate::dialect::jinja) definitions: &'r dyn Definitions,
    /// The index of its definition.
    pub(in crate::dialect::jinja) index: u32,
    pub(in crate::dialect::jinja) closure: Option<&'r Namespace<'r>>,
}

impl<'r> Macro<'r> {
    pub(in crate::dialect::jinja) const FIELDS: [&'static str; 3] = ["name", "arguments", "caller"];

    pub(in crate::dialect::jinja) fn name(&self) -> &'r str {
        self.definitions.name(self.index)
    }

    /// Returns the value of an attribute.
    pub(in crate::dialect::jinja) fn field(&self, name: &str, space: &Space<'r>) -> Outcome<Option<Val<'r>>> {
        Ok(Some(match name {
            "name" => Val::Str(self.name()),
            "arguments" => {
                let mut names = space.list();
                while let Some(parameter) = self.definitions.parameter(self.index, names.len()) {
                    names.push(Val::Str(parameter))?;
                }
                Val::List(names.finish())
            }
            "caller" => Val::Bool(self.definitions.uses_caller(self.index)),
            _ => return Ok(None),
        }))
    }
}

/// An imported template.
pub(in crate::dialect::jinja) struct Module<'r> {
    /// The names that it sets, sorted, without those that begin with an underscore.
    pub(in crate::dialect::jinja) exports: &'r [(&'r str, Val<'r>)],
    /// The text that it prints.
    pub(in crate::dialect::jinja) output: &'r str,
}

impl<'r> Module<'r> {
    pub(in crate::dialect::jinja) fn get(&self, name: &str) -> Option<Val<'r>> {
        let at = self.exports.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
        self.exports.get(at).map(|(_, value)| *value)
    }
}
