//! The scanner, which reads a text in one pass and returns tokens with positions, or a diagnostic for each error.
//!
//! It takes linear time, keeps to limits and never panics. It rejects everything that `tinytemplate` rejects, and also what that crate
//! panics on, silently reads as something else, or fails on only while rendering. All texts that it accepts have the same meaning as in the
//! crate, which takes several formatters of a value for one with a long name.

mod blocks;

use memchr::{memchr, memchr2};

use crate::diagnostic::Diagnostic;
use crate::limits::Limits;

use self::blocks::Blocks;
use super::foreign;
use super::piece::{Piece, TextRange, find};
use super::tag::{self, Tag, TagError};

/// A text or a tag of a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    Text(TextRange),
    Tag(Tag),
}

/// Scans a whole text.
pub(super) fn scan(text: &str, limits: &Limits) -> Result<Vec<Token>, Vec<Diagnostic>> {
    let most = limits.source_bytes.min(u32::MAX as usize - 1);
    if text.len() > most {
        let message = format!(
            "the text has {} bytes, more than {most} (the limit `source_bytes`)",
            text.len()
        );
        return Err(vec![Diagnostic::error("too-large", message).help("split it")]);
    }
    let mut scan = Scan::new(text, limits);
    // An error that stops the scan is already recorded.
    let _ = scan.run();
    if scan.faults.is_empty() {
        Ok(scan.tokens)
    } else {
        Err(scan.faults)
    }
}

/// A marker that the scan cannot or need not continue.
struct ScanStopped;

struct Scan<'t, 'l> {
    text: &'t str,
    limits: &'l Limits,
    at: usize,
    /// The end of the line of the last tag, which is searched once per line instead of once per tag.
    line_end: usize,
    /// The bytes that the crate will scan repeatedly: for each tag it searches the rest of the line.
    rescan_bytes: usize,
    tags: usize,
    tokens: Vec<Token>,
    blocks: Blocks,
    /// The index of the text token that a dash in the next tag trims, if there is one.
    last_text: Option<usize>,
    /// True if the last tag ended in a dash, which trims the text that follows.
    trims_next: bool,
    faults: Vec<Diagnostic>,
}

