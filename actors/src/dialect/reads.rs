//! [`Reads`]: the paths that a compiled text reads from its context, for a comparison with the schema of that context.
//!
//! A read begins in the context, at the value of an earlier read, or at an item of one. So a variable of a loop or of `with` needs no name
//! here: its reads refer to the read that it stands for. Names of an including template are the exception, because only a render knows them.

use std::collections::BTreeSet;

use crate::diagnostic::Span;

/// The reads of a text, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// The reads.
    pub reads: Vec<Read>,
    /// The contexts of called templates.
    pub passed: Vec<Passed>,
    /// The macros, in the order of their numbers.
    pub macros: Vec<MacroOfReads>,
    /// The calls of macros whose arguments may come from the context.
    pub macro_calls: Vec<MacroCall>,
    /// The blocks that a descendant can replace, in the order of their numbers.
    pub blocks: Vec<BlockOfReads>,
    /// The call of the template that this text extends.
    pub extends: Option<usize>,
    /// The names that the text assigns anywhere. A template that shares its scope may read them.
    pub assigned: BTreeSet<Box<str>>,
    /// The names of fields and variables that the text tests for presence anywhere.
    pub tested: BTreeSet<Box<str>>,
    /// The names that the text uses, each with the innermost macro around it.
    pub uses: BTreeSet<(Option<Box<str>>, Box<str>)>,
    /// True if the text calls templates whose names only a render knows.
    pub calls_unknown: bool,
    /// True if the text was not analysed to its end.
    pub is_incomplete: bool,
}

impl Reads {
    /// No reads.
    pub const NONE: Self = Self {
        reads: Vec::new(),
        passed: Vec::new(),
        macros: Vec::new(),
        macro_calls: Vec::new(),
        blocks: Vec::new(),
        extends: None,
        assigned: BTreeSet::new(),
        tested: BTreeSet::new(),
        uses: BTreeSet::new(),
        calls_unknown: false,
        is_incomplete: false,
    };
}

/// A path that a text reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The value at which it begins.
    pub from: Origin,
    /// The names of the steps from there.
    pub steps: Vec<Box<str>>,
    /// The position in the text.
    pub span: Span,
    /// True if the render continues without the value: it is tested for presence or has a default.
    pub optional: bool,
    /// The number of the innermost block around it.
    pub block: Option<u32>,
    /// The name of the innermost macro around it.
    pub in_macro: Option<Box<str>>,
    /// The number of the macro at whose parameter it begins, directly or through other reads.
    pub of_macro: Option<u32>,
}

/// The value at which a read begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The context, or a variable of an including template with the name of the first step.
    Context,
    /// The value of an earlier read, by its number.
    Read(u32),
    /// Each item of the value of an earlier read.
    Item(u32),
    /// A parameter of a macro, by the numbers of the two. Each call of the macro passes its own value.
    Parameter {
        /// The number of the macro.
        of: u32,
        /// The number of the parameter.
        number: u32,
    },
    /// A value that does not come from the context as it is, such as the result of a filter.
    Unknown,
}

/// The context with which a text calls another template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// The number of the call in [`Unit::calls`](super::Unit::calls).
    pub call: usize,
    /// The context; `None` for the same one.
    pub context: Option<Origin>,
    /// The variables that the called template sees as well.
    pub variables: Vec<(Box<str>, Origin)>,
    /// The number of the innermost block around it.
    pub block: Option<u32>,
    /// The name of the innermost macro around it.
    pub in_macro: Option<Box<str>>,
}

/// A block that a descendant can replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockOfReads {
    /// Its name.
    pub name: Box<str>,
    /// True if it prints the block that it replaces.
    pub prints_parent: bool,
}

/// A macro of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacroOfReads {
    /// Its name.
    pub name: Box<str>,
    /// The names of its parameters.
    pub parameters: Vec<Box<str>>,
    /// True if another template that imports this one gets it under this name.
    pub is_exported: bool,
}

/// A call of a macro.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacroCall {
    /// The macro.
    pub callee: MacroCallee,
    /// The values of the arguments without a name.
    pub positional: Vec<Origin>,
    /// The values of the arguments with a name.
    pub named: Vec<(Box<str>, Origin)>,
    /// The position in the text.
    pub span: Span,
    /// The number of the innermost block around it.
    pub block: Option<u32>,
    /// The name of the innermost macro around it.
    pub in_macro: Option<Box<str>>,
    /// The number of the innermost macro around it.
    pub in_number: Option<u32>,
}

/// The macro that is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MacroCallee {
    /// One of the same text, by its number.
    Local(u32),
    /// One of a template that the text imports.
    Imported {
        /// The number of that template in [`Unit::calls`](super::Unit::calls).
        call: usize,
        /// The name of the macro there.
        name: Box<str>,
    },
}
