//! The syntax tree of a text.
//!
//! The tree borrows from the text. Operators of one precedence and chains of attributes, calls, filters and tests are lists rather than nested
//! nodes, and so are the branches of an `if`: the tree is only as deep as brackets, prefix operators and blocks are nested, which the
//! parser bounds by [`super::parser::NESTING_MAX`]. Walking and dropping it therefore needs bounded stack.

use std::borrow::Cow;
use std::ops::Range;

/// A range of bytes of the text. Texts are shorter than 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ByteRange {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl ByteRange {
    /// Returns the range of byte positions. The lexer rejects texts for which they would not fit.
    pub(super) fn new(range: Range<usize>) -> Self {
        Self {
            start: range.start as u32,
            end: range.end as u32,
        }
    }

    /// Returns the range for indexing the text.
    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Returns the range from the start of this one to the end of another.
    pub(super) fn to(self, last: Self) -> Self {
        Self {
            start: self.start,
            end: last.end,
        }
    }
}

/// A word of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name<'t> {
    pub(super) text: &'t str,
    pub(super) at: ByteRange,
}

/// A whole text.
#[derive(Debug, PartialEq)]
pub(super) struct Template<'t> {
    pub(super) body: Body<'t>,
}

/// Statements in their order.
pub(super) type Body<'t> = Vec<Statement<'t>>;

/// A statement. Its range is that of the text, of the expression between `{{` and `}}`, or of the tag that opens the block, without the
/// delimiters.
#[derive(Debug, PartialEq)]
pub(super) struct Statement<'t> {
    pub(super) at: ByteRange,
    pub(super) kind: StatementKind<'t>,
}

#[derive(Debug, PartialEq)]
pub(super) enum StatementKind<'t> {
    /// Text that is printed unchanged, whitespace control applied. Never empty. Consecutive texts are possible, since comments and `raw` blocks
    /// leave no trace.
    Text(&'t str),
    /// `{{ value }}`.
    Output(Expr<'t>),
    /// `{% if %} … {% elif %} … {% else %} … {% endif %}`.
    If {
        /// The `if` and each `elif`; never empty.
        branches: Vec<Branch<'t>>,
        /// The `else`, empty if there is none.
        otherwise: Body<'t>,
    },
    For(Box<For<'t>>),
    /// `{% set target = value %}`. Several values separated by commas are a tuple.
    Set {
        target: Target<'t>,
        value: Expr<'t>,
    },
    /// `{% set target | filters %} … {% endset %}`.
    SetBlock {
        target: Target<'t>,
        filters: Vec<FilterCall<'t>>,
        body: Body<'t>,
    },
    /// `{% with target = value, … %} … {% endwith %}`.
    With {
        assignments: Vec<(Target<'t>, Expr<'t>)>,
        body: Body<'t>,
    },
    /// `{% filter a | b %} … {% endfilter %}`, in the order of application; at least one.
    Filter {
        filters: Vec<FilterCall<'t>>,
        body: Body<'t>,
    },
    /// `{% autoescape enabled %} … {% endautoescape %}`.
    Autoescape {
        enabled: Expr<'t>,
        body: Body<'t>,
    },
    /// `{% block name %} … {% endblock %}`. No two blocks of a text have one name, and none is inside a macro or a call block.
    Block(Block<'t>),
    /// `{% extends template %}`, at most once on any path through the text that the parser can see: at most once at the top level.
    Extends(Expr<'t>),
    /// `{% include template %}`. `with context` and `without context` are accepted without effect, as in minijinja.
    Include {
        template: Expr<'t>,
        ignore_missing: bool,
    },
    /// `{% import template as alias %}`.
    Import {
        template: Expr<'t>,
        alias: Name<'t>,
    },
    /// `{% from template import names %}`.
    FromImport {
        template: Expr<'t>,
        names: Vec<Imported<'t>>,
    },
    Macro(Box<Macro<'t>>),
    /// `{% call(parameters) callee(arguments) %} … {% endcall %}`. The body is a macro with the name `caller`.
    CallBlock {
        /// The expression `callee(arguments)`: an [`ExprKind::Postfix`] whose last operation is a call.
        call: Expr<'t>,
        caller: Box<Macro<'t>>,
    },
    /// `{% do callee(arguments) %}`: an [`ExprKind::Postfix`] whose last operation is a call.
    Do(Expr<'t>),
    /// `{% break %}`. There is a loop around it in the same body of a block or macro, with only `if`, `with` and `autoescape` between.
    Break,
    /// `{% continue %}`, placed like `break`.
    Continue,
}

/// One condition of an `if` with its body.
#[derive(Debug, PartialEq)]
pub(super) struct Branch<'t> {
    pub(super) condition: Expr<'t>,
    pub(super) body: Body<'t>,
}

/// `{% for target in iterable if condition recursive %} … {% else %} … {% endfor %}`.
#[derive(Debug, PartialEq)]
pub(super) struct For<'t> {
    pub(super) target: Target<'t>,
    pub(super) iterable: Expr<'t>,
    pub(super) condition: Option<Expr<'t>>,
    pub(super) recursive: bool,
    pub(super) body: Body<'t>,
    /// The `else`, empty if there is none. A `break` in it belongs to the loop around this one.
    pub(super) otherwise: Body<'t>,
}

/// A block that descendants can replace.
#[derive(Debug, PartialEq)]
pub(super) struct Block<'t> {
    pub(super) name: Name<'t>,
    /// A descendant has to replace the block. Its body has only blanks.
    pub(super) required: bool,
    pub(super) body: Body<'t>,
}

/// A name in `{% from … import name as alias %}`.
#[derive(Debug, PartialEq)]
pub(super) struct Imported<'t> {
    pub(super) name: Name<'t>,
    pub(super) alias: Option<Name<'t>>,
}

/// A macro, or the body of a call block.
#[derive(Debug, PartialEq)]
pub(super) struct Macro<'t> {
    /// The name; `caller` with the range of the word `call` for the body of a call block.
    pub(super) name: Name<'t>,
    pub(super) parameters: Vec<Parameter<'t>>,
    pub(super) body: Body<'t>,
}

/// A parameter of a macro. All parameters behind one with a default have a default.
#[derive(Debug, PartialEq)]
pub(super) struct Parameter<'t> {
    pub(super) name: Name<'t>,
    pub(super) default: Option<Expr<'t>>,
}

