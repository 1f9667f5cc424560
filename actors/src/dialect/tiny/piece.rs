//! [`Piece`]: a part of a template that knows where it stands.

use std::ops::Range;

use memchr::memchr_iter;

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
    #[inline]
    pub(super) fn trim(self) -> Self {
        self.trim_start().trim_end()
    }

    /// Without blanks at its start.
    #[inline]
    pub(super) fn trim_start(self) -> Self {
        match self.text.as_bytes() {
            // Nearly always: no need to know blanks of other scripts.
            [first, ..] if first.is_ascii_graphic() => self,
            [b' ', second, ..] if second.is_ascii_graphic() => self.skip(1),
            _ => self.skip(self.text.len() - self.text.trim_start().len()),
        }
    }

    /// Without blanks at its end.
    #[inline]
    pub(super) fn trim_end(self) -> Self {
        let length = match self.text.as_bytes() {
            [.., last] if last.is_ascii_graphic() => return self,
            [.., last, b' '] if last.is_ascii_graphic() => self.text.len() - 1,
            _ => self.text.trim_end().len(),
        };
        self.split_at(length).0
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
    #[inline]
    pub(super) fn split_once(self, separator: &str) -> Option<(Self, Self)> {
        let at = find(self.text.as_bytes(), separator.as_bytes())?;
        let (before, rest) = self.split_at(at);
        Some((before, rest.skip(separator.len())))
    }
}

/// The first place of a short word in a text.
#[inline]
pub(super) fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    let (first, rest) = word.split_first()?;
    memchr_iter(*first, text).find(|at| text[at + 1..].starts_with(rest))
}
