//! [`Words`]: a key as two numbers, so that most keys are compared without a call.

/// Of a key of up to 16 bytes, everything; of a longer one, its length, beginning and end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    head: u64,
    tail: u64,
    length: u32,
}

impl Words {
    /// The words of a key that is shorter than 4 GiB.
    pub(crate) fn of(key: &[u8]) -> Self {
        let (head, tail) = ends(key);
        let length = key.len() as u32;
        Self { head, tail, length }
    }

    /// Whether `found` equals `key`, of which these are the words.
    #[inline(always)]
    pub(crate) fn tell_equal<'k>(self, key: impl Fn() -> &'k [u8], found: &[u8]) -> bool {
        found.len() == self.length as usize
            && ends(found) == (self.head, self.tail)
            && (found.len() <= 16 || found == key())
    }
}

/// The first and the last bytes: together all of a key of up to 16.
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
    fn only_a_key_equals_itself() {
        let letters = b"abcdefghijklmnopqrstuvwxyz";
        for length in 0..=letters.len() {
            let key = &letters[..length];
            let words = Words::of(key);
            assert!(words.tell_equal(|| key, key));
            for at in 0..length {
                let mut other = key.to_vec();
                other[at] = b'_';
                assert!(!words.tell_equal(|| key, &other), "{length} {at}");
            }
            assert!(!words.tell_equal(|| key, &letters[..(length + 1) % 27]));
        }
    }
}
