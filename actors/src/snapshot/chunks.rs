//! [`Chunks`]: an array by [`TemplateId`] whose clones share what they have in common.

use std::sync::Arc;

use crate::dialect::TemplateId;

/// Ids of one chunk. A change copies one chunk; a clone copies one pointer for each.
const CHUNK: usize = 64;

/// Id → value. A clone shares every chunk; writing copies the one chunk that is written to.
#[derive(Debug, Clone)]
pub(crate) struct Chunks<T>(Vec<Arc<[Option<T>; CHUNK]>>);

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Clone> Chunks<T> {
    /// The value of an id.
    #[inline]
    pub(crate) fn get(&self, id: TemplateId) -> Option<&T> {
        self.0.get(id.index() / CHUNK)?[id.index() % CHUNK].as_ref()
    }

    /// Sets or, with `None`, clears the value of an id.
    pub(crate) fn set(&mut self, id: TemplateId, value: Option<T>) {
        let chunk = id.index() / CHUNK;
        while self.0.len() <= chunk {
            self.0.push(Arc::new([const { None }; CHUNK]));
        }
        Arc::make_mut(&mut self.0[chunk])[id.index() % CHUNK] = value;
    }

    /// Every value with its id, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TemplateId, &T)> {
        let slots = self.0.iter().flat_map(|chunk| chunk.iter());
        (0..)
            .map(TemplateId)
            .zip(slots)
            .filter_map(|(id, slot)| Some((id, slot.as_ref()?)))
    }

    /// How many chunks are not the very same as in `other`.
    #[cfg(test)]
    pub(crate) fn chunks_not_shared(&self, other: &Self) -> usize {
        let longer = self.0.len().abs_diff(other.0.len());
        longer + self.0.iter().zip(&other.0).filter(|(a, b)| !Arc::ptr_eq(a, b)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_copies_one_chunk_and_leaves_the_clone_alone() {
        let mut new = Chunks::default();
        for id in 0..1000 {
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
        assert_eq!((old.iter().count(), new.iter().count()), (1000, 999));
        assert_eq!(new.get(TemplateId(5000)), None);
    }
}
