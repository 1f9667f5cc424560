//! [`Cache`]: compiled texts by digest and dialect. The limits of an engine do not change, so they are not part of the key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

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

/// The compiled texts in use are cleared of those that are no longer when there are this many, and then whenever their number has doubled.
const LIVE_MIN: usize = 64;

/// A cache of compiled texts that is bounded by their bytes. Whatever it has dropped, texts that are still in use are compiled once: two names
/// with one text share it.
pub(crate) struct Cache {
    kept: QuickCache<Key, CacheEntry, Bytes, foldhash::fast::RandomState>,
    live: Mutex<LiveUnits>,
}

/// The compiled texts that something still uses. Their memory is that of their users, so it is not counted.
#[derive(Default)]
struct LiveUnits {
    units: HashMap<Key, Weak<dyn Unit>, foldhash::fast::RandomState>,
    /// The number at which those that are no longer in use are removed.
    clear_at: usize,
}

impl LiveUnits {
    fn get(&self, key: &Key) -> Option<Arc<dyn Unit>> {
        self.units.get(key)?.upgrade()
    }

    /// Returns the unit that is in use under a key, which is this one if there is none.
    fn join(&mut self, key: Key, unit: Arc<dyn Unit>) -> Arc<dyn Unit> {
        // Another thread may have compiled the same text meanwhile.
        if let Some(live) = self.get(&key) {
            return live;
        }
        if self.units.len() >= self.clear_at {
            self.units.retain(|_, unit| unit.strong_count() > 0);
            self.clear_at = LIVE_MIN.max(2 * self.units.len());
        }
        self.units.insert(key, Arc::downgrade(&unit));
        unit
    }
}

impl Cache {
    /// Creates a cache of at most `bytes` bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        let entries = usize::try_from(bytes / 4096).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        Self {
            kept: QuickCache::with(
                entries,
                bytes,
                Bytes,
                foldhash::fast::RandomState::default(),
                Default::default(),
            ),
            live: Mutex::default(),
        }
    }

    /// Returns the compiled text, or its diagnostics, from the cache, from those in use, or from `make`.
    pub(crate) fn get_or_make(
        &self,
        digest: Digest,
        dialect: &'static str,
        make: impl FnOnce() -> Result<Arc<dyn Unit>, Vec<Diagnostic>>,
    ) -> Made {
        let key = (digest, dialect);
        if let Some(kept) = self.kept.get(&key) {
            return kept.made;
        }
        let live = || self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(unit) = live().get(&key) {
            return Ok(unit);
        }
        // The lock is not held while a text is compiled.
        let made = make().map(|unit| live().join(key, unit)).map_err(Arc::from);
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
        self.kept.insert((digest, dialect), CacheEntry { made, bytes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::dialect::tiny::Tiny;
    use crate::limits::Limits;

    /// Compiles a text by a cache that keeps nothing, and returns the unit and true if it was compiled.
    fn compiled(cache: &Cache, text: &str) -> (Arc<dyn Unit>, bool) {
        let mut is_new = false;
        let made = cache.get_or_make(Digest::of(text.as_bytes()), "tiny", || {
            is_new = true;
            Tiny.compile(text, &Limits::default())
        });
        (made.unwrap_or_else(|_| panic!("it compiles")), is_new)
    }

    #[test]
    fn a_text_in_use_is_compiled_once() {
        let cache = Cache::new(0);
        let (first, is_new) = compiled(&cache, "{a}");
        assert!(is_new);
        let (second, is_new) = compiled(&cache, "{a}");
        assert!(!is_new && Arc::ptr_eq(&first, &second));
        let weak = Arc::downgrade(&first);
        drop((first, second));
        assert!(weak.upgrade().is_none(), "nothing else holds it");
        assert!(compiled(&cache, "{a}").1);
    }

    #[test]
    fn texts_out_of_use_are_forgotten() {
        let cache = Cache::new(0);
        let used: Vec<_> = (0..100)
            .map(|number| compiled(&cache, &format!("used {number}")))
            .collect();
        (0..10_000).for_each(|number| _ = compiled(&cache, &format!("{number}")));
        let live = cache.live.lock().expect("no panic").units.len();
        assert!((100..=200).contains(&live), "{live}");
        assert!(
            used.iter()
                .enumerate()
                .all(|(number, _)| !compiled(&cache, &format!("used {number}")).1)
        );
    }

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
