//! [`Chunks`]: an array by [`TemplateId`] whose clones share what they have in common.

use std::sync::Arc;

use crate::dialect::TemplateId;

/// Ids of one chunk, and chunks of one group. A write copies one chunk, one group, and a pointer for each group: with a million
/// ids those are a thousand pointers, with ten thousand there are ten. Small, for every version that is kept has its own copies.
const CHUNK: usize = 32;

/// Id → value. A clone shares every chunk; writing copies the one chunk that is written to.
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
    /// The value of an id.
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

    /// Values have ids below this.
    pub(crate) fn ids(&self) -> u32 {
        // There are no more groups than ids need, and those fit.
        (self.0.len() * CHUNK * CHUNK) as u32
    }

    #[cfg(test)]
    fn all_chunks(&self) -> impl Iterator<Item = Option<&Arc<Chunk<T>>>> {
        self.0.iter().flat_map(|group| group.iter().map(Option::as_ref))
    }

    /// How many chunks are not the very same as in `other`.
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
    fn a_write_copies_one_chunk_and_leaves_the_clone_alone() {
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
