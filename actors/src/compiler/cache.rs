//! [`Cache`]: units of texts that were seen before, by digest and dialect. Limits are fixed for an engine, so they are no key.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache as QuickCache;

use crate::diagnostic::Diagnostic;
use crate::dialect::Unit;
use crate::template::Digest;

type Made = Result<Arc<dyn Unit>, Arc<[Diagnostic]>>;
type Key = (Digest, &'static str);

#[derive(Clone)]
struct Kept {
    made: Made,
    bytes: u64,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Kept> for Bytes {
    fn weight(&self, _: &Key, kept: &Kept) -> u64 {
        kept.bytes
    }
}

/// Bounded by the bytes of the texts.
pub(crate) struct Cache(QuickCache<Key, Kept, Bytes, foldhash::fast::RandomState>);

impl Cache {
    /// A cache of units of so many bytes of text.
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

    /// The unit of a text, or its diagnostics.
    pub(crate) fn get_or_make(
        &self,
        digest: Digest,
        dialect: &'static str,
        bytes: usize,
        make: impl FnOnce() -> Result<Arc<dyn Unit>, Vec<Diagnostic>>,
    ) -> Made {
        let key = (digest, dialect);
        if let Some(kept) = self.0.get(&key) {
            return kept.made;
        }
        let made = make().map_err(Arc::from);
        self.put(digest, dialect, bytes, made.clone());
        made
    }

    /// Keeps what a text became.
    pub(super) fn put(&self, digest: Digest, dialect: &'static str, bytes: usize, made: Made) {
        // A text of no bytes has a unit too.
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).max(64);
        self.0.insert((digest, dialect), Kept { made, bytes });
    }
}
