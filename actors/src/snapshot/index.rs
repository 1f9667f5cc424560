//! [`Index`]: name → id for readers, persistent, append-only.

use std::collections::HashMap;
use std::sync::Arc;

use super::{NameHasher, NameMap};
use crate::dialect::TemplateId;
use crate::template::TemplateName;

/// New names are settled when there are this many, and one for each [`SETTLED_FOR_RECENT`] that are settled.
const RECENT_MIN: usize = 32;
const SETTLED_FOR_RECENT: usize = 4;

/// Every name that was ever defined or called, with its id. A clone shares all memory.
///
/// Nearly every name is found in a plain map, which is as quick as there is and cannot be shared and written to. New names wait
/// beside it in a persistent one. Names come seldom: an edit that names nobody new changes nothing here. A new name costs some
/// hundred bytes for each version that is kept; when names have grown by a quarter, all of them are copied once, and versions
/// from before keep what they had.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    /// By names of its own, which lie close together: those of the templates lie between their texts, and as far apart.
    settled: Arc<HashMap<Box<str>, TemplateId, NameHasher>>,
    recent: NameMap<TemplateId>,
}

impl Index {
    /// How many names have an id: the next id.
    pub(crate) fn len(&self) -> usize {
        self.settled.len() + self.recent.len()
    }

    /// The id of a name. Nothing is allocated.
    #[inline]
    pub(crate) fn get(&self, name: &str) -> Option<TemplateId> {
        match self.settled.get(name) {
            None if !self.recent.is_empty() => self.recent.get(name).copied(),
            found => found.copied(),
        }
    }

    /// The id of a name, the next one if it has none.
    pub(crate) fn id_of(&mut self, name: &TemplateName) -> TemplateId {
        if let Some(id) = self.get(name.as_str()) {
            return id;
        }
        // Nothing with more names than a `u32` counts is published.
        let id = TemplateId(self.len() as u32);
        if self.recent.len() >= RECENT_MIN + self.settled.len() / SETTLED_FOR_RECENT {
            self.settle();
        }
        let before = match Arc::get_mut(&mut self.settled) {
            Some(settled) => settled.insert(name.as_str().into(), id),
            None => self.recent.insert(name.clone(), id),
        };
        debug_assert!(before.is_none(), "each name comes once");
        id
    }

    /// Costs as much as there are names, and comes as seldom as they grow by a part of that. What comes next until somebody
    /// clones this is settled at once.
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
    fn two_clones_get_names_of_their_own() {
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
    fn a_new_name_copies_no_settled_one_but_now_and_then() {
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