/// The left side of an assignment. No name in it is reserved.
#[derive(Debug, PartialEq)]
pub(super) enum Target<'t> {
    Name(Name<'t>),
    /// `namespace.attribute`, with several attributes at least one. Only `set` has this form.
    Attribute {
        base: Name<'t>,
        path: Vec<Name<'t>>,
    },
    /// `a, b` or `(a, (b, c))`; also `a,` and, as in minijinja, an empty list.
    Tuple {
        items: Vec<Target<'t>>,
        at: ByteRange,
    },
}

/// An expression.
#[derive(Debug, PartialEq)]
pub(super) struct Expr<'t> {
    pub(super) at: ByteRange,
    pub(super) kind: ExprKind<'t>,
}

#[derive(Debug, PartialEq)]
pub(super) enum ExprKind<'t> {
    Literal(Literal<'t>),
    /// A variable or a function.
    Name(&'t str),
    List(Vec<Expr<'t>>),
    Tuple(Vec<Expr<'t>>),
    Map(Vec<(Expr<'t>, Expr<'t>)>),
    Not(Box<Expr<'t>>),
    /// `-operand`.
    Negate(Box<Expr<'t>>),
    /// `a or b or …`; two at least.
    Or(Vec<Expr<'t>>),
    /// `a and b and …`; two at least.
    And(Vec<Expr<'t>>),
    /// `a < b < …`: each operator compares its neighbours, and all have to hold. Each operand is evaluated once at most.
    Compare(Box<Expr<'t>>, Vec<(Comparison, Expr<'t>)>),
    /// Operators of one precedence, applied from left to right.
    Binary(Box<Expr<'t>>, Vec<(Operator, Expr<'t>)>),
    /// Attributes, items, calls, filters and tests, applied from left to right; one at least.
    Postfix(Box<Expr<'t>>, Vec<Postfix<'t>>),
    /// `a if b else c if d else e`: the value of the first arm whose condition holds; without one, `otherwise`; without that, undefined.
    Conditional {
        /// Never empty.
        arms: Vec<Arm<'t>>,
        otherwise: Option<Box<Expr<'t>>>,
    },
}

/// `value if condition`.
#[derive(Debug, PartialEq)]
pub(super) struct Arm<'t> {
    pub(super) value: Expr<'t>,
    pub(super) condition: Expr<'t>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal<'t> {
    None,
    Bool(bool),
    /// Without a sign.
    Int(u128),
    Float(f64),
    /// The string itself, its escape sequences resolved and adjacent literals joined.
    Str(Cow<'t, str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `~`.
    Concat,
    /// `*`.
    Multiply,
    /// `/`.
    Divide,
    /// `//`.
    FloorDivide,
    /// `%`.
    Remainder,
    /// `**`. Left to right like the others, as in minijinja.
    Power,
}

impl Operator {
    /// Returns the operator as it is written.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Concat => "~",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::FloorDivide => "//",
            Self::Remainder => "%",
            Self::Power => "**",
        }
    }
}

/// An operation on the value before it.
#[derive(Debug, PartialEq)]
pub(super) struct Postfix<'t> {
    /// From the operator (`.`, `[`, `(`, `|`, `is`) to the end of the operation.
    pub(super) at: ByteRange,
    pub(super) kind: PostfixKind<'t>,
}

#[derive(Debug, PartialEq)]
pub(super) enum PostfixKind<'t> {
    /// `.name`.
    Attribute(Name<'t>),
    /// `[item]`, and `.0`.
    Item(Expr<'t>),
    /// `[start:stop:step]`.
    Slice(Box<Slice<'t>>),
    /// `(arguments)`.
    Call(Vec<Argument<'t>>),
    /// `| name(arguments)`.
    Filter(FilterCall<'t>),
    /// `is name(arguments)` and `is not name(arguments)`.
    Test(TestCall<'t>),
}

#[derive(Debug, PartialEq)]
pub(super) struct Slice<'t> {
    pub(super) start: Option<Expr<'t>>,
    pub(super) stop: Option<Expr<'t>>,
    pub(super) step: Option<Expr<'t>>,
}

#[derive(Debug, PartialEq)]
pub(super) struct FilterCall<'t> {
    /// The name, which may have several parts with dots between.
    pub(super) name: Name<'t>,
    pub(super) arguments: Vec<Argument<'t>>,
}

#[derive(Debug, PartialEq)]
pub(super) struct TestCall<'t> {
    pub(super) negated: bool,
    /// The name, which may have several parts with dots between.
    pub(super) name: Name<'t>,
    pub(super) arguments: Vec<Argument<'t>>,
}

/// An argument. Positional ones come before named ones.
#[derive(Debug, PartialEq)]
pub(super) enum Argument<'t> {
    /// `value`.
    Positional(Expr<'t>),
    /// `name=value`.
    Named(Name<'t>, Expr<'t>),
    /// `*values`.
    Spread(Expr<'t>),
    /// `**values`.
    SpreadNamed(Expr<'t>),
}
