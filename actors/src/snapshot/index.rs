//! [`Index`]: name → id for readers, persistent, append-only.

use std::hash::BuildHasher;
use std::sync::Arc;

use super::Seed;
use crate::dialect::TemplateId;
use crate::template::TemplateName;

/// Names in a shard, on average, before there are twice as many shards: as many as two cache lines hold. A new name copies one
/// shard, and a pointer for each of the others.
const SHARD_NAMES: usize = 4;

/// Every name that was ever defined or called, with its id. A clone shares all memory until one of the two gets a new name, and
/// then all shards but that name's.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    seed: Seed,
    /// A power of two of them.
    shards: Arc<Vec<Shard>>,
    len: u32,
}

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
            shards: Arc::new(vec![Arc::default()]),
            len: 0,
        }
    }
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
        let shard = &self.shards[self.shard_of(hash)];
        let slot = shard
            .iter()
            .find(|slot| slot.hash == hash && slot.name.as_str() == name)?;
        Some(slot.id)
    }

    /// The id of a name, the next one if it has none.
    pub(crate) fn id_of(&mut self, name: &TemplateName) -> TemplateId {
        if let Some(id) = self.get(name.as_str()) {
            return id;
        }
        if self.len() >= self.shards.len() * SHARD_NAMES {
            self.double();
        }
        let hash = self.seed.hash_one(name.as_str());
        let id = TemplateId(self.len);
        let slot = Slot {
            hash,
            name: name.clone(),
            id,
        };
        let shard = self.shard_of(hash);
        let shard = &mut Arc::make_mut(&mut self.shards)[shard];
        *shard = shard.iter().cloned().chain([slot]).collect();
        self.len += 1;
        id
    }

    fn shard_of(&self, hash: u64) -> usize {
        // The mask is below the number of shards, which is a usize.
        (hash & (self.shards.len() as u64 - 1)) as usize
    }

    /// Costs as much as there are names, and comes as seldom as they double.
    fn double(&mut self) {
        let mut shards = vec![Vec::new(); self.shards.len() * 2];
        let mask = shards.len() as u64 - 1;
        for slot in self.shards.iter().flat_map(|shard| shard.iter()) {
            shards[(slot.hash & mask) as usize].push(slot.clone());
        }
        self.shards = Arc::new(shards.into_iter().map(Arc::from).collect());
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
        let copied = index
            .shards
            .iter()
            .zip(older.shards.iter())
            .filter(|(a, b)| !Arc::ptr_eq(a, b));
        assert_eq!(copied.count(), 1);
    }
}
