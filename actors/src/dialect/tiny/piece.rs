//! Parts of a text together with their positions.

use std::ops::Range;

use memchr::memchr_iter;

/// A part of a text, and the byte at which it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'t> {
    pub(super) text: &'t str,
    pub(super) start: usize,
}

/// A range of a text of less than 4 GiB. It fits into a register, so that values that contain it are moved cheaply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TextRange {
    pub(super) start: u32,
    pub(super) length: u32,
}

impl TextRange {
    /// Returns the range in bytes.
    pub(super) fn range(self) -> Range<usize> {
        let start = self.start as usize;
        start..start + self.length as usize
    }

    /// Returns the range together with its text.
    pub(super) fn of(self, text: &str) -> Piece<'_> {
        Piece::of(text, self.range())
    }
}

impl<'t> Piece<'t> {
    /// Returns the bytes `range` of `text`.
    pub(super) fn of(text: &'t str, range: Range<usize>) -> Self {
        Self {
            start: range.start,
            text: &text[range],
        }
    }

    /// Returns the range in bytes.
    pub(super) fn range(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    /// Returns the compact form of the range.
    pub(super) fn part(self) -> TextRange {
        // The scanner rejects texts for which this would overflow.
        TextRange {
            start: self.start as u32,
            length: self.text.len() as u32,
        }
    }

    /// Returns the piece without blanks at both ends.
    #[inline]
    pub(super) fn trim(self) -> Self {
        self.trim_start().trim_end()
    }

    /// Returns the piece without blanks at its start.
    #[inline]
    pub(super) fn trim_start(self) -> Self {
        match self.text.as_bytes() {
            // The usual case, which needs no search for Unicode blanks.
            [first, ..] if first.is_ascii_graphic() => self,
            [b' ', second, ..] if second.is_ascii_graphic() => self.skip(1),
            _ => self.skip(self.text.len() - self.text.trim_start().len()),
        }
    }

    /// Returns the piece without blanks at its end.
    #[inline]
    pub(super) fn trim_end(self) -> Self {
        let length = match self.text.as_bytes() {
            [.., last] if last.is_ascii_graphic() => return self,
            [.., last, b' '] if last.is_ascii_graphic() => self.text.len() - 1,
            _ => self.text.trim_end().len(),
        };
        self.split_at(length).0
    }

    /// Splits the piece at byte `at`.
    pub(super) fn split_at(self, at: usize) -> (Self, Self) {
        let (before, rest) = self.text.split_at(at);
        let start = self.start + at;
        (Self { text: before, ..self }, Self { text: rest, start })
    }

    /// Returns the piece without its first `length` bytes.
    pub(super) fn skip(self, length: usize) -> Self {
        self.split_at(length).1
    }

    /// Splits the piece at the first `separator`, which belongs to neither part.
    #[inline]
    pub(super) fn split_once(self, separator: &str) -> Option<(Self, Self)> {
        let at = find(self.text.as_bytes(), separator.as_bytes())?;
        let (before, rest) = self.split_at(at);
        Some((before, rest.skip(separator.len())))
    }
}

/// Returns the first position of a short word in a text.
#[inline]
pub(super) fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    let (first, rest) = word.split_first()?;
    memchr_iter(*first, text).find(|at| text[at + 1..].starts_with(rest))
}
