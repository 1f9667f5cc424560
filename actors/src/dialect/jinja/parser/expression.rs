//! Expressions, by precedence climbing (Pratt parsing): operators of one precedence become one list.

use std::borrow::Cow;

use crate::dialect::jinja::ast::{
    Argument, Arm, ByteRange, Comparison, Expr, ExprKind, FilterCall, Literal, Name, Operator, Postfix, PostfixKind,
    Slice, TestCall,
};
use crate::dialect::jinja::fault::Fault;
use crate::dialect::jinja::lexer::{Symbol, Token};

use super::{BRACKET_LEVELS, Parser, expr};

/// The largest number of arguments of one call, as in minijinja.
const ARGUMENTS_MAX: usize = 2000;

/// The precedence of operators, from the one that binds least. Filters, tests and what binds more are no infix operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Or,
    And,
    Not,
    Compare,
    Sum,
    Concat,
    Product,
    Power,
    Operand,
}

impl Level {
    /// Returns the level of the right operand of an operator, since all associate to the left.
    fn tighter(self) -> Self {
        match self {
            Self::Or => Self::And,
            Self::And => Self::Not,
            Self::Not => Self::Compare,
            Self::Compare => Self::Sum,
            Self::Sum => Self::Concat,
            Self::Concat => Self::Product,
            Self::Product => Self::Power,
            Self::Power | Self::Operand => Self::Operand,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Infix {
    Or,
    And,
    Compare(Comparison),
    Operator(Operator),
}

impl<'t> Parser<'t, '_> {
    /// Parses an expression, a conditional one included.
    pub(super) fn expression(&mut self) -> Result<Expr<'t>, Fault> {
        self.enter(BRACKET_LEVELS)?;
        let mut arms = Vec::new();
        let otherwise = loop {
            let value = self.infix(Level::Or)?;
            if !self.takes_word("if")? {
                if arms.is_empty() {
                    self.depth -= BRACKET_LEVELS;
                    return Ok(value);
                }
                break Some(Box::new(value));
            }
            let condition = self.infix(Level::Or)?;
            arms.push(Arm { value, condition });
            if !self.takes_word("else")? {
                break None;
            }
        };
        if self.is_word("if") {
            let fault = self.unexpected("`else`");
            return Err(fault.help("a value has one `if`: join the conditions with `and`, or use parentheses"));
        }
        self.depth -= BRACKET_LEVELS;
        let start = arms.first().map_or(self.at, |arm| arm.value.at);
        Ok(expr(self.since(start), ExprKind::Conditional { arms, otherwise }))
    }

    /// Parses an expression that is not a conditional one, such as the condition of an `if`.
    pub(super) fn plain_expression(&mut self) -> Result<Expr<'t>, Fault> {
        self.infix(Level::Or)
    }

    /// Parses operators that bind at least as much as `least`, with their operands.
    fn infix(&mut self, least: Level) -> Result<Expr<'t>, Fault> {
        self.enter(1)?;
        let mut left = match self.token {
            Token::Word("not") => self.not(least)?,
            _ => self.operand(true)?,
        };
        // The level of the operators that are joined to a list, so that parentheses around the same operator are kept.
        let mut joined = None;
        while let Some((level, infix)) = self.next_infix() {
            if level < least {
                break;
            }
            self.advance()?;
            if infix == Infix::Compare(Comparison::NotIn) {
                self.expect_word("in")?;
            }
            let right = self.infix(level.tighter())?;
            join(&mut left, infix, right, joined == Some(level));
            joined = Some(level);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn not(&mut self, least: Level) -> Result<Expr<'t>, Fault> {
        let start = self.at;
        if least > Level::Not {
            let fault = Fault::new(
                "unexpected-token",
                start,
                "`not` binds less than the operator before it",
            );
            return Err(fault.help("put parentheses around `(not …)`"));
        }
        self.advance()?;
        let value = self.infix(Level::Not)?;
        Ok(expr(self.since(start), ExprKind::Not(Box::new(value))))
    }

