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
use crate::snapshot::view::View;
use crate::snapshot::{
    Content, EarlierVersions, Generation, IdSet, KeptVersion, LastGoodVersions, LayerVersions, ScopeChange, ScopeNews,
    Scopes, Snapshot, SnapshotShared, StoredStale,
};
use crate::template::{TemplateKey, TemplateName};
use crate::version::Version;

/// The snapshot that is served, and the history.
#[derive(Debug, Clone)]
pub struct RegistryState {
    /// All names that were ever defined or called.
    pub(super) names: Index,
    pub(super) snapshot: Arc<Snapshot>,
    /// The earlier versions, oldest first.
    pub(super) history: VecDeque<HistoryEntry>,
    /// The sum of the bytes of all entries of the history.
    history_bytes: u64,
    /// The version before the last change of each template, which may be older than the history.
    former: LastGoodVersions,
    /// Likewise of each text of a tenant or of a later stage.
    layers: LayerVersions,
    shared: Arc<SnapshotShared>,
}

/// An earlier version, kept for rolling back and for answering renders that fail.
#[derive(Debug, Clone)]
pub(super) struct HistoryEntry {
    pub(super) kept: KeptVersion,
    /// The bytes of the texts that it has and the version after it does not.
    bytes: u64,
    /// True if it was read from the store.
    is_stored: bool,
}

/// The versions of the history that were read from the store, at most.
const STORED_MAX: usize = 4;

