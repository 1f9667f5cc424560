//! The lexer, which splits a text into tokens with their positions. It takes linear time and applies whitespace control.
//!
//! Delimiters are `{{ }}`, `{% %}` and `{# #}`. A dash inside a delimiter removes the blanks outside it, a plus keeps them, as they would be
//! kept without it. One line break at the end of the text is removed.

mod literal;

use std::borrow::Cow;

use memchr::{memchr, memmem};

use super::ast::ByteRange;
use super::fault::Fault;

/// The words that begin or end a statement.
pub(super) const STATEMENTS: [&str; 29] = [
    "if",
    "elif",
    "else",
    "for",
    "break",
    "continue",
    "set",
    "with",
    "filter",
    "autoescape",
    "block",
    "extends",
    "include",
    "import",
    "from",
    "macro",
    "call",
    "do",
    "raw",
    "endif",
    "endfor",
    "endblock",
    "endmacro",
    "endraw",
    "endset",
    "endwith",
    "endfilter",
    "endautoescape",
    "endcall",
];

/// A token. The parser sees tags as a sequence that begins with a start and ends with the end of that kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'t> {
    /// Text outside tags, never empty.
    Text(&'t str),
    /// `{{`.
    OutputStart,
    /// `}}`.
    OutputEnd,
    /// `{%`.
    TagStart,
    /// `%}`.
    TagEnd,
    /// A name or a keyword.
    Word(&'t str),
    Str(Cow<'t, str>),
    Int(u128),
    Float(f64),
    Symbol(Symbol),
    /// The end of the text.
    End,
}

/// An operator or a bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Symbol {
    Plus,
    Minus,
    Star,
    StarStar,
    Slash,
    SlashSlash,
    Percent,
    Tilde,
    Dot,
    Comma,
    Colon,
    Pipe,
    Assign,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    ParenOpen,
    ParenClose,
    BracketOpen,
    BracketClose,
    BraceOpen,
    BraceClose,
}

/// The part of the text that the lexer is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Text,
    /// Between `{{` and `}}`.
    Output,
    /// Between `{%` and `%}`.
    Tag,
}

/// The beginning of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    Output,
    Tag,
    Comment,
}

/// The length of a delimiter in bytes.
const DELIMITER: usize = 2;

#[derive(Debug)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    mode: Mode,
    /// The tag that begins at `at`, with the length of its opening; the text before it has been returned.
    marker: Option<(Marker, usize)>,
    /// True if the last tag ended in a dash, which removes blanks up to the next text or tag.
    trims_next: bool,
    /// The braces open inside the tag: `}}` ends it only where none is.
    braces: u32,
    tags: usize,
    tags_max: usize,
    /// The fault outside of tags because of which the text ends early.
    fault: Option<Fault>,
}

