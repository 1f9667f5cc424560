//! [`bucket_of`]: divides visitors into buckets, of which the lowest get canary.

use std::hash::Hasher as _;

use hash32::{Hasher as _, Murmur3Hasher};
use hotplate_actors::judge::BUCKETS;

/// Returns the bucket of a visitor, from 0 to 9,999: MurmurHash3 (32 bits, seed 0) of the salt, a zero byte and the key, modulo 10,000.
///
/// Canary gets the buckets below its share, so a larger share keeps all visitors of a smaller one. Another salt gives another selection.
/// The values are fixed: every version, process and machine gives the same.
///
/// ```
/// assert_eq!(hotplate::scope::bucket_of("2026-11", b"visitor-1"), 4_808);
/// ```
#[must_use]
pub fn bucket_of(salt: &str, key: &[u8]) -> u32 {
    let mut hasher = Murmur3Hasher::default();
    hasher.write(salt.as_bytes());
    // Without it, the salt "ab" and the key "c" would be the salt "a" and the key "bc".
    hasher.write(&[0]);
    hasher.write(key);
    hasher.finish32() % BUCKETS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn murmur3(bytes: &[u8]) -> u32 {
        let mut hasher = Murmur3Hasher::default();
        hasher.write(bytes);
        hasher.finish32()
    }

    /// Vectors of MurmurHash3_x86_32 with seed 0, which other implementations share.
    #[test]
    fn the_hash_has_its_published_values() {
        for (text, expected) in [
            ("", 0),
            ("test", 0xba6b_d213),
            ("Hello, world!", 0xc036_3e43),
            ("The quick brown fox jumps over the lazy dog", 0x2e4f_f723),
        ] {
            assert_eq!(murmur3(text.as_bytes()), expected, "{text}");
        }
    }

    /// Values that no version may change: another bucket would give visitors another stage.
    #[test]
    fn buckets_are_fixed() {
        for (salt, key, expected) in [
            ("2026-11", "visitor-1", 4_808),
            ("2026-11", "visitor-2", 4_633),
            ("2026-12", "visitor-1", 2_037),
            ("", "", 6_727),
            ("hotplate", "a", 7_964),
        ] {
            assert_eq!(bucket_of(salt, key.as_bytes()), expected, "{salt} {key}");
        }
    }

    #[test]
    fn buckets_are_even() {
        let mut inside = [0_u32; 4];
        for visitor in 0..40_000 {
            let bucket = bucket_of("even", format!("visitor-{visitor}").as_bytes());
            inside[(bucket / (BUCKETS / 4)) as usize] += 1;
        }
        assert!(
            inside.iter().all(|count| (9_600..=10_400).contains(count)),
            "{inside:?}"
        );
    }

    proptest! {
        #[test]
        fn the_parts_of_a_key_do_not_matter(salt in "[a-z]{0,9}", key in prop::collection::vec(any::<u8>(), 0..40)) {
            let whole = [salt.as_bytes(), &[0], &key].concat();
            prop_assert_eq!(bucket_of(&salt, &key), murmur3(&whole) % BUCKETS);
        }
    }
}
