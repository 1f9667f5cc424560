//! Open blocks.

use crate::dialect::jinja::ast::{
    Block, Body, Branch, ByteRange, Expr, FilterCall, For, Macro, Statement, StatementKind, Target,
};
use crate::dialect::jinja::fault::Fault;

/// A block whose end has not come yet.
#[derive(Debug)]
pub(super) struct Open<'t> {
    /// The keyword, such as `if`.
    pub(super) word: &'static str,
    /// The tag that opened it.
    pub(super) at: ByteRange,
    pub(super) header: Header<'t>,
    /// The body around it, up to it.
    pub(super) outer: Body<'t>,
}

/// The content of the opening tag of a block, and the parts of its body that are complete.
#[derive(Debug)]
pub(super) enum Header<'t> {
    If {
        /// The branches that ended.
        branches: Vec<Branch<'t>>,
        /// The condition of the current branch, none in `else`.
        condition: Option<Expr<'t>>,
    },
    For {
        parts: Box<For<'t>>,
        in_else: bool,
    },
    SetBlock {
        target: Target<'t>,
        filters: Vec<FilterCall<'t>>,
    },
    With(Vec<(Target<'t>, Expr<'t>)>),
    Filter(Vec<FilterCall<'t>>),
    Autoescape(Expr<'t>),
    Block(Block<'t>),
    Macro(Box<Macro<'t>>),
    CallBlock {
        call: Expr<'t>,
        caller: Box<Macro<'t>>,
    },
    /// A block whose opening tag was refused: it is kept so that its end is not a second fault.
    Refused,
    /// A block that a misspelt word probably opens.
    Guessed,
}

impl<'t> Open<'t> {
    /// Returns the statement of the block with its last body. A refused block leaves none.
    pub(super) fn closed(header: Header<'t>, at: ByteRange, body: Body<'t>) -> Option<Statement<'t>> {
        let kind = match header {
            Header::If {
                mut branches,
                condition: Some(condition),
            } => {
                branches.push(Branch { condition, body });
                StatementKind::If {
                    branches,
                    otherwise: Vec::new(),
                }
            }
            Header::If {
                branches,
                condition: None,
            } => StatementKind::If {
                branches,
                otherwise: body,
            },
            Header::For { mut parts, in_else } => {
                match in_else {
                    true => parts.otherwise = body,
                    false => parts.body = body,
                }
                StatementKind::For(parts)
            }
            Header::SetBlock { target, filters } => StatementKind::SetBlock { target, filters, body },
            Header::With(assignments) => StatementKind::With { assignments, body },
            Header::Filter(filters) => StatementKind::Filter { filters, body },
            Header::Autoescape(enabled) => StatementKind::Autoescape { enabled, body },
            Header::Block(block) => StatementKind::Block(Block { body, ..block }),
            Header::Macro(mut parts) => {
                parts.body = body;
                StatementKind::Macro(parts)
            }
            Header::CallBlock { call, mut caller } => {
                caller.body = body;
                StatementKind::CallBlock { call, caller }
            }
            Header::Refused | Header::Guessed => return None,
        };
        Some(Statement { at, kind })
    }

    pub(super) fn is_guessed(&self) -> bool {
        matches!(self.header, Header::Guessed)
    }

    /// Returns the fault of a block that is still open at the end of the text.
    pub(super) fn unclosed(&self) -> Fault {
        let word = self.word;
        let fault = Fault::new("unclosed-block", self.at, format!("this `{word}` is never closed"));
        fault.help(match word {
            "set" => "close it with `{% endset %}`, or assign a value: `{% set name = value %}`".into(),
            _ => format!("close it with `{{% end{word} %}}`"),
        })
    }
}
