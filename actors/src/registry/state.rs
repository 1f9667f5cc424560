//! [`RegistryState`]: everything that the Registry knows, as persistent data. A clone shares all memory, so each version can be committed
//! to a vault and kept in the history.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::report::Comparison;
use crate::dialect::{Member, Members, TemplateId};
use crate::limits::Limits;
use crate::protocol::plan::Plan;
use crate::protocol::report::{Effects, Report};
use crate::snapshot::index::Index;
use crate::snapshot::{Content, EarlierVersions, Generation, IdSet, LastGoodVersions, Snapshot, SnapshotShared};
use crate::template::TemplateName;
use crate::version::Version;

/// The accepted templates, the snapshot that is served, and the history.
#[derive(Debug, Clone)]
pub struct RegistryState {
    /// All names that were ever defined or called.
    pub(super) names: Index,
    /// The content of the last accepted plan.
    pub(crate) head: HeadContent,
    /// The content that an operator rolled back to. It is served in place of the head.
    pub(super) held: Option<HeadContent>,
    pub(super) snapshot: Arc<Snapshot>,
    /// The earlier versions, oldest first.
    pub(super) history: VecDeque<HistoryEntry>,
    /// The sum of the bytes of all entries of the history.
    history_bytes: u64,
    /// The version before the last change of each template, which may be older than the history.
    former: LastGoodVersions,
    shared: Arc<SnapshotShared>,
}

/// Accepted content.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeadContent {
    pub(crate) content: Content,
    /// The last version in which this content, or the one that it was derived from, was served. It does not change while an earlier
    /// version is held.
    pub(super) version: Version,
}

/// An earlier version, kept for rolling back and for answering renders that fail.
#[derive(Debug, Clone)]
pub(super) struct HistoryEntry {
    pub(super) generation: Arc<Generation>,
    /// The bytes of the texts that it has and the version after it does not.
    bytes: u64,
}

impl Default for RegistryState {
    fn default() -> Self {
        Self::of(Arc::new(Snapshot::empty()))
    }
}

impl RegistryState {
    /// Creates a state without templates that serves this empty snapshot.
    pub(crate) fn of(snapshot: Arc<Snapshot>) -> Self {
        Self {
            names: Index::default(),
            head: HeadContent::default(),
            held: None,
            shared: snapshot.shared(),
            snapshot,
            history: VecDeque::new(),
            history_bytes: 0,
            former: LastGoodVersions::default(),
        }
    }

    /// Creates a state without templates.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the snapshot that is served.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Returns true if an operator rolled back, so that new plans wait.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Returns the content that is served.
    pub(super) fn served(&self) -> &HeadContent {
        self.held.as_ref().unwrap_or(&self.head)
    }

    /// Returns the state with the content of a plan as its head.
    pub(super) fn with_head(&self, plan: &Plan) -> Self {
        let mut state = self.clone();
        state.names = plan.names.clone();
        let HeadContent { content, version } = &self.head;
        state.head.content = content.next(&plan.newest, *version, &plan.names);
        state
    }

    /// Makes a new version of the served content and moves `before` to the history. `reviewed` are the templates that may be stale or
    /// broken for a new reason, by default any. Renders that fail are answered from kept versions before `answers_before`, or from any
    /// without that bound.
    pub(super) fn publish(
        mut self,
        before: &Self,
        reviewed: Option<&IdSet>,
        answers_before: Option<Version>,
        limits: &Limits,
    ) -> (Self, Report, Effects) {
        let generation = Arc::clone(before.snapshot.generation());
        let version = generation.version.next();
        let texts = self.served().content.view.differences(&before.served().content.view);
        if generation.version != Version::NONE {
            let bytes = self.bytes_replaced(before, &texts);
            self.history_bytes += bytes;
            self.history.push_back(HistoryEntry { generation, bytes });
        }
        // One version is kept whatever its size: renders that fail after an edit are answered from it.
        while self.history.len() > limits.history_versions
            || (self.history.len() > 1 && self.history_bytes > limits.history_bytes)
        {
            let oldest = self.history.pop_front();
            self.history_bytes -= oldest.map_or(0, |oldest| oldest.bytes);
        }
        self.remember(before, &texts, limits);
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
        self.snapshot = Arc::new(Snapshot::new(generation, self.names.clone(), earlier, &self.shared));
        let compared = Comparison {
            before: &before.served().content,
            after: &self.served().content,
            texts: &texts,
            reviewed,
        };
        let (report, effects) = Report::of(&self.snapshot, &compared, &self.names, limits.event_names);
        (self, report, effects)
    }

    /// Returns the snapshot and the report that a plan would lead to. The snapshot shares nothing that renders write with the one that is
    /// served, and keeps no earlier version. If a version is held, the plan is compared with the accepted texts that wait.
    pub(crate) fn preview(&self, plan: &Plan, limits: &Limits) -> (Arc<Snapshot>, Report) {
        let limits = Limits {
            history_versions: 0,
            last_good_templates: 0,
            ..limits.clone()
        };
        let mut before = self.clone();
        before.held = None;
        before.shared = SnapshotShared::new(self.shared.without_good());
        before.former = LastGoodVersions::default();
        let next = before.with_head(plan);
        let (next, report, _) = next.publish(&before, Some(&plan.reviewed), None, &limits);
        (next.snapshot, report)
    }

    /// Returns the bytes of the compiled texts that these templates had before and no longer have.
    fn bytes_replaced(&self, before: &Self, texts: &[TemplateId]) -> u64 {
        let was = &before.served().content.view;
        let replaced = texts.iter().filter_map(|id| was.member(*id)).map(bytes_of);
        replaced.fold(0, u64::saturating_add)
    }

    /// Remembers `before` as the last good version of each of these templates whose text changed. Nothing is remembered while a version is
    /// held: the operator rolled back because the version that was left is worse than the chosen one.
    fn remember(&mut self, before: &Self, texts: &[TemplateId], limits: &Limits) {
        if self.is_held() {
            return;
        }
        let was = before.snapshot.generation();
        let faults = before.snapshot.late_faults();
        let whys = faults.iter().flat_map(|fault| &fault.whys);
        let failed: HashSet<&TemplateName> = whys.map(|why| &why.cause).collect();
        let mut replaced = Vec::new();
        for id in texts.iter().copied() {
            let now = self.head.content.view.member(id);
            if before.is_held() {
                self.former.begins_after(id, was.version);
                continue;
            }
            let Some(text) = was.content.view.member(id) else {
                // The template is back. Its versions before the removal must not answer for it.
                if now.is_some() && before.names.name(id).is_some() {
                    self.former.remember(id, was);
                }
                self.former.begins_after(id, was.version);
                continue;
            };
            replaced.push((id, bytes_of(text)));
            // A text that failed when it was rendered, or has not been rendered completely yet, does not replace the good version before it.
            let is_doubtful = failed.contains(&text.name) || before.snapshot.is_unproven(id);
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

/// Returns the size of a compiled text in bytes.
fn bytes_of(member: &Member) -> u64 {
    u64::try_from(member.unit.bytes()).unwrap_or(u64::MAX)
}
