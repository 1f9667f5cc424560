//! [`Report`]: the differences between two states of the Registry.

use std::sync::Arc;

use super::state::RegistryEntry;
use crate::protocol::report::Report;
use crate::snapshot::entry::EntryState;
use crate::snapshot::{NameMap, Snapshot, Why};
use crate::template::TemplateName;

impl Report {
    /// Returns the approximate size in bytes. Names are counted as if nothing else shared them.
    pub(crate) fn bytes(&self) -> usize {
        let names = self.changed.iter().chain(&self.removed).chain(&self.recovered);
        let bad = self.stale.iter().chain(&self.broken).map(|(name, _)| name);
        let names = names
            .chain(bad)
            .map(|name| name.as_str().len() + size_of::<(TemplateName, Arc<Why>)>());
        names.sum::<usize>() + size_of::<Self>()
    }

    /// Creates the report of a snapshot about `names`.
    pub(super) fn of<'n>(
        snapshot: &Snapshot,
        before: &NameMap<Arc<RegistryEntry>>,
        after: &NameMap<Arc<RegistryEntry>>,
        names: impl Iterator<Item = &'n TemplateName>,
    ) -> Self {
        let mut report = Self {
            version: snapshot.version(),
            digest: snapshot.digest(),
            changed: Vec::new(),
            removed: Vec::new(),
            stale: Vec::new(),
            broken: Vec::new(),
            recovered: Vec::new(),
        };
        let mut names: Vec<&TemplateName> = names.collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            report.add(
                name,
                before.get(name).map(AsRef::as_ref),
                after.get(name).map(AsRef::as_ref),
            );
        }
        report
    }

    fn add(&mut self, name: &TemplateName, before: Option<&RegistryEntry>, after: Option<&RegistryEntry>) {
        let Some(after) = after else {
            self.removed.extend(before.map(|_| name.clone()));
            return;
        };
        let digest = |record: &RegistryEntry| record.member.as_ref().map(|member| member.digest);
        if digest(after).is_some() && digest(after) != before.and_then(digest) {
            self.changed.push(name.clone());
        }
        let was_why = before.and_then(|before| before.entry.why());
        let is_new = |why: &Arc<Why>| was_why.is_none_or(|was| !was.is_equivalent(why));
        match &after.entry.state {
            EntryState::Current if was_why.is_some() => self.recovered.push(name.clone()),
            EntryState::Stale { why, .. } if is_new(why) => self.stale.push((name.clone(), Arc::clone(why))),
            EntryState::Broken { why } if is_new(why) => self.broken.push((name.clone(), Arc::clone(why))),
            _ => {}
        }
    }
}
