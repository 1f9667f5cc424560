//! [`IdSet`]: a persistent set of templates.

use std::fmt;
use std::sync::Arc;

use crate::dialect::TemplateId;

/// The number of 64-bit words in a leaf.
const WORDS: usize = 16;
/// The number of ids that a leaf covers.
const LEAF: usize = WORDS * 64;

type Leaf = [u64; WORDS];

/// A set of ids, as a bitmap in leaves of 1024 bits that are copied on write (`Arc::make_mut`). A clone shares every leaf.
///
/// Unions and differences work on whole words and skip leaves that both sets share, so the status of ten thousand templates is some
/// hundred words. An empty set has no leaf at all, so a look-up in it is one comparison.
#[derive(Clone, Default)]
pub(crate) struct IdSet {
    /// The last leaf is never absent.
    leaves: Vec<Option<Arc<Leaf>>>,
    len: usize,
}

impl IdSet {
    /// Returns the number of ids in the set.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(crate) fn contains(&self, id: TemplateId) -> bool {
        let (leaf, word, bit) = place(id);
        match self.leaves.get(leaf) {
            Some(Some(leaf)) => leaf[word] & bit != 0,
            _ => false,
        }
    }

    /// Adds an id. Returns false if it was in the set.
    pub(crate) fn insert(&mut self, id: TemplateId) -> bool {
        let (leaf, word, bit) = place(id);
        if self.leaves.len() <= leaf {
            self.leaves.resize(leaf + 1, None);
        }
        let leaf = self.leaves[leaf].get_or_insert_with(|| Arc::new([0; WORDS]));
        if leaf[word] & bit != 0 {
            return false;
        }
        Arc::make_mut(leaf)[word] |= bit;
        self.len += 1;
        true
    }

    /// Removes an id. Returns false if it was not in the set.
    pub(crate) fn remove(&mut self, id: TemplateId) -> bool {
        if !self.contains(id) {
            return false;
        }
        let (at, word, bit) = place(id);
        if let Some(leaf) = &mut self.leaves[at] {
            let words = Arc::make_mut(leaf);
            words[word] &= !bit;
            if *words == [0; WORDS] {
                self.leaves[at] = None;
                self.trim();
            }
        }
        self.len -= 1;
        true
    }

    /// Returns the ids in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = TemplateId> {
        let leaves = self.leaves.iter().enumerate();
        let words = leaves.flat_map(|(at, leaf)| {
            let words = leaf.iter().flat_map(|leaf| leaf.iter().enumerate());
            words.map(move |(word, bits)| (at * LEAF + word * 64, *bits))
        });
        words.flat_map(|(first, bits)| Bits(bits).map(move |bit| TemplateId((first + bit) as u32)))
    }

    /// Returns the ids that are not in `other`.
    pub(crate) fn without(&self, other: &Self) -> Self {
        self.combined(other, |ours, theirs| match (ours, theirs) {
            (Some(ours), Some(theirs)) if Arc::ptr_eq(ours, theirs) => Combined::Empty,
            (Some(ours), Some(theirs)) => Combined::new(ours, theirs, |ours, theirs| ours & !theirs),
            (Some(ours), None) => Combined::Shared(Arc::clone(ours)),
            (None, _) => Combined::Empty,
        })
    }

    /// Returns the ids that are in both sets.
    pub(crate) fn and(&self, other: &Self) -> Self {
        self.combined(other, |ours, theirs| match (ours, theirs) {
            (Some(ours), Some(theirs)) if Arc::ptr_eq(ours, theirs) => Combined::Shared(Arc::clone(ours)),
            (Some(ours), Some(theirs)) => Combined::new(ours, theirs, |ours, theirs| ours & theirs),
            _ => Combined::Empty,
        })
    }

    /// Returns the ids that are in one of the sets.
    pub(crate) fn or(&self, other: &Self) -> Self {
        self.combined(other, |ours, theirs| match (ours, theirs) {
            (Some(ours), Some(theirs)) if !Arc::ptr_eq(ours, theirs) => {
                Combined::new(ours, theirs, |ours, theirs| ours | theirs)
            }
            (Some(one), _) | (None, Some(one)) => Combined::Shared(Arc::clone(one)),
            (None, None) => Combined::Empty,
        })
    }

    fn combined(&self, other: &Self, combine: impl Fn(Option<&Arc<Leaf>>, Option<&Arc<Leaf>>) -> Combined) -> Self {
        let mut set = Self::default();
        let leaves = self.leaves.len().max(other.leaves.len());
        set.leaves.reserve_exact(leaves);
        for at in 0..leaves {
            let leaf = match combine(self.leaf(at), other.leaf(at)) {
                Combined::Shared(leaf) => Some(leaf),
                Combined::New(leaf) => Some(leaf).filter(|leaf| *leaf != [0; WORDS]).map(Arc::new),
                Combined::Empty => None,
            };
            let bits = leaf
                .iter()
                .flat_map(|leaf| leaf.iter())
                .map(|word| word.count_ones() as usize);
            set.len += bits.sum::<usize>();
            set.leaves.push(leaf);
        }
        set.trim();
        set
    }

    fn leaf(&self, at: usize) -> Option<&Arc<Leaf>> {
        self.leaves.get(at)?.as_ref()
    }

    /// Removes absent leaves at the end, so that an empty set has none.
    fn trim(&mut self) {
        while let Some(None) = self.leaves.last() {
            self.leaves.pop();
        }
    }

    /// Returns the bytes of the leaves that are not shared with `other`.
    #[cfg(test)]
    pub(crate) fn bytes_not_shared(&self, other: &Self) -> usize {
        let others = other.leaves.iter().map(Option::as_ref).chain(std::iter::repeat(None));
        let own = self
            .leaves
            .iter()
            .zip(others)
            .filter(|(leaf, other)| match (leaf, other) {
                (Some(leaf), Some(other)) => !Arc::ptr_eq(leaf, other),
                (leaf, _) => leaf.is_some(),
            });
        own.count() * size_of::<Leaf>() + size_of_val(self.leaves.as_slice())
    }
}

