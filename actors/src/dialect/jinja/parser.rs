//! The parser, which turns the tokens of a text into its syntax tree, or reports everything that its author has to change.
//!
//! Blocks are kept on an explicit stack, and chains of operators are parsed in loops, so that recursion happens only for brackets and prefix
//! operators. One counter bounds it together with the blocks: [`NESTING_MAX`].

mod expression;
mod open;
mod statement;
mod target;

use std::collections::HashMap;

use crate::diagnostic::Diagnostic;
use crate::limits::Limits;

use super::ast::{Body, ByteRange, Expr, ExprKind, Name, PostfixKind, Statement, StatementKind, Template};
use super::fault::Fault;
use super::foreign;
use super::lexer::{Lexer, Symbol, Token};
use crate::dialect::shorten::shorten;
use open::Open;

/// The deepest nesting of blocks, brackets and prefix operators. It bounds the stack that parsing, compiling and dropping the tree need; texts
/// that people write have a tenth of it. The limit `source_nesting` can only lower it. A pair of brackets counts as three levels, because it
/// takes as many nested calls as three prefix operators.
pub(super) const NESTING_MAX: usize = 100;

/// The levels of an expression in brackets, besides the one of its operators.
const BRACKET_LEVELS: usize = 2;

/// Parses a whole text. Takes linear time, and bounded stack for any text.
pub(super) fn parse<'t>(text: &'t str, limits: &Limits) -> Result<Template<'t>, Vec<Diagnostic>> {
    let most = limits.source_bytes.min(u32::MAX as usize - 1);
    if text.len() > most {
        let message = format!(
            "the text has {} bytes, more than {most} (the limit `source_bytes`)",
            text.len()
        );
        return Err(vec![Diagnostic::error("too-large", message).help("split it")]);
    }
    let mut parser = Parser::new(text, limits);
    parser.run();
    match parser.faults.is_empty() {
        true => Ok(Template { body: parser.body }),
        false => Err(parser.faults),
    }
}

/// A marker that parsing ended, because of a limit or of enough faults.
struct ParsingEnded;

struct Parser<'t, 'l> {
    text: &'t str,
    limits: &'l Limits,
    lexer: Lexer<'t>,
    /// The next token, which is not taken yet.
    token: Token<'t>,
    at: ByteRange,
    /// The end of the last token that was taken.
    taken: u32,
    /// The nesting inside the current tag.
    depth: usize,
    /// The blocks that are open, the innermost last.
    open: Vec<Open<'t>>,
    /// The body that the next statement belongs to.
    body: Body<'t>,
    /// The names of blocks that were defined.
    blocks: HashMap<&'t str, ByteRange>,
    /// The first `extends` outside of blocks.
    extends: Option<ByteRange>,
    /// The words of refused tags, whose ends are not faults of their own.
    refused: Vec<&'t str>,
    faults: Vec<Diagnostic>,
}

impl<'t, 'l> Parser<'t, 'l> {
    fn new(text: &'t str, limits: &'l Limits) -> Self {
        Self {
            text,
            limits,
            lexer: Lexer::new(text, limits.source_tags),
            token: Token::End,
            at: ByteRange::default(),
            taken: 0,
            depth: 0,
            open: Vec::new(),
            body: Vec::new(),
            blocks: HashMap::new(),
            extends: None,
            refused: Vec::new(),
            faults: Vec::new(),
        }
    }

    fn run(&mut self) {
        self.next_outside();
        // A fault that ends parsing is already recorded.
        if self.statements().is_err() {
            return;
        }
        if let Some(fault) = self.lexer.take_fault()
            && self.note(fault).is_err()
        {
            return;
        }
        let unclosed: Vec<_> = self
            .open
            .iter()
            .filter(|open| !open.is_guessed())
            .map(Open::unclosed)
            .collect();
        for fault in unclosed {
            if self.note(fault).is_err() {
                return;
            }
        }
    }

