//! [`Cache`]: compiled texts by digest and dialect. The limits of an engine do not change, so they are not part of the key.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache as QuickCache;

use crate::diagnostic::Diagnostic;
use crate::dialect::Unit;
use crate::template::Digest;

type Made = Result<Arc<dyn Unit>, Arc<[Diagnostic]>>;
type Key = (Digest, &'static str);

/// The size of an entry without its compiled text, in bytes.
const ENTRY_BYTES: usize = 2 * size_of::<(Key, CacheEntry)>();

#[derive(Clone)]
struct CacheEntry {
    made: Made,
    bytes: u64,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Key, CacheEntry> for Bytes {
    fn weight(&self, _: &Key, kept: &CacheEntry) -> u64 {
        kept.bytes
    }
}

/// A cache of compiled texts that is bounded by their bytes.
pub(crate) struct Cache(QuickCache<Key, CacheEntry, Bytes, foldhash::fast::RandomState>);

impl Cache {
    /// Creates a cache of at most `bytes` bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        let entries = usize::try_from(bytes / 4096).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        Self(QuickCache::with(
            entries,
            bytes,
            Bytes,
            foldhash::fast::RandomState::default(),
            Default::default(),
        ))
    }

    /// Returns the compiled text, or its diagnostics, from the cache or from `make`.
    pub(crate) fn get_or_make(
        &self,
        digest: Digest,
        dialect: &'static str,
        make: impl FnOnce() -> Result<Arc<dyn Unit>, Vec<Diagnostic>>,
    ) -> Made {
        let key = (digest, dialect);
        if let Some(kept) = self.0.get(&key) {
            return kept.made;
        }
        let made = make().map_err(Arc::from);
        self.put(digest, dialect, made.clone());
        made
    }

    /// Stores the result of compiling a text.
    pub(super) fn put(&self, digest: Digest, dialect: &'static str, made: Made) {
        let bytes = match &made {
            Ok(unit) => unit.bytes(),
            Err(diagnostics) => diagnostics.iter().map(Diagnostic::bytes).sum(),
        };
        let bytes = u64::try_from(bytes.saturating_add(ENTRY_BYTES)).unwrap_or(u64::MAX);
        self.0.insert((digest, dialect), CacheEntry { made, bytes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::dialect::tiny::Tiny;
    use crate::limits::Limits;

    #[test]
    fn the_cache_is_bounded_by_bytes() {
        let bound = 4 * 1024 * 1024;
        let cache = Cache::new(bound);
        let (limits, mut units) = (Limits::default(), Vec::new());
        for number in 0..100 {
            let text = format!("{number}{}", "{t}\n".repeat(5_000));
            let made = cache.get_or_make(Digest::of(text.as_bytes()), "tiny", || Tiny.compile(&text, &limits));
            let unit = made.unwrap_or_else(|_| panic!("it compiles"));
            assert!(
                unit.bytes() > 10 * text.len(),
                "tags take more than their text: {}",
                unit.bytes()
            );
            units.push(Arc::downgrade(&unit));
        }
        let kept: usize = units
            .iter()
            .filter_map(std::sync::Weak::upgrade)
            .map(|unit| unit.bytes())
            .sum();
        assert!(kept > 0 && kept as u64 <= bound, "{kept} of {bound} bytes");
    }
}
