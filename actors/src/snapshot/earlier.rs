//! [`EarlierVersions`]: the versions that failed renders are answered from.
//!
//! The Registry keeps the last `history_versions` versions whole. A burst of edits elsewhere, such as a checkout of many files, would
//! push the last good version of a page out of that history. So [`LastGoodVersions`] also keeps, for each template, the version before
//! its last change. Several templates usually share such a version, and versions share nearly all memory, so the cost is that of the
//! texts that nothing else holds any more. These bytes are counted exactly: each replaced text is accounted to the newest remembered
//! version that has it, and moves to an older one, or is subtracted, when that version is dropped.

use std::sync::Arc;

use super::Generation;
use super::chunks::Chunks;
use super::layer_versions::LayerVersions;
use crate::dialect::TemplateId;
use crate::version::Version;

/// The kept versions, and the version before the last change of each template.
#[derive(Debug, Default)]
pub(crate) struct EarlierVersions {
    /// The whole versions of the history, newest first.
    pub(crate) kept: Box<[KeptVersion]>,
    pub(crate) former: LastGoodVersions,
    /// The bound of `former`: only versions before this one are used. Later ones are among the kept ones.
    pub(crate) former_before: Version,
    /// The version before the last change of each text of another layer than shared stable.
    pub(crate) layers: LayerVersions,
}

/// A version of the history.
#[derive(Debug, Clone)]
pub(crate) struct KeptVersion {
    pub(crate) generation: Arc<Generation>,
    /// True if an operator rolled back from this version to an earlier one and has not resumed, so that it answers no failed render.
    pub(crate) is_left: bool,
}

impl EarlierVersions {
    /// Returns the kept versions that failed renders may be answered from, newest first.
    pub(crate) fn answering(&self) -> impl Iterator<Item = &Arc<Generation>> {
        let answering = self.kept.iter().filter(|kept| !kept.is_left);
        answering.map(|kept| &kept.generation)
    }
}

/// For each template the last version in which it had another text, bounded by number and bytes. Unlike the history, it does not
/// depend on how many versions of other templates were published since.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastGoodVersions {
    by_template: Chunks<Arc<Generation>>,
    /// The keys of `by_template`, oldest version first.
    by_age: im::OrdSet<(Version, TemplateId)>,
    /// The version since which the current text is served; without a value, since the first version.
    since: Chunks<Version>,
    /// The accounts of the remembered versions.
    accounts: im::OrdMap<Version, VersionAccount>,
    /// The bytes of all texts that only the remembered versions have.
    bytes: u64,
}

/// The account of a remembered version.
#[derive(Debug, Clone, Default)]
struct VersionAccount {
    /// The number of templates that it is remembered for.
    templates: usize,
    /// The bytes of the texts that are no longer served and for which this is the newest remembered version, by the version since which
    /// each was served. When this version is dropped, they move to the remembered version before it, as far as that one has them.
    texts: im::OrdMap<Version, u64>,
}

impl LastGoodVersions {
    /// Returns the remembered version of a template.
    pub(crate) fn get(&self, id: TemplateId) -> Option<&Arc<Generation>> {
        self.by_template.get(id)
    }

    /// Remembers a version as the one before the last change of a template.
    pub(crate) fn remember(&mut self, id: TemplateId, generation: &Arc<Generation>) {
        let mut account = self.accounts.get(&generation.version).cloned().unwrap_or_default();
        account.templates += 1;
        self.accounts.insert(generation.version, account);
        self.drop_version(id);
        self.by_template.set(id, Some(Arc::clone(generation)));
        self.by_age.insert((generation.version, id));
    }

    /// Accounts for a text that is not served after version `last`. Call it after the versions of the same publication are remembered.
    pub(crate) fn replaced(&mut self, id: TemplateId, last: Version, bytes: u64) {
        let since = self.since.get(id).copied().unwrap_or_default();
        if self.account_text(last, since, bytes) {
            self.bytes = self.bytes.saturating_add(bytes);
        }
        self.begins_after(id, last);
    }

