//! [`Piece`]: a part of a template that knows where it stands.

use std::ops::Range;

use memchr::memchr;

/// A part of a text and the byte at which it begins there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'t> {
    pub(super) text: &'t str,
    pub(super) start: usize,
}

/// Where something stands in a text of less than 4 GiB. Fits into a register, so that what is made of it is moved cheaply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Part {
    pub(super) start: u32,
    pub(super) length: u32,
}

impl Part {
    /// The bytes that it covers.
    pub(super) fn range(self) -> Range<usize> {
        let start = self.start as usize;
        start..start + self.length as usize
    }

    /// With what stands there.
    pub(super) fn of(self, text: &str) -> Piece<'_> {
        Piece::of(text, self.range())
    }
}

impl<'t> Piece<'t> {
    /// The bytes `range` of `text`.
    pub(super) fn of(text: &'t str, range: Range<usize>) -> Self {
        Self {
            start: range.start,
            text: &text[range],
        }
    }

    /// The bytes that it covers.
    pub(super) fn range(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    /// Where it stands.
    pub(super) fn part(self) -> Part {
        // The scan refuses longer texts.
        Part {
            start: self.start as u32,
            length: self.text.len() as u32,
        }
    }

    /// Without blanks at both ends.
    pub(super) fn trim(self) -> Self {
        self.trim_start().trim_end()
    }

    /// Without blanks at its start.
    pub(super) fn trim_start(self) -> Self {
        let text = self.text.trim_start();
        Self {
            start: self.start + (self.text.len() - text.len()),
            text,
        }
    }

    /// Without blanks at its end.
    pub(super) fn trim_end(self) -> Self {
        let text = self.text.trim_end();
        Self { text, ..self }
    }

    /// What stands before byte `at` of it, and the rest.
    pub(super) fn split_at(self, at: usize) -> (Self, Self) {
        let (before, rest) = self.text.split_at(at);
        let start = self.start + at;
        (Self { text: before, ..self }, Self { text: rest, start })
    }

    /// What follows the first `length` bytes.
    pub(super) fn skip(self, length: usize) -> Self {
        self.split_at(length).1
    }

    /// What stands before and after the first `separator`.
    pub(super) fn split_once(self, separator: &str) -> Option<(Self, Self)> {
        let at = find(self.text.as_bytes(), separator.as_bytes())?;
        let (before, rest) = self.split_at(at);
        Some((before, rest.skip(separator.len())))
    }
}

/// Bytes that are looked at one by one: most tags end sooner than a wide search has begun.
const NEAR_BYTES: usize = 24;

/// The first place of a short word in a text.
pub(super) fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    let (first, rest) = word.split_first()?;
    let begins = |at: usize| text[at + 1..].starts_with(rest);
    let near = &text[..text.len().min(NEAR_BYTES)];
    let mut from = match near.iter().position(|byte| byte == first) {
        Some(at) if begins(at) => return Some(at),
        Some(at) => at + 1,
        None => near.len(),
    };
    while let Some(at) = memchr(*first, text.get(from..)?).map(|at| from + at) {
        if begins(at) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}