impl<'t, 'l> Scan<'t, 'l> {
    fn new(text: &'t str, limits: &'l Limits) -> Self {
        Self {
            text,
            limits,
            at: 0,
            line_end: 0,
            rescan_bytes: 0,
            tags: 0,
            tokens: Vec::with_capacity(text.len() / 24),
            blocks: Blocks::default(),
            last_text: None,
            trims_next: false,
            faults: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<(), ScanStopped> {
        while let Some(rest) = self.text.as_bytes().get(self.at..).filter(|rest| !rest.is_empty()) {
            match rest {
                [b'{', b'#', ..] => self.comment()?,
                [b'{', b'{', ..] => self.block()?,
                [b'{', ..] => self.value()?,
                _ => self.text()?,
            }
        }
        while let Some(fault) = self.blocks.unclosed() {
            self.note(fault)?;
        }
        Ok(())
    }

    /// Scans text up to the next tag. A backslash before a brace makes the brace text.
    fn text(&mut self) -> Result<(), ScanStopped> {
        let mut from = self.at;
        let mut search = from;
        loop {
            let bytes = self.text.as_bytes();
            let brace = memchr(b'{', &bytes[search..]).map(|found| search + found);
            let end = brace.unwrap_or(bytes.len());
            let mut piece = Piece::of(self.text, from..end);
            if std::mem::take(&mut self.trims_next) {
                piece = piece.trim_start();
            }
            let escaped = piece.text.ends_with('\\');
            if escaped {
                piece.text = &piece.text[..piece.text.len() - 1];
            }
            self.last_text = (!piece.text.is_empty()).then_some(self.tokens.len());
            if self.last_text.is_some() {
                self.tokens.push(Token::Text(piece.part()));
            }
            self.at = end;
            if !escaped {
                return Ok(());
            }
            if brace.is_none() {
                let help = "add a character or a line break after it; a backslash before `{` makes the brace text";
                let fault = TagError::new("trailing-backslash", end - 1..end, "the text ends in a backslash");
                return self.note(fault.help(help));
            }
            self.count_tag(end)?;
            from = end;
            search = end + 1;
        }
    }

    fn comment(&mut self) -> Result<(), ScanStopped> {
        let Some(tag) = self.take("#}")? else { return Ok(()) };
        if tag.text == "{#}" {
            let fault = TagError::new("empty-comment", tag.range(), "this comment has no end of its own");
            return self.note(fault.help("write `{# … #}`"));
        }
        let comment = tag.text[2..tag.text.len() - 2].trim();
        if comment.starts_with('-') {
            self.trim_last();
        }
        self.trims_next = comment.ends_with('-');
        Ok(())
    }

    fn value(&mut self) -> Result<(), ScanStopped> {
        let Some(tag) = self.take("}")? else { return Ok(()) };
        let inner = self.dashes(Piece::of(self.text, tag.start + 1..self.at - 1));
        if inner.text.is_empty() {
            let fault = TagError::new("empty-tag", tag.range(), "there is nothing in this tag");
            return self.note(fault.help("for a brace that is text write `\\{`"));
        }
        match tag::value(inner, self.blocks.in_loop()) {
            Ok(tag) => self.push(tag),
            Err(_) if inner.text.starts_with('%') => {
                let fault = tag::percent(tag, inner);
                self.blocks.recover(&fault, tag.range());
                self.note(fault)?;
            }
            Err(fault) => self.note(fault)?,
        }
        Ok(())
    }

    fn block(&mut self) -> Result<(), ScanStopped> {
        let Some(whole) = self.take("}}")? else { return Ok(()) };
        let inner = self.dashes(Piece::of(self.text, whole.start + 2..self.at - 2));
        let tag = match tag::block(inner, self.blocks.in_loop(), self.blocks.innermost()) {
            Ok(tag) => tag,
            Err(_) if inner.text.starts_with('{') => {
                // The third closing brace belongs to the tag.
                self.at += usize::from(self.text.as_bytes().get(self.at) == Some(&b'}'));
                return self.note(tag::triple(Piece::of(self.text, whole.start..self.at), inner));
            }
            Err(fault) => {
                self.blocks.recover(&fault, whole.range());
                return self.note(fault);
            }
        };
        if let Err(fault) = self.blocks.take(&tag, whole.range()) {
            return self.note(fault);
        }
        let depth = self.blocks.depth();
        let most = self.limits.source_nesting.min(super::program::SLOTS_MAX);
        if depth > most {
            let message = format!("more than {most} blocks are open at once (the limit `source_nesting`)");
            let fault = TagError::new("too-deep", whole.range(), message);
            return Err(self.stop(fault.help("move the inner ones to a template of their own and call it")));
        }
        self.push(tag);
        Ok(())
    }

    fn push(&mut self, tag: Tag) {
        // In the crate the end of an `if` is not an instruction, so a dash after it trims the text before it.
        if !matches!(tag, Tag::EndIf) {
            self.last_text = None;
        }
        self.tokens.push(Token::Tag(tag));
    }

    /// Returns the tag that begins here and ends with `close` on the same line. If there is no end, records an error and skips the opening.
    /// The function is inlined, so that `close` is a constant.
    #[inline(always)]
    fn take(&mut self, close: &str) -> Result<Option<Piece<'t>>, ScanStopped> {
        let start = self.at;
        self.trims_next = false;
        self.count_tag(start)?;
        let bytes = self.text.as_bytes();
        if start >= self.line_end {
            self.line_end = memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |found| start + found);
        }
        self.rescan_bytes = self.rescan_bytes.saturating_add(self.line_end - start);
        if self.rescan_bytes > self.limits.source_rescan_bytes {
            return Err(self.stop_at_long_line());
        }
        match find(&bytes[start..self.line_end], close.as_bytes()) {
            Some(found) => {
                self.at = start + found + close.len();
                Ok(Some(Piece::of(self.text, start..self.at)))
            }
            None => self.step_over(close).map(|()| None),
        }
    }

    #[cold]
    fn stop_at_long_line(&mut self) -> ScanStopped {
        let message = "there are too many tags on this long line (the limit `source_rescan_bytes`)";
        let opening = TagError::new("long-line", self.at..self.at + 1, message);
        self.stop(opening.help("break the line somewhere"))
    }

