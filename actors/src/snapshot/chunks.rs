//! [`Chunks`]: a copy-on-write array, indexed by [`TemplateId`].

use std::sync::Arc;

use crate::dialect::TemplateId;

/// The number of ids in a chunk, and of chunks in a group. A write copies one chunk, one group, and a pointer for each group: these are
/// a thousand pointers for a million ids, and ten for ten thousand. It is small because every kept version has its own copies.
const CHUNK: usize = 32;

/// A map from ids to values, as a radix tree of fixed depth. A clone shares every chunk; a write copies only the path to its slot
/// (`Arc::make_mut`), so clones taken before never see it. A look-up is three index operations.
#[derive(Debug, Clone)]
pub(crate) struct Chunks<T>(Vec<Arc<Group<T>>>);

type Group<T> = [Option<Arc<Chunk<T>>>; CHUNK];
type Chunk<T> = [Option<T>; CHUNK];

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Clone> Chunks<T> {
    /// Returns the value of an id.
    #[inline]
    pub(crate) fn get(&self, id: TemplateId) -> Option<&T> {
        let (chunk, slot) = (id.index() / CHUNK, id.index() % CHUNK);
        self.0.get(chunk / CHUNK)?[chunk % CHUNK].as_ref()?[slot].as_ref()
    }

    /// Sets or, with `None`, clears the value of an id.
    pub(crate) fn set(&mut self, id: TemplateId, value: Option<T>) {
        if value.is_none() && self.get(id).is_none() {
            return;
        }
        let (chunk, slot) = (id.index() / CHUNK, id.index() % CHUNK);
        while self.0.len() <= chunk / CHUNK {
            self.0.push(Arc::new([const { None }; CHUNK]));
        }
        let group = Arc::make_mut(&mut self.0[chunk / CHUNK]);
        let chunk = group[chunk % CHUNK].get_or_insert_with(|| Arc::new([const { None }; CHUNK]));
        Arc::make_mut(chunk)[slot] = value;
    }

    /// Returns an upper bound of the ids of all values.
    pub(crate) fn ids(&self) -> u32 {
        // Groups exist only for ids, and an id is a `u32`.
        (self.0.len() * CHUNK * CHUNK) as u32
    }

    #[cfg(test)]
    fn all_chunks(&self) -> impl Iterator<Item = Option<&Arc<Chunk<T>>>> {
        self.0.iter().flat_map(|group| group.iter().map(Option::as_ref))
    }

    /// Returns the number of chunks that are not shared with `other`.
    #[cfg(test)]
    pub(crate) fn chunks_not_shared(&self, other: &Self) -> usize {
        let others = other.all_chunks().chain(std::iter::repeat(None));
        let pairs = self.all_chunks().zip(others);
        pairs.filter(|(a, b)| a.map(Arc::as_ptr) != b.map(Arc::as_ptr)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_copies_one_chunk() {
        let mut new = Chunks::default();
        for id in 0..10_000 {
            new.set(TemplateId(id), Some(id));
        }
        let old = new.clone();
        new.set(TemplateId(130), Some(7));
        new.set(TemplateId(131), None);
        assert_eq!(new.chunks_not_shared(&old), 1);
        assert_eq!(
            (old.get(TemplateId(130)), new.get(TemplateId(130))),
            (Some(&130), Some(&7))
        );
        let values = |chunks: &Chunks<u32>| {
            (0..chunks.ids())
                .filter_map(|id| chunks.get(TemplateId(id)).copied())
                .collect()
        };
        let (of_old, of_new): (Vec<u32>, Vec<u32>) = (values(&old), values(&new));
        assert_eq!((of_old.len(), of_new.len()), (10_000, 9999));
        assert_eq!(new.get(TemplateId(50_000)), None);
        new.set(TemplateId(50_000), None);
        assert_eq!(new.ids(), old.ids(), "nothing is cleared where nothing is");
    }
}