impl<'t> Lexer<'t> {
    /// Returns a lexer at the beginning of a text of less than 4 GiB with at most `tags_max` tags.
    pub(super) fn new(text: &'t str, tags_max: usize) -> Self {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        Self {
            text,
            at: 0,
            mode: Mode::Text,
            marker: None,
            trims_next: false,
            braces: 0,
            tags: 0,
            tags_max,
            fault: None,
        }
    }

    /// Returns the fault that ended the text, once.
    pub(super) fn take_fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    /// Returns the next token. Fails only inside of tags.
    pub(super) fn next(&mut self) -> Result<(Token<'t>, ByteRange), Fault> {
        match self.mode {
            Mode::Text => Ok(self.next_outside()),
            Mode::Output | Mode::Tag => self.next_inside(),
        }
    }

    /// Leaves the tag whose opening is at `start`: goes on behind its end, if it has one, or else behind its line.
    pub(super) fn leave_tag(&mut self, start: usize) {
        self.at = self.end_of_tag(start).unwrap_or_else(|| {
            let inside = start + DELIMITER;
            let rest = self.text.get(inside..).unwrap_or_default();
            let line = memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
            let next = find_marker(rest.as_bytes()).unwrap_or(rest.len());
            inside + line.min(next)
        });
        self.mode = Mode::Text;
        self.marker = None;
        self.trims_next = false;
        self.braces = 0;
    }

    /// Returns the end of the tag that begins at `start`: behind the first closing delimiter, unless another tag begins before it.
    pub(super) fn end_of_tag(&self, start: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let inside = start + DELIMITER;
        let rest = bytes.get(inside..)?;
        let close: &[u8] = match bytes.get(start + 1)? {
            b'{' => b"}}",
            b'%' => b"%}",
            _ => b"#}",
        };
        let end = memmem::find(rest, close)?;
        let begins = find_marker(&rest[..end]).is_some();
        (!begins).then_some(inside + end + close.len())
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn range(&self, start: usize) -> ByteRange {
        ByteRange::new(start..self.at)
    }

    fn next_outside(&mut self) -> (Token<'t>, ByteRange) {
        loop {
            if let Some((marker, opening)) = self.marker.take() {
                if let Some(found) = self.open(marker, opening) {
                    return found;
                }
                continue;
            }
            if std::mem::take(&mut self.trims_next) {
                let rest = self.rest();
                self.at += rest.len() - rest.trim_start().len();
            }
            let start = self.at;
            let rest = self.rest();
            if rest.is_empty() {
                return (Token::End, self.range(start));
            }
            let text = match find_marker(rest.as_bytes()) {
                Some(found) => {
                    self.at += found;
                    let before = &rest[..found];
                    match self.mark() {
                        true => before.trim_end(),
                        false => before,
                    }
                }
                None => {
                    self.at = self.text.len();
                    rest
                }
            };
            if !text.is_empty() {
                return (Token::Text(text), ByteRange::new(start..start + text.len()));
            }
        }
    }

    /// Notes the tag that begins here. Returns true if it removes the blanks before it.
    fn mark(&mut self) -> bool {
        let bytes = self.rest().as_bytes();
        let marker = match bytes.get(1) {
            Some(b'{') => Marker::Output,
            Some(b'%') => Marker::Tag,
            _ => Marker::Comment,
        };
        let control = bytes.get(DELIMITER).copied();
        let opening = DELIMITER + usize::from(matches!(control, Some(b'-' | b'+')));
        self.marker = Some((marker, opening));
        control == Some(b'-')
    }

    /// Enters the tag that begins here. Returns nothing for a comment and for an empty `raw` block.
    fn open(&mut self, marker: Marker, opening: usize) -> Option<(Token<'t>, ByteRange)> {
        self.tags += 1;
        let start = self.at;
        if self.tags > self.tags_max {
            let message = format!("there are more than {} tags (the limit `source_tags`)", self.tags_max);
            let fault = Fault::new("too-many-tags", ByteRange::new(start..start + DELIMITER), message);
            return Some(self.stop(fault.help("split it into templates that include each other")));
        }
        let rest = self.rest();
        match marker {
            Marker::Comment => {
                let inner = &rest.as_bytes()[opening..];
                let Some(end) = memmem::find(inner, b"#}") else {
                    let opened = ByteRange::new(start..start + DELIMITER);
                    let fault = Fault::new("unclosed-comment", opened, "this comment is never closed");
                    return Some(self.stop(fault.help("close it with `#}`")));
                };
                self.trims_next = end > 0 && inner.get(end - 1) == Some(&b'-');
                self.at += opening + end + DELIMITER;
                None
            }
            Marker::Output => {
                self.at += opening;
                self.mode = Mode::Output;
                Some((Token::OutputStart, self.range(start)))
            }
            Marker::Tag => match plain_tag(&rest[opening..], "raw") {
                Some((length, trims)) => self.raw(opening + length, trims),
                None => {
                    self.at += opening;
                    self.mode = Mode::Tag;
                    Some((Token::TagStart, self.range(start)))
                }
            },
        }
    }

    /// Returns the content of a `raw` block whose opening tag, of `opening` bytes, begins here.
    fn raw(&mut self, opening: usize, trims_start: bool) -> Option<(Token<'t>, ByteRange)> {
        let start = self.at;
        let inner_start = start + opening;
        let inner = &self.text[inner_start..];
        for found in memmem::find_iter(inner.as_bytes(), b"{%") {
            let tag = &inner[found + DELIMITER..];
            let control = tag.strip_prefix(['-', '+']);
            let Some((length, trims_after)) = plain_tag(control.unwrap_or(tag), "endraw") else {
                continue;
            };
            let mut content = &inner[..found];
            if trims_start {
                content = content.trim_start();
            }
            let from = inner_start + found - content.len();
            if tag.starts_with('-') {
                content = content.trim_end();
            }
            self.at = inner_start + found + DELIMITER + usize::from(control.is_some()) + length;
            self.trims_next = trims_after;
            let at = ByteRange::new(from..from + content.len());
            return (!content.is_empty()).then_some((Token::Text(content), at));
        }
        let opened = ByteRange::new(start..start + opening);
        let fault = Fault::new("unclosed-block", opened, "this `raw` is never closed");
        Some(self.stop(fault.help("close it with `{% endraw %}`")))
    }

    /// Ends the text here because of a fault.
    #[cold]
    fn stop(&mut self, fault: Fault) -> (Token<'t>, ByteRange) {
        self.at = self.text.len();
        self.fault = Some(fault);
        (Token::End, self.range(self.at))
    }

    fn next_inside(&mut self) -> Result<(Token<'t>, ByteRange), Fault> {
        let rest = self.rest().as_bytes();
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.at += blanks;
        let start = self.at;
        let rest = &rest[blanks..];
        if let Some(end) = self.tag_end(rest) {
            self.mode = Mode::Text;
            self.braces = 0;
            return Ok((end, self.range(start)));
        }
        let Some(first) = rest.first() else {
            return Ok((Token::End, self.range(start)));
        };
        let (symbol, length) = match (first, rest.get(1)) {
            (b'/', Some(b'/')) => (Symbol::SlashSlash, 2),
            (b'*', Some(b'*')) => (Symbol::StarStar, 2),
            (b'=', Some(b'=')) => (Symbol::Equal, 2),
            (b'!', Some(b'=')) => (Symbol::NotEqual, 2),
            (b'>', Some(b'=')) => (Symbol::GreaterOrEqual, 2),
            (b'<', Some(b'=')) => (Symbol::LessOrEqual, 2),
            (b'+', _) => (Symbol::Plus, 1),
            (b'-', _) => (Symbol::Minus, 1),
            (b'*', _) => (Symbol::Star, 1),
            (b'/', _) => (Symbol::Slash, 1),
            (b'%', _) => (Symbol::Percent, 1),
            (b'.', _) => (Symbol::Dot, 1),
            (b',', _) => (Symbol::Comma, 1),
            (b':', _) => (Symbol::Colon, 1),
            (b'~', _) => (Symbol::Tilde, 1),
            (b'|', _) => (Symbol::Pipe, 1),
            (b'=', _) => (Symbol::Assign, 1),
            (b'>', _) => (Symbol::Greater, 1),
            (b'<', _) => (Symbol::Less, 1),
            (b'(', _) => (Symbol::ParenOpen, 1),
            (b')', _) => (Symbol::ParenClose, 1),
            (b'[', _) => (Symbol::BracketOpen, 1),
            (b']', _) => (Symbol::BracketClose, 1),
            (b'{', _) => {
                self.braces += 1;
                (Symbol::BraceOpen, 1)
            }
            (b'}', _) => {
                self.braces = self.braces.saturating_sub(1);
                (Symbol::BraceClose, 1)
            }
            (b'"' | b'\'', _) => return self.string(),
            (b'0'..=b'9', _) => return self.number(),
            _ => return self.word(),
        };
        self.at += length;
        Ok((Token::Symbol(symbol), self.range(start)))
    }

    /// Takes the end of the tag, if `rest` begins with it.
    fn tag_end(&mut self, rest: &[u8]) -> Option<Token<'t>> {
        let control = match rest.first() {
            Some(b'-' | b'+') => 1,
            Some(b'}' | b'%') => 0,
            _ => return None,
        };
        let token = match (self.mode, rest.get(control..control + DELIMITER)?) {
            (Mode::Output, b"}}") if self.braces == 0 => Token::OutputEnd,
            (Mode::Tag, b"%}") => Token::TagEnd,
            _ => return None,
        };
        self.at += control + DELIMITER;
        self.trims_next = rest.first() == Some(&b'-');
        Some(token)
    }

    fn word(&mut self) -> Result<(Token<'t>, ByteRange), Fault> {
        let start = self.at;
        let rest = self.rest();
        let length = word_length(rest);
        if length == 0 {
            let first = rest.chars().next().unwrap_or_default();
            let at = ByteRange::new(start..start + first.len_utf8());
            let message = format!("`{}` is not part of the language", first.escape_debug());
            return Err(Fault::new("unexpected-character", at, message));
        }
        self.at += length;
        Ok((Token::Word(&rest[..length]), self.range(start)))
    }

    fn string(&mut self) -> Result<(Token<'t>, ByteRange), Fault> {
        let start = self.at;
        let (value, length) = literal::string(self.rest(), start)?;
        self.at += length;
        Ok((Token::Str(value), self.range(start)))
    }

    fn number(&mut self) -> Result<(Token<'t>, ByteRange), Fault> {
        let start = self.at;
        let follows_dot = self.text.as_bytes()[..start].last() == Some(&b'.');
        let (value, length) = literal::number(self.rest(), start, follows_dot)?;
        self.at += length;
        Ok((value, self.range(start)))
    }
}

