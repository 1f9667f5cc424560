//! The buffer that the text of an answer is written to.

use std::borrow::Cow;
use std::fmt;

use crate::budget::Exceeded;

/// The number of bytes that are copied at once: a copy of constant length compiles to two moves instead of a call.
pub(crate) const BLOCK_BYTES: usize = 32;

/// The capacity after the first growth.
const FIRST_BYTES: usize = 1024;

/// A text that grows at its end, up to a limit. It is validated as UTF-8 by [`Body::to_text`].
///
/// Most pieces that a template prints are short, so the fast path copies a whole block and advances the length by the bytes that count; the
/// next piece overwrites the rest. One comparison checks capacity and limit together, because the capacity never exceeds the limit.
#[derive(Default)]
pub struct Body {
    /// The initialised buffer, which begins with the bytes that were written.
    bytes: Vec<u8>,
    /// The number of bytes that were written. Half a word, so that adding the length of a block needs no check for overflow.
    len: u32,
    /// The bytes outside of this buffer that count towards the limit.
    before: usize,
    limit: usize,
}

/// The limit of the output, which it would exceed. A result with it fits into registers, unlike one with [`Exceeded`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full(usize);

impl From<Full> for Exceeded {
    #[cold]
    fn from(Full(limit): Full) -> Self {
        Self::Output(limit)
    }
}

/// The largest length, whatever the limit is.
const BYTES_MAX: usize = u32::MAX as usize - BLOCK_BYTES;

impl Body {
    /// Returns an empty body for at most `limit` bytes, `before` of which are written elsewhere.
    pub(crate) fn new(limit: usize, before: usize) -> Self {
        Self::within(Vec::new(), limit, before)
    }

    /// Returns an empty body that reuses a buffer.
    pub(crate) fn within(bytes: Vec<u8>, limit: usize, before: usize) -> Self {
        let mut body = Self {
            bytes,
            len: 0,
            before,
            limit,
        };
        body.bytes.truncate(body.most());
        body
    }

    /// Returns the number of bytes that may be written here.
    fn most(&self) -> usize {
        self.limit.saturating_sub(self.before).min(BYTES_MAX)
    }

    /// Returns the number of bytes that were written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Returns true if nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends text.
    ///
    /// # Errors
    /// [`Exceeded::Output`] if it would exceed the limit; then nothing of it is written.
    #[inline]
    pub fn push(&mut self, text: &str) -> Result<(), Exceeded> {
        Ok(self.push_bytes(text.as_bytes())?)
    }

    #[inline]
    pub(crate) fn push_bytes(&mut self, part: &[u8]) -> Result<(), Full> {
        let free = self.bytes.get_mut(self.len as usize..);
        match free.and_then(|free| free.get_mut(..part.len())) {
            Some(place) => {
                place.copy_from_slice(part);
                // Fits, because the slice of this length exists.
                self.len += part.len() as u32;
                Ok(())
            }
            None => self.push_growing(part),
        }
    }

    /// Appends `length` bytes of `text` from `start` on. Fast if they fit into a block and `text` has a whole block from `start` on.
    #[inline(always)]
    pub(crate) fn push_part(&mut self, text: &[u8], start: u32, length: u32) -> Result<(), Full> {
        let start = start as usize;
        if length <= BLOCK_BYTES as u32
            && let Some(block) = text.get(start..start + BLOCK_BYTES).and_then(<[u8]>::first_chunk)
            && let Some(place) = self.room::<BLOCK_BYTES>()
        {
            *place = *block;
            self.len += length;
            return Ok(());
        }
        self.push_long(text, start, length as usize)
    }

    #[inline(never)]
    fn push_long(&mut self, text: &[u8], start: usize, length: usize) -> Result<(), Full> {
        self.push_bytes(text.get(start..start + length).unwrap_or_default())
    }

    /// Appends the first `length` bytes of a block.
    #[inline(always)]
    pub(crate) fn push_block<const N: usize>(&mut self, block: [u8; N], length: u32) -> Result<(), Full> {
        match self.room::<N>() {
            Some(place) => {
                *place = block;
                self.len += length;
                Ok(())
            }
            None => self.push_growing(block.get(..length as usize).unwrap_or(&block)),
        }
    }

    /// Appends the first `length` bytes of a block from [`short_block`], directly from registers.
    #[inline(always)]
    pub(crate) fn push_short(&mut self, block: u128, length: u32) -> Result<(), Full> {
        match self.room::<16>() {
            Some(place) => {
                let (words, _) = place.as_chunks_mut::<8>();
                if let [head, tail] = words {
                    *head = (block as u64).to_le_bytes();
                    *tail = ((block >> 64) as u64).to_le_bytes();
                }
                self.len += length;
                Ok(())
            }
            None => self.push_growing(block.to_le_bytes().get(..length as usize).unwrap_or_default()),
        }
    }

    #[inline(always)]
    fn room<const N: usize>(&mut self) -> Option<&mut [u8; N]> {
        let start = self.len as usize;
        self.bytes.get_mut(start..start + N)?.first_chunk_mut()
    }

    /// Appends bytes after growing the buffer, as far as the limit allows.
    #[cold]
    #[inline(never)]
    fn push_growing(&mut self, part: &[u8]) -> Result<(), Full> {
        let most = self.most();
        let start = self.len();
        let end = start.saturating_add(part.len());
        if end > most {
            return Err(Full(self.limit));
        }
        if end > self.bytes.len() {
            let room = end.saturating_add(BLOCK_BYTES).max(self.bytes.len().saturating_mul(2));
            self.bytes.resize(room.max(FIRST_BYTES).min(most), 0);
        }
        self.bytes[start..end].copy_from_slice(part);
        self.len += part.len() as u32;
        Ok(())
    }

