//! [`Index`]: name → id for readers, persistent, append-only.

use std::hash::BuildHasher;
use std::sync::Arc;

use super::Seed;
use crate::dialect::TemplateId;
use crate::template::TemplateName;

/// Names in a shard, on average, before there are twice as many shards: as many as two cache lines hold.
const SHARD_NAMES: usize = 4;
/// Shards of a group. A new name copies one shard, the pointers of one group, and one for each group: with a million names those
/// are some thousands, for every version that is kept with another index has its own.
const GROUP: usize = 64;

/// Every name that was ever defined or called, with its id. A clone shares all memory until one of the two gets a new name, and
/// then all shards but that name's.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    seed: Seed,
    /// A power of two of them.
    groups: Arc<[Arc<Group>]>,
    len: u32,
}

type Group = [Shard; GROUP];
type Shard = Arc<[Slot]>;

#[derive(Debug, Clone)]
struct Slot {
    hash: u64,
    name: TemplateName,
    id: TemplateId,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            seed: Seed::default(),
            groups: Arc::new([empty()]),
            len: 0,
        }
    }
}

fn empty() -> Arc<Group> {
    Arc::new(std::array::from_fn(|_| Arc::default()))
}

impl Index {
    /// How many names have an id: the next id.
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// The id of a name. One hash, nothing allocated.
    #[inline]
    pub(crate) fn get(&self, name: &str) -> Option<TemplateId> {
        let hash = self.seed.hash_one(name);
        let (group, shard) = self.place(hash);
        let slot = self.groups[group][shard]
            .iter()
            .find(|slot| slot.hash == hash && slot.name.as_str() == name)?;
        Some(slot.id)
    }

    /// The id of a name, the next one if it has none.
    pub(crate) fn id_of(&mut self, name: &TemplateName) -> TemplateId {
        if let Some(id) = self.get(name.as_str()) {
            return id;
        }
        if self.len() >= self.groups.len() * GROUP * SHARD_NAMES {
            self.double();
        }
        let id = TemplateId(self.len);
        self.put(Slot {
            hash: self.seed.hash_one(name.as_str()),
            name: name.clone(),
            id,
        });
        self.len += 1;
        id
    }

    /// In which group, and where in it, a name with this hash is.
    #[inline]
    fn place(&self, hash: u64) -> (usize, usize) {
        // Groups are far fewer than a word has values.
        let hash = hash as usize;
        ((hash / GROUP) & (self.groups.len() - 1), hash % GROUP)
    }

    fn put(&mut self, slot: Slot) {
        let (group, shard) = self.place(slot.hash);
        let group = &mut Arc::make_mut(&mut self.groups)[group];
        let shard = &mut Arc::make_mut(group)[shard];
        *shard = shard.iter().cloned().chain([slot]).collect();
    }

    /// Costs as much as there are names, and comes as seldom as they double.
    fn double(&mut self) {
        let groups = (0..2 * self.groups.len()).map(|_| empty()).collect();
        let before = std::mem::replace(&mut self.groups, groups);
        let slots = before
            .iter()
            .flat_map(|group| group.iter())
            .flat_map(|shard| shard.iter());
        slots.for_each(|slot| self.put(slot.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> TemplateName {
        TemplateName::new(&format!("folder/{number}.html")).expect("valid")
    }

    #[test]
    fn ids_are_dense_stay_and_are_not_seen_by_older_clones() {
        let mut index = Index::default();
        let mut older = Vec::new();
        for number in 0..3000 {
            assert_eq!(
                index.id_of(&name(number)),
                TemplateId(u32::try_from(number).expect("small"))
            );
            if number % 500 == 0 {
                older.push((number, index.clone()));
            }
        }
        for number in 0..3000 {
            let expected = Some(TemplateId(u32::try_from(number).expect("small")));
            assert_eq!(index.get(name(number).as_str()), expected);
            for (newest, older) in &older {
                assert_eq!(older.get(name(number).as_str()).is_some(), number <= *newest);
            }
        }
        assert_eq!((index.get("folder/3000.html"), index.get("")), (None, None));
        assert_eq!(index.id_of(&name(7)), TemplateId(7));
    }

    #[test]
    fn a_new_name_copies_one_shard() {
        let mut index = Index::default();
        (0..1000).for_each(|number| _ = index.id_of(&name(number)));
        let older = index.clone();
        index.id_of(&name(1000));
        let shards = |index: &Index| -> Vec<Shard> {
            let groups = index.groups.iter();
            groups.flat_map(|group| group.iter().cloned()).collect()
        };
        let (shards, older) = (shards(&index), shards(&older));
        let copied = shards.iter().zip(&older).filter(|(a, b)| !Arc::ptr_eq(a, b));
        assert_eq!(copied.count(), 1);
    }
}