    /// Skips the opening of a tag that has no end, and records the error.
    #[cold]
    fn step_over(&mut self, close: &str) -> Result<(), ScanStopped> {
        let bytes = self.text.as_bytes();
        let opening = self.at..self.at + close.len();
        let message = format!("`{}` is not closed on this line", &self.text[opening.clone()]);
        let help = match close {
            "}" => "close it with `}`; for a brace that is text, as in CSS or JavaScript, write `\\{`".into(),
            "}}" => "close it with `}}`; for braces that are text write `\\{\\{`".into(),
            _ => {
                let line = &self.text[opening.end..self.line_end];
                let svelte = line.split_once('}').and_then(|(inner, _)| foreign::tag(inner, true));
                svelte.map_or_else(
                    || format!("close it with `{close}`; each line of a comment is a comment of its own"),
                    |meant| format!("`{{#` begins a comment; {}", meant.help),
                )
            }
        };
        // The rest of the line up to the next brace belongs to the tag, and is skipped without further errors.
        let rest = &bytes[opening.end..];
        self.at = memchr2(b'{', b'\n', rest).map_or(bytes.len(), |found| opening.end + found);
        self.last_text = None;
        self.note(TagError::new("unclosed-tag", opening, message).help(help))
    }

    /// Returns the content of a tag without dashes and blanks, and applies the trimming that the dashes ask for.
    fn dashes(&mut self, inner: Piece<'t>) -> Piece<'t> {
        let mut inner = inner.trim();
        if inner.text.starts_with('-') {
            inner = inner.skip(1).trim();
            self.trim_last();
        }
        if inner.text.ends_with('-') {
            inner = inner.split_at(inner.text.len() - 1).0.trim();
            self.trims_next = true;
        }
        inner
    }

    fn trim_last(&mut self) {
        if let Some(Token::Text(part)) = self.last_text.and_then(|last| self.tokens.get_mut(last)) {
            *part = part.of(self.text).trim_end().part();
        }
    }

    fn count_tag(&mut self, at: usize) -> Result<(), ScanStopped> {
        self.tags += 1;
        if self.tags <= self.limits.source_tags {
            return Ok(());
        }
        let most = self.limits.source_tags;
        let message = format!("there are more than {most} tags (the limit `source_tags`)");
        let fault = TagError::new("too-many-tags", at..at + 1, message);
        Err(self.stop(fault.help("split it into templates that call each other")))
    }

    fn note(&mut self, fault: TagError) -> Result<(), ScanStopped> {
        self.faults.push(fault.diagnostic(self.text));
        if self.faults.len() < self.limits.source_diagnostics {
            Ok(())
        } else {
            Err(ScanStopped)
        }
    }

    fn stop(&mut self, fault: TagError) -> ScanStopped {
        self.faults.push(fault.diagnostic(self.text));
        ScanStopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        let tokens = scan(text, &Limits::default()).expect("right");
        let texts = tokens.iter().filter_map(|token| match token {
            Token::Text(part) => Some(part.of(text).text),
            Token::Tag(_) => None,
        });
        texts.collect()
    }

    #[test]
    fn dashes_trim_adjacent_text() {
        assert_eq!(texts("a {b} c"), ["a ", " c"]);
        assert_eq!(texts("a {- b -} c"), ["a", "c"]);
        assert_eq!(texts("a \\{ {- b -} \\{ c"), ["a ", "{", "{ c"]);
        assert_eq!(texts("a {# c #}{{ if x }}b {{ endif }}{- d}"), ["a ", "b"]);
    }

    #[test]
    fn tokens_have_positions() {
        let text = "ü {{- if not  größe -}} x {{ endif }}".replace("not  ", "not ");
        let tokens = scan(&text, &Limits::default()).expect("right");
        let Some(Token::Tag(Tag::If { path, negated: true })) = tokens.get(1) else {
            panic!("{tokens:?}");
        };
        assert_eq!(&text[path.part().range()], "größe");
    }

    #[test]
    fn every_mistake_is_reported_once() {
        let text = "{{ fro x in xs }}{{ if a == b }}{x y}{{ endif }}{{ endfor }}{{ endwith }}";
        let faults = scan(text, &Limits::default()).expect_err("wrong");
        let codes: Vec<_> = faults.iter().map(|fault| fault.code).collect();
        assert_eq!(codes, ["unknown-block", "comparison", "not-a-path", "unmatched-end"]);
    }
}