/// The next version to publish.
pub(super) struct NextVersion<'p> {
    pub(super) names: Index,
    pub(super) content: Content,
    pub(super) scopes: Scopes,
    /// The news about other scopes.
    pub(super) news: &'p ScopeNews,
    /// The templates that may be stale or broken for a new reason; any, if it is absent.
    pub(super) reviewed: Option<&'p IdSet>,
    /// The version whose content this is, if an operator rolled back to it. Later versions are left: they answer no failed render.
    pub(super) rolled_back_to: Option<Version>,
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
            shared: snapshot.shared(),
            snapshot,
            history: VecDeque::new(),
            history_bytes: 0,
            former: LastGoodVersions::default(),
            layers: LayerVersions::default(),
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

    /// Returns the names of all templates.
    pub(crate) fn names(&self) -> &Index {
        &self.names
    }

    /// Returns the templates that are stale, by class.
    pub(crate) fn stale_classes(&self) -> Vec<StoredStale> {
        self.content().stale().stored()
    }

    /// Returns the content that is served.
    pub(crate) fn content(&self) -> &Content {
        &self.snapshot.generation().content
    }

    /// Returns what the scopes beside shared stable are served.
    pub(crate) fn scopes(&self) -> &Scopes {
        &self.snapshot.generation().scopes
    }

    /// Returns the next version with the content of a plan.
    pub(super) fn planned<'p>(&self, plan: &'p Plan) -> NextVersion<'p> {
        let since = self.snapshot.version();
        let content = self.content().next(&plan.newest, since, &plan.names);
        let contents = (self.content(), &content);
        let change = ScopeChange {
            newest: &plan.scopes,
            tenants: &plan.news.tenants,
            since,
            names: &plan.names,
            rolled_back_to: None,
        };
        NextVersion {
            names: plan.names.clone(),
            scopes: self.scopes().next(&change, contents),
            news: &plan.news,
            content,
            reviewed: Some(&plan.reviewed),
            rolled_back_to: None,
        }
    }

    /// Returns what other scopes are served after an operator rolled back to a version, given the plan of the texts that are in effect then.
    pub(super) fn scopes_rolled_back(&self, plan: &Plan, to: &Generation) -> Scopes {
        let contents = (self.content(), &to.content);
        let change = ScopeChange {
            newest: &plan.scopes,
            tenants: &plan.news.tenants,
            since: self.snapshot.version(),
            names: &plan.names,
            rolled_back_to: Some(&to.scopes),
        };
        self.scopes().next(&change, contents)
    }

    /// Returns the state in which this version is served, and the one before it is in the history.
    pub(super) fn publish(&self, next: NextVersion<'_>, limits: &Limits) -> (Self, Report, Effects) {
        let before = self;
        let mut state = self.clone();
        let NextVersion {
            names,
            content,
            scopes,
            news,
            reviewed,
            rolled_back_to,
        } = next;
        state.names = names;
        let generation = Arc::clone(before.snapshot.generation());
        let version = generation.version.next();
        let texts = content.view.differences(&before.content().view);
        if generation.version != Version::NONE {
            let bytes = before.bytes_replaced(&texts);
            state.history_bytes = state.history_bytes.saturating_add(bytes);
            let is_left = false;
            let kept = KeptVersion { generation, is_left };
            let is_stored = false;
            state.history.push_back(HistoryEntry { kept, bytes, is_stored });
        }
        if let Some(to) = rolled_back_to {
            state.leave_after(to);
            state.serve_again(&content, &texts);
        }
        // One version is kept whatever its size: renders that fail after an edit are answered from it.
        while state.history.len() > limits.history_versions
            || (state.history.len() > 1 && state.history_bytes > limits.history_bytes)
        {
            let oldest = state.history.pop_front();
            state.history_bytes -= oldest.map_or(0, |oldest| oldest.bytes);
        }
        state.remember(before, &content, &texts, rolled_back_to, limits);
        if rolled_back_to.is_none() {
            state.remember_layers(before, news, limits);
        }
        let kept = state.history.iter().rev().map(|entry| entry.kept.clone());
        let oldest = state.history.front().map(|entry| entry.kept.generation.version);
        let earlier = EarlierVersions {
            kept: kept.collect(),
            former: state.former.clone(),
            former_before: oldest.unwrap_or(version),
            layers: state.layers.clone(),
        };
        let generation = Arc::new(Generation {
            version,
            content,
            scopes,
        });
        state.snapshot = Arc::new(Snapshot::new(generation, state.names.clone(), earlier, &state.shared));
        let compared = Comparison {
            before: before.content(),
            after: state.content(),
            texts: &texts,
            reviewed,
        };
        let (mut report, effects) = Report::of(&state.snapshot, &compared, &state.names, limits.event_names);
        report.add_scopes(&before.snapshot, &state.snapshot, news, limits.event_names);
        (state, report, effects)
    }

    /// Returns the state that serves a content as this version, with no earlier version.
    pub(super) fn serving(&self, names: Index, content: Content, version: Version) -> Self {
        let generation = Arc::new(Generation {
            version,
            content,
            scopes: Scopes::default(),
        });
        let earlier = EarlierVersions::default();
        let snapshot = Snapshot::new(generation, names.clone(), earlier, &self.shared);
        Self {
            names,
            snapshot: Arc::new(snapshot),
            ..self.clone()
        }
    }

    /// Returns the state with one more version in the history, which an earlier process has published. `names` are all names, also those of
    /// that version. Only a few such versions are kept at a time, and the next publication drops them like any that exceed the limits.
    pub(super) fn with_stored(&self, names: Index, content: Content, version: Version, limits: &Limits) -> Self {
        let mut state = self.clone();
        state.names = names;
        let at = state
            .history
            .partition_point(|entry| entry.kept.generation.version < version);
        let next = state.history.get(at).map(|entry| &entry.kept.generation.content);
        let texts = next.unwrap_or(self.content()).view.differences(&content.view);
        let own = texts.iter().filter_map(|id| content.view.member(*id)).map(bytes_of);
        let bytes = own.fold(0, u64::saturating_add);
        // A store keeps the shared stable scope only.
        let scopes = Scopes::default();
        let generation = Arc::new(Generation {
            version,
            content,
            scopes,
        });
        let kept = KeptVersion {
            generation,
            is_left: false,
        };
        let is_stored = true;
        state.history.insert(at, HistoryEntry { kept, bytes, is_stored });
        state.history_bytes = state.history_bytes.saturating_add(bytes);
        loop {
            let others = state.history.iter().enumerate();
            let mut others = others.filter(|(_, entry)| entry.is_stored && entry.kept.generation.version != version);
            let Some((oldest, _)) = others.next() else { break };
            let is_over = others.count() + 2 > STORED_MAX || state.history_bytes > limits.history_bytes;
            if !is_over {
                break;
            }
            let dropped = state.history.remove(oldest);
            state.history_bytes -= dropped.map_or(0, |dropped| dropped.bytes);
        }
        state
    }

    /// Marks the versions after one as left: an operator rolled back because they are worse.
    fn leave_after(&mut self, to: Version) {
        for entry in &mut self.history {
            entry.kept.is_left |= entry.kept.generation.version > to;
        }
        self.former.forget_after(to);
        self.layers.forget_after(to);
    }

    /// Lets all kept versions answer failed renders again.
    pub(super) fn leave_none(&mut self) {
        self.history.iter_mut().for_each(|entry| entry.kept.is_left = false);
    }

    /// Takes the texts that are served again out of the account of the history, which counts texts that nothing else keeps. A text is
    /// accounted to the newest version that has it.
    fn serve_again(&mut self, content: &Content, texts: &[TemplateId]) {
        for id in texts.iter().copied() {
            let Some(text) = content.view.member(id) else { continue };
            let has_it = |entry: &&mut HistoryEntry| {
                let member = entry.kept.generation.content.view.member(id);
                member.is_some_and(|member| member.digest == text.digest)
            };
            if let Some(entry) = self.history.iter_mut().rev().find(has_it) {
                let bytes = bytes_of(text).min(entry.bytes);
                entry.bytes -= bytes;
                self.history_bytes = self.history_bytes.saturating_sub(bytes);
            }
        }
    }

    /// Returns the bytes that only the history keeps.
    #[cfg(test)]
    pub(crate) fn history_bytes(&self) -> u64 {
        self.history_bytes
    }

    /// Returns the snapshot and the report that a plan would lead to. The snapshot shares nothing that renders write with the one that is
    /// served, and keeps no earlier version.
    pub(crate) fn preview(&self, plan: &Plan, limits: &Limits) -> (Arc<Snapshot>, Report) {
        let limits = Limits {
            history_versions: 0,
            last_good_templates: 0,
            ..limits.clone()
        };
        let mut before = self.clone();
        before.shared = SnapshotShared::new(self.shared.without_good());
        before.former = LastGoodVersions::default();
        before.layers = LayerVersions::default();
        let (next, mut report, _) = before.publish(before.planned(plan), &limits);
        // An author wants to see every text that was sent, served or not.
        let (was, is) = (&self.content().view, &next.content().view);
        let digest = |view: &View, id| view.member(id).map(|member| member.digest);
        let texts = is.differences(was).into_iter();
        let texts = texts.filter(|id| digest(is, *id).is_some() && digest(is, *id) != digest(was, *id));
        let mut changed: Vec<TemplateKey> = texts
            .filter_map(|id| next.names.name(id).map(TemplateKey::from))
            .collect();
        changed.sort_unstable();
        report.changed = changed;
        (next.snapshot, report)
    }

    /// Returns the bytes of the compiled texts that these templates have now and will no longer have.
    fn bytes_replaced(&self, texts: &[TemplateId]) -> u64 {
        let was = &self.content().view;
        let replaced = texts.iter().filter_map(|id| was.member(*id)).map(bytes_of);
        replaced.fold(0, u64::saturating_add)
    }

    /// Remembers `before` as the last good version of each of these templates whose text changed. Nothing is remembered by a rollback: the
    /// operator rolled back because the version that is left is worse than the chosen one.
    fn remember(
        &mut self,
        before: &Self,
        content: &Content,
        texts: &[TemplateId],
        rolled_back_to: Option<Version>,
        limits: &Limits,
    ) {
        let was = before.snapshot.generation();
        let faults = before.snapshot.late_faults();
        let whys = faults.iter().flat_map(|fault| &fault.whys);
        let failed: HashSet<&TemplateName> = whys.map(|why| &why.cause).collect();
        let mut replaced = Vec::new();
        for id in texts.iter().copied() {
            let Some(text) = was.content.view.member(id) else {
                let is_back = content.view.member(id).is_some() && before.names.name(id).is_some();
                // The template is back. Its versions before the removal must not answer for it.
                if is_back && rolled_back_to.is_none() {
                    self.former.remember(id, was);
                }
                self.former.begins_after(id, was.version);
                continue;
            };
            replaced.push((id, bytes_of(text)));
            // A text that failed when it was rendered, or has not been rendered completely yet, does not replace the good version before it.
            let is_doubtful = failed.contains(&text.name) || before.snapshot.is_unproven(id);
            if rolled_back_to.is_some() || (is_doubtful && self.former.get(id).is_some()) {
                continue;
            }
            self.former.remember(id, was);
        }
        for (id, bytes) in replaced {
            self.former.replaced(id, was.version, bytes);
        }
        self.former.trim(limits.last_good_templates, limits.last_good_bytes);
    }

    /// Remembers `before` as the last good version of each text of another layer than shared stable that changed or went.
    fn remember_layers(&mut self, before: &Self, news: &ScopeNews, limits: &Limits) {
        let was = before.snapshot.generation();
        for key in news.changed.iter().chain(&news.removed) {
            if was.version == Version::NONE {
                continue;
            }
            if let Some(id) = self.snapshot_id(before, key) {
                self.layers.remember(&key.layer, id, was);
            }
        }
        self.layers.trim(limits.last_good_templates);
    }

    /// Returns the id that a text of a layer has.
    fn snapshot_id(&self, before: &Self, key: &TemplateKey) -> Option<TemplateId> {
        before.scopes().id(key.layer.scope(), key.as_str(), &self.names)
    }
}

/// Returns the size of a compiled text in bytes.
fn bytes_of(member: &Member) -> u64 {
    u64::try_from(member.unit.bytes()).unwrap_or(u64::MAX)
}
