//! Escaping as HTML: right for text and for quoted attributes.

use crate::budget::Exceeded;
use crate::dialect::Frame;

/// Bytes that are looked at in one step, where there are as many: the compiler turns it into a few wide instructions.
const WIDE_BYTES: usize = size_of::<u128>();

/// Appends `text` with `< > & ' "` as entities.
///
/// # Errors
/// [`Exceeded::Output`] when the output would go over its limit.
pub fn escape_html(text: &str, frame: &mut Frame<'_>) -> Result<(), Exceeded> {
    let mut rest = text;
    while let Some(at) = first_special(rest.as_bytes()) {
        let (clean, special) = rest.split_at(at);
        frame.append(clean)?;
        frame.append(entity(special.as_bytes()[0]))?;
        rest = &special[1..];
    }
    frame.append(rest)
}

/// Where the first byte is that is escaped. The last step of each kind looks again at what is known to be clean.
#[inline]
fn first_special(bytes: &[u8]) -> Option<usize> {
    if let Some(last) = bytes.last_chunk::<WIDE_BYTES>() {
        for (number, chunk) in bytes.as_chunks::<WIDE_BYTES>().0.iter().enumerate() {
            if let Some(within) = first_of_wide(chunk) {
                return Some(number * WIDE_BYTES + within);
            }
        }
        return first_of_wide(last).map(|within| bytes.len() - WIDE_BYTES + within);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let first = first_of_word(u64::from_le_bytes(*first));
        return first.or_else(|| first_of_word(u64::from_le_bytes(*last)).map(|within| bytes.len() - 8 + within));
    }
    bytes.iter().position(|byte| is_special(*byte))
}

/// The same for sixteen bytes.
#[inline]
fn first_of_wide(bytes: &[u8; WIDE_BYTES]) -> Option<usize> {
    // Without a way out inside: this is what makes it wide.
    let found = u128::from_le_bytes(bytes.map(|byte| u8::from(is_special(byte))));
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

/// The same for eight bytes, the first of them the lowest.
#[inline]
fn first_of_word(word: u64) -> Option<usize> {
    const fn all(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    // The highest bit of each byte that is zero; above the first such byte there may be wrong ones.
    let zeros = |word: u64| word.wrapping_sub(all(1)) & !word & all(0x80);
    // `<` and `>` differ in one bit, and so do `&` and `'`.
    let angle = zeros(word & all(!(b'<' ^ b'>')) ^ all(b'<' & b'>'));
    let ampersand = zeros(word & all(!(b'&' ^ b'\'')) ^ all(b'&' & b'\''));
    let found = angle | ampersand | zeros(word ^ all(b'"'));
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

#[inline]
fn is_special(byte: u8) -> bool {
    // Not `matches!`: that becomes a table, which is one byte at a time.
    (byte == b'<') | (byte == b'>') | (byte == b'&') | (byte == b'\'') | (byte == b'"')
}

fn entity(byte: u8) -> &'static str {
    match byte {
        b'<' => "&lt;",
        b'>' => "&gt;",
        b'&' => "&amp;",
        b'\'' => "&#39;",
        _ => "&quot;",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::budget::Budget;
    use crate::dialect::{Escape, Missing};
    use crate::limits::Limits;

    fn escaped(text: &str, output_bytes: usize) -> Result<String, Exceeded> {
        let limits = Limits {
            output_bytes,
            ..Limits::default()
        };
        let mut budget = Budget::new(&limits, Instant::now(), None, None);
        let mut frame = Frame::new(&mut budget, Escape::Html, Missing::Error, 0);
        escape_html(text, &mut frame)?;
        Ok(frame.output)
    }

    #[test]
    fn every_length_and_place_is_escaped_as_the_crate_does() {
        for length in 0..50 {
            for at in 0..length {
                for special in ["<", ">", "&", "'", "\"", "ß", "\u{2028}"] {
                    let text = format!("{}{special}{}", "a".repeat(at), "<".repeat(length - at));
                    let mut expected = String::new();
                    tinytemplate::escape(&text, &mut expected);
                    assert_eq!(escaped(&text, 10_000), Ok(expected));
                }
            }
        }
    }

    #[test]
    fn the_limit_counts_what_comes_out() {
        assert_eq!(escaped("a<b", 6), Ok("a&lt;b".into()));
        assert_eq!(escaped("a<b", 5), Err(Exceeded::Output(5)));
    }
}
