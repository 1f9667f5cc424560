//! Keys held as two numbers, by which most keys are compared without a call.
//!
//! Two loads, of the first and of the last eight bytes, cover every byte of a key of up to 16 bytes, because they may overlap. Equal
//! lengths and equal loads therefore mean equal keys; only longer keys need a comparison of their bytes.

/// The length, the beginning and the end of a key; all of it if it has at most 16 bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyWords {
    head: u64,
    tail: u64,
    length: u32,
}

impl KeyWords {
    /// Returns the words of a key that is shorter than 4 GiB.
    pub(crate) fn of(key: &[u8]) -> Self {
        let (head, tail) = ends(key);
        let length = key.len() as u32;
        Self { head, tail, length }
    }

    /// The longest key that is determined by its words.
    pub(crate) const WHOLE_MAX: usize = 16;

    /// Returns true if two keys have the same words: they are equal if they are not longer than [`Self::WHOLE_MAX`].
    #[inline(always)]
    #[cfg(feature = "jinja")]
    pub(crate) fn same(self, other: Self) -> bool {
        (self.length, self.head, self.tail) == (other.length, other.head, other.tail)
    }

    /// Returns true if `found` equals `key`, the key that these words were computed from.
    #[inline(always)]
    pub(crate) fn equal<'k>(self, key: impl Fn() -> &'k [u8], found: &[u8]) -> bool {
        found.len() == self.length as usize
            && ends(found) == (self.head, self.tail)
            && (found.len() <= Self::WHOLE_MAX || found == key())
    }
}

/// Returns the first and the last bytes of a key, which overlap or adjoin in a key of up to 16 bytes.
#[inline(always)]
fn ends(key: &[u8]) -> (u64, u64) {
    if let (Some(head), Some(tail)) = (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        return (u64::from_le_bytes(*head), u64::from_le_bytes(*tail));
    }
    if let (Some(head), Some(tail)) = (key.first_chunk::<4>(), key.last_chunk::<4>()) {
        return (u32::from_le_bytes(*head).into(), u32::from_le_bytes(*tail).into());
    }
    match *key {
        [] => (0, 0),
        [a] => (a.into(), 0),
        [a, b] => (a.into(), b.into()),
        [a, b, c, ..] => (u16::from_le_bytes([a, b]).into(), c.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_equals_only_itself() {
        let letters = b"abcdefghijklmnopqrstuvwxyz";
        for length in 0..=letters.len() {
            let key = &letters[..length];
            let words = KeyWords::of(key);
            assert!(words.equal(|| key, key));
            for at in 0..length {
                let mut other = key.to_vec();
                other[at] = b'_';
                assert!(!words.equal(|| key, &other), "{length} {at}");
            }
            assert!(!words.equal(|| key, &letters[..(length + 1) % 27]));
        }
    }
}