/// Returns the position of the first delimiter that begins a tag.
fn find_marker(text: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'{', text).find(|at| matches!(text.get(at + 1), Some(b'{' | b'%' | b'#')))
}

/// Returns the length of the word that a text begins with, 0 if it begins with none.
pub(super) fn word_length(text: &str) -> usize {
    let ascii = text.as_bytes().iter().enumerate();
    let ascii = ascii.take_while(|(at, byte)| match byte {
        b'_' | b'a'..=b'z' | b'A'..=b'Z' => true,
        b'0'..=b'9' => *at > 0,
        _ => false,
    });
    let length = ascii.count();
    if text.as_bytes().get(length).is_none_or(u8::is_ascii) {
        return length;
    }
    // Letters and digits of any script, and the marks that belong to them (UAX #31 without its rare exceptions).
    let letters = text.chars().enumerate().take_while(|(at, each)| {
        *each == '_'
            || each.is_alphabetic()
            || *at > 0 && (each.is_alphanumeric() || unicode_normalization::char::is_combining_mark(*each))
    });
    letters.map(|(_, each)| each.len_utf8()).sum()
}

/// Returns the length of the rest of a tag that consists of one word, and true if it ends in a dash.
fn plain_tag(text: &str, word: &str) -> Option<(usize, bool)> {
    let rest = text.trim_ascii_start().strip_prefix(word)?.trim_ascii_start();
    let inner = rest.strip_prefix(['-', '+']);
    let after = inner.unwrap_or(rest).strip_prefix("%}")?;
    Some((text.len() - after.len(), rest.starts_with('-')))
}
