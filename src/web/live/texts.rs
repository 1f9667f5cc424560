//! [`TextCache`]: the texts of the pages that were sent last.
//!
//! Scripts and visitors change a page after it was loaded. To apply an edit in place, the script of live reload has to distinguish their
//! changes from changes of the template, so it needs the exact text that the page was loaded from. It requests that text once, right after
//! the load. A second render would not do: it has other tokens and times, and may have side effects.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use actix_web::web::Bytes;

/// Minimum cost of a text, which bounds the number of small texts.
const BYTES_MIN: usize = 4 * 1024;

/// A bounded cache of texts by their digest, which evicts the text that was sent the longest time ago.
pub(super) struct TextCache {
    bytes_max: usize,
    cached: Mutex<CachedTexts>,
}

#[derive(Default)]
struct CachedTexts {
    bytes: usize,
    /// Digest and text by the serial number of the last send.
    texts: BTreeMap<u64, (u64, Bytes)>,
    /// The serial number of the last send, by digest.
    sent: HashMap<u64, u64>,
}

impl TextCache {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            cached: Mutex::default(),
        }
    }

    /// Returns the key of a page: the digest of its body before the script is added.
    pub(super) fn digest(body: &str) -> u64 {
        xxhash_rust::xxh3::xxh3_64(body.as_bytes())
    }

    /// Stores a text that is sent.
    pub(super) fn store(&self, digest: u64, text: Bytes) {
        if cost(&text) > self.bytes_max {
            return;
        }
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        let now = cached.texts.last_key_value().map_or(0, |(last, _)| last + 1);
        if let Some(before) = cached.sent.insert(digest, now) {
            cached.remove(before);
        }
        cached.bytes += cost(&text);
        cached.texts.insert(now, (digest, text));
        while cached.bytes > self.bytes_max {
            let Some(oldest) = cached.texts.first_key_value().map(|(oldest, _)| *oldest) else {
                return;
            };
            if let Some(digest) = cached.remove(oldest) {
                cached.sent.remove(&digest);
            }
        }
    }

    /// Returns the text of a digest, if it is still cached.
    pub(super) fn find(&self, digest: u64) -> Option<Bytes> {
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, text) = cached.texts.get(cached.sent.get(&digest)?)?;
        Some(text.clone())
    }
}

impl CachedTexts {
    /// Removes the text with this serial number and returns its digest.
    fn remove(&mut self, sent: u64) -> Option<u64> {
        let (digest, text) = self.texts.remove(&sent)?;
        self.bytes -= cost(&text);
        Some(digest)
    }
}

fn cost(text: &Bytes) -> usize {
    text.len().max(BYTES_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_cache_evicts_the_oldest_text() {
        let texts = TextCache::new(3 * BYTES_MIN);
        let text = |length: usize| Bytes::from(vec![b'x'; length]);
        let found = |digests: &[u64]| -> Vec<bool> { digests.iter().map(|at| texts.find(*at).is_some()).collect() };
        for digest in 1..=3 {
            texts.store(digest, text(BYTES_MIN));
        }
        assert_eq!(found(&[1, 2, 3]), [true, true, true]);
        // A text that is sent again is no longer the oldest.
        texts.store(1, text(BYTES_MIN));
        texts.store(4, text(1));
        assert_eq!(found(&[1, 2, 3, 4]), [true, false, true, true]);
        texts.store(5, text(3 * BYTES_MIN));
        assert_eq!(found(&[1, 2, 3, 4, 5]), [false, false, false, false, true]);
        // A text that is larger than the cache evicts nothing.
        texts.store(6, text(3 * BYTES_MIN + 1));
        assert_eq!(found(&[5, 6]), [true, false]);
        let none = TextCache::new(0);
        none.store(1, text(1));
        assert_eq!(none.find(1), None);
    }
}
