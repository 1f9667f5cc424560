//! [`Texts`]: the pages that were answered last, so that the script in a page can ask for what the server said.
//!
//! A browser does not show the page as it was sent: scripts and visitors change it. A page that follows an edit has to tell their
//! changes from those of the template, and for that it needs the very text that it was loaded from. It asks for it once, right
//! after it was loaded. Rendering it again would not do: a second render has other tokens, other times, and may have side effects.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use actix_web::web::Bytes;

/// Each text counts for at least this much of the memory, which bounds how many small ones there are.
const BYTES_MIN: usize = 4 * 1024;

/// Texts by their digest, the oldest of which go when there is no more room.
pub(super) struct TextCache {
    bytes_max: usize,
    kept: Mutex<CachedText>,
}

#[derive(Default)]
struct CachedText {
    bytes: usize,
    /// By when each was sent last.
    texts: BTreeMap<u64, (u64, Bytes)>,
    /// When the text of each digest was.
    sent: HashMap<u64, u64>,
}

impl TextCache {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            kept: Mutex::default(),
        }
    }

    /// The digest by which a page is kept: of its body before anything of ours is added.
    pub(super) fn digest(body: &str) -> u64 {
        xxhash_rust::xxh3::xxh3_64(body.as_bytes())
    }

    /// Keeps a text that is sent.
    pub(super) fn keep(&self, digest: u64, text: Bytes) {
        if cost(&text) > self.bytes_max {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = kept.texts.last_key_value().map_or(0, |(last, _)| last + 1);
        if let Some(before) = kept.sent.insert(digest, now) {
            kept.remove(before);
        }
        kept.bytes += cost(&text);
        kept.texts.insert(now, (digest, text));
        while kept.bytes > self.bytes_max {
            let Some(oldest) = kept.texts.first_key_value().map(|(oldest, _)| *oldest) else {
                return;
            };
            if let Some(digest) = kept.remove(oldest) {
                kept.sent.remove(&digest);
            }
        }
    }

    /// The text of a digest, if it is still kept.
    pub(super) fn find(&self, digest: u64) -> Option<Bytes> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, text) = kept.texts.get(kept.sent.get(&digest)?)?;
        Some(text.clone())
    }
}

impl CachedText {
    /// Removes the text that was sent then, and says its digest.
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
    fn the_oldest_go_when_there_is_no_more_room() {
        let texts = TextCache::new(3 * BYTES_MIN);
        let text = |length: usize| Bytes::from(vec![b'x'; length]);
        let found = |digests: &[u64]| -> Vec<bool> { digests.iter().map(|at| texts.find(*at).is_some()).collect() };
        for digest in 1..=3 {
            texts.keep(digest, text(BYTES_MIN));
        }
        assert_eq!(found(&[1, 2, 3]), [true, true, true]);
        // What is sent again is no longer the oldest.
        texts.keep(1, text(BYTES_MIN));
        texts.keep(4, text(1));
        assert_eq!(found(&[1, 2, 3, 4]), [true, false, true, true]);
        texts.keep(5, text(3 * BYTES_MIN));
        assert_eq!(found(&[1, 2, 3, 4, 5]), [false, false, false, false, true]);
        // One that is larger than all there is room for takes nobody's place.
        texts.keep(6, text(3 * BYTES_MIN + 1));
        assert_eq!(found(&[5, 6]), [true, false]);
        let none = TextCache::new(0);
        none.keep(1, text(1));
        assert_eq!(none.find(1), None);
    }
}
