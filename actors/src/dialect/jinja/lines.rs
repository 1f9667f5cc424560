//! The lines of a text, to convert ranges of bytes to spans without a pass over the text for each.

use crate::diagnostic::Span;

use super::ast::ByteRange;

/// The bytes between two positions whose number of characters is known. It bounds the cost of a position on a long line.
const STEP_BYTES: usize = 1024;

/// The lines of one text.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    /// The byte at which each line begins.
    starts: Vec<u32>,
    /// The number of characters before every [`STEP_BYTES`]-th byte.
    characters: Vec<u32>,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let newlines = memchr::memchr_iter(b'\n', text.as_bytes());
        let starts = std::iter::once(0).chain(newlines.map(|at| small(at + 1)));
        let mut counted = 0;
        let steps = text.as_bytes().chunks(STEP_BYTES).map(|step| {
            let before = counted;
            counted += begun(step);
            before
        });
        let characters = steps.collect();
        Self {
            text,
            starts: starts.collect(),
            characters,
        }
    }

    /// Returns the line, column and length of a range, counted in characters. A range that exceeds its line ends with the line.
    pub(super) fn span(&self, range: ByteRange) -> Span {
        let start = self.text.floor_char_boundary(range.start as usize);
        let end = self.text.floor_char_boundary(range.end as usize).max(start);
        let line = self.starts.partition_point(|first| *first as usize <= start).max(1);
        let first = self.starts.get(line - 1).map_or(0, |first| *first as usize);
        let on_line = self.text[start..end].split('\n').next().unwrap_or_default();
        Span {
            line: small(line),
            column: self.between(first, start) + 1,
            length: small(on_line.chars().count()).max(1),
        }
    }

    /// Returns the number of characters between two bytes.
    fn between(&self, first: usize, end: usize) -> u32 {
        match self.text.as_bytes().get(first..end) {
            Some(bytes) if bytes.len() <= STEP_BYTES => begun(bytes),
            _ => self.before(end) - self.before(first),
        }
    }

    /// Returns the number of characters before a byte.
    fn before(&self, byte: usize) -> u32 {
        let step = byte / STEP_BYTES;
        let rest = self.text.as_bytes().get(step * STEP_BYTES..byte).unwrap_or_default();
        // Behind the last step, which is full then, no step begins.
        match self.characters.get(step) {
            Some(before) => before + begun(rest),
            None => small(self.text.chars().count()),
        }
    }
}

/// Returns the number of characters that begin in some bytes.
fn begun(bytes: &[u8]) -> u32 {
    small(bytes.iter().filter(|byte| (**byte as i8) >= -0x40).count())
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
        let long = format!("{}{{{{ x }}}}", "ü".repeat(STEP_BYTES));
        let exact = "x".repeat(2 * STEP_BYTES);
        let line = "a\nbü {{ x }}\r\n\n{{ y\n }}".to_owned();
        for text in [&line, &long, &exact, &String::new()] {
            check(text);
        }
    }

    fn check(text: &str) {
        let lines = Lines::new(text);
        let step = (text.len() / 40).max(1);
        for start in (0..=text.len()).step_by(step).chain([text.len()]) {
            for end in (start..=text.len()).step_by(step) {
                let range = ByteRange {
                    start: start as u32,
                    end: end as u32,
                };
                assert_eq!(lines.span(range), span_of(text, start..end), "{start}..{end}");
            }
        }
    }
}
