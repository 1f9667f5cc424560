//! [`Earlier`]: what entries were before, for answers when a render fails.

use std::sync::Arc;

use super::Generation;
use super::chunks::Chunks;
use crate::dialect::TemplateId;
use crate::version::Version;

/// The kept versions, and the one before each text of today.
#[derive(Debug, Default)]
pub(crate) struct EarlierVersions {
    /// Newest first.
    pub(crate) kept: Box<[Arc<Generation>]>,
    pub(crate) former: LastGoodVersions,
    /// Of those only versions before this one answer: others are among the kept ones, or newer than what an operator chose.
    pub(crate) former_before: Version,
}

/// For each template the last version in which it had another text than today, as long as there is room. It outlives the kept versions:
/// a burst of versions of other templates does not take away what a page was before.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastGoodVersions {
    by_template: Chunks<Arc<Generation>>,
    /// The same, the oldest first.
    by_age: im::OrdSet<(Version, TemplateId)>,
    /// The version since which the text of today is served; nothing is: since the first.
    since: Chunks<Version>,
    /// What is remembered of each version.
    held: im::OrdMap<Version, Held>,
    /// Of all texts that only these versions have.
    bytes: u64,
}

/// A version that is remembered for some templates.
#[derive(Debug, Clone, Default)]
struct Held {
    /// How many.
    templates: usize,
    /// Bytes of the texts that it has, no later one that is remembered has, and that are not served any more: by the version since which
    /// they were. With this version they go to the remembered one before it, as far as that has them.
    texts: im::OrdMap<Version, u64>,
}

impl LastGoodVersions {
    pub(crate) fn get(&self, id: TemplateId) -> Option<&Arc<Generation>> {
        self.by_template.get(id)
    }

    /// Remembers the version before a text changed.
    pub(crate) fn remember(&mut self, id: TemplateId, generation: &Arc<Generation>) {
        let mut held = self.held.get(&generation.version).cloned().unwrap_or_default();
        held.templates += 1;
        self.held.insert(generation.version, held);
        self.forget(id);
        self.by_template.set(id, Some(Arc::clone(generation)));
        self.by_age.insert((generation.version, id));
    }

    /// Counts a text that is not served after this version, once that is remembered for whatever is.
    pub(crate) fn replaced(&mut self, id: TemplateId, last: Version, bytes: u64) {
        let since = self.since.get(id).copied().unwrap_or_default();
        if self.hold(last, since, bytes) {
            self.bytes = self.bytes.saturating_add(bytes);
        }
        self.begins_after(id, last);
    }

    /// Notes that what is served of a template after this version is another text, or the first one.
    pub(crate) fn begins_after(&mut self, id: TemplateId, last: Version) {
        self.since.set(id, Some(last.next()));
    }

    /// Forgets the oldest, until no more templates and bytes than these are remembered.
    pub(crate) fn trim(&mut self, templates: usize, bytes: u64) {
        while self.by_age.len() > templates || self.bytes > bytes {
            let Some((_, id)) = self.by_age.get_min().copied() else {
                break;
            };
            self.forget(id);
        }
    }

    fn forget(&mut self, id: TemplateId) {
        let Some(version) = self.get(id).map(|generation| generation.version) else {
            return;
        };
        self.by_template.set(id, None);
        self.by_age.remove(&(version, id));
        let Some(mut held) = self.held.remove(&version) else {
            return;
        };
        held.templates -= 1;
        if held.templates > 0 {
            self.held.insert(version, held);
            return;
        }
        for (since, bytes) in held.texts {
            if !self.hold(version, since, bytes) {
                self.bytes = self.bytes.saturating_sub(bytes);
            }
        }
    }

