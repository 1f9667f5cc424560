//! Escaping as HTML, which protects text and quoted attributes.

use wide::u8x16;

use crate::budget::Exceeded;
use crate::dialect::Frame;
use crate::dialect::body::{BLOCK_BYTES, Body, Full, short_block};

/// The number of bytes that are searched in one step.
const STEP_BYTES: usize = 16;

const _: () = assert!(BLOCK_BYTES == 2 * STEP_BYTES);

/// Appends `text` with `< > & ' "` as entities.
///
/// # Errors
/// [`Exceeded::Output`] if the output would exceed its limit.
pub fn escape_html(text: &str, frame: &mut Frame<'_>) -> Result<(), Exceeded> {
    Ok(escape(text, &mut frame.body)?)
}

/// Appends `text` with its special characters as entities.
#[inline]
pub(super) fn escape(text: &str, body: &mut Body) -> Result<(), Full> {
    match text.len() {
        0..STEP_BYTES => escape_short(text, body),
        _ => escape_any(text, body),
    }
}

/// Appends a text of less than [`STEP_BYTES`] bytes. Apart from longer ones, because most values are short and need no escaping: then this
/// has no loop and saves no registers.
#[inline(never)]
fn escape_short(text: &str, body: &mut Body) -> Result<(), Full> {
    let step = short_block(text.as_bytes());
    match specials(step.to_le_bytes()) {
        0 => body.push_short(step, text.len() as u32),
        _ => escape_any(text, body),
    }
}

/// Appends `text` with its special characters as entities.
///
/// Each step compares 16 bytes at once (SIMD), two steps together copy them speculatively, because most output needs no escaping. If there is a special
/// byte among them, only the bytes before it count, the entity is appended, and the search continues behind it.
#[inline(never)]
fn escape_any(text: &str, body: &mut Body) -> Result<(), Full> {
    let mut rest = text.as_bytes();
    while let Some((steps, after)) = rest.split_first_chunk::<BLOCK_BYTES>() {
        let found = match steps.as_chunks::<STEP_BYTES>() {
            ([first, second], _) => specials(*first) | specials(*second) << STEP_BYTES,
            _ => 0,
        };
        if found == 0 {
            body.push_block(*steps, BLOCK_BYTES as u32)?;
            rest = after;
        } else {
            let clean = found.trailing_zeros();
            body.push_block(*steps, clean)?;
            rest = escape_one(rest, clean as usize, body)?;
        }
    }
    while let Some((step, after)) = rest.split_first_chunk::<STEP_BYTES>() {
        let found = specials(*step);
        if found == 0 {
            body.push_block(*step, STEP_BYTES as u32)?;
            rest = after;
        } else {
            let clean = found.trailing_zeros();
            body.push_block(*step, clean)?;
            rest = escape_one(rest, clean as usize, body)?;
        }
    }
    // The last bytes are handled in registers: a load that spans several recent smaller stores would stall.
    let mut step = short_block(rest);
    let mut found = specials(step.to_le_bytes());
    let mut length = rest.len() as u32;
    while found != 0 {
        let clean = found.trailing_zeros();
        body.push_short(step, clean)?;
        // At most 15 bytes are left, so at most 14 are before a special one.
        step >>= 8 * (clean & 15);
        let Entity {
            bytes,
            length: entity_length,
        } = entity(step as u8);
        body.push_block(bytes, entity_length)?;
        step >>= 8;
        found >>= clean + 1;
        length -= clean + 1;
    }
    body.push_short(step, length)
}

/// Appends the entity of the byte at `at`, and returns the text behind it.
#[inline(always)]
fn escape_one<'t>(text: &'t [u8], at: usize, body: &mut Body) -> Result<&'t [u8], Full> {
    let Some((byte, after)) = text.get(at..).and_then(<[u8]>::split_first) else {
        return Ok(&[]);
    };
    let Entity { bytes, length } = entity(*byte);
    body.push_block(bytes, length)?;
    Ok(after)
}

/// Returns a bit for each byte that has to be escaped. Zero bytes have none, so that they can pad a short step.
#[inline(always)]
fn specials(step: [u8; STEP_BYTES]) -> u32 {
    let bytes = u8x16::new(step);
    let all = |byte: u8| u8x16::splat(byte);
    // `<` and `>` differ in one bit, and so do `&` and `'`.
    let angles = (bytes | all(b'<' ^ b'>')).simd_eq(all(b'<' | b'>'));
    let ampersands = (bytes | all(b'&' ^ b'\'')).simd_eq(all(b'&' | b'\''));
    let quotes = bytes.simd_eq(all(b'"'));
    (angles | ampersands | quotes).to_bitmask()
}

#[derive(Clone, Copy)]
struct Entity {
    bytes: [u8; 8],
    length: u32,
}

/// Returns the entity of a byte that has to be escaped; all of these are below 64.
#[inline(always)]
fn entity(byte: u8) -> Entity {
    static ENTITIES: [Entity; 64] = {
        const fn entity(text: &[u8]) -> Entity {
            let mut bytes = [0; 8];
            bytes.split_at_mut(text.len()).0.copy_from_slice(text);
            let length = text.len() as u32;
            Entity { bytes, length }
        }
        let mut entities = [entity(b""); 64];
        entities[b'<' as usize] = entity(b"&lt;");
        entities[b'>' as usize] = entity(b"&gt;");
        entities[b'&' as usize] = entity(b"&amp;");
        entities[b'\'' as usize] = entity(b"&#39;");
        entities[b'"' as usize] = entity(b"&quot;");
        entities
    };
    ENTITIES[usize::from(byte & 63)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::dialect::{Escape, Missing};
    use crate::limits::Limits;

    fn escaped(text: &str, output_bytes: usize) -> Result<String, Exceeded> {
        let limits = Limits {
            output_bytes,
            ..Limits::default()
        };
        let mut budget = Budget::new(&limits, None, None);
        let mut frame = Frame::new(&mut budget, Escape::Html, Missing::Error);
        escape_html(text, &mut frame)?;
        Ok(frame.body.to_text())
    }

    #[test]
    fn all_lengths_are_escaped_as_by_the_crate() {
        for length in 0..50 {
            for at in 0..length {
                for special in [
                    "<", ">", "&", "'", "\"", "ß", "\u{2028}", "\0", "$", "%", "(", "=", "?", "|", "~",
                ] {
                    let text = format!("{}{special}{}", "a".repeat(at), "<".repeat(length - at));
                    let mut expected = String::new();
                    tinytemplate::escape(&text, &mut expected);
                    assert_eq!(escaped(&text, 10_000), Ok(expected));
                }
            }
        }
    }

    #[test]
    fn all_bytes_are_escaped_as_by_the_crate() {
        let text: String = (0..=0x2FF).filter_map(char::from_u32).collect();
        let mut expected = String::new();
        tinytemplate::escape(&text, &mut expected);
        assert_eq!(escaped(&text, 10_000), Ok(expected));
    }

    #[test]
    fn the_limit_counts_escaped_output() {
        assert_eq!(escaped("a<b", 6), Ok("a&lt;b".into()));
        assert_eq!(escaped("a<b", 5), Err(Exceeded::Output(5)));
        let text = "a<b".repeat(100);
        assert_eq!(escaped(&text, 600).map(|text| text.len()), Ok(600));
        assert_eq!(escaped(&text, 599), Err(Exceeded::Output(599)));
    }
}