    /// Parses statements up to the end of the text.
    fn statements(&mut self) -> Result<(), ParsingEnded> {
        loop {
            match self.token {
                Token::Text(text) => {
                    let kind = StatementKind::Text(text);
                    self.body.push(Statement { at: self.at, kind });
                    self.next_outside();
                }
                Token::OutputStart | Token::TagStart => {
                    let start = self.at;
                    let is_output = self.token == Token::OutputStart;
                    self.depth = 0;
                    let parsed = match is_output {
                        true => self.output(),
                        false => self.tag(),
                    };
                    if let Err(fault) = parsed {
                        self.recover(start, is_output, fault)?;
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    /// Records the fault of a tag and goes on behind it.
    #[cold]
    fn recover(&mut self, start: ByteRange, is_output: bool, fault: Fault) -> Result<(), ParsingEnded> {
        let opening = start.start as usize;
        let ends = fault.does_end_parsing();
        let fault = match self.lexer.end_of_tag(opening) {
            _ if ends => fault,
            Some(end) => {
                let inner = self.text.get(start.end as usize..end - 2).unwrap_or_default();
                foreign::explained(fault, inner.trim_end_matches(['-', '+']).trim(), is_output)
            }
            None => self.unclosed_tag(start, is_output),
        };
        self.note(fault)?;
        if ends {
            return Err(ParsingEnded);
        }
        self.lexer.leave_tag(opening);
        self.next_outside();
        Ok(())
    }

    /// Returns the fault of a tag without an end.
    fn unclosed_tag(&self, start: ByteRange, is_output: bool) -> Fault {
        let (open, close, other) = match is_output {
            true => ("{{", "}}", "%}"),
            false => ("{%", "%}", "}}"),
        };
        let rest = self.text.get(start.end as usize..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let line = line.find("{{").or(line.find("{%")).map_or(line, |at| &line[..at]);
        let opening = ByteRange::new(start.start as usize..start.start as usize + 2);
        let fault = Fault::new("unclosed-tag", opening, format!("this `{open}` is not closed"));
        fault.help(match line.contains(other) {
            true => format!("a tag that begins with `{open}` ends with `{close}`, not with `{other}`"),
            false => format!("close it with `{close}`; for a `{open}` that is text write `{{{{ '{open}' }}}}`"),
        })
    }

    fn note(&mut self, fault: Fault) -> Result<(), ParsingEnded> {
        self.faults.push(fault.diagnostic(self.text));
        match self.faults.len() < self.limits.source_diagnostics {
            true => Ok(()),
            false => Err(ParsingEnded),
        }
    }

    /// Parses `{{ expression }}`.
    fn output(&mut self) -> Result<(), Fault> {
        self.advance()?;
        let value = self.expression()?;
        if self.token != Token::OutputEnd {
            return Err(self.unexpected("`}}`"));
        }
        if let Some(word) = self.statement_in_braces(&value) {
            let message = format!("`{word}` is a statement, not a value");
            let fault = Fault::new("statement-in-braces", value.at, message);
            return Err(fault.help(format!("statements stand between `{{%` and `%}}`: `{{% {word} %}}`")));
        }
        self.body.push(Statement {
            at: value.at,
            kind: StatementKind::Output(value),
        });
        self.advance()
    }

    /// Returns the word of a statement that was written as a value, as in other languages: `{{ endif }}`, and `{{ range .Items }}` of Go.
    fn statement_in_braces(&self, value: &Expr<'t>) -> Option<&'t str> {
        match &value.kind {
            ExprKind::Name(word) => statement::is_only_statement(word).then_some(word),
            ExprKind::Postfix(base, operations) => {
                let ExprKind::Name(word @ ("range" | "with" | "template" | "block" | "define")) = base.kind else {
                    return None;
                };
                let first = operations.first()?;
                let is_apart = matches!(first.kind, PostfixKind::Attribute(_)) && base.at.end < first.at.start;
                is_apart.then_some(word)
            }
            _ => None,
        }
    }

    /// Takes the next token outside of tags, which always succeeds.
    fn next_outside(&mut self) {
        let _ = self.advance();
    }

    /// Takes the current token.
    fn advance(&mut self) -> Result<(), Fault> {
        self.taken = self.at.end;
        (self.token, self.at) = self.lexer.next()?;
        Ok(())
    }

    /// Takes a symbol, if it is next.
    fn takes(&mut self, symbol: Symbol) -> Result<bool, Fault> {
        let is_next = self.token == Token::Symbol(symbol);
        if is_next {
            self.advance()?;
        }
        Ok(is_next)
    }

    /// Takes a keyword, if it is next.
    fn takes_word(&mut self, word: &str) -> Result<bool, Fault> {
        let is_next = self.is_word(word);
        if is_next {
            self.advance()?;
        }
        Ok(is_next)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.token, Token::Word(next) if next == word)
    }

    fn expect(&mut self, symbol: Symbol, expected: &str) -> Result<(), Fault> {
        match self.takes(symbol)? {
            true => Ok(()),
            false => Err(self.unexpected(expected)),
        }
    }

    fn expect_word(&mut self, word: &str) -> Result<(), Fault> {
        match self.takes_word(word)? {
            true => Ok(()),
            false => Err(self.unexpected(&format!("`{word}`"))),
        }
    }

    /// Takes a name.
    fn name(&mut self, expected: &str) -> Result<Name<'t>, Fault> {
        let Token::Word(text) = self.token else {
            return Err(self.unexpected(expected));
        };
        let at = self.at;
        self.advance()?;
        Ok(Name { text, at })
    }

    /// Returns the range from a start to the last token that was taken.
    fn since(&self, start: ByteRange) -> ByteRange {
        ByteRange {
            start: start.start,
            end: self.taken.max(start.start),
        }
    }

    #[cold]
    fn unexpected(&self, expected: &str) -> Fault {
        let found = match self.token {
            Token::End => "the end of the text".into(),
            _ => format!("`{}`", shorten(self.text.get(self.at.range()).unwrap_or_default())),
        };
        Fault::new(
            "unexpected-token",
            self.at,
            format!("expected {expected}, found {found}"),
        )
    }

    /// Counts `levels` more levels of nesting. The caller subtracts them; after a fault, the next tag begins at zero.
    fn enter(&mut self, levels: usize) -> Result<(), Fault> {
        self.depth += levels;
        self.check_nesting(self.at)
    }

    fn check_nesting(&self, at: ByteRange) -> Result<(), Fault> {
        let most = self.limits.source_nesting.min(NESTING_MAX);
        if self.open.len() + self.depth <= most {
            return Ok(());
        }
        Err(too_deep(at, most))
    }
}

#[cold]
fn too_deep(at: ByteRange, most: usize) -> Fault {
    let name = match most < NESTING_MAX {
        true => " (the limit `source_nesting`)",
        false => "",
    };
    let message = format!("more than {most} blocks, brackets and prefix operators are nested{name}");
    let fault = Fault::new("too-deep", at, message).ends_parsing();
    fault.help("move the inner ones to a template or a macro of their own, or compute the value in steps with `set`")
}

/// Returns the expression that covers a range with a kind.
fn expr<'t>(at: ByteRange, kind: ExprKind<'t>) -> Expr<'t> {
    Expr { at, kind }
}

#[cfg(test)]
mod shown;
#[cfg(test)]
mod tests;
