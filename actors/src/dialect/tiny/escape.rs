//! Escaping as HTML: right for text and for quoted attributes.

use crate::budget::Exceeded;
use crate::dialect::Frame;

/// Bytes that are looked at in one step: the compiler turns the loop over them into a few wide instructions.
const WIDTH_BYTES: usize = 16;

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

fn first_special(bytes: &[u8]) -> Option<usize> {
    let (chunks, rest) = bytes.as_chunks::<WIDTH_BYTES>();
    for (number, chunk) in chunks.iter().enumerate() {
        // Without a way out inside: this is what makes it wide.
        if chunk.iter().fold(0, |found, byte| found | u8::from(is_special(*byte))) != 0 {
            let within = chunk.iter().position(|byte| is_special(*byte))?;
            return Some(number * WIDTH_BYTES + within);
        }
    }
    let within = rest.iter().position(|byte| is_special(*byte))?;
    Some(chunks.len() * WIDTH_BYTES + within)
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
