//! [`Truth`]: everything that the Registry knows, persistent. A clone shares all memory, so it can be kept in a Vault with every
//! version.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::dialect::{Member, Members, TemplateId};
use crate::limits::Limits;
use crate::protocol::report::Report;
use crate::snapshot::entry::Entry;
use crate::snapshot::index::Index;
use crate::snapshot::{Content, EarlierVersions, Generation, LastGoodVersions, NameMap, Snapshot, SnapshotShared};
use crate::template::TemplateName;
use crate::version::Version;

/// What is served, what would be served if nothing were held back, and what was.
#[derive(Debug, Clone)]
pub struct RegistryState {
    pub(super) index: Index,
    /// What the last accepted plan made.
    pub(crate) head: IndexedContent,
    /// What is served, unless that is the head.
    pub(super) held: Option<IndexedContent>,
    pub(super) snapshot: Arc<Snapshot>,
    /// Oldest first.
    pub(super) history: VecDeque<HistoryEntry>,
    /// Of the history.
    history_bytes: u64,
    /// The version before each template's last change, beyond the history.
    former: LastGoodVersions,
    shared: Arc<SnapshotShared>,
}

/// What a name is to the Registry, for every name that is defined.
#[derive(Debug, Clone)]
pub(crate) struct RegistryEntry {
    pub(super) id: TemplateId,
    /// Of its newest text that compiled, which need not be what is served.
    pub(super) member: Option<Arc<Member>>,
    /// Shared with what readers read, as far as it is not current.
    pub(crate) entry: Arc<Entry>,
}

/// One content, twice: by name, for whoever decides; flattened by id, for whoever reads.
#[derive(Debug, Clone)]
pub(crate) struct IndexedContent {
    /// Behind a pointer, because a map that differs in one of them copies some dozens of its neighbours.
    pub(crate) records: NameMap<Arc<RegistryEntry>>,
    pub(super) content: Content,
    /// The last version in which this, or what it was made from, was served. While another is served by rolling back, this stays.
    pub(super) version: Version,
}

/// An earlier version, for rolling back and for answers when a render fails.
#[derive(Debug, Clone)]
pub(super) struct HistoryEntry {
    pub(super) records: NameMap<Arc<RegistryEntry>>,
    pub(super) generation: Arc<Generation>,
    /// What it keeps in memory that the version after it does not have any more.
    bytes: u64,
}

impl Default for IndexedContent {
    fn default() -> Self {
        Self {
            records: NameMap::default(),
            content: Content::default(),
            version: Version::NONE,
        }
    }
}

impl Default for RegistryState {
    fn default() -> Self {
        Self::of(Arc::new(Snapshot::empty()))
    }
}

impl RegistryState {
    /// Nothing is defined, nothing was, and what is served is this empty snapshot.
    pub(crate) fn of(snapshot: Arc<Snapshot>) -> Self {
        Self {
            index: Index::default(),
            head: IndexedContent::default(),
            held: None,
            shared: snapshot.shared(),
            snapshot,
            history: VecDeque::new(),
            history_bytes: 0,
            former: LastGoodVersions::default(),
        }
    }

    /// Nothing is defined, nothing was.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is served.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Whether what is served was chosen by rolling back, so that new plans wait.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// The state that is served.
    pub(super) fn served(&self) -> &IndexedContent {
        self.held.as_ref().unwrap_or(&self.head)
    }

