//! [`Report`]: what is new in a version.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::truth::Record;
use crate::snapshot::entry::State;
use crate::snapshot::{Names, Snapshot, Why};
use crate::template::{Digest, TemplateName};
use crate::version::Version;

/// What is new in a version. Every list is sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Which version.
    pub version: Version,
    /// Of what it serves.
    pub digest: Digest,
    /// Names with another text that compiled than before; not those that only call one.
    pub changed: Vec<TemplateName>,
    /// Names that are gone.
    pub removed: Vec<TemplateName>,
    /// Entries that go on as they were, and before did not, or did for another reason.
    #[serde(serialize_with = "by_name")]
    pub stale: Vec<(TemplateName, Arc<Why>)>,
    /// Entries that cannot be served, and before could, or could not for another reason.
    #[serde(serialize_with = "by_name")]
    pub broken: Vec<(TemplateName, Arc<Why>)>,
    /// Entries that are current and before were not.
    pub recovered: Vec<TemplateName>,
}

impl Report {
    /// Returns what it takes in memory, about: a name is counted as if it were here only.
    pub(crate) fn bytes(&self) -> usize {
        let names = self.changed.iter().chain(&self.removed).chain(&self.recovered);
        let bad = self.stale.iter().chain(&self.broken).map(|(name, _)| name);
        let names = names
            .chain(bad)
            .map(|name| name.as_str().len() + size_of::<(TemplateName, Arc<Why>)>());
        names.sum::<usize>() + size_of::<Self>()
    }

    /// What became of `names` in a snapshot.
    pub(super) fn of<'n>(
        snapshot: &Snapshot,
        before: &Names<Arc<Record>>,
        after: &Names<Arc<Record>>,
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

    fn add(&mut self, name: &TemplateName, before: Option<&Record>, after: Option<&Record>) {
        let Some(after) = after else {
            self.removed.extend(before.map(|_| name.clone()));
            return;
        };
        let digest = |record: &Record| record.member.as_ref().map(|member| member.digest);
        if digest(after).is_some() && digest(after) != before.and_then(digest) {
            self.changed.push(name.clone());
        }
        let was_why = before.and_then(|before| before.entry.why());
        let another = |why: &Arc<Why>| was_why.is_none_or(|was| !was.says_the_same(why));
        match &after.entry.state {
            State::Current if was_why.is_some() => self.recovered.push(name.clone()),
            State::Stale { why, .. } if another(why) => self.stale.push((name.clone(), Arc::clone(why))),
            State::Broken { why } if another(why) => self.broken.push((name.clone(), Arc::clone(why))),
            _ => {}
        }
    }
}

/// `{name: why}`.
fn by_name<S: Serializer>(entries: &[(TemplateName, Arc<Why>)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(entries.iter().map(|(name, why)| (name, why)))
}