    /// Returns the text that was written from a position on, such as that of a block whose output is a value.
    pub(crate) fn text_from(&self, start: usize) -> Cow<'_, str> {
        let written = self.bytes.get(start..self.len()).unwrap_or_default();
        match simdutf8::basic::from_utf8(written) {
            Ok(text) => Cow::Borrowed(text),
            // Does not happen, because only text is appended.
            Err(_) => String::from_utf8_lossy(written),
        }
    }

    /// Removes what was written from a position on.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.len = self.len.min(u32::try_from(length).unwrap_or(u32::MAX));
    }

    /// Returns a copy of the text that was written.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut rest = self.bytes.get(..self.len()).unwrap_or(&self.bytes);
        let mut text = String::with_capacity(rest.len());
        // A part is copied right after it was checked, while it is in the nearest cache.
        while !rest.is_empty() {
            let (part, behind) = rest.split_at(whole_characters(rest));
            match simdutf8::basic::from_utf8(part) {
                Ok(part) => text.push_str(part),
                // Does not happen, because only text is appended.
                Err(_) => text.push_str(&String::from_utf8_lossy(part)),
            }
            rest = behind;
        }
        text
    }

    /// Returns the buffer, to be reused.
    pub(crate) fn into_room(self) -> Vec<u8> {
        self.bytes
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("len", &self.len)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// The number of bytes that are checked and copied at once.
const PART_BYTES: usize = 4096;

/// Returns the length of the first part of a text: whole characters of at most [`PART_BYTES`], or all that is left.
fn whole_characters(text: &[u8]) -> usize {
    let is_inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
    let end = (PART_BYTES - 3..=PART_BYTES).rev().find(|end| !is_inside(*end));
    end.unwrap_or(PART_BYTES).min(text.len())
}

/// Returns at most 15 bytes as a number in little-endian order, padded with zeros. Overlapping loads avoid a loop.
#[inline(always)]
pub(crate) fn short_block(bytes: &[u8]) -> u128 {
    if let (Some(head), Some(tail)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        let (head, tail) = (u64::from_le_bytes(*head), u64::from_le_bytes(*tail));
        // The bytes that both loads have are shifted out of the tail; that is all of it if there are 8.
        let common = (8 * (16 - bytes.len()) as u32).min(64);
        let behind = tail.checked_shr(common).unwrap_or(0);
        return u128::from(head) | u128::from(behind) << 64;
    }
    if let (Some(head), Some(tail)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let (head, tail) = (u32::from_le_bytes(*head), u32::from_le_bytes(*tail));
        let both = u64::from(head) | u64::from(tail) << ((8 * (bytes.len() - 4)) & 31);
        return u128::from(both);
    }
    let few = match *bytes {
        [] => 0,
        [a] => u32::from(a),
        [a, b] => u32::from_le_bytes([a, b, 0, 0]),
        [a, b, c, ..] => u32::from_le_bytes([a, b, c, 0]),
    };
    u128::from(few)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_methods_append_alike_up_to_the_limit() {
        let text: String = ('a'..='z').cycle().take(200).collect();
        for length in 0..120 {
            for limit in [0, 1, 15, 16, 17, 31, 32, 33, 64, 119, 120, 500] {
                let expected = if length <= limit {
                    Ok(text[3..3 + length].to_owned())
                } else {
                    Err(Exceeded::Output(limit))
                };
                for padding in [0, 200] {
                    let source = &text.as_bytes()[..(3 + length + padding).min(200)];
                    let mut body = Body::new(limit, 0);
                    let pushed = body.push_part(source, 3, length as u32);
                    assert_eq!(pushed.map(|()| body.to_text()).map_err(Exceeded::from), expected);
                }
                let mut body = Body::within(vec![b'?'; 77], limit, 0);
                assert_eq!(body.push(&text[3..3 + length]).map(|()| body.to_text()), expected);
                if length < 16 {
                    let mut body = Body::within(vec![b'?'; 20], limit, 0);
                    let block = short_block(&text.as_bytes()[3..3 + length]);
                    let pushed = body.push_short(block, length as u32);
                    assert_eq!(pushed.map(|()| body.to_text()).map_err(Exceeded::from), expected);
                }
            }
        }
    }

    #[test]
    fn the_end_can_be_taken_off() {
        let mut body = Body::new(100, 0);
        assert_eq!(body.push("before"), Ok(()));
        assert_eq!(body.push("äfter"), Ok(()));
        assert_eq!(body.text_from(6), "äfter");
        body.truncate(6);
        assert_eq!((body.text_from(6).as_ref(), body.to_text().as_str()), ("", "before"));
        body.truncate(100);
        assert_eq!(body.push("!").map(|()| body.to_text()), Ok("before!".into()));
    }

    #[test]
    fn bytes_written_elsewhere_count() {
        let mut body = Body::new(10, 6);
        assert_eq!(body.push("abc"), Ok(()));
        assert_eq!(body.push("de"), Err(Exceeded::Output(10)));
        assert_eq!(body.push_block([b'd', b'e'], 1), Ok(()));
        assert_eq!((body.to_text().as_str(), body.len()), ("abcd", 4));
    }
}
