//! [`Index`]: a persistent, append-only map from names to ids and back.

use std::collections::HashMap;
use std::sync::Arc;

use super::chunks::Chunks;
use super::{NameHasher, NameMap};
use crate::dialect::TemplateId;
use crate::template::{TemplateName, Tenant};

/// Recent names are merged when there are this many, plus one for each [`SETTLED_FOR_RECENT`] settled names.
const RECENT_MIN: usize = 32;
const SETTLED_FOR_RECENT: usize = 4;

/// Returns the key of a name that only the texts of one tenant mean. No name has a NUL, so it is none of a template.
pub(crate) fn private_key(tenant: &Tenant, name: &str) -> String {
    format!("\0{}\0{name}", tenant.as_str())
}

/// Every name that was ever defined or called, with its id. A clone shares all memory.
///
/// Two levels, as in a log-structured merge tree. Nearly every name is in a plain hash map, which is the fastest to read but cannot be
/// shared and written to. New names go into a small persistent map beside it, which costs some hundred bytes for each kept version.
/// When the number of names has grown by a quarter, both are merged into a new plain map, so the cost of copying is amortised; earlier
/// versions keep the map that they had. An edit that mentions no new name changes nothing here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    /// The keys are copies of the names that lie close together in memory: the names of the templates lie between their texts.
    settled: Arc<HashMap<Box<str>, TemplateId, NameHasher>>,
    recent: NameMap<TemplateId>,
    /// The names by id.
    names: Chunks<TemplateName>,
}

impl Index {
    /// Returns the number of names, which is also the next id.
    pub(crate) fn len(&self) -> usize {
        self.settled.len() + self.recent.len()
    }

    /// Returns the id of a name without allocating.
    #[inline]
    pub(crate) fn get(&self, name: &str) -> Option<TemplateId> {
        match self.settled.get(name) {
            None if !self.recent.is_empty() => self.recent.get(name).copied(),
            found => found.copied(),
        }
    }

    /// Returns the name of an id. A later index has the same name.
    pub(crate) fn name(&self, id: TemplateId) -> Option<&TemplateName> {
        self.names.get(id)
    }

    /// Returns every name, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TemplateId, &TemplateName)> {
        self.names.iter()
    }

    /// Returns the id of a name, and assigns the next id if it has none.
    pub(crate) fn id_of(&mut self, name: &TemplateName) -> TemplateId {
        if let Some(id) = self.get(name.as_str()) {
            return id;
        }
        self.assign(name.clone(), name)
    }

    /// Returns the id of a name in the private texts of a tenant, and assigns the next id if it has none.
    pub(crate) fn private_id_of(&mut self, tenant: &Tenant, name: &TemplateName) -> TemplateId {
        let key = private_key(tenant, name.as_str());
        match self.get(&key) {
            Some(id) => id,
            None => self.assign(TemplateName::of_private_key(&key), name),
        }
    }

    /// Assigns the next id to a key that has none.
    fn assign(&mut self, key: TemplateName, name: &TemplateName) -> TemplateId {
        // `publish` rejects a plan with more names than a `u32` can count.
        let id = TemplateId(self.len() as u32);
        if self.recent.len() >= RECENT_MIN + self.settled.len() / SETTLED_FOR_RECENT {
            self.settle();
        }
        let before = match Arc::get_mut(&mut self.settled) {
            Some(settled) => settled.insert(key.as_str().into(), id),
            None => self.recent.insert(key, id),
        };
        debug_assert!(before.is_none(), "each name comes once");
        self.names.set(id, Some(name.clone()));
        id
    }

    /// Merges the recent names into a new plain map. The cost is linear in the number of names. Until the index is cloned, further names
    /// are written to that map directly.
    fn settle(&mut self) {
        let room = self.len() + self.len() / SETTLED_FOR_RECENT;
        let mut settled = HashMap::with_capacity_and_hasher(room, NameHasher::default());
        settled.extend(self.settled.iter().map(|(name, id)| (name.clone(), *id)));
        let recent = std::mem::take(&mut self.recent);
        settled.extend(recent.iter().map(|(name, id)| (name.as_str().into(), *id)));
        self.settled = Arc::new(settled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> TemplateName {
        TemplateName::new(&format!("folder/{number}.html")).expect("valid")
    }

    #[test]
    fn ids_are_dense_and_stable() {
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
            assert_eq!(expected.and_then(|id| index.name(id)), Some(&name(number)));
            for (newest, older) in &older {
                assert_eq!(older.get(name(number).as_str()).is_some(), number <= *newest);
            }
        }
        assert_eq!((index.get("folder/3000.html"), index.get("")), (None, None));
        assert_eq!(index.id_of(&name(7)), TemplateId(7));
    }

    #[test]
    fn clones_are_independent() {
        for len in [0, 10, 100, 1000] {
            let mut index = Index::default();
            (0..len).for_each(|number| _ = index.id_of(&name(number)));
            let mut other = index.clone();
            for number in 0..200 {
                let ids = [&mut index, &mut other].map(|index| index.len());
                assert_eq!(index.id_of(&name(10_000 + number)).index(), ids[0]);
                assert_eq!(other.id_of(&name(20_000 + number)).index(), ids[1]);
            }
            for number in 0..200 {
                let [ours, theirs] = [10_000 + number, 20_000 + number].map(name);
                assert_eq!(index.get(ours.as_str()), other.get(theirs.as_str()));
                assert_eq!((index.get(theirs.as_str()), other.get(ours.as_str())), (None, None));
            }
        }
    }

    #[test]
    fn merging_is_amortised() {
        let mut index = Index::default();
        (0..1000).for_each(|number| _ = index.id_of(&name(number)));
        let mut copied = 0;
        for number in 1000..10_000 {
            let older = index.clone();
            index.id_of(&name(number));
            let is_shared = Arc::ptr_eq(&index.settled, &older.settled);
            copied += if is_shared { 0 } else { index.settled.len() };
        }
        assert!(copied < 6 * 10_000, "{copied}");
    }
}