    fn next_infix(&self) -> Option<(Level, Infix)> {
        let compare = |comparison| (Level::Compare, Infix::Compare(comparison));
        let operator = |level, operator| (level, Infix::Operator(operator));
        Some(match self.token {
            Token::Word("or") => (Level::Or, Infix::Or),
            Token::Word("and") => (Level::And, Infix::And),
            Token::Word("in") => compare(Comparison::In),
            Token::Word("not") => compare(Comparison::NotIn),
            Token::Symbol(symbol) => match symbol {
                Symbol::Equal => compare(Comparison::Equal),
                Symbol::NotEqual => compare(Comparison::NotEqual),
                Symbol::Less => compare(Comparison::Less),
                Symbol::LessOrEqual => compare(Comparison::LessOrEqual),
                Symbol::Greater => compare(Comparison::Greater),
                Symbol::GreaterOrEqual => compare(Comparison::GreaterOrEqual),
                Symbol::Plus => operator(Level::Sum, Operator::Add),
                Symbol::Minus => operator(Level::Sum, Operator::Subtract),
                Symbol::Tilde => operator(Level::Concat, Operator::Concat),
                Symbol::Star => operator(Level::Product, Operator::Multiply),
                Symbol::Slash => operator(Level::Product, Operator::Divide),
                Symbol::SlashSlash => operator(Level::Product, Operator::FloorDivide),
                Symbol::Percent => operator(Level::Product, Operator::Remainder),
                Symbol::StarStar => operator(Level::Power, Operator::Power),
                _ => return None,
            },
            _ => return None,
        })
    }