    /// Records that the current text of a template is served since the version after `last`.
    pub(crate) fn begins_after(&mut self, id: TemplateId, last: Version) {
        self.since.set(id, Some(last.next()));
    }

    /// Drops the versions after `last`.
    pub(crate) fn forget_after(&mut self, last: Version) {
        while let Some((version, id)) = self.by_age.get_max().copied()
            && version > last
        {
            self.drop_version(id);
        }
    }

    /// Drops the oldest versions until both bounds are kept.
    pub(crate) fn trim(&mut self, templates: usize, bytes: u64) {
        while self.by_age.len() > templates || self.bytes > bytes {
            let Some((_, id)) = self.by_age.get_min().copied() else {
                break;
            };
            self.drop_version(id);
        }
    }

    fn drop_version(&mut self, id: TemplateId) {
        let Some(version) = self.get(id).map(|generation| generation.version) else {
            return;
        };
        self.by_template.set(id, None);
        self.by_age.remove(&(version, id));
        let Some(mut account) = self.accounts.remove(&version) else {
            return;
        };
        account.templates -= 1;
        if account.templates > 0 {
            self.accounts.insert(version, account);
            return;
        }
        for (since, bytes) in account.texts {
            if !self.account_text(version, since, bytes) {
                self.bytes = self.bytes.saturating_sub(bytes);
            }
        }
    }

    /// Accounts a text to the newest remembered version that has it. Returns false if none has it.
    fn account_text(&mut self, last: Version, since: Version, bytes: u64) -> bool {
        let holder = self
            .accounts
            .range(since..=last)
            .next_back()
            .map(|(version, _)| *version);
        let Some(account) = holder.and_then(|version| self.accounts.get_mut(&version)) else {
            return false;
        };
        let sum = account.texts.get(&since).copied().unwrap_or_default();
        account.texts.insert(since, sum.saturating_add(bytes));
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
            scopes: crate::snapshot::Scopes::default(),
        })
    }

    fn kept(former: &LastGoodVersions) -> Vec<Option<u64>> {
        let kept = (0..4).map(|id| former.get(TemplateId::new(id)).map(|kept| kept.version.number()));
        kept.collect()
    }

    #[test]
    fn templates_are_bounded() {
        let mut former = LastGoodVersions::default();
        for (id, version) in [(0, 1), (1, 2), (0, 3), (2, 4)] {
            former.remember(TemplateId::new(id), &generation(version));
            former.trim(3, u64::MAX);
        }
        assert_eq!(kept(&former), [Some(3), Some(2), Some(4), None]);
        former.remember(TemplateId::new(3), &generation(5));
        former.trim(3, u64::MAX);
        assert_eq!(kept(&former), [Some(3), None, Some(4), Some(5)]);
        // A template that changes again and again does not displace others.
        for version in 6..20 {
            former.remember(TemplateId::new(3), &generation(version));
            former.trim(3, u64::MAX);
        }
        assert_eq!(kept(&former), [Some(3), None, Some(4), Some(19)]);
        former.trim(0, u64::MAX);
        assert_eq!(kept(&former), [None; 4]);
        assert_eq!((former.bytes, former.accounts.len()), (0, 0));
    }

    #[test]
    fn bytes_are_bounded() {
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
        /// Compares the account with its definition: each text counts that is no longer served and was in a remembered version.
        #[test]
        fn bytes_are_counted_exactly(
            edits in proptest::collection::vec((0u32..4, 1u64..50, any::<bool>()), 1..60),
            templates in 0usize..5,
            most in 0u64..150,
        ) {
            let mut former = LastGoodVersions::default();
            // Of each replaced text: its first and last version, and its bytes.
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
                    let account = gone.iter().filter(|(since, last, _)| kept.iter().any(|kept| (since..=last).contains(&kept)));
                    account.map(|(_, _, bytes)| bytes).sum::<u64>()
                };
                prop_assert_eq!(former.bytes, counted(&former));
                former.trim(templates, most);
                prop_assert_eq!(former.bytes, counted(&former));
                prop_assert!(former.bytes <= most && former.by_age.len() <= templates);
            }
        }
    }
}
