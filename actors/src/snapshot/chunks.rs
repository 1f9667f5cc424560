//! [`Chunks`]: a copy-on-write array, indexed by [`TemplateId`].

use std::sync::Arc;

use crate::dialect::TemplateId;

/// The number of ids in a chunk, and of chunks in a group. A write copies one chunk, one group, and a pointer for each group: these are
/// a thousand pointers for a million ids, and ten for ten thousand. It is small because every kept version has its own copies.
const CHUNK: usize = 32;

/// A map from ids to values, as a radix tree of fixed depth. A clone is one pointer; a write copies only the path to its slot
/// (`Arc::make_mut`), so clones taken before never see it. A look-up is three index operations.
#[derive(Debug)]
pub(crate) struct Chunks<T>(Arc<[Arc<Group<T>>]>);

type Group<T> = [Option<Arc<Chunk<T>>>; CHUNK];
type Chunk<T> = [Option<T>; CHUNK];

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for Chunks<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
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
        if self.0.len() <= chunk / CHUNK {
            // Once for each thousand ids.
            let mut groups = self.0.to_vec();
            groups.resize_with(chunk / CHUNK + 1, || Arc::new([const { None }; CHUNK]));
            self.0 = groups.into();
        }
        let group = Arc::make_mut(&mut Arc::make_mut(&mut self.0)[chunk / CHUNK]);
        let chunk = group[chunk % CHUNK].get_or_insert_with(|| Arc::new([const { None }; CHUNK]));
        Arc::make_mut(chunk)[slot] = value;
    }

    /// Returns the ids whose value is not the same as in `other`, ascending. Chunks that both share are skipped.
    pub(crate) fn differences(&self, other: &Self, is_same: impl Fn(&T, &T) -> bool) -> Vec<TemplateId> {
        let mut differences = Vec::new();
        if Arc::ptr_eq(&self.0, &other.0) {
            return differences;
        }
        for group in 0..self.0.len().max(other.0.len()) {
            let (ours, theirs) = (self.0.get(group), other.0.get(group));
            if ours.map(Arc::as_ptr) == theirs.map(Arc::as_ptr) {
                continue;
            }
            for chunk in 0..CHUNK {
                let (ours, theirs) = (chunk_of(ours, chunk), chunk_of(theirs, chunk));
                if ours.map(Arc::as_ptr) == theirs.map(Arc::as_ptr) {
                    continue;
                }
                let differing = (0..CHUNK).filter(|slot| match (slot_of(ours, *slot), slot_of(theirs, *slot)) {
                    (Some(ours), Some(theirs)) => !is_same(ours, theirs),
                    (ours, theirs) => ours.is_some() || theirs.is_some(),
                });
                // Slots exist only for ids, and an id is a `u32`.
                differences.extend(differing.map(|slot| TemplateId(((group * CHUNK + chunk) * CHUNK + slot) as u32)));
            }
        }
        differences
    }

    /// Returns every value with its id, ascending. Chunks without a value are skipped.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TemplateId, &T)> {
        let chunks = self.0.iter().flat_map(|group| group.iter()).enumerate();
        chunks.flat_map(|(at, chunk)| {
            let slots = chunk.iter().flat_map(|chunk| chunk.iter().enumerate());
            slots.filter_map(move |(slot, value)| Some((TemplateId((at * CHUNK + slot) as u32), value.as_ref()?)))
        })
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

fn chunk_of<T>(group: Option<&Arc<Group<T>>>, chunk: usize) -> Option<&Arc<Chunk<T>>> {
    group?[chunk].as_ref()
}

fn slot_of<T>(chunk: Option<&Arc<Chunk<T>>>, slot: usize) -> Option<&T> {
    chunk?[slot].as_ref()
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
        let values = |chunks: &Chunks<u32>| chunks.iter().map(|(id, value)| (id.0, *value)).collect::<Vec<_>>();
        assert_eq!(values(&old), (0..10_000).map(|id| (id, id)).collect::<Vec<_>>());
        assert_eq!(values(&new).len(), 9999);
        assert_eq!(new.differences(&old, u32::eq), [TemplateId(130), TemplateId(131)]);
        assert_eq!(old.differences(&new, u32::eq), [TemplateId(130), TemplateId(131)]);
        assert_eq!(Chunks::default().differences(&old, u32::eq).len(), 10_000);
        assert_eq!(new.get(TemplateId(50_000)), None);
        new.set(TemplateId(50_000), None);
        assert_eq!(new.0.len(), old.0.len(), "nothing is cleared where nothing is");
    }
}