/// The result of combining two leaves.
enum Combined {
    Shared(Arc<Leaf>),
    New(Leaf),
    Empty,
}

impl Combined {
    fn new(ours: &Leaf, theirs: &Leaf, combine: fn(u64, u64) -> u64) -> Self {
        Self::New(std::array::from_fn(|word| combine(ours[word], theirs[word])))
    }
}

/// The places of the bits that are set in a word, ascending.
struct Bits(u64);

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let bit = self.0.trailing_zeros();
        (bit < 64).then(|| {
            self.0 &= self.0 - 1;
            bit as usize
        })
    }
}

/// Returns the leaf, the word and the bit of an id.
#[inline]
fn place(id: TemplateId) -> (usize, usize, u64) {
    let index = id.index();
    (index / LEAF, index % LEAF / 64, 1 << (index % 64))
}

impl FromIterator<TemplateId> for IdSet {
    fn from_iter<I: IntoIterator<Item = TemplateId>>(ids: I) -> Self {
        let mut set = Self::default();
        ids.into_iter().for_each(|id| _ = set.insert(id));
        set
    }
}

impl PartialEq for IdSet {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.leaves == other.leaves
    }
}

impl fmt::Debug for IdSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(TemplateId::index)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    fn set(ids: &BTreeSet<u32>) -> IdSet {
        ids.iter().copied().map(TemplateId).collect()
    }

    fn ids(set: &IdSet) -> BTreeSet<u32> {
        set.iter().map(|id| id.0).collect()
    }

    /// Returns ids that lie in few leaves, or are the same in both sets.
    fn some() -> impl Strategy<Value = BTreeSet<u32>> {
        btree_set(prop_oneof![0_u32..70, 1000_u32..1030, 4090_u32..4100], 0..40)
    }

    proptest! {
        #[test]
        fn sets_are_those_of_the_standard_library(a in some(), b in some(), edits in vec((0_u32..70, any::<bool>()), 0..30)) {
            let (one, two) = (set(&a), set(&b));
            prop_assert_eq!(ids(&one.without(&two)), a.difference(&b).copied().collect());
            prop_assert_eq!(ids(&one.and(&two)), a.intersection(&b).copied().collect());
            prop_assert_eq!(ids(&one.or(&two)), a.union(&b).copied().collect());
            prop_assert_eq!(&one.without(&two).or(&one.and(&two)), &one);
            prop_assert_eq!(one.without(&one.clone()), IdSet::default());
            let (mut edited, mut model) = (one.clone(), a.clone());
            for (id, insert) in edits {
                let changed = match insert {
                    true => (edited.insert(TemplateId(id)), model.insert(id)),
                    false => (edited.remove(TemplateId(id)), model.remove(&id)),
                };
                prop_assert_eq!(changed.0, changed.1);
                prop_assert_eq!(edited.contains(TemplateId(id)), insert);
            }
            prop_assert_eq!((ids(&edited), edited.len()), (model.clone(), model.len()));
            prop_assert_eq!(edited.is_empty(), edited == IdSet::default());
            // A set that was cloned before is not changed.
            prop_assert_eq!(ids(&one), a);
        }
    }

    #[test]
    fn a_write_copies_one_leaf() {
        let old: IdSet = (0..10_000).map(TemplateId).collect();
        let mut new = old.clone();
        new.remove(TemplateId(5000));
        assert_eq!((old.len(), new.len()), (10_000, 9999));
        assert_eq!(new.bytes_not_shared(&old), 128 + 10 * 8);
    }
}
