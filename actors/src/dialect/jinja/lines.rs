//! The lines of a text, to convert ranges of bytes to spans without a pass over the text for each.

use crate::diagnostic::Span;

use super::ast::ByteRange;

/// The lines of one text.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    /// The byte at which each line begins.
    starts: Vec<u32>,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let newlines = memchr::memchr_iter(b'\n', text.as_bytes());
        let starts = std::iter::once(0).chain(newlines.map(|at| small(at + 1)));
        Self {
            text,
            starts: starts.collect(),
        }
    }

    /// Returns the line, column and length of a range, counted in characters. A range that exceeds its line ends with the line.
    ///
    /// Takes time linear in the length of the line.
    pub(super) fn span(&self, range: ByteRange) -> Span {
        let start = self.text.floor_char_boundary(range.start as usize);
        let end = self.text.floor_char_boundary(range.end as usize).max(start);
        let line = self.starts.partition_point(|first| *first as usize <= start).max(1);
        let first = self.starts.get(line - 1).map_or(0, |first| *first as usize);
        let on_line = self.text[start..end].split('\n').next().unwrap_or_default();
        Span {
            line: small(line),
            column: small(self.text[first..start].chars().count() + 1),
            length: small(on_line.chars().count()).max(1),
        }
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::span_of;

    #[test]
    fn spans_are_those_of_diagnostics() {
        let text = "a\nbü {{ x }}\r\n\n{{ y\n }}";
        let lines = Lines::new(text);
        for start in 0..=text.len() {
            for end in start..=text.len() {
                let range = ByteRange {
                    start: start as u32,
                    end: end as u32,
                };
                assert_eq!(lines.span(range), span_of(text, start..end), "{start}..{end}");
            }
        }
    }
}