    /// Makes a new version of what [`Truth::served`] says by now, after `before`, which is kept. Names that may differ are
    /// reported on; a failed render is answered from versions before `answers_before`, from any where there is none.
    pub(super) fn publish<'n>(
        mut self,
        before: &Self,
        names: impl Iterator<Item = &'n TemplateName>,
        answers_before: Option<Version>,
        limits: &Limits,
    ) -> (Self, Arc<Snapshot>, Report) {
        let generation = Arc::clone(before.snapshot.generation());
        let version = generation.version.next();
        let names: Vec<_> = names.collect();
        if generation.version != Version::NONE {
            let records = before.served().records.clone();
            let bytes = self.bytes_replaced(before, &names);
            self.history_bytes += bytes;
            self.history.push_back(HistoryEntry {
                records,
                generation,
                bytes,
            });
        }
        // One is kept however large it is: it is what a failed edit is answered from.
        while self.history.len() > limits.history_versions
            || (self.history.len() > 1 && self.history_bytes > limits.history_bytes)
        {
            let oldest = self.history.pop_front();
            self.history_bytes -= oldest.map_or(0, |oldest| oldest.bytes);
        }
        self.remember(before, &names, limits);
        let kept = self.history.iter().rev().map(|kept| &kept.generation);
        let may_answer =
            |generation: &&Arc<Generation>| answers_before.is_none_or(|before| generation.version < before);
        let oldest = self.history.front().map(|kept| kept.generation.version);
        let earlier = EarlierVersions {
            kept: kept.filter(may_answer).cloned().collect(),
            former: self.former.clone(),
            former_before: [oldest, answers_before].into_iter().flatten().min().unwrap_or(version),
        };
        let served = self.held.as_mut().unwrap_or(&mut self.head);
        served.version = version;
        let content = served.content.clone();
        let generation = Arc::new(Generation { version, content });
        self.snapshot = Arc::new(Snapshot::new(generation, self.index.clone(), earlier, &self.shared));
        let snapshot = Arc::clone(&self.snapshot);
        let report = Report::of(
            &snapshot,
            &before.served().records,
            &self.served().records,
            names.into_iter(),
        );
        (self, snapshot, report)
    }

    /// What the units take in memory that these names had before and have no more.
    fn bytes_replaced(&self, before: &Self, names: &[&TemplateName]) -> u64 {
        let (was, now) = (&before.served().content.view, &self.served().content.view);
        let replaced = names.iter().filter_map(|name| {
            let id = self.index.get(name.as_str())?;
            let unit = was.member(id)?;
            let is_same = now.member(id).is_some_and(|now| std::ptr::eq(now, unit));
            (!is_same).then(|| bytes_of(unit))
        });
        replaced.fold(0, u64::saturating_add)
    }

    /// Remembers the version before, for each of these templates whose text is another now. Nothing is remembered while an operator
    /// chooses what is served: the version that was left is no better than the one that was chosen.
    fn remember(&mut self, before: &Self, names: &[&TemplateName], limits: &Limits) {
        if self.is_held() {
            return;
        }
        let was = before.snapshot.generation();
        let faults = before.snapshot.late_faults();
        let whys = faults.iter().flat_map(|fault| &fault.whys);
        let failed: HashSet<&TemplateName> = whys.map(|why| &why.cause).collect();
        let mut replaced = Vec::new();
        for name in names {
            let Some(id) = self.index.get(name.as_str()) else {
                continue;
            };
            let now = self.head.content.view.member(id);
            if before.is_held() {
                self.former.begins_after(id, was.version);
                continue;
            }
            let Some(text) = was.content.view.member(id) else {
                // It is back: what it was before it was removed is nothing to go back to.
                if now.is_some() && before.index.get(name.as_str()).is_some() {
                    self.former.remember(id, was);
                }
                self.former.begins_after(id, was.version);
                continue;
            };
            if now.is_some_and(|now| std::ptr::eq(now, text)) {
                continue;
            }
            replaced.push((id, bytes_of(text)));
            // A text that failed when it was rendered, or was not rendered to its end yet, is not what to go back to: what was there before
            // it stays.
            let is_doubtful = failed.contains(name) || before.snapshot.is_unproven(id);
            if is_doubtful && self.former.get(id).is_some() {
                continue;
            }
            self.former.remember(id, was);
        }
        for (id, bytes) in replaced {
            self.former.replaced(id, was.version, bytes);
        }
        self.former.trim(limits.last_good_templates, limits.last_good_bytes);
    }
}

/// Returns what a compiled text takes in memory.
fn bytes_of(member: &Member) -> u64 {
    u64::try_from(member.unit.bytes()).unwrap_or(u64::MAX)
}