    /// Counts a text to the last remembered version that has it. Returns false if none has it.
    fn hold(&mut self, last: Version, since: Version, bytes: u64) -> bool {
        let holder = self.held.range(since..=last).next_back().map(|(version, _)| *version);
        let Some(held) = holder.and_then(|version| self.held.get_mut(&version)) else {
            return false;
        };
        let sum = held.texts.get(&since).copied().unwrap_or_default();
        held.texts.insert(since, sum.saturating_add(bytes));
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::snapshot::Content;

    fn generation(number: u64) -> Arc<Generation> {
        Arc::new(Generation {
            version: Version::from_number(number),
            content: Content::default(),
        })
    }

    fn kept(former: &LastGoodVersions) -> Vec<Option<u64>> {
        let kept = (0..4).map(|id| former.get(TemplateId::new(id)).map(|kept| kept.version.number()));
        kept.collect()
    }

    #[test]
    fn as_many_are_remembered_as_the_limit_says() {
        let mut former = LastGoodVersions::default();
        for (id, version) in [(0, 1), (1, 2), (0, 3), (2, 4)] {
            former.remember(TemplateId::new(id), &generation(version));
            former.trim(3, u64::MAX);
        }
        assert_eq!(kept(&former), [Some(3), Some(2), Some(4), None]);
        former.remember(TemplateId::new(3), &generation(5));
        former.trim(3, u64::MAX);
        assert_eq!(kept(&former), [Some(3), None, Some(4), Some(5)]);
        // One template that changes again and again takes no place of others.
        for version in 6..20 {
            former.remember(TemplateId::new(3), &generation(version));
            former.trim(3, u64::MAX);
        }
        assert_eq!(kept(&former), [Some(3), None, Some(4), Some(19)]);
        former.trim(0, u64::MAX);
        assert_eq!(kept(&former), [None; 4]);
        assert_eq!((former.bytes, former.held.len()), (0, 0));
    }

    #[test]
    fn the_oldest_are_forgotten_that_keep_more_bytes_than_the_limit_says() {
        let mut former = LastGoodVersions::default();
        for (id, version, bytes) in [(0, 1, 100), (1, 2, 100), (2, 3, 100)] {
            former.remember(TemplateId::new(id), &generation(version));
            former.replaced(TemplateId::new(id), Version::from_number(version), bytes);
        }
        assert_eq!(former.bytes, 300);
        former.trim(10, 300);
        assert_eq!(kept(&former), [Some(1), Some(2), Some(3), None]);
        former.trim(10, 299);
        assert_eq!((kept(&former), former.bytes), (vec![None, Some(2), Some(3), None], 200));
        former.trim(10, 0);
        assert_eq!((kept(&former), former.bytes), (vec![None; 4], 0));
    }

    proptest! {
        /// Against what it means: each text counts that is not served any more, and was in a version that is remembered.
        #[test]
        fn bytes_are_those_of_texts_that_only_remembered_versions_have(
            edits in proptest::collection::vec((0u32..4, 1u64..50, any::<bool>()), 1..60),
            templates in 0usize..5,
            most in 0u64..150,
        ) {
            let mut former = LastGoodVersions::default();
            // Of each text that went: the versions that had it, and its bytes.
            let mut gone: Vec<(u64, u64, u64)> = Vec::new();
            let mut now = [(1_u64, 10_u64); 4];
            for (version, (id, bytes, is_remembered)) in (1..).zip(edits) {
                let (since, was) = now[id as usize];
                gone.push((since, version, was));
                now[id as usize] = (version + 1, bytes);
                let id = TemplateId::new(id);
                if is_remembered {
                    former.remember(id, &generation(version));
                }
                former.replaced(id, Version::from_number(version), was);
                let counted = |former: &LastGoodVersions| {
                    let kept: Vec<u64> = kept(former).into_iter().flatten().collect();
                    let held = gone.iter().filter(|(since, last, _)| kept.iter().any(|kept| (since..=last).contains(&kept)));
                    held.map(|(_, _, bytes)| bytes).sum::<u64>()
                };
                prop_assert_eq!(former.bytes, counted(&former));
                former.trim(templates, most);
                prop_assert_eq!(former.bytes, counted(&former));
                prop_assert!(former.bytes <= most && former.by_age.len() <= templates);
            }
        }
    }
}