    /// Parses a value with its attributes, items and calls; a minus applies to all of these, and filters and tests apply to the negated
    /// value.
    fn operand(&mut self, with_filters: bool) -> Result<Expr<'t>, Fault> {
        let start = self.at;
        let mut minuses = 0;
        while self.takes(Symbol::Minus)? {
            self.enter(1)?;
            minuses += 1;
        }
        let first = self.at;
        let mut base = self.primary()?;
        let mut operations = Vec::new();
        while let Some(operation) = self.access()? {
            operations.push(operation);
        }
        if minuses > 0 {
            base = self.chain(first, base, std::mem::take(&mut operations));
            self.depth -= minuses;
            for nth in (0..minuses).rev() {
                // All but the first minus are shown from where the value begins.
                let from = if nth == 0 { start } else { first };
                base = expr(self.since(from), ExprKind::Negate(Box::new(base)));
            }
        }
        while with_filters && let Some(operation) = self.filter_or_test()? {
            operations.push(operation);
        }
        Ok(self.chain(start, base, operations))
    }

    fn chain(&self, start: ByteRange, base: Expr<'t>, operations: Vec<Postfix<'t>>) -> Expr<'t> {
        match operations.is_empty() {
            true => base,
            false => expr(self.since(start), ExprKind::Postfix(Box::new(base), operations)),
        }
    }

    /// Parses an attribute, an item, a slice or a call, if one follows.
    fn access(&mut self) -> Result<Option<Postfix<'t>>, Fault> {
        let start = self.at;
        let kind = match self.token {
            Token::Symbol(Symbol::Dot) => {
                self.advance()?;
                match self.token {
                    Token::Word(text) => {
                        let at = self.at;
                        self.advance()?;
                        PostfixKind::Attribute(Name { text, at })
                    }
                    Token::Int(index) => {
                        let item = expr(self.at, ExprKind::Literal(Literal::Int(index)));
                        self.advance()?;
                        PostfixKind::Item(item)
                    }
                    _ => return Err(self.unexpected("the name of an attribute")),
                }
            }
            Token::Symbol(Symbol::BracketOpen) => self.subscript()?,
            Token::Symbol(Symbol::ParenOpen) => PostfixKind::Call(self.arguments()?),
            _ => return Ok(None),
        };
        Ok(Some(Postfix {
            at: self.since(start),
            kind,
        }))
    }

    /// Parses `[item]` or `[start:stop:step]`.
    fn subscript(&mut self) -> Result<PostfixKind<'t>, Fault> {
        self.advance()?;
        let start = match self.token {
            Token::Symbol(Symbol::Colon) => None,
            Token::Symbol(Symbol::BracketClose) => return Err(self.unexpected("an index")),
            _ => Some(self.expression()?),
        };
        if !self.takes(Symbol::Colon)? {
            self.expect(Symbol::BracketClose, "`]`")?;
            return match start {
                Some(item) => Ok(PostfixKind::Item(item)),
                None => Err(self.unexpected("an index")),
            };
        }
        let (mut stop, mut step) = (None, None);
        if !matches!(self.token, Token::Symbol(Symbol::BracketClose | Symbol::Colon)) {
            stop = Some(self.expression()?);
        }
        if self.takes(Symbol::Colon)? && self.token != Token::Symbol(Symbol::BracketClose) {
            step = Some(self.expression()?);
        }
        self.expect(Symbol::BracketClose, "`]`")?;
        Ok(PostfixKind::Slice(Box::new(Slice { start, stop, step })))
    }

    fn filter_or_test(&mut self) -> Result<Option<Postfix<'t>>, Fault> {
        let start = self.at;
        let kind = match self.token {
            Token::Symbol(Symbol::Pipe) => {
                self.advance()?;
                PostfixKind::Filter(self.filter()?)
            }
            Token::Word("is") => {
                self.advance()?;
                PostfixKind::Test(self.test()?)
            }
            _ => return Ok(None),
        };
        Ok(Some(Postfix {
            at: self.since(start),
            kind,
        }))
    }

    /// Parses the name and the arguments of a filter.
    pub(super) fn filter(&mut self) -> Result<FilterCall<'t>, Fault> {
        let name = self.dotted_name("the name of a filter")?;
        let arguments = match self.token {
            Token::Symbol(Symbol::ParenOpen) => self.arguments()?,
            _ => Vec::new(),
        };
        Ok(FilterCall { name, arguments })
    }

    /// Parses the name of a test and its arguments; one argument needs no parentheses.
    fn test(&mut self) -> Result<TestCall<'t>, Fault> {
        let negated = self.takes_word("not")?;
        let name = self.dotted_name("the name of a test")?;
        let arguments = match self.token {
            Token::Symbol(Symbol::ParenOpen) => self.arguments()?,
            Token::Word("and" | "or" | "else" | "is" | "if" | "in" | "not") => Vec::new(),
            Token::Word(_)
            | Token::Str(_)
            | Token::Int(_)
            | Token::Float(_)
            | Token::Symbol(Symbol::Minus | Symbol::BracketOpen | Symbol::BraceOpen) => {
                vec![Argument::Positional(self.operand(false)?)]
            }
            _ => Vec::new(),
        };
        Ok(TestCall {
            negated,
            name,
            arguments,
        })
    }

    /// Takes names with dots between, which are one name.
    fn dotted_name(&mut self, expected: &str) -> Result<Name<'t>, Fault> {
        let mut name = self.name(expected)?;
        while self.takes(Symbol::Dot)? {
            let last = self.name(expected)?;
            name.at = name.at.to(last.at);
        }
        name.text = self.text.get(name.at.range()).unwrap_or(name.text);
        Ok(name)
    }

    /// Parses `(arguments)`.
    pub(super) fn arguments(&mut self) -> Result<Vec<Argument<'t>>, Fault> {
        let start = self.at;
        self.expect(Symbol::ParenOpen, "`(`")?;
        let mut arguments = Vec::new();
        let mut has_named = false;
        while self.is_next_item(Symbol::ParenClose, !arguments.is_empty())? {
            if self.takes(Symbol::StarStar)? {
                has_named = true;
                arguments.push(Argument::SpreadNamed(self.expression()?));
            } else if self.takes(Symbol::Star)? {
                arguments.push(Argument::Spread(self.expression()?));
            } else {
                let value = self.expression()?;
                match value.kind {
                    ExprKind::Name(text) if self.takes(Symbol::Assign)? => {
                        has_named = true;
                        let name = Name { text, at: value.at };
                        arguments.push(Argument::Named(name, self.expression()?));
                    }
                    _ if has_named => {
                        let message = "a positional argument cannot follow a named one";
                        let fault = Fault::new("argument-order", value.at, message);
                        return Err(fault.help("move it before the named ones, or name it"));
                    }
                    _ => arguments.push(Argument::Positional(value)),
                }
            }
            if arguments.len() > ARGUMENTS_MAX {
                let message = format!("a call has at most {ARGUMENTS_MAX} arguments");
                return Err(Fault::new("too-many-arguments", start, message).help("pass a list"));
            }
        }
        Ok(arguments)
    }

    /// Goes on to the next item of a list with commas: takes a comma, if there was an item before, and the closing bracket at the end.
    pub(super) fn is_next_item(&mut self, close: Symbol, has_item: bool) -> Result<bool, Fault> {
        if self.takes(close)? {
            return Ok(false);
        }
        if has_item {
            let close_name = match close {
                Symbol::ParenClose => "`,` or `)`",
                Symbol::BracketClose => "`,` or `]`",
                _ => "`,` or `}`",
            };
            self.expect(Symbol::Comma, close_name)?;
            return Ok(!self.takes(close)?);
        }
        Ok(true)
    }

    fn primary(&mut self) -> Result<Expr<'t>, Fault> {
        let start = self.at;
        let literal = match &mut self.token {
            Token::Word(word) => match *word {
                "true" | "True" => Literal::Bool(true),
                "false" | "False" => Literal::Bool(false),
                "none" | "None" => Literal::None,
                "and" | "or" | "not" | "in" | "is" | "if" | "else" | "elif" => return Err(self.unexpected("a value")),
                name => {
                    self.advance()?;
                    return Ok(expr(start, ExprKind::Name(name)));
                }
            },
            Token::Int(value) => Literal::Int(*value),
            Token::Float(value) => Literal::Float(*value),
            Token::Str(value) => {
                let value = std::mem::take(value);
                self.advance()?;
                return self.string(start, value);
            }
            Token::Symbol(Symbol::ParenOpen) => return self.parentheses(),
            Token::Symbol(Symbol::BracketOpen) => return self.list(),
            Token::Symbol(Symbol::BraceOpen) => return self.map(),
            _ => return Err(self.unexpected("a value")),
        };
        self.advance()?;
        Ok(expr(start, ExprKind::Literal(literal)))
    }

    /// Joins adjacent strings.
    fn string(&mut self, start: ByteRange, mut value: Cow<'t, str>) -> Result<Expr<'t>, Fault> {
        while let Token::Str(next) = &self.token {
            value.to_mut().push_str(next);
            self.advance()?;
        }
        Ok(expr(self.since(start), ExprKind::Literal(Literal::Str(value))))
    }

    /// Parses `(expression)`, or a tuple: `()`, `(a,)`, `(a, b)`.
    fn parentheses(&mut self) -> Result<Expr<'t>, Fault> {
        let start = self.at;
        self.advance()?;
        if self.takes(Symbol::ParenClose)? {
            return Ok(expr(self.since(start), ExprKind::Tuple(Vec::new())));
        }
        let first = self.expression()?;
        if self.takes(Symbol::ParenClose)? {
            // The parentheses belong to what is shown of the expression.
            return Ok(expr(self.since(start), first.kind));
        }
        let mut items = vec![first];
        while self.is_next_item(Symbol::ParenClose, true)? {
            items.push(self.expression()?);
        }
        Ok(expr(self.since(start), ExprKind::Tuple(items)))
    }

    fn list(&mut self) -> Result<Expr<'t>, Fault> {
        let start = self.at;
        self.advance()?;
        let mut items = Vec::new();
        while self.is_next_item(Symbol::BracketClose, !items.is_empty())? {
            items.push(self.expression()?);
        }
        Ok(expr(self.since(start), ExprKind::List(items)))
    }

    fn map(&mut self) -> Result<Expr<'t>, Fault> {
        let start = self.at;
        self.advance()?;
        let mut entries = Vec::new();
        while self.is_next_item(Symbol::BraceClose, !entries.is_empty())? {
            let key = self.expression()?;
            self.expect(Symbol::Colon, "`:`")?;
            entries.push((key, self.expression()?));
        }
        Ok(expr(self.since(start), ExprKind::Map(entries)))
    }
}

/// Puts an operator and its right operand behind the left one. If that was joined by an operator of the same precedence, its list goes on.
fn join<'t>(left: &mut Expr<'t>, infix: Infix, right: Expr<'t>, goes_on: bool) {
    let first_at = left.at;
    left.at = first_at.to(right.at);
    match (infix, &mut left.kind) {
        (Infix::Or, ExprKind::Or(items)) | (Infix::And, ExprKind::And(items)) if goes_on => items.push(right),
        (Infix::Compare(comparison), ExprKind::Compare(_, rest)) if goes_on => rest.push((comparison, right)),
        (Infix::Operator(operator), ExprKind::Binary(_, rest)) if goes_on => rest.push((operator, right)),
        (infix, kind) => {
            let first = expr(first_at, std::mem::replace(kind, ExprKind::Tuple(Vec::new())));
            *kind = match infix {
                Infix::Or => ExprKind::Or(vec![first, right]),
                Infix::And => ExprKind::And(vec![first, right]),
                Infix::Compare(comparison) => ExprKind::Compare(Box::new(first), vec![(comparison, right)]),
                Infix::Operator(operator) => ExprKind::Binary(Box::new(first), vec![(operator, right)]),
            };
        }
    }
}
