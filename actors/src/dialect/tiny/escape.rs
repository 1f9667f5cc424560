//! Escaping as HTML: right for text and for quoted attributes.

use crate::budget::Exceeded;
use crate::dialect::Frame;

/// Bytes that are looked at in one step: as many as a number has. (Loops that the compiler makes wide by itself took half the
/// time on long texts, but with the next change elsewhere it no longer made them wide.)
const STEP_BYTES: usize = size_of::<u64>();

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

/// Where the first byte is that is escaped.
#[inline]
fn first_special(bytes: &[u8]) -> Option<usize> {
    let Some(last) = bytes.last_chunk::<STEP_BYTES>() else {
        return bytes.iter().position(|byte| matches!(byte, b'<' | b'>' | b'&' | b'\'' | b'"'));
    };
    for (number, step) in bytes.as_chunks::<STEP_BYTES>().0.iter().enumerate() {
        if let Some(within) = first_special_of(*step) {
            return Some(number * STEP_BYTES + within);
        }
    }
    // Some of these are known to be clean.
    first_special_of(*last).map(|within| bytes.len() - STEP_BYTES + within)
}

/// The same for eight bytes, by arithmetic on all of them.
#[inline]
fn first_special_of(bytes: [u8; STEP_BYTES]) -> Option<usize> {
    const fn all(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; STEP_BYTES])
    }
    // Has the highest bit of each byte that is zero; above the first such byte there may be wrong ones.
    let zeros = |bytes: u64| bytes.wrapping_sub(all(1)) & !bytes;
    // The first byte is the lowest.
    let bytes = u64::from_le_bytes(bytes);
    // `<` and `>` differ in one bit, and so do `&` and `'`.
    let angles = zeros((bytes | all(b'<' ^ b'>')) ^ all(b'<' | b'>'));
    let ampersands = zeros((bytes | all(b'&' ^ b'\'')) ^ all(b'&' | b'\''));
    let quotes = zeros(bytes ^ all(b'"'));
    let found = (angles | ampersands | quotes) & all(0x80);
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
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
