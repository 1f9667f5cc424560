//! Statements: the tags between `{%` and `%}`.

use crate::diagnostic::span_of;
use crate::dialect::jinja::ast::{
    Block, Branch, ByteRange, Expr, ExprKind, For, Imported, Macro, Name, Postfix, PostfixKind, Statement,
    StatementKind,
};
use crate::dialect::jinja::fault::Fault;
use crate::dialect::jinja::foreign;
use crate::dialect::jinja::lexer::{STATEMENTS, Symbol, Token};

use super::open::{Header, Open};
use super::{Body, Parser};

/// The words of blocks.
const CLOSED: [&str; 9] = [
    "if",
    "for",
    "set",
    "with",
    "filter",
    "autoescape",
    "block",
    "macro",
    "call",
];

/// Returns the block that a word closes.
fn closes(word: &str) -> Option<&'static str> {
    let block = word.strip_prefix("end")?;
    CLOSED.into_iter().find(|closed| *closed == block)
}

/// Returns true for words that people write between `{{` and `}}` in other languages, and that name no value in any.
pub(super) fn is_only_statement(word: &str) -> bool {
    matches!(
        word,
        "endif" | "endfor" | "endwith" | "endblock" | "endmacro" | "endraw" | "endset"
    )
}

impl<'t> Parser<'t, '_> {
    /// Parses a tag.
    pub(super) fn tag(&mut self) -> Result<(), Fault> {
        self.advance()?;
        let word = match self.token {
            Token::Word(word) => word,
            _ => return Err(self.unexpected("a statement")),
        };
        let start = self.at;
        let opens = CLOSED.into_iter().find(|closed| *closed == word);
        let depth = self.open.len();
        let parsed = self.advance().and_then(|()| self.statement(word, start));
        if let (Err(fault), Some(block)) = (&parsed, opens)
            && !fault.does_end_parsing()
            && self.open.len() == depth
            && (block != "set" || !self.rest_of_tag(start).contains('='))
        {
            self.open(block, start, Header::Refused)?;
        }
        parsed
    }

    /// Returns the text from a position to the end of its tag.
    fn rest_of_tag(&self, start: ByteRange) -> &'t str {
        let rest = self.text.get(start.start as usize..).unwrap_or_default();
        rest.find("%}").map_or(rest, |end| &rest[..end])
    }

    /// Parses the statement behind its word.
    fn statement(&mut self, word: &'t str, start: ByteRange) -> Result<(), Fault> {
        match word {
            "if" => {
                let condition = Some(self.plain_expression()?);
                let branches = Vec::new();
                self.opened("if", start, Header::If { branches, condition })
            }
            "elif" => self.elif(start),
            "else" => self.otherwise(start),
            "for" => self.for_loop(start),
            "break" | "continue" => self.loop_control(word, start),
            "set" => self.set(start),
            "with" => self.with(start),
            "filter" => {
                let filters = self.filters()?;
                self.opened("filter", start, Header::Filter(filters))
            }
            "autoescape" => {
                let enabled = self.expression()?;
                self.opened("autoescape", start, Header::Autoescape(enabled))
            }
            "block" => self.block(start),
            "extends" => self.extends(start),
            "include" => self.include(start),
            "import" => {
                let template = self.expression()?;
                self.expect_word("as")?;
                let alias = self.assigned_name()?;
                self.context_marker()?;
                self.complete(start, StatementKind::Import { template, alias })
            }
            "from" => self.imported_names(start),
            "macro" => self.macro_definition(start),
            "call" => self.call_block(start),
            "do" => {
                let call = self.expression()?;
                let call = must_be_call(call, "do")?;
                self.complete(start, StatementKind::Do(call))
            }
            _ => match closes(word) {
                Some(block) => self.close(block, start),
                None => self.unknown(word, start),
            },
        }
    }

    /// Takes the end of the tag.
    fn end_of_tag(&mut self) -> Result<(), Fault> {
        if self.token != Token::TagEnd {
            return Err(self.unexpected("`%}`"));
        }
        self.advance()
    }

    /// Takes the rest of a tag that belongs to a refused one.
    fn skip_tag(&mut self) -> Result<(), Fault> {
        while !matches!(self.token, Token::TagEnd | Token::End) {
            self.advance()?;
        }
        self.end_of_tag()
    }

    /// Takes the end of the tag and adds its statement.
    fn complete(&mut self, start: ByteRange, kind: StatementKind<'t>) -> Result<(), Fault> {
        let at = self.since(start);
        if self.token != Token::TagEnd {
            return Err(self.unexpected("`%}`"));
        }
        self.body.push(Statement { at, kind });
        self.advance()
    }

    /// Takes the end of the tag and opens its block.
    fn opened(&mut self, word: &'static str, start: ByteRange, header: Header<'t>) -> Result<(), Fault> {
        let at = self.since(start);
        if self.token != Token::TagEnd {
            return Err(self.unexpected("`%}`"));
        }
        self.open(word, at, header)?;
        self.advance()
    }

    fn open(&mut self, word: &'static str, at: ByteRange, header: Header<'t>) -> Result<(), Fault> {
        self.depth = 0;
        let outer = std::mem::take(&mut self.body);
        self.open.push(Open {
            word,
            at,
            header,
            outer,
        });
        self.check_nesting(at)
    }

    fn elif(&mut self, start: ByteRange) -> Result<(), Fault> {
        let next = self.plain_expression()?;
        if let Some(open) = self.open.last_mut() {
            match &mut open.header {
                Header::If { branches, condition } => {
                    let Some(condition) = condition.replace(next) else {
                        *condition = None;
                        return Err(second_else(start, "elif"));
                    };
                    let body = std::mem::take(&mut self.body);
                    branches.push(Branch { condition, body });
                    return self.end_of_tag();
                }
                Header::Refused | Header::Guessed if open.word == "if" => return self.end_of_tag(),
                _ => {}
            }
        }
        Err(self.unmatched_else(start, "elif"))
    }

    fn otherwise(&mut self, start: ByteRange) -> Result<(), Fault> {
        if self.is_word("if") {
            let fault = Fault::new("unknown-statement", start.to(self.at), "`else if` is one word here");
            return Err(fault.help("write `{% elif … %}`"));
        }
        if let Some(open) = self.open.last_mut() {
            match &mut open.header {
                Header::If { branches, condition } => {
                    let Some(condition) = condition.take() else {
                        return Err(second_else(start, "else"));
                    };
                    let body = std::mem::take(&mut self.body);
                    branches.push(Branch { condition, body });
                    return self.end_of_tag();
                }
                Header::For { in_else: true, .. } => return Err(second_else(start, "else")),
                Header::For { parts, in_else } => {
                    *in_else = true;
                    parts.body = std::mem::take(&mut self.body);
                    return self.end_of_tag();
                }
                Header::Refused | Header::Guessed if matches!(open.word, "if" | "for") => return self.end_of_tag(),
                _ => {}
            }
        }
        Err(self.unmatched_else(start, "else"))
    }

    #[cold]
    fn unmatched_else(&self, at: ByteRange, word: &str) -> Fault {
        match self.open.last() {
            Some(open) => {
                let message = format!("this `{word}` is in a `{}`, which has none", open.word);
                let fault = Fault::new("unmatched-else", at, message);
                fault.help(format!("write `{{% end{} %}}` before it", open.word))
            }
            None => {
                let fault = Fault::new("unmatched-else", at, format!("this `{word}` belongs to no `if`"));
                fault.help("write `{% if … %}` before it")
            }
        }
    }

    /// Closes the innermost block, which has to be the one that the tag names.
    fn close(&mut self, block: &'static str, start: ByteRange) -> Result<(), Fault> {
        while let Some(guessed) = self.open.pop_if(|open| open.is_guessed() && open.word != block) {
            self.body = guessed.outer;
        }
        let Some(innermost) = self.open.last() else {
            let fault = Fault::new("unmatched-end", start, format!("this `end{block}` closes nothing"));
            return Err(fault.help(format!("write `{{% {block} … %}}` before it")));
        };
        let inner = innermost.word;
        if inner != block {
            // All blocks inside the one that it closes count as closed, since the rest of the text may be right.
            if let Some(at) = self.open.iter().rposition(|open| open.word == block) {
                self.open.truncate(at);
                self.body.clear();
            }
            let message = format!("this `end{block}` comes while the `{inner}` before it is still open");
            let fault = Fault::new("unmatched-end", start, message);
            return Err(fault.help(format!("write `{{% end{inner} %}}` before it")));
        }
        let Some(Open { at, header, outer, .. }) = self.open.pop() else {
            return self.end_of_tag();
        };
        let body = std::mem::replace(&mut self.body, outer);
        let checked = match &header {
            Header::Block(block) => self.end_of_block(block, &body),
            Header::Refused | Header::Guessed => return self.skip_tag(),
            _ => Ok(()),
        };
        self.body.extend(Open::closed(header, at, body));
        checked?;
        self.end_of_tag()
    }

    /// Checks the body of a required block, and takes the name that may follow `endblock`.
    fn end_of_block(&mut self, block: &Block<'t>, body: &Body<'t>) -> Result<(), Fault> {
        let filled = body.iter().find(|statement| match statement.kind {
            StatementKind::Text(text) => !text.trim().is_empty(),
            _ => true,
        });
        if let (true, Some(filled)) = (block.required, filled) {
            let message = "a required block has no content of its own";
            let fault = Fault::new("required-block", filled.at, message);
            return Err(fault.help("take the content out, or take out `required`, so that it is a default"));
        }
        let Token::Word(name) = self.token else { return Ok(()) };
        if name != block.name.text {
            let message = format!("this ends `{name}`, and the open block is `{}`", block.name.text);
            let fault = Fault::new("unmatched-end", self.at, message);
            return Err(fault.help(format!("write `{{% endblock {} %}}`", block.name.text)));
        }
        self.advance()
    }

    fn for_loop(&mut self, start: ByteRange) -> Result<(), Fault> {
        let target = self.target(false)?;
        self.expect_word("in")?;
        let iterable = self.plain_expression()?;
        let condition = match self.takes_word("if")? {
            true => Some(self.expression()?),
            false => None,
        };
        let parts = Box::new(For {
            target,
            iterable,
            condition,
            recursive: self.takes_word("recursive")?,
            body: Vec::new(),
            otherwise: Vec::new(),
        });
        self.opened("for", start, Header::For { parts, in_else: false })
    }

    /// Parses `break` or `continue`. What it leaves may have no output of its own, which would be lost.
    fn loop_control(&mut self, word: &'t str, start: ByteRange) -> Result<(), Fault> {
        let refuse =
            |message: String, help: &str| Err(Fault::new("no-loop-to-leave", start, message).help(help.to_owned()));
        for open in self.open.iter().rev() {
            match &open.header {
                Header::For { in_else: false, .. } => {
                    return self.complete(
                        start,
                        match word {
                            "break" => StatementKind::Break,
                            _ => StatementKind::Continue,
                        },
                    );
                }
                Header::SetBlock { .. } | Header::Filter(_) => {
                    let message = format!("`{word}` inside this `{}` would lose its output", open.word);
                    let help = format!("write it behind `{{% end{} %}}`, with an `if` around it", open.word);
                    return refuse(message, &help);
                }
                Header::Block(_) | Header::Macro(_) | Header::CallBlock { .. } => {
                    let message = format!("`{word}` cannot leave the loop around this `{}`", open.word);
                    return refuse(message, "write it in the loop itself");
                }
                Header::Refused | Header::Guessed => return self.end_of_tag(),
                Header::For { .. } | Header::If { .. } | Header::With(_) | Header::Autoescape(_) => {}
            }
        }
        refuse(
            format!("this `{word}` is in no loop"),
            "write it between `{% for … %}` and its end",
        )
    }

    fn set(&mut self, start: ByteRange) -> Result<(), Fault> {
        let target = self.target(true)?;
        if matches!(self.token, Token::TagEnd | Token::Symbol(Symbol::Pipe)) {
            let filters = match self.takes(Symbol::Pipe)? {
                true => self.filters()?,
                false => Vec::new(),
            };
            return self.opened("set", start, Header::SetBlock { target, filters });
        }
        self.expect(Symbol::Assign, "`=`")?;
        let first = self.expression()?;
        if !self.takes(Symbol::Comma)? {
            return self.complete(start, StatementKind::Set { target, value: first });
        }
        let mut value = Expr {
            at: first.at,
            kind: ExprKind::Tuple(Vec::new()),
        };
        let mut items = vec![first];
        while self.token != Token::TagEnd {
            items.push(self.expression()?);
            if !self.takes(Symbol::Comma)? {
                break;
            }
        }
        value.at = self.since(value.at);
        value.kind = ExprKind::Tuple(items);
        self.complete(start, StatementKind::Set { target, value })
    }

    fn with(&mut self, start: ByteRange) -> Result<(), Fault> {
        let mut assignments = Vec::new();
        while self.token != Token::TagEnd {
            if !assignments.is_empty() {
                self.expect(Symbol::Comma, "`,` or `%}`")?;
            }
            let target = match self.takes(Symbol::ParenOpen)? {
                true => {
                    let target = self.target(false)?;
                    self.expect(Symbol::ParenClose, "`)`")?;
                    target
                }
                false => super::super::ast::Target::Name(self.assigned_name()?),
            };
            self.expect(Symbol::Assign, "`=`")?;
            assignments.push((target, self.expression()?));
        }
        self.opened("with", start, Header::With(assignments))
    }

    /// Parses `filter | filter`; one at least.
    fn filters(&mut self) -> Result<Vec<super::super::ast::FilterCall<'t>>, Fault> {
        let mut filters = vec![self.filter()?];
        while self.takes(Symbol::Pipe)? {
            filters.push(self.filter()?);
        }
        Ok(filters)
    }

    fn block(&mut self, start: ByteRange) -> Result<(), Fault> {
        let name = self.name("the name of the block")?;
        self.takes_word("scoped")?;
        let required = self.takes_word("required")?;
        if let Some(open) = self.open.iter().rev().find(|open| is_macro(&open.header)) {
            let message = format!("a block cannot be inside a `{}`", open.word);
            let fault = Fault::new("block-in-macro", start.to(name.at), message);
            return Err(fault.help("call the macro inside the block instead"));
        }
        if let Some(first) = self.blocks.get(name.text) {
            let line = span_of(self.text, first.range()).line;
            let message = format!("the block `{}` is already defined in line {line}", name.text);
            let fault = Fault::new("duplicate-block", name.at, message);
            return Err(fault.help(format!(
                "rename one of them; `{{{{ self.{}() }}}}` prints a block again",
                name.text
            )));
        }
        self.blocks.insert(name.text, name.at);
        let block = Block {
            name,
            required,
            body: Vec::new(),
        };
        self.opened("block", start, Header::Block(block))
    }

    fn extends(&mut self, start: ByteRange) -> Result<(), Fault> {
        let template = self.expression()?;
        if self.open.is_empty() {
            if let Some(first) = self.extends {
                let line = span_of(self.text, first.range()).line;
                let message = format!("line {line} already says what this template extends");
                let fault = Fault::new("second-extends", self.since(start), message);
                return Err(fault.help("a template extends one other: take one of them out, or choose with `if`"));
            }
            self.extends = Some(start);
        }
        self.complete(start, StatementKind::Extends(template))
    }

    fn include(&mut self, start: ByteRange) -> Result<(), Fault> {
        let template = self.expression()?;
        let has_marker = self.context_marker()?;
        let ignore_missing = self.takes_word("ignore")?;
        if ignore_missing {
            self.expect_word("missing")?;
            if !has_marker {
                self.context_marker()?;
            }
        }
        let kind = StatementKind::Include {
            template,
            ignore_missing,
        };
        self.complete(start, kind)
    }

    /// Takes `with context` or `without context`, if one follows.
    fn context_marker(&mut self) -> Result<bool, Fault> {
        if !matches!(self.token, Token::Word("with" | "without")) {
            return Ok(false);
        }
        self.advance()?;
        self.expect_word("context")?;
        Ok(true)
    }

    fn imported_names(&mut self, start: ByteRange) -> Result<(), Fault> {
        let template = self.expression()?;
        self.expect_word("import")?;
        let mut names = Vec::new();
        loop {
            if self.context_marker()? || self.token == Token::TagEnd {
                break;
            }
            if !names.is_empty() {
                self.expect(Symbol::Comma, "`,` or `%}`")?;
                if self.context_marker()? || self.token == Token::TagEnd {
                    break;
                }
            }
            let name = self.assigned_name()?;
            if name.text.starts_with('_') {
                let message = format!("`{}` is private to its template, as it begins with `_`", name.text);
                let fault = Fault::new("private-name", name.at, message);
                return Err(fault.help("rename it there, without the first `_`"));
            }
            let alias = match self.takes_word("as")? {
                true => Some(self.assigned_name()?),
                false => None,
            };
            names.push(Imported { name, alias });
        }
        self.complete(start, StatementKind::FromImport { template, names })
    }

    fn macro_definition(&mut self, start: ByteRange) -> Result<(), Fault> {
        let name = self.assigned_name()?;
        self.expect(Symbol::ParenOpen, "`(`")?;
        let parameters = self.parameters()?;
        let parts = Box::new(Macro {
            name,
            parameters,
            body: Vec::new(),
        });
        self.opened("macro", start, Header::Macro(parts))
    }

    fn call_block(&mut self, start: ByteRange) -> Result<(), Fault> {
        let parameters = match self.takes(Symbol::ParenOpen)? {
            true => self.parameters()?,
            false => Vec::new(),
        };
        let call = self.expression()?;
        let call = must_be_call(call, "call")?;
        let caller = Box::new(Macro {
            name: Name {
                text: "caller",
                at: start,
            },
            parameters,
            body: Vec::new(),
        });
        self.opened("call", start, Header::CallBlock { call, caller })
    }

    #[cold]
    fn unknown(&mut self, word: &'t str, start: ByteRange) -> Result<(), Fault> {
        // The end of a tag that was refused is not looked at again.
        if let Some(begun) = word.strip_prefix("end")
            && self.refused.contains(&begun)
        {
            return self.skip_tag();
        }
        self.refused.push(word);
        let fault = Fault::new("unknown-statement", start, format!("there is no statement `{word}`"));
        let Some(meant) = crate::suggestion(word, STATEMENTS) else {
            return Err(fault.help(foreign::STATEMENTS_HELP));
        };
        self.take_as(meant, start)?;
        Err(fault.help(format!("did you mean `{meant}`?")))
    }

    /// Opens or closes a block as the word does that was probably meant by another one, so that the rest of the text is understood.
    fn take_as(&mut self, meant: &str, start: ByteRange) -> Result<(), Fault> {
        if let Some(block) = closes(meant) {
            if let Some(open) = self.open.pop_if(|open| open.word == block) {
                self.body = open.outer;
            }
            return Ok(());
        }
        match CLOSED.into_iter().find(|closed| *closed == meant) {
            Some(block) if block != "set" || !self.rest_of_tag(start).contains('=') => {
                self.open(block, start, Header::Guessed)
            }
            _ => Ok(()),
        }
    }
}

fn is_macro(header: &Header<'_>) -> bool {
    matches!(header, Header::Macro(_) | Header::CallBlock { .. })
}

#[cold]
fn second_else(at: ByteRange, word: &str) -> Fault {
    let fault = Fault::new("second-else", at, format!("this `{word}` comes after an `else`"));
    fault.help("take one of them out, or nest another `if`")
}

/// Returns an expression that has to be a call.
fn must_be_call<'t>(call: Expr<'t>, word: &str) -> Result<Expr<'t>, Fault> {
    if let ExprKind::Postfix(_, operations) = &call.kind
        && let Some(Postfix {
            kind: PostfixKind::Call(_),
            ..
        }) = operations.last()
    {
        return Ok(call);
    }
    let fault = Fault::new("not-a-call", call.at, format!("`{word}` needs a call"));
    Err(fault.help(match word {
        "do" => "write `{% do name(arguments) %}`; to assign a value use `set`",
        _ => "write `{% call name(arguments) %}`; to insert a template use `include`",
    }))
}
